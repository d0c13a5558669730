package queue_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// machine plays workers that push, lease, hold on, give back, finish, fail and die in any order.
type machine struct {
	*tester
	now   time.Time
	waits map[string]*waiting // pushed and not done
}

// waiting is what an alert that was pushed must be like.
type waiting struct {
	queue.Item
	until  time.Time // leased until then
	retry  time.Time // not to be handed out before
	passed int       // how often others of its severity were handed out since its search was
}

func (w *waiting) held(now time.Time) bool  { return w.until.After(now) }
func (w *waiting) ready(now time.Time) bool { return !w.held(now) && !w.retry.After(now) }

const (
	machineItems    = 12
	machineSearches = 3
)

// TestNothingIsLostLeasedTwiceOrStarved: an alert that was pushed stays until it is done, no two workers hold it at
// the same time, the more severe come first, and no search waits for more than a turn of all others.
func TestNothingIsLostLeasedTwiceOrStarved(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{tester: newTester(t), now: noon, waits: map[string]*waiting{}}
		rt.Repeat(map[string]func(*rapid.T){
			"push":    m.pushSome,
			"push 2":  m.pushSome,
			"lease":   m.leaseSome,
			"lease 2": m.leaseSome,
			"extend":  m.extend,
			"done":    m.finish,
			"retry":   func(rt *rapid.T) { m.back(rt, queue.Retry, 0) },
			"return":  func(rt *rapid.T) { m.back(rt, queue.Return, 1) },
			"ready":   m.makeReady,
			"time":    func(rt *rapid.T) { m.now = m.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(rt, "s")) * time.Second) },
			"clock":   m.jump,
			"die":     m.release,
			"":        m.check,
		})
	})
}

func (m *machine) pushSome(rt *rapid.T) {
	n := rapid.IntRange(0, machineItems-1).Draw(rt, "id")
	s := []winnow.Severity{winnow.SeverityLow, winnow.SeverityHigh}[n%2]
	it := of(fmt.Sprint("search ", n%machineSearches), fmt.Sprintf("%02d", n), s, 0)
	it.Enqueued = m.now
	m.push(it)
	if m.waits[it.ID] == nil {
		m.waits[it.ID] = &waiting{Item: it}
	}
}

// leaseSome leases, begins with the first ones, and gives back the rest, as the worker does.
func (m *machine) leaseSome(rt *rapid.T) {
	until := m.now.Add(time.Minute)
	limit := rapid.IntRange(1, 6).Draw(rt, "limit")
	was := m.readyNow()
	got := m.lease(m.now, until, limit)
	if len(got) != min(limit, len(was)) {
		rt.Fatalf("%d handed out, want %d of the %d that are ready", len(got), min(limit, len(was)), len(was))
	}
	room := rapid.IntRange(1, limit).Draw(rt, "room")
	begun := got[:min(room, len(got))]
	for _, it := range got {
		m.mayHave(rt, it)
	}
	for _, it := range begun {
		w := m.waits[it.ID]
		w.until, w.retry, w.Attempts = until, time.Time{}, it.Attempts
	}
	m.fair(rt, was, begun)
	if rest := got[len(begun):]; len(rest) > 0 {
		m.do(func(t *ledger.Tx) error {
			for _, it := range rest {
				if err := queue.Uncount(t.Context(), t.Conn(), it.ID); err != nil {
					return err
				}
				m.waits[it.ID].retry, m.waits[it.ID].until = time.Time{}, time.Time{}
			}
			return queue.GiveBack(t.Context(), t.Conn(), got, len(begun))
		})
	}
}

func (m *machine) readyNow() (out []*waiting) {
	for _, w := range m.waits {
		if w.ready(m.now) {
			out = append(out, w)
		}
	}
	return out
}

func (m *machine) mayHave(rt *rapid.T, it queue.Item) {
	w := m.waits[it.ID]
	switch {
	case w == nil:
		rt.Fatalf("%s was handed out and does not wait", it.ID)
	case w.held(m.now):
		rt.Fatalf("%s was handed out twice", it.ID)
	case w.retry.After(m.now):
		rt.Fatalf("%s was handed out before its time", it.ID)
	case it.Attempts != w.Attempts+1:
		rt.Fatalf("%s says attempt %d, it is the %d.", it.ID, it.Attempts, w.Attempts+1)
	}
}

// fair holds those that are begun with against those that were ready.
func (m *machine) fair(rt *rapid.T, was []*waiting, begun []queue.Item) {
	shares := map[string]int{}
	for _, it := range begun {
		shares[fmt.Sprint(it.Priority, it.Search)]++
	}
	for _, w := range was {
		if w.held(m.now) {
			w.passed = 0
			continue
		}
		mine := shares[fmt.Sprint(w.Priority, w.Search)]
		others := false
		for _, it := range begun {
			if it.Priority < w.Priority {
				rt.Fatalf("%s was begun with before %s, which is more severe", it.ID, w.ID)
			}
			if it.Priority != w.Priority || it.Search == w.Search {
				continue
			}
			others = true
			if share := shares[fmt.Sprint(it.Priority, it.Search)]; share > mine+1 {
				rt.Fatalf("%q had %d of a lease, %q had %d and more waits", it.Search, share, w.Search, mine)
			}
		}
		if mine > 0 {
			w.passed = 0
		} else if others {
			w.passed++
		}
		if w.passed > 2*machineSearches {
			rt.Fatalf("%q was passed over %d times", w.Search, w.passed)
		}
	}
}

func (m *machine) held(rt *rapid.T) *waiting {
	var ids []string
	for id, w := range m.waits {
		if w.held(m.now) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		rt.Skip("nothing is leased")
	}
	slices.Sort(ids)
	return m.waits[rapid.SampledFrom(ids).Draw(rt, "held")]
}

func (m *machine) extend(rt *rapid.T) {
	w := m.held(rt)
	w.until = m.now.Add(time.Duration(rapid.IntRange(1, 200).Draw(rt, "longer")) * time.Second)
	m.do(func(t *ledger.Tx) error { return queue.Extend(t.Context(), t.Conn(), []string{w.ID}, w.until) })
}

func (m *machine) finish(rt *rapid.T) {
	w := m.held(rt)
	m.do(func(t *ledger.Tx) error { return queue.Done(t.Context(), t.Conn(), w.ID) })
	delete(m.waits, w.ID)
}

type giveBack = func(context.Context, queue.DB, string, queue.Failure, time.Time) error

func (m *machine) back(rt *rapid.T, how giveBack, uncounted int) {
	w := m.held(rt)
	at := m.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(rt, "pause")) * time.Second)
	m.do(func(t *ledger.Tx) error { return how(t.Context(), t.Conn(), w.ID, busy, at) })
	w.until, w.retry, w.Attempts = time.Time{}, at, w.Attempts-uncounted
}

func (m *machine) makeReady(rt *rapid.T) {
	id := fmt.Sprintf("%02d", rapid.IntRange(0, machineItems-1).Draw(rt, "id"))
	m.do(func(t *ledger.Tx) error {
		waits, err := queue.MakeReady(t.Context(), t.Conn(), id)
		if w := m.waits[id]; waits != (w != nil) {
			rt.Errorf("%s waits: %v", id, waits)
		} else if waits && !w.held(m.now) {
			w.retry = time.Time{}
		}
		return err
	})
}

// jump is a clock that somebody sets.
func (m *machine) jump(rt *rapid.T) {
	by := time.Duration(rapid.IntRange(-100_000, 100_000).Draw(rt, "by")) * time.Second
	m.now = m.now.Add(by)
	m.do(func(t *ledger.Tx) error { return queue.Shift(t.Context(), t.Conn(), by) })
	for _, w := range m.waits {
		w.until, w.retry = w.until.Add(by), w.retry.Add(by)
	}
}

// release is a worker that dies, and the next one.
func (m *machine) release(*rapid.T) {
	m.do(func(t *ledger.Tx) error { return queue.Release(t.Context(), t.Conn()) })
	for _, w := range m.waits {
		w.until, w.passed = time.Time{}, 0
	}
}

func (m *machine) check(rt *rapid.T) {
	got := m.list()
	if len(got) != len(m.waits) {
		rt.Fatalf("%d wait, want %d", len(got), len(m.waits))
	}
	for _, it := range got {
		if m.waits[it.ID] == nil {
			rt.Fatalf("%s waits, but was done", it.ID)
		}
	}
}
