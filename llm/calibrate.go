package llm

import (
	"fmt"
	"slices"

	"github.com/winnow-soc/winnow"
)

// uncalibratedMax is the most that a model's stated confidence counts for while nobody has
// measured how often it is right: models are surer than they should be.
const uncalibratedMax = 80

// confidence turns stated into calibrated confidence (guard G8), and reports whether a fitted table
// says so. Tables hold for benign judgements, the ones that close: of others nothing was measured.
func (r *run) confidence() (int, bool) {
	stated := r.judgement.confidence
	if r.judgement.disposition.Benign() {
		if fitted, ok := r.p.o.Calibration.Confidence(r.author, r.p.o.Facts.Families(r.in.Alert), stated); ok {
			if !r.byModel {
				// Offline analysts state fixed numbers that were set by measuring: labels can only lower them.
				fitted = min(fitted, stated)
			}
			return fitted, true
		}
	}
	if r.byModel && (!r.in.Policy.TrustUncalibrated || r.p.o.Calibration.isBroken()) {
		return min(stated, uncalibratedMax), false
	}
	return stated, false
}

// guardConfidence is G8. A policy without a number admits nothing.
func (r *run) guardConfidence() {
	want := r.in.Policy.Confidence
	if want <= 0 {
		r.object("G8", winnow.ReasonConfidence, "policy names no confidence")
		return
	}
	if got, _ := r.confidence(); got < want {
		r.object("G8", winnow.ReasonConfidence, fmt.Sprintf("confidence %d, policy wants %d", got, want))
	}
}

// Families returns the names of the families that cover an alert, in the order of the file. A nil
// receiver has none.
func (f *Facts) Families(a *winnow.Alert) []string {
	if f == nil {
		return nil
	}
	var out []string
	covered := f.covering(a.SearchName)
	for i, fam := range f.families {
		if (covered[i] || fam.speaksOf(a.Fields["sourcetype"])) && !slices.Contains(out, fam.name) {
			out = append(out, fam.name)
		}
	}
	return out
}
