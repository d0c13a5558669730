package triage

import (
	"testing"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

func TestWhichOutcomesAddRisk(t *testing.T) {
	both := []string{"escalated", "in_review"}
	for _, c := range []struct {
		states []string
		state  winnow.State
		run    winnow.Run
		want   ledger.DeliveryKind
	}{
		{both, winnow.StateEscalated, winnow.RunEnforce, ledger.DeliverRisk},
		{both, winnow.StateInReview, winnow.RunEnforce, ledger.DeliverRisk},
		{nil, winnow.StateEscalated, winnow.RunEnforce, ledger.DeliverRisk},
		{nil, winnow.StateInReview, winnow.RunEnforce, ""},
		{both, winnow.StateEscalated, winnow.RunAssist, ""},
		{both, winnow.StateEscalated, winnow.RunShadow, ""},
		{both, winnow.StateClosed, winnow.RunEnforce, ""},
		{[]string{"closed"}, winnow.StateClosed, winnow.RunEnforce, ""}, // whatever the settings say
		{both, winnow.StateLeft, winnow.RunEnforce, ""},
		{both, winnow.StateQueued, winnow.RunEnforce, ""},
	} {
		rec := winnow.Record{Outcome: winnow.Outcome{State: c.state, Run: c.run}}
		if got := risk(conf.Sink{Type: conf.SinkRisk, States: c.states}, &rec); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// Shipped, no risk is added; switched on, an escalation adds it.
func TestRiskIsOffAsShipped(t *testing.T) {
	for set, want := range map[string]int{"gate.run=enforce": 0, "sink:risk.disabled=0": 1} {
		r := newRig(t, set)
		rec := r.triage(r.alert("0"))
		r.settle(rec.ID, winnow.TruePositive, winnow.StateEscalated)
		if got := len(r.sinksTold(ledger.DeliverRisk)); got != want {
			t.Errorf("%s: %d", set, got)
		}
	}
}
