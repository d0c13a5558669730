package triage

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// answered returns the runs that are answered about an alert by deliveries that are not known yet.
func (r *rig) answered(known map[string]bool) (jobs [][]winnow.Job) {
	for _, d := range r.sent() {
		if d.Kind == ledger.DeliverResponse && !known[d.Key] {
			known[d.Key] = true
			jobs = append(jobs, d.Jobs)
		}
	}
	return jobs
}

// Every run of the alert action is answered: the one that brought an alert, and those that ask again.
func TestEveryRunIsAnswered(t *testing.T) {
	r := newRig(t, "sink:responses.disabled=0")
	known := map[string]bool{}
	want := func(what string, jobs ...[]winnow.Job) {
		t.Helper()
		if diff := cmp.Diff(jobs, r.answered(known)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", what, diff)
		}
	}
	dropped := r.triage(r.alert("0"))
	if dropped.Outcome.State != winnow.StateClosed {
		t.Fatalf("outcome is %+v", dropped.Outcome)
	}
	want("a drop", []winnow.Job{{}})

	ask := func(sid string) Row {
		a := r.alert("0")
		a.Adhoc, a.Job = true, winnow.Job{SID: sid, RID: "3"}
		return Row{Alert: a, Proposal: winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonAdhoc}}
	}
	r.admit(ask("1.1"))
	r.admit(ask("1.2"))
	want("asked, not triaged yet")
	r.ok(r.worker().Once(t.Context())) // without sinks: what they are to be told stays in the outbox
	want("asked twice", []winnow.Job{{SID: "1.1", RID: "3"}, {SID: "1.2", RID: "3"}})

	r.settle(dropped.ID, winnow.TruePositive, winnow.StateEscalated)
	want("a person's decision")

	first := r.alert("7")
	first.Adhoc, first.Job = true, winnow.Job{SID: "1.3", RID: "0"}
	r.dispose(Row{Alert: first, Proposal: winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonAdhoc}})
	want("a run that a person started, on an alert that is new", []winnow.Job{{SID: "1.3", RID: "0"}})
}

// Many runs about one alert are bounded, and a damaged note of who asked loses no alert.
func TestAskedIsBounded(t *testing.T) {
	r := newRig(t)
	rec := r.triage(r.alert("0"))
	r.update(func(tx *ledger.Tx) error {
		for range maxWaiting + 5 {
			if err := r.engine.asked(tx, rec.ID, winnow.Job{SID: "1.1"}); err != nil {
				return err
			}
		}
		jobs, err := askers(tx, rec.ID)
		if len(jobs) != maxWaiting {
			t.Errorf("%d runs wait", len(jobs))
		}
		if err == nil {
			err = tx.SetMeta(askedMeta(rec.ID), "{")
		}
		return err
	})
	r.view(func(tx *ledger.Tx) error {
		jobs, err := askers(tx, rec.ID)
		if len(jobs) != 0 {
			t.Errorf("jobs are %v", jobs)
		}
		return err
	})
}
