package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
)

// noise is a charge that thousands are like.
func noise(search string, at time.Time, reserve winnow.NanoUSD) Charge {
	c := charge("A", at, reserve)
	c.Search, c.Severity = search, winnow.SeverityLow
	return c
}

func critical(search string, at time.Time, reserve winnow.NanoUSD) Charge {
	c := noise(search, at, reserve)
	c.Severity = winnow.SeverityCritical
	return c
}

// refusedBy books one charge and returns what refuses it, "" for nothing.
func refusedBy(t testing.TB, l *Ledger, c Charge, limits Limits) string {
	t.Helper()
	_, err := l.Reserve(t.Context(), c, limits)
	if limit, ok := errors.AsType[*LimitError](err); ok {
		return limit.Scope.String() + " " + limit.Limit
	}
	if err != nil {
		t.Fatal(err)
	}
	return ""
}

// What is kept for high and critical alerts is out of reach for noise, in every order in which they come.
func TestSharesAreKeptBySeverity(t *testing.T) {
	limits := Limits{Day: usd(1000), Critical: ShareOf(0.2), High: ShareOf(0.3)}
	low, high, unknown, crit := winnow.SeverityLow, winnow.SeverityHigh, winnow.SeverityUnknown, winnow.SeverityCritical
	type step struct {
		severity winnow.Severity
		amount   winnow.NanoUSD
		fits     bool
	}
	for name, steps := range map[string][]step{
		"noise gets the rest and no more":            {{low, 500, true}, {low, 1, false}, {winnow.SeverityMedium, 1, false}},
		"high gets what is kept for it":              {{low, 500, true}, {high, 300, true}, {high, 1, false}},
		"unknown counts as high":                     {{low, 500, true}, {unknown, 300, true}, {high, 1, false}},
		"critical gets all that is left":             {{low, 500, true}, {crit, 500, true}, {crit, 1, false}},
		"a share that is used up is kept no more":    {{crit, 200, true}, {high, 300, true}, {low, 500, true}, {low, 1, false}},
		"what critical takes beyond is everybody's":  {{crit, 600, true}, {low, 100, true}, {low, 1, false}, {high, 300, true}},
		"high leaves critical its share":             {{high, 800, true}, {high, 1, false}, {crit, 200, true}, {crit, 1, false}},
		"what is kept for high, critical may use":    {{crit, 1000, true}, {low, 1, false}, {high, 1, false}},
		"what costs nothing passes at any severity":  {{crit, 1000, true}, {low, 0, true}},
		"informational is noise, like low or medium": {{winnow.SeverityInformational, 500, true}, {low, 1, false}},
	} {
		t.Run(name, func(t *testing.T) {
			l := openNew(t)
			for i, s := range steps {
				c := noise("s", noon, s.amount)
				c.Severity = s.severity
				if by := refusedBy(t, l, c, limits); (by == "") != s.fits {
					t.Errorf("step %d, %s of %d: refused by %q", i, s.severity, s.amount, by)
				}
			}
		})
	}
}

// Each limit is told by its name, the widest first; those of other searches, teams and models do not count.
func TestLimitsByScope(t *testing.T) {
	for name, c := range map[string]struct {
		limits Limits
		want   string
	}{
		"everything":      {Limits{Day: usd(99), Search: Bounds{Day: usd(1)}}, "total day"},
		"the month":       {Limits{Month: usd(99)}, "total month"},
		"the search":      {Limits{Day: usd(500), Search: Bounds{Month: usd(99)}, Team: Bounds{Day: usd(1)}}, "search:s month"},
		"the team":        {Limits{Team: Bounds{Day: usd(99)}, Model: Bounds{Day: usd(1)}}, "team:ann day"},
		"the model":       {Limits{Model: Bounds{Day: usd(99)}}, "model:large day"},
		"none":            {Limits{Day: usd(100), Search: Bounds{usd(100), usd(100)}, Team: Bounds{usd(100), usd(100)}, Model: Bounds{usd(100), usd(100)}}, ""},
		"a limit of zero": {Limits{Model: Bounds{Month: usd(0)}}, "model:large month"},
	} {
		t.Run(name, func(t *testing.T) {
			l := openNew(t)
			other := noise("other", noon, 1000)
			other.Team, other.Source = "eve", "small"
			if c.limits.Day == nil && c.limits.Month == nil {
				mustReserve(t, l, other, Limits{})
			}
			mustReserve(t, l, noise("s", noon, 60), Limits{})
			if by := refusedBy(t, l, noise("s", noon, 40), c.limits); by != c.want {
				t.Errorf("refused by %q, want %q", by, c.want)
			}
		})
	}
	l := openNew(t)
	c := noise("s", noon, 10)
	c.Team = ""
	if by := refusedBy(t, l, c, Limits{Team: Bounds{Day: usd(9)}}); by != "team:unassigned day" {
		t.Errorf("a search of no team is refused by %q", by)
	}
}

// A flooding search is refused while others may still book, and what it books more severe alerts do not lose.
func TestTheFloodingSearchIsCappedFirst(t *testing.T) {
	l := openNew(t)
	limits := Limits{Day: usd(1000), Critical: ShareOf(0.2), High: ShareOf(0.3), SearchShare: ShareOf(0.5)}
	booked := 0
	by := ""
	for by == "" {
		if by = refusedBy(t, l, noise("flood", noon, 10), limits); by == "" {
			booked += 10
		}
	}
	if by != "search:flood search_share" || booked != 250 {
		t.Errorf("the flood has booked %d and is refused by %q, want half of the 500 that noise may book", booked, by)
	}
	for _, search := range []string{"one", "two", "three"} { // each takes half of what is left, so there always is some
		if by := refusedBy(t, l, noise(search, noon, 30), limits); by != "" {
			t.Errorf("%s is refused by %q", search, by)
		}
	}
	if by := refusedBy(t, l, critical("flood", noon, 200), limits); by != "" {
		t.Errorf("a critical alert of the flooding search is refused by %q", by)
	}
	if by := refusedBy(t, l, noise("flood", noon.Add(24*time.Hour), 10), limits); by != "" {
		t.Errorf("the next day it is refused by %q", by)
	}
}

func TestARaiseCountsForItsTime(t *testing.T) {
	l := openNew(t)
	limits := Limits{Day: usd(100), Search: Bounds{Day: usd(1000)}}
	raise := func(r Raise) error { return l.Update(t.Context(), func(tx *Tx) error { return tx.SetRaise(r) }) }
	mustReserve(t, l, noise("s", noon, 100), limits)
	r := Raise{Scope: Total, Amount: 50, At: noon, Until: noon.Add(6 * time.Hour), Actor: "ann", Reason: "a wave"}
	if err := raise(r); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after  time.Duration
		amount winnow.NanoUSD
		want   string
	}{
		{-time.Second, 1, "total day"}, // the clock was set back
		{0, 51, "total day"},
		{6*time.Hour - 1, 50, ""},
		{6 * time.Hour, 1, "total day"},
	} {
		if by := refusedBy(t, l, noise("s", noon.Add(c.after), c.amount), limits); by != c.want {
			t.Errorf("%s after: refused by %q, want %q", c.after, by, c.want)
		}
	}
	r.Amount, r.At, r.Until = 7, noon.Add(6*time.Hour), noon.Add(8*time.Hour) // in the place of the other
	if err := raise(r); err != nil {
		t.Fatal(err)
	}
	view(t, l, func(tx *Tx) error {
		now, err := tx.Raises(noon.Add(7 * time.Hour))
		if len(now) != 1 || now[0] != r {
			t.Errorf("raises %+v, want %+v", now, r)
		}
		later, laterErr := tx.Raises(noon.Add(8 * time.Hour))
		if len(later) != 0 {
			t.Errorf("it does not end by itself: %+v", later)
		}
		return errors.Join(err, laterErr)
	})
	for _, bad := range []Raise{{Scope: Total, At: noon, Until: noon.Add(1)}, {Scope: Total, Amount: -1, At: noon, Until: noon.Add(1)}, {Scope: Total, Amount: 1, At: noon, Until: noon}, {Scope: Total, Amount: maxRaise + 1, At: noon, Until: noon.Add(1)}} {
		if err := raise(bad); err == nil {
			t.Errorf("taken: %+v", bad)
		}
	}
}

// Raises are in the audit chain, and without it nothing is raised; what is raised can always be lowered.
func TestRaisesAreAudited(t *testing.T) {
	l := openNew(t)
	r := Raise{Scope: Scope{ScopeTeam, "red"}, Amount: 50, At: noon, Until: noon.Add(time.Hour), Actor: "ann", Reason: "a wave"}
	update(t, l, func(tx *Tx) error { return tx.SetRaise(r) })
	var kinds []string
	view(t, l, func(tx *Tx) error {
		return tx.EachEntry(0, func(e *audit.Entry, _ audit.Hash) error {
			kinds = append(kinds, string(e.Kind)+" "+string(e.Body))
			return nil
		})
	})
	if last := kinds[len(kinds)-1]; !strings.HasPrefix(last, `budget {"actor":"ann","nanousd":50,"reason":"a wave","scope":"team:red"`) {
		t.Errorf("the chain says %q", last)
	}
	l.FailAudit(errors.New("the disk is full"))
	if err := l.Update(t.Context(), func(tx *Tx) error { return tx.SetRaise(r) }); !errors.Is(err, ErrUnaudited) {
		t.Errorf("raised without an audit chain: %v", err)
	}
	update(t, l, func(tx *Tx) error { return tx.EndRaise(r.Scope, "ann", "", noon) })
	if err := l.Update(t.Context(), func(tx *Tx) error { return tx.EndRaise(r.Scope, "ann", "", noon) }); !errors.Is(err, ErrNoRaise) {
		t.Errorf("ended twice: %v", err)
	}
}

func TestScopesAreReadAsTheyAreWritten(t *testing.T) {
	for _, s := range modelScopes {
		if got, err := ParseScope(s.String()); err != nil || got != s {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for _, bad := range []string{"", "total:", "total:x", "search", "search:", "rule:x", "\x1b[2J"} {
		if s, err := ParseScope(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, s)
		}
	}
}

func TestSharesDivideMoney(t *testing.T) {
	for _, c := range []struct {
		share Share
		of    winnow.NanoUSD
		want  winnow.NanoUSD
	}{{ShareOf(0.2), 1000, 200}, {ShareOf(0.3), 7, 2}, {ShareOf(1), 1e18, 1e18}, {ShareOf(2), 5, 5}, {ShareOf(-1), 5, 0}, {ShareOf(0.333333), 1e18, 333333 * 1e12}} {
		if got := c.share.of(c.of); got != c.want {
			t.Errorf("%d of %d is %d, want %d", c.share, c.of, got, c.want)
		}
	}
}

// What is expected goes by the rate of the day, or of the last days.
func TestBudgetsExpect(t *testing.T) {
	l := openNew(t)
	day := noon.Truncate(24 * time.Hour)
	mustReserve(t, l, noise("s", day.AddDate(0, 0, -2), 70), Limits{})
	mustReserve(t, l, noise("s", day.AddDate(0, 0, -1), 30), Limits{})
	mustReserve(t, l, noise("s", day.Add(time.Hour), 60), Limits{})
	limits := []ScopeBounds{{Total, Bounds{Day: usd(100)}}, {Scope{ScopeSearch, "s"}, Bounds{Month: usd(1000)}}, {Scope{ScopeSearch, "t"}, Bounds{Day: usd(0)}}}
	at := func(now time.Time) (out []BudgetState) {
		view(t, l, func(tx *Tx) (err error) {
			out, err = tx.Budgets(limits, now)
			return err
		})
		return out
	}
	got := at(day.Add(time.Hour))
	if got[0].Expected != 60 {
		t.Errorf("after an hour %d is expected of a day", got[0].Expected)
	}
	got = at(day.Add(6 * time.Hour))
	if got[0].Period != PeriodDay || got[0].Expected != 240 || got[0].Used() != 0.6 || got[0].Left() != 40 {
		t.Errorf("a day: %+v", got[0])
	}
	_, end := PeriodMonth.Span(day)
	left := end.Sub(day.Add(6*time.Hour)).Hours() / 24
	if want := 160 + winnow.NanoUSD(50*left); got[1].Scope != Total || got[1].Limit != nil || got[2].Name != "s" || got[2].Expected < want-1 || got[2].Expected > want+1 {
		t.Errorf("a month: %+v, want %d", got[2], want)
	}
	if got[3].Used() != 1 || got[3].Left() != 0 {
		t.Errorf("a limit of nothing: %+v", got[3])
	}
}

// 64 at once never pass a limit, and what each scope has booked is what its calls have.
func TestManyReserveInEveryScopeAtOnce(t *testing.T) {
	l := openNew(t)
	limits := Limits{
		Day: usd(20_000), Search: Bounds{Day: usd(9_000)}, Team: Bounds{Month: usd(15_000)}, Model: Bounds{Day: usd(16_000)},
		Critical: ShareOf(0.2), High: ShareOf(0.3), SearchShare: ShareOf(0.8),
	}
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for range 20 {
				c := noise("s"+strconv.Itoa(r.IntN(3)), noon, winnow.NanoUSD(r.IntN(60)))
				c.Team, c.Severity = []string{"", "red"}[r.IntN(2)], winnow.Severity(r.IntN(6))
				n, err := l.Reserve(t.Context(), c, limits)
				if _, refused := errors.AsType[*LimitError](err); refused {
					continue
				}
				if err == nil && r.IntN(4) > 0 {
					s := Settlement{State: []CallState{CallSettled, CallReleased, CallUnsettled}[r.IntN(3)], Price: winnow.NanoUSD(r.IntN(int(c.Reserve) + 1))}
					err = l.Settle(t.Context(), n, s)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	view(t, l, func(tx *Tx) error {
		for _, c := range []struct {
			scope Scope
			most  winnow.NanoUSD
		}{{Total, 20_000}, {Scope{ScopeSearch, "s0"}, 9_000}, {Scope{ScopeSearch, "s1"}, 9_000}, {Scope{ScopeTeam, "red"}, 15_000}, {Scope{ScopeTeam, NoTeam}, 15_000}, {Scope{ScopeModel, "large"}, 16_000}} {
			day := noon.Truncate(24 * time.Hour)
			sum, err := tx.Booked(c.scope, day, day.AddDate(0, 0, 1))
			if err != nil || sum.Booked > c.most || sum.Booked <= 0 || sum.High < 0 || sum.Critical < 0 || sum.High+sum.Critical > sum.Booked {
				t.Errorf("%s has booked %+v of %d (%v)", c.scope, sum, c.most, err)
			}
			if rest := sum.Booked - sum.High - sum.Critical; rest > c.most/2 && c.scope.Kind != ScopeSearch {
				t.Errorf("%s: noise has booked %d of %d", c.scope, rest, c.most)
			}
		}
		return tx.CheckSums()
	})
}

// floodOf is how many alerts a flood has: WINNOW_FLOOD, or few enough for every day.
func floodOf(t testing.TB, few int) int {
	n, err := strconv.Atoi(os.Getenv("WINNOW_FLOOD"))
	if err != nil {
		return few
	}
	return n
}

// TestFloodOfReserves: 64 goroutines ask for a million calls about low alerts, which money is there for a few of; a
// critical alert that comes in the midst of it books at once, with the first transaction that it can be in.
func TestFloodOfReserves(t *testing.T) {
	l := openNew(t)
	flood := floodOf(t, 20_000)
	limits := Limits{Day: usd(10_000), Critical: ShareOf(0.2), High: ShareOf(0.3), SearchShare: ShareOf(0.5)}
	ctx, stop := context.WithCancel(t.Context())
	work := make(chan int)
	booked := make([]int, 64)
	var wg sync.WaitGroup
	for i := range booked {
		wg.Go(func() {
			for n := range work {
				_, err := l.Reserve(ctx, noise(fmt.Sprint("noisy", n%7), noon, 100), limits)
				if _, refused := errors.AsType[*LimitError](err); err != nil && !refused {
					t.Error(err)
				}
				if err == nil {
					booked[i]++
				}
			}
		})
	}
	var slowest time.Duration
	criticals := 0
	for n := range flood {
		work <- n
		if (n+1)%(flood/20) != 0 {
			continue
		}
		began := time.Now()
		if _, err := l.Reserve(ctx, critical("noisy0", noon, 100), limits); err != nil {
			t.Errorf("a critical alert after %d others: %v", n, err)
		}
		slowest = max(slowest, time.Since(began))
		criticals++
	}
	close(work)
	wg.Wait()
	stop()
	low := 0
	for _, n := range booked {
		low += n
	}
	if low*100 > 5_000 || low == 0 || criticals != 20 {
		t.Errorf("%d low alerts have booked, and %d critical ones", low, criticals)
	}
	view(t, l, (*Tx).CheckSums)
	t.Logf("%d low alerts asked, %d booked; %d critical ones, none refused, the slowest in %s", flood, low, criticals, slowest)
}

// A ledger from before there were limits by search, team and model knows what each has booked.
func TestWhatWasBookedBeforeIsKnownByScope(t *testing.T) {
	path := oldLedger(t, filepath.Join("testdata", "schema", "v16-62396a5.sql"))
	const day, month = int64(1795132800000000), int64(1793491200000000)
	withDB(t, path, func(db *sql.DB) {
		for i, c := range []struct {
			search, team, model, state string
			severity                   winnow.Severity
			at, booked                 int64
		}{
			{"A", "red", "small", "settled", winnow.SeverityCritical, day + 1, 100}, {"A", "", "large", "unsettled", winnow.SeverityLow, day + 2, 7},
			{"B", "red", "small", "settled", winnow.SeverityUnknown, day - 1, 30}, {"B", "", "", "released", winnow.SeverityHigh, day + 3, 0},
			{"B", "blue", "small", "settled", winnow.SeverityHigh, month, 500},
		} {
			_, err := db.Exec(`INSERT INTO calls (n, alert, search, team, severity, task, agent, model, source, prompt, attempt, replay, reserve, booked, unpriced,
 state, reason, at, fields, bytes, sha256) VALUES (?,'X',?,?,?,'classify','','m',?,'',1,0,?,?,0,?,'',?,'[]',0,'')`,
				100+i, c.search, c.team, c.severity, c.model, c.booked, c.booked, c.state, c.at)
			if err == nil {
				_, err = db.Exec("INSERT INTO spent (day, booked) VALUES (?1 - ?1 % 86400000000, ?2) ON CONFLICT DO UPDATE SET booked = booked + excluded.booked", c.at, c.booked)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	l := openAt(t, path)
	view(t, l, (*Tx).CheckSums)
	for scope, want := range map[Scope]Sum{
		Total: {Booked: 1341, High: 0, Critical: 100}, {ScopeSearch, "A"}: {Booked: 107, Critical: 100}, {ScopeTeam, NoTeam}: {Booked: 7},
	} {
		view(t, l, func(tx *Tx) error {
			at := time.UnixMicro(day).UTC()
			got, err := tx.Booked(scope, at, at.AddDate(0, 0, 1))
			if got != want {
				t.Errorf("%s has booked %+v, want %+v", scope, got, want)
			}
			return err
		})
	}
	if by := refusedBy(t, l, noise("B", time.UnixMicro(day).UTC(), 1), Limits{Search: Bounds{Month: usd(530)}}); by != "search:B month" {
		t.Errorf("refused by %q", by)
	}
}
