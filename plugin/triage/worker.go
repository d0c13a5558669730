package triage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
	"github.com/winnow-soc/winnow/plugin/state"
)

// Sink takes deliveries from the outbox; see plugin/splunk.
type Sink interface {
	Name() string
	Deliver(ctx context.Context, d ledger.Delivery) error
}

// Worker runs an engine over the spool, the queue and the outbox of one state folder. It is the
// only writer there; the caller holds the worker's lock.
type Worker struct {
	Engine *Engine
	State  *state.Deployment
	Sinks  []Sink
	Log    *slog.Logger

	// Retryable says whether a failed delivery may be tried again.
	Retryable func(error) bool

	// Refresh is called at every turn: it takes up changed rules, lists and the stop switch.
	Refresh func() error

	// Command applies the body of a command record; see plugin/review. One that can never be
	// carried out is no error. After an error nothing of it is kept, and it is tried again.
	Command func(t *ledger.Tx, body []byte) error

	retained time.Time // when old things were last removed
}

// Limits of one turn, so that no step starves the others and no transaction grows without bound.
const (
	importBatch  = 500
	triageBatch  = 64
	deliverBatch = 100
)

// ErrChanged is what Refresh returns, and Run with it, when the configuration has changed: the
// worker must be put together anew.
var ErrChanged = errors.New("the configuration has changed")

// Run works until the context ends: a turn, and a pause of [worker] poll when there was nothing
// to do. Errors of one turn are logged and the next turn tries again.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.takeOver(ctx); err != nil {
		return err
	}
	for {
		busy, err := w.Turn(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // being told to end is no failure
		}
		if errors.Is(err, ErrChanged) {
			return err
		}
		if err != nil {
			w.Log.Error("turn failed", "err", err)
		}
		if busy && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(w.Engine.Settings.Worker.Poll):
		}
	}
}

// Once works until spool and queue are empty and the outbox has nothing due.
func (w *Worker) Once(ctx context.Context) error {
	if err := w.takeOver(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		busy, err := w.Turn(ctx)
		if !busy && ctx.Err() == nil {
			return errors.Join(err, w.Publish(ctx))
		}
	}
	return context.Cause(ctx)
}

// takeOver makes work due that a worker before this one had begun and not finished.
func (w *Worker) takeOver(ctx context.Context) error {
	return w.Engine.Update(ctx, func(t *ledger.Tx) error { return queue.Release(ctx, t.Conn()) })
}

// beat shows that the worker is alive. Every step beats for each thing that it has done, because a
// turn may take long: the model or splunkd may be slow.
func (w *Worker) beat() {
	if err := w.State.Beat(w.Engine.Now()); err != nil {
		w.Log.Error("the alert action may think that this worker is dead", "err", err)
	}
}

// Turn takes one step of each kind of work. It reports whether there may be more to do at once. While
// alerts cannot be taken on there is no heartbeat: then the alert action says so, and fails open.
func (w *Worker) Turn(ctx context.Context) (busy bool, err error) {
	if err := w.Refresh(); err != nil {
		return false, err
	}
	imported, importErr := w.importSpool(ctx)
	if importErr == nil {
		w.beat()
	}
	recalled, recallErr := w.continueRecall(ctx)
	triaged, triageErr := w.triageQueue(ctx)
	delivered, deliverErr := w.deliver(ctx)
	err = errors.Join(importErr, recallErr, triageErr, deliverErr, w.retain(ctx))
	busy = imported+recalled+triaged+delivered > 0
	if busy {
		err = errors.Join(err, w.Publish(ctx))
	}
	return busy, err
}

// continueRecall takes the next step of a recall.
func (w *Worker) continueRecall(ctx context.Context) (int, error) {
	r, looked, err := w.Engine.ContinueRecall(ctx)
	if err == nil && looked > 0 && !r.Done.IsZero() {
		w.Log.Info("recalled", "target", r.Target, "requeued", r.Requeued, "past_retention", r.Gone)
	}
	return looked, err
}

// triageQueue takes the next alerts from the queue to their outcomes.
func (w *Worker) triageQueue(ctx context.Context) (int, error) {
	e := w.Engine
	now := e.Now()
	var items []queue.Item
	err := e.Update(ctx, func(t *ledger.Tx) (err error) {
		items, err = queue.Lease(ctx, t.Conn(), now, now.Add(e.Settings.Worker.Lease), triageBatch)
		return err
	})
	if err != nil || len(items) == 0 {
		return 0, err
	}
	var batch []*work
	attempts := map[string]int{}
	for _, it := range items {
		attempts[it.ID] = it.Attempts
		one, err := w.prepare(ctx, it)
		if err != nil {
			return 0, err
		}
		if one != nil {
			batch = append(batch, one)
		}
	}
	w.askAll(ctx, batch)
	err = e.Update(ctx, func(t *ledger.Tx) error {
		for _, one := range batch {
			if err := w.conclude(ctx, t, one, attempts[one.rec.ID]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(items), nil
}

// prepare takes the first step of one alert in a transaction of its own, so that one which cannot
// even be read does not hold up the others: it is tried again, and then escalated as far as it is
// known. It returns nil when nothing is left to do.
func (w *Worker) prepare(ctx context.Context, it queue.Item) (one *work, err error) {
	e := w.Engine
	failure := e.Update(ctx, func(t *ledger.Tx) error {
		var err error
		if one, err = e.prepare(t, it.ID); err != nil || one.settled || it.Attempts <= e.Settings.Worker.MaxAttempts {
			return err
		}
		w.Log.Error("triage gave up: the worker ended at every try", "id", it.ID, "attempts", it.Attempts)
		one.settled = true
		return e.GiveUp(t, &one.entry, &one.rec, "worker")
	})
	if failure == nil {
		if one.settled {
			return nil, nil //nolint:nilnil // nothing is left to do
		}
		return one, nil
	}
	if ctx.Err() != nil {
		return nil, failure
	}
	w.Log.Error("an alert cannot be read", "id", it.ID, "attempts", it.Attempts, "err", failure)
	return nil, e.Update(ctx, func(t *ledger.Tx) error {
		if it.Attempts < e.Settings.Worker.MaxAttempts {
			return queue.Retry(ctx, t.Conn(), it.ID, failure.Error(), e.Now().Add(w.pause(it.Attempts)))
		}
		return e.GiveUpUnread(t, it)
	})
}

// askAll puts all alerts to the analysts, [worker] concurrency at a time.
func (w *Worker) askAll(ctx context.Context, batch []*work) {
	var g errgroup.Group
	g.SetLimit(max(w.Engine.Settings.Worker.Concurrency, 1))
	for _, one := range batch {
		if !one.settled {
			g.Go(func() error {
				w.Engine.ask(ctx, one)
				w.beat()
				return nil
			})
		}
	}
	_ = g.Wait() // failures stand in each work
}

func (w *Worker) conclude(ctx context.Context, t *ledger.Tx, one *work, attempts int) error {
	e := w.Engine
	switch {
	case one.settled:
		return nil
	case one.err == nil:
		return e.finish(t, one)
	case attempts >= e.Settings.Worker.MaxAttempts:
		w.Log.Error("triage gave up", "id", one.rec.ID, "attempts", attempts, "err", one.err)
		return e.GiveUp(t, &one.entry, &one.rec, "analyst")
	}
	w.Log.Warn("triage failed, will try again", "id", one.rec.ID, "attempts", attempts, "err", one.err)
	if err := t.Rebook(one.rec.ID); err != nil { // the failed try may have cost something
		return err
	}
	return queue.Retry(ctx, t.Conn(), one.rec.ID, one.err.Error(), e.Now().Add(w.pause(attempts)))
}

// deliver hands what is due in the outbox to the sinks.
func (w *Worker) deliver(ctx context.Context) (n int, err error) {
	var due []ledger.Pending
	err = w.Engine.Ledger.View(ctx, func(t *ledger.Tx) error {
		var err error
		due, err = t.Due(w.Engine.Now(), deliverBatch)
		return err
	})
	if err != nil || len(due) == 0 {
		return 0, err
	}
	failures := make([]error, len(due))
	for i := range due {
		failures[i] = w.deliverOne(ctx, due[i].Delivery)
		w.beat()
	}
	err = w.Engine.Update(ctx, func(t *ledger.Tx) error {
		for i := range due {
			if err := w.delivered(t, &due[i], failures[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(due), nil
}

// errHeld keeps a delivery waiting.
var errHeld = errors.New("held: the gate is off, and nothing is closed")

func (w *Worker) deliverOne(ctx context.Context, d ledger.Delivery) error {
	if d.Kind == ledger.DeliverUpdate && d.Record.Outcome.State == winnow.StateClosed {
		if held, err := w.heldOrPast(ctx, &d); held || err != nil {
			return err
		}
	}
	for _, s := range w.Sinks {
		if s.Name() == d.Sink {
			return s.Deliver(ctx, d)
		}
	}
	return fmt.Errorf("no sink %q in winnow.conf", d.Sink)
}

// heldOrPast looks again at an update that closes a notable, just before it is delivered: while the
// gate is off it waits, and when something else has become of the alert it is past.
func (w *Worker) heldOrPast(ctx context.Context, d *ledger.Delivery) (past bool, err error) {
	if w.Engine.Gate.Blind == winnow.ReasonGateOff {
		return true, errHeld
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

func (w *Worker) delivered(t *ledger.Tx, p *ledger.Pending, failure error) error {
	now := w.Engine.Now()
	if kept, ok := errors.AsType[*ledger.KeptError](failure); ok {
		if err := w.Engine.Leave(t, &p.Delivery, kept.By); err != nil {
			return err
		}
		failure = nil
	}
	if failure == nil {
		return t.Delivered(p.Key, now)
	}
	var next time.Time
	held := errors.Is(failure, errHeld)
	if held || w.Retryable(failure) && p.Attempts+1 < deliveryTries {
		next = now.Add(w.pause(p.Attempts))
	}
	switch {
	case next.IsZero():
		w.Log.Error("delivery given up: it stays in the outbox", "sink", p.Sink, "id", p.Record.ID, "attempts", p.Attempts+1, "err", failure)
	case !held:
		w.Log.Warn("delivery failed", "sink", p.Sink, "id", p.Record.ID, "attempts", p.Attempts+1, "again", next, "err", failure)
	}
	return t.Undelivered(p.Key, failure.Error(), next)
}

// pause is the time until the next try of work that failed: it doubles with every try, within
// [queue] retry_min and retry_max.
func (w *Worker) pause(attempts int) time.Duration {
	q := w.Engine.Settings.Queue
	d := q.RetryMin
	for range attempts {
		if d *= 2; d >= q.RetryMax {
			return q.RetryMax
		}
	}
	return d
}
