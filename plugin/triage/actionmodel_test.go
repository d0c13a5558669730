package triage

import (
	"errors"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// heldAction is a response action in the model: what was proposed, and what people really said. People are
// numbers, however their names are written.
type heldAction struct {
	n        int // which of the proposals it is
	alert    string
	kind     ledger.ActionKind
	field    string
	target   string
	undoes   string // the action that it takes back
	hash     audit.Hash
	evidence int // that the alert had
	need     int
	from     time.Time
	until    time.Time
	yes      map[int]time.Time // since when
	vetoed   bool
	over     bool // it ended without being begun, or was done: never again
	begun    int  // how often it was begun
	earnest  bool // it was begun, and not as a dry run
}

// heldAlert is what the model knows of an alert.
type heldAlert struct {
	state    winnow.State
	benign   bool
	evidence int
	fields   map[string]string
}

// heldRule is the configuration of one kind of action.
type heldRule struct {
	on, dry, undo bool
	need          int
}

// actionModel says what may be done. It keeps plain maps and adds up anew whenever it is asked; it calls nothing
// of the code that it judges.
type actionModel struct {
	actions map[string]*heldAction
	alerts  map[string]*heldAlert
	rules   map[ledger.ActionKind]heldRule
	never   map[string]bool // targets
	live    bool
	stopped bool
	ttl     time.Duration
}

func newActionModel() *actionModel {
	return &actionModel{
		actions: map[string]*heldAction{}, alerts: map[string]*heldAlert{}, never: map[string]bool{}, live: true, ttl: time.Hour,
		rules: map[ledger.ActionKind]heldRule{
			ledger.ActionBlock: {on: true, undo: true, need: 1}, ledger.ActionDisable: {on: true, need: 2},
		},
	}
}

// policy is the configuration as the engine takes it, read from the model whenever it is asked.
func (m *actionModel) policy() *review.ActionPolicy {
	p := &review.ActionPolicy{
		Rules: map[ledger.ActionKind]review.ActionRule{}, TTL: m.ttl, Live: func(string) bool { return m.live },
		Allow: func(_ ledger.ActionKind, target string) error {
			if m.never[target] {
				return errors.New("never to be touched")
			}
			return nil
		},
	}
	for kind, r := range m.rules {
		if r.on {
			p.Rules[kind] = review.ActionRule{Approvers: r.need, Undo: r.undo, Dry: r.dry}
		}
	}
	if len(p.Rules) == 0 {
		return nil // as with no [action:...] in winnow.conf
	}
	return p
}

// propose takes up a proposal that the code has made, and says what is wrong with it.
func (m *actionModel) propose(a *ledger.Action, now time.Time) error {
	if held := m.actions[a.ID]; held != nil {
		if held.hash != a.Hash {
			return fmt.Errorf("action %s has another hash than it had", a.ID)
		}
		return nil
	}
	for id, other := range m.actions {
		if other.hash == a.Hash {
			return fmt.Errorf("actions %s and %s have one hash: approvals of one are good for the other", id, a.ID)
		}
	}
	alert := m.alerts[a.Alert]
	held := &heldAction{
		n: len(m.actions), alert: a.Alert, kind: a.Kind, field: a.Field, hash: a.Hash, evidence: alert.evidence,
		need: m.rules[a.Kind].need, from: now, until: now.Add(m.ttl), yes: map[int]time.Time{}, target: alert.fields[a.Field],
	}
	if a.Undo {
		held.undoes, held.target = a.Origin, m.actions[a.Origin].target
	}
	if a.Target != held.target || a.State != ledger.ActionProposed {
		return fmt.Errorf("proposed is %s of %q, %s: want %q", a.Kind, a.Target, a.State, held.target)
	}
	m.actions[a.ID] = held
	return nil
}

// said takes up a decision that the code has carried out; after is the action that stands then.
func (m *actionModel) said(d *review.ActionDecision, who int, after *ledger.Action, now time.Time) error {
	a := m.actions[d.ID]
	if d.Step != review.ProposeAction && (a == nil || a.hash != d.Hash) {
		return fmt.Errorf("%s of what was not seen so is taken for action %s", d.Step, d.ID)
	}
	switch d.Step {
	case review.ApproveAction:
		if at, ok := a.yes[who]; !ok || now.Before(at) {
			a.yes[who] = now
		}
		return nil
	case review.RejectAction:
		return nil // see [actionModel.hears]
	case review.EditAction:
		if after.ID == d.ID {
			return fmt.Errorf("what was changed is still action %s", d.ID)
		}
		a.over = true
	case review.ProposeAction, review.UndoAction:
	}
	return m.propose(after, now)
}

// hears takes up a no, whatever the code makes of it.
func (m *actionModel) hears(d *review.ActionDecision) {
	if a := m.actions[d.ID]; a != nil && a.hash == d.Hash && d.Step == review.RejectAction {
		a.vetoed = true
	}
}

// approvals is how many people have approved, at a time.
func (a *heldAction) approvals(now time.Time) (n int) {
	for _, at := range a.yes {
		if !now.Before(at) && at.Before(a.until) {
			n++
		}
	}
	return n
}

// may says why an action must not be begun at a time.
func (m *actionModel) may(id string, now time.Time) error {
	a := m.actions[id]
	if a == nil {
		return errors.New("nobody has proposed it")
	}
	rule := m.rules[a.kind]
	switch {
	case m.stopped:
		return errors.New("the stop switch is on")
	case !rule.on:
		return errors.New("the policy has no such action")
	case a.begun > 0:
		return errors.New("it was begun before")
	case a.over:
		return errors.New("it has ended")
	case a.vetoed:
		return errors.New("somebody has said no")
	case now.Before(a.from) || !now.Before(a.until):
		return errors.New("it is out of its time")
	case a.approvals(now) < max(a.need, rule.need):
		return fmt.Errorf("%d people have approved, and it takes %d", a.approvals(now), max(a.need, rule.need))
	}
	if a.undoes == "" {
		return m.stands(a)
	}
	if !rule.undo || !m.actions[a.undoes].earnest {
		return errors.New("there is nothing to take back, or no way to")
	}
	return nil
}

// stands says why the alert does not bear the action.
func (m *actionModel) stands(a *heldAction) error {
	alert := m.alerts[a.alert]
	switch {
	case alert.state != winnow.StateInReview && alert.state != winnow.StateEscalated || alert.benign:
		return fmt.Errorf("its alert is %s, benign: %v", alert.state, alert.benign)
	case alert.evidence != a.evidence:
		return errors.New("its alert has other evidence")
	case alert.fields[a.field] != a.target:
		return errors.New("its alert has another target")
	case m.never[a.target]:
		return errors.New("its target is never to be touched")
	}
	return nil
}

// begin takes up that an action is begun; really says that it is not only noted what would be done.
func (m *actionModel) begin(id string, really bool, now time.Time) error {
	if err := m.may(id, now); err != nil {
		return fmt.Errorf("action %s is begun: %w", id, err)
	}
	a := m.actions[id]
	if really && (m.rules[a.kind].dry || !m.live) {
		return fmt.Errorf("action %s is begun in earnest, in a dry run", id)
	}
	a.begun++
	a.earnest = really
	return nil
}
