package triage

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// air is a worker whose answers land when the test says so, and which dies when it says so.
type air struct {
	*rig

	w        *Worker
	rid      int
	admitted map[string]bool

	mu      sync.Mutex
	answers map[string]chan llm.Analysis // by alert
}

// analyst waits for the answer that the test draws.
func (a *air) analyst() Analyst {
	return analystFunc(func(in llm.Input) (llm.Analysis, error) {
		an := <-a.answer(in.Alert.ID)
		return an, an.Failed
	})
}

func (a *air) answer(id string) chan llm.Analysis {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.answers[id] == nil {
		a.answers[id] = make(chan llm.Analysis, 1)
	}
	return a.answers[id]
}

// Whatever flies, waits, lands, fails and dies in whatever order: in the end every alert has one outcome,
// and on the way no alert and no group is asked about twice at a time.
func TestPromise1AnyInterleavingEndsWithOneOutcome(t *testing.T) {
	t.Parallel()
	r := newPaidRig(t, "worker.concurrency=3", "worker.max_attempts=3")
	r.sinks, r.engine.Sinks = nil, nil
	rapid.Check(t, func(rt *rapid.T) {
		a := &air{rig: r, admitted: map[string]bool{}, answers: map[string]chan llm.Analysis{}}
		r.broken = a.analyst()
		a.begin()
		rt.Repeat(map[string]func(*rapid.T){
			"admit":   a.arrive,
			"admit 2": a.arrive,
			"turn":    func(*rapid.T) { a.turnOnce() },
			"turn 2":  func(*rapid.T) { a.turnOnce() },
			"land":    a.landOne,
			"land 2":  a.landOne,
			"time":    func(rt *rapid.T) { r.at = r.at.Add(time.Duration(rapid.IntRange(1, 900).Draw(rt, "s")) * time.Second) },
			"crash":   func(*rapid.T) { a.crash() },
			"end":     a.end,
			"person":  func(rt *rapid.T) { decideOne(rt, r) },
			"":        a.check,
		})
		a.finish(rt)
	})
}

func (a *air) begin() {
	a.w = a.worker()
	a.ok(a.w.takeOver(a.t.Context()))
}

func (a *air) arrive(rt *rapid.T) {
	a.rid++
	al := a.alert(fmt.Sprint(a.at.UnixNano(), a.rid), "user", rapid.SampledFrom([]string{"bob", "bob", "carol"}).Draw(rt, "user"))
	al.Severity = rapid.SampledFrom([]winnow.Severity{winnow.SeverityLow, winnow.SeverityLow, winnow.SeverityHigh}).Draw(rt, "severity")
	a.admitted[a.admit(Row{Alert: al, Proposal: passes}).ID] = true
}

func (a *air) turnOnce() {
	_, err := a.w.triageQueue(a.t.Context())
	a.ok(err)
}

// landOne answers one of the questions in the air.
func (a *air) landOne(rt *rapid.T) {
	var ids []string
	for id, one := range a.w.air.flying {
		if !slices.Contains(a.w.air.down, one) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		rt.Skip("nothing is in the air")
	}
	slices.Sort(ids)
	a.land(rapid.SampledFrom(ids).Draw(rt, "id"), a.draw(rt))
}

func (a *air) land(id string, an llm.Analysis) {
	a.answer(id) <- an
	a.w.air.down = append(a.w.air.down, <-a.w.air.landed)
}

func (a *air) draw(rt *rapid.T) llm.Analysis {
	switch rapid.IntRange(0, 5).Draw(rt, "answer") {
	case 0:
		return llm.Analysis{Failed: errNoAnswer}
	case 1:
		return llm.Analysis{Failed: &llm.UnavailableError{Model: "m", Until: a.at.Add(time.Minute), Cause: errors.New("503")}}
	case 2:
		return a.found("TruePositive")
	case 3:
		return a.found("Undetermined")
	}
	return a.found("BenignPositive")
}

func (a *air) found(disposition string) llm.Analysis {
	s := &script{disposition: disposition}
	al := a.alert("x")
	an, err := s.pipeline(a.t, a.facts, a.state.Default("attack.csv")).Analyse(a.t.Context(), llm.Input{
		Alert: &al, Fields: a.state.Fields, Lists: a.engine.Lists, Policy: llmPolicy(a.state.Settings.Policy),
	})
	a.ok(err)
	return an
}

// crash is a worker that is killed: whatever it held is gone, and so is its ledger's connection.
func (a *air) crash() {
	for _, one := range a.w.air.flying {
		if !slices.Contains(a.w.air.down, one) {
			a.answer(one.item.ID) <- llm.Analysis{} // also for a goroutine that has not asked yet
			<-a.w.air.landed
		}
	}
	a.mu.Lock()
	a.answers = map[string]chan llm.Analysis{}
	a.mu.Unlock()
	a.restart()
	a.begin()
}

// end is a worker that is told to end while analysts do not answer.
func (a *air) end(*rapid.T) {
	var hang []*flight
	for _, one := range a.w.air.flying {
		if !slices.Contains(a.w.air.down, one) {
			hang = append(hang, one)
		}
	}
	for _, one := range hang { // as analysts do that heed their context
		a.answer(one.item.ID) <- llm.Analysis{Failed: errLanded}
		one.ended = errLanded
	}
	a.ok(a.w.land(a.t.Context(), time.Minute))
	a.begin()
}

// check holds that nothing is asked about twice at a time, and that nothing is lost.
func (a *air) check(rt *rapid.T) {
	groups := map[groupID]int{}
	for _, one := range a.w.air.flying {
		if one.work.leads {
			groups[one.work.group]++
		}
	}
	for _, n := range groups {
		if n > 1 {
			rt.Fatalf("a group is asked about %d times at once", n)
		}
	}
	if n := len(a.w.air.flying); n > a.state.Settings.Worker.Concurrency {
		rt.Fatalf("%d fly", n)
	}
	queued := map[string]bool{}
	for _, it := range a.queued() {
		queued[it.ID] = true
	}
	for id := range a.admitted {
		if rec := a.record(id); rec.Outcome.State.Settled() == queued[id] {
			rt.Fatalf("%s is %s and queued is %v", id, rec.Outcome.State, queued[id])
		}
	}
}

// finish lets everything land and checks that every alert has its outcome.
func (a *air) finish(rt *rapid.T) {
	for range 200 {
		for _, id := range slices.Sorted(maps.Keys(a.w.air.flying)) {
			if !slices.Contains(a.w.air.down, a.w.air.flying[id]) {
				a.land(id, a.found("BenignPositive"))
			}
		}
		a.turnOnce()
		a.at = a.at.Add(time.Minute)
		if a.w.air.empty() && len(a.queued()) == 0 {
			break
		}
	}
	var left []queue.Item
	a.view(func(t *ledger.Tx) (err error) {
		left, err = queue.List(t.Context(), t.Conn(), "", 10)
		return err
	})
	if len(left) > 0 || !a.w.air.empty() || len(a.engine.groups.flying) > 0 {
		rt.Fatalf("left: %+v, in the air %d, held %d, groups %v", left, len(a.w.air.flying), a.w.air.held(), a.engine.groups.flying)
	}
	for id := range a.admitted {
		if rec := a.record(id); !rec.Outcome.State.Settled() {
			rt.Fatalf("%s ends as %+v", id, rec.Outcome)
		}
	}
}
