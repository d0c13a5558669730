package triage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// spellings are the names that each of three people is written with.
var spellings = [][]string{{"ann", "ANN", " Ann\t"}, {"bob", "BOB"}, {"Zoë Li", "ZOË  LI", "Zoe\u0308 Li", "zo\u200bë li"}}

// spoken is a decision as it lies in the spool, and who made it.
type spoken struct {
	body []byte
	who  int
}

// stage is a worker whose executor does what the test says, beside the model.
type stage struct {
	*rig

	m      *actionModel
	w      *Worker
	alerts []string
	spool  []spoken
	states map[string]ledger.ActionState // as they were after the step before
	began  chan ledger.Action
	result chan error
	landed bool // the executor has come back, and the worker does not know
	n      *int // executions of all draws
}

// No sequence of decisions, replays, edits, clock changes, changes of the alert or the policy, failures and
// restarts carries out an action without the approvals that it needs then, or twice; and what expires or fails
// raises an alert, and never closes one.
func TestActionMachine(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		x := &stage{rig: r, m: newActionModel(), states: map[string]ledger.ActionState{}, n: &n}
		x.begin()
		defer x.land()
		rt.Repeat(map[string]func(*rapid.T){
			"propose": x.propose, "analysts propose": x.advise, "approve": x.approve, "approve 2": x.approve, "approve 3": x.approve,
			"reject": x.reject, "edit": x.edit, "undo": x.undo, "replay": x.replay, "change": x.change, "policy": x.changePolicy, "clock": x.clock,
			"work": x.work, "work 2": x.work, "work 3": x.work, "come back": x.comeBack, "scene": x.scene, "restart": x.restartWorker, "die": x.die, "": x.check,
		})
	})
	t.Logf("%d actions were carried out", n)
	if n == 0 {
		t.Error("no draw has carried out anything: the test shows nothing")
	}
}

// begin forgets what earlier draws proposed, and has two alerts wait for people.
func (x *stage) begin() {
	x.at, x.engine.Gate.Blind = start, ""
	x.update(func(t *ledger.Tx) error {
		_, e1 := t.Conn().ExecContext(t.Context(), "DELETE FROM action_votes")
		_, e2 := t.Conn().ExecContext(t.Context(), "DELETE FROM actions")
		return errors.Join(e1, e2)
	})
	for i := range 2 {
		a := x.alert(fmt.Sprintf("machine %d", x.records))
		x.records++
		src, other, user := fmt.Sprintf("203.0.113.%d", i), fmt.Sprintf("203.0.113.%d", 10+i), fmt.Sprintf("mallory%d", i)
		a.Fields = winnow.Fields{"src": {src}, "other": {other}, "user": {user}}
		id := x.admit(Row{Alert: a, Proposal: winnow.Proposal{Kind: winnow.ProposeEscalate, Reason: winnow.ReasonEscalateList}}).ID
		x.alerts = append(x.alerts, id)
		x.m.alerts[id] = &heldAlert{fields: map[string]string{"src": src, "other": other, "user": user}}
		x.judge(id, winnow.TruePositive, winnow.StateInReview)
		x.rest(id, 0)
	}
	x.employ()
}

// employ has a worker begin.
func (x *stage) employ() {
	x.engine.Actions = x.m.policy()
	x.began, x.result, x.landed = make(chan ledger.Action, 1), make(chan error, 1), false
	began, result := x.began, x.result
	x.w = x.worker()
	x.w.Carry = func(_ context.Context, a ledger.Action) (string, error) {
		began <- a
		return "blocked", <-result
	}
}

// land lets the executor of a worker that is gone come back.
func (x *stage) land() {
	if x.w.acting.flying != "" && !x.landed {
		x.result <- nil
	}
}

func (x *stage) judge(id string, d winnow.Disposition, s winnow.State) {
	x.settle(id, d, s)
	x.m.alerts[id].state, x.m.alerts[id].benign = s, d == winnow.BenignPositive
}

// rest gives the alert another evidence, or one that it had before.
func (x *stage) rest(id string, evidence int) {
	x.update(func(t *ledger.Tx) error {
		rec, err := t.Record(id)
		if err != nil {
			return err
		}
		entry, err := t.Alert(id)
		if err != nil {
			return err
		}
		rec.Verdict.Evidence = []winnow.Evidence{{Field: "note", Value: fmt.Sprint(evidence)}}
		_, err = t.Change(rec, entry.Links)
		return err
	})
	x.m.alerts[id].evidence = evidence
}

// retarget changes a field of the alert, as nothing in the program does.
func (x *stage) retarget(id, field, value string) {
	x.update(func(t *ledger.Tx) error {
		var body []byte
		if err := t.Conn().QueryRowContext(t.Context(), "SELECT alert FROM alerts WHERE id = ?", id).Scan(&body); err != nil {
			return err
		}
		var stored map[string]any
		if err := json.Unmarshal(body, &stored); err != nil {
			return err
		}
		stored["fields"].(map[string]any)[field] = []string{value} //nolint:forcetypeassert // it has fields
		body, err := json.Marshal(stored)
		if err == nil {
			_, err = t.Conn().ExecContext(t.Context(), "UPDATE alerts SET alert = ? WHERE id = ?", body, id)
		}
		return err
	})
	x.m.alerts[id].fields[field] = value
}

// speak delivers a decision, now and then twice.
func (x *stage) speak(rt *rapid.T, d review.ActionDecision) {
	who := rapid.IntRange(0, len(spellings)-1).Draw(rt, "person")
	d.Actor = rapid.SampledFrom(spellings[who]).Draw(rt, "name")
	body, err := d.Encode()
	if err != nil {
		rt.Fatal(err)
	}
	x.spool = append(x.spool, spoken{body, who})
	for range rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(rt, "deliveries") {
		x.deliver(rt, spoken{body, who})
	}
}

// deliver applies a command as the worker does: what is refused is done with, and the transaction is kept.
func (x *stage) deliver(rt *rapid.T, s spoken) {
	d, err := review.DecodeAction(s.body)
	if err != nil {
		rt.Fatal(err)
	}
	x.m.hears(&d)
	var after ledger.Action
	var refused error
	x.update(func(t *ledger.Tx) (err error) {
		after, refused = review.ApplyAction(t, x.engine.Actions, x.engine.Now(), d)
		if !errors.Is(refused, review.ErrRefused) {
			return refused
		}
		return nil
	})
	if refused != nil {
		return
	}
	if err := x.m.said(&d, s.who, &after, x.at); err != nil {
		rt.Fatal(err)
	}
}

func (x *stage) propose(rt *rapid.T) {
	kind, field := ledger.ActionBlock, rapid.SampledFrom([]string{"src", "other", "user"}).Draw(rt, "field")
	if field == "user" {
		kind = ledger.ActionDisable
	}
	x.speak(rt, review.ActionDecision{Step: review.ProposeAction, ID: rapid.SampledFrom(x.alerts).Draw(rt, "alert"), Kind: kind, Field: field})
}

// advise has the pipeline recommend an action.
func (x *stage) advise(rt *rapid.T) {
	id := rapid.SampledFrom(x.alerts).Draw(rt, "alert")
	advice, err := json.Marshal([]review.Advice{{Kind: "block", Field: "src"}, {Kind: "disable", Field: "user"}})
	if err != nil {
		rt.Fatal(err)
	}
	var all []ledger.Action
	x.update(func(t *ledger.Tx) error {
		entry, err := t.Alert(id)
		if err != nil {
			return err
		}
		rec, err := t.Record(id)
		if err != nil {
			return err
		}
		entry.Advice = advice
		if _, err := review.Propose(t, x.engine.Actions, x.at, &entry, &rec); err != nil {
			return err
		}
		all, err = t.ActionsOf(id)
		return err
	})
	for i := range all {
		if err := x.m.propose(&all[i], x.at); err != nil {
			rt.Fatal(err)
		}
	}
}

// any draws an action, mostly of those that came last.
func (x *stage) any(rt *rapid.T) review.ActionDecision {
	ids := slices.SortedFunc(maps.Keys(x.m.actions), func(a, b string) int { return x.m.actions[b].n - x.m.actions[a].n })
	if len(ids) == 0 {
		rt.Skip()
	}
	if rapid.IntRange(0, 3).Draw(rt, "old") > 0 {
		ids = ids[:min(len(ids), 3)]
	}
	id := rapid.SampledFrom(ids).Draw(rt, "action")
	hash := x.m.actions[id].hash
	if rapid.IntRange(0, 9).Draw(rt, "other hash") == 0 {
		hash = x.m.actions[rapid.SampledFrom(ids).Draw(rt, "hash of")].hash
	}
	return review.ActionDecision{ID: id, Hash: hash}
}

func (x *stage) approve(rt *rapid.T) { d := x.any(rt); d.Step = review.ApproveAction; x.speak(rt, d) }
func (x *stage) reject(rt *rapid.T)  { d := x.any(rt); d.Step = review.RejectAction; x.speak(rt, d) }
func (x *stage) undo(rt *rapid.T)    { d := x.any(rt); d.Step = review.UndoAction; x.speak(rt, d) }

func (x *stage) edit(rt *rapid.T) {
	d := x.any(rt)
	d.Step, d.Field = review.EditAction, rapid.SampledFrom([]string{"src", "other"}).Draw(rt, "field")
	x.speak(rt, d)
}

// replay delivers an old command again, whoever kept it.
func (x *stage) replay(rt *rapid.T) {
	if len(x.spool) == 0 {
		rt.Skip()
	}
	x.deliver(rt, rapid.SampledFrom(x.spool).Draw(rt, "command"))
}

// change changes an alert: its evidence, verdict, target, or whether it is settled.
func (x *stage) change(rt *rapid.T) {
	id := rapid.SampledFrom(x.alerts).Draw(rt, "alert")
	switch rapid.SampledFrom([]string{"evidence", "benign", "judged", "reopened", "reopened", "raised", "target"}).Draw(rt, "what") {
	case "evidence":
		x.rest(id, rapid.IntRange(0, 2).Draw(rt, "evidence"))
	case "benign":
		x.judge(id, winnow.BenignPositive, winnow.StateClosed)
	case "judged":
		x.judge(id, winnow.BenignPositive, winnow.StateInReview)
	case "reopened":
		x.judge(id, winnow.TruePositive, winnow.StateInReview)
	case "raised":
		x.judge(id, winnow.TruePositive, winnow.StateEscalated)
	case "target":
		x.retarget(id, "src", rapid.SampledFrom([]string{"203.0.113.30", "203.0.113.31"}).Draw(rt, "target"))
	}
}

func (x *stage) changePolicy(rt *rapid.T) {
	kind := rapid.SampledFrom([]ledger.ActionKind{ledger.ActionBlock, ledger.ActionDisable}).Draw(rt, "kind")
	rule := x.m.rules[kind]
	switch rapid.SampledFrom([]string{"need", "on", "all off", "all off", "dry", "undo", "never", "live", "stop"}).Draw(rt, "what") {
	case "need":
		rule.need = 3 - rule.need
	case "on":
		rule.on = true
	case "all off":
		x.m.rules[ledger.ActionDisable] = heldRule{need: 2}
		kind, rule.on = ledger.ActionBlock, false
	case "dry":
		rule.dry = !rule.dry
	case "undo":
		rule.undo = !rule.undo
	case "never":
		target := x.m.alerts[rapid.SampledFrom(x.alerts).Draw(rt, "alert")].fields[rapid.SampledFrom([]string{"src", "user"}).Draw(rt, "field")]
		x.m.never[target] = !x.m.never[target]
	case "live":
		x.m.live = !x.m.live
	case "stop":
		x.m.stopped = !x.m.stopped
	}
	x.m.rules[kind] = rule
	x.configure()
}

// configure has the engine go by the model's configuration.
func (x *stage) configure() {
	x.engine.Actions, x.engine.Gate.Blind = x.m.policy(), ""
	if x.m.stopped {
		x.engine.Gate.Blind = winnow.ReasonGateOff
	}
}

// clock sets the clock forward, and back.
func (x *stage) clock(rt *rapid.T) {
	x.at = x.at.Add(time.Duration(rapid.SampledFrom([]int{1, 20, 40, 59, 60, 200, -1, -30, -60, -300}).Draw(rt, "minutes")) * time.Minute)
}

// comeBack has the executor say what came of it; the worker hears of it at its next turn.
func (x *stage) comeBack(rt *rapid.T) {
	if x.w.acting.flying == "" || x.landed {
		rt.Skip()
	}
	x.result <- rapid.SampledFrom([]error{nil, errors.New("no route")}).Draw(rt, "result")
	one := <-x.w.acting.back // it has arrived when it is there
	x.w.acting.back <- one
	x.landed = true
}

// scene is the usual order of things, with what people and chance make of it: single steps seldom come to an end.
func (x *stage) scene(rt *rapid.T) {
	for _, step := range []func(*rapid.T){x.propose, x.approve, x.approve, x.work} {
		step(rt)
	}
	if x.w.acting.flying != "" && !x.landed {
		x.comeBack(rt)
	}
	for _, step := range []func(*rapid.T){x.work, x.undo, x.approve, x.approve} {
		step(rt)
	}
	if rapid.Bool().Draw(rt, "policy") {
		x.changePolicy(rt)
	}
	x.clock(rt)
	x.work(rt)
}

func (x *stage) restartWorker(rt *rapid.T) {
	if x.landed && rapid.Bool().Draw(rt, "in peace") {
		x.ok(x.w.endActing(x.t.Context()))
	}
	x.fall()
}

// fall is the end of a worker, whatever it was about, and the beginning of the next.
func (x *stage) fall() {
	x.land()
	x.restart()
	x.employ()
	x.configure()
}

// die has a worker die when it has begun an action and not carried it out.
func (x *stage) die(rt *rapid.T) {
	if x.w.acting.flying != "" || x.m.stopped {
		rt.Skip()
	}
	var a ledger.Action
	var ok bool
	x.update(func(t *ledger.Tx) (err error) {
		a, ok, err = review.ClaimAction(t, x.engine, x.engine.Actions, x.at)
		return err
	})
	if !ok {
		return
	}
	if err := x.m.begin(a.ID, !a.Dry, x.at); err != nil {
		rt.Fatal(err)
	}
	x.fall()
}

// work is one turn of the worker. Whatever is begun must be allowed now; whatever is approved and allowed is begun.
func (x *stage) work(rt *rapid.T) {
	flew := x.w.acting.flying
	before := x.all()
	_, err := x.w.act(x.t.Context())
	x.ok(err)
	flies := x.w.acting.flying
	if flies == "" || flies != flew {
		x.landed = false
	}
	if flies != "" && flies != flew {
		a := <-x.began
		if err := x.m.begin(a.ID, true, x.at); err != nil {
			rt.Fatal(err)
		}
		if held := x.m.actions[a.ID]; a.Target != held.target || a.Kind != held.kind || a.Undo != (held.undoes != "") {
			rt.Fatalf("carried out is %+v, approved was %+v", a, held)
		}
		*x.n++
	}
	noted := x.turned(rt, before)
	if flies != "" || noted {
		return
	}
	for _, a := range x.all() {
		if a.State == ledger.ActionApproved && x.m.may(a.ID, x.at) == nil {
			rt.Fatalf("action %s is approved and allowed, and was not begun", a.ID)
		}
	}
}

// turned holds what a turn made of each action against the model. It reports whether something was noted in a
// dry run.
func (x *stage) turned(rt *rapid.T, before map[string]ledger.Action) (noted bool) {
	for id, a := range x.all() {
		if a.State == before[id].State {
			continue
		}
		switch a.State {
		case ledger.ActionDone:
			if before[id].State != ledger.ActionStarted {
				noted = true
				if err := x.m.begin(id, !a.Dry, x.at); err != nil || !a.Dry {
					rt.Fatalf("action %s is done without its executor, dry run: %v: %v", id, a.Dry, err)
				}
			}
		case ledger.ActionExpired, ledger.ActionStale, ledger.ActionFailed, ledger.ActionUnclear:
			if s := x.record(a.Alert).Outcome.State; s == winnow.StateInReview {
				rt.Fatalf("action %s is %s, and its alert still %s", id, a.State, s)
			}
		case ledger.ActionRejected, ledger.ActionReplaced:
			rt.Fatalf("a turn has made action %s %s", id, a.State)
		case ledger.ActionProposed, ledger.ActionApproved, ledger.ActionStarted, ledger.ActionUndone:
		}
	}
	for id, a := range x.all() {
		if a.State != ledger.ActionStarted && a.State.Open() && !x.at.Before(a.Expires) {
			rt.Fatalf("action %s has expired, and is %s after a turn", id, a.State)
		}
	}
	return noted
}

func (x *stage) all() map[string]ledger.Action {
	out := map[string]ledger.Action{}
	x.view(func(t *ledger.Tx) error {
		all, err := t.Actions(0)
		for _, a := range all {
			out[a.ID] = a
		}
		return err
	})
	return out
}

// check holds the ledger against the model after each step.
func (x *stage) check(rt *rapid.T) {
	for id, a := range x.all() {
		held, was := x.m.actions[id], x.states[id]
		if held == nil {
			rt.Fatalf("nobody has proposed action %s: %s of %q", id, a.Kind, a.Target)
		}
		if was != "" && !was.Open() && a.State != was && (was != ledger.ActionDone && was != ledger.ActionUnclear || a.State != ledger.ActionUndone) {
			rt.Fatalf("action %s was %s, and is %s", id, was, a.State)
		}
		if begun := strings.Contains("started done undone failed unclear", string(a.State)); begun != (held.begun == 1) || held.begun > 1 {
			rt.Fatalf("action %s is %s, and was begun %d times", id, a.State, held.begun)
		}
		x.states[id], held.over = a.State, held.over || !a.State.Open()
	}
	for id, held := range x.m.alerts {
		out := x.record(id).Outcome
		if out.State != held.state && (held.state != winnow.StateInReview || out.State != winnow.StateEscalated || out.Reason != winnow.ReasonAction) {
			rt.Fatalf("alert %s was %s, and is %s, %s", id, held.state, out.State, out.Reason)
		}
		held.state = out.State
	}
}
