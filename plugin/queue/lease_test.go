package queue_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

func of(search, id string, s winnow.Severity, age time.Duration) queue.Item {
	it := item(id, s, age)
	it.Search = search
	return it
}

// flood pushes n alerts of one search, all older than an hour.
func (q *tester) flood(search string, n int, s winnow.Severity) {
	q.Helper()
	q.do(func(t *ledger.Tx) error {
		_, err := t.Conn().ExecContext(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
 INSERT INTO queue (id, priority, search, enqueued, leased, attempts, kind, cause, not_before, visible_by)
 SELECT printf('%s-%07d', ?2, i), ?3, ?2, ?4 + i, 0, 0, '', '', 0, 0 FROM n`, n, search, queue.Priority(s), noon.Add(-2*time.Hour).UnixMicro())
		if err == nil {
			_, err = t.Conn().ExecContext(t.Context(), "INSERT INTO queue_turns (priority, search, turn) VALUES (?,?,0)", queue.Priority(s), search)
		}
		return err
	})
}

func bySearch(items []queue.Item) map[string]int {
	n := map[string]int{}
	for _, it := range items {
		n[it.Search]++
	}
	return n
}

// A flood of one search delays neither what is more severe nor the one alert of another search.
func TestAFloodDelaysNobodyElse(t *testing.T) {
	q := newTester(t)
	q.flood("noisy", 5000, winnow.SeverityLow)
	q.lease(noon, noon.Add(time.Hour), 64) // it had its turn
	q.push(of("quiet", "one", winnow.SeverityLow, 0), of("other", "critical", winnow.SeverityCritical, 0))
	got := q.lease(noon, noon.Add(time.Hour), 3)
	if ids(got) != "critical one noisy-0000065" {
		t.Errorf("handed out %q", ids(got))
	}
}

// What one search does not use goes to the others.
func TestSearchesShareWhatIsHandedOut(t *testing.T) {
	q := newTester(t)
	q.flood("a", 100, winnow.SeverityLow)
	q.flood("b", 100, winnow.SeverityLow)
	q.flood("c", 3, winnow.SeverityLow)
	got := q.lease(noon, noon.Add(time.Hour), 40)
	shares := bySearch(got)
	if len(got) != 40 || shares["c"] != 3 || shares["a"]+shares["b"] != 37 || shares["a"]-shares["b"] > 1 || shares["b"]-shares["a"] > 1 {
		t.Errorf("%v", shares)
	}
	if first := bySearch(got[:6]); !cmp.Equal(first, map[string]int{"a": 2, "b": 2, "c": 2}) {
		t.Errorf("the first six are of %v: who has room for six only is not fair", first)
	}
	if again := bySearch(q.lease(noon, noon.Add(time.Hour), 1)); again["b"] != 1 && shares["a"] > shares["b"] {
		t.Errorf("then %v", again)
	}
}

// With more searches than places, all have their turn before one has its second.
func TestEverySearchHasItsTurn(t *testing.T) {
	q := newTester(t)
	for i := range 10 {
		q.flood(fmt.Sprint("s", i), 50, winnow.SeverityMedium)
	}
	for round := range 3 {
		n := map[string]int{}
		for range 5 {
			for search, more := range bySearch(q.lease(noon, noon.Add(time.Hour), 2)) {
				n[search] += more
			}
		}
		if len(n) != 10 {
			t.Errorf("round %d served %v", round, n)
		}
	}
}

// A worker that has room for one alert only, and gives back the rest, is fair too.
func TestWhatIsGivenBackKeepsItsTurn(t *testing.T) {
	q := newTester(t)
	for _, s := range []string{"a", "b", "c"} {
		q.flood(s, 50, winnow.SeverityLow)
	}
	var got []string
	for range 6 {
		items := q.lease(noon, noon.Add(time.Hour), 9)
		got = append(got, items[0].Search)
		q.do(func(t *ledger.Tx) error {
			for _, it := range items[1:] {
				if err := queue.Uncount(t.Context(), t.Conn(), it.ID); err != nil {
					return err
				}
			}
			return queue.GiveBack(t.Context(), t.Conn(), items, 1)
		})
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "a", "b", "c"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, it := range q.list() {
		if it.Leased != (it.Attempts == 1) {
			t.Errorf("%+v", it)
		}
	}
}

// Room for three of two searches: the one that had one place has two the next time.
func TestUnevenRoomEvensOut(t *testing.T) {
	q := newTester(t)
	q.flood("a", 50, winnow.SeverityLow)
	q.flood("b", 50, winnow.SeverityLow)
	n := map[string]int{}
	for range 4 {
		items := q.lease(noon, noon.Add(time.Hour), 9)
		for search, more := range bySearch(items[:3]) {
			n[search] += more
		}
		q.do(func(t *ledger.Tx) error { return queue.GiveBack(t.Context(), t.Conn(), items, 3) })
	}
	if !cmp.Equal(n, map[string]int{"a": 6, "b": 6}) {
		t.Errorf("%v", n)
	}
}

// Many that are due again at once, of one search, do not delay the retry of another.
func TestAFloodOfRetriesIsFair(t *testing.T) {
	q := newTester(t)
	q.flood("noisy", 5000, winnow.SeverityLow)
	q.do(func(t *ledger.Tx) error {
		_, err := t.Conn().ExecContext(t.Context(), "UPDATE queue SET not_before = ?", noon.UnixMicro())
		return err
	})
	q.push(of("quiet", "one", winnow.SeverityLow, 0))
	later := noon.Add(time.Minute)
	q.do(func(t *ledger.Tx) error { return queue.Retry(t.Context(), t.Conn(), "one", busy, later) })
	if got := bySearch(q.lease(later, later.Add(time.Hour), 2)); !cmp.Equal(got, map[string]int{"noisy": 1, "quiet": 1}) {
		t.Errorf("handed out %v", got)
	}
}

func TestBacklogIsNewestFirstAndFreshIsNot(t *testing.T) {
	q := newTester(t)
	q.push(of("a", "a-9", winnow.SeverityLow, 9*time.Minute), of("a", "a-8", winnow.SeverityLow, 8*time.Minute),
		of("a", "a-2", winnow.SeverityLow, 2*time.Minute), of("a", "a-1", winnow.SeverityLow, time.Minute),
		of("b", "b-7", winnow.SeverityMedium, 7*time.Minute))
	edge, until := noon.Add(-5*time.Minute), noon.Add(time.Hour)
	var old, fresh []queue.Item
	q.do(func(t *ledger.Tx) (err error) {
		if old, err = queue.LeaseBacklog(t.Context(), t.Conn(), noon, until, edge, 2); err != nil {
			return err
		}
		fresh, err = queue.Lease(t.Context(), t.Conn(), noon, until, edge, 9)
		return err
	})
	if ids(old) != "b-7 a-8" || ids(fresh) != "a-2 a-1" {
		t.Errorf("backlog %q, fresh %q", ids(old), ids(fresh))
	}
}

// The index gives the order, and what is not ready is not read.
func TestTheIndexGivesTheOrder(t *testing.T) {
	q := newTester(t)
	for name, query := range queue.Queries() {
		t.Run(name, func(t *testing.T) {
			plan := q.plan(query)
			if !strings.Contains(plan, "USING") || strings.Contains(plan, "SCAN queue\n") || strings.Contains(plan, "SCAN q\n") || strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("%s\n%s", query, plan)
			}
		})
	}
}

func (q *tester) plan(query string) (plan string) {
	q.Helper()
	args := make([]any, strings.Count(query, "?"))
	for i := range args {
		args[i] = 1
	}
	q.do(func(t *ledger.Tx) error {
		rows, err := t.Conn().QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				return err
			}
			plan += detail + "\n"
		}
		return rows.Err()
	})
	return plan
}

// Leases, pauses and their ends are times of the clock that the caller reads.
func TestLeasesAndPausesEndOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newTester(t)
		q.push(item("a", winnow.SeverityLow, 0), item("b", winnow.SeverityLow, 0))
		next := func(limit int) string { return ids(q.lease(time.Now(), time.Now().Add(time.Minute), limit)) }
		if got := next(1); got != "a" {
			t.Fatalf("first %q", got)
		}
		q.do(func(t *ledger.Tx) error {
			return queue.Retry(t.Context(), t.Conn(), "b", busy, time.Now().Add(90*time.Second))
		})
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{59 * time.Second, ""}, {time.Second, "a"}, {29 * time.Second, ""}, {time.Second, "b"}, {29 * time.Second, ""}} {
			time.Sleep(step.after)
			if got := next(9); got != step.want {
				t.Errorf("%s later %q, want %q", step.after, got, step.want)
			}
		}
		q.do(func(t *ledger.Tx) error {
			return queue.Extend(t.Context(), t.Conn(), []string{"a"}, time.Now().Add(time.Hour))
		})
		time.Sleep(59 * time.Minute)
		if got := next(9); got != "b" {
			t.Errorf("an hour later %q: the lease of a was extended", got)
		}
	})
}

func TestShiftMovesEverythingWithTheClock(t *testing.T) {
	for _, by := range []time.Duration{48 * time.Hour, -48 * time.Hour} {
		q := newTester(t)
		a := item("a", winnow.SeverityLow, time.Minute)
		a.VisibleBy = noon.Add(time.Hour)
		q.push(a, item("b", winnow.SeverityLow, 0), item("c", winnow.SeverityHigh, 0))
		if got := ids(q.lease(noon, noon.Add(time.Hour), 1)); got != "c" {
			t.Fatal(got)
		}
		q.do(func(t *ledger.Tx) error {
			return errors.Join(queue.Retry(t.Context(), t.Conn(), "b", busy, noon.Add(time.Minute)), queue.Shift(t.Context(), t.Conn(), by))
		})
		now := noon.Add(by)
		late := q.late(now.Add(time.Hour-time.Microsecond), 9)
		if got := ids(q.lease(now, now.Add(time.Hour), 9)); got != "a" || len(late) != 0 {
			t.Errorf("shifted by %s: handed out %q, late %q", by, got, ids(late))
		}
		if got := ids(q.lease(now.Add(time.Minute), now.Add(time.Hour), 9)); got != "b" {
			t.Errorf("shifted by %s, a minute later: %q", by, got)
		}
		if got := ids(q.late(now.Add(time.Hour), 9)); got != "a" {
			t.Errorf("shifted by %s, an hour later %q is late", by, got)
		}
		for _, it := range q.list() {
			if want := noon.Add(by); it.ID != "a" && !it.Enqueued.Equal(want) {
				t.Errorf("%s was queued at %s, want %s", it.ID, it.Enqueued, want)
			}
		}
	}
}

// A clock that was set back while no worker ran leaves nothing waiting for the old time.
func TestBoundPullsTheFutureBack(t *testing.T) {
	q := newTester(t)
	q.push(item("a", winnow.SeverityLow, -1000*time.Hour), item("b", winnow.SeverityLow, 0))
	q.do(func(t *ledger.Tx) error {
		return errors.Join(queue.Retry(t.Context(), t.Conn(), "b", busy, noon.Add(1000*time.Hour)), queue.Bound(t.Context(), t.Conn(), noon, time.Hour))
	})
	got := ids(q.lease(noon.Add(time.Hour), noon.Add(2*time.Hour), 9))
	if got != "a b" && got != "b a" {
		t.Errorf("handed out %q", got)
	}
	for _, it := range q.list() {
		if it.Enqueued.After(noon) {
			t.Errorf("%s is from the future: %s", it.ID, it.Enqueued)
		}
	}
}

func (q *tester) late(now time.Time, limit int) (items []queue.Item) {
	q.Helper()
	q.do(func(t *ledger.Tx) (err error) {
		items, err = queue.Late(t.Context(), t.Conn(), now, limit)
		return err
	})
	return items
}

func TestLateIsMostSevereAndLongestDueFirst(t *testing.T) {
	q := newTester(t)
	for i, s := range []winnow.Severity{winnow.SeverityLow, winnow.SeverityCritical, winnow.SeverityLow, winnow.SeverityHigh} {
		it := item(fmt.Sprint(i), s, time.Hour)
		it.VisibleBy = noon.Add(time.Duration(-i) * time.Minute)
		q.push(it)
	}
	q.push(item("told", winnow.SeverityCritical, time.Hour))
	q.lease(noon, noon.Add(time.Hour), 2) // whoever is being asked about is late all the same
	if got := ids(q.late(noon.Add(-time.Minute), 9)); got != "1 3 2" {
		t.Errorf("late %q", got)
	}
	if got := ids(q.late(noon, 3)); got != "1 3 2" {
		t.Errorf("the first three are %q", got)
	}
	q.do(func(t *ledger.Tx) error {
		return errors.Join(queue.Told(t.Context(), t.Conn(), "1"), queue.SetVisible(t.Context(), t.Conn(), func(_ string, p int) time.Duration {
			return time.Duration(p) * time.Hour
		}))
	})
	if got := ids(q.late(noon.Add(time.Hour), 9)); got != "0 2" && got != "2 0" {
		t.Errorf("with other times %q", got)
	}
}

func TestPausesEndWhenSomebodySaysSo(t *testing.T) {
	q := newTester(t)
	for i := range 4 {
		q.push(item(fmt.Sprint(i), winnow.SeverityLow, 0))
	}
	q.lease(noon, noon.Add(time.Hour), 1)
	other := queue.Failure{Cause: queue.CauseAnalyst, Detail: "no answer"}
	again := noon.Add(time.Hour)
	q.do(func(t *ledger.Tx) error {
		return errors.Join(queue.Retry(t.Context(), t.Conn(), "1", busy, again), queue.Retry(t.Context(), t.Conn(), "2", other, again),
			queue.Retry(t.Context(), t.Conn(), "3", busy, again))
	})
	ready := func(id string) (waits bool) {
		q.do(func(t *ledger.Tx) (err error) {
			waits, err = queue.MakeReady(t.Context(), t.Conn(), id)
			return err
		})
		return waits
	}
	if !ready("3") || !ready("0") || ready("gone") {
		t.Error("who waits was told wrongly")
	}
	var n int
	q.do(func(t *ledger.Tx) (err error) {
		n, err = queue.MakeAllReady(t.Context(), t.Conn(), queue.CauseModel)
		return err
	})
	if got := q.lease(noon, again, 9); n != 1 || ids(got) != "1 3" || slices.ContainsFunc(got, func(it queue.Item) bool { return it.Cause != queue.CauseModel }) {
		t.Errorf("%d made ready, handed out %q", n, ids(got))
	}
}
