package ledger

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/crash"
)

// What is booked is kept by day for everything, and for each search, team and model: a limit is held against
// a row or, for a month, against thirty. High and critical alerts have columns of their own, because a part
// of every limit is kept for them.

// ScopeKind says what a limit bounds.
type ScopeKind string

// The kinds.
const (
	ScopeTotal  ScopeKind = "total"
	ScopeSearch ScopeKind = "search"
	ScopeTeam   ScopeKind = "team"
	ScopeModel  ScopeKind = "model" // a [model:NAME]
)

// Scope is what a limit bounds: everything, or one search, team or model.
type Scope struct {
	Kind ScopeKind `json:"scope"`
	Name string    `json:"name"` // "" for everything
}

// Total is everything.
var Total = Scope{Kind: ScopeTotal}

// NoTeam is the scope of calls that belong to no team. No team may be called that.
const NoTeam = "unassigned"

// String writes a scope as ParseScope reads it.
func (s Scope) String() string {
	if s.Kind == ScopeTotal {
		return string(ScopeTotal)
	}
	return string(s.Kind) + ":" + s.Name
}

// ParseScope reads "total", "search:NAME", "team:NAME" or "model:NAME".
func ParseScope(text string) (Scope, error) {
	kind, name, named := strings.Cut(text, ":")
	switch k := ScopeKind(kind); {
	case k == ScopeTotal && !named:
		return Total, nil
	case (k == ScopeSearch || k == ScopeTeam || k == ScopeModel) && name != "":
		return Scope{k, name}, nil
	}
	return Scope{}, fmt.Errorf("unknown scope %.80q (want total, search:NAME, team:NAME or model:NAME)", text)
}

// Period is what a limit is for: a day or a month of the calendar, in UTC.
type Period string

// The periods.
const (
	PeriodDay   Period = "day"
	PeriodMonth Period = "month"
)

var periods = []Period{PeriodDay, PeriodMonth}

// Span returns the start of the period that a time is in, and of the next one.
func (p Period) Span(at time.Time) (from, to time.Time) {
	at = at.UTC()
	if p == PeriodMonth {
		from = time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
		return from, from.AddDate(0, 1, 0)
	}
	from = at.Truncate(24 * time.Hour)
	return from, from.AddDate(0, 0, 1)
}

// Share is a part of a whole, in millionths: money is divided without rounding that depends on the machine.
type Share int64

// Whole is all of it.
const Whole Share = 1_000_000

// ShareOf makes a share of a number from 0 to 1.
func ShareOf(f float64) Share { return Share(math.Round(min(max(f, 0), 1) * float64(Whole))) }

// of returns the part of an amount that is not below zero, rounded down.
func (s Share) of(n winnow.NanoUSD) winnow.NanoUSD {
	whole, part := winnow.NanoUSD(Whole), winnow.NanoUSD(s)
	return n/whole*part + n%whole*part/whole
}

// Bounds are the limits of a scope. nil: none.
type Bounds struct{ Day, Month *winnow.NanoUSD }

func (b Bounds) of(p Period) *winnow.NanoUSD {
	if p == PeriodMonth {
		return b.Month
	}
	return b.Day
}

// Limits bound what may be booked for one charge, in days and months of UTC.
type Limits struct {
	Day, Month          *winnow.NanoUSD // of everything; nil: no limit
	Search, Team, Model Bounds          // of the search, team and [model:NAME] of the charge
	PerDay              CallLimits      // of the [model:NAME], whatever its calls cost

	// Critical and High are the shares of each limit, but for those of searches, that are kept for alerts of
	// these severities: what of them is not booked yet stays untouched by what is less severe. Unknown counts
	// as high. Together they are at most Whole.
	Critical, High Share

	// SearchShare is the most of what is left of Day for a severity, and of what the search itself has booked
	// for it, that one search may have booked. 0: any.
	SearchShare Share
}

func (l *Limits) none() bool {
	var free Bounds
	return l.Day == nil && l.Month == nil && l.Search == free && l.Team == free && l.Model == free
}

// LimitError says that a charge would pass a limit.
type LimitError struct {
	Limit string // "day", "month", "search_share", "calls", "tokens", or "unpriced": no price, while a limit is set
	Scope Scope
	Max   winnow.NanoUSD // with what it is raised by; of search_share, what the search may book now
	Spent winnow.NanoUSD // booked so far
	Kept  winnow.NanoUSD // of what is left, kept for what is more severe

	MaxCount, Count int64 // of "calls" and "tokens": the limit, and what of it is used
}

// Error names the limit.
func (e *LimitError) Error() string {
	if e.MaxCount > 0 {
		return fmt.Sprintf("ledger: %s of %.80q a day: %d of %d are used", e.Limit, e.Scope, e.Count, e.MaxCount)
	}
	return fmt.Sprintf("ledger: budget of %.80q by %s: %s of %s is booked, %s is kept", e.Scope, e.Limit, e.Spent, e.Max, e.Kept)
}

// Sum is what is booked in a scope. High and Critical are the parts of it for alerts of these severities.
type Sum struct{ Booked, High, Critical winnow.NanoUSD }

// add adds to a sum, or takes away. None of it falls below zero.
func (s Sum) add(severity winnow.Severity, more winnow.NanoUSD) Sum {
	s.Booked = max(plus(s.Booked, more), 0)
	switch severityClass(severity) {
	case winnow.SeverityCritical:
		s.Critical = max(plus(s.Critical, more), 0)
	case winnow.SeverityHigh:
		s.High = max(plus(s.High, more), 0)
	}
	return s
}

func (s Sum) plus(b Sum) Sum {
	return Sum{plus(s.Booked, b.Booked), plus(s.High, b.High), plus(s.Critical, b.Critical)}
}

// of is what is booked for alerts of the class of a severity.
func (s Sum) of(severity winnow.Severity) winnow.NanoUSD {
	switch severityClass(severity) {
	case winnow.SeverityCritical:
		return s.Critical
	case winnow.SeverityHigh:
		return s.High
	}
	return max(s.Booked-s.High-s.Critical, 0)
}

// severityClass puts severities together for which money is kept: critical, high and unknown, the rest.
func severityClass(s winnow.Severity) winnow.Severity {
	switch s {
	case winnow.SeverityCritical:
		return winnow.SeverityCritical
	case winnow.SeverityHigh, winnow.SeverityUnknown:
		return winnow.SeverityHigh
	}
	return winnow.SeverityInformational
}

// kept is what of a limit stays untouched by an alert of a severity.
func (l *Limits) kept(limit winnow.NanoUSD, s Sum, severity winnow.Severity) (n winnow.NanoUSD) {
	class := severityClass(severity)
	if class < winnow.SeverityCritical {
		n = max(l.Critical.of(limit)-s.Critical, 0)
	}
	if class < winnow.SeverityHigh {
		n += max(l.High.of(limit)-s.High, 0)
	}
	return n
}

// scopes are those that a charge is booked in.
func (c *Charge) scopes() []Scope { return scopesOf(c.Search, c.Team, c.Source) }

func scopesOf(search, team, model string) []Scope {
	out := append(make([]Scope, 0, 4), Total)
	if search != "" {
		out = append(out, Scope{ScopeSearch, search})
	}
	if team == "" {
		team = NoTeam
	}
	out = append(out, Scope{ScopeTeam, team})
	if model != "" {
		out = append(out, Scope{ScopeModel, model})
	}
	return out
}

func (l *Limits) bounds(kind ScopeKind) Bounds {
	switch kind {
	case ScopeSearch:
		return l.Search
	case ScopeTeam:
		return l.Team
	case ScopeModel:
		return l.Model
	case ScopeTotal:
	}
	return Bounds{l.Day, l.Month}
}

// within holds a charge against all limits. What costs nothing passes none.
func (t *Tx) within(r *reserve, booked winnow.NanoUSD) error {
	c, limits := &r.charge, &r.limits
	if err := t.withinCalls(r); err != nil || r.err != nil || limits.none() {
		return err
	}
	if c.Unpriced {
		if limits.PerDay.both() {
			return nil // its own limits bound it
		}
		r.err = &LimitError{Limit: "unpriced", Scope: Total}
		return nil
	}
	if booked == 0 {
		return nil
	}
	for _, scope := range c.scopes() {
		for _, p := range periods {
			bound := limits.bounds(scope.Kind).of(p)
			if bound == nil {
				continue
			}
			left, refusal, err := t.left(c, limits, scope, p, *bound)
			if err != nil {
				return err
			}
			if booked > left {
				r.err = &refusal
				return nil
			}
		}
	}
	return t.fair(r, booked)
}

// left is what of a limit a charge may still book, and what to say of it where that is too little.
func (t *Tx) left(c *Charge, limits *Limits, scope Scope, p Period, bound winnow.NanoUSD) (n winnow.NanoUSD, refusal LimitError, err error) {
	raised, err := t.raised(scope, c.At)
	if err != nil {
		return 0, refusal, err
	}
	from, _ := p.Span(c.At)
	sum, err := t.sum(scope, p, from)
	if err != nil {
		return 0, refusal, err
	}
	refusal = LimitError{Limit: string(p), Scope: scope, Max: plus(max(bound, 0), raised), Spent: sum.Booked}
	if scope.Kind != ScopeSearch {
		refusal.Kept = limits.kept(refusal.Max, sum, c.Severity)
	}
	return max(max(refusal.Max-sum.Booked, 0)-refusal.Kept, 0), refusal, nil
}

// fair refuses a search that has booked its share of the day's limit, while others may still book.
func (t *Tx) fair(r *reserve, booked winnow.NanoUSD) error {
	c, limits := &r.charge, &r.limits
	if limits.Day == nil || limits.SearchShare <= 0 || limits.SearchShare >= Whole || c.Search == "" {
		return nil
	}
	left, _, err := t.left(c, limits, Total, PeriodDay, *limits.Day)
	if err != nil {
		return err
	}
	search := Scope{ScopeSearch, c.Search}
	from, _ := PeriodDay.Span(c.At)
	sum, err := t.sum(search, PeriodDay, from)
	if err != nil {
		return err
	}
	own := sum.of(c.Severity)
	most := limits.SearchShare.of(plus(left, own))
	if booked > max(most-own, 0) {
		r.err = &LimitError{Limit: "search_share", Scope: search, Max: most, Spent: own}
	}
	return nil
}

// sums are what a transaction has read of what is booked, and what it has added.
type sums struct {
	days   map[sumKey]Sum
	months map[sumKey]Sum
	dirty  map[sumKey]bool // days that are not in the table yet
	raises map[Scope]Raise // nil: not read
}

type sumKey struct {
	scope Scope
	start int64 // of the day or month
}

// sum returns what is booked in the period that begins then.
func (t *Tx) sum(scope Scope, p Period, from time.Time) (Sum, error) {
	key := sumKey{scope, micro(from)}
	if p == PeriodDay {
		return t.daySum(key)
	}
	if sum, ok := t.sums.months[key]; ok {
		return sum, nil
	}
	if err := t.keepSums(); err != nil {
		return Sum{}, err
	}
	_, to := p.Span(from)
	sum, err := t.readSum(scope, key.start, micro(to))
	if t.sums.months == nil {
		t.sums.months = map[sumKey]Sum{}
	}
	t.sums.months[key] = sum
	return sum, err
}

func (t *Tx) daySum(key sumKey) (Sum, error) {
	if sum, ok := t.sums.days[key]; ok {
		return sum, nil
	}
	sum, err := t.readSum(key.scope, key.start, key.start+microDay)
	if t.sums.days == nil {
		t.sums.days, t.sums.dirty = map[sumKey]Sum{}, map[sumKey]bool{}
	}
	t.sums.days[key] = sum
	return sum, err
}

// readSum adds up the days from one until before another.
func (t *Tx) readSum(scope Scope, from, to int64) (sum Sum, err error) {
	query, args := "SELECT booked, high, critical FROM spent WHERE day >= ? AND day < ?", []any{from, to}
	if scope.Kind != ScopeTotal {
		query = "SELECT booked, high, critical FROM spent_by WHERE scope = ? AND name = ? AND day >= ? AND day < ?"
		args = []any{string(scope.Kind), scope.Name, from, to}
	}
	err = t.each(query, args, func(scan func(...any) error) error {
		var one Sum
		err := scan(&one.Booked, &one.High, &one.Critical)
		sum = sum.plus(one)
		return err
	})
	return sum, err
}

// spend adds to what is booked in each scope on a day.
func (t *Tx) spend(at int64, scopes []Scope, severity winnow.Severity, more winnow.NanoUSD) error {
	if more == 0 {
		return nil
	}
	month, _ := PeriodMonth.Span(timeOf(at))
	for _, scope := range scopes {
		key := sumKey{scope, dayOf(at)}
		sum, err := t.daySum(key)
		if err != nil {
			return err
		}
		t.sums.days[key], t.sums.dirty[key] = sum.add(severity, more), true
		key.start = micro(month)
		if sum, ok := t.sums.months[key]; ok {
			t.sums.months[key] = sum.add(severity, more)
		}
	}
	return nil
}

// keepSums writes what was added. It is called before the transaction ends, and before sums are read in it.
func (t *Tx) keepSums() error {
	if len(t.sums.dirty) == 0 {
		return nil
	}
	crash.Point("budget.before-sums")
	for key := range t.sums.dirty {
		sum := t.sums.days[key]
		query, args := "INSERT OR REPLACE INTO spent (day, booked, high, critical) VALUES (?,?,?,?)", []any{key.start, sum.Booked, sum.High, sum.Critical}
		if key.scope.Kind != ScopeTotal {
			query = "INSERT OR REPLACE INTO spent_by (scope, name, day, booked, high, critical) VALUES (?,?,?,?,?,?)"
			args = append([]any{string(key.scope.Kind), key.scope.Name}, args...)
		}
		if err := t.exec(query, args...); err != nil {
			return err
		}
	}
	clear(t.sums.dirty)
	crash.Point("budget.after-sums")
	return nil
}

// Booked returns what is booked in a scope from one day of UTC until before another, also for alerts past
// retention.
func (t *Tx) Booked(scope Scope, from, to time.Time) (Sum, error) {
	if err := t.keepSums(); err != nil {
		return Sum{}, err
	}
	return t.readSum(scope, dayOf(micro(from)), dayOf(micro(to)))
}

// Spent is what is booked for everything, see [Tx.Booked].
func (t *Tx) Spent(from, to time.Time) (winnow.NanoUSD, error) {
	sum, err := t.Booked(Total, from, to)
	return sum.Booked, err
}

// CheckSums holds what is kept by scope against a scan of all calls. It is for tests: retention removes calls
// and not what they have cost.
func (t *Tx) CheckSums() error {
	if err := t.keepSums(); err != nil {
		return err
	}
	want := map[sumKey]Sum{}
	err := t.each("SELECT at, search, team, source, severity, booked FROM calls WHERE state <> 'released'", nil, func(scan func(...any) error) error {
		var at int64
		var search, team, model string
		var severity winnow.Severity
		var booked winnow.NanoUSD
		err := scan(&at, &search, &team, &model, &severity, &booked)
		for _, scope := range scopesOf(search, team, model) {
			key := sumKey{scope, dayOf(at)}
			want[key] = want[key].add(severity, booked)
		}
		return err
	})
	for key, sum := range want {
		is, readErr := t.readSum(key.scope, key.start, key.start+microDay)
		if err = errors.Join(err, readErr); is != sum {
			err = errors.Join(err, fmt.Errorf("%q has booked %+v on day %d, its calls %+v", key.scope, is, key.start, sum))
		}
	}
	return err
}
