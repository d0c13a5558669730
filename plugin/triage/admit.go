package triage

import (
	"errors"
	"fmt"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// Row is one alert as the action or a file delivers it.
type Row struct {
	Alert    winnow.Alert // ID and Key.MAC are filled in by Admit
	Proposal winnow.Proposal
	Notable  bool // the action has already written a notable event for it
}

// Admitted says what became of a row.
type Admitted struct {
	ID        string
	Duplicate bool // the ledger had it already; nothing was changed
	Queued    bool // it waits for triage
}

// Admit brings a row into the ledger. What the gate proposed is asked again here; a proposal that
// does not hold any more sends the alert to triage, as does everything that is not proven.
func (e *Engine) Admit(t *ledger.Tx, row Row) (Admitted, error) {
	a := &row.Alert
	alertaction.Identify(a, e.Keys)
	found, err := t.Find(a.Key)
	if err != nil {
		return Admitted{}, err
	}
	if found.ID != "" {
		return Admitted{ID: found.ID, Duplicate: true}, nil
	}
	if a.Adhoc {
		if again, err := e.again(t, a); err != nil || again.ID != "" {
			return again, err
		}
	}
	if found.Clashes > 0 {
		a.Warnings = append(a.Warnings, fmt.Sprintf("%d other rows claim sid %q rid %q with other content", found.Clashes, a.Key.SID, a.Key.RID))
	}
	entry := ledger.Entry{Alert: *a, Key: cache.KeyOf(e.Keys, e.Fields, a), Notable: row.Notable}
	rec := winnow.NewRecord(a, row.Proposal)
	return e.admitNew(t, entry, rec)
}

// again handles a person's request to triage an alert that the ledger has: its row, recognised by
// sid and rid or by winnow's own id, goes back into the queue.
func (e *Engine) again(t *ledger.Tx, a *winnow.Alert) (Admitted, error) {
	id, err := e.ownID(t, a)
	if err == nil && id == "" {
		id, err = t.FindRow(a.Key.SID, a.Key.RID)
	}
	if err != nil || id == "" {
		return Admitted{}, err
	}
	return Admitted{ID: id, Queued: true}, e.Requeue(t, id, winnow.ReasonAdhoc, "a person asked for it")
}

// ownID returns the alert that winnow itself wrote this row about, if its signed id says so and
// the ledger knows it.
func (e *Engine) ownID(t *ledger.Tx, a *winnow.Alert) (string, error) {
	for _, signed := range a.Fields["winnow_id"] {
		id, ok := e.Keys.Verify(signed)
		if !ok {
			continue
		}
		if has, err := t.Has(id); err != nil || has {
			return id, err
		}
	}
	return "", nil
}

func (e *Engine) admitNew(t *ledger.Tx, entry ledger.Entry, rec winnow.Record) (Admitted, error) {
	a := &entry.Alert
	out := Admitted{ID: a.ID}
	if own, err := e.ownID(t, a); err != nil {
		return out, err
	} else if own != "" && e.forgery(a) == nil {
		e.decideOwn(&rec, own)
		return out, e.settleNew(t, entry, rec)
	}
	if rec.Proposal.Kind == winnow.ProposeDrop && e.dropHolds(a, &rec) {
		e.decideDrop(a, &rec)
		return out, e.settleNew(t, entry, rec)
	}
	out.Queued = true
	if err := t.Add(entry, rec); err != nil {
		return out, err
	}
	return out, queue.Push(t.Context(), t.Conn(), queue.Item{
		ID: a.ID, Search: a.SearchName, Priority: queue.Priority(a.Severity), Enqueued: a.Received,
	})
}

// decideOwn leaves winnow's own event alone: triaging it would make it write about itself for ever.
func (e *Engine) decideOwn(rec *winnow.Record, own string) {
	rec.Outcome = winnow.Outcome{
		State: winnow.StateLeft, Reason: winnow.ReasonOwn, Actor: "winnow", Run: e.search(rec.SearchName).Run,
		Would: winnow.StateLeft, Time: e.Now().UTC(),
	}
	rec.Verdict.Case.What = "winnow wrote this event itself, about alert " + own + "."
}

// dropHolds asks the rule again. When it does not cover the alert any more, or only as a canary,
// the record says so and the alert is queued.
func (e *Engine) dropHolds(a *winnow.Alert, rec *winnow.Record) bool {
	why := e.Gate.Confirm(a, rec.Proposal)
	if e.forgery(a) != nil && why != winnow.ReasonEscalateList {
		why = winnow.ReasonTaint
	}
	switch why {
	case winnow.ReasonRule:
		return e.highRiskIn(a) == ""
	case winnow.ReasonCanary:
		rec.Proposal.Reason = winnow.ReasonCanary
	case winnow.ReasonEscalateList:
		rec.Proposal = winnow.Proposal{Kind: winnow.ProposeEscalate, Reason: why, RuleSet: rec.Proposal.RuleSet}
	default:
		rec.Proposal = winnow.Proposal{Kind: winnow.ProposePass, Reason: why, Rule: rec.Proposal.Rule, RuleSet: rec.Proposal.RuleSet}
	}
	return false
}

// decideDrop closes an alert by its rule.
func (e *Engine) decideDrop(a *winnow.Alert, rec *winnow.Record) {
	rec.Verdict = winnow.Verdict{
		Disposition: winnow.BenignPositive, Stated: 100, Confidence: 100, Severity: a.Severity, Source: winnow.SourceRule,
		Facts: []string{"rule:" + rec.Proposal.Rule},
	}
	if r := e.Gate.Rules.Find(rec.Proposal.Rule); r != nil {
		rec.Verdict.Case = winnow.Case{What: r.Description, Why: r.Reason + " (" + r.Owner + ")"}
	}
	e.decide(rec, winnow.StateClosed, winnow.ReasonRule, "rule:"+rec.Proposal.Rule)
}

// Requeue sends an alert that has an outcome back to triage, with the reason why.
func (e *Engine) Requeue(t *ledger.Tx, id string, reason winnow.Reason, cause string) error {
	entry, err := t.Alert(id)
	if err != nil {
		return err
	}
	rec, err := t.Record(id)
	if err != nil {
		return err
	}
	if rec.Outcome.State == winnow.StateQueued {
		return nil
	}
	before := rec.Outcome.State
	rec.Verdict = winnow.Verdict{}
	rec.Proposal.Kind, rec.Proposal.Reason = winnow.ProposePass, reason
	rec.Outcome = winnow.Outcome{
		State: winnow.StateQueued, Reason: reason, Actor: "winnow", Run: rec.Outcome.Run, Time: e.Now().UTC(),
	}
	if _, err := t.Change(rec, ledger.Links{}); err != nil {
		return err
	}
	if err := errors.Join(e.leaveOpen(t, &entry, before), e.closeCase(t, id)); err != nil {
		return err
	}
	return queue.Push(t.Context(), t.Conn(), queue.Item{
		ID: id, Search: entry.Alert.SearchName, Priority: queue.Priority(entry.Alert.Severity), Enqueued: e.Now(), Cause: cause,
	})
}
