package triage

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

func (r *rig) sinksTold(kind ledger.DeliveryKind) (names []string) {
	for _, d := range r.sent() {
		if d.Kind == kind {
			names = append(names, d.Sink)
		}
	}
	return names
}

// Where findings are made, no notable event is written beside.
func TestFindingsReplaceNotables(t *testing.T) {
	for set, want := range map[string]string{"sink:finding.disabled=1": "notable", "sink:finding.disabled=0": "finding"} {
		r := newRig(t, "gate.place=owner", set)
		r.triage(r.alert("0", "user", "administrator", "src", "203.0.113.9"))
		if got := r.sinksTold(ledger.DeliverNotable); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: told %v", set, got)
		}
	}
}

// What a sink gives up on goes out another way: every finding, and of updates the escalations. What a person
// or a later triage has settled otherwise does not.
func TestGivenUpGoesAnotherWay(t *testing.T) {
	for name, c := range map[string]struct {
		place   string
		kind    ledger.DeliveryKind
		state   winnow.State
		comment bool
		settled winnow.State // by a person meanwhile; "" for nobody
		want    []string
	}{
		"a finding":                    {"owner", ledger.DeliverNotable, winnow.StateInReview, false, "", []string{"notable"}},
		"an escalation":                {"beside", ledger.DeliverUpdate, winnow.StateEscalated, false, "", []string{"notable"}},
		"a comment on an escalation":   {"beside", ledger.DeliverUpdate, winnow.StateEscalated, true, "", nil},
		"what waits in the queue":      {"beside", ledger.DeliverUpdate, winnow.StateInReview, false, "", nil},
		"a close":                      {"beside", ledger.DeliverUpdate, winnow.StateClosed, false, "", nil},
		"an escalation, settled since": {"beside", ledger.DeliverUpdate, winnow.StateEscalated, false, winnow.StateClosed, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "gate.place="+c.place, "sink:finding.disabled=0")
			rec := r.triage(r.alert("0"))
			r.settle(rec.ID, winnow.TruePositive, c.state)
			given := ledger.Delivery{
				Key: rec.ID + "/9/x", Sink: "x", Kind: c.kind, WinnowID: "w", Record: r.record(rec.ID), CommentOnly: c.comment,
			}
			if c.settled != "" {
				r.settle(rec.ID, winnow.BenignPositive, c.settled)
			}
			before := r.sinksTold(ledger.DeliverNotable)
			for range 2 { // given up twice, it goes out once
				r.update(func(tx *ledger.Tx) error { _, err := r.engine.otherWay(tx, &given); return err })
			}
			got := r.sinksTold(ledger.DeliverNotable)[len(before):]
			if !slices.Equal(got, c.want) {
				t.Errorf("told %v, want %v", got, c.want)
			}
		})
	}
}

// That something went another way is counted, once.
func TestGivenUpGoesAnotherWayAndIsCounted(t *testing.T) {
	r := newRig(t, "gate.place=beside", "sink:finding.disabled=0")
	rec := r.triage(r.alert("0"))
	r.settle(rec.ID, winnow.TruePositive, winnow.StateEscalated)
	w := r.watch()
	w.update.fail = func(ledger.Delivery) error { return errForGood }
	w.turns()
	if diff := cmp.Diff([]string{"update to notable"}, w.meter.said); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
