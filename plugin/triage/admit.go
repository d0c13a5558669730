package triage

import (
	"errors"
	"fmt"
	"slices"

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
	Rebuilt  bool // read back from Splunk, because its delivery was missing
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
		return e.duplicate(t, &row, found.ID)
	}
	if id, err := e.rebuiltBefore(t, &row); err != nil || id != "" {
		if err != nil {
			return Admitted{}, err
		}
		return e.duplicate(t, &row, id)
	}
	own, err := e.ownID(t, a)
	if err != nil {
		return Admitted{}, err
	}
	if a.Adhoc && own != "" {
		return e.again(t, own, a.Job)
	}
	if found.Clashes > 0 && !row.Rebuilt {
		a.Warnings = append(a.Warnings, fmt.Sprintf("%d other rows claim sid %q rid %q with other content", found.Clashes, a.Key.SID, a.Key.RID))
	}
	entry := ledger.Entry{Alert: *a, Team: e.Teams.Of(a).Name, Key: cache.KeyOf(e.Keys, e.Fields, a), Notable: row.Notable}
	rec := winnow.NewRecord(a, row.Proposal)
	return e.admitNew(t, entry, rec, own)
}

// duplicate handles a row that the ledger has to the letter. Nothing of it changes, but when the
// action has written a notable for this delivery, none may be added; and a person who asks for
// the row gets it triaged again.
func (e *Engine) duplicate(t *ledger.Tx, row *Row, id string) (Admitted, error) {
	if row.Notable {
		if err := t.SetNotable(id); err != nil {
			return Admitted{}, err
		}
	}
	if row.Alert.Adhoc {
		return e.again(t, id, row.Alert.Job)
	}
	return Admitted{ID: id, Duplicate: true}, nil
}

// again handles a person's request to triage an alert that the ledger has. Only the same row, or
// winnow's own event about it, refers to one: sid and rid in a row are text that anybody can write.
func (e *Engine) again(t *ledger.Tx, id string, job winnow.Job) (Admitted, error) {
	if err := e.asked(t, id, job); err != nil {
		return Admitted{}, err
	}
	return Admitted{ID: id, Queued: true}, e.Requeue(t, id, winnow.ReasonAdhoc, "a person asked for it")
}

// ownID returns the alert that winnow itself wrote this row about: every signed id in it is
// genuine and of one alert that the ledger knows, and the row names that alert's sid and rid, as
// winnow's events do. A genuine id that was copied into another row does not make it winnow's.
func (e *Engine) ownID(t *ledger.Tx, a *winnow.Alert) (string, error) {
	own := ""
	for _, signed := range a.Fields["winnow_id"] {
		id, ok := e.Keys.Verify(signed)
		if !ok || own != "" && own != id {
			return "", nil
		}
		own = id
	}
	if own == "" {
		return "", nil
	}
	stored, err := t.Alert(own)
	if errors.Is(err, ledger.ErrNotFound) {
		return "", nil
	}
	if err != nil || !names(a, stored.Alert.Key) {
		return "", err
	}
	return own, nil
}

// names reports whether a row names a sid and rid as winnow's own events do: a notable in
// orig_sid and orig_rid (which an ad-hoc run has as its key), an outcome in sid and rid.
func names(a *winnow.Alert, k winnow.Key) bool {
	has := func(sid, rid string) bool {
		return slices.Equal(a.Fields[sid], []string{k.SID}) && slices.Equal(a.Fields[rid], []string{k.RID})
	}
	return has("orig_sid", "orig_rid") || has("sid", "rid") || a.Key.SID == k.SID && a.Key.RID == k.RID
}

func (e *Engine) admitNew(t *ledger.Tx, entry ledger.Entry, rec winnow.Record, own string) (Admitted, error) {
	a := &entry.Alert
	out := Admitted{ID: a.ID}
	if own != "" {
		e.decideOwn(&rec, own)
		return out, e.settleNew(t, entry, rec)
	}
	taint, err := e.forgery(t, a)
	if err != nil {
		return out, err
	}
	if rec.Proposal.Kind == winnow.ProposeDrop && e.dropHolds(a, &rec, taint != nil) {
		e.decideDrop(a, &rec)
		return out, e.settleNew(t, entry, rec)
	}
	out.Queued = true
	if err := t.Add(entry, rec); err != nil {
		return out, err
	}
	if isCanary(rec.Proposal) {
		if err := t.AddCanary(a.ID, rec.Proposal.Rule, a.Received); err != nil {
			return out, err
		}
	}
	since := e.since(a.Received)
	return out, queue.Push(t.Context(), t.Conn(), queue.Item{
		ID: a.ID, Search: a.SearchName, Priority: queue.Priority(a.Severity), Enqueued: since, VisibleBy: e.visibleBy(&entry, &rec, since),
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
func (e *Engine) dropHolds(a *winnow.Alert, rec *winnow.Record, tainted bool) bool {
	why := e.Gate.Confirm(a, rec.Proposal)
	if tainted && why != winnow.ReasonEscalateList {
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
	if rec.Proposal.Kind != winnow.ProposeEscalate {
		rec.Proposal.Kind, rec.Proposal.Reason = winnow.ProposePass, reason
	}
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
		ID: id, Search: entry.Alert.SearchName, Priority: queue.Priority(entry.Alert.Severity), Enqueued: e.Now(), Failure: queue.Failure{Detail: cause},
		VisibleBy: e.visibleBy(&entry, &rec, e.Now()),
	})
}
