package triage

import (
	"context"
	"time"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// leastJump is how far the clock must be off for somebody to have set it: what is less is ordinary drift.
const leastJump = 10 * time.Second

// keepTime notices that the clock was set, forward or back, and moves what waits with it: leases, pauses, and by
// when people must see what. Otherwise all of it would be late at once, or nothing for as long as the
// clock was ahead.
func (w *Worker) keepTime(ctx context.Context) error {
	now, last := w.Engine.Now(), w.looked
	w.looked = now
	if last.IsZero() {
		return nil
	}
	passed := now.Sub(last) // by the clock that nobody can set, where the times know it
	if w.ticked != nil {
		passed = w.ticked()
	}
	jump := now.Round(0).Sub(last.Round(0)) - passed
	if jump.Abs() < leastJump {
		return nil
	}
	w.Log.Warn("the clock has jumped: what waits moves with it", "by", jump)
	err := w.Engine.Update(ctx, func(t *ledger.Tx) error {
		if err := queue.Shift(ctx, t.Conn(), jump); err != nil {
			return err
		}
		return t.ShiftOutbox(jump)
	})
	if err != nil {
		w.looked = last // the next turn sees it again
		return err
	}
	w.retained = now // somebody may set it right again before anything is removed for its age
	w.since, w.awaited, w.lookedOut = w.since.Add(jump), w.awaited.Add(jump), w.lookedOut.Add(jump)
	w.air.shift(jump)
	return nil
}

// shift moves what is held in memory as the queue is moved.
func (f *flights) shift(by time.Duration) {
	if f == nil {
		return
	}
	for _, one := range f.flying {
		one.item.Enqueued = one.item.Enqueued.Add(by)
	}
	for _, items := range f.waiting {
		shiftHeld(items, by)
	}
	shiftHeld(f.ready, by)
	for id, ends := range f.leased {
		f.leased[id] = ends.Add(by)
	}
}

func shiftHeld(items []held, by time.Duration) {
	for i := range items {
		items[i].Enqueued = items[i].Enqueued.Add(by)
	}
}
