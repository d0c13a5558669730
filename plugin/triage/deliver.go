package triage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// BatchSink is a sink that takes several deliveries in one go. DeliverAll returns what came of each,
// in their order.
type BatchSink interface {
	Sink
	DeliverAll(ctx context.Context, all []ledger.Delivery) []error
}

// deliver hands what is due in the outbox to the sinks, each for a while, and to servers beside the turn: however
// much waits for one of them, a slow splunkd say, nothing else waits for it.
func (w *Worker) deliver(ctx context.Context) (n int, err error) {
	w.lookedOut = w.Engine.Now()
	w.gateOff.Store(w.Engine.Gate.Blind == winnow.ReasonGateOff)
	if n, err = w.keepSent(ctx); err != nil {
		return n, err
	}
	var sinks []string
	err = w.Engine.Ledger.View(ctx, func(t *ledger.Tx) (err error) {
		sinks, err = t.DueSinks(w.lookedOut)
		return err
	})
	for _, name := range sinks {
		var more int
		if s, ok := w.sink(name).(ServerSink); ok && err == nil {
			err = w.send(ctx, s)
		} else if err == nil {
			more, err = w.deliverTo(ctx, name)
		}
		n += more
	}
	return n, err
}

// deliverTo delivers what is due to one sink until there is no more, or no time.
func (w *Worker) deliverTo(ctx context.Context, sink string) (n int, err error) {
	for began := w.Engine.Now(); ; {
		var due []ledger.Pending
		err := w.Engine.Ledger.View(ctx, func(t *ledger.Tx) (err error) {
			due, err = t.Due(w.lookedOut, deliverBatch, sink)
			return err
		})
		if err != nil || len(due) == 0 {
			return n, err
		}
		more, err := w.bring(ctx, due)
		if n += more; err != nil || more < deliverBatch || w.Engine.Now().Sub(began).Abs() >= deliverFor {
			return n, err
		}
	}
}

// bring hands deliveries to their sinks and keeps what came of each. It returns how many there was time for.
func (w *Worker) bring(ctx context.Context, due []ledger.Pending) (n int, err error) {
	return w.keepDelivered(ctx, due, w.handOut(ctx, due))
}

// keepDelivered keeps what came of deliveries, and returns of how many something did.
func (w *Worker) keepDelivered(ctx context.Context, due []ledger.Pending, failures []error) (n int, err error) {
	err = w.Engine.Update(ctx, func(t *ledger.Tx) error {
		n = 0
		for i := range due {
			if errors.Is(failures[i], errNoTime) {
				continue
			}
			if err := w.delivered(t, &due[i], failures[i]); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// deliverFor is how long a sink has in a turn, about what the turn's alerts take, so that a slow splunkd holds up
// neither them nor other sinks. One delivery, or one batch, is always made.
const deliverFor = 250 * time.Millisecond

// errNoTime is what comes of a delivery that stays for the next turn.
var errNoTime = errors.New("no time in this turn")

// handOut delivers what is due: one by one, and in one go what is for a sink that takes it so.
func (w *Worker) handOut(ctx context.Context, due []ledger.Pending) []error {
	begun := w.Engine.Now()
	failures := make([]error, len(due))
	batches := map[string][]int{}
	for i := range due {
		if _, ok := w.sink(due[i].Sink).(BatchSink); ok {
			batches[due[i].Sink] = append(batches[due[i].Sink], i)
			continue
		}
		if w.Engine.Now().Sub(begun) >= deliverFor {
			failures[i] = errNoTime
			continue
		}
		failures[i] = guarded(func() error { return w.deliverOne(ctx, due[i].Delivery) })
		w.beat()
	}
	for name, places := range batches {
		all := make([]ledger.Pending, len(places))
		for i, place := range places {
			all[i] = due[place]
		}
		for i, failure := range w.deliverAll(ctx, name, all) {
			failures[places[i]] = failure
		}
		w.beat()
	}
	return failures
}

// deliverAll delivers what is for one sink in one go. The sink is a BatchSink.
func (w *Worker) deliverAll(ctx context.Context, name string, due []ledger.Pending) []error {
	all, failures := make([]ledger.Delivery, len(due)), make([]error, len(due))
	for i := range due {
		all[i] = due[i].Delivery
	}
	var came []error
	broken := guarded(func() error {
		crash.Point("sink.before-deliver")
		defer crash.Point("sink.acknowledged")
		came = w.sink(name).(BatchSink).DeliverAll(ctx, all) //nolint:forcetypeassert // see above
		return nil
	})
	for i := range failures {
		if failures[i] = broken; broken == nil {
			failures[i] = came[i]
		}
	}
	return failures
}

func (w *Worker) sink(name string) Sink {
	for _, s := range w.Sinks {
		if s.Name() == name {
			return s
		}
	}
	return nil
}

// ErrHeld keeps a delivery waiting: it is no failure of its sink.
var ErrHeld = errors.New("held: the gate is off, and nothing is closed")

func (w *Worker) deliverOne(ctx context.Context, d ledger.Delivery) error {
	if d.Kind == ledger.DeliverUpdate && d.Record.Outcome.State == winnow.StateClosed {
		if held, err := w.heldOrPast(ctx, &d); held || err != nil {
			return err
		}
	}
	if d.Kind == ledger.DeliverPage && d.Page != nil {
		if past, err := w.pagePast(ctx, &d); past || err != nil {
			return err
		}
	}
	if s := w.sink(d.Sink); s != nil {
		crash.Point("sink.before-deliver")
		defer crash.Point("sink.acknowledged")
		return s.Deliver(ctx, d)
	}
	return fmt.Errorf("no sink %q in winnow.conf", d.Sink)
}

// heldOrPast looks again at an update that closes a notable, just before it is delivered: while the
// gate is off it waits, and when something else has become of the alert it is past.
func (w *Worker) heldOrPast(ctx context.Context, d *ledger.Delivery) (past bool, err error) {
	if w.gateOff.Load() {
		return true, ErrHeld
	}
	if !w.Engine.audits() {
		return true, errUnauditedClose
	}
	err = w.Engine.Ledger.View(ctx, func(t *ledger.Tx) error {
		now, err := t.Record(d.Record.ID)
		past = err == nil && now.Outcome.State != winnow.StateClosed
		return err
	})
	return past, err
}

// deliveryTries is how often a delivery is tried before it is left in the outbox for people to
// see: with the pauses between, about a day.
const deliveryTries = 150

// maxLater is the longest that a server may put a delivery off.
const maxLater = time.Hour

// delivered notes in the outbox what came of a delivery.
func (w *Worker) delivered(t *ledger.Tx, p *ledger.Pending, failure error) error {
	now := w.Engine.Now()
	if kept, ok := errors.AsType[*ledger.KeptError](failure); ok {
		if err := w.Engine.Leave(t, &p.Delivery, kept.By); err != nil {
			return err
		}
		failure = nil
	}
	ref := ""
	if taken, ok := errors.AsType[*ledger.TakenError](failure); ok {
		if err := pageTaken(t, &p.Delivery, taken.Ref); err != nil {
			return err
		}
		ref, failure = taken.Ref, nil
	}
	if failure == nil {
		w.Engine.Meter.Delivered(p.Sink, nil, true)
		return t.Taken(p.Key, ref, now)
	}
	pause := w.pause(p.Attempts)
	later, ok := errors.AsType[*ledger.LaterError](failure)
	if !ok {
		return w.undelivered(t, p, failure, pause)
	}
	after := min(max(later.After, 0), maxLater)
	if !later.Sent {
		return w.undelivered(t, p, failure, max(after, pause))
	}
	next := now.Add(max(after, time.Second))
	if next.After(w.awaited) {
		w.awaited = next
	}
	switch {
	case later.Again:
		return t.Awaited(p.Key, failure.Error(), next)
	case p.Attempts+1 < deliveryTries:
		return t.Undelivered(p.Key, failure.Error(), next)
	}
	return w.undelivered(t, p, failure, pause)
}

// undelivered puts a delivery that failed off, or gives it up.
func (w *Worker) undelivered(t *ledger.Tx, p *ledger.Pending, failure error, pause time.Duration) error {
	var next time.Time
	held := errors.Is(failure, ErrHeld) || errors.Is(failure, errUnauditedClose)
	if held || w.Retryable(failure) && p.Attempts+1 < deliveryTries {
		next = w.Engine.Now().Add(pause)
	}
	w.Engine.Meter.Delivered(p.Sink, failure, next.IsZero())
	switch {
	case next.IsZero():
		if err := w.Engine.pageLost(t, &p.Delivery); err != nil {
			return err
		}
		other, err := w.Engine.otherWay(t, &p.Delivery)
		if err != nil {
			return err
		}
		if other != "" {
			w.Engine.Meter.WentOtherWay(p.Sink, other)
		}
		w.Log.Error("delivery given up: it stays in the outbox", "sink", p.Sink, "id", p.Record.ID, "attempts", p.Attempts+1,
			"other_way", other, "err", failure)
	case !held:
		w.Log.Warn("delivery failed", "sink", p.Sink, "id", p.Record.ID, "attempts", p.Attempts+1, "again", next, "err", failure)
	}
	return t.Undelivered(p.Key, failure.Error(), next)
}

// awaits reports whether something was sent of which it is soon asked whether it has arrived. Only the
// worker that sent it knows what to ask.
func (w *Worker) awaits() bool { return w.lookedOut.Before(w.awaited) }
