package triage

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// count is what the ledger knows of the rig's rule.
func (r *rig) count() (c ledger.RuleCount) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) error {
		all, err := t.RuleCounts()
		if all[travelID] != nil {
			c = *all[travelID]
		}
		return err
	})
	return c
}

func (r *rig) miss(id string) (m ledger.Miss) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) (err error) {
		m, err = t.MissOf(id)
		return err
	})
	return m
}

// findings are the records of winnow's own findings.
func (r *rig) findings() (out []winnow.Record) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) error {
		ids, err := t.IDs()
		for _, id := range ids {
			rec, rerr := t.Record(id)
			if rerr != nil {
				return rerr
			}
			if isFinding(rec.Proposal) {
				out = append(out, rec)
			}
		}
		return err
	})
	return out
}

func TestCanariesAreJudged(t *testing.T) {
	for name, c := range map[string]struct {
		say    func(*script)
		judged ledger.Judgement
		state  winnow.State
	}{
		"benign":                 {func(*script) {}, ledger.JudgedBenign, winnow.StateClosed},
		"disputed":               {func(s *script) { s.confidence = 50 }, ledger.JudgedUnknown, winnow.StateClosed},
		"cannot tell":            {func(s *script) { s.disposition = "Undetermined" }, ledger.JudgedUnknown, winnow.StateClosed},
		"no answer worth a word": {func(s *script) { s.raw = "{" }, ledger.JudgedUnknown, winnow.StateClosed},
		"malicious":              {func(s *script) { s.disposition = "TruePositive" }, ledger.JudgedWaiting, winnow.StateEscalated},
		"perhaps malicious": {func(s *script) { s.disposition, s.confidence = "TruePositive", 20 },
			ledger.JudgedWaiting, winnow.StateEscalated},
		"a vote against": {func(s *script) { s.disposition, s.confidence, s.vote = "Undetermined", 50, "MALICIOUS" },
			ledger.JudgedWaiting, winnow.StateEscalated},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "gate.canary=100%")
			c.say(r.model)
			rec := r.triage(r.alert("0", "user", "ann"))
			if rec.Outcome.State != c.state {
				t.Errorf("the canary is %s (%s), want %s", rec.Outcome.State, rec.Outcome.Reason, c.state)
			}
			if got := r.count().Canaries; got[c.judged] != 1 || len(got) != 1 {
				t.Errorf("judged %v, want %s", got, c.judged)
			}
			if r.engine.Gate.Suspensions.Rule(travelID) || len(r.findings()) != 0 {
				t.Error("the rule was suspended on the word of a model")
			}
		})
	}
}

// One confirmed miss takes the rule out of force here and for the alert action, and brings it
// before a person, once.
func TestConfirmedMissSuspendsTheRule(t *testing.T) {
	r := newRig(t, "gate.canary=100%")
	r.model.disposition = "TruePositive"
	one := r.triage(r.alert("0", "user", "ann"))
	two := r.triage(r.alert("1", "user", "ann", "dest", "b.corp.example"))
	r.settle(one.ID, winnow.TruePositive, winnow.StateEscalated)
	onDisk, err := allowlist.ReadSuspensions(r.state.Path("suspensions.json"))
	r.ok(err)
	for where, s := range map[string]*allowlist.Suspensions{"the engine": r.engine.Gate.Suspensions, "the file": onDisk} {
		why, ok := s.Rules[travelID]
		if !ok || why.By != "person:ann" || !strings.Contains(why.Reason, one.ID) || !why.At.Equal(start) {
			t.Errorf("in %s the suspension is %+v", where, why)
		}
	}
	if m := r.miss(one.ID); !m.Stands() || !m.Sampled || m.Rule != travelID {
		t.Errorf("the miss is %+v", m)
	}
	r.settle(two.ID, winnow.TruePositive, winnow.StateEscalated)
	found := r.findings()
	if len(found) != 1 {
		t.Fatalf("%d findings, want 1: %+v", len(found), found)
	}
	want(t, found[0], winnow.StateInReview, winnow.ReasonRuleMiss)
	if found[0].Proposal.Rule != travelID || !strings.Contains(found[0].Verdict.Case.What, one.ID) {
		t.Errorf("the finding is %+v", found[0])
	}
	if n := r.count().Canaries[ledger.JudgedMalicious]; n != 2 {
		t.Errorf("%d misses, want 2", n)
	}
	// What the action had proposed before it knew is triaged.
	if rec := r.dispose(Row{Alert: r.alert("2", "user", "ann", "dest", "c.corp.example"), Proposal: drops}); rec.Proposal.Reason != winnow.ReasonSuspended {
		t.Errorf("the proposal became %+v", rec.Proposal)
	}
}

func TestRevertedConfirmationIsSaidAndNotUndone(t *testing.T) {
	r := newRig(t, "gate.canary=100%")
	rec := r.triage(r.alert("0", "user", "ann"))
	r.settle(rec.ID, winnow.TruePositive, winnow.StateEscalated)
	r.settle(rec.ID, winnow.BenignPositive, winnow.StateClosed)
	if !r.engine.Gate.Suspensions.Rule(travelID) {
		t.Error("the rule is in force again, and nobody said so")
	}
	if m := r.miss(rec.ID); m.Stands() || m.RevertedBy != "person:ann" {
		t.Errorf("the miss is %+v", m)
	}
	if c := r.count(); c.Reverted != 1 || c.Canaries[ledger.JudgedBenign] != 1 || c.Canaries[ledger.JudgedMalicious] != 0 {
		t.Errorf("the counts are %+v", c)
	}
	r.settle(rec.ID, winnow.TruePositive, winnow.StateEscalated) // and yet it was one
	if c := r.count(); c.Reverted != 0 || c.Canaries[ledger.JudgedMalicious] != 1 {
		t.Errorf("the counts are %+v", c)
	}
}

// A drop that nobody sampled is a miss too when a person says so. It is no part of the rate.
func TestMissOutsideTheSample(t *testing.T) {
	r := newRig(t)
	rec := r.triage(r.alert("0", "user", "ann"))
	want(t, rec, winnow.StateClosed, winnow.ReasonRule)
	r.update(func(t *ledger.Tx) error { return r.engine.Requeue(t, rec.ID, winnow.ReasonAdhoc, "asked") })
	r.settle(rec.ID, winnow.TruePositive, winnow.StateEscalated)
	if m := r.miss(rec.ID); !m.Stands() || m.Sampled {
		t.Errorf("the miss is %+v", m)
	}
	if c := r.count(); c.Outside != 1 || len(c.Canaries) != 0 {
		t.Errorf("the counts are %+v", c)
	}
	if !r.engine.Gate.Suspensions.Rule(travelID) {
		t.Error("the rule goes on dropping")
	}
}

// What is no true positive, and what no rule dropped, suspends nothing.
func TestOtherDecisionsSuspendNothing(t *testing.T) {
	r := newRig(t, "gate.canary=100%")
	canary := r.triage(r.alert("0", "user", "ann"))
	other := r.triage(r.alert("1", "user", "bob", "src", stranger))
	r.settle(canary.ID, winnow.Other, winnow.StateClosed)
	r.settle(canary.ID, winnow.Undetermined, winnow.StateEscalated)
	r.settle(other.ID, winnow.TruePositive, winnow.StateEscalated)
	if len(r.engine.Gate.Suspensions.Rules) != 0 || len(r.findings()) != 0 {
		t.Errorf("suspended: %v", r.engine.Gate.Suspensions.Rules)
	}
}

// Where the suspensions cannot be kept the decision fails as a whole, and is tried again.
func TestMissWithoutSuspensionsIsNotLost(t *testing.T) {
	r := newRig(t, "gate.canary=100%")
	rec := r.triage(r.alert("0", "user", "ann"))
	r.engine.Gate.Suspensions = nil
	err := r.engine.Update(t.Context(), func(tx *ledger.Tx) error {
		entry, err := tx.Alert(rec.ID)
		r.ok(err)
		rec.Verdict.Disposition, rec.Verdict.Source = winnow.TruePositive, winnow.SourcePerson
		rec.Outcome.State, rec.Outcome.Actor = winnow.StateEscalated, "person:ann"
		return r.engine.Settle(tx, &entry, &rec)
	})
	if err == nil || !strings.Contains(err.Error(), "suspend rule "+travelID+": the suspensions file cannot be read") {
		t.Fatalf("err = %v", err)
	}
	if m := r.miss(rec.ID); m.ID != "" {
		t.Errorf("half a decision was kept: %+v", m)
	}
}

// A finding is for a person: no analyst closes it, in whatever run, and a person does.
func TestFindingIsForAPerson(t *testing.T) {
	for _, run := range []string{"shadow", "assist", "enforce"} {
		t.Run(run, func(t *testing.T) {
			r := newRig(t, "gate.canary=100%", "gate.run="+run)
			rec := r.triage(r.alert("0", "user", "ann"))
			r.settle(rec.ID, winnow.TruePositive, winnow.StateEscalated)
			found := r.findings()
			if len(found) != 1 {
				t.Fatalf("%d findings", len(found))
			}
			want(t, found[0], winnow.StateInReview, winnow.ReasonRuleMiss)
			for _, d := range r.sent() {
				if d.Record.ID == found[0].ID && d.Kind == ledger.DeliverUpdate {
					t.Error("an update of a notable that nobody wrote")
				}
			}
			r.update(func(t *ledger.Tx) error { return r.engine.Requeue(t, found[0].ID, winnow.ReasonAdhoc, "asked") })
			r.ok(r.worker().Once(t.Context()))
			if o := r.record(found[0].ID).Outcome; o.State == winnow.StateClosed || o.Would == winnow.StateClosed {
				t.Errorf("the finding is %+v", o)
			}
			r.settle(found[0].ID, winnow.Other, winnow.StateClosed)
			want(t, r.record(found[0].ID), winnow.StateClosed, winnow.ReasonPerson)
		})
	}
}

// What a rule dropped is counted also when its alerts are past retention.
func TestDropsAreCountedPastRetention(t *testing.T) {
	r := newRig(t)
	r.engine.Sinks = nil
	for _, rid := range []string{"0", "1", "2"} {
		r.triage(r.alert(rid, "user", "ann"))
	}
	r.at = start.Add(r.state.Settings.Retention.Records + time.Second)
	r.retainToday()
	if c := r.count(); c.Drops != 3 || c.Gone != 3 {
		t.Errorf("the counts are %+v", c)
	}
}

// The suspensions file is replaced whole: a reader never sees half of it.
func TestSuspensionLeavesNothingBehind(t *testing.T) {
	r := newRig(t)
	var fresh, again bool
	r.update(func(t *ledger.Tx) (err error) {
		fresh, err = r.engine.SuspendRule(t, travelID, "ann", "because")
		return err
	})
	r.update(func(t *ledger.Tx) (err error) {
		again, err = r.engine.SuspendRule(t, travelID, "bob", "for another reason")
		return err
	})
	if !fresh || again || r.engine.Gate.Suspensions.Rules[travelID].By != "ann" {
		t.Errorf("suspended twice: %v, %v, %+v", fresh, again, r.engine.Gate.Suspensions.Rules)
	}
	info, err := os.Stat(r.state.Path("suspensions.json"))
	r.ok(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %s", info.Mode())
	}
}
