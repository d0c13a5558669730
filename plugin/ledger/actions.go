package ledger

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/winnow-soc/winnow/plugin/audit"
)

// ActionKind is what a response action does.
type ActionKind string

// The kinds.
const (
	ActionBlock   ActionKind = "block"   // block an address
	ActionDisable ActionKind = "disable" // disable an account
)

// ActionState is how far a response action is.
type ActionState string

// The states. Only proposed, approved and started go on to another; done goes on to undone.
const (
	ActionProposed ActionState = "proposed" // waits for people
	ActionApproved ActionState = "approved" // waits to be carried out
	ActionStarted  ActionState = "started"  // is being carried out: the approvals are used up
	ActionDone     ActionState = "done"
	ActionUndone   ActionState = "undone"   // it was done, and taken back
	ActionRejected ActionState = "rejected" // somebody said no
	ActionReplaced ActionState = "replaced" // somebody changed it: another has its place
	ActionExpired  ActionState = "expired"  // nobody decided in time
	ActionStale    ActionState = "stale"    // what it rests on is another now
	ActionFailed   ActionState = "failed"
	ActionUnclear  ActionState = "unclear" // the worker ended while it was carried out
)

// Open reports whether the action may still be carried out.
func (s ActionState) Open() bool {
	return s == ActionProposed || s == ActionApproved || s == ActionStarted
}

// Action is one response action.
type Action struct {
	ID      string      `json:"id"`
	Alert   string      `json:"alert"`
	Kind    ActionKind  `json:"kind"`
	Undo    bool        `json:"undo"` // takes back what Origin did
	Field   string      `json:"field"`
	Target  string      `json:"target"` // copied from the alert's field by code; an attacker's text
	Reason  string      `json:"reason"` // why it is proposed: a model's text, or a person's
	Actor   string      `json:"actor"`  // the person who proposed it, "" for the analysts
	Origin  string      `json:"origin"` // the action that it takes the place of, or undoes
	Hash    audit.Hash  `json:"hash"`   // of action, target and evidence: what an approval binds to
	Need    int         `json:"need"`   // how many people must approve
	State   ActionState `json:"state"`
	Dry     bool        `json:"dry"`    // it was only said what would be done
	Detail  string      `json:"detail"` // what came of it
	At      time.Time   `json:"at"`
	Expires time.Time   `json:"expires"`
	Changed time.Time   `json:"changed"`
}

// ActionVote is what one person says of an action.
type ActionVote struct {
	Action  string    `json:"-"`
	Actor   string    `json:"actor"` // see [ActorKey]
	Approve bool      `json:"approve"`
	Reason  string    `json:"reason"`
	At      time.Time `json:"at"`
}

// ActorKey is what two names of one person have in common, so that nobody counts twice: neither case, spaces,
// nor characters that nobody sees make another person, and what looks alike in another encoding is one.
func ActorKey(name string) string {
	seen := strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return -1
		}
		return r
	}, norm.NFKC.String(name))
	return norm.NFKC.String(strings.ToLower(strings.Join(strings.Fields(seen), " ")))
}

// ErrActionState is wrapped when an action is not in the state that a step begins in.
var ErrActionState = errors.New("the action has gone on meanwhile")

// noteAction audits a step. needed steps do not happen when they cannot be audited.
func (t *Tx) noteAction(a *Action, step, actor, reason string, at time.Time, needed bool) error {
	if broken := t.l.Unaudited(); needed && broken != nil {
		return fmt.Errorf("%s action %s: %w: %w", step, a.ID, ErrUnaudited, broken)
	}
	return t.note(audit.KindAction, a.Alert, micro(at), audit.Action{
		Action: a.ID, Actor: actor, Binds: a.Hash, Dry: a.Dry, Kind: string(a.Kind), Reason: reason, Step: step, Undo: a.Undo,
	})
}

// AddAction keeps a proposal. One with the same ID makes it a no-op, as does an open one for the same target that
// it does not take the place of.
func (t *Tx) AddAction(a Action) (added bool, err error) {
	var one int
	found, err := t.get(`SELECT 1 FROM actions WHERE id = ? OR kind = ? AND target = ? AND undo = ?
 AND state IN ('proposed', 'approved', 'started') AND id <> ? LIMIT 1`, []any{a.ID, a.Kind, a.Target, a.Undo, a.Origin}, &one)
	if err != nil || found {
		return false, err
	}
	a.State, a.Changed = ActionProposed, a.At
	if err := t.noteAction(&a, string(a.State), a.Actor, "", a.At, false); err != nil {
		return false, err
	}
	return true, t.exec("INSERT INTO actions ("+actionColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
		a.ID, a.Alert, a.Kind, a.Undo, a.Field, a.Target, a.Reason, a.Actor, a.Origin, a.Hash[:], a.Need, a.State, a.Dry, a.Detail,
		micro(a.At), micro(a.Expires), micro(a.Changed))
}

const actionColumns = "id, alert, kind, undo, field, target, reason, actor, origin, binds, need, state, dry, detail, at, expires, changed"

func scanAction(scan func(...any) error) (a Action, err error) {
	var binds []byte
	var at, expires, changed int64
	err = scan(&a.ID, &a.Alert, &a.Kind, &a.Undo, &a.Field, &a.Target, &a.Reason, &a.Actor, &a.Origin, &binds, &a.Need, &a.State, &a.Dry,
		&a.Detail, &at, &expires, &changed)
	if err == nil && len(binds) != len(a.Hash) {
		err = fmt.Errorf("ledger: action %s has a damaged hash", a.ID)
	}
	copy(a.Hash[:], binds)
	a.At, a.Expires, a.Changed = timeOf(at), timeOf(expires), timeOf(changed)
	return a, err
}

func (t *Tx) actions(where string, args ...any) (out []Action, err error) {
	err = t.each("SELECT "+actionColumns+" FROM actions "+where, args, func(scan func(...any) error) error {
		a, err := scanAction(scan)
		out = append(out, a)
		return err
	})
	return out, err
}

// Action returns one action, or an error that wraps ErrNotFound.
func (t *Tx) Action(id string) (Action, error) {
	all, err := t.actions("WHERE id = ?", id)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("action %.40q: %w", id, ErrNotFound)
	}
	if err != nil {
		return Action{}, err
	}
	return all[0], nil
}

// OpenActions returns what may still be carried out, what expires first before the rest.
func (t *Tx) OpenActions(limit int) ([]Action, error) {
	return t.actions("WHERE state IN ('proposed', 'approved', 'started') ORDER BY expires, n LIMIT ?", limitOf(limit))
}

// Actions returns all actions, the newest first.
func (t *Tx) Actions(limit int) ([]Action, error) {
	return t.actions("ORDER BY n DESC LIMIT ?", limitOf(limit))
}

// limitOf makes no limit of 0.
func limitOf(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}

// ActionsOf returns the actions on an alert, the oldest first.
func (t *Tx) ActionsOf(alert string) ([]Action, error) {
	return t.actions("WHERE alert = ? ORDER BY n", alert)
}

// ActionsIn returns actions in an open state, the oldest first.
func (t *Tx) ActionsIn(state ActionState, limit int) ([]Action, error) {
	return t.actions("WHERE state = ? AND state IN ('proposed', 'approved', 'started') ORDER BY n LIMIT ?", state, limitOf(limit))
}

// OverdueActions returns those that nobody has decided, or begun, by a time.
func (t *Tx) OverdueActions(now time.Time, limit int) ([]Action, error) {
	return t.actions("WHERE state IN ('proposed', 'approved') AND expires <= ? ORDER BY expires LIMIT ?", micro(now), limit)
}

// ActionVotes returns what people said of an action, in the order of their names.
func (t *Tx) ActionVotes(id string) (out []ActionVote, err error) {
	err = t.each("SELECT actor, approve, reason, at FROM action_votes WHERE action = ? ORDER BY actor", []any{id}, func(scan func(...any) error) error {
		v := ActionVote{Action: id}
		var at int64
		err := scan(&v.Actor, &v.Approve, &v.Reason, &at)
		v.At = timeOf(at)
		out = append(out, v)
		return err
	})
	return out, err
}

// VoteAction keeps what a person says of an action. Who said no keeps saying so, and who approved before does
// not approve again. An approval that cannot be audited is none.
func (t *Tx) VoteAction(a *Action, v ActionVote) error {
	step := "reject"
	if v.Approve {
		step = "approve"
	}
	if err := t.noteAction(a, step, v.Actor, v.Reason, v.At, v.Approve); err != nil {
		return err
	}
	return t.exec(`INSERT INTO action_votes (action, actor, approve, reason, at) VALUES (?,?,?,?,?)
 ON CONFLICT (action, actor) DO UPDATE SET approve = min(approve, excluded.approve), reason = excluded.reason, at = excluded.at
 WHERE excluded.approve = 0`,
		a.ID, ActorKey(v.Actor), v.Approve, v.Reason, micro(v.At))
}

// MoveAction takes an action from its state to another, with what is to be said of it in Detail and Dry. It
// returns ErrActionState when the action is not in that state any more: each step is taken once. What begins
// to be carried out, and cannot be audited, does not begin.
func (t *Tx) MoveAction(a *Action, to ActionState, actor string, at time.Time) error {
	var one int
	found, err := t.get("UPDATE actions SET state = ?, dry = ?, detail = ?, changed = ? WHERE id = ? AND state = ? RETURNING 1",
		[]any{to, a.Dry, a.Detail, micro(at), a.ID, a.State}, &one)
	if err == nil && !found {
		err = fmt.Errorf("action %s: %w", a.ID, ErrActionState)
	}
	if err != nil {
		return err
	}
	a.State, a.Changed = to, at
	return t.noteAction(a, string(to), actor, a.Detail, at, to == ActionStarted)
}
