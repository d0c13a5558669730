package triage

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// call books one attempt; it is settled unless its state is "".
func (r *rig) call(b *Books, id string, state llm.SettlementState) {
	r.t.Helper()
	n, err := b.Reserve(r.t.Context(), llm.Charge{AlertID: id, Search: travel, Task: llm.TaskClassify, Model: "gpt-5.4-mini", Source: "mini", Attempt: 1, Reserve: 100})
	r.ok(err)
	if state != "" {
		r.ok(b.Settle(r.t.Context(), n, llm.Settlement{State: state, Reason: "ok", InputTokens: 7, OutputTokens: 3, Price: 42, Model: "gpt-5.4-mini-2026", Tier: "flex"}))
	}
}

func TestSinksAreToldWhatCallsCost(t *testing.T) {
	r := newRig(t, "model:mini.provider=openai", "model:mini.model=gpt-5.4-mini", "model:mini.key=env:KEY")
	books := &Books{Ledger: r.ledger, Now: func() time.Time { return r.at }}
	events := &batchSink{name: "events", answer: func(ledger.Delivery) error { return nil }}
	other := &batchSink{name: "other", answer: func(ledger.Delivery) error { return nil }}
	w := r.worker(&sink{name: "update"}, events, other)
	r.ok(w.takeOver(t.Context()))
	tell := func() (keys []string) {
		t.Helper()
		before := len(events.calls)
		_, err := w.tellCosts(t.Context())
		r.ok(err)
		for _, call := range events.calls[before:] {
			for _, d := range call {
				keys = append(keys, d.Key)
			}
		}
		return keys
	}
	r.call(books, "A1", llm.Settled)
	r.call(books, "A2", "")
	r.call(books, "A3", llm.Unsettled)
	if got := strings.Join(tell(), " "); got != "A1/call/1/events A3/call/3/events" {
		t.Errorf("told of %s", got)
	}
	d := events.calls[0][0]
	if c := d.Cost; c == nil || c.BookedNano != 42 || c.Provider != "openai" || c.Tier != "flex" || c.AlertID != "A1" || d.Kind != ledger.DeliverEvent ||
		!d.Record.Outcome.Time.Equal(r.at) || !strings.HasPrefix(d.WinnowID, "A1.") && d.WinnowID != r.keys.Sign("A1") {
		t.Errorf("delivery is %+v", d)
	}
	if got := tell(); len(got) > 0 || len(other.calls) > 0 {
		t.Errorf("told again of %q, and others of %v", got, other.calls)
	}

	// A sink that fails is tried again later, with the same key.
	events.answer = func(ledger.Delivery) error { return errors.New("down") }
	r.call(books, "A4", llm.Settled)
	if got := strings.Join(tell(), " "); got != "A4/call/4/events" {
		t.Errorf("told of %s", got)
	}
	events.answer = func(ledger.Delivery) error { return nil }
	if got := tell(); len(got) > 0 {
		t.Errorf("a sink that has just failed is told of %q", got)
	}
	r.at = r.at.Add(time.Hour)
	if got := strings.Join(tell(), " "); got != "A4/call/4/events" {
		t.Errorf("told of %s", got)
	}

	// A worker that takes over tells of what the dead one reserved, and of nothing twice.
	r.restart()
	books.Ledger = r.ledger
	w = r.worker(&sink{name: "update"}, events)
	r.ok(w.takeOver(t.Context()))
	if got := strings.Join(tell(), " "); got != "A2/call/2/events" {
		t.Errorf("told of %s", got)
	}
	if c := events.calls[len(events.calls)-1][0].Cost; c.State != ledger.CallUnsettled || c.Reason != "worker_died" || c.BookedNano != 100 {
		t.Errorf("told of %+v", c)
	}
}

// What was sent and not confirmed is asked about again, and a panic of a sink is no end of the worker.
func TestSinksThatDoNotSayWhetherTheyWereTold(t *testing.T) {
	r := newRig(t)
	books := &Books{Ledger: r.ledger, Now: func() time.Time { return r.at }}
	answers := []func() error{
		func() error { return &ledger.LaterError{After: time.Minute, Sent: true, Err: errors.New("sent")} },
		func() error { panic("broken") },
		func() error { return nil },
	}
	asked := 0
	events := &batchSink{name: "events", answer: func(ledger.Delivery) error { asked++; return answers[asked-1]() }}
	w := r.worker(&sink{name: "update"}, events)
	r.ok(w.takeOver(t.Context()))
	r.call(books, "A1", llm.Settled)
	for i, after := range []time.Duration{0, time.Second, time.Minute, time.Hour, time.Hour} {
		r.at = r.at.Add(after)
		n, err := w.tellCosts(t.Context())
		if r.ok(err); n != 0 != (i == 3) {
			t.Errorf("step %d: told %d", i, n)
		}
	}
	if asked != 3 {
		t.Errorf("asked %d times", asked)
	}
}

// farSink is a server that takes several events in one go, and answers when it may.
type farSink struct {
	*batchSink
	may chan struct{}
}

func (farSink) AtOnce() int { return 1 }

func (s farSink) DeliverAll(ctx context.Context, all []ledger.Delivery) []error {
	select {
	case <-s.may:
		return s.batchSink.DeliverAll(ctx, all)
	case <-ctx.Done():
		errs := make([]error, len(all))
		for i := range errs {
			errs[i] = context.Cause(ctx)
		}
		return errs
	}
}

// A server is told beside the turns; what it has not taken when the worker ends the next one tells.
func TestAServerIsToldBesideTheTurns(t *testing.T) {
	r := newRig(t)
	books := &Books{Ledger: r.ledger, Now: func() time.Time { return r.at }}
	far := farSink{&batchSink{name: "events", answer: func(ledger.Delivery) error { return nil }}, make(chan struct{})}
	w := r.worker(&sink{name: "update"}, far)
	r.ok(w.takeOver(t.Context()))
	r.call(books, "A1", llm.Settled)
	for range 3 {
		if n, err := w.tellCosts(t.Context()); n != 0 || err != nil {
			t.Errorf("told %d, %v", n, err)
		}
	}
	r.ok(w.endCosts(t.Context()))
	r.at = r.at.Add(time.Hour)
	close(far.may)
	for told := 0; told == 0; {
		n, err := w.tellCosts(t.Context())
		r.ok(err)
		told += n
	}
	r.ok(w.endCosts(t.Context()))
	if len(far.calls) != 1 || far.calls[0][0].Key != "A1/call/1/events" {
		t.Errorf("told of %+v", far.calls)
	}
}
