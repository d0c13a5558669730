package triage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/disk"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// spooled is a record on its way into the ledger.
type spooled struct {
	alertaction.Entry
	rec     *alertaction.Record
	damaged bool
	rows    []Row
}

// importFor is after how long a turn stops to import, so that a long spool holds up nothing else.
const importFor = 5 * time.Second

// importSpool brings the complete records of the spool into the ledger, several small ones in one
// transaction. A record's files are removed only after its rows are committed, so a crash in between
// imports it again, which adds nothing. One record that fails does not hold up the others.
func (w *Worker) importSpool(ctx context.Context) (n int, err error) {
	entries, err := alertaction.ReadSpool(w.State.Path("spool"), w.Engine.Now())
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	// Whoever can write here can put decisions into a person's mouth.
	if err := w.State.Trusted(w.State.Path("spool")); err != nil {
		return 0, fmt.Errorf("the spool is not read: %w", err)
	}
	begun := w.Engine.Now()
	reading, stop := context.WithCancel(ctx)
	groups := w.readAhead(reading, entries)
	defer func() {
		stop()
		for range groups { // until nobody reads any more
		}
	}()
	var errs []error
	for g := range groups {
		for _, f := range g.failed {
			aside, err := w.importFailed(ctx, f.entry, f.err)
			n, errs = n+one(aside), append(errs, err)
		}
		done, err := w.importSmall(ctx, g.records)
		n, errs = n+done, append(errs, err)
		if ctx.Err() != nil || w.Engine.Now().Sub(begun) >= importFor {
			break
		}
	}
	return n, errors.Join(errs...)
}

// handful is records whose rows go into the ledger together.
type handful struct {
	records []*spooled
	rows    int
	failed  []notRead // what could not be read meanwhile
}

type notRead struct {
	entry alertaction.Entry
	err   error
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// readAhead reads records in groups, the next one while the one before goes into the ledger. It ends with
// the entries or with ctx, and closes the channel.
func (w *Worker) readAhead(ctx context.Context, entries []alertaction.Entry) <-chan handful {
	out := make(chan handful)
	keys, tries := w.Engine.Keys.Clone(), maps.Clone(w.unread)
	go func() {
		defer close(out)
		var g handful
		send := func() bool {
			select {
			case <-ctx.Done():
				return false
			case out <- g:
				g = handful{}
				return true
			}
		}
		for _, entry := range entries {
			s, small, err := w.readOne(entry, keys, tries[entry.ID] >= unreadTries)
			if err != nil {
				g.failed = append(g.failed, notRead{entry, fmt.Errorf("import %s: %w", entry.Path, err)})
				continue
			}
			if alone := !small || g.rows+len(s.rows) > importBatch; alone && len(g.records) > 0 && !send() {
				return
			}
			g.records, g.rows = append(g.records, s), g.rows+len(s.rows)
			if !small && !send() {
				return
			}
		}
		send()
	}()
	return out
}

// readOne reads a record, and its rows when they are few.
func (w *Worker) readOne(entry alertaction.Entry, keys *winnow.Keys, lastTry bool) (s *spooled, small bool, err error) {
	err = guarded(func() (err error) {
		if s, err = w.openSpooled(entry, lastTry); err == nil {
			small = s.readSmall(keys)
		}
		return err
	})
	return s, small, err
}

func (w *Worker) openSpooled(entry alertaction.Entry, lastTry bool) (*spooled, error) {
	if w.poke != nil {
		w.poke(entry.ID, nil)
	}
	rec, err := alertaction.OpenRecord(entry.Path)
	damaged, isDamaged := errors.AsType[*alertaction.DamagedError](err)
	if err != nil && !isDamaged {
		return nil, err
	}
	rec.LastTry = lastTry
	if isDamaged && damaged.Unread() && !rec.LastTry {
		return nil, err
	}
	if isDamaged {
		w.Log.Error("spool record is damaged: its rows go to a person", "path", damaged.Path, "err", damaged.Err)
	}
	return &spooled{Entry: entry, rec: rec, damaged: isDamaged || rec.LastTry}, nil
}

// unreadTries is how often a record is read that the disk does not give: each turn once. After that what can
// be read of it goes to a person, and the file is kept.
const unreadTries = 20

// unreadNow counts the turns in which the disk did not give a record.
func (w *Worker) unreadNow(id string, err error) {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		if w.unread == nil {
			w.unread = map[string]int{}
		}
		w.unread[id]++
	}
}

// readSmall reads the rows of a record that can share a transaction with others. Commands, damaged records
// and those with many rows go in alone, as does what cannot be read: that says why.
func (s *spooled) readSmall(keys *winnow.Keys) bool {
	if s.Kind == alertaction.KindCommand || s.Kind == alertaction.KindQuarantine || s.damaged {
		return false
	}
	for item, err := range s.rec.Rows(keys) {
		if err != nil || len(s.rows) == importBatch {
			s.rows = nil
			return false
		}
		s.rows = append(s.rows, rowOf(&item))
	}
	return true
}

func rowOf(item *alertaction.Item) Row {
	return Row{Alert: *item.Alert, Proposal: item.Proposal, Notable: item.NotableWritten}
}

// importSmall brings records into the ledger: in one transaction, or each in its own when that fails.
func (w *Worker) importSmall(ctx context.Context, records []*spooled) (n int, err error) {
	together := false
	if len(records) > 1 {
		together = guarded(func() error {
			return w.Engine.Update(ctx, func(t *ledger.Tx) error { return w.admitAll(t, records) })
		}) == nil
	}
	var errs []error
	for _, s := range records {
		if ctx.Err() != nil && !together {
			break
		}
		var err error
		if !together {
			err = guarded(func() error { return w.importAlone(ctx, s) })
		}
		if err == nil {
			err = w.finish(s)
		}
		if err != nil {
			aside, err := w.importFailed(ctx, s.Entry, fmt.Errorf("import %s: %w", s.Path, err))
			n, errs = n+one(aside), append(errs, err)
			continue
		}
		delete(w.unread, s.ID)
		n++
	}
	if n > 0 {
		w.beat()
	}
	return n, errors.Join(errs...)
}

func (w *Worker) admitAll(t *ledger.Tx, records []*spooled) error {
	for _, s := range records {
		done, err := t.Imported(s.ID)
		if err != nil {
			return err
		}
		if done {
			continue
		}
		if err := w.admitRows(t, s.rows); err != nil {
			return err
		}
		if err := t.MarkImported(s.ID, len(s.rows), w.Engine.Now()); err != nil {
			return err
		}
	}
	return nil
}

func (w *Worker) admitRows(t *ledger.Tx, rows []Row) error {
	for i := range rows {
		if w.poke != nil {
			w.poke("", &rows[i].Alert)
		}
		if _, err := w.Engine.Admit(t, rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// finish takes a record out of the spool when its rows are in the ledger.
func (w *Worker) finish(s *spooled) error {
	aside := s.damaged || s.Kind == alertaction.KindQuarantine
	w.Engine.Meter.Imported(aside)
	if aside {
		return w.setAside(s.rec)
	}
	crash.Point("import.before-remove")
	defer crash.Point("import.after-remove")
	return s.rec.Remove()
}

func (w *Worker) importAlone(ctx context.Context, s *spooled) error {
	done, err := w.imported(ctx, s.ID)
	if err != nil || done {
		return err
	}
	if s.Kind == alertaction.KindCommand {
		return w.Engine.Update(ctx, func(t *ledger.Tx) error {
			if err := w.Command(t, s.rec.Body); err != nil {
				return err
			}
			return t.MarkImported(s.ID, 0, w.Engine.Now())
		})
	}
	return w.importRows(ctx, s.ID, s.rec)
}

func (w *Worker) imported(ctx context.Context, id string) (done bool, err error) {
	err = w.Engine.Ledger.View(ctx, func(t *ledger.Tx) error {
		done, err = t.Imported(id)
		return err
	})
	return done, err
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
			if err := w.admitRows(t, batch); err != nil || !last {
				return err
			}
			return t.MarkImported(id, rows, w.Engine.Now())
		})
		batch = batch[:0]
		w.beat()
		return err
	}
	for item, err := range rec.Rows(w.Engine.Keys) {
		if err != nil {
			return err
		}
		batch = append(batch, rowOf(&item))
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
		if err := disk.Rename(path, filepath.Join(w.State.Path("spool/bad"), filepath.Base(path))); err != nil {
			return fmt.Errorf("set aside: %w", err)
		}
	}
	return nil
}
