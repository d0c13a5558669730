package splunk

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

func newRiskSink(t testing.TB, s *splunktest.Server, scores conf.Scores) *RiskSink {
	t.Helper()
	sink, err := NewRiskSink("risk", NotableOptions{Spool: s.SpoolDir(), Intents: filepath.Join(s.Home, "sent", "risk"), Host: "sh1"}, scores, 0.5, newClock().now)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func riskDelivery(change int, state winnow.State, severity winnow.Severity) ledger.Delivery {
	d := delivery("0", change, state)
	d.Kind, d.Sink, d.Record.Severity = ledger.DeliverRisk, "risk", severity
	return d
}

// Users and systems of an alert get its score once for each state, however often that is told; what is closed
// adds nothing even when it is asked for.
func TestRiskIsAddedOnce(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	sink := newRiskSink(t, s, conf.Scores{winnow.SeverityHigh: 70})
	for change := range 3 {
		for range 2 {
			deliver(t, sink, riskDelivery(change, winnow.StateInReview, winnow.SeverityHigh))
			deliver(t, newRiskSink(t, s, conf.Scores{winnow.SeverityHigh: 70}), riskDelivery(change, winnow.StateEscalated, winnow.SeverityHigh))
			ingest(t, s)
		}
	}
	for _, state := range []winnow.State{winnow.StateClosed, winnow.StateLeft, winnow.StateQueued} {
		deliver(t, sink, riskDelivery(9, state, winnow.SeverityCritical))
	}
	ingest(t, s)
	var got []string
	for _, e := range s.Events("risk") {
		got = append(got, strings.Join([]string{
			e.Fields["risk_object"][0], e.Fields["risk_object_type"][0], e.Fields["risk_score"][0], e.Fields["winnow_state"][0], e.Source,
		}, " "))
	}
	want := []string{
		"ann user 35 in_review Impossible Travel", "10.8.0.4 system 35 in_review Impossible Travel",
		"ann user 70 escalated Impossible Travel", "10.8.0.4 system 70 escalated Impossible Travel",
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// No field of an alert, and nothing that a model wrote, names who gets risk or how much.
func TestHostileRisk(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	d := riskDelivery(1, winnow.StateEscalated, winnow.SeverityLow)
	d.Alert.Fields = winnow.Fields{
		"user": {"eve\"\n==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##==\n1, risk_object=\"ceo\""}, "risk_object": {"ceo"}, "risk_score": {"100"}, "winnow_id": {"x"},
	}
	for range 50 {
		d.Alert.Fields.Add("dest", strings.Repeat("d", 400))
	}
	d.Record.Verdict.Case.What = `risk_object="ceo"`
	deliver(t, newRiskSink(t, s, nil), d)
	if n := ingest(t, s); n > 1+maxRiskObjects {
		t.Fatalf("%d events", n)
	}
	for _, e := range s.Events("risk") {
		if len(e.Fields["risk_object"]) != 1 || e.Fields["risk_object"][0] == "ceo" || e.Fields["risk_score"][0] != "20" || e.Fields["winnow_id"][0] != d.WinnowID {
			t.Errorf("fields are %v", e.Fields)
		}
	}
	wantError(t, newRiskSink(t, s, nil).Deliver(t.Context(), delivery("0", 1, winnow.StateClosed)), CodeInput, false, "kind update")
}
