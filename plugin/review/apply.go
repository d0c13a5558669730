package review

import (
	"fmt"
	"slices"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Engine is what a decision needs of the worker's engine; triage.Engine is the real one.
type Engine interface {
	// Settle keeps a new outcome and tells the sinks.
	Settle(t *ledger.Tx, entry *ledger.Entry, rec *winnow.Record) error
	// Requeue sends an alert back to triage.
	Requeue(t *ledger.Tx, id string, reason winnow.Reason, cause string) error
	// Precedent keeps that a person found the alert benign.
	Precedent(t *ledger.Tx, a *winnow.Alert) error
	// Revoke takes back what the alert's verdict allows for others: the cached verdict and the
	// precedents.
	Revoke(t *ledger.Tx, id, by, reason string) error
	// Outcome stamps an outcome with the search's run and the engine's clock.
	Outcome(searchName string, state winnow.State, reason winnow.Reason, actor string) winnow.Outcome
}

// Result says what a decision did.
type Result struct {
	Settled  []string // alerts that have the decided outcome now, the named one first
	Recalled []string // alerts that are triaged again, because they were closed on its verdict

	Missed   []string // rules that dropped such an alert: they are suspended
	Reverted []string // rules of which such a confirmation was taken back: they stay suspended
}

// Apply carries out a decision. An alert that waits with others of the same cache key settles all
// of them, unless the decision is for it only. Whatever was closed on a verdict that the decision
// takes back is triaged again.
func Apply(t *ledger.Tx, e Engine, d Decision) (Result, error) {
	var out Result
	entry, err := t.Alert(d.ID)
	if err != nil {
		return out, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	rec, err := t.Record(d.ID)
	if err != nil {
		return out, err
	}
	seen := rec
	if _, err := veil(t, &seen); err != nil {
		return out, err
	}
	disposition, state, err := d.verdict(&seen)
	if err != nil {
		return out, err
	}
	if err := d.current(t, state); err != nil {
		return out, err
	}
	group, err := d.group(t, &entry, &rec)
	if err != nil {
		return out, err
	}
	if !disposition.Benign() {
		r := recall{t: t, e: e, d: d}
		if err := r.of(&entry, &rec); err != nil {
			return out, err
		}
		out.Recalled = r.done
	}
	// The named alert comes last: the verdict kept for later repeats is the one on it.
	for _, id := range slices.Backward(group) {
		if err := d.settle(t, e, id, disposition, state); err != nil {
			return out, err
		}
	}
	out.Settled = group
	return out, out.rules(t)
}

// rules says what the decision has done to the rules that dropped the alerts.
func (r *Result) rules(t *ledger.Tx) error {
	for _, id := range r.Settled {
		miss, err := t.MissOf(id)
		switch {
		case err != nil:
			return err
		case miss.Stands() && !slices.Contains(r.Missed, miss.Rule):
			r.Missed = append(r.Missed, miss.Rule)
		case !miss.Stands() && miss.ID != "" && !slices.Contains(r.Reverted, miss.Rule):
			r.Reverted = append(r.Reverted, miss.Rule)
		}
	}
	return nil
}

// current refuses to close on a record that is not the current one any more: what the person saw
// has changed, or somebody has decided since. A decision that raises an alert holds all the same.
func (d Decision) current(t *ledger.Tx, state winnow.State) error {
	if state != winnow.StateClosed && d.Action != Approve {
		return nil
	}
	seq, err := t.Seq(d.ID)
	if err == nil && seq != d.Seq {
		err = fmt.Errorf("%w: alert %s has changed since: look again with `winnow review show %s`", ErrRefused, d.ID, d.ID)
	}
	return err
}

// verdict returns what the person holds of the alert, and the state that follows.
func (d Decision) verdict(rec *winnow.Record) (winnow.Disposition, winnow.State, error) {
	switch d.Action {
	case Reject:
		return winnow.Undetermined, winnow.StateEscalated, nil
	case Correct:
		return d.Disposition, stateOf(d.Disposition), nil
	case Approve:
		if rec.Verdict.Disposition == winnow.Undetermined || rec.Verdict.Disposition == winnow.Other {
			return 0, "", fmt.Errorf("%w: alert %s has no verdict to approve: say what it was with `winnow review correct %s --as DISPOSITION`",
				ErrRefused, rec.ID, rec.ID)
		}
		return rec.Verdict.Disposition, stateOf(rec.Verdict.Disposition), nil
	}
	return 0, "", fmt.Errorf("%w: unknown action %q", ErrRefused, d.Action)
}

// stateOf is what a person's disposition does with an alert: benign closes it; Other closes it
// too, because a person has looked, but nothing follows from it; the rest stays escalated.
func stateOf(d winnow.Disposition) winnow.State {
	if d.Benign() || d == winnow.Other {
		return winnow.StateClosed
	}
	return winnow.StateEscalated
}

// group returns the alerts that the decision settles: the named one first, then those with the
// same cache key that wait for the same answer.
func (d Decision) group(t *ledger.Tx, entry *ledger.Entry, rec *winnow.Record) ([]string, error) {
	ids := []string{d.ID}
	waits := rec.Outcome.State == winnow.StateInReview || rec.Outcome.State == winnow.StateEscalated
	if d.Only || !waits {
		return ids, nil
	}
	open, err := t.OpenWithKey(entry.Key)
	if err != nil {
		return nil, err
	}
	for _, id := range open {
		if id != d.ID {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (d Decision) settle(t *ledger.Tx, e Engine, id string, disposition winnow.Disposition, state winnow.State) error {
	entry, err := t.Alert(id)
	if err != nil {
		return err
	}
	rec, err := t.Record(id)
	if err != nil {
		return err
	}
	rec.Verdict.Disposition, rec.Verdict.Source = disposition, winnow.SourcePerson
	rec.Verdict.Stated, rec.Verdict.Confidence = 100, 100
	if rec.Verdict.Severity == winnow.SeverityUnknown {
		rec.Verdict.Severity = entry.Alert.Severity
	}
	if rec.Verdict.Case.What == "" {
		rec.Verdict.Case.What = rec.SearchName
	}
	rec.Verdict.Case.Why = why(d)
	actor := "person:" + d.Actor
	rec.Outcome = e.Outcome(rec.SearchName, state, winnow.ReasonPerson, actor)
	entry.Derived, entry.Joined = "", ""
	if id != d.ID {
		entry.Derived = d.ID // a later correction of the named alert recalls the group
	}
	if err := e.Settle(t, &entry, &rec); err != nil {
		return err
	}
	if disposition.Benign() && len(rec.Verdict.Taint) == 0 {
		if err := e.Precedent(t, &entry.Alert); err != nil {
			return err
		}
	}
	return t.AddReview(ledger.Review{
		ID: id, Action: string(d.Action), Disposition: disposition, Actor: d.Actor, Reason: d.Reason, At: rec.Outcome.Time,
	})
}

func why(d Decision) string {
	if d.Reason == "" {
		return d.Actor + " decided."
	}
	return d.Actor + ": " + d.Reason
}
