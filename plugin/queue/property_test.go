package queue_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// machine plays workers that push, lease, finish, fail and die in any order.
type machine struct {
	*tester
	now     time.Time
	waits   map[string]bool      // pushed and not done
	leases  map[string]time.Time // until when a worker holds it
	retries map[string]time.Time // not to be handed out before
	tries   map[string]int
}

// TestNothingIsLostNorLeasedTwice: an item that was pushed stays until it is done, and no two
// workers hold it at the same time.
func TestNothingIsLostNorLeasedTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{
			tester: newTester(t), now: noon, waits: map[string]bool{}, leases: map[string]time.Time{},
			retries: map[string]time.Time{}, tries: map[string]int{},
		}
		rt.Repeat(map[string]func(*rapid.T){
			"push":  m.pushSome,
			"lease": m.leaseSome,
			"done":  m.finish,
			"retry": m.fail,
			"time":  func(rt *rapid.T) { m.now = m.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(rt, "s")) * time.Second) },
			"":      m.check,
		})
	})
}

func (m *machine) pushSome(rt *rapid.T) {
	id := fmt.Sprint(rapid.IntRange(0, 6).Draw(rt, "id"))
	m.push(item(id, winnow.Severity(rapid.IntRange(0, 5).Draw(rt, "severity")), 0))
	m.waits[id] = true
}

func (m *machine) leaseSome(rt *rapid.T) {
	until := m.now.Add(time.Minute)
	limit := rapid.IntRange(1, 4).Draw(rt, "limit")
	got := m.lease(m.now, until, limit)
	due := 0
	for id := range m.waits {
		if !m.leases[id].After(m.now) && !m.retries[id].After(m.now) {
			due++
		}
	}
	if len(got) != min(limit, due) {
		rt.Fatalf("%d handed out, want %d of the %d that are due", len(got), min(limit, due), due)
	}
	for _, it := range got {
		m.tries[it.ID]++
		switch {
		case !m.waits[it.ID]:
			rt.Fatalf("%s was handed out and does not wait", it.ID)
		case m.leases[it.ID].After(m.now):
			rt.Fatalf("%s was handed out twice", it.ID)
		case m.retries[it.ID].After(m.now):
			rt.Fatalf("%s was handed out before its time", it.ID)
		case it.Attempts != m.tries[it.ID]:
			rt.Fatalf("%s says attempt %d, it is the %d.", it.ID, it.Attempts, m.tries[it.ID])
		}
		m.leases[it.ID] = until
	}
}

func (m *machine) held(rt *rapid.T) string {
	var ids []string
	for i := range 7 {
		if id := fmt.Sprint(i); m.waits[id] && m.leases[id].After(m.now) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		rt.Skip("nothing is leased")
	}
	return rapid.SampledFrom(ids).Draw(rt, "held")
}

func (m *machine) finish(rt *rapid.T) {
	id := m.held(rt)
	m.do(func(t *ledger.Tx) error { return queue.Done(t.Context(), t.Conn(), id) })
	delete(m.waits, id)
	delete(m.leases, id)
	delete(m.retries, id)
	delete(m.tries, id)
}

func (m *machine) fail(rt *rapid.T) {
	id := m.held(rt)
	at := m.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(rt, "pause")) * time.Second)
	m.do(func(t *ledger.Tx) error { return queue.Retry(t.Context(), t.Conn(), id, "no luck", at) })
	delete(m.leases, id)
	m.retries[id] = at
}

func (m *machine) check(rt *rapid.T) {
	got := m.list()
	if len(got) != len(m.waits) {
		rt.Fatalf("%d wait, want %d", len(got), len(m.waits))
	}
	for _, it := range got {
		if !m.waits[it.ID] {
			rt.Fatalf("%s waits, but was done", it.ID)
		}
	}
}
