package triage

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// A share of the closes of every closer goes to a person, who judges them without knowing of the close: how often a
// closer is wrong is known from these, and from nothing else that is fair. The alert stays closed meanwhile. What the
// person sees is what the built-in analysts say of it, as of any alert that they cannot tell, and not what closed
// it. In shadow and assist nothing is closed, and files that `winnow triage` reads have nobody who judges.

// sample draws whether a close is judged. The draw is keyed: nobody outside can foresee it.
func (e *Engine) sample(t *ledger.Tx, entry *ledger.Entry, rec *winnow.Record) error {
	r := &e.Settings.Review
	closer := rec.Verdict.Source
	if r.Sample <= 0 || e.Run != nil || closer == winnow.SourcePerson || entry.Alert.Adhoc || e.Keys.Canary("blind_sample", rec.ID, "") >= r.Sample {
		return nil
	}
	now := e.Now().UTC()
	today, err := t.SamplesSince(closer, now.Truncate(24*time.Hour))
	if err != nil || today >= r.SampleDaily {
		return err
	}
	blind, err := e.blind(t, entry, rec)
	if err != nil {
		return err
	}
	return t.AddSample(rec.ID, closer, now, blind)
}

// blind is the alert as people see it who judge it.
func (e *Engine) blind(t *ledger.Tx, entry *ledger.Entry, rec *winnow.Record) (b ledger.Blind, err error) {
	a := &entry.Alert
	b.Record = winnow.NewRecord(a, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule, RuleSet: rec.Proposal.RuleSet})
	b.Record.Verdict = winnow.Verdict{Severity: a.Severity, Source: winnow.SourceOffline, Case: winnow.Case{What: rec.SearchName}}
	b.Record.Outcome = winnow.Outcome{
		State: winnow.StateInReview, Reason: winnow.ReasonUndecidable, Actor: string(winnow.SourceOffline), Run: rec.Outcome.Run, Time: rec.Outcome.Time,
	}
	analyst := e.Analyst
	if e.Paid {
		analyst = e.Free
	}
	if analyst == nil {
		return b, nil
	}
	w := &work{entry: *entry, rec: *rec}
	if w.past, err = e.past(t, a); err != nil {
		return b, err
	}
	an, err := analyst.Analyse(t.Context(), e.question(w))
	if err != nil {
		return b, t.Context().Err() // that they cannot tell is no reason to lose the sample
	}
	b.Record.Verdict = an.Verdict
	v := &b.Record.Verdict
	v.Disposition, v.Stated, v.Confidence, v.Facts = winnow.Undetermined, 0, 0, nil
	if b.Advice, err = json.Marshal(an.Recommendations); err != nil {
		return b, fmt.Errorf("sample %s: encode recommendations: %w", rec.ID, err)
	}
	return b, nil
}
