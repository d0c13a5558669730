package triage

import (
	"fmt"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// A share of what a rule drops is triaged all the same: the canaries. What the analysts find benign,
// or cannot tell, stays closed; what they find malicious is escalated. Only a person makes a miss of
// it, and one miss takes the rule out of force.

// isCanary reports whether an alert is a sampled drop on its way through triage.
func isCanary(p winnow.Proposal) bool {
	return p.Kind == winnow.ProposeDrop && p.Reason == winnow.ReasonCanary
}

// prove keeps what an outcome says about the rule that dropped the alert, if one did, and about whoever closed it.
func (e *Engine) prove(t *ledger.Tx, rec *winnow.Record) error {
	if rec.Verdict.Source == winnow.SourcePerson {
		if err := e.proveByPerson(t, rec); err != nil {
			return err
		}
		if err := t.JudgeSample(rec.ID, judgement(rec)); err != nil {
			return err
		}
	}
	return t.JudgeCanary(rec.ID, judgement(rec))
}

// judgement says what an outcome makes of a sampled drop.
func judgement(rec *winnow.Record) ledger.Judgement {
	state, d := rec.Outcome.State, rec.Verdict.Disposition
	if state == winnow.StateLeft {
		state = rec.Outcome.Would
	}
	switch {
	case wasKept(rec) && rec.Verdict.Source != winnow.SourcePerson:
		return ledger.JudgedUnknown // a person has it elsewhere, and does not say here what it was
	case rec.Verdict.Source != winnow.SourcePerson && state == winnow.StateClosed, rec.Verdict.Source == winnow.SourcePerson && d.Benign():
		return ledger.JudgedBenign
	case rec.Verdict.Source == winnow.SourcePerson && d == winnow.TruePositive:
		return ledger.JudgedMalicious
	case rec.Verdict.Source == winnow.SourcePerson && d == winnow.Other:
		return ledger.JudgedUnknown
	}
	return ledger.JudgedWaiting
}

// proveByPerson makes a miss of a drop that a person finds to be an attack, and takes the miss back
// when the person does. That does not put the rule into force again: somebody has to say so.
func (e *Engine) proveByPerson(t *ledger.Tx, rec *winnow.Record) error {
	miss, err := t.MissOf(rec.ID)
	if err != nil {
		return err
	}
	attack := rec.Verdict.Disposition == winnow.TruePositive
	switch {
	case miss.Stands() && !attack:
		miss.Reverted, miss.RevertedBy = rec.Outcome.Time, rec.Outcome.Actor
		return t.PutMiss(miss)
	case attack && !miss.Stands():
		return e.miss(t, rec)
	}
	return nil
}

// miss suspends the rule that dropped an attack.
func (e *Engine) miss(t *ledger.Tx, rec *winnow.Record) error {
	rule, sampled, err := droppedBy(t, rec.ID)
	if err != nil || rule == "" {
		return err
	}
	err = t.PutMiss(ledger.Miss{ID: rec.ID, Rule: rule, Sampled: sampled, At: rec.Outcome.Time, Actor: rec.Outcome.Actor})
	if err != nil {
		return err
	}
	reason := fmt.Sprintf("alert %s, which it covers, is an attack", rec.ID)
	if fresh, err := e.SuspendRule(t, rule, rec.Outcome.Actor, reason); err != nil || !fresh {
		return err
	}
	_, err = e.raiseFinding(t, finding{
		search: SearchMiss, sid: "suspended:" + rule, rid: rec.ID, severity: rec.Severity,
		fields: winnow.Fields{"rule": {rule}, "alert": {rec.ID}, "alert_search": {rec.SearchName}},
		text: winnow.Case{
			What: fmt.Sprintf("Rule %s covers an attack: %s confirmed alert %s of %q.", rule, rec.Outcome.Actor, rec.ID, rec.SearchName),
			Why:  "The rule drops nothing any more, and what it has dropped may hold more of the same.",
			FirstResponse: fmt.Sprintf("Triage again what it dropped with `winnow rules recall %s`, mend the rule, then settle this with `review correct`.",
				rule),
		},
		reason: winnow.ReasonRuleMiss,
	})
	return err
}

// droppedBy returns the rule that an alert is a sampled drop of, or was closed by at any time.
func droppedBy(t *ledger.Tx, id string) (rule string, sampled bool, err error) {
	if rule, err = t.CanaryOf(id); err != nil || rule != "" {
		return rule, rule != "", err
	}
	history, err := t.History(id)
	for _, r := range history {
		if r.Verdict.Source == winnow.SourceRule {
			return r.Proposal.Rule, false, err
		}
	}
	return "", false, err
}

// SuspendRule takes a rule out of force, in this engine and for the alert action. It reports
// whether the rule was in force before. The file is written at once, so the rule stays suspended
// also when the transaction around fails: too little is dropped then, never too much.
func (e *Engine) SuspendRule(t *ledger.Tx, id, by, reason string) (fresh bool, err error) {
	err = e.changeSuspensions(t, by, "suspend rule "+id, false, func(s *allowlist.Suspensions) bool {
		if fresh = !s.Rule(id); fresh {
			s.Rules[id] = allowlist.Suspension{By: by, At: e.Now().UTC(), Reason: reason}
		}
		return fresh
	})
	return fresh, err
}

// suspensionsGone says why a suspension cannot be kept.
const suspensionsGone = "the suspensions file cannot be read, and is not replaced: bring it back first (see `winnow doctor`)"
