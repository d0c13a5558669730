package triage

import (
	"context"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// begun is what became of alerts as they were looked at.
type begun struct {
	n      int // alerts that are not as they were: settled, in the air or waiting
	flying []*flight
	waits  map[groupID][]held
	rest   []held // there was no room: they are in the queue again
}

// begin looks at the alerts that are held: most have an outcome at once, others fly or wait. It takes one
// transaction; when one of them cannot even be read, each is looked at in its own.
func (w *Worker) begin(ctx context.Context) (n int, err error) {
	items := w.air.ready
	if len(items) == 0 || w.room() <= 0 {
		return 0, nil
	}
	b, err := w.beginSome(ctx, items)
	if err == nil {
		w.air.ready = nil
		return b.n, nil
	}
	if ctx.Err() != nil {
		return 0, err
	}
	for i, it := range items {
		w.air.ready = items[i:]
		if w.room() <= 0 {
			break
		}
		if _, err := w.beginSome(ctx, []held{it}); err != nil {
			if err := w.unreadable(ctx, it, err); err != nil {
				return n, err
			}
			delete(w.air.leased, it.ID)
		}
		w.air.ready = items[i+1:]
		n++
	}
	return n, nil
}

// beginSome looks at alerts in one transaction, and starts the flights when it is committed.
func (w *Worker) beginSome(ctx context.Context, items []held) (*begun, error) {
	e := w.Engine
	var b *begun
	var settled []string
	err := e.Update(ctx, func(t *ledger.Tx) error {
		b, settled = &begun{waits: map[groupID][]held{}}, nil
		for i, it := range items {
			if len(b.flying) >= w.room() {
				b.rest = items[i:]
				return noRoom(t, items, i)
			}
			done, err := w.beginOne(t, b, it)
			if err != nil {
				return err
			}
			b.n++
			if done {
				settled = append(settled, it.ID)
			}
		}
		return nil
	})
	if err != nil {
		for _, one := range b.flying {
			e.touchDown(one.work)
		}
		return nil, err
	}
	for _, id := range settled {
		delete(w.air.leased, id)
	}
	for _, it := range b.rest {
		delete(w.air.leased, it.ID)
	}
	for group, waits := range b.waits {
		w.air.waiting[group] = append(w.air.waiting[group], waits...)
	}
	for _, one := range b.flying {
		w.takeOff(ctx, one)
	}
	return b, nil
}

// takeOff starts a flight, whose deadline lies before the end of the lease.
func (w *Worker) takeOff(ctx context.Context, one *flight) {
	e := w.Engine
	if e.Now().Sub(one.item.Enqueued) > e.Settings.Queue.RereadAfter {
		w.air.backlog[one.item.ID] = true
	}
	w.air.start(ctx, one, e.Settings.Worker.Lease/10*9)
}

// beginOne looks at one alert. It reports whether it has its outcome.
func (w *Worker) beginOne(t *ledger.Tx, b *begun, it held) (settled bool, err error) {
	e := w.Engine
	one, err := e.prepare(t, it.ID)
	if err != nil {
		return false, err
	}
	if one.settled {
		return true, nil
	}
	tries := it.Attempts
	if it.uncounted {
		tries++
	}
	if tries > e.Settings.Worker.MaxAttempts {
		w.Log.Error("triage gave up: the worker ended at every try", "id", it.ID, "attempts", it.Attempts)
		return true, e.GiveUp(t, &one.entry, &one.rec, queue.CauseWorker)
	}
	if one.waits {
		waits, err := uncount(t, []held{it})
		b.waits[one.group] = append(b.waits[one.group], waits...)
		return false, err
	}
	if it.uncounted {
		if err := queue.Recount(t.Context(), t.Conn(), it.ID); err != nil {
			return false, err
		}
		it.Attempts, it.uncounted = it.Attempts+1, false
	}
	e.takeOff(one, e.Now().Sub(it.Enqueued))
	b.flying = append(b.flying, &flight{work: one, item: it.Item})
	return false, nil
}

// noRoom gives alerts back to the queue that nobody can be asked about now. What comes in meanwhile may be more
// urgent, or of a search that has waited longer, so nothing is kept in hand.
func noRoom(t *ledger.Tx, items []held, begun int) error {
	if _, err := uncount(t, items[begun:]); err != nil {
		return err
	}
	leased := make([]queue.Item, len(items))
	for i, it := range items {
		leased[i] = it.Item
	}
	return queue.GiveBack(t.Context(), t.Conn(), leased, begun)
}

// uncount takes back that alerts which nobody has begun with count as tries.
func uncount(t *ledger.Tx, items []held) ([]held, error) {
	out := make([]held, len(items))
	for i, it := range items {
		if !it.uncounted {
			if err := queue.Uncount(t.Context(), t.Conn(), it.ID); err != nil {
				return nil, err
			}
			it.Attempts, it.uncounted = max(it.Attempts-1, 0), true
		}
		out[i] = it
	}
	return out, nil
}

// unreadable handles an alert that cannot even be read: it is tried again, and then escalated as far as
// it is known.
func (w *Worker) unreadable(ctx context.Context, it held, failure error) error {
	e := w.Engine
	if ctx.Err() != nil {
		return failure
	}
	e.Meter.Tried(string(queue.CauseLedger))
	w.Log.Error("an alert cannot be read", "id", it.ID, "attempts", it.Attempts, "err", failure)
	return e.Update(ctx, func(t *ledger.Tx) error {
		if it.Attempts < e.Settings.Worker.MaxAttempts {
			why := queue.Failure{Cause: queue.CauseLedger, Detail: failure.Error()}
			return queue.Retry(ctx, t.Conn(), it.ID, why, e.Now().Add(w.pause(it.Attempts)))
		}
		return e.GiveUpUnread(t, it.Item)
	})
}
