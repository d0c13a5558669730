package triage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// importSpool brings the complete records of the spool into the ledger. A record's files are
// removed only after its rows are committed, so a crash in between imports it again, which adds
// nothing. One record that fails does not hold up the others.
func (w *Worker) importSpool(ctx context.Context) (n int, err error) {
	entries, err := alertaction.ReadSpool(w.State.Path("spool"), w.Engine.Now())
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	// Whoever can write here can put decisions into a person's mouth.
	if err := w.State.Trusted(w.State.Path("spool")); err != nil {
		return 0, fmt.Errorf("the spool is not read: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		if ctx.Err() != nil {
			break
		}
		if err := guarded(func() error { return w.importRecord(ctx, entry) }); err != nil {
			errs = append(errs, fmt.Errorf("import %s: %w", entry.Path, err))
			continue
		}
		n++
		w.beat()
	}
	return n, errors.Join(errs...)
}

func (w *Worker) importRecord(ctx context.Context, entry alertaction.Entry) error {
	rec, err := alertaction.OpenRecord(entry.Path)
	var damaged *alertaction.DamagedError
	if err != nil && !errors.As(err, &damaged) {
		return err
	}
	if damaged != nil {
		w.Log.Error("spool record is damaged: its rows go to a person", "path", damaged.Path, "err", damaged.Err)
	}
	done, err := w.imported(ctx, entry.ID)
	if err != nil {
		return err
	}
	if !done {
		if err := w.importOnce(ctx, entry, rec); err != nil {
			return err
		}
	}
	if damaged != nil || entry.Kind == alertaction.KindQuarantine {
		return w.setAside(rec)
	}
	crash.Point("import.before-remove")
	defer crash.Point("import.after-remove")
	return rec.Remove()
}

func (w *Worker) imported(ctx context.Context, id string) (done bool, err error) {
	err = w.Engine.Ledger.View(ctx, func(t *ledger.Tx) error {
		done, err = t.Imported(id)
		return err
	})
	return done, err
}

func (w *Worker) importOnce(ctx context.Context, entry alertaction.Entry, rec *alertaction.Record) error {
	if entry.Kind == alertaction.KindCommand {
		return w.Engine.Update(ctx, func(t *ledger.Tx) error {
			if err := w.Command(t, rec.Body); err != nil {
				return err
			}
			return t.MarkImported(entry.ID, 0, w.Engine.Now())
		})
	}
	return w.importRows(ctx, entry.ID, rec)
}

// importRows admits the rows in batches, each one transaction. The last one also marks the record
// as imported; the rows of earlier batches are recognised by their natural key when it is read
// again after a crash.
func (w *Worker) importRows(ctx context.Context, id string, rec *alertaction.Record) error {
	var batch []Row
	rows := 0
	flush := func(last bool) error {
		rows += len(batch)
		err := w.Engine.Update(ctx, func(t *ledger.Tx) error {
			for i := range batch {
				if _, err := w.Engine.Admit(t, batch[i]); err != nil {
					return err
				}
			}
			if last {
				return t.MarkImported(id, rows, w.Engine.Now())
			}
			return nil
		})
		batch = batch[:0]
		return err
	}
	for item, err := range rec.Rows(w.Engine.Keys) {
		if err != nil {
			return err
		}
		batch = append(batch, Row{Alert: *item.Alert, Proposal: item.Proposal, Notable: item.NotableWritten})
		if len(batch) == importBatch {
			if err := flush(false); err != nil {
				return err
			}
		}
	}
	return flush(true)
}

// setAside keeps the files of a damaged record for people to look at.
func (w *Worker) setAside(rec *alertaction.Record) error {
	crash.Point("import.before-aside")
	defer crash.Point("import.after-aside")
	for _, path := range rec.Files() {
		if err := os.Rename(path, filepath.Join(w.State.Path("spool/bad"), filepath.Base(path))); err != nil {
			return fmt.Errorf("set aside: %w", err)
		}
	}
	return nil
}
