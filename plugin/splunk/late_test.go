package splunk

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// lateDelivery tells of an alert that is not settled in time.
func lateDelivery(rid string) ledger.Delivery {
	d := delivery(rid, 0, winnow.StateQueued)
	d.Record.Verdict, d.CommentOnly, d.Late = winnow.Verdict{}, true, winnow.ReasonNoModel
	return d
}

// Enterprise Security's notable event gets one comment with the reason, and nothing else of it changes; the
// outcome that comes later is brought into it as into any.
func TestLateIsAComment(t *testing.T) {
	b := newBeside(t, map[string]string{"severity": "medium"})
	for range 2 {
		deliver(t, b.sink, lateDelivery("0"))
	}
	n := get(t, b.Server, b.id)
	if diff := cmp.Diff(State{Status: "1", Urgency: "medium"}, b.state(t)); diff != "" || len(n.Reviews) != 1 || !strings.HasPrefix(n.Reviews[0].Comment, "winnow: not triaged yet (no_model)") {
		t.Fatalf("%s reviews %+v", diff, n.Reviews)
	}
	deliver(t, b.sink, delivery("0", 2, winnow.StateClosed))
	if b.Open() != 0 {
		t.Error("the close that came later was not carried out")
	}
}

// Whoever has the notable event already need not be told.
func TestLateSaysNothingToWhoHasIt(t *testing.T) {
	b := newBeside(t, nil)
	b.person(t, "ann", splunktest.Change{Owner: "ann"})
	was := len(get(t, b.Server, b.id).Reviews)
	deliver(t, b.sink, lateDelivery("0"))
	if got := get(t, b.Server, b.id).Reviews; len(got) != was {
		t.Errorf("reviews are %+v", got)
	}
}

// The own notable says that nobody triaged it and why, and what becomes of the alert updates that one.
func TestLateNotableIsUpdatedLater(t *testing.T) {
	s := newServer(t, splunktest.Options{MinComment: 20})
	late := lateDelivery("0")
	late.Kind, late.Sink = ledger.DeliverNotable, "notable"
	for range 2 {
		deliver(t, newNotableSink(t, s), late)
		ingest(t, s)
	}
	n, err := find(newClient(t, s), testSID, "0")
	if err != nil || len(s.Notables()) != 1 {
		t.Fatalf("%d notables, %v", len(s.Notables()), err)
	}
	f := get(t, s, n.RuleID).Fields
	if strings.Join(f["winnow_status"], "") != "not triaged" || strings.Join(f["winnow_reason"], "") != "no_model" || len(f["winnow_id"]) != 1 {
		t.Errorf("fields are %v", f)
	}
	clk := newClock()
	clk.advance(time.Minute)
	deliver(t, NewUpdateSink("update", newClient(t, s), UpdateOptions{}, clk.now), delivery("0", 1, winnow.StateClosed))
	if s.Open() != 0 || len(s.Notables()) != 1 {
		t.Errorf("%d open of %d", s.Open(), len(s.Notables()))
	}
}
