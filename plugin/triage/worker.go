package triage

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

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

	// Archive audits what is in force, see [Engine.NoteInForce]; nil where nobody does.
	Archive func(context.Context) error

	// Command applies the body of a command record; see plugin/review. One that can never be
	// carried out is no error. After an error nothing of it is kept, and it is tried again.
	Command func(t *ledger.Tx, body []byte) error

	// Reconcile compares what Splunk fired with what is here; nil compares nothing. Host names this search
	// head in natural keys.
	Reconcile *Reconciler
	Host      string
	Labels    *Labels // what people say in Splunk; nil: it is not read

	Weekly Weekly // makes the report of a week; nil: none is sent

	Carry Carry // carries response actions out; nil: it is only noted what would be done

	acting        acting
	reconciling   *reconciling // nil while nothing is compared
	nextReconcile time.Time

	air        *flights
	out        *outgoing
	gateOff    atomic.Bool // when deliveries were last looked at
	since      time.Time   // when this worker took over
	looked     time.Time   // when keepTime last looked at the clock
	stuck      bool        // alerts cannot be taken to their outcomes: there is no heartbeat
	awaited    time.Time   // when the last delivery that was sent is asked about
	lookedOut  time.Time   // when the outbox was last looked at
	rechecked  time.Time   // when the audit chain was last looked at, while it is broken
	weekLooked time.Time   // when it was last seen whether a week is over
	retained   time.Time   // when old things were last removed
	judged     time.Time   // when it was last judged whether the clock may be right
	pruning    bool        // and there is more to remove
	watched    time.Time   // when it was last looked how budgets stand
	published  time.Time   // when Publish was last called
	dirty      bool        // there is something to publish

	// ticked is for tests: how much time really passed since the last turn.
	ticked func() time.Duration

	// poke is for tests: it is called with the ID of each record that is opened, and with each alert before it
	// is admitted, and may panic. It may be called by two goroutines at once.
	poke func(record string, a *winnow.Alert)

	costs costs // what sinks are told of calls

	unread map[string]int // turns in which the disk did not give a record of the spool
}

// Limits of one turn, so that no step starves the others and no transaction grows without bound.
const (
	importBatch   = 500
	triageBatch   = 64
	settledAtOnce = 16   // alerts that are looked at beyond the room there is: most need none
	heldBatch     = 2000 // alerts that wait for others, beside those in the air
	deliverBatch  = 100
)

// ErrChanged is what Refresh returns, and Run with it, when the configuration has changed: the
// worker must be put together anew.
var ErrChanged = errors.New("the configuration has changed")

// Run works until the context ends: a turn, and a pause of [worker] poll when there was nothing
// to do, shorter when an answer comes in. Errors of one turn are logged and the next turn tries again.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.takeOver(ctx); err != nil {
		return err
	}
	for {
		busy, err := w.Turn(ctx)
		if ctx.Err() != nil {
			w.end(ctx, w.landing())
			return nil //nolint:nilerr // being told to end is no failure
		}
		if errors.Is(err, ErrChanged) {
			w.end(ctx, changing)
			return err
		}
		if err != nil {
			w.Log.Error("turn failed", "err", err)
		}
		if !busy || err != nil {
			w.rest(ctx, err != nil)
		}
	}
}

// Once works until spool and queue are empty, nobody is being asked any more, and the outbox has nothing
// due.
func (w *Worker) Once(ctx context.Context) error {
	if err := w.takeOver(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		busy, err := w.Turn(ctx)
		switch {
		case ctx.Err() != nil:
		case busy:
		case err == nil && (!w.air.empty() || !w.out.empty() || len(w.costs.air) > 0 || w.acting.flying != "" || w.awaits() || w.reconciling != nil):
			w.rest(ctx, false)
		default:
			w.endReconcile()
			return errors.Join(err, w.land(ctx, w.landing()), w.endSending(ctx), w.endCosts(ctx), w.sign(ctx), w.Publish(ctx))
		}
	}
	w.end(ctx, w.landing())
	return context.Cause(ctx)
}

// end lands what is in the air.
func (w *Worker) end(ctx context.Context, wait time.Duration) {
	w.endReconcile()
	if err := w.land(ctx, wait); err != nil {
		w.Log.Error("what the analysts were asked about is asked again by the next worker", "err", err)
	}
	if err := errors.Join(w.endSending(ctx), w.endCosts(ctx), w.endActing(ctx)); err != nil {
		w.Log.Error("what was delivered last may be delivered again", "err", err)
	}
	if err := w.Engine.Checkpoint(context.WithoutCancel(ctx), true); err != nil {
		w.Log.Error("the end of the audit chain is not signed", "err", err)
	}
}

// gatherFor is how long an answer waits for others, so that they are kept in one transaction: a model takes
// far longer.
const gatherFor = 50 * time.Millisecond

// rest waits for something to do.
func (w *Worker) rest(ctx context.Context, failed bool) {
	poll := time.NewTimer(w.Engine.Settings.Worker.Poll)
	defer poll.Stop()
	landed, back := w.air.landed, w.out.back
	if failed {
		landed, back = nil, nil // what cannot be kept now cannot be kept at once
	}
	select {
	case <-ctx.Done():
	case <-poll.C:
	case one := <-back:
		w.out.ended = append(w.out.ended, one)
		w.gather(ctx, len(w.out.keys) > len(one.due))
	case one := <-landed:
		w.air.down = append(w.air.down, one)
		w.air.touchDown()
		w.gather(ctx, w.air.aloft() > 0)
	}
}

// gather gives others that are on their way a little time to come too.
func (w *Worker) gather(ctx context.Context, more bool) {
	if !more {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(gatherFor):
	}
}

// takeOver makes work due that a worker before this one had begun and not finished.
func (w *Worker) takeOver(ctx context.Context) error {
	e, now := w.Engine, w.Engine.Now()
	w.air, w.out, w.since = newFlights(), newOutgoing(), now
	return e.Update(ctx, func(t *ledger.Tx) error {
		err := errors.Join(queue.Release(ctx, t.Conn()), queue.Bound(ctx, t.Conn(), now, max(e.Settings.Queue.WaitMax, e.Settings.Queue.RetryMax)))
		if err != nil {
			return err
		}
		err = queue.SetVisible(ctx, t.Conn(), func(search string, priority int) time.Duration {
			return e.Settings.VisibleWithin(search, winnow.Severity(priority)) //nolint:gosec // one of the severities, see queue.Priority
		})
		return errors.Join(err, t.BoundOutbox(now.Add(e.Settings.Queue.RetryMax)), w.rememberNewest(t), w.beginCosts(t))
	})
}

// beat shows that the worker is alive. Every step beats for each thing that it has done, because a
// turn may take long: the model or splunkd may be slow. A worker that is stuck is no better than a dead one.
func (w *Worker) beat() {
	if w.stuck || w.Engine.Ledger.Damaged() {
		return
	}
	now := w.Engine.Now()
	w.Engine.Meter.Beat(now)
	if err := w.State.Beat(now); err != nil {
		w.Log.Error("the alert action may think that this worker is dead", "err", err)
	}
}

// Turn takes one step of each kind of work. It reports whether there may be more to do at once. While
// alerts cannot be taken on there is no heartbeat: then the alert action says so, and fails open.
func (w *Worker) Turn(ctx context.Context) (busy bool, err error) {
	began := w.Engine.Now()
	defer func() {
		now := w.Engine.Now()
		w.Engine.Meter.Turned(now, now.Sub(began), err != nil && !errors.Is(err, ErrChanged))
		if w.air != nil {
			w.Engine.Meter.Holds(w.air.aloft(), w.air.held(), w.Engine.memory.Len())
		}
	}()
	if err := w.Refresh(); err != nil {
		return false, err
	}
	if err := w.keepTime(ctx); err != nil {
		return false, err
	}
	w.recheck(ctx)
	imported, importErr := w.importSpool(ctx)
	if importErr == nil {
		w.beat()
	}
	recalled, recallErr := w.continueRecall(ctx)
	reconciled, reconcileErr := w.reconcile(ctx, importErr == nil)
	triaged, triageErr := w.triageQueue(ctx)
	shown, showErr := w.showLate(ctx)
	w.stuck = importErr != nil && imported == 0 || triageErr != nil || showErr != nil
	paged, pageErr := w.pageOn(ctx)
	delivered, deliverErr := w.deliver(ctx)
	w.stuck = w.stuck || deliverErr != nil
	acted, actErr := w.act(ctx)
	told, toldErr := w.tellCosts(ctx)
	err = errors.Join(importErr, recallErr, reconcileErr, triageErr, showErr, pageErr, deliverErr, actErr, toldErr, w.watchBudget(ctx), w.retain(ctx), w.weekly(ctx), w.Engine.Checkpoint(ctx, false))
	busy = imported+recalled+reconciled+triaged+shown+paged+delivered+acted+told > 0
	w.dirty = w.dirty || busy
	if now := w.Engine.Now(); w.dirty && (!busy || now.Sub(w.published).Abs() >= w.Engine.Settings.Worker.Poll) {
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

// triageQueue keeps what came of the alerts that were asked about, and takes the next ones from the
// queue: to their outcomes, or into the air.
func (w *Worker) triageQueue(ctx context.Context) (int, error) {
	if w.air == nil {
		w.air = newFlights()
	}
	kept, err := w.collect(ctx)
	if err != nil {
		return kept, err
	}
	if kept > 0 {
		w.beat()
	}
	if err := w.lease(ctx); err != nil {
		return kept, err
	}
	begun, err := w.begin(ctx)
	return kept + begun, err
}

// lease takes alerts from the queue, when those held before have been looked at and there is room for
// one in the air. What waited long gets its share of the room, fresh alerts the rest.
func (w *Worker) lease(ctx context.Context) error {
	e := w.Engine
	if len(w.air.ready) > 0 || w.room() <= 0 || w.air.held() >= heldBatch {
		return nil
	}
	now := e.Now()
	until, since := now.Add(e.Settings.Worker.Lease), now.Add(-e.Settings.Queue.RereadAfter)
	var old, fresh []queue.Item
	err := e.Update(ctx, func(t *ledger.Tx) (err error) {
		if err = w.extend(t, now, until); err != nil {
			return err
		}
		if limit := min(w.backlogRoom(), triageBatch); limit > 0 {
			if old, err = queue.LeaseBacklog(ctx, t.Conn(), now, until, since, limit); err != nil {
				return err
			}
		}
		fresh, err = queue.Lease(ctx, t.Conn(), now, until, since, min(w.room()+settledAtOnce, triageBatch))
		return err
	})
	if err != nil {
		return err
	}
	items := slices.Concat(old, fresh)
	slices.SortStableFunc(items, func(a, b queue.Item) int { return b.Priority - a.Priority })
	for _, it := range items {
		w.air.leased[it.ID] = until
		w.air.ready = append(w.air.ready, held{Item: it})
	}
	return nil
}

// room is how many more alerts may be asked about.
func (w *Worker) room() int { return max(w.Engine.Settings.Worker.Concurrency, 1) - len(w.air.flying) }

// backlogRoom is how many more alerts that waited long may be.
func (w *Worker) backlogRoom() int {
	q, slots := w.Engine.Settings.Queue, w.Engine.Settings.Worker.Concurrency
	return min(max(int(q.BacklogShare*float64(slots)), 1)-len(w.air.backlog), w.room())
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
