package triage

import (
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

func TestRepeatsJoinTheOpenAlert(t *testing.T) {
	for name, c := range map[string]struct {
		disposition string
		state       winnow.State
	}{
		"escalated": {"TruePositive", winnow.StateEscalated},
		"in review": {"Undetermined", winnow.StateInReview},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.model.disposition = c.disposition
			first := r.triage(r.alert("0"))
			asked := r.model.questions()
			r.model.disposition = "" // by now the attacker has its way with the model
			rec := r.triage(r.alert("1"))
			want(t, rec, c.state, winnow.ReasonOpenCase)
			if r.model.questions() != asked || rec.Cost != (winnow.Cost{}) {
				t.Error("a repeat of an open alert was paid for")
			}
			if !strings.Contains(rec.Verdict.Case.What, first.ID) {
				t.Errorf("what it repeats is not said: %q", rec.Verdict.Case.What)
			}
			r.restart()
			want(t, r.triage(r.alert("2")), c.state, winnow.ReasonOpenCase)
		})
	}
}

// An alert whose key still has open alerts is never closed from the cache, even though a person
// found one of them benign.
func TestContestedKeysAreNotClosedFromTheCache(t *testing.T) {
	r := newRig(t)
	r.model.disposition = "Undetermined"
	first, second := r.triage(r.alert("0")), r.triage(r.alert("1"))
	r.settle(first.ID, winnow.BenignPositive, winnow.StateClosed) // this one only
	if _, ok := r.engine.memory.Get(r.keyOf(r.alert("2")), r.at); !ok {
		t.Fatal("the person's verdict was not kept")
	}
	for _, when := range []string{"at once", "after a restart"} {
		want(t, r.triage(r.alert(when)), winnow.StateInReview, winnow.ReasonOpenCase)
		r.restart()
	}
	for _, id := range r.open0(second.ID) {
		r.settle(id, winnow.BenignPositive, winnow.StateClosed)
	}
	want(t, r.triage(r.alert("3")), winnow.StateClosed, winnow.ReasonCached)
}

// open0 returns the open alerts with the key of an alert.
func (r *rig) open0(id string) (ids []string) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) error {
		key, err := t.KeyOf(id)
		if err != nil {
			return err
		}
		ids, err = t.OpenWithKey(key)
		return err
	})
	return ids
}

// When the alert that others joined is settled for itself, the oldest of the others takes its
// place, and the number of those that wait stays right.
func TestTheGroupOutlivesItsFirst(t *testing.T) {
	r := newRig(t)
	r.model.disposition = "Undetermined"
	first := r.triage(r.alert("0"))
	r.at = r.at.Add(time.Second)
	second := r.triage(r.alert("1"))
	r.settle(first.ID, winnow.TruePositive, winnow.StateEscalated)
	r.settle(first.ID, winnow.Other, winnow.StateClosed)
	g := r.engine.open[r.keyOf(r.alert("x"))]
	if g.first != second.ID || g.n != 1 {
		t.Errorf("the group is %+v, want %s alone", g, second.ID)
	}
	r.settle(second.ID, winnow.Other, winnow.StateClosed)
	if _, ok := r.engine.open[r.keyOf(r.alert("x"))]; ok {
		t.Error("an empty group is kept")
	}
}

// Alerts that were asked about at the same time join too, and what the question cost is booked.
func TestAlertsThatWereAskedTogetherJoin(t *testing.T) {
	r := newRig(t).paid()
	r.model.disposition = "Undetermined"
	a, b := r.admit(Row{Alert: r.alert("0"), Proposal: passes}), r.admit(Row{Alert: r.alert("1"), Proposal: passes})
	r.turn()
	first, second := r.record(a.ID), r.record(b.ID)
	if first.Outcome.Reason == winnow.ReasonOpenCase {
		first, second = second, first
	}
	want(t, first, winnow.StateInReview, winnow.ReasonBadAnswer)
	want(t, second, winnow.StateInReview, winnow.ReasonOpenCase)
	if second.Cost.Calls == 0 || second.Cost != first.Cost {
		t.Errorf("both were asked about, but the second is booked with %+v, the first with %+v", second.Cost, first.Cost)
	}
}

// Joining must not lower what is known: what the analysts call real, or what is too severe to
// wait, is escalated though the alert it repeats only waits.
func TestJoiningNeverLowers(t *testing.T) {
	t.Run("an analyst called it real", func(t *testing.T) {
		r := newRig(t)
		r.broken = analystFunc(func(in llm.Input) (llm.Analysis, error) {
			s := &script{disposition: "Undetermined"}
			if in.Alert.Key.RID == "1" {
				s.disposition = "TruePositive"
			}
			return s.pipeline(t, r.facts, r.state.Default("attack.csv")).Analyse(t.Context(), in)
		})
		r.admit(Row{Alert: r.alert("0"), Proposal: passes})
		r.at = r.at.Add(time.Second)
		b := r.admit(Row{Alert: r.alert("1"), Proposal: passes})
		r.turn()
		want(t, r.record(b.ID), winnow.StateEscalated, winnow.ReasonMalicious)
	})
	t.Run("it is critical", func(t *testing.T) {
		r := newRig(t)
		r.model.disposition = "Undetermined"
		want(t, r.triage(r.alert("0")), winnow.StateInReview, winnow.ReasonBadAnswer)
		severe := r.alert("1")
		severe.Severity = winnow.SeverityCritical
		want(t, r.triage(severe), winnow.StateEscalated, winnow.ReasonOpenCase)
	})
}
