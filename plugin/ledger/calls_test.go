package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

func charge(id string, at time.Time, reserve winnow.NanoUSD) Charge {
	return Charge{
		AlertID: id, Search: "Impossible Travel", Team: "ann", Severity: winnow.SeverityHigh, Task: "classify", Model: "m", Source: "large", Prompt: "sha256:1",
		Attempt: 1, Reserve: reserve, Fields: []string{"src"}, Bytes: 10, SHA256: "ab", At: at,
	}
}

func mustReserve(t testing.TB, l *Ledger, c Charge, limits Limits) int64 {
	t.Helper()
	n, err := l.Reserve(t.Context(), c, limits)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func callsOf(t testing.TB, l *Ledger, id string) (out []Call) {
	t.Helper()
	view(t, l, func(tx *Tx) (err error) {
		out, err = tx.Calls(id)
		return err
	})
	return out
}

func costOf(t testing.TB, l *Ledger, id string) (c winnow.Cost) {
	t.Helper()
	view(t, l, func(tx *Tx) (err error) {
		c, err = tx.CostOf(id)
		return err
	})
	return c
}

func spentOn(t testing.TB, l *Ledger, from, to time.Time) (n winnow.NanoUSD) {
	t.Helper()
	view(t, l, func(tx *Tx) (err error) {
		n, err = tx.Spent(from, to)
		return err
	})
	return n
}

func usd(n winnow.NanoUSD) *winnow.NanoUSD { return new(n) }

func TestACallIsBookedAtItsWorstCaseUntilItIsSettled(t *testing.T) {
	l := openNew(t)
	n := mustReserve(t, l, charge("A", noon, 5000), Limits{})
	got := callsOf(t, l, "A")
	want := []Call{{
		N: n, At: noon, Search: "Impossible Travel", Team: "ann", Severity: "high", Task: "classify", Model: "m", Source: "large", Prompt: "sha256:1",
		Attempt: 1, State: CallReserved, ReserveNano: 5000, BookedNano: 5000, Fields: []string{"src"}, Bytes: 10, SHA256: "ab",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reserved (-want +got):\n%s", diff)
	}
	settlement := Settlement{
		State: CallSettled, Reason: "ok", InputTokens: 100, CachedTokens: 40, CacheWriteTokens: 10, OutputTokens: 7, Price: 1234,
		Model: "m-2026", Tier: "default", Took: time.Second,
	}
	if err := l.Settle(t.Context(), n, settlement); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := &want[0]
	w.State, w.Reason, w.BookedNano, w.Input, w.Cached, w.CacheWrite, w.Output = CallSettled, "ok", 1234, 100, 40, 10, 7
	w.Answered, w.Tier, w.TookMicros = "m-2026", "default", 1_000_000
	if diff := cmp.Diff(want, callsOf(t, l, "A")); diff != "" {
		t.Errorf("settled (-want +got):\n%s", diff)
	}
	if c := costOf(t, l, "A"); c != (winnow.Cost{MicroUSD: 2, Calls: 1, InputTokens: 100, CachedTokens: 40, OutputTokens: 7}) {
		t.Errorf("cost %+v", c)
	}
	if s := spentOn(t, l, noon.Truncate(24*time.Hour), noon); s != 0 {
		t.Errorf("spent before the day's end is %v for an empty range", s)
	}
}

func TestTheFirstSettlementCounts(t *testing.T) {
	for _, c := range []struct {
		name   string
		states []CallState
		want   CallState
		booked int64
	}{
		{"settled, then released", []CallState{CallSettled, CallReleased}, CallSettled, 10},
		{"released, then settled", []CallState{CallReleased, CallSettled}, CallReleased, 0},
		{"unsettled", []CallState{CallUnsettled}, CallUnsettled, 5000},
		{"unsettled and dearer than the worst case", []CallState{"dear"}, CallUnsettled, 6000},
		{"unsettled, then known after all", []CallState{CallUnsettled, CallSettled}, CallSettled, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := openNew(t)
			n := mustReserve(t, l, charge("A", noon, 5000), Limits{})
			for _, s := range c.states {
				settlement := Settlement{State: s, Price: 10}
				if s == "dear" {
					settlement = Settlement{State: CallUnsettled, Price: 6000}
				}
				if err := l.Settle(t.Context(), n, settlement); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := callsOf(t, l, "A")[0]
			if got.State != c.want || got.BookedNano != c.booked {
				t.Errorf("%s at %d, want %s at %d", got.State, got.BookedNano, c.want, c.booked)
			}
			if s := spentOn(t, l, noon.AddDate(0, 0, -1), noon.AddDate(0, 0, 1)); int64(s) != c.booked {
				t.Errorf("the day has booked %d", s)
			}
		})
	}
	l := openNew(t)
	if err := l.Settle(t.Context(), 1, Settlement{State: "paid"}); err == nil {
		t.Error("an unknown state was taken")
	}
	if err := l.Settle(t.Context(), 77, Settlement{State: CallSettled, Price: 10}); err != nil || l.Flush(t.Context()) != nil {
		t.Error("a settlement of a call that is not there any more stops the others")
	}
}

func TestReservesOfADeadWorkerAreUnsettled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openAt(t, path)
	lost := mustReserve(t, l, charge("A", noon, 5000), Limits{})
	kept := mustReserve(t, l, charge("A", noon, 7000), Limits{})
	if err := l.Settle(t.Context(), kept, Settlement{State: CallSettled, Price: 3}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil { // brings the settlement to disk
		t.Fatal(err)
	}
	l = openAt(t, path)
	got := callsOf(t, l, "A")
	if got[0].N != lost || got[0].State != CallUnsettled || got[0].BookedNano != 5000 || got[0].Reason != "worker_died" {
		t.Errorf("the lost call is %+v", got[0])
	}
	if got[1].State != CallSettled || got[1].BookedNano != 3 {
		t.Errorf("the settled call is %+v", got[1])
	}
}

func TestLimitsOfDayAndMonth(t *testing.T) {
	midnight := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	early := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	east := time.FixedZone("east", 5*3600)
	for _, c := range []struct {
		name   string
		before map[time.Time]winnow.NanoUSD
		at     time.Time
		limits Limits
		want   string // the limit that is passed
	}{
		{"no limit", map[time.Time]winnow.NanoUSD{noon: 1e15}, noon, Limits{}, ""},
		{"exactly all of it", map[time.Time]winnow.NanoUSD{noon: 60}, noon, Limits{Day: usd(100)}, ""},
		{"a nano-dollar more", map[time.Time]winnow.NanoUSD{noon: 61}, noon, Limits{Day: usd(100)}, "day"},
		{"nothing may be spent", nil, noon, Limits{Day: usd(0)}, "day"},
		{"the last instant of the day", map[time.Time]winnow.NanoUSD{noon: 61}, noon.Add(12*time.Hour - 1), Limits{Day: usd(100)}, "day"},
		{"the next day", map[time.Time]winnow.NanoUSD{noon: 61}, noon.Add(12 * time.Hour), Limits{Day: usd(100)}, ""},
		{"a day is one of UTC", map[time.Time]winnow.NanoUSD{noon: 61}, noon.Add(11 * time.Hour).In(east), Limits{Day: usd(100)}, "day"},
		{"the whole month", map[time.Time]winnow.NanoUSD{early: 61}, midnight.Add(-1), Limits{Month: usd(100)}, "month"},
		{"the next month", map[time.Time]winnow.NanoUSD{early: 61, midnight.Add(-1): 100}, midnight, Limits{Month: usd(100)}, ""},
		{"the day before the month", map[time.Time]winnow.NanoUSD{noon: 61}, noon, Limits{Day: usd(100), Month: usd(100)}, "day"},
		{"the month where the day allows", map[time.Time]winnow.NanoUSD{early: 61}, noon, Limits{Day: usd(100), Month: usd(100)}, "month"},
		{"more than can be counted", map[time.Time]winnow.NanoUSD{noon: math.MaxInt64}, noon, Limits{Day: usd(1e16)}, "day"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := openNew(t)
			for at, n := range c.before {
				mustReserve(t, l, charge("A", at, n), Limits{})
			}
			_, err := l.Reserve(t.Context(), charge("B", c.at, 40), c.limits)
			limit, _ := errors.AsType[*LimitError](err)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (limit == nil || limit.Limit != c.want):
				t.Errorf("got %v, want the limit %q", err, c.want)
			case c.want != "" && len(callsOf(t, l, "B")) != 0:
				t.Error("a refused call is booked")
			}
		})
	}
}

func TestACallWithoutAPriceIsRefusedWhileALimitIsSet(t *testing.T) {
	l := openNew(t)
	c := charge("A", noon, 0)
	c.Unpriced = true
	for _, limits := range []Limits{{Day: usd(100)}, {Month: usd(1e15)}} {
		if _, err := l.Reserve(t.Context(), c, limits); err == nil {
			t.Errorf("booked without a price under %+v", limits)
		}
	}
	mustReserve(t, l, c, Limits{})
	if got := costOf(t, l, "A"); got.Unpriced != 1 || got.MicroUSD != 0 {
		t.Errorf("cost %+v, want one unpriced call", got)
	}
}

func TestSettlingFreesBudgetOfTheDayOfTheReserve(t *testing.T) {
	l := openNew(t)
	eve := noon.Add(12*time.Hour - time.Second)
	n := mustReserve(t, l, charge("A", eve, 90), Limits{Day: usd(100)})
	if _, err := l.Reserve(t.Context(), charge("A", eve, 20), Limits{Day: usd(100)}); err == nil {
		t.Fatal("reserves do not count")
	}
	if err := l.Settle(t.Context(), n, Settlement{State: CallSettled, Price: 5}); err != nil {
		t.Fatal(err)
	}
	mustReserve(t, l, charge("A", eve, 95), Limits{Day: usd(100)})
	if s := spentOn(t, l, eve.Add(time.Second), eve.AddDate(0, 0, 1)); s != 0 {
		t.Errorf("the next day has booked %d", s)
	}
}

func TestManyReserveAtOnce(t *testing.T) {
	l := openNew(t)
	const n, each = 64, 10
	limits := Limits{Day: usd(50 * each)}
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen, refused := map[int64]bool{}, 0
	for range n {
		wg.Go(func() {
			b, err := l.Reserve(t.Context(), charge("A", noon, each), limits)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				refused++
				return
			}
			seen[b] = true
		})
	}
	wg.Wait()
	if len(seen) != 50 || refused != 14 {
		t.Errorf("%d bookings of their own and %d refusals, want 50 and 14", len(seen), refused)
	}
	if s := spentOn(t, l, noon, noon.AddDate(0, 0, 1)); s != 50*each {
		t.Errorf("booked %d", s)
	}
}

// Calls of a replay are booked beside the worker: both count against the same limit.
func TestBooksBesideTheWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	if _, err := OpenBooks(t.Context(), path); !errors.Is(err, ErrNone) {
		t.Errorf("without a ledger: %v", err)
	}
	writer := openAt(t, path)
	beside, err := OpenBooks(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = beside.Close() }()
	limits := Limits{Day: usd(400)}
	var wg sync.WaitGroup
	for _, l := range []*Ledger{writer, beside} {
		for range 30 {
			wg.Go(func() {
				n, err := l.Reserve(t.Context(), charge("A", noon, 10), limits)
				if err == nil {
					err = l.Settle(t.Context(), n, Settlement{State: CallUnsettled})
				}
				if _, over := errors.AsType[*LimitError](err); err != nil && !over {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if s := spentOn(t, writer, noon, noon.AddDate(0, 0, 1)); s != 400 || len(callsOf(t, beside, "A")) != 40 {
		t.Errorf("booked %d", s)
	}
}

func TestACancelledReserveBooksNothing(t *testing.T) {
	l := openNew(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Reserve(ctx, charge("A", noon, 1), Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if got := callsOf(t, l, "A"); len(got) != 0 {
		t.Errorf("booked: %+v", got)
	}
}

// TestALateSettlementChangesTheRecord: the record, the column that reports add up, and the calls agree also when
// a call is settled after the alert has its outcome.
func TestALateSettlementChangesTheRecord(t *testing.T) {
	l := openNew(t)
	e := sample(1)
	add(t, l, e, winnow.StateQueued)
	n := mustReserve(t, l, charge(e.Alert.ID, noon, 9_000_000), Limits{})
	update(t, l, func(tx *Tx) error {
		r := recordOf(e, winnow.StateInReview)
		var err error
		if r.Cost, err = tx.CostOf(r.ID); err != nil {
			return err
		}
		_, err = tx.Change(r, Links{})
		return err
	})
	check := func(want int64) {
		t.Helper()
		view(t, l, func(tx *Tx) error {
			r, err := tx.Record(e.Alert.ID)
			if err != nil {
				return err
			}
			sum := int64(0)
			err = tx.Tallies(Span{}, func(y *Tally) { sum += y.MicroUSD })
			cost, costErr := tx.CostOf(e.Alert.ID)
			if r.Cost.MicroUSD != want || sum != want || cost != r.Cost {
				t.Errorf("record %d, sum %d, calls %d; want %d", r.Cost.MicroUSD, sum, cost.MicroUSD, want)
			}
			return errors.Join(err, costErr)
		})
	}
	check(9000)
	if err := l.Settle(t.Context(), n, Settlement{State: CallSettled, Price: 2_000_001, InputTokens: 5}); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(2001)
	view(t, l, func(tx *Tx) error {
		h, err := tx.History(e.Alert.ID)
		if len(h) != 1 {
			t.Errorf("%d records in the history: a cost is no change of outcome", len(h))
		}
		return err
	})
	replay := charge(e.Alert.ID, noon, 50_000)
	replay.Replay = true
	mustReserve(t, l, replay, Limits{})
	check(2001)
}

func TestAFailedTransactionKeepsSettlements(t *testing.T) {
	l := openNew(t)
	n := mustReserve(t, l, charge("A", noon, 5000), Limits{})
	if err := l.Settle(t.Context(), n, Settlement{State: CallSettled, Price: 1}); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	if err := l.Update(t.Context(), func(*Tx) error { return boom }); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if got := callsOf(t, l, "A")[0].BookedNano; got != 5000 {
		t.Errorf("booked %d although it was rolled back", got)
	}
	update(t, l, func(*Tx) error { return nil })
	if got := callsOf(t, l, "A")[0].BookedNano; got != 1 {
		t.Errorf("booked %d: the settlement is lost", got)
	}
}

// TestBookedIsAtLeastBilled: whatever is reserved, sent, settled in whatever order and lost in a crash, what is
// booked is never less than what a provider billed, and every difference is a call that is marked.
func TestBookedIsAtLeastBilled(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(t.TempDir(), "ledger.db")
		l, err := Open(t.Context(), path)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		b := &biller{rt: rt, t: t, l: l, path: path, sent: map[int64]winnow.NanoUSD{}, billed: map[int64]winnow.NanoUSD{}}
		for range rapid.IntRange(1, 16).Draw(rt, "steps") {
			b.step()
			b.check()
		}
		b.crash()
		b.check()
		l = b.l
	})
}

// biller is a provider that bills calls, and a process that books them and dies now and then.
type biller struct {
	rt     *rapid.T
	t      *testing.T
	l      *Ledger
	path   string
	sent   map[int64]winnow.NanoUSD // reserved and not settled, with the reserve
	billed map[int64]winnow.NanoUSD
}

func (b *biller) step() {
	switch rapid.SampledFrom([]string{"reserve", "reserve", "settle", "settle", "release", "unsettle", "flush", "crash"}).Draw(b.rt, "step") {
	case "reserve":
		worst := winnow.NanoUSD(rapid.Int64Range(0, 1e9).Draw(b.rt, "reserve"))
		n, err := b.l.Reserve(b.t.Context(), charge("A", noon, worst), Limits{})
		if err != nil {
			b.rt.Fatal(err)
		}
		b.sent[n] = worst
		b.billed[n] = winnow.NanoUSD(rapid.Int64Range(0, int64(worst)).Draw(b.rt, "billed"))
	case "settle":
		b.settle(CallSettled)
	case "release": // a call that was not sent is not billed
		if n, ok := b.pick(); ok {
			b.billed[n] = 0
			b.settleCall(n, CallReleased)
		}
	case "unsettle":
		b.settle(CallUnsettled)
	case "flush":
		b.update()
	case "crash":
		b.crash()
	}
}

func (b *biller) pick() (int64, bool) {
	for n := range b.sent {
		return n, true
	}
	return 0, false
}

func (b *biller) settle(s CallState) {
	if n, ok := b.pick(); ok {
		b.settleCall(n, s)
	}
}

func (b *biller) settleCall(n int64, s CallState) {
	if err := b.l.Settle(b.t.Context(), n, Settlement{State: s, Price: b.billed[n]}); err != nil {
		b.rt.Fatal(err)
	}
	delete(b.sent, n)
}

func (b *biller) update() {
	if err := b.l.Flush(b.t.Context()); err != nil {
		b.rt.Fatal(err)
	}
}

// crash loses what is not on disk.
func (b *biller) crash() {
	b.l.calls.settled = nil
	if err := b.l.Close(); err != nil {
		b.rt.Fatal(err)
	}
	l, err := Open(b.t.Context(), b.path)
	if err != nil {
		b.rt.Fatal(err)
	}
	b.l, b.sent = l, map[int64]winnow.NanoUSD{}
}

func (b *biller) check() {
	var sum, spent winnow.NanoUSD
	for _, c := range callsOf(b.t, b.l, "A") {
		booked, billed := winnow.NanoUSD(c.BookedNano), b.billed[c.N]
		sum += booked
		if booked < billed {
			b.rt.Errorf("call %d is booked at %d and billed %d", c.N, booked, billed)
		}
		if booked != billed && c.State != CallReserved && c.State != CallUnsettled {
			b.rt.Errorf("call %d is %s: booked at %d, billed %d", c.N, c.State, booked, billed)
		}
	}
	if spent = spentOn(b.t, b.l, noon, noon.AddDate(0, 0, 1)); spent != sum {
		b.rt.Errorf("the day has booked %d, its calls %d", spent, sum)
	}
}

// BenchmarkReserveAndSettle makes calls with this many in flight, on a file that is synced.
func BenchmarkReserveAndSettle(b *testing.B) {
	for _, inFlight := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("in_flight=%d", inFlight), func(b *testing.B) { benchmarkCalls(b, inFlight) })
	}
}

func benchmarkCalls(b *testing.B, inFlight int) {
	l := openNew(b)
	limits := Limits{Day: usd(1e15), Month: usd(1e16)}
	work := make(chan int, b.N)
	for i := range b.N {
		work <- i
	}
	close(work)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range inFlight {
		wg.Go(func() {
			for range work {
				n, err := l.Reserve(b.Context(), charge("A", noon, 1000), limits)
				if err == nil {
					err = l.Settle(b.Context(), n, Settlement{State: CallSettled, Price: 10})
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
