package triage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// flight is one alert that is being asked about in the background. The goroutine has the work until it
// has landed; nobody else reads it before.
type flight struct {
	work   *work
	item   queue.Item
	cancel context.CancelCauseFunc

	ended     error // why the worker ended it, nil when it did not
	postponed bool  // models could not be asked: those that wait for it are back in the queue too
}

// held is an alert that is leased and has not been begun with. Its lease is no try.
type held struct {
	queue.Item

	uncounted bool // the queue does not count it as one
}

// flights are the alerts that a worker holds: in the air, landed with an outcome that is not kept yet,
// and those that wait for one in the air. None of it is durable. What is lost with the process is handed
// out again by the queue.
type flights struct {
	landed  chan *flight
	flying  map[string]*flight // by alert, also those that have landed
	down    []*flight
	waiting map[groupID][]held
	ready   []held // leased, to be looked at as soon as there is room
	leased  map[string]time.Time
	backlog map[string]bool // in the air, and waited long before
}

// maxFlights is the most that can be in the air: the upper bound of [worker] concurrency, and as many
// again of a worker that was just put together anew.
const maxFlights = 512

func newFlights() *flights {
	return &flights{
		landed: make(chan *flight, maxFlights), flying: map[string]*flight{}, waiting: map[groupID][]held{},
		leased: map[string]time.Time{}, backlog: map[string]bool{},
	}
}

// errLate ends a flight whose lease is about to run out.
var errLate = errors.New("no answer within nine tenths of [worker] lease")

// errLanded ends the flights of a worker that is told to end.
var errLanded = errors.New("the worker ends")

// start asks about a prepared alert in the background. The flight outlives the context: who ends the
// worker decides how long it waits.
func (f *flights) start(ctx context.Context, one *flight, deadline time.Duration) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	one.cancel = cancel
	f.flying[one.item.ID] = one
	go func() {
		late, stop := context.WithTimeoutCause(ctx, deadline, errLate)
		defer stop()
		defer cancel(nil)
		defer func() { f.landed <- one }()
		one.work.ask(late)
	}()
}

// touchDown takes up flights that have landed, without waiting for any.
func (f *flights) touchDown() {
	for {
		select {
		case one := <-f.landed:
			f.down = append(f.down, one)
		default:
			return
		}
	}
}

// aloft returns how many have not landed.
func (f *flights) aloft() int { return len(f.flying) - len(f.down) }

// held returns how many alerts wait for one in the air, or for room.
func (f *flights) held() (n int) {
	for _, items := range f.waiting {
		n += len(items)
	}
	return n + len(f.ready)
}

func (f *flights) empty() bool { return len(f.flying) == 0 && f.held() == 0 }

// done forgets a flight whose outcome is kept, and has those look again that waited for it.
func (f *flights) done(one *flight) {
	id := one.item.ID
	delete(f.flying, id)
	delete(f.leased, id)
	delete(f.backlog, id)
	if !one.work.leads {
		return
	}
	for _, it := range f.waiting[one.work.group] {
		if one.postponed {
			delete(f.leased, it.ID)
		} else {
			f.ready = append(f.ready, it)
		}
	}
	delete(f.waiting, one.work.group)
}

// drop gives up what waits, for the queue.
func (f *flights) drop() (items []held) {
	items = f.ready
	for _, waits := range f.waiting {
		items = append(items, waits...)
	}
	f.ready = nil
	clear(f.waiting)
	for _, it := range items {
		delete(f.leased, it.ID)
	}
	return items
}

// extend prolongs the leases of what the worker holds before they run out.
func (w *Worker) extend(t *ledger.Tx, now, until time.Time) error {
	var ids []string
	for id, ends := range w.air.leased {
		if ends.Sub(now) < w.Engine.Settings.Worker.Lease/2 {
			ids = append(ids, id)
			w.air.leased[id] = until
		}
	}
	return queue.Extend(t.Context(), t.Conn(), ids, until)
}

// collect keeps the outcomes of the flights that have landed. One that cannot be kept does not hold up
// the others; when none can, all stay for the next turn: what they found was paid for.
func (w *Worker) collect(ctx context.Context) (n int, err error) {
	w.air.touchDown()
	down := w.air.down
	if len(down) == 0 {
		return 0, nil
	}
	err = w.keep(ctx, down)
	if err != nil && ctx.Err() == nil {
		err = w.keepEach(ctx, down)
	}
	return len(down) - len(w.air.down), err
}

// keep keeps the outcomes of landed flights in one transaction.
func (w *Worker) keep(ctx context.Context, landed []*flight) error {
	err := w.Engine.Update(ctx, func(t *ledger.Tx) error {
		for _, one := range landed {
			if err := w.conclude(ctx, t, one); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, one := range landed {
		w.Engine.touchDown(one.work)
		w.air.done(one)
	}
	w.air.down = slices.DeleteFunc(slices.Clone(w.air.down), func(d *flight) bool { return slices.Contains(landed, d) })
	return nil
}

// keepEach keeps each outcome by itself. One that cannot be kept goes back to the queue, as one that
// failed; when not even that can be written it stays.
func (w *Worker) keepEach(ctx context.Context, down []*flight) error {
	var errs []error
	for _, one := range slices.Clone(down) {
		err := w.keep(ctx, []*flight{one})
		if err == nil {
			continue
		}
		errs = append(errs, fmt.Errorf("keep the outcome of %s: %w", one.item.ID, err))
		if one.work.err == nil {
			one.work.err = err
		}
		if err := w.keep(ctx, []*flight{one}); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// conclude keeps what became of one flight. It works on a copy, because the transaction may fail.
func (w *Worker) conclude(ctx context.Context, t *ledger.Tx, f *flight) error {
	e, copied := w.Engine, *f.work
	one := &copied
	current, err := e.current(t, one)
	if err != nil {
		return err
	}
	away := unavailable(one.err)
	switch {
	case !current:
		w.Log.Info("what the analysts found is past: the alert has changed meanwhile", "id", f.item.ID)
		return nil
	case one.held != nil:
		return e.leaveHeld(t, one)
	case one.err == nil:
		return e.finish(t, one)
	case f.ended != nil:
		return errors.Join(t.Rebook(f.item.ID), queue.Return(ctx, t.Conn(), f.item.ID, queue.Failure{Cause: queue.CauseWorker, Detail: f.ended.Error()}, e.Now()))
	case away != nil:
		return w.postpone(ctx, t, f, one, away)
	}
	why := queue.Failure{Cause: queue.CauseAnalyst, Detail: one.err.Error()}
	if broke, ok := errors.AsType[*PanicError](one.err); ok {
		why.Cause = queue.CausePanic
		w.Log.Error("a panic while an alert was analysed", "id", f.item.ID, "attempts", f.item.Attempts, "err", broke, "stack", broke.Stack)
	}
	e.Meter.Tried(string(why.Cause))
	if f.item.Attempts >= e.Settings.Worker.MaxAttempts {
		w.Log.Error("triage gave up", "id", f.item.ID, "attempts", f.item.Attempts, "err", one.err)
		return e.GiveUp(t, &one.entry, &one.rec, why.Cause)
	}
	w.Log.Warn("triage failed, will try again", "id", f.item.ID, "attempts", f.item.Attempts, "err", one.err)
	if err := t.Rebook(f.item.ID); err != nil { // the failed try may have cost something
		return err
	}
	return queue.Retry(ctx, t.Conn(), f.item.ID, why, e.Now().Add(w.pause(f.item.Attempts)))
}

// land waits for what is in the air, for as long as given, and ends the rest. What has no outcome then
// goes back to the queue, and no try is counted.
func (w *Worker) land(ctx context.Context, wait time.Duration) error {
	told := ctx.Done()
	ctx = context.WithoutCancel(ctx)
	err := w.giveBack(ctx, w.air.drop())
	err = errors.Join(err, w.await(ctx, told, wait))
	for _, one := range w.air.flying {
		if !slices.Contains(w.air.down, one) {
			one.ended = errLanded
			one.cancel(errLanded)
		}
	}
	err = errors.Join(err, w.await(ctx, nil, w.cancelled()), w.giveBack(ctx, w.air.drop()))
	var lost []held
	for _, one := range w.air.flying { // an analyst that does not heed its context
		lost = append(lost, held{Item: one.item})
		w.Engine.touchDown(one.work)
	}
	w.air = newFlights()
	return errors.Join(err, w.giveBack(ctx, lost))
}

// changing is how long a worker whose configuration has changed waits for answers.
const changing = time.Minute

// landing is how long a worker that was told to end waits for answers. The rest of [worker] drain is for
// the flights that it ends then, and for whoever closes the models, which book what was sent.
func (w *Worker) landing() time.Duration { return w.Engine.Settings.Worker.Drain / 4 * 3 }

// cancelled is how long flights that were ended may take to notice.
func (w *Worker) cancelled() time.Duration {
	return min(w.Engine.Settings.Worker.Drain/10, 2*time.Second)
}

// await collects flights until none is in the air, or the time is over; from told on that is soon. The
// worker shows that it is alive.
func (w *Worker) await(ctx context.Context, told <-chan struct{}, wait time.Duration) error {
	over := time.NewTimer(wait)
	defer over.Stop()
	_, err := w.collect(ctx)
	for w.air.aloft() > 0 {
		w.beat()
		select {
		case one := <-w.air.landed:
			w.air.down = append(w.air.down, one)
			if _, err = w.collect(ctx); err != nil {
				w.Log.Error("an outcome is not kept yet", "err", err)
			}
		case <-told:
			told = nil
			over.Reset(min(wait, w.landing()))
		case <-over.C:
			return err
		case <-time.After(w.Engine.Settings.Worker.Poll):
		}
	}
	return err
}

// giveBack returns alerts to the queue that nobody was asked about.
func (w *Worker) giveBack(ctx context.Context, items []held) error {
	if len(items) == 0 {
		return nil
	}
	return w.Engine.Update(ctx, func(t *ledger.Tx) error {
		for _, it := range items {
			back := queue.Return
			if it.uncounted {
				back = queue.Retry
			}
			if err := back(ctx, t.Conn(), it.ID, it.Failure, w.Engine.Now()); err != nil {
				return err
			}
		}
		return nil
	})
}
