package llm

import (
	"fmt"
	"strings"

	"github.com/winnow-soc/winnow"
)

// guard adds every objection to closing the alert. All of them are noted, not only the first, so
// that a person sees what it would take. G3 objects where answers are decoded.
func (r *run) guard() {
	r.guardDisposition()
	r.guardFact()
	r.guardEvidence()
	r.guardTaint()
	r.guardProse()
	r.guardSeenInFull()
	r.guardConfidence()
	r.guardOffline()
}

func (r *run) object(guard string, reason winnow.Reason, detail string) {
	r.objections = append(r.objections, Objection{Guard: guard, Reason: reason, Detail: detail})
}

// guardDisposition lets only benign judgements through.
func (r *run) guardDisposition() {
	switch d := r.judgement.disposition; {
	case d.Benign():
	case d == winnow.TruePositive:
		r.object("", winnow.ReasonMalicious, "believed real")
	default:
		r.object("", winnow.ReasonUndecidable, "the analysts could not tell")
	}
	if r.split {
		r.object("G8", winnow.ReasonSplitVote, "the panel did not agree")
	}
}

// guardTaint is G4: text that tries to steer its reader closes nothing.
func (r *run) guardTaint() {
	if len(r.c.Taint) > 0 {
		r.object("G4", winnow.ReasonTaint, "suspect text: "+strings.Join(r.c.Taint, ", "))
	}
}

// guardProse is the second half of G4: a model closes nothing into which others wrote sentences. What
// the patterns do not know may still have steered it. Offline analysts read no prose.
func (r *run) guardProse() {
	if len(r.prose) > 0 && !r.in.Policy.AllowProse && r.source == winnow.SourceModel {
		r.object("G4", winnow.ReasonProse, "sentences that others wrote: "+strings.Join(r.prose, ", "))
	}
}

// guardSeenInFull is G5: what was cut off, or kept from a model, may be what matters.
func (r *run) guardSeenInFull() {
	if len(r.c.Cut) > 0 {
		r.object("G5", winnow.ReasonUnseen, "too long to be seen in full: "+strings.Join(r.c.Cut, ", "))
	}
	if len(r.withheld) > 0 {
		r.object("G5", winnow.ReasonUnseen, "withheld from a model: "+strings.Join(r.withheld, ", "))
	}
}

// guardOffline holds offline analysts to the severity that policy lets them close. The alert's
// own severity counts, and the analyst's where it is higher; unknown is above every limit.
func (r *run) guardOffline() {
	if r.source == winnow.SourceModel {
		return
	}
	limit := r.in.Policy.OfflineMaxSeverity
	own, seen := r.in.Alert.Severity, severityOf(r.c.Enrichment.Severity)
	if !own.Within(limit) || own.Max(seen) > limit {
		r.object("", winnow.ReasonOffline,
			fmt.Sprintf("severity %s (seen as %s), offline analysts close up to %s", own, seen, limit))
	}
}
