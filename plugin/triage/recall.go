package triage

import (
	"errors"
	"fmt"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Revoke takes back what the verdict on an alert allows for others. The suspensions file is
// written first, so that the alert action stops using the verdict at once and also if this
// transaction fails: too little is closed then, never too much.
func (e *Engine) Revoke(t *ledger.Tx, id, by, reason string) error {
	if e.Gate.Suspensions == nil {
		return errors.New("revoke the verdict on " + id + ": " + suspensionsGone)
	}
	s := e.Gate.Suspensions.Clone()
	s.Verdicts[id] = allowlist.Suspension{By: by, At: e.Now().UTC(), Reason: reason}
	if err := e.noteSuspensions(t, s, by, "revoke the verdict on "+id, false); err != nil {
		return err
	}
	if err := e.Suspend(s); err != nil {
		return fmt.Errorf("revoke the verdict on %s: %w", id, err)
	}
	e.Gate.Suspensions = s
	if err := t.DropVerdict(id); err != nil {
		return err
	}
	return e.Forget(t, id)
}

// Outcome stamps an outcome with the search's run and the engine's clock.
func (e *Engine) Outcome(searchName string, state winnow.State, reason winnow.Reason, actor string) winnow.Outcome {
	return winnow.Outcome{State: state, Reason: reason, Actor: actor, Run: e.search(searchName).Run, Time: e.Now().UTC()}
}
