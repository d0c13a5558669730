package triage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// A record of the spool whose import panics brings out a fault of winnow that the next turn has too. So it is
// tried as often as an alert is, across restarts, and then taken apart: every row that can be admitted is, a
// row that cannot goes to a person as it is, and what cannot even be read is told of by one alert. The file
// is kept in quarantine.

// panicsMeta is where the ledger counts the panics of a record.
func panicsMeta(id string) string { return "panics/" + id }

// importFailed notes that a record could not be imported in this turn. It reports whether the record is out of
// the spool all the same; the error is why it is not.
func (w *Worker) importFailed(ctx context.Context, entry alertaction.Entry, failure error) (done bool, err error) {
	if broke, ok := errors.AsType[*PanicError](failure); ok {
		return w.importPanicked(ctx, entry, broke, failure)
	}
	w.unreadNow(entry.ID, failure)
	return false, failure
}

// importPanicked counts a panic, and takes a record apart that has had its tries.
func (w *Worker) importPanicked(ctx context.Context, entry alertaction.Entry, broke *PanicError, failure error) (bool, error) {
	tries, err := w.countPanic(ctx, entry.ID)
	if err != nil {
		return false, errors.Join(failure, err)
	}
	w.Engine.Meter.Tried(string(queue.CausePanic))
	w.Log.Error("a panic while a spool record was imported", "record", entry.ID, "tries", tries, "err", broke, "stack", broke.Stack)
	if tries < w.Engine.Settings.Worker.MaxAttempts {
		return false, failure
	}
	if err := w.takeApart(ctx, entry); err != nil {
		return false, fmt.Errorf("take apart %s: %w", entry.Path, err)
	}
	w.Log.Error("the spool record is set aside: rows that cannot be imported went to a person", "record", entry.ID, "tries", tries)
	return true, nil
}

func (w *Worker) countPanic(ctx context.Context, id string) (tries int, err error) {
	err = w.Engine.Update(ctx, func(t *ledger.Tx) error {
		text, err := t.Meta(panicsMeta(id))
		if err != nil {
			return err
		}
		tries, _ = strconv.Atoi(text) // "" is none
		tries++
		return t.SetMeta(panicsMeta(id), strconv.Itoa(tries))
	})
	return tries, err
}

// takeApart imports what can be imported of a record, row by row, and sets its files aside. After a crash in
// between it is taken apart again: rows that are in the ledger are recognised.
func (w *Worker) takeApart(ctx context.Context, entry alertaction.Entry) error {
	rec, err := w.openPoison(entry)
	if err != nil {
		return err
	}
	rows := 0
	if entry.Kind != alertaction.KindCommand {
		if rows, err = w.admitEach(ctx, rec); err != nil {
			return err
		}
	}
	err = w.Engine.Update(ctx, func(t *ledger.Tx) error { return t.MarkImported(entry.ID, rows, w.Engine.Now()) })
	if err != nil {
		return err
	}
	if err := w.setAside(rec); err != nil {
		return err
	}
	w.Engine.Meter.Imported(true)
	return w.Engine.Update(ctx, func(t *ledger.Tx) error { return t.DropMeta(panicsMeta(entry.ID)) })
}

// openPoison opens a record. One that cannot even be opened without a panic is known by its name alone.
func (w *Worker) openPoison(entry alertaction.Entry) (rec *alertaction.Record, err error) {
	err = guarded(func() error {
		s, err := w.openSpooled(entry, false)
		if err == nil {
			rec = s.rec
		}
		return err
	})
	if _, broke := errors.AsType[*PanicError](err); !broke {
		return rec, err
	}
	received := w.Engine.Now()
	if info, err := os.Stat(entry.Path); err == nil {
		received = info.ModTime()
	}
	return &alertaction.Record{
		Path: entry.Path, Header: alertaction.Header{ID: entry.ID, Kind: entry.Kind, Received: received, DecideBy: received},
	}, nil
}

// admitEach admits the rows of a record one by one, and an alert for those that cannot be read. It returns how
// many rows there were.
func (w *Worker) admitEach(ctx context.Context, rec *alertaction.Record) (rows int, err error) {
	for _, part := range []*alertaction.Record{rec, restOf(rec, true), restOf(rec, false)} {
		err = guarded(func() error {
			for item, err := range part.Rows(w.Engine.Keys) {
				if err != nil {
					return err
				}
				if err := w.admitOne(ctx, rowOf(&item)); err != nil {
					return err
				}
				rows++
			}
			return nil
		})
		if _, broke := errors.AsType[*PanicError](err); !broke {
			return rows, err
		}
	}
	return rows, err
}

// restOf stands for the rows of a record that cannot be read: one alert, which names the search where the
// payload could be read and is not the trouble itself.
func restOf(rec *alertaction.Record, named bool) *alertaction.Record {
	rest := &alertaction.Record{Path: rec.Path, Header: rec.Header, Trailer: rec.Trailer}
	rest.Header.Unread = "winnow failed over them"
	if named && rec.Payload != nil {
		payload := *rec.Payload
		payload.Result = nil // its row may be there already
		rest.Payload = &payload
	}
	return rest
}

// admitOne admits a row in a transaction of its own. One that makes that panic goes to a person: with its
// fields, and without them when it is those that cannot be stored.
func (w *Worker) admitOne(ctx context.Context, row Row) error {
	err := guarded(func() error {
		return w.Engine.Update(ctx, func(t *ledger.Tx) error { return w.admitRows(t, []Row{row}) })
	})
	bare := row
	bare.Alert.Fields = nil
	bare.Alert.Warnings = append(slices.Clip(bare.Alert.Warnings),
		"winnow failed over this row: its fields are in spool/bad alone")
	for _, next := range []Row{row, bare} {
		if _, broke := errors.AsType[*PanicError](err); !broke {
			break
		}
		err = guarded(func() error {
			return w.Engine.Update(ctx, func(t *ledger.Tx) error {
				if w.poke != nil {
					w.poke("", &next.Alert)
				}
				return w.Engine.giveUpRow(t, next)
			})
		})
	}
	w.beat()
	return err
}

// giveUpRow brings a row that cannot be admitted to a person. The row has its ID and key already.
func (e *Engine) giveUpRow(t *ledger.Tx, row Row) error {
	a := &row.Alert
	found, err := t.Find(a.Key)
	if err != nil || found.ID != "" {
		return err
	}
	entry := ledger.Entry{Alert: *a, Team: e.Teams.Of(a).Name, Notable: row.Notable}
	_ = guarded(func() error { // without a key it repeats nothing
		entry.Key = cache.KeyOf(e.Keys, e.Fields, a)
		return nil
	})
	rec := winnow.NewRecord(a, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonRecordUnread})
	if err := t.Add(entry, rec); err != nil {
		return err
	}
	return e.GiveUp(t, &entry, &rec, queue.CausePanic)
}
