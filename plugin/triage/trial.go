package triage

import (
	"context"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Trial is one alert on its way through analysts, guards and policy by itself: no rule, cached verdict or open
// case decides about it, and nothing of it is kept. It is how decisions are measured.
type Trial struct {
	e *Engine
	w work
}

// NewTrial looks at what sends the alert to a person whatever anybody believes. Not safe for concurrent use.
func (e *Engine) NewTrial(a winnow.Alert) *Trial {
	t := &Trial{e: e}
	t.w.entry = ledger.Entry{Alert: a}
	t.w.rec = winnow.NewRecord(&a, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule})
	if len(a.Fields["winnow_id"]) > 0 { // there is no ledger that knows it
		t.w.taint = []string{"forged:winnow_id"}
	}
	t.w.forced, t.w.detail = e.forced(&t.w.entry.Alert, &t.w.rec)
	e.takeOff(&t.w, 0)
	t.w.analyst = e.Analyst // also where only a sample would be put to it
	return t
}

// Tried is what became of a trial.
type Tried struct {
	Analysis llm.Analysis
	State    winnow.State
	Reason   winnow.Reason
	Failed   error // why the analysts gave no answer, nil when they did

	// Candidate tells that nothing but confidence and the benign-fact rule could speak against a close.
	Candidate bool
}

// Run puts the alert to the analysts. Trials may run concurrently. The error is that of a context that ended.
func (t *Trial) Run(ctx context.Context) (Tried, error) {
	t.w.ask(ctx)
	if ctx.Err() != nil {
		return Tried{}, context.Cause(ctx)
	}
	a, an := &t.w.entry.Alert, &t.w.analysis
	policy := t.e.search(a.SearchName).Policy
	out := Tried{Analysis: *an, Failed: t.w.err}
	if out.Failed != nil {
		out.State, out.Reason = winnow.StateEscalated, winnow.ReasonGaveUp
		return out, nil //nolint:nilerr // no answer is a result too
	}
	out.State, out.Reason = judge(a, an, t.w.forced, policy)
	out.Candidate = t.w.forced == "" && highRiskTechnique(an.Verdict.Techniques, policy) == "" && a.Severity.Within(policy.MaxSeverity) &&
		an.ClosableBut(winnow.ReasonConfidence, winnow.ReasonNoFact)
	return out, nil
}
