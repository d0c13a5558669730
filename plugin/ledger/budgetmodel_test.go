package ledger

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

// bookedCall is what a call is in the model of the budget.
type bookedCall struct {
	charge Charge
	booked winnow.NanoUSD
	open   bool // reserved, or nobody knows what it cost
}

// told is a settlement that waits for the next transaction.
type told struct {
	n int64
	s Settlement
}

// budget is the model beside the real one. It keeps calls and raises, and adds up anew whenever it is asked:
// nothing of it is a running sum.
type budget struct {
	t      *testing.T
	path   string
	l      *Ledger
	now    time.Time
	calls  map[int64]*bookedCall
	waits  []told
	raises map[Scope]Raise
}

var modelScopes = []Scope{
	Total, {ScopeSearch, "A"}, {ScopeSearch, "B"}, {ScopeTeam, "red"}, {ScopeTeam, NoTeam}, {ScopeModel, "small"}, {ScopeModel, "large"},
}

// TestBudgetModel reserves, settles, releases, raises, lowers and crashes over days and months, in any order: a call
// is refused exactly when it would pass a limit of everything, its search, team or model, would touch what is kept for
// more severe alerts, or would give its search more than its share; the refusal says which and what is spent; and
// every scope has booked what its calls have on every day.
func TestBudgetModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b := &budget{
			t: t, path: filepath.Join(t.TempDir(), "ledger.db"), now: time.Date(2026, 1, 30, 22, 0, 0, 0, time.UTC),
			calls: map[int64]*bookedCall{}, raises: map[Scope]Raise{},
		}
		b.open(rt)
		defer func() { _ = b.l.Close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"reserve": b.reserve, "reserve 2": b.reserve, "reserve 3": b.reserve, "settle": b.settle, "crash": b.crash, "": b.check,
			"raise": b.raise, "lower": b.lower,
			"flush": func(rt *rapid.T) { b.ok(rt, b.l.Flush(t.Context())); b.settled() },
			"time": func(rt *rapid.T) {
				b.now = b.now.Add(time.Duration(rapid.IntRange(1, 30).Draw(rt, "hours")) * time.Hour)
			},
		})
		b.checkAll(rt)
	})
}

func (b *budget) ok(rt *rapid.T, err error) {
	if err != nil {
		rt.Fatal(err)
	}
}

func (b *budget) open(rt *rapid.T) {
	l, err := Open(b.t.Context(), b.path)
	b.ok(rt, err)
	b.l = l
}

// in reports whether a charge is of a scope.
func (b *budget) in(c *Charge, s Scope) bool {
	team := c.Team
	if team == "" {
		team = NoTeam
	}
	return s == Total || s.Kind == ScopeSearch && c.Search == s.Name || s.Kind == ScopeTeam && team == s.Name || s.Kind == ScopeModel && c.Source == s.Name
}

// Classes of severities, from that which has least kept for it.
const (
	classRest = iota
	classHigh
	classCritical
)

func classOf(s winnow.Severity) int {
	return map[winnow.Severity]int{winnow.SeverityCritical: classCritical, winnow.SeverityHigh: classHigh, winnow.SeverityUnknown: classHigh}[s]
}

// spent is what the model has booked in a scope in a day or month, by class.
func (b *budget) spent(s Scope, layout string, at time.Time) (sum [3]winnow.NanoUSD) {
	for _, c := range b.calls {
		if c.charge.At.Format(layout) == at.Format(layout) && b.in(&c.charge, s) {
			sum[classOf(c.charge.Severity)] += c.booked
		}
	}
	return sum
}

func total(by [3]winnow.NanoUSD) winnow.NanoUSD { return by[0] + by[1] + by[2] }

// limit is a limit with what it is raised by.
func (b *budget) limit(s Scope, bound winnow.NanoUSD) winnow.NanoUSD {
	if r, ok := b.raises[s]; ok && !b.now.Before(r.At) && b.now.Before(r.Until) {
		return bound + r.Amount
	}
	return bound
}

// keptFor is what a charge leaves alone for what is more severe.
func keptFor(limit winnow.NanoUSD, by [3]winnow.NanoUSD, class int, l *Limits) (n winnow.NanoUSD) {
	part := func(s Share) winnow.NanoUSD { return limit * winnow.NanoUSD(s) / 1_000_000 }
	if class < classCritical {
		n += max(part(l.Critical)-by[classCritical], 0)
	}
	if class < classHigh {
		n += max(part(l.High)-by[classHigh], 0)
	}
	return n
}

// refusal is what is to be said of a charge, nil when it fits.
func (b *budget) refusal(c *Charge, l *Limits) *LimitError {
	if c.Reserve == 0 {
		return nil
	}
	layouts := map[string]string{"day": time.DateOnly, "month": "2006-01"}
	for _, s := range []struct {
		kind ScopeKind
		name string
		Bounds
	}{
		{ScopeTotal, "", Bounds{l.Day, l.Month}}, {ScopeSearch, c.Search, l.Search}, {ScopeTeam, c.Team, l.Team}, {ScopeModel, c.Source, l.Model},
	} {
		if s.kind == ScopeTeam && s.name == "" {
			s.name = NoTeam
		}
		for _, p := range []string{"day", "month"} {
			bound := map[string]*winnow.NanoUSD{"day": s.Day, "month": s.Month}[p]
			if bound == nil {
				continue
			}
			scope := Scope{s.kind, s.name}
			by, limit := b.spent(scope, layouts[p], b.now), b.limit(scope, *bound)
			hold := winnow.NanoUSD(0)
			if s.kind != ScopeSearch {
				hold = keptFor(limit, by, classOf(c.Severity), l)
			}
			if total(by)+c.Reserve+hold > limit {
				return &LimitError{Limit: p, Scope: scope, Max: limit, Spent: total(by), Kept: hold}
			}
		}
	}
	if l.Day == nil || l.SearchShare == 0 || l.SearchShare == Whole {
		return nil
	}
	by, limit := b.spent(Total, time.DateOnly, b.now), b.limit(Total, *l.Day)
	class := classOf(c.Severity)
	left := max(limit-total(by)-keptFor(limit, by, class, l), 0)
	own := b.spent(Scope{ScopeSearch, c.Search}, time.DateOnly, b.now)[class]
	if most := (left + own) * winnow.NanoUSD(l.SearchShare) / 1_000_000; own+c.Reserve > most {
		return &LimitError{Limit: "search_share", Scope: Scope{ScopeSearch, c.Search}, Max: most, Spent: own}
	}
	return nil
}

// drawLimits draws limits of which each may be missing.
func drawLimits(rt *rapid.T) Limits {
	bound := func(name string, most int64) *winnow.NanoUSD {
		if rapid.IntRange(0, 2).Draw(rt, "no "+name) == 0 {
			return nil
		}
		return usd(winnow.NanoUSD(rapid.Int64Range(0, most).Draw(rt, name)))
	}
	share := func(name string, most int64) Share { return Share(rapid.Int64Range(0, most).Draw(rt, name)) }
	l := Limits{
		Day: bound("day", 100), Month: bound("month", 200), Search: Bounds{bound("search day", 60), bound("search month", 90)},
		Team: Bounds{bound("team day", 60), bound("team month", 90)}, Model: Bounds{bound("model day", 60), bound("model month", 90)},
		Critical: share("critical", 600_000), High: share("high", 400_000),
	}
	if rapid.Bool().Draw(rt, "fair") {
		l.SearchShare = share("search", int64(Whole))
	}
	return l
}

func (b *budget) reserve(rt *rapid.T) {
	c := charge("A", b.now, winnow.NanoUSD(rapid.Int64Range(0, 40).Draw(rt, "reserve")))
	c.Search = rapid.SampledFrom([]string{"A", "B"}).Draw(rt, "search")
	c.Team = rapid.SampledFrom([]string{"", "red"}).Draw(rt, "team")
	c.Source = rapid.SampledFrom([]string{"small", "large"}).Draw(rt, "model")
	c.Severity = winnow.Severity(rapid.IntRange(0, 5).Draw(rt, "severity"))
	limits := drawLimits(rt)
	n, err := b.l.Reserve(b.t.Context(), c, limits)
	b.settled()
	want := b.refusal(&c, &limits)
	got, refused := errors.AsType[*LimitError](err)
	switch {
	case err != nil && !refused:
		rt.Fatal(err)
	case refused != (want != nil) || refused && *got != *want:
		rt.Fatalf("a call of %d is answered with %+v, want %+v", c.Reserve, got, want)
	case !refused:
		b.calls[n] = &bookedCall{charge: c, booked: c.Reserve, open: true}
	}
}

// settle says what came of a call, now and then of one that is settled.
func (b *budget) settle(rt *rapid.T) {
	if len(b.calls) == 0 {
		rt.Skip()
	}
	var all []int64
	for n := range b.calls {
		all = append(all, n)
	}
	slices.Sort(all)
	n := rapid.SampledFrom(all).Draw(rt, "call")
	s := Settlement{
		State: rapid.SampledFrom([]CallState{CallSettled, CallReleased, CallUnsettled}).Draw(rt, "state"),
		Price: winnow.NanoUSD(rapid.Int64Range(0, 60).Draw(rt, "price")),
	}
	b.ok(rt, b.l.Settle(b.t.Context(), n, s))
	b.waits = append(b.waits, told{n, s})
}

// settled books what waited.
func (b *budget) settled() {
	for _, w := range b.waits {
		c := b.calls[w.n]
		if !c.open {
			continue
		}
		switch w.s.State {
		case CallSettled:
			c.booked = w.s.Price
		case CallReleased:
			c.booked = 0
		case CallReserved, CallUnsettled:
			c.booked = max(c.booked, w.s.Price)
		}
		c.open = w.s.State == CallUnsettled
	}
	b.waits = nil
}

func (b *budget) raise(rt *rapid.T) {
	r := Raise{
		Scope: rapid.SampledFrom(modelScopes).Draw(rt, "scope"), Amount: winnow.NanoUSD(rapid.Int64Range(1, 50).Draw(rt, "raise")), At: b.now,
		Until: b.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(rt, "for")) * time.Hour), Actor: "ann", Reason: "because",
	}
	b.ok(rt, b.l.Update(b.t.Context(), func(tx *Tx) error { return tx.SetRaise(r) }))
	b.settled()
	b.raises[r.Scope] = r
}

func (b *budget) lower(rt *rapid.T) {
	scope := rapid.SampledFrom(modelScopes).Draw(rt, "scope")
	err := b.l.Update(b.t.Context(), func(tx *Tx) error { return tx.EndRaise(scope, "ann", "", b.now) })
	r, ok := b.raises[scope]
	if ok = ok && b.now.Before(r.Until); ok != (err == nil) || !ok && !errors.Is(err, ErrNoRaise) {
		rt.Fatalf("end the raise of %s, which is there: %v: %v", scope, ok, err)
	}
	if ok {
		b.settled()
		delete(b.raises, scope)
	}
}

// crash loses what is not on disk: those calls stay booked at their worst.
func (b *budget) crash(rt *rapid.T) {
	b.l.calls.settled, b.waits = nil, nil
	b.ok(rt, b.l.Close())
	b.open(rt)
	b.checkAll(rt)
}

// check holds today's sums against the calls, and checkAll those of every day.
func (b *budget) check(rt *rapid.T) { b.checkDays(rt, b.now.Truncate(24*time.Hour)) }

func (b *budget) checkAll(rt *rapid.T) {
	var days []time.Time
	for _, c := range b.calls {
		if day := c.charge.At.Truncate(24 * time.Hour); !slices.Contains(days, day) {
			days = append(days, day)
		}
	}
	b.checkDays(rt, days...)
	b.ok(rt, b.l.View(b.t.Context(), (*Tx).CheckSums))
}

func (b *budget) checkDays(rt *rapid.T, days ...time.Time) {
	b.ok(rt, b.l.View(b.t.Context(), func(tx *Tx) error {
		for _, day := range days {
			for _, scope := range modelScopes {
				by := b.spent(scope, time.DateOnly, day)
				want := Sum{Booked: total(by), High: by[classHigh], Critical: by[classCritical]}
				if got, err := tx.Booked(scope, day, day.AddDate(0, 0, 1)); err != nil || got != want {
					rt.Fatalf("%s has booked %+v on %s, want %+v (%v)", scope, got, day.Format(time.DateOnly), want, err)
				}
			}
		}
		return nil
	}))
}
