package ledger

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
)

// waiter is an alert in the model of the queue.
type waiter struct {
	e       Entry
	rec     winnow.Record
	entered bool
}

// line is the model beside the real queue: it sorts everything anew each time.
type line struct {
	t    *testing.T
	l    *Ledger
	all  []*waiter
	open map[string]string // entity of a storm that waits: that of the alert which came first
}

// TestWaitingModel adds, changes and removes alerts in any order: the queue holds what waits for a person, in its
// order, and nothing else, and pages of any size read like one.
func TestWaitingModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		l, err := Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		m := &line{t: t, l: l, open: map[string]string{}}
		rt.Repeat(map[string]func(*rapid.T){"add": m.add, "change": m.change, "prune": m.prune, "": m.check})
	})
}

var (
	lineState  = rapid.SampledFrom([]winnow.State{winnow.StateQueued, winnow.StateInReview, winnow.StateEscalated, winnow.StateClosed, winnow.StateLeft})
	lineSource = rapid.SampledFrom([]winnow.Source{winnow.SourceNone, winnow.SourceOffline, winnow.SourcePerson})
	lineLevel  = rapid.SampledFrom([]winnow.Severity{winnow.SeverityUnknown, winnow.SeverityLow, winnow.SeverityHigh, winnow.SeverityCritical})
)

func (m *line) add(rt *rapid.T) {
	e := sample(len(m.all))
	e.Key = cache.Key{byte(rapid.IntRange(1, 4).Draw(rt, "key"))}
	e.Alert.Severity = lineLevel.Draw(rt, "severity")
	e.Alert.Fields = winnow.Fields{}
	if user := rapid.IntRange(0, 3).Draw(rt, "user"); user > 0 {
		e.Alert.Fields["user"] = []string{fmt.Sprint("user", user)}
	}
	w := &waiter{e: e, rec: recordOf(e, lineState.Draw(rt, "state"))}
	w.rec.Verdict.Source = lineSource.Draw(rt, "source")
	m.all = append(m.all, w)
	m.enter(w)
	update(m.t, m.l, func(tx *Tx) error { return tx.Add(e, w.rec) })
}

func (m *line) change(rt *rapid.T) {
	if len(m.all) == 0 {
		rt.Skip()
	}
	w := m.all[rapid.IntRange(0, len(m.all)-1).Draw(rt, "which")]
	if w.rec.ID == "" {
		rt.Skip()
	}
	before := w.rec
	w.rec.Outcome.State, w.rec.Verdict.Source = lineState.Draw(rt, "state"), lineSource.Draw(rt, "source")
	if waits(&before) && (!waits(&w.rec) || before.Outcome.State != w.rec.Outcome.State) {
		m.leave(w)
	}
	m.enter(w)
	update(m.t, m.l, func(tx *Tx) error {
		_, err := tx.Change(w.rec, Links{})
		return err
	})
}

// prune removes everything that is settled.
func (m *line) prune(*rapid.T) {
	update(m.t, m.l, func(tx *Tx) error {
		_, err := tx.Prune(Keep{Records: noon.Add(24 * time.Hour), Now: noon}, 1000)
		return err
	})
	for _, w := range m.all {
		if s := w.rec.Outcome.State; w.rec.ID != "" && s != winnow.StateQueued && s != winnow.StateInReview {
			m.leave(w)
			w.rec = winnow.Record{}
		}
	}
}

func (m *line) enter(w *waiter) {
	if !waits(&w.rec) || w.entered {
		return
	}
	w.entered = true
	storm := string(w.e.Key[:])
	if m.open[storm] == "" {
		m.open[storm] = "storm " + storm
		if user := w.e.Alert.Fields["user"]; len(user) > 0 {
			m.open[storm] = user[0]
		}
	}
}

func (m *line) leave(w *waiter) {
	w.entered = false
	storm := string(w.e.Key[:])
	if !slices.ContainsFunc(m.all, func(o *waiter) bool { return o.entered && o.e.Key == w.e.Key }) {
		delete(m.open, storm)
	}
}

// want sorts what waits.
func (m *line) want() (out []Storm) {
	storms, entities, counts := map[string]*place{}, map[string]*place{}, map[string]int{}
	of := map[string]string{}
	for _, w := range m.all {
		if !w.entered {
			continue
		}
		storm := string(w.e.Key[:])
		entity := m.open[storm]
		if storms[storm] == nil {
			counts[entity]++
		}
		for _, in := range []struct {
			all  map[string]*place
			name string
		}{{storms, storm}, {entities, entity}} {
			ord := ordOf(w.rec.Outcome.State, w.rec.Severity)
			if in.all[in.name] == nil {
				in.all[in.name] = &place{Ord: ord, First: w.rec.ID}
			}
			p := in.all[in.name]
			p.Ord, p.Fewer, p.First = min(p.Ord, ord), p.Fewer-1, min(p.First, w.rec.ID)
		}
		of[storm] = entity
	}
	for storm, p := range storms {
		e := entities[of[storm]]
		out = append(out, Storm{First: p.First, Alerts: -p.Fewer, Urgent: p.Ord < ordInReview, Storms: counts[of[storm]], Place: Place{*e, *p}})
	}
	slices.SortFunc(out, func(a, b Storm) int { return cmp.Or(a.Place.Compare(b.Place)) })
	return out
}

func (m *line) check(rt *rapid.T) {
	view(m.t, m.l, func(tx *Tx) error {
		want := m.want()
		got, err := tx.Waiting(Waiting{})
		if diff := gocmp.Diff(want, got); diff != "" {
			rt.Fatalf("the queue differs (-want +got):\n%s", diff)
		}
		if err != nil {
			return err
		}
		var paged []Storm
		for w := (Waiting{Limit: 2}); ; {
			page, err := tx.Waiting(w)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			paged = append(paged, page...)
			w.After = &page[len(page)-1].Place
		}
		if diff := gocmp.Diff(want, paged); diff != "" {
			rt.Fatalf("pages differ from the whole (-want +got):\n%s", diff)
		}
		storms, alerts, err := tx.WaitingCount()
		sum := 0
		for _, s := range want {
			sum += s.Alerts
		}
		if storms != len(want) || alerts != sum {
			rt.Fatalf("%d storms of %d alerts, want %d of %d", storms, alerts, len(want), sum)
		}
		return err
	})
}

// TestQueueIsReadInItsOrder: the first page is read off the indexes, and nothing is sorted for it.
func TestQueueIsReadInItsOrder(t *testing.T) {
	if plan := queryPlan(t, openNew(t), waitingQuery, make([]any, 17)...); strings.Contains(plan, "USE TEMP") {
		t.Errorf("the queue is sorted anew: %s", plan)
	}
}

// queryPlan returns how SQLite goes about a query, a line a step.
func queryPlan(t *testing.T, l *Ledger, query string, args ...any) string {
	t.Helper()
	var plan []string
	view(t, l, func(tx *Tx) error {
		return tx.each("EXPLAIN QUERY PLAN "+query, args, func(scan func(...any) error) error {
			var a, b, c int
			var text string
			err := scan(&a, &b, &c, &text)
			plan = append(plan, text)
			return err
		})
	})
	return strings.Join(plan, "\n")
}
