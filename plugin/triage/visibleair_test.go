package triage

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

// What becomes late while its analysts are busy has one notable event, and their answer goes into that one.
func TestLateWhileItIsAnalysed(t *testing.T) {
	for name, disposition := range map[string]string{"closed": "BenignPositive", "escalated": "TruePositive"} {
		t.Run(name, func(t *testing.T) {
			r := newPaidRig(t, "gate.place=owner")
			r.model.disposition = disposition
			tw := r.tower()
			w := r.watch()
			a := r.alert("0")
			a.Severity, a.Received = winnow.SeverityMedium, r.at
			r.admit(Row{Alert: a, Proposal: passes})
			for range 2 { // it takes off, and is not back when its time is over
				_, err := w.Turn(t.Context())
				r.ok(err)
				r.at = r.at.Add(31 * time.Minute)
			}
			if diff := cmp.Diff([]string{"late queued, comment"}, told(w.notable)); diff != "" {
				t.Fatalf("told before (-want +got):\n%s", diff)
			}
			close(tw.gate("0"))
			r.ok(w.await(t.Context(), nil, time.Minute))
			w.turns()
			if diff := cmp.Diff([][]string{{"late queued, comment"}, {name}}, [][]string{told(w.notable), told(w.update)}); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}
