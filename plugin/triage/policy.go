package triage

import (
	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/conf"
)

// judge turns an analysis into a state. forced is set when the alert goes to a person whatever
// the analysts say. Only a benign verdict that no guard objects to, within the ceiling, closes.
func judge(a *winnow.Alert, an *llm.Analysis, forced winnow.Reason, p conf.Policy) (winnow.State, winnow.Reason) {
	if forced != "" {
		return winnow.StateEscalated, forced
	}
	v := &an.Verdict
	if highRiskTechnique(v.Techniques, p) != "" {
		return winnow.StateEscalated, winnow.ReasonHighRisk
	}
	if v.Disposition == winnow.TruePositive {
		if v.Confidence >= p.EscalateConfidence {
			return winnow.StateEscalated, winnow.ReasonMalicious
		}
		return raise(a, winnow.ReasonMalicious, p)
	}
	if !an.Closable() {
		return raise(a, objection(an), p)
	}
	if !a.Severity.Within(p.MaxSeverity) || v.Severity > p.MaxSeverity {
		return raise(a, winnow.ReasonCeiling, p)
	}
	return winnow.StateClosed, winnow.ReasonVerdict
}

// raise sends an undecided alert to the review queue, and the most severe ones straight to a
// person.
func raise(a *winnow.Alert, reason winnow.Reason, p conf.Policy) (winnow.State, winnow.Reason) {
	if p.EscalateSeverity != winnow.SeverityUnknown && a.Severity >= p.EscalateSeverity {
		return winnow.StateEscalated, reason
	}
	return winnow.StateInReview, reason
}

// objection picks the reason that says most about why an alert was not closed. Those at the front say
// it of any verdict, the others only of one that would have closed.
func objection(an *llm.Analysis) winnow.Reason {
	for _, r := range []winnow.Reason{
		winnow.ReasonTaint, winnow.ReasonSplitVote, winnow.ReasonNoBudget, winnow.ReasonDataClass, winnow.ReasonRefused,
		winnow.ReasonFiltered, winnow.ReasonAnswerCut, winnow.ReasonNoAnswer, winnow.ReasonToolLoop,
	} {
		if an.Objected(r) {
			return r
		}
	}
	for _, r := range []winnow.Reason{
		winnow.ReasonBadAnswer, winnow.ReasonEvidence, winnow.ReasonUnseen, winnow.ReasonProse, winnow.ReasonNoFact, winnow.ReasonConfidence, winnow.ReasonOffline,
	} {
		if an.Objected(r) && (an.Verdict.Disposition.Benign() || r == winnow.ReasonBadAnswer && an.Verdict.Source == winnow.SourceModel) {
			return r
		}
	}
	return winnow.ReasonUndecidable
}
