package triage

import (
	"encoding/json"
	"fmt"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// closeFromCache closes an alert when a verdict on the same key is valid at the time the alert
// was received, was not revoked, no escalation is open on its (src, dest) pairs, and G1 agrees.
func (e *Engine) closeFromCache(entry *ledger.Entry, rec *winnow.Record) bool {
	a := &entry.Alert
	v, ok := e.memory.Get(entry.Key, a.Received)
	e.Meter.Looked(ok)
	if !ok || a.Adhoc || e.proofDue(entry.Key) || e.Gate.Blind != "" || e.Gate.Suspensions.Verdict(v.AlertID) {
		return false
	}
	policy := e.search(a.SearchName).Policy
	if !v.Covers(a) || !a.Severity.Within(policy.MaxSeverity) || e.cases.Blocked(a, a.Received) {
		return false
	}
	rec.Verdict = winnow.Verdict{
		Disposition: v.Disposition, Stated: v.Confidence, Confidence: v.Confidence, Severity: a.Severity,
		Source: winnow.SourceCache, Facts: append([]string{"verdict:" + v.AlertID}, v.Facts...),
	}
	rec.Proposal.Kind, rec.Proposal.Reason, rec.Proposal.Rule = winnow.ProposeCached, winnow.ReasonCached, ""
	entry.Derived = v.AlertID
	e.groups.closed(entry.Key)
	e.decide(rec, winnow.StateClosed, winnow.ReasonCached, "cache")
	return true
}

// keep stores a verdict for later alerts with the same key, if it is of a kind that may be kept.
// Another verdict under the key, also one of another alert, is replaced.
func (e *Engine) keep(t *ledger.Tx, entry *ledger.Entry, rec *winnow.Record) error {
	ttl := e.Settings.Cache.TTL
	if rec.Verdict.Source == winnow.SourceModel {
		ttl = min(ttl, e.Settings.Cache.ModelTTL)
	}
	v, err := cache.Keep(&entry.Alert, &rec.Verdict, rec.Outcome.Time, ttl)
	if err != nil {
		return nil //nolint:nilerr // the error says why such a verdict is never kept
	}
	if err := e.reinstate(t, rec); err != nil {
		return err
	}
	e.memory.Put(entry.Key, v)
	return t.PutVerdict(entry.Key, v, e.Generation)
}

// reinstate lets verdicts on an alert count again that was taken back before: it has a new one.
// The old one is gone from the ledger since it was revoked.
func (e *Engine) reinstate(t *ledger.Tx, rec *winnow.Record) error {
	id := rec.ID
	if !e.Gate.Suspensions.Verdict(id) {
		return nil
	}
	s := e.Gate.Suspensions.Clone()
	delete(s.Verdicts, id)
	if err := e.noteSuspensions(t, s, rec.Outcome.Actor, "reinstate the verdict on "+id, true); err != nil {
		return err
	}
	if err := e.Suspend(s); err != nil {
		return fmt.Errorf("reinstate the verdict on %s: %w", id, err)
	}
	e.Gate.Suspensions = s
	return nil
}

// importCase reads an open escalation back into memory.
func (e *Engine) importCase(body []byte) error {
	var c cache.OpenCase
	if err := json.Unmarshal(body, &c); err != nil {
		return fmt.Errorf("decode open case: %w", err)
	}
	e.cases.Import([]cache.OpenCase{c})
	return nil
}

// openCase keeps an escalation: repeats of its key join it, and for a while ([cache] block) no
// cached verdict closes an alert between the same two hosts. The escalation of a repeat prolongs
// the case that it joins.
func (e *Engine) openCase(t *ledger.Tx, entry *ledger.Entry) error {
	a := &entry.Alert
	if entry.Joined == "" {
		e.cases.Open(cache.NewCase(entry.Key, a, a.Received))
	} else {
		e.cases.Join(entry.Key, a.Received)
	}
	c, ok := e.cases.Lookup(entry.Key)
	if !ok {
		return nil
	}
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode open case: %w", err)
	}
	return t.PutCase(c.AlertID, c.Opened, body)
}
