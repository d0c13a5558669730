package llm

import (
	"slices"

	"github.com/winnow-soc/winnow"
)

// Analysis is what the pipeline makes of one alert.
type Analysis struct {
	Verdict         winnow.Verdict
	Enrichment      Enrichment
	Correlation     Correlation
	Recommendations []Recommendation
	Objections      []Objection // every reason not to close the alert on this verdict
	Calls           []Call
	Cost            winnow.Cost

	// Model is whose confidence the verdict states, as calls are booked, and Families are the families of
	// searches that the alert belongs to: what calibration is fitted by. Calibrated tells that a fitted
	// table made the verdict's confidence of the stated one.
	Model      string
	Families   []string
	Calibrated bool

	Failed error // why a model gave no answer, nil if all did; another try may help

	judged bool
}

// Objection is a reason why an alert may not be closed on a verdict.
type Objection struct {
	Guard  string // "G2" to "G8", "" for the judgement itself
	Reason winnow.Reason
	Detail string // for people
}

// Closable reports whether the guards of this package let the verdict close the alert: it is
// benign and nothing speaks against it. The zero Analysis is not closable.
func (a Analysis) Closable() bool {
	return a.judged && len(a.Objections) == 0 && a.Failed == nil && a.Verdict.Disposition.Benign()
}

// ClosableBut reports whether the verdict would be closable if no guard objected for one of these reasons. It
// is for measuring what a guard costs, and closes nothing.
func (a Analysis) ClosableBut(reasons ...winnow.Reason) bool {
	b := a
	b.Objections = slices.DeleteFunc(slices.Clone(a.Objections), func(o Objection) bool { return slices.Contains(reasons, o.Reason) })
	return b.Closable()
}

// Objected reports whether some objection has the reason.
func (a Analysis) Objected(reason winnow.Reason) bool {
	for _, o := range a.Objections {
		if o.Reason == reason {
			return true
		}
	}
	return false
}

func (r *run) analysis() Analysis {
	var used Usage
	for _, c := range r.calls {
		used.Add(c.Usage)
	}
	v, calibrated := r.verdict()
	return Analysis{
		Model: r.author, Families: r.p.o.Facts.Families(r.in.Alert), Calibrated: calibrated,
		Verdict: v, Enrichment: r.c.Enrichment, Correlation: r.c.Correlation,
		Recommendations: r.recommend(), Objections: r.objections, Calls: r.calls,
		Cost: used.cost(), Failed: r.failed, judged: true,
	}
}

func (r *run) verdict() (v winnow.Verdict, calibrated bool) {
	confidence, calibrated := r.confidence()
	return winnow.Verdict{
		Disposition: r.judgement.disposition,
		Stated:      r.judgement.confidence,
		Confidence:  confidence,
		Severity:    severityOf(r.c.Enrichment.Severity),
		Techniques:  r.c.Correlation.IDs(),
		Source:      r.source,
		Evidence:    r.c.held(),
		Facts:       r.c.factNames(),
		Case:        r.judgement.words,
		Votes:       r.c.Votes,
		Taint:       r.c.Taint,
	}, calibrated
}

// held returns the evidence that is really in the alert: the rest is an objection, and must not
// reach a record as if it were one.
func (c *Case) held() []winnow.Evidence {
	var out []winnow.Evidence
	for _, e := range c.Classification.Evidence {
		if c.holds(e) {
			out = append(out, e)
		}
	}
	return out
}

// severityOf maps 1 to 5 to the severities from informational on; anything else is unknown.
func severityOf(n int) winnow.Severity {
	if n < 1 || n > 5 {
		return winnow.SeverityUnknown
	}
	return winnow.Severity(n)
}
