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
	at     time.Time
	booked winnow.NanoUSD
	open   bool // reserved, or nobody knows what it cost
}

// told is a settlement that waits for the next transaction.
type told struct {
	n int64
	s Settlement
}

// budget is the model beside the real one.
type budget struct {
	t     *testing.T
	path  string
	l     *Ledger
	now   time.Time
	calls map[int64]*bookedCall
	waits []told
}

// TestBudgetModel reserves, settles, releases and crashes over days and months, in any order: a call is refused
// exactly when it would pass a limit, and says which and what is spent; and each day has booked what its calls have.
func TestBudgetModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := &budget{t: t, path: filepath.Join(t.TempDir(), "ledger.db"), now: time.Date(2026, 1, 30, 22, 0, 0, 0, time.UTC), calls: map[int64]*bookedCall{}}
		b.open(rt)
		defer func() { _ = b.l.Close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"reserve": b.reserve, "reserve 2": b.reserve, "settle": b.settle, "crash": b.crash, "": b.check,
			"flush": func(rt *rapid.T) { b.ok(rt, b.l.Flush(t.Context())); b.settled() },
			"time": func(rt *rapid.T) {
				b.now = b.now.Add(time.Duration(rapid.IntRange(1, 30).Draw(rt, "hours")) * time.Hour)
			},
		})
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

// spent is what the model has booked in a day or month.
func (b *budget) spent(layout string, at time.Time) (sum winnow.NanoUSD) {
	for _, c := range b.calls {
		if c.at.Format(layout) == at.Format(layout) {
			sum += c.booked
		}
	}
	return sum
}

func (b *budget) reserve(rt *rapid.T) {
	amount := rapid.Map(rapid.Int64Range(0, 40), func(n int64) winnow.NanoUSD { return winnow.NanoUSD(n) })
	worst, day, month := amount.Draw(rt, "reserve"), 2*amount.Draw(rt, "day"), 4*amount.Draw(rt, "month")
	n, err := b.l.Reserve(b.t.Context(), charge("A", b.now, worst), Limits{Day: &day, Month: &month})
	b.settled()
	var want *LimitError
	if spent := b.spent(time.DateOnly, b.now); spent+worst > day {
		want = &LimitError{Limit: "day", Max: day, Spent: spent}
	} else if spent := b.spent("2006-01", b.now); spent+worst > month {
		want = &LimitError{Limit: "month", Max: month, Spent: spent}
	}
	got, refused := errors.AsType[*LimitError](err)
	switch {
	case err != nil && !refused:
		rt.Fatal(err)
	case refused != (want != nil) || refused && *got != *want:
		rt.Fatalf("a call of %d is answered with %v, want %v", worst, got, want)
	case !refused:
		b.calls[n] = &bookedCall{at: b.now, booked: worst, open: true}
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

// crash loses what is not on disk: those calls stay booked at their worst.
func (b *budget) crash(rt *rapid.T) {
	b.l.calls.settled, b.waits = nil, nil
	b.ok(rt, b.l.Close())
	b.open(rt)
}

func (b *budget) check(rt *rapid.T) {
	days := map[time.Time]bool{b.now.Truncate(24 * time.Hour): true}
	for _, c := range b.calls {
		days[c.at.Truncate(24*time.Hour)] = true
	}
	for day := range days {
		if got, want := spentOn(b.t, b.l, day, day.AddDate(0, 0, 1)), b.spent(time.DateOnly, day); got != want {
			rt.Fatalf("%s has booked %d, want %d", day.Format(time.DateOnly), got, want)
		}
	}
}
