package triage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// work is one queued alert on its way to an outcome. It goes through prepare and finish inside
// transactions, and through ask outside of any, so that a slow model holds nothing up.
type work struct {
	entry  ledger.Entry
	rec    winnow.Record
	forced winnow.Reason // it goes to a person whatever the analysts say
	detail string        // why it does, for that person
	taint  []string

	settled  bool
	analysis llm.Analysis
	err      error // the analysts gave no answer
}

// prepare reads a queued alert and settles it when nobody has to be asked: it repeats an open
// alert, or a cached verdict holds.
func (e *Engine) prepare(t *ledger.Tx, id string) (*work, error) {
	entry, err := t.Alert(id)
	if err != nil {
		return nil, err
	}
	rec, err := t.Record(id)
	if err != nil {
		return nil, err
	}
	entry.Links = ledger.Links{}
	w := &work{entry: entry, rec: rec, taint: e.forgery(&entry.Alert)}
	w.forced, w.detail = e.forced(&w.entry.Alert, &w.rec)
	if w.settled, err = e.cheap(t, w); err != nil || !w.settled {
		return w, err
	}
	return w, e.Settle(t, &w.entry, &w.rec)
}

// cheap joins an open alert or closes by a cached verdict.
func (e *Engine) cheap(t *ledger.Tx, w *work) (bool, error) {
	first, err := e.joinable(t, w)
	if err != nil {
		return false, err
	}
	if first != nil {
		e.join(&w.entry, &w.rec, first)
		return true, nil
	}
	return w.forced == "" && w.taint == nil && e.closeFromCache(&w.entry, &w.rec), nil
}

// joinable returns the open alert that this one may join, or nil. What goes to a person whatever
// anybody says, or was asked for by one, stands for itself.
func (e *Engine) joinable(t *ledger.Tx, w *work) (*winnow.Record, error) {
	if w.forced != "" || w.entry.Alert.Adhoc {
		return nil, nil //nolint:nilnil // "none" is an answer
	}
	return e.openFor(t, &w.entry)
}

// ask puts the alert to the analysts. It changes nothing of the engine and may run concurrently
// with itself.
func (e *Engine) ask(ctx context.Context, w *work) {
	a := &w.entry.Alert
	w.analysis, w.err = e.Analyst.Analyse(ctx, llm.Input{
		Alert: a, Fields: e.Fields, Lists: e.Lists, Verdicts: e, Taint: w.taint,
		Policy: llmPolicy(e.search(a.SearchName).Policy),
	})
	if w.err == nil {
		w.err = w.analysis.Failed
	}
}

// finish turns the analysis into an outcome and keeps it. While the analysts were busy an alert
// with the same key may have been opened: then this one joins it, unless it is believed real and
// the other only waits.
func (e *Engine) finish(t *ledger.Tx, w *work) error {
	if err := e.conclude(w); err != nil {
		return err
	}
	first, err := e.joinable(t, w)
	if err != nil {
		return err
	}
	if first != nil && (first.Outcome.State == winnow.StateEscalated || w.rec.Outcome.State != winnow.StateEscalated) {
		e.join(&w.entry, &w.rec, first)
	}
	return e.Settle(t, &w.entry, &w.rec)
}

func (e *Engine) conclude(w *work) error {
	a, an := &w.entry.Alert, &w.analysis
	advice, err := json.Marshal(an.Recommendations)
	if err != nil {
		return fmt.Errorf("triage %s: encode recommendations: %w", a.ID, err)
	}
	w.entry.Advice = advice
	w.rec.Verdict, w.rec.Cost = an.Verdict, addCost(w.rec.Cost, an.Cost)
	if w.detail != "" {
		w.rec.Verdict.Case.Why = strings.TrimSpace(w.detail + " " + an.Verdict.Case.Why)
	}
	state, reason := judge(a, an, w.forced, e.search(a.SearchName).Policy)
	if state == winnow.StateInReview && e.canaryHolds(a, &w.rec) {
		e.closeCanary(a, &w.rec)
		return nil
	}
	e.decide(&w.rec, state, reason, actorOf(an))
	return nil
}

// canaryHolds reports whether the alert is a sampled drop whose rule still covers it.
func (e *Engine) canaryHolds(a *winnow.Alert, rec *winnow.Record) bool {
	return rec.Proposal.Reason == winnow.ReasonCanary && e.Gate.Confirm(a, rec.Proposal) == winnow.ReasonCanary
}

// forced says why an alert goes to a person whatever anybody believes of it, in a word and in a
// sentence; "" when it does not.
func (e *Engine) forced(a *winnow.Alert, rec *winnow.Record) (reason winnow.Reason, detail string) {
	switch p := rec.Proposal; {
	case isLoss(p.Reason):
		return p.Reason, "Rows of this search were never seen by winnow."
	case p.Kind == winnow.ProposeEscalate:
		return p.Reason, e.describe(p.Rule)
	}
	if risk := e.highRiskIn(a); risk != "" {
		return winnow.ReasonHighRisk, "Always for a person: " + risk + "."
	}
	return "", ""
}

// describe returns what the escalate list says of one of its entries.
func (e *Engine) describe(id string) string {
	for _, entry := range e.Gate.Escalate.Entries() {
		if entry.ID == id {
			return fmt.Sprintf("Escalate list, %s: %s.", id, strings.TrimSuffix(entry.Description, "."))
		}
	}
	return "Escalate list: " + id + "."
}

// isLoss reports whether a proposal's reason stands for rows that were never seen.
func isLoss(r winnow.Reason) bool {
	return r == winnow.ReasonTruncated || r == winnow.ReasonResultsUnread || r == winnow.ReasonRecordUnread
}

// closeCanary closes a sampled drop by its rule after all: the analysts did not find it
// malicious, and what they cannot tell stays as the rule said.
func (e *Engine) closeCanary(a *winnow.Alert, rec *winnow.Record) {
	cost := rec.Cost
	e.decideDrop(a, rec)
	rec.Cost, rec.Outcome.Reason = cost, winnow.ReasonCanary
}

func actorOf(an *llm.Analysis) string {
	for _, call := range slices.Backward(an.Calls) {
		if an.Verdict.Source == winnow.SourceModel && call.Usage.Calls > 0 {
			return "model:" + call.Model
		}
	}
	return string(winnow.SourceOffline)
}

// forgery taints an alert that carries a winnow_id which this deployment did not sign: somebody
// tries to pass for winnow.
func (e *Engine) forgery(a *winnow.Alert) []string {
	for _, signed := range a.Fields["winnow_id"] {
		if _, ok := e.Keys.Verify(signed); !ok {
			return []string{"forged:winnow_id"}
		}
	}
	return nil
}

func llmPolicy(p conf.Policy) llm.Policy {
	return llm.Policy{
		Confidence: p.Confidence, TrustUncalibrated: p.TrustUncalibrated, RequireFact: p.RequireFact,
		OfflineMaxSeverity: p.OfflineMaxSeverity,
	}
}

func addCost(a, b winnow.Cost) winnow.Cost {
	return winnow.Cost{
		MicroUSD: a.MicroUSD + b.MicroUSD, Calls: a.Calls + b.Calls, InputTokens: a.InputTokens + b.InputTokens,
		CachedTokens: a.CachedTokens + b.CachedTokens, OutputTokens: a.OutputTokens + b.OutputTokens, Unpriced: a.Unpriced + b.Unpriced,
	}
}

// TriageNow admits a row and takes it to its outcome at once, without the queue: for files, where
// each alert has to see what came of those before it.
func (e *Engine) TriageNow(ctx context.Context, t *ledger.Tx, row Row) (Admitted, error) {
	done, err := e.Admit(t, row)
	if err != nil || !done.Queued {
		return done, err
	}
	w, err := e.prepare(t, done.ID)
	if err != nil || w.settled {
		return done, err
	}
	e.ask(ctx, w)
	if w.err != nil {
		if ctx.Err() != nil {
			return done, context.Cause(ctx)
		}
		return done, e.GiveUp(t, &w.entry, &w.rec, "analyst")
	}
	return done, e.finish(t, w)
}
