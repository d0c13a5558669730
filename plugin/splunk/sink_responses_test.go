package splunk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

func responseDelivery(rid string, change int, state winnow.State, jobs ...winnow.Job) ledger.Delivery {
	d := delivery(rid, change, state)
	d.Kind, d.Sink, d.Jobs = ledger.DeliverResponse, "responses", jobs
	d.Alert.App, d.Alert.Owner = "SecurityApp", "admin"
	return d
}

// The order of the fields, and that empty ones are left out, is what Splunk's own parser of these lines expects.
func TestResponseLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "winnow_triage_modalert.log")
	open := func() *ResponseSink { return NewResponseSink("responses", path, "sh1", newClock().now) }
	sink := open()
	adhoc := winnow.Job{SID: "1767312000.42", RID: "1"}
	gaveUp := responseDelivery("2", 1, winnow.StateEscalated, winnow.Job{PerRow: true})
	gaveUp.Record.Outcome.Reason = winnow.ReasonGaveUp + ":model"
	hostile := responseDelivery("3", 1, winnow.StateLeft, winnow.Job{SID: "1.2\" action_status=\"failure", RID: "a\nb"})
	hostile.Alert.SearchName, hostile.Alert.Owner, hostile.Alert.App = "x\" \r\n2026 sendmodaction - sid=\"forged\"", `ann\`, ""
	for _, d := range []ledger.Delivery{
		responseDelivery("0", 1, winnow.StateClosed, winnow.Job{}),
		responseDelivery("0", 2, winnow.StateInReview, adhoc, winnow.Job{SID: "1767312001.43", RID: "0"}),
		gaveUp, hostile,
	} {
		deliver(t, sink, d)
		deliver(t, sink, d)
		deliver(t, open(), d) // the next worker, which repeats what was under way
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "responses.log", text)
	if lines := strings.Count(string(text), "\n"); lines != 5 {
		t.Errorf("%d lines, want 5", lines)
	}
}

func TestResponsesFail(t *testing.T) {
	sink := NewResponseSink("responses", filepath.Join(t.TempDir(), "gone", "x.log"), "", newClock().now)
	d := responseDelivery("0", 1, winnow.StateClosed, winnow.Job{})
	wantError(t, sink.Deliver(t.Context(), d), CodeDisk, true)
	wantError(t, sink.Deliver(t.Context(), delivery("0", 1, winnow.StateClosed)), CodeInput, false, "kind update")
}

// Outside Splunk there is nobody to tell, and nothing waits.
func TestResponsesOutsideSplunk(t *testing.T) {
	sinks, err := OpenSinks([]conf.Sink{{Name: "responses", Type: conf.SinkResponses, Path: "$SPLUNK_HOME/x.log"}}, SinkOptions{State: t.TempDir(), Now: newClock().now})
	if err != nil || len(sinks) != 1 || sinks[0].Name() != "responses" {
		t.Fatalf("%v, %v", sinks, err)
	}
	deliver(t, sinks[0], responseDelivery("0", 1, winnow.StateClosed, winnow.Job{}))
}
