package review

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow/plugin/audit"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// ActionStep is what a person does about a response action.
type ActionStep string

// The steps.
const (
	ApproveAction ActionStep = "approve"
	RejectAction  ActionStep = "reject"  // one no is enough
	EditAction    ActionStep = "edit"    // another kind or field in its place: nobody has approved that yet
	ProposeAction ActionStep = "propose" // an action on an alert
	UndoAction    ActionStep = "undo"    // to take back what was done: that needs approvals too
)

// ActionDecision is one person's decision about a response action. It binds to the hash of what the person saw.
type ActionDecision struct {
	Command string            `json:"command"` // always "action": what kind of spool command this is
	Step    ActionStep        `json:"step"`
	ID      string            `json:"id"`    // of the action; of the alert with propose
	Hash    audit.Hash        `json:"hash"`  // of the action as the person saw it; zero with propose
	Kind    ledger.ActionKind `json:"kind"`  // of propose and edit; edit keeps it with ""
	Field   string            `json:"field"` // of propose and edit: whose value is the target; edit keeps it with ""
	Actor   string            `json:"actor"`
	Reason  string            `json:"reason"`
}

// CommandAction marks a decision about an action among spool commands.
const CommandAction = "action"

// maxField bounds the name of a field, in bytes.
const maxField = 300

// Encode returns the body of the spool command.
func (d ActionDecision) Encode() ([]byte, error) {
	d.Command = CommandAction
	if err := d.validate(); err != nil {
		return nil, err
	}
	return json.Marshal(d)
}

// DecodeAction reads the body of a spool command: one decision, whole and with nothing else.
func DecodeAction(body []byte) (ActionDecision, error) {
	var d ActionDecision
	if err := decodeAlone(body, &d); err != nil {
		return d, err
	}
	if d.Command != CommandAction {
		return d, fmt.Errorf("%w: %.40q is no decision about an action", ErrRefused, d.Command)
	}
	return d, d.validate()
}

func (d *ActionDecision) validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
	}
	switch d.Step {
	case ApproveAction, RejectAction, EditAction, ProposeAction, UndoAction:
	default:
		return bad("unknown step %.40q (want approve, reject, edit, propose or undo)", d.Step)
	}
	names := d.Step == ProposeAction
	switch {
	case d.ID == "" || len(d.ID) > maxActor:
		return bad("no id of an action")
	case ledger.ActorKey(d.Actor) == "":
		return bad("nobody is named who decides: give --by NAME")
	case len(d.Actor) > maxActor:
		return bad("the name of who decides has %d bytes, more than %d", len(d.Actor), maxActor)
	case len(d.Reason) > maxReason:
		return bad("the reason has %d bytes, more than %d", len(d.Reason), maxReason)
	case !names && d.Hash.IsZero():
		return bad("the decision says not what was seen: no hash")
	case names && (d.Kind == "" || d.Field == ""):
		return bad("say what is to be done: give --kind KIND and --field FIELD")
	case d.Step == EditAction && d.Kind == "" && d.Field == "":
		return bad("say what is to be changed: give --kind KIND, --field FIELD or both")
	case len(d.Field) > maxField:
		return bad("the name of the field has %d bytes, more than %d", len(d.Field), maxField)
	case d.Kind != "" && d.Kind != ledger.ActionBlock && d.Kind != ledger.ActionDisable:
		return bad("unknown kind %.40q (want block or disable)", d.Kind)
	}
	return nil
}

// ApplyAction carries out a decision about an action, and returns the action that stands then. It carries out no
// action: [ClaimAction] does, once there are the approvals. An error that wraps ErrRefused never goes away.
func ApplyAction(t *ledger.Tx, p *ActionPolicy, now time.Time, d ActionDecision) (ledger.Action, error) {
	if err := d.validate(); err != nil {
		return ledger.Action{}, err
	}
	if p == nil && d.Step != RejectAction { // a no holds, whatever is switched on again later
		return ledger.Action{}, fmt.Errorf("%w: response actions are switched off: see [action:block] in winnow.conf", ErrRefused)
	}
	if d.Step == ProposeAction {
		return d.propose(t, p, now, d.ID, Wish{Kind: d.Kind, Field: d.Field})
	}
	a, err := t.Action(d.ID)
	if errors.Is(err, ledger.ErrNotFound) {
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err == nil && a.Hash != d.Hash {
		err = fmt.Errorf("%w: action %s is not the one that was seen: look again with `winnow review action %s`", ErrRefused, a.ID, a.ID)
	}
	if err != nil {
		return a, err
	}
	switch d.Step {
	case ApproveAction:
		return a, d.approve(t, p, now, &a)
	case RejectAction:
		return a, d.reject(t, now, &a)
	case EditAction:
		return d.edit(t, p, now, &a)
	case UndoAction:
		return d.undo(t, p, now, &a)
	case ProposeAction:
	}
	return a, fmt.Errorf("%w: unknown step %q", ErrRefused, d.Step)
}

// open refuses what cannot be decided any more.
func (d *ActionDecision) open(a *ledger.Action) error {
	if a.State != ledger.ActionProposed && a.State != ledger.ActionApproved {
		return fmt.Errorf("%w: action %s is %s", ErrRefused, a.ID, a.State)
	}
	return nil
}

func (d *ActionDecision) approve(t *ledger.Tx, p *ActionPolicy, now time.Time, a *ledger.Action) error {
	if err := d.open(a); err != nil {
		return err
	}
	if !inTime(a, now) {
		return fmt.Errorf("%w: action %s has expired", ErrRefused, a.ID)
	}
	if err := current(t, p, a); errors.Is(err, errStale) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	} else if err != nil {
		return err // the ledger could not be read: the decision is still good
	}
	if err := t.VoteAction(a, ledger.ActionVote{Action: a.ID, Actor: d.Actor, Approve: true, Reason: d.Reason, At: now}); err != nil {
		return err
	}
	enough, err := approved(t, p, now, a)
	if err != nil || !enough || a.State == ledger.ActionApproved {
		return err
	}
	return t.MoveAction(a, ledger.ActionApproved, d.Actor, now)
}

func (d *ActionDecision) reject(t *ledger.Tx, now time.Time, a *ledger.Action) error {
	if err := d.open(a); err != nil {
		return err
	}
	if err := t.VoteAction(a, ledger.ActionVote{Action: a.ID, Actor: d.Actor, Reason: d.Reason, At: now}); err != nil {
		return err
	}
	a.Detail = d.Reason
	return t.MoveAction(a, ledger.ActionRejected, d.Actor, now)
}

// edit puts another proposal in the place of one. Approvals stay with the one that was seen.
func (d *ActionDecision) edit(t *ledger.Tx, p *ActionPolicy, now time.Time, a *ledger.Action) (ledger.Action, error) {
	again := a.State == ledger.ActionExpired || a.State == ledger.ActionStale || a.State == ledger.ActionFailed
	if err := d.open(a); err != nil && !again {
		return *a, err
	}
	if a.Undo {
		return *a, fmt.Errorf("%w: what takes an action back is as the action was", ErrRefused)
	}
	w := Wish{Kind: a.Kind, Field: a.Field, Origin: a.ID}
	if d.Kind != "" {
		w.Kind = d.Kind
	}
	if d.Field != "" {
		w.Field = d.Field
	}
	next, err := d.propose(t, p, now, a.Alert, w)
	if err != nil || again {
		return next, err
	}
	a.Detail = "changed by " + d.Actor
	return next, t.MoveAction(a, ledger.ActionReplaced, d.Actor, now)
}

func (d *ActionDecision) undo(t *ledger.Tx, p *ActionPolicy, now time.Time, a *ledger.Action) (ledger.Action, error) {
	switch {
	case a.Undo || a.Dry || a.State != ledger.ActionDone && a.State != ledger.ActionUnclear:
		return *a, fmt.Errorf("%w: action %s has done nothing that could be taken back: it is %s", ErrRefused, a.ID, a.State)
	case !p.Rules[a.Kind].Undo:
		return *a, fmt.Errorf("%w: %s cannot be taken back here: undo in [action:%s]", ErrRefused, a.Kind, a.Kind)
	}
	back := ledger.Action{
		Alert: a.Alert, Kind: a.Kind, Undo: true, Field: a.Field, Target: a.Target, Reason: d.Reason, Actor: d.Actor, Origin: a.ID,
		Need: p.Need(a.Kind), At: now, Expires: now.Add(p.TTL),
	}
	return d.add(t, back, func(b *ledger.Action) error { return bind(b, nil) })
}

func (d *ActionDecision) propose(t *ledger.Tx, p *ActionPolicy, now time.Time, alert string, w Wish) (ledger.Action, error) {
	entry, err := t.Alert(alert)
	if err != nil {
		return ledger.Action{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	rec, err := t.Record(alert)
	if err != nil {
		return ledger.Action{}, err
	}
	w.Reason, w.Actor = d.Reason, d.Actor
	a, err := p.propose(now, &entry, &rec, w)
	if errors.Is(err, errNoWish) {
		return a, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err != nil {
		return a, err
	}
	return d.add(t, a, func(b *ledger.Action) error { return bind(b, &rec) })
}

// add keeps a person's proposal. Where one was decided before, the new one names it as what it takes the place
// of, so that it has another hash and nobody has approved it.
func (d *ActionDecision) add(t *ledger.Tx, a ledger.Action, bind func(*ledger.Action) error) (ledger.Action, error) {
	a.State, a.Changed = ledger.ActionProposed, a.At
	if err := bind(&a); err != nil {
		return a, err
	}
	for range maxAgain {
		was, err := t.Action(a.ID)
		if errors.Is(err, ledger.ErrNotFound) {
			added, err := t.AddAction(a)
			if err == nil && !added {
				err = fmt.Errorf("%w: the same is proposed for this target already: `winnow review actions` shows it", ErrRefused)
			}
			return a, err
		}
		if err != nil {
			return a, err
		}
		if was.State.Open() {
			return was, nil
		}
		if a.Undo {
			a.Field = "again:" + was.ID // the origin is what it undoes
		} else {
			a.Origin = was.ID
		}
		if err := bind(&a); err != nil {
			return a, err
		}
	}
	return a, fmt.Errorf("%w: the same was proposed %d times", ErrRefused, maxAgain)
}

// maxAgain bounds how often the same is proposed.
const maxAgain = 50
