package review

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// errStale wraps what speaks against an action that was proposed before.
var errStale = errors.New("what the action rests on is another now")

// current says why an action must not be done any more: the alert is another, or its target may not be acted upon.
func current(t *ledger.Tx, p *ActionPolicy, a *ledger.Action) error {
	rec, err := t.Record(a.Alert)
	if err != nil {
		return err
	}
	now := *a
	if !a.Undo {
		entry, err := t.Alert(a.Alert)
		if err != nil {
			return err
		}
		if now.Target, err = target(&entry.Alert, a.Field); err != nil {
			return fmt.Errorf("%w: %w", errStale, err)
		}
	}
	hash, err := hashOf(&now, &rec)
	if err != nil {
		return err
	}
	if hash != a.Hash {
		return fmt.Errorf("%w: the evidence or the target has changed", errStale)
	}
	if err := p.stands(a, &rec); err != nil {
		return fmt.Errorf("%w: %w", errStale, err)
	}
	return nil
}

// approved reports whether as many people as it takes have approved, and nobody has said no.
func approved(t *ledger.Tx, p *ActionPolicy, now time.Time, a *ledger.Action) (bool, error) {
	votes, err := t.ActionVotes(a.ID)
	if err != nil {
		return false, err
	}
	n, vetoed := tally(votes, a, now)
	return !vetoed && n >= max(a.Need, p.Need(a.Kind)) && inTime(a, now), nil
}

// ClaimAction takes the oldest action that is approved, checks once more all that it needs, and marks it as begun:
// its approvals are used up, whatever comes of it. The caller carries it out after the transaction is committed, in
// earnest unless Dry is set, and tells FinishAction. ok is false when there is none. What turns out not to stand is
// escalated.
func ClaimAction(t *ledger.Tx, e Engine, p *ActionPolicy, now time.Time) (a ledger.Action, ok bool, err error) {
	if p == nil {
		return a, false, nil
	}
	waiting, err := t.ActionsIn(ledger.ActionApproved, claimAtOnce)
	if err != nil {
		return a, false, err
	}
	for i := range waiting {
		a = waiting[i]
		if ok, err = claim(t, e, p, now, &a); ok || err != nil {
			return a, ok, err
		}
	}
	return a, false, nil
}

// claimAtOnce bounds how many approved actions one step looks at.
const claimAtOnce = 100

func claim(t *ledger.Tx, e Engine, p *ActionPolicy, now time.Time, a *ledger.Action) (bool, error) {
	if !inTime(a, now) {
		return false, nil // ExpireActions takes it, or the clock comes back
	}
	err := current(t, p, a)
	if errors.Is(err, errStale) {
		a.Detail = err.Error()
		return false, end(t, e, a, ledger.ActionStale, now)
	}
	if err != nil {
		return false, err
	}
	enough, err := approved(t, p, now, a)
	if err != nil {
		return false, err
	}
	if !enough {
		return false, t.MoveAction(a, ledger.ActionProposed, "", now)
	}
	rec, err := t.Record(a.Alert)
	if err != nil {
		return false, err
	}
	a.Dry = p.Rules[a.Kind].Dry || p.Live == nil || !p.Live(rec.SearchName)
	err = t.MoveAction(a, ledger.ActionStarted, "", now)
	return err == nil, err
}

// FinishAction keeps what came of an action that was claimed. One that failed escalates its alert.
func FinishAction(t *ledger.Tx, e Engine, id, detail string, failure error, now time.Time) error {
	a, err := t.Action(id)
	if err != nil {
		return err
	}
	if a.State != ledger.ActionStarted {
		return fmt.Errorf("action %s is %s: %w", a.ID, a.State, ledger.ErrActionState)
	}
	a.Detail = cut(detail)
	if failure != nil {
		a.Detail = cut(failure.Error())
		return end(t, e, &a, ledger.ActionFailed, now)
	}
	if err := t.MoveAction(&a, ledger.ActionDone, "", now); err != nil || !a.Undo || a.Dry {
		return err
	}
	done, err := t.Action(a.Origin)
	if err != nil || done.State != ledger.ActionDone && done.State != ledger.ActionUnclear {
		return err
	}
	done.Detail = "taken back by " + a.ID
	return t.MoveAction(&done, ledger.ActionUndone, "", now)
}

// InterruptActions ends what the worker before this one had begun and not finished. Whether it was done is not
// known, so it is never done again by itself: the alerts are escalated. It returns how many there were.
func InterruptActions(t *ledger.Tx, e Engine, now time.Time) (int, error) {
	begun, err := t.ActionsIn(ledger.ActionStarted, 0)
	if err != nil {
		return 0, err
	}
	for i := range begun {
		begun[i].Detail = "the worker ended while it was carried out: look whether it was done"
		if err := end(t, e, &begun[i], ledger.ActionUnclear, now); err != nil {
			return i, err
		}
	}
	return len(begun), nil
}

// ExpireActions ends what nobody decided, or nobody began, in time: the alerts are escalated. It returns how many.
func ExpireActions(t *ledger.Tx, e Engine, now time.Time) (int, error) {
	late, err := t.OverdueActions(now, claimAtOnce)
	if err != nil {
		return 0, err
	}
	for i := range late {
		late[i].Detail = "nobody decided in time"
		if late[i].State == ledger.ActionApproved {
			late[i].Detail = "it was approved, and not begun in time"
		}
		if err := end(t, e, &late[i], ledger.ActionExpired, now); err != nil {
			return i, err
		}
	}
	return len(late), nil
}

// end ends an action that was not done, and escalates its alert when that still waits in the review queue.
func end(t *ledger.Tx, e Engine, a *ledger.Action, state ledger.ActionState, now time.Time) error {
	if err := t.MoveAction(a, state, "", now); err != nil {
		return err
	}
	rec, err := t.Record(a.Alert)
	if err != nil || rec.Outcome.State != winnow.StateInReview {
		return err
	}
	entry, err := t.Alert(a.Alert)
	if err != nil {
		return err
	}
	rec.Outcome = e.Outcome(rec.SearchName, winnow.StateEscalated, winnow.ReasonAction, "winnow")
	return e.Settle(t, &entry, &rec)
}

// cut bounds what an executor says of itself.
func cut(s string) string {
	const most = 500
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}
