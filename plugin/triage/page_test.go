package triage

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// newPageRig is a rig that pages "first", and "second" when nobody has answered for ten minutes.
func newPageRig(t *testing.T, perHour int, set ...string) *rig {
	r := newRig(t, set...)
	r.sinks = append(r.sinks,
		conf.Sink{Name: "second", Type: conf.SinkSlack},
		conf.Sink{Name: "first", Type: conf.SinkPagerDuty, Next: "second", AckWithin: 10 * time.Minute, PerHour: perHour})
	r.ok(r.ledger.Close())
	r.open()
	return r
}

// told lists what waits in the outbox for those who are paged.
func (r *rig) told() (out []string) {
	for _, d := range r.sent() {
		if d.Kind == ledger.DeliverPage {
			out = append(out, d.Sink+" "+string(d.Page.Action))
		}
	}
	return out
}

func (r *rig) wantTold(want ...string) {
	r.t.Helper()
	if got := r.told(); !slices.Equal(got, want) {
		r.t.Fatalf("told %q, want %q", got, want)
	}
}

// escalated takes an alert to an escalation that nobody but winnow decided.
func (r *rig) escalated(rid string, pairs ...string) winnow.Record {
	r.t.Helper()
	rec := r.triage(r.alert(rid, append([]string{"user", "krbtgt", "src", stranger}, pairs...)...))
	if rec.Outcome.State != winnow.StateEscalated {
		r.t.Fatalf("it is %s (%s)", rec.Outcome.State, rec.Outcome.Reason)
	}
	return rec
}

func (r *rig) pageOn() {
	r.t.Helper()
	_, err := r.worker().pageOn(r.t.Context())
	r.ok(err)
}

// Only what is escalated in enforce, and by no person, wakes anybody.
func TestWhoIsPaged(t *testing.T) {
	for _, c := range []struct {
		state  winnow.State
		run    winnow.Run
		source winnow.Source
		want   bool
	}{
		{winnow.StateEscalated, winnow.RunEnforce, winnow.SourceModel, true},
		{winnow.StateEscalated, winnow.RunEnforce, winnow.SourceNone, true},
		{winnow.StateEscalated, winnow.RunEnforce, winnow.SourcePerson, false},
		{winnow.StateEscalated, winnow.RunAssist, winnow.SourceModel, false},
		{winnow.StateEscalated, winnow.RunShadow, winnow.SourceModel, false},
		{winnow.StateLeft, winnow.RunEnforce, winnow.SourceModel, false},
		{winnow.StateInReview, winnow.RunEnforce, winnow.SourceModel, false},
		{winnow.StateClosed, winnow.RunEnforce, winnow.SourceModel, false},
		{winnow.StateQueued, winnow.RunEnforce, winnow.SourceNone, false},
		{"", winnow.RunEnforce, winnow.SourceNone, false},
	} {
		rec := winnow.Record{Verdict: winnow.Verdict{Source: c.source}, Outcome: winnow.Outcome{State: c.state, Run: c.run}}
		if got := pages(&rec); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	r := newPageRig(t, 0)
	r.triage(r.alert("closed", "user", "ann")) // benign
	r.wantTold()
}

func TestShadowPagesNobody(t *testing.T) {
	for _, run := range []string{"shadow", "assist"} {
		r := newPageRig(t, 0, "gate.run="+run)
		r.triage(r.alert("0", "user", "krbtgt", "src", stranger))
		r.wantTold()
	}
}

// A group is one page, however many alerts it has, and is over when the last of them is settled.
func TestOnePageForAGroup(t *testing.T) {
	r := newPageRig(t, 0)
	var ids []string
	for i := range 5 {
		ids = append(ids, r.escalated(fmt.Sprint(i)).ID)
	}
	r.wantTold("first trigger")
	for _, id := range ids[:4] {
		r.settle(id, winnow.FalsePositiveLogic, winnow.StateClosed)
	}
	r.wantTold("first trigger")
	r.settle(ids[4], winnow.FalsePositiveLogic, winnow.StateClosed)
	r.wantTold("first trigger", "first resolve")
	r.at = r.at.Add(time.Hour)
	r.pageOn() // nobody is paged for what is over
	r.wantTold("first trigger", "first resolve")
	r.escalated("again")
	r.wantTold("first trigger", "first resolve", "first trigger")
}

// What a person confirms is in somebody's hands.
func TestConfirmedIsAcknowledged(t *testing.T) {
	r := newPageRig(t, 0)
	rec := r.escalated("0")
	r.settle(rec.ID, winnow.TruePositive, winnow.StateEscalated)
	r.wantTold("first trigger", "first acknowledge")
}

// Nobody answers: the next is paged, once, and all hear of the end.
func TestUnansweredGoesOn(t *testing.T) {
	r := newPageRig(t, 0)
	rec := r.escalated("0")
	r.at = r.at.Add(9 * time.Minute)
	r.pageOn()
	r.wantTold("first trigger")
	r.at = r.at.Add(time.Minute)
	r.restart()
	r.pageOn()
	r.pageOn()
	r.wantTold("first trigger", "second trigger")
	r.settle(rec.ID, winnow.BenignPositive, winnow.StateClosed)
	r.wantTold("first trigger", "second trigger", "first resolve", "second resolve")
}

func TestAcknowledgedStays(t *testing.T) {
	r := newPageRig(t, 0)
	rec := r.escalated("0")
	for want := range 2 {
		r.update(func(t *ledger.Tx) error {
			n, err := r.engine.Acknowledge(t, rec.ID, "person:ann")
			if n != 1-want {
				r.t.Errorf("%d pages were open", n)
			}
			return err
		})
	}
	r.at = r.at.Add(time.Hour)
	r.pageOn()
	r.escalated("1") // joins what somebody has
	r.wantTold("first trigger", "first acknowledge")
}

// A target gets so many in an hour; the rest waits, the most severe first. What is critical never does.
func TestPagesPerHour(t *testing.T) {
	r := newPageRig(t, 2)
	n := len(r.sinks)
	r.sinks[n-1].Next = ""
	r.sinks = slices.Delete(r.sinks, n-2, n-1)
	r.restart()
	var ids []string
	for i, dest := range []string{"a", "b", "c", "d"} {
		ids = append(ids, r.escalated(fmt.Sprint(i), "dest", dest).ID)
	}
	r.wantTold("first trigger", "first trigger")
	critical := r.alert("9", "user", "krbtgt", "src", stranger, "dest", "z")
	critical.Severity = winnow.SeverityCritical
	r.triage(critical)
	r.wantTold("first trigger", "first trigger", "first trigger")
	r.pageOn()
	r.wantTold("first trigger", "first trigger", "first trigger")
	r.settle(ids[2], winnow.FalsePositiveData, winnow.StateClosed) // it was held: nobody was told, and nobody is
	r.at = r.at.Add(61 * time.Minute)
	r.pageOn()
	r.pageOn()
	r.wantTold("first trigger", "first trigger", "first trigger", "first trigger")
}

// What was settled before its page went out wakes nobody.
func TestSettledIsNotDelivered(t *testing.T) {
	r := newPageRig(t, 0)
	rec := r.escalated("0")
	r.settle(rec.ID, winnow.FalsePositiveLogic, winnow.StateClosed)
	first := &sink{name: "first"}
	_, err := r.worker(first).deliver(t.Context())
	r.ok(err)
	for _, d := range first.took {
		if d.Page.Action == ledger.PageTrigger {
			t.Error("somebody was woken for what is settled")
		}
	}
}

// What the receiver calls a page comes back into the ledger, and goes out with the page's end.
func TestTicketComesBack(t *testing.T) {
	r := newPageRig(t, 0)
	rec := r.escalated("0")
	first := &sink{name: "first", fail: func(d ledger.Delivery) error {
		if d.Page.Action == ledger.PageTrigger {
			return &ledger.TakenError{Ref: "SEC-7"}
		}
		return nil
	}}
	w := r.worker(first)
	_, err := w.deliver(t.Context())
	r.ok(err)
	r.view(func(tx *ledger.Tx) error {
		rows, err := tx.PagesAlertHas(rec.ID)
		if len(rows) != 1 || rows[0].Ref != "SEC-7" || rows[0].State != ledger.PageOpen {
			t.Errorf("%+v", rows)
		}
		return err
	})
	r.settle(rec.ID, winnow.FalsePositiveLogic, winnow.StateClosed)
	_, err = w.deliver(t.Context())
	r.ok(err)
	if len(first.took) != 1 || first.took[0].Page.Ref != "SEC-7" || first.took[0].Page.By != "person:ann" {
		t.Errorf("%+v", first.took)
	}
	r.wantTold()
}

// A target that can never be told has the next one paged at once.
func TestLostPageGoesOn(t *testing.T) {
	r := newPageRig(t, 0)
	r.escalated("0")
	first := &sink{name: "first", fail: func(ledger.Delivery) error { return errors.Join(errForGood) }}
	w := r.worker(first, &sink{name: "other"})
	_, err := w.deliver(t.Context())
	r.ok(err)
	r.pageOn()
	r.wantTold("second trigger")
}
