package triage

import (
	"context"
	"fmt"
	"iter"

	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Publish writes the files that the alert action reads: the snapshot of cached verdicts and the
// heartbeat. Verdicts whose key has alerts that still wait for a person are left out: the action
// cannot see those.
func (w *Worker) Publish(ctx context.Context) error {
	e := w.Engine
	if e.stale { // a transaction failed: what is open is not known for sure
		if err := e.Reload(ctx); err != nil {
			return err
		}
	}
	var entries []published
	err := e.Ledger.View(ctx, func(t *ledger.Tx) error {
		return t.Verdicts(e.Now(), e.Generation, func(key cache.Key, v cache.Entry) error {
			if e.open[key].n == 0 && !e.Gate.Suspensions.Verdict(v.AlertID) {
				entries = append(entries, published{key, v})
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("publish cached verdicts: %w", err)
	}
	crash.Point("publish.before-snapshot")
	if err := cache.WriteSnapshot(w.State.Path("cache.snapshot"), e.Generation, all(entries)); err != nil {
		return fmt.Errorf("publish cached verdicts: %w", err)
	}
	crash.Point("publish.after-snapshot")
	w.published, w.dirty = e.Now(), false
	if w.stuck || e.Ledger.Damaged() {
		return nil
	}
	return w.State.Beat(e.Now())
}

type published struct {
	key   cache.Key
	entry cache.Entry
}

func all(entries []published) iter.Seq2[cache.Key, cache.Entry] {
	return func(yield func(cache.Key, cache.Entry) bool) {
		for _, p := range entries {
			if !yield(p.key, p.entry) {
				return
			}
		}
	}
}
