package llm

import (
	"fmt"
	"strings"

	"github.com/winnow-soc/winnow"
)

// guardFact is the first half of G2: a close needs a benign fact that code found on fields the
// attacker cannot set. Policy may waive it, up to severity low only.
func (r *run) guardFact() {
	if len(r.c.Facts) > 0 {
		return
	}
	if !r.in.Policy.RequireFact && r.in.Alert.Severity.Within(winnow.SeverityLow) {
		return
	}
	r.object("G2", winnow.ReasonNoFact, "no benign fact on fields that an attacker cannot set")
}

// guardEvidence is the second half of G2: what the judgement cites must be in the alert, to the
// letter, and a benign judgement must cite something.
func (r *run) guardEvidence() {
	cited := r.c.Classification.Evidence
	if len(cited) == 0 {
		r.object("G2", winnow.ReasonEvidence, "the judgement cites no evidence")
		return
	}
	var wrong []string
	for _, e := range cited {
		if !r.c.holds(e) {
			wrong = append(wrong, fmt.Sprintf("%.60q", e.Field))
		}
	}
	if len(wrong) > 0 {
		r.object("G2", winnow.ReasonEvidence, "cited but not in the alert: "+strings.Join(wrong, ", "))
	}
}
