package review_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

const blocked = "203.0.113.9"

// actionLedger has one alert that waits, with a source and two destinations.
func actionLedger(t testing.TB) *ledger.Ledger {
	t.Helper()
	l := newLedger(t)
	err := l.Update(t.Context(), func(tx *ledger.Tx) error {
		e := ledger.Entry{Alert: winnow.Alert{
			ID: "A", Key: winnow.Key{Host: "h", SID: "s", RID: "0"}, SearchName: "Port Scan", Severity: winnow.SeverityHigh, Time: noon, Received: noon,
			Fields: winnow.Fields{"src": {blocked}, "other": {"203.0.113.10"}, "dest": {"10.0.0.1", "10.0.0.2"}, "inside": {"10.0.0.1"}, "user": {"ann"}},
		}}
		r := winnow.NewRecord(&e.Alert, winnow.Proposal{})
		r.Outcome.State, r.Verdict.Disposition = winnow.StateInReview, winnow.TruePositive
		r.Verdict.Evidence = []winnow.Evidence{{Field: "src", Value: blocked}}
		return tx.Add(e, r)
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// actionPolicy lets one person approve a block, and two a disabling.
func actionPolicy() *review.ActionPolicy {
	return &review.ActionPolicy{
		Rules: map[ledger.ActionKind]review.ActionRule{
			ledger.ActionBlock: {Approvers: 1, Undo: true}, ledger.ActionDisable: {Approvers: 2},
		},
		TTL: time.Hour,
		Allow: func(_ ledger.ActionKind, target string) error {
			if strings.HasPrefix(target, "10.") {
				return errors.New("one of ours")
			}
			return nil
		},
		Live: func(string) bool { return true },
	}
}

// act is one test's world.
type act struct {
	t   testing.TB
	l   *ledger.Ledger
	p   *review.ActionPolicy
	e   *fakeEngine
	now time.Time
}

func newAct(t testing.TB) *act {
	t.Helper()
	return &act{t: t, l: actionLedger(t), p: actionPolicy(), e: &fakeEngine{}, now: noon}
}

func (x *act) update(f func(tx *ledger.Tx) error) {
	x.t.Helper()
	if err := x.l.Update(x.t.Context(), f); err != nil {
		x.t.Fatal(err)
	}
}

func (x *act) decide(d review.ActionDecision) (a ledger.Action, err error) {
	x.t.Helper()
	body, err := d.Encode()
	if err != nil {
		return a, err
	}
	if d, err = review.DecodeAction(body); err != nil {
		return a, err
	}
	err = x.l.Update(x.t.Context(), func(tx *ledger.Tx) error {
		a, err = review.ApplyAction(tx, x.p, x.now, d)
		return err
	})
	return a, err
}

func (x *act) propose(kind ledger.ActionKind, field string) ledger.Action {
	x.t.Helper()
	a, err := x.decide(review.ActionDecision{Step: review.ProposeAction, ID: "A", Kind: kind, Field: field, Actor: "zoe"})
	if err != nil {
		x.t.Fatal(err)
	}
	return a
}

func (x *act) say(step review.ActionStep, a ledger.Action, who string) (ledger.Action, error) {
	return x.decide(review.ActionDecision{Step: step, ID: a.ID, Hash: a.Hash, Actor: who})
}

func (x *act) claim() (a ledger.Action, ok bool) {
	x.t.Helper()
	x.update(func(tx *ledger.Tx) (err error) {
		a, ok, err = review.ClaimAction(tx, x.e, x.p, x.now)
		return err
	})
	return a, ok
}

func (x *act) state(id string) (a ledger.Action) {
	x.t.Helper()
	x.update(func(tx *ledger.Tx) (err error) {
		a, err = tx.Action(id)
		return err
	})
	return a
}

func TestAnApprovedActionIsClaimedOnce(t *testing.T) {
	x := newAct(t)
	a := x.propose(ledger.ActionBlock, "src")
	if a.Target != blocked || a.State != ledger.ActionProposed || a.Need != 1 {
		t.Fatalf("%+v", a)
	}
	if _, ok := x.claim(); ok {
		t.Fatal("claimed without an approval")
	}
	if a, err := x.say(review.ApproveAction, a, "ann"); err != nil || a.State != ledger.ActionApproved {
		t.Fatalf("%v %v", a.State, err)
	}
	got, ok := x.claim()
	if !ok || got.ID != a.ID || got.State != ledger.ActionStarted || got.Dry {
		t.Fatalf("%v %+v", ok, got)
	}
	if _, ok := x.claim(); ok {
		t.Error("claimed twice")
	}
	for _, step := range []review.ActionStep{review.ApproveAction, review.RejectAction} {
		if _, err := x.say(step, a, "bob"); !errors.Is(err, review.ErrRefused) {
			t.Errorf("%s of what has begun: %v", step, err)
		}
	}
	x.update(func(tx *ledger.Tx) error { return review.FinishAction(tx, x.e, a.ID, "done", nil, x.now) })
	if got := x.state(a.ID); got.State != ledger.ActionDone || got.Detail != "done" {
		t.Errorf("%+v", got)
	}
	back, err := x.say(review.UndoAction, a, "ann")
	if err != nil || !back.Undo || back.State != ledger.ActionProposed {
		t.Fatalf("%+v %v", back, err)
	}
	if _, ok := x.claim(); ok {
		t.Error("taken back without an approval")
	}
	if _, err := x.say(review.ApproveAction, back, "ann"); err != nil {
		t.Fatal(err)
	}
	if got, ok := x.claim(); !ok || !got.Undo || got.Target != blocked {
		t.Fatalf("%v %+v", ok, got)
	}
	x.update(func(tx *ledger.Tx) error { return review.FinishAction(tx, x.e, back.ID, "", nil, x.now) })
	if got := x.state(a.ID); got.State != ledger.ActionUndone {
		t.Errorf("what was taken back is %s", got.State)
	}
}

func TestOnePersonIsOneApproval(t *testing.T) {
	x := newAct(t)
	a := x.propose(ledger.ActionDisable, "user")
	for _, who := range []string{"ann", "Ann", " ANN ", "ann", "an\u200bn", "\uff41nn"} {
		if got, err := x.say(review.ApproveAction, a, who); err != nil || got.State != ledger.ActionProposed {
			t.Fatalf("%q: %s %v", who, got.State, err)
		}
	}
	if got, err := x.say(review.ApproveAction, a, "bob"); err != nil || got.State != ledger.ActionApproved {
		t.Fatalf("%s %v", got.State, err)
	}
}

func TestAnyVetoWins(t *testing.T) {
	x := newAct(t)
	a := x.propose(ledger.ActionBlock, "src")
	if _, err := x.say(review.ApproveAction, a, "ann"); err != nil {
		t.Fatal(err)
	}
	if got, err := x.say(review.RejectAction, a, "bob"); err != nil || got.State != ledger.ActionRejected {
		t.Fatalf("%s %v", got.State, err)
	}
	if _, err := x.say(review.ApproveAction, a, "cem"); !errors.Is(err, review.ErrRefused) {
		t.Errorf("approved after a veto: %v", err)
	}
	if _, ok := x.claim(); ok {
		t.Error("claimed after a veto")
	}
	again := x.propose(ledger.ActionBlock, "src")
	if again.ID == a.ID || again.State != ledger.ActionProposed {
		t.Errorf("proposed again as %s, %s", again.ID, again.State)
	}
}

// What could be taken back when people approved it, and cannot any more, is not.
func TestWhatCannotBeTakenBackAnyMore(t *testing.T) {
	x := newAct(t)
	a := x.propose(ledger.ActionBlock, "src")
	if _, err := x.say(review.ApproveAction, a, "ann"); err != nil {
		t.Fatal(err)
	}
	x.claim()
	x.update(func(tx *ledger.Tx) error { return review.FinishAction(tx, x.e, a.ID, "", nil, x.now) })
	back, err := x.say(review.UndoAction, a, "ann")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.say(review.ApproveAction, back, "ann"); err != nil {
		t.Fatal(err)
	}
	x.p.Rules[ledger.ActionBlock] = review.ActionRule{Approvers: 1}
	if _, ok := x.claim(); ok || x.state(back.ID).State != ledger.ActionStale {
		t.Errorf("claimed: %v; it is %s", ok, x.state(back.ID).State)
	}
}

// A ledger that cannot be read refuses nobody for good.
func TestADecisionThatCouldNotBeLookedAtIsNotRefused(t *testing.T) {
	x := newAct(t)
	a := x.propose(ledger.ActionBlock, "src")
	x.update(func(tx *ledger.Tx) error {
		_, err := tx.Conn().ExecContext(tx.Context(), "UPDATE alerts SET record = x'00' WHERE id = 'A'")
		return err
	})
	if _, err := x.say(review.ApproveAction, a, "ann"); err == nil || errors.Is(err, review.ErrRefused) {
		t.Errorf("%v", err)
	}
}

// A no that is said while actions are switched off holds when they are on again.
func TestAVetoHoldsWhileActionsAreOff(t *testing.T) {
	x := newAct(t)
	a := x.propose(ledger.ActionBlock, "src")
	if _, err := x.say(review.ApproveAction, a, "ann"); err != nil {
		t.Fatal(err)
	}
	on := x.p
	x.p = nil
	if _, err := x.say(review.RejectAction, a, "bob"); err != nil {
		t.Errorf("a no is refused: %v", err)
	}
	x.p = on
	if _, ok := x.claim(); ok || x.state(a.ID).State != ledger.ActionRejected {
		t.Errorf("claimed: %v; it is %s", ok, x.state(a.ID).State)
	}
}

func TestWhatExpiresIsEscalated(t *testing.T) {
	for _, approve := range []bool{false, true} {
		x := newAct(t)
		a := x.propose(ledger.ActionBlock, "src")
		if approve {
			if _, err := x.say(review.ApproveAction, a, "ann"); err != nil {
				t.Fatal(err)
			}
		}
		x.now = noon.Add(time.Hour)
		if _, ok := x.claim(); ok {
			t.Error("claimed what has expired")
		}
		if _, err := x.say(review.ApproveAction, a, "bob"); !errors.Is(err, review.ErrRefused) {
			t.Errorf("approved what has expired: %v", err)
		}
		x.update(func(tx *ledger.Tx) error {
			n, err := review.ExpireActions(tx, x.e, x.now)
			if n != 1 {
				t.Errorf("%d have expired", n)
			}
			return err
		})
		x.now = noon // the clock is set back
		if _, ok := x.claim(); ok {
			t.Error("claimed what had expired")
		}
		if r, _ := record(t, x.l, "A"); r.Outcome.State != winnow.StateEscalated || r.Outcome.Reason != winnow.ReasonAction {
			t.Errorf("the alert is %s, %s", r.Outcome.State, r.Outcome.Reason)
		}
	}
}

func TestApprovalsBindToWhatWasSeen(t *testing.T) {
	change := func(f func(r *winnow.Record)) func(*act) {
		return func(x *act) {
			x.update(func(tx *ledger.Tx) error {
				r, err := tx.Record("A")
				if err != nil {
					return err
				}
				f(&r)
				_, err = tx.Change(r, ledger.Links{})
				return err
			})
		}
	}
	for name, spoil := range map[string]func(*act){
		"other evidence":   change(func(r *winnow.Record) { r.Verdict.Evidence = nil }),
		"judged benign":    change(func(r *winnow.Record) { r.Verdict.Disposition = winnow.BenignPositive }),
		"closed":           change(func(r *winnow.Record) { r.Outcome.State = winnow.StateClosed }),
		"never to be done": func(x *act) { x.p.Allow = func(ledger.ActionKind, string) error { return errors.New("never") } },
		"switched off":     func(x *act) { x.p.Rules = nil },
	} {
		x := newAct(t)
		a := x.propose(ledger.ActionBlock, "src")
		if _, err := x.say(review.ApproveAction, a, "ann"); err != nil {
			t.Fatal(err)
		}
		spoil(x)
		if _, err := x.say(review.ApproveAction, a, "bob"); !errors.Is(err, review.ErrRefused) {
			t.Errorf("%s: approved: %v", name, err)
		}
		if _, ok := x.claim(); ok {
			t.Errorf("%s: claimed", name)
		}
		if got := x.state(a.ID); got.State != ledger.ActionStale {
			t.Errorf("%s: it is %s", name, got.State)
		}
	}
}

func TestAnotherHashIsRefused(t *testing.T) {
	x := newAct(t)
	a, b := x.propose(ledger.ActionBlock, "src"), x.propose(ledger.ActionBlock, "other")
	a.Hash = b.Hash
	if _, err := x.say(review.ApproveAction, a, "ann"); !errors.Is(err, review.ErrRefused) || !strings.Contains(err.Error(), "look again") {
		t.Errorf("%v", err)
	}
}

func TestAnEditedActionHasNoApprovals(t *testing.T) {
	x := newAct(t)
	a := x.propose(ledger.ActionBlock, "src")
	if _, err := x.say(review.ApproveAction, a, "ann"); err != nil {
		t.Fatal(err)
	}
	b, err := x.decide(review.ActionDecision{Step: review.EditAction, ID: a.ID, Hash: a.Hash, Field: "other", Actor: "bob"})
	if err != nil || b.Target != "203.0.113.10" || b.State != ledger.ActionProposed || b.Origin != a.ID {
		t.Fatalf("%+v %v", b, err)
	}
	if _, ok := x.claim(); ok {
		t.Error("claimed what nobody approved")
	}
	if got := x.state(a.ID); got.State != ledger.ActionReplaced {
		t.Errorf("the old one is %s", got.State)
	}
	// The same again, with nothing changed, is another too.
	c, err := x.decide(review.ActionDecision{Step: review.EditAction, ID: b.ID, Hash: b.Hash, Field: "other", Actor: "bob"})
	if err != nil || c.ID == b.ID {
		t.Fatalf("%+v %v", c, err)
	}
}

func TestWhatCannotBeProposed(t *testing.T) {
	x := newAct(t)
	for _, tt := range []struct {
		kind  ledger.ActionKind
		field string
		want  string
	}{
		{ledger.ActionBlock, "dest", "2 values"},
		{ledger.ActionBlock, "none", "0 values"},
		{ledger.ActionBlock, "inside", "one of ours"},
		{"wipe", "src", "unknown kind"},
		{ledger.ActionBlock, "", "--field"},
	} {
		_, err := x.decide(review.ActionDecision{Step: review.ProposeAction, ID: "A", Kind: tt.kind, Field: tt.field, Actor: "zoe"})
		if !errors.Is(err, review.ErrRefused) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, want %q", tt.kind, tt.field, err, tt.want)
		}
	}
	if a, err := x.decide(review.ActionDecision{Step: review.ProposeAction, ID: "B", Kind: "block", Field: "src", Actor: "zoe"}); !errors.Is(err, review.ErrRefused) {
		t.Errorf("an alert that is not there: %+v %v", a, err)
	}
	x.p = nil
	if _, err := x.decide(review.ActionDecision{Step: review.ProposeAction, ID: "A", Kind: "block", Field: "src", Actor: "zoe"}); !errors.Is(err, review.ErrRefused) {
		t.Errorf("switched off: %v", err)
	}
}

func TestAnalystsPropose(t *testing.T) {
	for name, tt := range map[string]struct {
		taint []string
		state winnow.State
		want  int
	}{
		"in review": {nil, winnow.StateInReview, 1}, "escalated": {nil, winnow.StateEscalated, 1},
		"closed": {nil, winnow.StateClosed, 0}, "its text tries to steer": {[]string{"x"}, winnow.StateEscalated, 0},
	} {
		x := newAct(t)
		advice, err := json.Marshal([]review.Advice{
			{Kind: "block", Field: "src", Target: "198.51.100.1", Reason: "scans"}, {Kind: "monitor"}, {Kind: "block", Field: "dest"}, {Kind: "block", Field: "inside"},
		})
		if err != nil {
			t.Fatal(err)
		}
		propose := func(tx *ledger.Tx) (n int, err error) {
			e, err := tx.Alert("A")
			if err != nil {
				return 0, err
			}
			r, err := tx.Record("A")
			if err != nil {
				return 0, err
			}
			e.Advice = advice
			r.Verdict.Taint, r.Outcome.State = tt.taint, tt.state
			return review.Propose(tx, x.p, x.now, &e, &r)
		}
		for again := range 2 {
			x.update(func(tx *ledger.Tx) error {
				n, err := propose(tx)
				if want := tt.want * (1 - again); n != want {
					t.Errorf("%s: proposed %d, want %d", name, n, want)
				}
				return err
			})
		}
		x.update(func(tx *ledger.Tx) error {
			all, err := review.ActionsOf(tx, x.p, x.now, "A")
			if len(all) != tt.want || len(all) > 0 && (all[0].Target != blocked || all[0].Missing != 1 || !all[0].Live) {
				t.Errorf("%s: %+v", name, all)
			}
			return err
		})
	}
}

func TestInterruptedAndFailedActionsAreNotDoneAgain(t *testing.T) {
	for want, end := range map[ledger.ActionState]func(x *act, a ledger.Action) error{
		ledger.ActionFailed: func(x *act, a ledger.Action) error {
			return x.l.Update(t.Context(), func(tx *ledger.Tx) error {
				return review.FinishAction(tx, x.e, a.ID, "", errors.New("the firewall said no"), x.now)
			})
		},
		ledger.ActionUnclear: func(x *act, _ ledger.Action) error {
			return x.l.Update(t.Context(), func(tx *ledger.Tx) error {
				_, err := review.InterruptActions(tx, x.e, x.now)
				return err
			})
		},
	} {
		x := newAct(t)
		a := x.propose(ledger.ActionBlock, "src")
		if _, err := x.say(review.ApproveAction, a, "ann"); err != nil {
			t.Fatal(err)
		}
		if _, ok := x.claim(); !ok {
			t.Fatal("not claimed")
		}
		if err := end(x, a); err != nil {
			t.Fatal(err)
		}
		if _, ok := x.claim(); ok {
			t.Errorf("%s: claimed again", want)
		}
		if got := x.state(a.ID); got.State != want {
			t.Errorf("it is %s, want %s", got.State, want)
		}
		if r, _ := record(t, x.l, "A"); r.Outcome.State != winnow.StateEscalated {
			t.Errorf("%s: the alert is %s", want, r.Outcome.State)
		}
	}
}

func FuzzDecodeAction(f *testing.F) {
	f.Add([]byte(`{"command":"action","step":"approve","id":"A","hash":"` + strings.Repeat("ab", 32) + `","kind":"","field":"","actor":"ann","reason":""}`))
	f.Add([]byte(`{"command":"action","step":"propose","id":"A","hash":"","kind":"block","field":"src","actor":"ann"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := review.DecodeAction(body)
		if err != nil {
			if !errors.Is(err, review.ErrRefused) {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if e, err := review.DecodeAction(again); err != nil || e != d {
			t.Errorf("%+v is read as %+v (%v)", d, e, err)
		}
	})
}
