package llm

import (
	"fmt"

	"github.com/winnow-soc/winnow"
)

// uncalibratedMax is the most that a model's stated confidence counts for while nobody has
// measured how often it is right: models are surer than they should be.
const uncalibratedMax = 80

// calibrated turns stated into calibrated confidence (guard G8). Offline analysts state fixed
// numbers that were set by measuring, and are held by their own severity limit.
func calibrated(source winnow.Source, stated int, trust bool) int {
	if source == winnow.SourceModel && !trust {
		return min(stated, uncalibratedMax)
	}
	return stated
}

// guardConfidence is G8. A policy without a number admits nothing.
func (r *run) guardConfidence() {
	want := r.in.Policy.Confidence
	if want <= 0 {
		r.object("G8", winnow.ReasonConfidence, "policy names no confidence")
		return
	}
	if got := calibrated(r.source, r.judgement.confidence, r.in.Policy.TrustUncalibrated); got < want {
		r.object("G8", winnow.ReasonConfidence, fmt.Sprintf("confidence %d, policy wants %d", got, want))
	}
}
