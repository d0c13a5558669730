package triage

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// actingRig is a world with one alert that is escalated, and one approved action on it.
func actingRig(t *testing.T, dry bool) (r *rig, w *Worker, id string) {
	t.Helper()
	r = newRig(t, "gate.run=enforce")
	r.engine.Actions = &review.ActionPolicy{
		Rules: map[ledger.ActionKind]review.ActionRule{ledger.ActionBlock: {Approvers: 1, Dry: dry}}, TTL: time.Hour,
		Allow: func(ledger.ActionKind, string) error { return nil }, Live: func(string) bool { return true },
	}
	a := r.alert("one")
	a.Fields = winnow.Fields{"src": {"203.0.113.9"}}
	alert := r.admit(Row{Alert: a, Proposal: winnow.Proposal{Kind: winnow.ProposeEscalate, Reason: winnow.ReasonEscalateList}}).ID
	w = r.worker()
	r.once(w)
	r.correct(alert)
	r.decide(review.ActionDecision{Step: review.ProposeAction, ID: alert, Kind: ledger.ActionBlock, Field: "src"})
	r.view(func(tx *ledger.Tx) error {
		all, err := tx.ActionsOf(alert)
		if len(all) == 1 {
			id = all[0].ID
		}
		return err
	})
	if id == "" {
		t.Fatal("nothing is proposed")
	}
	return r, w, id
}

func (r *rig) decide(d review.ActionDecision) {
	r.t.Helper()
	d.Actor = "ann"
	r.update(func(t *ledger.Tx) error {
		if d.Step != review.ProposeAction {
			a, err := t.Action(d.ID)
			if err != nil {
				return err
			}
			d.Hash = a.Hash
		}
		_, err := review.ApplyAction(t, r.engine.Actions, r.engine.Now(), d)
		return err
	})
}

func (r *rig) action(id string) (a ledger.Action) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) (err error) {
		a, err = t.Action(id)
		return err
	})
	return a
}

func TestTheWorkerCarriesOutWhatIsApproved(t *testing.T) {
	for _, tt := range []struct {
		dry    bool
		fails  error
		calls  int
		state  ledger.ActionState
		detail string
	}{
		{true, nil, 0, ledger.ActionDone, "dry run: it would block 203.0.113.9"},
		{false, nil, 1, ledger.ActionDone, "blocked"},
		{false, errors.New("no route"), 1, ledger.ActionFailed, "no route"},
	} {
		r, w, id := actingRig(t, tt.dry)
		calls := 0
		w.Carry = func(_ context.Context, a ledger.Action) (string, error) {
			calls++
			if a.ID != id || a.Target != "203.0.113.9" {
				t.Errorf("%+v", a)
			}
			return "blocked", tt.fails
		}
		r.once(w)
		if calls != 0 {
			t.Fatal("carried out without an approval")
		}
		r.decide(review.ActionDecision{Step: review.ApproveAction, ID: id})
		r.engine.Gate.Blind = winnow.ReasonGateOff
		r.once(w)
		if calls != 0 || r.action(id).State != ledger.ActionApproved {
			t.Fatalf("with the stop switch on it is %s", r.action(id).State)
		}
		r.engine.Gate.Blind = ""
		r.once(w)
		r.once(w)
		if a := r.action(id); calls != tt.calls || a.State != tt.state || a.Detail != tt.detail {
			t.Errorf("called %d times, %s: %q", calls, a.State, a.Detail)
		}
	}
}

// A worker that dies while an action is carried out leaves it to people: no other worker does it again.
func TestTheNextWorkerDoesNotActAgain(t *testing.T) {
	r, w, id := actingRig(t, false)
	r.decide(review.ActionDecision{Step: review.ApproveAction, ID: id})
	r.update(func(tx *ledger.Tx) error {
		_, ok, err := review.ClaimAction(tx, r.engine, r.engine.Actions, r.engine.Now())
		if !ok {
			t.Error("not claimed")
		}
		return err
	})
	w.Carry = func(context.Context, ledger.Action) (string, error) {
		t.Error("carried out again")
		return "", nil
	}
	r.once(w)
	if a := r.action(id); a.State != ledger.ActionUnclear {
		t.Errorf("it is %s", a.State)
	}
}

func TestWhatExpiresIsNotCarriedOut(t *testing.T) {
	r, w, id := actingRig(t, false)
	w.Carry = func(context.Context, ledger.Action) (string, error) {
		t.Error("carried out")
		return "", nil
	}
	r.at = r.at.Add(2 * time.Hour)
	r.once(w)
	if a := r.action(id); a.State != ledger.ActionExpired {
		t.Errorf("it is %s", a.State)
	}
}

// Without anything that carries actions out it is noted what would be done, and nothing that was done.
func TestNothingIsDoneWithoutAnExecutor(t *testing.T) {
	r, w, id := actingRig(t, false)
	r.decide(review.ActionDecision{Step: review.ApproveAction, ID: id})
	r.once(w)
	if a := r.action(id); a.State != ledger.ActionDone || !a.Dry || a.Detail != "dry run: it would block 203.0.113.9" {
		t.Errorf("%s, dry run: %v: %q", a.State, a.Dry, a.Detail)
	}
}

// What people have not decided expires, and what a worker left is looked at, when actions are switched off meanwhile.
func TestActionsThatAreSwitchedOffEnd(t *testing.T) {
	for _, tt := range []struct {
		begun bool
		want  ledger.ActionState
	}{{false, ledger.ActionExpired}, {true, ledger.ActionUnclear}} {
		r, w, id := actingRig(t, false)
		alert := r.action(id).Alert
		r.settle(alert, winnow.TruePositive, winnow.StateInReview)
		r.decide(review.ActionDecision{Step: review.ApproveAction, ID: id})
		if tt.begun {
			r.update(func(tx *ledger.Tx) error {
				_, _, err := review.ClaimAction(tx, r.engine, r.engine.Actions, r.engine.Now())
				return err
			})
		}
		r.engine.Actions, r.at = nil, r.at.Add(2*time.Hour)
		r.once(w)
		if a := r.action(id); a.State != tt.want || r.record(alert).Outcome.State != winnow.StateEscalated {
			t.Errorf("it is %s, want %s, and its alert %s", a.State, tt.want, r.record(alert).Outcome.State)
		}
	}
}
