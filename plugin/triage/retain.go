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
	pruneEntries  = 200_000 // of the audit chain, at once
)

// forgetter is a sink that keeps notes of what it delivered.
type forgetter interface {
	Forget(age time.Duration) (int, error)
}

// retain removes what [retention] does not ask to keep: settled alerts, damaged records that
// nobody looked at, what killed actions left behind. What waits for somebody is never removed.
func (w *Worker) retain(ctx context.Context) error {
	now := w.Engine.Now()
	if now.Sub(w.retained) < retainEvery {
		return nil
	}
	w.retained = now
	keep := w.Engine.Settings.Retention
	removed := 0
	err := w.Engine.Update(ctx, func(t *ledger.Tx) error {
		var err error
		if _, err = t.PruneAudit(now.Add(-keep.Audit), now, pruneEntries); err != nil {
			return err
		}
		removed, err = t.Prune(now.Add(-keep.Records), now.Add(-w.Engine.Settings.Review.FactTTL), now)
		return err
	})
	err = errors.Join(err,
		alertaction.Sweep(w.State.Path("spool"), now.Add(-leavingsAfter)),
		removeOld(w.State.Path("spool/bad"), now.Add(-keep.Quarantine)))
	for _, s := range w.Sinks {
		if f, ok := s.(forgetter); ok {
			_, forgetErr := f.Forget(keep.Records)
			err = errors.Join(err, forgetErr)
		}
	}
	if removed > 0 {
		w.Log.Info("alerts past retention removed", "alerts", removed)
	}
	if err != nil {
		return fmt.Errorf("retention: %w", err)
	}
	return nil
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
