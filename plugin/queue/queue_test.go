package queue_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

var busy = queue.Failure{Cause: queue.CauseModel, Detail: "status 503"}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// tester is the queue of a ledger; every call is a transaction that must succeed.
type tester struct {
	testing.TB
	l *ledger.Ledger
}

func newTester(t testing.TB) *tester {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &tester{t, l}
}

func (q *tester) do(f func(*ledger.Tx) error) {
	q.Helper()
	if err := q.l.Update(q.Context(), f); err != nil {
		q.Fatal(err)
	}
}

func (q *tester) push(items ...queue.Item) {
	q.Helper()
	q.do(func(t *ledger.Tx) error {
		for _, it := range items {
			if err := queue.Push(t.Context(), t.Conn(), it); err != nil {
				return err
			}
		}
		return nil
	})
}

func (q *tester) lease(now, until time.Time, limit int) (items []queue.Item) {
	q.Helper()
	q.do(func(t *ledger.Tx) (err error) {
		items, err = queue.Lease(t.Context(), t.Conn(), now, until, time.Time{}, limit)
		return err
	})
	return items
}

func (q *tester) list() (items []queue.Item) {
	q.Helper()
	q.do(func(t *ledger.Tx) (err error) {
		items, err = queue.List(t.Context(), t.Conn(), "", 0)
		n, lerr := queue.Count(t.Context(), t.Conn(), noon)
		if n.Waiting != len(items) {
			q.Errorf("%d wait, but %d are listed", n.Waiting, len(items))
		}
		return errors.Join(err, lerr)
	})
	return items
}

func item(id string, s winnow.Severity, age time.Duration) queue.Item {
	return queue.Item{ID: id, Search: "S", Priority: queue.Priority(s), Enqueued: noon.Add(-age)}
}

func ids(items []queue.Item) string {
	var out []string
	for _, it := range items {
		out = append(out, it.ID)
	}
	return strings.Join(out, " ")
}

func TestUnknownSeverityWaitsNoLongerThanHigh(t *testing.T) {
	if got, want := queue.Priority(winnow.SeverityUnknown), queue.Priority(winnow.SeverityHigh); got != want {
		t.Errorf("unknown has priority %d, high %d", got, want)
	}
	order := []winnow.Severity{
		winnow.SeverityInformational, winnow.SeverityLow, winnow.SeverityMedium, winnow.SeverityHigh, winnow.SeverityCritical,
	}
	if !slices.IsSortedFunc(order, func(a, b winnow.Severity) int { return queue.Priority(a) - queue.Priority(b) }) {
		t.Error("priorities do not rise with the severity")
	}
}

func TestMostSevereThenOldestComesFirst(t *testing.T) {
	q := newTester(t)
	q.push(
		item("low-old", winnow.SeverityLow, time.Hour), item("high-new", winnow.SeverityHigh, 0),
		item("high-old", winnow.SeverityHigh, time.Minute), item("critical", winnow.SeverityCritical, 0),
		item("unknown", winnow.SeverityUnknown, 2*time.Minute), item("high-old-b", winnow.SeverityHigh, time.Minute),
	)
	const want = "critical unknown high-old high-old-b high-new low-old"
	if got := ids(q.list()); got != want {
		t.Errorf("listed %q, want %q", got, want)
	}
	if got := ids(q.lease(noon, noon.Add(time.Minute), 4)); got != "critical unknown high-old high-old-b" {
		t.Errorf("leased %q", got)
	}
	if got := ids(q.lease(noon, noon.Add(time.Minute), 4)); got != "high-new low-old" {
		t.Errorf("leased after that %q", got)
	}
}

func TestLeaseHidesUntilItExpires(t *testing.T) {
	q := newTester(t)
	q.push(item("a", winnow.SeverityLow, 0))
	until := noon.Add(5 * time.Minute)
	if got := q.lease(noon, until, 9); len(got) != 1 || got[0].Attempts != 1 {
		t.Fatalf("first lease: %+v", got)
	}
	if got := q.lease(until.Add(-time.Microsecond), until, 9); len(got) != 0 {
		t.Errorf("handed out twice: %+v", got)
	}
	got := q.lease(until, until.Add(time.Minute), 9)
	if len(got) != 1 || got[0].Attempts != 2 {
		t.Errorf("after the lease has expired: %+v, want the second attempt", got)
	}
	if n := len(q.list()); n != 1 {
		t.Errorf("%d wait, want the leased one to be listed still", n)
	}
}

func TestReleaseGivesBackWhatADeadWorkerHeld(t *testing.T) {
	q := newTester(t)
	q.push(item("a", winnow.SeverityLow, 0), item("b", winnow.SeverityLow, 0), item("c", winnow.SeverityLow, 0))
	q.lease(noon, noon.Add(time.Hour), 3)
	again := noon.Add(time.Minute)
	q.do(func(t *ledger.Tx) error {
		return errors.Join(queue.Retry(t.Context(), t.Conn(), "b", busy, again), queue.Done(t.Context(), t.Conn(), "c"),
			queue.Release(t.Context(), t.Conn()))
	})
	got := q.lease(noon, noon.Add(time.Hour), 9)
	if ids(got) != "a" || got[0].Attempts != 2 {
		t.Errorf("handed out %+v, want a alone: b is not due and c is done", got)
	}
}

func TestDoneTakesOut(t *testing.T) {
	q := newTester(t)
	q.push(item("a", winnow.SeverityLow, 0), item("b", winnow.SeverityLow, 0))
	q.lease(noon, noon.Add(time.Minute), 1)
	q.do(func(t *ledger.Tx) error {
		return errors.Join(queue.Done(t.Context(), t.Conn(), "a"), queue.Done(t.Context(), t.Conn(), "never there"))
	})
	if got := ids(q.lease(noon.Add(time.Hour), noon.Add(2*time.Hour), 9)); got != "b" {
		t.Errorf("left: %q", got)
	}
}

func TestRetryWaitsAndSaysWhy(t *testing.T) {
	q := newTester(t)
	q.push(item("a", winnow.SeverityLow, 0))
	q.lease(noon, noon.Add(time.Hour), 9)
	again := noon.Add(time.Minute)
	q.do(func(t *ledger.Tx) error { return queue.Retry(t.Context(), t.Conn(), "a", busy, again) })
	if got := q.lease(again.Add(-time.Microsecond), again, 9); len(got) != 0 {
		t.Errorf("handed out before its time: %+v", got)
	}
	want := item("a", winnow.SeverityLow, 0)
	want.Attempts, want.Failure, want.Leased, want.Due = 2, busy, true, again.Add(time.Hour)
	if diff := cmp.Diff([]queue.Item{want}, q.lease(again, again.Add(time.Hour), 9)); diff != "" {
		t.Errorf("second try differs (-want +got):\n%s", diff)
	}
}

func TestPushTwiceKeepsPlaceAndAttempts(t *testing.T) {
	q := newTester(t)
	q.push(item("a", winnow.SeverityLow, time.Hour))
	q.lease(noon, noon.Add(time.Minute), 9)
	q.push(item("a", winnow.SeverityCritical, 0))
	got := q.list()
	if len(got) != 1 || got[0].Priority != queue.Priority(winnow.SeverityLow) || got[0].Attempts != 1 {
		t.Errorf("the queue is %+v", got)
	}
	if got := q.lease(noon, noon.Add(time.Minute), 9); len(got) != 0 {
		t.Error("the second push broke the lease")
	}
}

func TestRolledBackPushLeavesNothing(t *testing.T) {
	q := newTester(t)
	boom := errors.New("boom")
	err := q.l.Update(t.Context(), func(tx *ledger.Tx) error {
		return errors.Join(queue.Push(tx.Context(), tx.Conn(), item("a", winnow.SeverityLow, 0)), boom)
	})
	if !errors.Is(err, boom) || len(q.list()) != 0 {
		t.Errorf("err %v, queue %v", err, q.list())
	}
}

func TestBrokenConnectionIsAnErrorThatNamesTheStep(t *testing.T) {
	q := newTester(t)
	q.do(func(t *ledger.Tx) error {
		_, err := t.Conn().ExecContext(t.Context(), "ALTER TABLE queue RENAME TO gone")
		return err
	})
	ctx := t.Context()
	for step, f := range map[string]func(*ledger.Tx) error{
		"push a": func(tx *ledger.Tx) error { return queue.Push(ctx, tx.Conn(), item("a", winnow.SeverityLow, 0)) },
		"lease": func(tx *ledger.Tx) error {
			_, err := queue.Lease(ctx, tx.Conn(), noon, noon, time.Time{}, 1)
			return err
		},
		"release":      func(tx *ledger.Tx) error { return queue.Release(ctx, tx.Conn()) },
		"done a":       func(tx *ledger.Tx) error { return queue.Done(ctx, tx.Conn(), "a") },
		"retry a":      func(tx *ledger.Tx) error { return queue.Retry(ctx, tx.Conn(), "a", busy, noon) },
		"list":         func(tx *ledger.Tx) error { _, err := queue.List(ctx, tx.Conn(), "", 1); return err },
		"count":        func(tx *ledger.Tx) error { _, err := queue.Count(ctx, tx.Conn(), noon); return err },
		"return a":     func(tx *ledger.Tx) error { return queue.Return(ctx, tx.Conn(), "a", busy, noon) },
		"extend a":     func(tx *ledger.Tx) error { return queue.Extend(ctx, tx.Conn(), []string{"a"}, noon) },
		"give back a":  func(tx *ledger.Tx) error { return queue.GiveBack(ctx, tx.Conn(), []queue.Item{{ID: "a"}}, 0) },
		"shift":        func(tx *ledger.Tx) error { return queue.Shift(ctx, tx.Conn(), time.Hour) },
		"bound":        func(tx *ledger.Tx) error { return queue.Bound(ctx, tx.Conn(), noon, time.Hour) },
		"late":         func(tx *ledger.Tx) error { _, err := queue.Late(ctx, tx.Conn(), noon, 1); return err },
		"told a":       func(tx *ledger.Tx) error { return queue.Told(ctx, tx.Conn(), "a") },
		"make a ready": func(tx *ledger.Tx) error { _, err := queue.MakeReady(ctx, tx.Conn(), "a"); return err },
		"make ready":   func(tx *ledger.Tx) error { _, err := queue.MakeAllReady(ctx, tx.Conn(), ""); return err },
	} {
		if err := q.l.Update(ctx, f); err == nil || !strings.HasPrefix(err.Error(), "queue: "+step+":") {
			t.Errorf("%s: %v", step, err)
		}
	}
}
