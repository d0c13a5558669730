package triage

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// watched is a worker, what its sinks took, and what it said.
type watched struct {
	*rig
	*Worker
	meter                   lateMeter
	notable, update, events *sink
	log                     bytes.Buffer
}

func (r *rig) watch() *watched {
	r.t.Helper()
	w := &watched{rig: r, notable: &sink{name: "notable"}, update: &sink{name: "update"}, events: &sink{name: "events"}}
	w.Worker = r.worker(w.notable, w.update, w.events)
	w.Log = slog.New(slog.NewTextHandler(&w.log, nil))
	r.engine.Meter = &w.meter
	r.ok(w.takeOver(r.t.Context()))
	return w
}

// lateMeter keeps what it is told of late alerts and of deliveries that go another way.
type lateMeter struct {
	silent
	said []string
}

func (m *lateMeter) Late(did string, why winnow.Reason) { m.said = append(m.said, did+" "+string(why)) }
func (m *lateMeter) BudgetTold(string, string, string)  {}
func (m *lateMeter) WentOtherWay(sink, other string)    { m.said = append(m.said, sink+" to "+other) }

// turns lets the worker take turns until it has nothing to do.
func (w *watched) turns() {
	w.t.Helper()
	for range 200 {
		busy, err := w.Turn(w.t.Context())
		w.ok(err)
		w.ok(w.await(w.t.Context(), nil, time.Minute))
		if !busy {
			return
		}
	}
	w.t.Fatal("the work does not end")
}

// told says what a sink heard of: reasons of alerts that are not triaged, and outcomes.
func told(s *sink) (out []string) {
	for _, d := range s.took {
		what := string(d.Record.Outcome.State)
		if d.Late != "" {
			what = "late " + string(d.Late)
		}
		if d.CommentOnly {
			what += ", comment"
		}
		out = append(out, what)
	}
	return out
}

// With a dead model an alert gets its raw notable when the time of its severity is over, once, and what
// becomes of it later updates that one.
func TestPromiseVisibleInTime(t *testing.T) {
	for severity, within := range map[winnow.Severity]time.Duration{
		winnow.SeverityCritical: time.Minute, winnow.SeverityHigh: 5 * time.Minute, winnow.SeverityUnknown: 5 * time.Minute,
		winnow.SeverityMedium: 30 * time.Minute, winnow.SeverityLow: 4 * time.Hour, winnow.SeverityInformational: 24 * time.Hour,
	} {
		t.Run(severity.String(), func(t *testing.T) {
			r := newPaidRig(t, "gate.place=owner", "queue.wait_max=7d", "queue.wait_max_high=7d")
			w := r.watch()
			a := r.alert("0")
			a.Severity = severity
			id := r.admit(Row{Alert: a, Proposal: passes}).ID
			r.down(r.at.Add(48 * time.Hour))
			w.turns()
			r.at = start.Add(within - time.Microsecond)
			w.turns()
			if len(w.notable.took)+len(w.update.took) > 0 {
				t.Fatalf("told too early: %v %v", told(w.notable), told(w.update))
			}
			r.at = start.Add(within)
			w.turns()
			w.turns()
			if diff := cmp.Diff([]string{"late no_model, comment"}, told(w.notable)); diff != "" {
				t.Fatalf("-want +got:\n%s", diff)
			}
			r.broken, r.at = nil, start.Add(49*time.Hour)
			w.turns()
			rec := r.record(id)
			if !rec.Outcome.State.Settled() || len(w.notable.took) != 1 {
				t.Errorf("it is %s, %d notables", rec.Outcome.State, len(w.notable.took))
			}
			if diff := cmp.Diff([]string{string(rec.Outcome.State)}, told(w.update)); diff != "" {
				t.Errorf("updates: -want +got:\n%s", diff)
			}
		})
	}
}

// Where Enterprise Security's notable stands it gets a comment, and in shadow the log says what would have been
// done. Where winnow owns them its own is written in every run: nobody else does.
func TestWhatIsDoneForLateAlerts(t *testing.T) {
	for _, c := range []struct {
		place, run, notable, update, log string
	}{
		{"beside", "enforce", "", "late no_model, comment", "comments=1"},
		{"beside", "assist", "", "late no_model, comment", "comments=1"},
		{"beside", "shadow", "", "", "would_comment=1"},
		{"owner", "enforce", "late no_model, comment", "", "notables=1"},
		{"owner", "assist", "late no_model, comment", "", "notables=1"},
		{"owner", "shadow", "late no_model, comment", "", "notables=1"},
	} {
		t.Run(c.place+" "+c.run, func(t *testing.T) {
			r := newPaidRig(t, "gate.place="+c.place, "gate.run="+c.run, "gate.shadow_sample=100%")
			w := r.watch()
			r.admit(Row{Alert: r.alert("0"), Proposal: passes})
			r.down(r.at.Add(1000 * time.Hour))
			w.turns()
			r.at = r.at.Add(4*time.Hour - time.Second)
			r.update(func(tx *ledger.Tx) error { // its time is over a moment before it is given up
				return queue.SetVisible(tx.Context(), tx.Conn(), func(string, int) time.Duration { return time.Hour })
			})
			w.turns()
			if got := strings.Join(told(w.notable), ";"); got != c.notable {
				t.Errorf("notables %q, want %q", got, c.notable)
			}
			if got := strings.Join(told(w.update), ";"); got != c.update {
				t.Errorf("updates %q, want %q", got, c.update)
			}
			if !strings.Contains(w.log.String(), c.log+` why="no_model=1"`) {
				t.Errorf("the log does not say %s:\n%s", c.log, w.log.String())
			}
			did, _, _ := strings.Cut(c.log, "=")
			if diff := cmp.Diff([]string{did + " no_model"}, w.meter.said); diff != "" {
				t.Errorf("counted: -want +got:\n%s", diff)
			}
			r.broken, r.at = nil, r.at.Add(30*time.Minute)
			w.turns()
			if got := len(w.notable.took); got != len(strings.Fields(c.notable))/3 {
				t.Errorf("%d notables in the end", got)
			}
			if got := told(w.update); c.place == "owner" && len(got) != 1 {
				t.Errorf("the own notable was updated so: %v", got)
			}
		})
	}
}

// The reason is what is known.
func TestWhyAnAlertIsLate(t *testing.T) {
	for name, c := range map[string]struct {
		want  winnow.Reason
		begin func(*rig)
	}{
		"models are away":  {winnow.ReasonNoModel, func(r *rig) { r.down(r.at.Add(1000 * time.Hour)) }},
		"a try failed":     {winnow.ReasonTryFailed, func(r *rig) { r.broken = analystFunc(noAnswer) }},
		"no place is free": {winnow.ReasonQueued, func(r *rig) { r.hang() }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newPaidRig(t, "gate.place=owner", "worker.concurrency=1", "queue.retry_min=1h", "queue.retry_max=1h")
			w := r.watch()
			c.begin(r)
			a := r.alert("0")
			a.Severity = winnow.SeverityCritical
			r.admit(Row{Alert: a, Proposal: passes})
			for range 3 {
				_, err := w.Turn(t.Context())
				r.ok(err)
				if name != "no place is free" {
					r.ok(w.await(t.Context(), nil, time.Minute))
				}
			}
			r.at = r.at.Add(time.Minute)
			_, err := w.Turn(t.Context())
			r.ok(err)
			if got := told(w.notable); len(got) != 1 || got[0] != "late "+string(c.want)+", comment" {
				t.Errorf("told %v, want %s", got, c.want)
			}
		})
	}
}

// What a worker that was away has missed is told of as soon as the next one runs, unless it settles it at once.
func TestWhatADeadWorkerMissed(t *testing.T) {
	r := newPaidRig(t, "gate.place=owner", "worker.concurrency=1")
	late, quick := r.alert("late", "user", "bob"), r.alert("quick", "user", "ann")
	late.Severity = winnow.SeverityHigh
	r.at = r.at.Add(10 * time.Minute)
	w := r.watch()
	r.hang()
	r.admit(Row{Alert: late, Proposal: passes}) // as from the spool: received ten minutes ago
	if done := r.admit(Row{Alert: quick, Proposal: drops}); done.Queued {
		t.Fatal("the rule does not cover it")
	}
	_, err := w.Turn(t.Context())
	r.ok(err)
	if diff := cmp.Diff([]string{"late stale_heartbeat, comment"}, told(w.notable)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// People see it already: the action wrote its notable, they asked for it, or the finding of a recall tells.
func TestWhatPeopleSeeIsNotToldAgain(t *testing.T) {
	for name, change := range map[string]func(*Row){
		"the action wrote it": func(r *Row) { r.Notable = true },
		"asked for":           func(r *Row) { r.Alert.Adhoc = true },
		"recalled":            func(r *Row) { r.Proposal.Reason = "recall:" + travelID },
	} {
		t.Run(name, func(t *testing.T) {
			r := newPaidRig(t, "gate.place=owner")
			w := r.watch()
			r.down(r.at.Add(1000 * time.Hour))
			row := Row{Alert: r.alert("0"), Proposal: passes}
			change(&row)
			r.admit(row)
			w.turns()
			r.at = r.at.Add(4*time.Hour - time.Minute)
			r.update(func(tx *ledger.Tx) error {
				return queue.SetVisible(tx.Context(), tx.Conn(), func(string, int) time.Duration { return time.Minute })
			})
			w.turns()
			if got := told(w.notable); len(got) > 0 {
				t.Errorf("told %v", got)
			}
		})
	}
}

// Without a budget nobody waits: the alert goes to a person at once.
func TestWithoutABudgetAlertsAreSeenAtOnce(t *testing.T) {
	r := newPaidRig(t, "gate.place=owner")
	r.model.err = &llm.BudgetError{Limit: "day"}
	w := r.watch()
	id := r.admit(Row{Alert: r.alert("0"), Proposal: passes}).ID
	w.turns()
	want(t, r.record(id), winnow.StateInReview, winnow.ReasonNoBudget)
	if diff := cmp.Diff([]string{"in_review"}, told(w.notable)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A search may have a time of its own, and a changed configuration holds for what waits already.
func TestTimesOfSearchesAndOfAChangedConfiguration(t *testing.T) {
	r := newPaidRig(t, "gate.place=owner", "search:"+travel+".visible_within=10m")
	r.down(r.at.Add(1000 * time.Hour))
	w := r.watch()
	r.admit(Row{Alert: r.alert("0"), Proposal: passes})
	w.turns()
	r.at = start.Add(2 * time.Minute)
	w.turns()
	if len(w.notable.took) > 0 {
		t.Fatal("too early")
	}
	r.engine.Settings = newPaidRig(t, "gate.place=owner", "search:"+travel+".visible_within=2m").state.Settings
	w = r.watch() // the worker is put together anew
	w.turns()
	if got := told(w.notable); len(got) != 1 {
		t.Errorf("told %v", got)
	}
}

// However long the outbox is and however slow a sink, the notable goes out in the turn in which it is due.
func TestABusyWorkerTellsInTime(t *testing.T) {
	r := newPaidRig(t, "gate.place=owner", "worker.concurrency=1")
	w := r.watch()
	rec := r.triage(r.alert("done", "user", "erin"))
	r.update(func(tx *ledger.Tx) error {
		for i := range 3 * deliverBatch {
			rec.ID = fmt.Sprint("x", i)
			d := ledger.Delivery{Key: rec.ID, Sink: "events", Kind: ledger.DeliverEvent, Record: rec}
			if err := tx.Post(d, start); err != nil {
				return err
			}
		}
		return nil
	})
	const slow = 6 * time.Second
	w.events.fail = func(ledger.Delivery) error {
		r.at = r.at.Add(slow)
		return errors.New("slow")
	}
	w.notable.took = nil
	r.hang()
	a := r.alert("0")
	a.Severity, a.Received = winnow.SeverityCritical, r.at
	r.admit(Row{Alert: a, Proposal: passes})
	for range 20 {
		_, err := w.Turn(t.Context())
		r.ok(err)
		if late := r.at.Sub(start); len(w.notable.took) > 0 && w.notable.took[0].Late != "" {
			if late > time.Minute+2*slow {
				t.Errorf("told after %s", late)
			}
			return
		}
	}
	t.Errorf("not told within %s: %v", r.at.Sub(start), told(w.notable))
}

// A ledger whose disk is full: what can be told is told without it, under the key that it gets later, and the
// heartbeat stops, so that the alert action fails open.
func TestAFullDiskUnderTheLedger(t *testing.T) {
	r := newPaidRig(t, "gate.place=owner")
	w := r.watch()
	r.down(r.at.Add(1000 * time.Hour))
	a := r.alert("0")
	a.Severity = winnow.SeverityCritical
	r.admit(Row{Alert: a, Proposal: passes})
	w.turns()
	full := func(on string) {
		r.view(func(tx *ledger.Tx) error {
			_, err := tx.Conn().ExecContext(t.Context(), "PRAGMA query_only = "+on)
			return err
		})
	}
	full("ON")
	r.at = r.at.Add(time.Minute)
	if _, err := w.Turn(t.Context()); err == nil {
		t.Error("nothing was said")
	}
	if got := told(w.notable); len(got) != 1 || !strings.HasPrefix(got[0], "late no_model") {
		t.Fatalf("told %v", got)
	}
	r.at = r.at.Add(r.state.Settings.Gate.WorkerGrace + time.Second)
	_, err := w.Turn(t.Context())
	if err == nil || r.state.Alive(r.at) {
		t.Errorf("%v; the worker seems alive: %v", err, r.state.Alive(r.at))
	}
	full("OFF")
	w.turns()
	for _, d := range w.notable.took {
		if d.Key != w.notable.took[0].Key {
			t.Errorf("key %s is not %s: a second notable", d.Key, w.notable.took[0].Key)
		}
	}
	if _, err := w.Turn(t.Context()); err != nil || !r.state.Alive(r.at) {
		t.Errorf("%v; alive %v", err, r.state.Alive(r.at))
	}
}

// An alert whose entry is damaged is told of as far as it is known.
func TestADamagedEntryIsToldOfToo(t *testing.T) {
	r := newPaidRig(t, "gate.place=owner", "queue.retry_min=1h", "queue.retry_max=1h")
	w := r.watch()
	a := r.alert("0")
	a.Severity = winnow.SeverityCritical
	id := r.admit(Row{Alert: a, Proposal: passes}).ID
	r.update(func(tx *ledger.Tx) error {
		_, err := tx.Conn().ExecContext(t.Context(), "UPDATE alerts SET alert = 'damaged' WHERE id = ?", id)
		return err
	})
	w.turns()
	r.at = r.at.Add(time.Minute)
	w.turns()
	if got := told(w.notable); len(got) != 1 || w.notable.took[0].Alert.ID != id || w.notable.took[0].Alert.SearchName != travel {
		t.Errorf("told %v", got)
	}
}

// A clock that somebody sets, forward or back, neither loses nor floods: alerts are told of when their time has
// really passed, nothing is given up early, and what was delivered in vain is tried again.
func TestTheClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{48 * time.Hour, -48 * time.Hour, time.Hour, -time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			r := newPaidRig(t, "gate.place=owner")
			w := r.watch()
			var passed time.Duration
			w.ticked = func() time.Duration {
				defer func() { passed = 0 }()
				return passed
			}
			wait := func(d time.Duration) { r.at, passed = r.at.Add(d), passed+d }
			r.down(r.at.Add(jump.Abs() + 1000*time.Hour))
			w.notable.fail = func(d ledger.Delivery) error { return errors.New("not now") }
			for i := range 20 {
				a := r.alert(fmt.Sprint(i), "user", fmt.Sprint("u", i))
				a.Severity = winnow.SeverityHigh
				r.admit(Row{Alert: a, Proposal: passes})
			}
			w.turns()
			wait(4 * time.Minute)
			w.turns()
			r.at = r.at.Add(jump)
			w.turns()
			if n := len(r.sent()); n > 0 {
				t.Fatalf("%d were told of at once", n)
			}
			if w.retained.Sub(r.at).Abs() > time.Minute {
				t.Errorf("old things are removed by the new clock at once: last at %s, now %s", w.retained, r.at)
			}
			wait(time.Minute)
			w.turns()
			if states := r.states(); states[winnow.StateQueued] != 20 {
				t.Errorf("given up: %v", states)
			}
			w.notable.fail = nil
			wait(r.state.Settings.Queue.RetryMin)
			w.turns()
			if n := len(w.notable.took); n != 20 {
				t.Errorf("%d told of in time, want 20", n)
			}
			r.at = r.at.Add(-jump)
			wait(time.Minute)
			w.turns()
			if n := len(w.notable.took); n != 20 {
				t.Errorf("%d notables of 20 alerts", n)
			}
			wait(9 * time.Minute)
			w.turns()
			if states := r.states(); states[winnow.StateEscalated] != 20 {
				t.Errorf("after 15 minutes: %v", states)
			}
		})
	}
}

// A worker that starts after the clock was set back waits for nothing from the future.
func TestAClockThatWasSetBackMeanwhile(t *testing.T) {
	r := newPaidRig(t, "gate.place=owner")
	w := r.watch()
	r.down(r.at.Add(time.Hour))
	w.notable.fail = func(ledger.Delivery) error { return errors.New("not now") }
	a := r.alert("0")
	a.Severity = winnow.SeverityCritical
	r.admit(Row{Alert: a, Proposal: passes})
	w.turns()
	r.at = r.at.Add(2 * time.Minute)
	w.turns() // its notable waits to be tried again
	r.at = r.at.Add(-1000 * time.Hour)
	r.restart()
	r.broken = nil
	w = r.watch()
	w.turns()
	r.at = r.at.Add(r.state.Settings.Queue.WaitMax)
	w.turns()
	if states := r.states(); states[winnow.StateQueued] > 0 || len(w.notable.took) != 1 {
		t.Errorf("%v, notables %v", states, told(w.notable))
	}
}

// Without a sink that updates, an alert whose own notable stands as not triaged gets one more when it is
// escalated, once; what becomes of it otherwise is told by winnow's own events alone.
func TestWithoutUpdatesAnEscalationIsWrittenAgain(t *testing.T) {
	for _, c := range []struct {
		name   string
		set    string
		states []winnow.State
		want   []string
	}{
		{"escalated", "sink:update.disabled=1", []winnow.State{winnow.StateEscalated}, []string{"late no_model, comment", "escalated"}},
		{"escalated twice", "sink:update.disabled=1", []winnow.State{winnow.StateEscalated, winnow.StateInReview, winnow.StateEscalated}, []string{"late no_model, comment", "escalated"}},
		{"reviewed, then escalated", "sink:update.disabled=1", []winnow.State{winnow.StateInReview, winnow.StateEscalated}, []string{"late no_model, comment", "escalated"}},
		{"closed", "sink:update.disabled=1", []winnow.State{winnow.StateClosed}, []string{"late no_model, comment"}},
		{"reviewed", "sink:update.disabled=1", []winnow.State{winnow.StateInReview}, []string{"late no_model, comment"}},
		{"with updates", "sink:update.disabled=0", []winnow.State{winnow.StateEscalated}, []string{"late no_model, comment"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newPaidRig(t, "gate.place=owner", "queue.wait_max=7d", c.set)
			w := r.watch()
			id := r.admit(Row{Alert: r.alert("0"), Proposal: passes}).ID
			r.down(r.at.Add(1000 * time.Hour))
			w.turns()
			r.at = r.at.Add(4 * time.Hour)
			w.turns()
			for _, state := range c.states {
				r.settle(id, winnow.TruePositive, state)
				w.turns()
			}
			if diff := cmp.Diff(c.want, told(w.notable)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			ids, keys := map[string]bool{}, map[string]bool{}
			for _, d := range w.notable.took {
				ids[d.WinnowID], keys[d.Key] = true, true
			}
			if len(ids) != 1 || len(keys) != len(c.want) {
				t.Errorf("winnow ids %v, keys %v", ids, keys)
			}
		})
	}
}
