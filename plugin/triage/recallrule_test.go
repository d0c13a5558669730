package triage

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// recallOf is a recall of the rig's rule, changed.
func recallOf(change ...func(*Recall)) Recall {
	r := Recall{Command: CommandRecall, Rule: travelID, Actor: "ann", Reason: "the egress was sold"}
	for _, f := range change {
		f(&r)
	}
	return r
}

func (r *rig) begin(c Recall) {
	r.t.Helper()
	r.update(func(t *ledger.Tx) error { return r.engine.BeginRecall(t, c) })
}

// recall carries a recall out and returns what the ledger holds of it.
func (r *rig) recall(c Recall) (out ledger.Recall) {
	r.t.Helper()
	r.begin(c)
	for {
		one, looked, err := r.engine.ContinueRecall(r.t.Context())
		r.ok(err)
		if looked == 0 {
			return out
		}
		out = one
	}
}

func (r *rig) plan(c Recall) (out RecallCount) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) (err error) {
		out, err = PlanRecall(t, r.engine.Gate, c)
		return err
	})
	return out
}

// drop lets the rule close n alerts of a user's.
func (r *rig) drop(n int, pairs ...string) (ids []string) {
	r.t.Helper()
	for range n {
		r.records++
		rec := r.triage(r.alert(fmt.Sprint("d", r.records), append([]string{"user", "ann"}, pairs...)...))
		want(r.t, rec, winnow.StateClosed, winnow.ReasonRule)
		ids = append(ids, rec.ID)
	}
	return ids
}

func TestRecallOfARule(t *testing.T) {
	r := newRig(t)
	ids := r.drop(3)
	other := r.triage(r.alert("x", "user", "bob"))
	want(t, other, winnow.StateClosed, winnow.ReasonVerdict)
	if got := r.plan(recallOf()); got != (RecallCount{Requeue: 3}) {
		t.Errorf("planned %+v", got)
	}
	if r.engine.Gate.Suspensions.Rule(travelID) || len(r.queued()) != 0 {
		t.Error("a plan changed something")
	}
	done := r.recall(recallOf())
	if done.Requeued != 3 || done.Done.IsZero() || done.Finding == "" {
		t.Errorf("recalled %+v", done)
	}
	for _, it := range r.queued() {
		if it.Detail != "recall of "+travelID {
			t.Errorf("queued because of %q", it.Detail)
		}
	}
	for _, id := range ids {
		rec := r.record(id)
		if rec.Outcome.State != winnow.StateQueued || rec.Proposal.Reason != "recall:"+travelID || rec.Proposal.Rule != travelID || rec.Verdict.Source != "" {
			t.Errorf("the alert is %+v", rec)
		}
	}
	if why := r.engine.Gate.Suspensions.Rules[travelID]; why.By != "ann" || why.Reason != "recalled: the egress was sold" {
		t.Errorf("suspended as %+v", why)
	}
	found := r.findings()
	if len(found) != 1 || !strings.Contains(found[0].Verdict.Case.What, "3 alerts") {
		t.Fatalf("findings: %+v", found)
	}
	want(t, found[0], winnow.StateInReview, winnow.ReasonRecall)
	want(t, r.record(other.ID), winnow.StateClosed, winnow.ReasonVerdict)
}

// A second recall triages nothing twice, and adds what is new to the finding that is still open.
func TestRecallIsIdempotent(t *testing.T) {
	r := newRig(t)
	r.drop(2)
	first := r.recall(recallOf())
	if again := r.recall(recallOf()); again.Requeued != 0 || len(r.queued()) != 2 || len(r.findings()) != 1 {
		t.Errorf("the second recall did %+v", again)
	}
	r.ok(r.worker().Once(t.Context()))
	if again := r.recall(recallOf()); again.Requeued != 0 || len(r.queued()) != 0 {
		t.Errorf("what was triaged again is recalled again: %+v", again)
	}
	_, err := r.resume(Recall{Command: CommandResume, Rule: travelID, Actor: "ann"})
	r.ok(err)
	r.drop(1)
	if third := r.recall(recallOf()); third.Requeued != 1 || third.Finding != first.Finding {
		t.Errorf("the third recall did %+v", third)
	}
	found := r.findings()
	if len(found) != 1 || !strings.Contains(found[0].Verdict.Case.What, "3 alerts") {
		t.Errorf("findings: %+v", found)
	}
	r.settle(first.Finding, winnow.Other, winnow.StateClosed)
	_, err = r.resume(Recall{Command: CommandResume, Rule: travelID, Actor: "ann"})
	r.ok(err)
	r.drop(1)
	if fourth := r.recall(recallOf()); fourth.Finding == first.Finding || len(r.findings()) != 2 {
		t.Error("a finding that a person has settled was opened again")
	}
}

// What a person has settled stays settled.
func TestRecallLeavesWhatAPersonSettled(t *testing.T) {
	r := newRig(t)
	ids := r.drop(2)
	r.settle(ids[0], winnow.BenignPositive, winnow.StateClosed)
	if done := r.recall(recallOf()); done.Requeued != 1 {
		t.Errorf("recalled %+v", done)
	}
	want(t, r.record(ids[0]), winnow.StateClosed, winnow.ReasonPerson)
}

func TestRecallOnlyAndSince(t *testing.T) {
	r := newRig(t)
	old := r.drop(1)
	r.at = r.at.Add(time.Hour)
	r.drop(1, "dest", "a.corp.example")
	picked := r.drop(1, "dest", "b.corp.example")
	c := recallOf(func(c *Recall) { c.Since, c.Only = r.at, `event.dest == "b.corp.example"` })
	if got := r.plan(c); got != (RecallCount{Requeue: 1, Other: 1}) {
		t.Errorf("planned %+v", got)
	}
	if done := r.recall(c); done.Requeued != 1 {
		t.Errorf("recalled %+v", done)
	}
	want(t, r.record(old[0]), winnow.StateClosed, winnow.ReasonRule)
	if s := r.record(picked[0]).Outcome.State; s != winnow.StateQueued {
		t.Errorf("the picked one is %s", s)
	}
}

// The alerts that rest on the value are triaged again, and such alerts are not dropped any more.
func TestRecallOfAListValue(t *testing.T) {
	r := newRig(t)
	on := r.drop(1)
	off := r.drop(1, "src", "198.51.100.5")
	c := recallOf(func(c *Recall) { c.Rule, c.List, c.Value = "", "vpn_egress", egress })
	if got := r.plan(c); got != (RecallCount{Requeue: 1, Other: 1}) {
		t.Errorf("planned %+v", got)
	}
	r.recall(c)
	if rec := r.record(on[0]); rec.Outcome.State != winnow.StateQueued || rec.Proposal.Reason != "recall:list:vpn_egress" {
		t.Errorf("the alert is %+v", rec)
	}
	want(t, r.record(off[0]), winnow.StateClosed, winnow.ReasonRule)
	r.drop(1, "src", "198.51.100.5")
	if rec := r.dispose(Row{Alert: r.alert("z", "user", "ann"), Proposal: drops}); rec.Proposal.Reason != winnow.ReasonSuspended {
		t.Errorf("the proposal became %+v", rec.Proposal)
	}
	c.Command = CommandResume
	found, err := r.resume(c)
	r.ok(err)
	if !found || len(r.engine.Gate.Suspensions.Lists) != 0 {
		t.Errorf("resumed %v: %+v", found, r.engine.Gate.Suspensions)
	}
	r.drop(1, "dest", "c.corp.example")
}

func TestRecallOfAVersion(t *testing.T) {
	r := newRig(t)
	r.drop(2)
	version := r.engine.Gate.Rules.Version()
	c := recallOf(func(c *Recall) { c.Rule, c.Version = "", "sha256:0123456789abcdef" })
	if got := r.plan(c); got != (RecallCount{}) {
		t.Errorf("another version: planned %+v", got)
	}
	c.Version = version
	if done := r.recall(c); done.Requeued != 2 {
		t.Errorf("recalled %+v", done)
	}
	if rec := r.dispose(Row{Alert: r.alert("z", "user", "ann"), Proposal: drops}); rec.Proposal.Reason != winnow.ReasonSuspended {
		t.Errorf("the proposal became %+v", rec.Proposal)
	}
}

// Canaries that nobody could judge were closed on the rule's word: they are triaged again too.
func TestRecallTakesCanariesOfTheRule(t *testing.T) {
	r := newRig(t, "gate.canary=100%")
	r.model.disposition = "Undetermined"
	rec := r.triage(r.alert("0", "user", "ann"))
	want(t, rec, winnow.StateClosed, winnow.ReasonCanary)
	if done := r.recall(recallOf()); done.Requeued != 1 {
		t.Errorf("recalled %+v", done)
	}
	r.ok(r.worker().Once(t.Context()))
	if s := r.record(rec.ID).Outcome.State; s != winnow.StateInReview {
		t.Errorf("it is %s", s)
	}
}

// A recall goes on where it stopped: a step is one transaction, and the rule is suspended from the first on.
func TestRecallGoesOnAfterARestart(t *testing.T) {
	r := newRig(t)
	r.engine.Sinks = nil
	n := recallBatch + 20
	r.drop(n)
	r.begin(recallOf())
	if !r.engine.Gate.Suspensions.Rule(travelID) {
		t.Error("the rule is in force while its recall goes on")
	}
	one, looked, err := r.engine.ContinueRecall(t.Context())
	r.ok(err)
	if looked == 0 || !one.Done.IsZero() || len(r.queued()) != recallBatch {
		t.Fatalf("the first step did %+v", one)
	}
	r.restart()
	one, _, err = r.engine.ContinueRecall(t.Context())
	r.ok(err)
	if one.Done.IsZero() || one.Requeued != n || len(r.queuedAll()) != n {
		t.Errorf("the second step did %+v", one)
	}
}

func (r *rig) queuedAll() (items []queue.Item) {
	r.view(func(t *ledger.Tx) (err error) {
		items, err = queue.List(t.Context(), t.Conn(), "", 10_000)
		return err
	})
	return items
}

// The recall has a budget line of its own: what its alerts cost from then on.
func TestRecallIsBooked(t *testing.T) {
	r := newRig(t, "gate.canary=100%").paid()
	r.model.disposition = "Undetermined"
	a := r.alert("0", "user", "ann")
	rec := winnow.Record{ID: r.admit(Row{Alert: a, Proposal: r.engine.Gate.Propose(&a)}).ID}
	r.turn()
	before := r.record(rec.ID).Cost.MicroUSD
	r.recall(recallOf())
	costs := func() (out []ledger.RecallCost) {
		r.view(func(t *ledger.Tx) (err error) {
			out, err = t.RecallCosts()
			return err
		})
		return out
	}
	if got := costs(); len(got) != 1 || got[0] != (ledger.RecallCost{Target: travelID, Alerts: 1, Waiting: 1}) {
		t.Errorf("booked %+v", got)
	}
	r.ok(r.worker().Once(t.Context()))
	after := r.record(rec.ID).Cost.MicroUSD
	if got := costs(); before == 0 || after <= before || len(got) != 1 || got[0].MicroUSD != after-before || got[0].Waiting != 0 {
		t.Errorf("booked %+v, the alert cost %d and %d", got, before, after)
	}
}

// What is past retention is counted.
func TestRecallCountsWhatIsGone(t *testing.T) {
	r := newRig(t)
	r.engine.Sinks = nil
	r.drop(3)
	r.at = r.at.Add(r.state.Settings.Retention.Records + time.Second)
	r.retainToday()
	version := r.engine.Gate.Rules.Version()
	for name, c := range map[string]struct {
		r    Recall
		want int
	}{
		"rule":          {recallOf(), 3},
		"another rule":  {recallOf(func(c *Recall) { c.Rule = "other" }), 0},
		"list":          {recallOf(func(c *Recall) { c.Rule, c.List, c.Value = "", "vpn_egress", egress }), 3},
		"another list":  {recallOf(func(c *Recall) { c.Rule, c.List, c.Value = "", "other", egress }), 0},
		"version":       {recallOf(func(c *Recall) { c.Rule, c.Version = "", version }), 3},
		"since today":   {recallOf(func(c *Recall) { c.Since = r.at }), 0},
		"since the day": {recallOf(func(c *Recall) { c.Since = start }), 3},
	} {
		if got := r.plan(c.r).Gone; got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if done := r.recall(recallOf()); done.Gone != 3 || done.Requeued != 0 || len(r.findings()) != 0 {
		t.Errorf("recalled %+v", done)
	}
}

// Where winnow writes the notables the finding is the one for what nobody can judge; what is believed
// real has its own.
func TestRecallIsOneFinding(t *testing.T) {
	for disposition, n := range map[string]int{"Undetermined": 1, "TruePositive": 3} {
		t.Run(disposition, func(t *testing.T) {
			r := newRig(t, "gate.place=owner")
			r.drop(1, "dest", "a.corp.example")
			r.drop(1, "dest", "b.corp.example")
			r.model.disposition = disposition
			r.recall(recallOf())
			r.ok(r.worker().Once(t.Context()))
			notables := 0
			for _, d := range r.sent() {
				if d.Kind == ledger.DeliverNotable {
					notables++
				}
			}
			if notables != n {
				t.Errorf("%d notables, want %d", notables, n)
			}
		})
	}
}

// A list that --only names may be gone by the time that the worker goes on: then everything is looked at.
func TestRecallOutlivesItsCondition(t *testing.T) {
	r := newRig(t)
	r.drop(2)
	r.begin(recallOf(func(c *Recall) { c.Only = `event.src in lists.vpn_egress && event.user == "nobody"` }))
	r.write("content/lists/vpn_egress.csv", "")
	g := *r.engine.Gate
	g.Lists = nil
	r.engine.Gate = &g
	one, _, err := r.engine.ContinueRecall(t.Context())
	r.ok(err)
	if one.Done.IsZero() || one.Requeued != 2 {
		t.Errorf("recalled %+v", one)
	}
}

func TestRecallRefusesWhatItCannotDo(t *testing.T) {
	for want, change := range map[string]func(*Recall){
		"is not a command":        func(r *Recall) { r.Command = "review" },
		"name one of a rule ID":   func(r *Recall) { r.Rule = "" },
		"name one of":             func(r *Recall) { r.Version = "sha256:00" },
		"name one of a":           func(r *Recall) { r.Rule, r.List = "", "x" },
		"--by NAME":               func(r *Recall) { r.Actor = "" },
		"is too long":             func(r *Recall) { r.Reason = strings.Repeat("x", 2001) },
		"cannot be a rule":        func(r *Recall) { r.Rule = "a\x1b[2J" },
		"cannot be a rule, a":     func(r *Recall) { r.Rule, r.List, r.Value = "", "x", strings.Repeat("y", 3000) },
		"a version is sha256:...": func(r *Recall) { r.Rule, r.Version = "", "12" },
	} {
		c := recallOf(change)
		if _, err := c.Encode(); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	r := newRig(t)
	err := r.engine.Update(t.Context(), func(t *ledger.Tx) error {
		return r.engine.BeginRecall(t, recallOf(func(c *Recall) { c.Only = "event.x = 1" }))
	})
	if !errors.Is(err, ErrRefused) {
		t.Errorf("a condition that is none: %v", err)
	}
	r.engine.Gate.Suspensions = nil
	err = r.engine.Update(t.Context(), func(t *ledger.Tx) error { return r.engine.BeginRecall(t, recallOf()) })
	if err == nil || errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "bring it back first") {
		t.Errorf("without suspensions: %v", err)
	}
}

// FuzzDecodeRecall: whatever lies in the spool, a recall that is read is one that a command could
// have written.
func FuzzDecodeRecall(f *testing.F) {
	for _, r := range []Recall{
		recallOf(),
		{Command: CommandResume, List: "a", Value: "b=c", Actor: "bob", Since: start, Only: "true"},
		{Command: CommandRecall, Version: "sha256:", Actor: "\x00"},
	} {
		body, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeRecall(body)
		if err != nil {
			return
		}
		if r.Actor == "" || r.target() == "" || len(r.recallReason()) > 3000 {
			t.Errorf("took %+v", r)
		}
		again, err := r.Encode()
		if err != nil {
			if _, bad := errors.AsType[*json.MarshalerError](err); bad {
				return // a year that JSON cannot write
			}
			t.Fatalf("cannot write what it read: %v", err)
		}
		back, err := DecodeRecall(again)
		if err != nil || !back.Since.Equal(r.Since) {
			t.Fatalf("%+v comes back as %+v (%v)", r, back, err)
		}
		if back.Since = r.Since; !reflect.DeepEqual(back, r) {
			t.Errorf("%+v comes back as %+v", r, back)
		}
	})
}

func (r *rig) resume(c Recall) (found bool, err error) {
	err = r.engine.Update(r.t.Context(), func(t *ledger.Tx) error {
		found, err = r.engine.Resume(t, c)
		return err
	})
	return found, err
}
