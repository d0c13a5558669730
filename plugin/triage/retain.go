package triage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// How often the worker cleans up, and how old leavings in the spool have to be: far older than
// any action lives.
const (
	retainEvery   = time.Hour
	leavingsAfter = 24 * time.Hour
)

// forgetter is a sink that keeps notes of what it delivered.
type forgetter interface {
	Forget(age time.Duration) (int, error)
}

// Limits of one step of retention, so that no turn takes long.
const (
	pruneStep   = 200  // alerts
	pruneAudits = 2000 // entries of the audit chain
	shrinkStep  = 2000 // pages
)

// retain removes what [retention] does not ask to keep, a step a turn: settled alerts, fields of what rules
// dropped, damaged records that nobody looked at, what killed actions left behind. What waits for somebody
// is never removed.
func (w *Worker) retain(ctx context.Context) error {
	now := w.Engine.Now()
	if !w.pruning && now.Sub(w.retained) < retainEvery {
		return nil
	}
	first := !w.pruning
	w.retained = now
	doubt, err := w.clockDoubt(ctx, now)
	if err == nil && doubt {
		w.pruning = false
		return nil
	}
	if err == nil {
		err = w.prune(ctx, now)
	}
	if first {
		err = errors.Join(err, w.removeFiles(now))
	}
	if err != nil {
		w.pruning = false
		return fmt.Errorf("retention: %w", err)
	}
	return nil
}

// prune takes one step in the ledger.
func (w *Worker) prune(ctx context.Context, now time.Time) error {
	l, s := w.Engine.Ledger, w.Engine.Settings
	used, free, err := l.Size(ctx)
	if err != nil {
		return err
	}
	keep := ledger.Keep{
		Records: now.Add(-s.Retention.Records), Fields: now.Add(-s.Retention.Dropped), Facts: now.Add(-s.Review.FactTTL), Now: now,
	}
	full := s.Retention.Size > 0 && used > s.Retention.Size
	if full { // the oldest go first, whatever their age
		keep.Records = now
	}
	var done ledger.Pruned
	var entries int64
	err = w.Engine.Update(ctx, func(t *ledger.Tx) error {
		if entries, err = t.PruneAudit(now.Add(-s.Retention.Audit), now, pruneAudits); err != nil {
			return err
		}
		if done, err = t.Prune(keep, pruneStep); err != nil {
			return err
		}
		return setRetained(t, now)
	})
	if err != nil {
		return err
	}
	if done.Alerts+done.Bare > 0 {
		w.Log.Info("alerts past retention removed", "alerts", done.Alerts, "without_fields", done.Bare, "for_size", full)
	}
	w.pruning = done.More || entries > 0
	if free > used/4 { // the rest is used again
		return l.Shrink(ctx, shrinkStep)
	}
	return nil
}

// removeFiles does the same for files beside the ledger.
func (w *Worker) removeFiles(now time.Time) error {
	keep := w.Engine.Settings.Retention
	err := errors.Join(
		alertaction.Sweep(w.State.Path("spool"), now.Add(-leavingsAfter)),
		removeOld(w.State.Path("spool/bad"), now.Add(-keep.Quarantine)))
	for _, s := range w.Sinks {
		if f, ok := s.(forgetter); ok {
			_, forgetErr := f.Forget(keep.Records)
			err = errors.Join(err, forgetErr)
		}
	}
	return err
}

func removeOld(dir string, before time.Time) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range files {
		info, err := f.Info()
		if err == nil && info.Mode().IsRegular() && info.ModTime().Before(before) {
			err = os.Remove(filepath.Join(dir, f.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
