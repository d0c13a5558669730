package triage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// batchSink takes several deliveries in one go, and answers as the test says.
type batchSink struct {
	name   string
	answer func(ledger.Delivery) error
	calls  [][]ledger.Delivery
}

func (s *batchSink) Name() string { return s.name }

func (s *batchSink) Deliver(ctx context.Context, d ledger.Delivery) error {
	return s.DeliverAll(ctx, []ledger.Delivery{d})[0]
}

func (s *batchSink) DeliverAll(_ context.Context, all []ledger.Delivery) []error {
	s.calls = append(s.calls, all)
	errs := make([]error, len(all))
	for i, d := range all {
		errs[i] = s.answer(d)
	}
	return errs
}

// What is due for a sink that takes several is one call, and each has its own answer.
func TestDeliveriesAreHandedOutInOneGo(t *testing.T) {
	r := newRig(t)
	var bad string
	for _, user := range []string{"bob", "carol", "dan"} {
		bad = r.triage(r.alert(user, "user", user)).ID
	}
	events := &batchSink{name: "events", answer: func(d ledger.Delivery) error {
		if d.Record.ID == bad {
			return errForGood
		}
		return nil
	}}
	w := r.worker(&sink{name: "update"}, events)
	_, err := w.deliver(t.Context())
	if r.ok(err); len(events.calls) != 1 || len(events.calls[0]) < 3 {
		t.Fatalf("%d calls, want one with all", len(events.calls))
	}
	for _, d := range events.calls[0] {
		if state := r.deliveryTo(d.Record.ID, "events"); state.Done.IsZero() != (d.Record.ID == bad) {
			t.Errorf("%s: %+v", d.Record.ID, state)
		}
		if d.Seq == 0 {
			t.Error("a delivery does not say which change it tells of")
		}
	}
}

// A sink that panics fails what it was given, and nothing else.
func TestBatchThatPanics(t *testing.T) {
	r := newRig(t)
	rec := r.triage(r.alert("0"))
	w := r.worker(&sink{name: "update"}, &batchSink{name: "events", answer: func(ledger.Delivery) error { panic("broken") }})
	_, err := w.deliver(t.Context())
	r.ok(err)
	if d := r.deliveryTo(rec.ID, "events"); !d.Done.IsZero() || d.Attempts != 1 {
		t.Errorf("delivery is %+v", d)
	}
	if d := r.deliveryTo(rec.ID, "update"); d.Done.IsZero() {
		t.Errorf("the other sink's is %+v", d)
	}
}

// A server says when to come back: not before that, and not much later for one that asks for ever.
func TestServerSaysWhenToComeBack(t *testing.T) {
	for _, c := range []struct{ after, want time.Duration }{{time.Minute, time.Minute}, {time.Millisecond, 5 * time.Second}, {1000 * time.Hour, time.Hour}, {-time.Hour, 5 * time.Second}} {
		r := newRig(t)
		rec := r.triage(r.alert("0"))
		tries := 0
		events := &batchSink{name: "events", answer: func(ledger.Delivery) error {
			tries++
			return &ledger.LaterError{After: c.after, Err: errors.New("429")}
		}}
		w := r.worker(&sink{name: "update"}, events)
		for _, at := range []time.Duration{0, c.want - time.Second, time.Second} {
			r.at = r.at.Add(at)
			_, err := w.deliver(t.Context())
			r.ok(err)
		}
		if d := r.deliveryTo(rec.ID, "events"); tries != 2 || d.Attempts != 2 || d.Error != "429" {
			t.Errorf("%s: %d tries, %+v", c.after, tries, d)
		}
	}
}

// What was sent and is not confirmed stays in the outbox: asking about it is no new try, and after too many
// times that it had to be sent it is given up.
func TestSentIsNotDone(t *testing.T) {
	r := newRig(t)
	rec := r.triage(r.alert("0"))
	asked := 0
	events := &batchSink{name: "events", answer: func(ledger.Delivery) error {
		asked++
		return &ledger.LaterError{After: time.Second, Sent: true, Again: asked > 1, Err: errors.New("sent")}
	}}
	w := r.worker(&sink{name: "update"}, events)
	for range 300 {
		_, err := w.deliver(t.Context())
		r.ok(err)
		r.at = r.at.Add(time.Second)
	}
	if d := r.deliveryTo(rec.ID, "events"); asked != 300 || d.Attempts != 1 || !d.Done.IsZero() || d.Error != "sent" {
		t.Errorf("asked %d times, %+v", asked, d)
	}
	events.answer = func(ledger.Delivery) error { return nil }
	_, err := w.deliver(t.Context())
	if r.ok(err); r.deliveryTo(rec.ID, "events").Done.IsZero() {
		t.Error("confirmed, and not done")
	}

	again := r.triage(r.alert("1", "user", "zoe"))
	events.answer = func(ledger.Delivery) error {
		return &ledger.LaterError{After: time.Second, Sent: true, Err: errors.New("sent")}
	}
	for range deliveryTries + 10 {
		_, err := w.deliver(t.Context())
		r.ok(err)
		r.at = r.at.Add(time.Hour)
	}
	if d := r.deliveryTo(again.ID, "events"); d.Attempts < deliveryTries-1 || d.Attempts > deliveryTries+1 {
		t.Errorf("sent %d times without end", d.Attempts)
	}
}

// `worker --once` waits until it knows what became of what it sent: the next one could only send it again.
func TestOnceWaitsForReceipts(t *testing.T) {
	r := newRig(t)
	rec := r.triage(r.alert("0"))
	r.state.Settings.Worker.Poll = time.Millisecond
	asked := 0
	events := &batchSink{name: "events", answer: func(ledger.Delivery) error {
		if asked++; asked > 3 {
			return nil
		}
		return &ledger.LaterError{After: time.Second, Sent: true, Again: asked > 1, Err: errors.New("sent")}
	}}
	w := r.worker(&sink{name: "update"}, events)
	w.Refresh = func() error { r.at = r.at.Add(time.Second / 4); return nil }
	r.ok(w.Once(t.Context()))
	if d := r.deliveryTo(rec.ID, "events"); d.Done.IsZero() || asked != 4 {
		t.Errorf("asked %d times, %+v", asked, d)
	}
}

// A sink is told of the outcomes that it wants to hear of.
func TestSinkHearsOfItsStates(t *testing.T) {
	r := newRig(t)
	r.sinks = append(r.sinks, conf.Sink{Name: "page", Type: conf.SinkWebhook, States: []string{"escalated"}})
	r.engine.Sinks = r.sinks
	rec := r.triage(r.alert("0"))
	told := r.deliveryTo(rec.ID, "page") != (ledger.DeliveryState{})
	if told != (rec.Outcome.State == "escalated") {
		t.Errorf("told %v of %s", told, rec.Outcome.State)
	}
	if r.deliveryTo(rec.ID, "events") == (ledger.DeliveryState{}) {
		t.Error("a sink that names no states hears of all")
	}
}

// What a sink refused for good is delivered once somebody asks for it; nothing else is, and nothing twice.
func TestRedeliver(t *testing.T) {
	r := newRig(t)
	rec := r.triage(r.alert("0"))
	refused := errForGood
	events := &batchSink{name: "events", answer: func(ledger.Delivery) error { return refused }}
	w := r.worker(&sink{name: "update", fail: func(ledger.Delivery) error { return errForGood }}, events)
	_, err := w.deliver(t.Context())
	r.ok(err)
	if got := r.retry(Retry{Sink: "update"}); got != (Retried{}) {
		t.Errorf("a sink of notables: %+v", got)
	}
	refused = nil
	for _, want := range []int{1, 0} {
		if got := r.retry(Retry{Sink: "events"}); got != (Retried{Deliveries: want}) {
			t.Errorf("%+v, want %d", got, want)
		}
		_, err := w.deliver(t.Context())
		r.ok(err)
	}
	if d := r.deliveryTo(rec.ID, "events"); d.Done.IsZero() || len(events.calls) != 2 {
		t.Errorf("%d calls, delivery is %+v", len(events.calls), d)
	}
	if d := r.deliveryTo(rec.ID, "update"); !d.Done.IsZero() {
		t.Errorf("the other sink's is %+v", d)
	}
}

// parallelSink waits in each delivery until as many are made at the same time as it takes.
type parallelSink struct {
	*sink
	meet   chan struct{}
	mu     sync.Mutex
	busy   map[string]bool // alerts that are being delivered
	most   int
	clash  string
	atOnce int
}

func (s *parallelSink) AtOnce() int { return s.atOnce }

func (s *parallelSink) Deliver(_ context.Context, d ledger.Delivery) error {
	s.mu.Lock()
	if s.busy[d.Record.ID] {
		s.clash = d.Record.ID
	}
	s.busy[d.Record.ID] = true
	s.most = max(s.most, len(s.busy))
	if len(s.busy) == s.atOnce {
		close(s.meet)
		s.meet = make(chan struct{})
		clear(s.busy)
		s.mu.Unlock()
		return nil
	}
	meet := s.meet
	s.mu.Unlock()
	<-meet
	return nil
}

// TestAServerThatTakesSeveralAtOnceGetsThem: of different alerts, and never two of one.
func TestAServerThatTakesSeveralAtOnceGetsThem(t *testing.T) {
	r := newPaidRig(t)
	rec := r.triage(r.alert("done"))
	update := &parallelSink{sink: &sink{name: "update"}, meet: make(chan struct{}), busy: map[string]bool{}, atOnce: 4}
	w := r.worker(&sink{name: "events"}, &sink{name: "update"})
	r.once(w)
	w.Sinks[1] = update
	r.update(func(tx *ledger.Tx) error {
		for i := range 16 { // two of each of eight alerts
			rec.ID = fmt.Sprint("x", i/2)
			d := ledger.Delivery{Key: fmt.Sprint(rec.ID, i), Sink: "update", Kind: ledger.DeliverEvent, Record: rec}
			if err := tx.Post(d, start); err != nil {
				return err
			}
		}
		return nil
	})
	r.once(w)
	if update.most != 4 || update.clash != "" {
		t.Errorf("%d at once, two of alert %q", update.most, update.clash)
	}
	r.view(func(tx *ledger.Tx) error {
		waiting, failed, err := tx.OutboxCounts()
		if waiting+failed > 0 {
			t.Errorf("%d wait, %d failed", waiting, failed)
		}
		return err
	})
}

// TestASlowSinkHoldsUpNoOther: whatever waits for one sink, in a turn each other one hears all that is due.
func TestASlowSinkHoldsUpNoOther(t *testing.T) {
	r := newPaidRig(t)
	rec := r.triage(r.alert("done"))
	slow, events := &sink{name: "update"}, &sink{name: "events"}
	slow.fail = func(ledger.Delivery) error { r.at = r.at.Add(deliverFor / 4); return nil }
	w := r.worker(slow, events)
	r.once(w)
	slow.took, events.took = nil, nil
	const each = 3 * deliverBatch
	r.update(func(tx *ledger.Tx) error {
		for i := range each {
			for _, name := range []string{"update", "events"} {
				rec.ID = fmt.Sprint("x", i)
				d := ledger.Delivery{Key: rec.ID + name, Sink: name, Kind: ledger.DeliverEvent, Record: rec}
				if err := tx.Post(d, start); err != nil {
					return err
				}
			}
		}
		return nil
	})
	began := r.at
	_, err := w.Turn(t.Context())
	r.ok(err)
	if len(events.took) != each {
		t.Errorf("in one turn %d of %d events are told, and the slow sink has taken %d", len(events.took), each, len(slow.took))
	}
	if took := r.at.Sub(began); took > 2*deliverFor {
		t.Errorf("the slow sink had %s", took)
	}
	r.once(w)
	if len(slow.took) != each {
		t.Errorf("the slow sink has taken %d of %d", len(slow.took), each)
	}
}

// hangingSink is a server that never answers.
type hangingSink struct{ *sink }

func (hangingSink) AtOnce() int { return 2 }

func (hangingSink) Deliver(ctx context.Context, _ ledger.Delivery) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// TestAServerThatHangsHoldsUpNothing: turns go on, and what it has not taken when the worker ends is neither lost
// nor counted as a try.
func TestAServerThatHangsHoldsUpNothing(t *testing.T) {
	r := newPaidRig(t, "worker.drain=1s")
	events := &sink{name: "events"}
	w := r.worker(events, hangingSink{&sink{name: "update"}})
	r.ok(w.takeOver(t.Context()))
	const alerts = 3
	for i := range alerts {
		a := r.alert(fmt.Sprint("host", i))
		r.update(func(tx *ledger.Tx) error {
			_, err := r.engine.Admit(tx, Row{Alert: a, Proposal: winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule}})
			return err
		})
	}
	for len(events.took) < alerts {
		_, err := w.Turn(t.Context())
		r.ok(err)
		w.rest(t.Context(), false)
	}
	if w.out.empty() {
		t.Error("nothing is on its way to the server")
	}
	w.end(t.Context(), 0)
	r.view(func(tx *ledger.Tx) error {
		due, err := tx.Due(r.at, 100, "update")
		if len(due) != alerts {
			t.Errorf("%d of %d deliveries are due", len(due), alerts)
		}
		for _, p := range due {
			if p.Attempts > 0 {
				t.Errorf("%s was tried %d times", p.Key, p.Attempts)
			}
		}
		return err
	})
}
