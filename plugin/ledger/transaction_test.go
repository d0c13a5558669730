package ledger

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
)

var errHalfway = errors.New("halfway")

func TestErrorRollsEverythingBack(t *testing.T) {
	l := openNew(t)
	add(t, l, sample(1), winnow.StateQueued)
	err := l.Update(t.Context(), func(tx *Tx) error { return errors.Join(touchEverything(tx), errHalfway) })
	if !errors.Is(err, errHalfway) {
		t.Fatalf("Update gives %v, want f's own error", err)
	}
	checkUntouched(t, l)
}

func TestPanicRollsBackAndLeavesTheLedgerUsable(t *testing.T) {
	l := openNew(t)
	add(t, l, sample(1), winnow.StateQueued)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = l.Update(t.Context(), func(tx *Tx) error {
			if err := touchEverything(tx); err != nil {
				t.Error(err)
			}
			panic("halfway")
		})
	}()
	checkUntouched(t, l)
	add(t, l, sample(2), winnow.StateQueued)
}

func TestCancelledUpdateChangesNothing(t *testing.T) {
	l := openNew(t)
	add(t, l, sample(1), winnow.StateQueued)
	ctx, cancel := context.WithCancel(t.Context())
	err := l.Update(ctx, func(tx *Tx) error {
		if err := touchEverything(tx); err != nil {
			t.Error(err)
		}
		cancel()
		_, err := tx.Has("x")
		return err
	})
	if err == nil {
		t.Error("the cancelled transaction says that it went well")
	}
	checkUntouched(t, l)
	if err := l.Update(ctx, func(*Tx) error { return nil }); err == nil {
		t.Error("a transaction began under a cancelled context")
	}
	add(t, l, sample(2), winnow.StateQueued)
}

// touchEverything changes every table.
func touchEverything(tx *Tx) error {
	e := sample(8)
	rec := recordOf(sample(1), winnow.StateClosed)
	_, err := tx.Change(rec, Links{})
	return errors.Join(err,
		tx.Add(e, recordOf(e, winnow.StateQueued)), tx.SetMeta("clock", "later"), tx.MarkImported("spool", 1, noon),
		tx.PutCase(e.Alert.ID, noon, []byte("{}")), tx.AddPrecedent("s", "e", e.Alert.ID, noon),
		tx.AddReview(Review{ID: e.Alert.ID, At: noon}), tx.Post(delivery(e, 1, DeliverEvent), noon))
}

func checkUntouched(t *testing.T, l *Ledger) {
	t.Helper()
	view(t, l, func(tx *Tx) error {
		ids, e1 := tx.IDs()
		seq, e2 := tx.Seq(sample(1).Alert.ID)
		history, e3 := tx.History(sample(1).Alert.ID)
		meta, e4 := tx.Meta("clock")
		imported, e5 := tx.Imported("spool")
		waiting, _, e6 := tx.OutboxCounts()
		reviews, e7 := tx.Reviews(sample(8).Alert.ID)
		rows := 0
		e8 := tx.Cases(func([]byte) error { rows++; return nil })
		e9 := tx.Precedents(func(string, string, string, time.Time) { rows++ })
		if len(ids) != 1 || seq != 1 || len(history)+len(reviews)+waiting+rows != 0 || meta != "" || imported {
			t.Errorf("something is left of it: ids %v, seq %d, history %d, reviews %d, waiting %d, other %d, meta %q, imported %v",
				ids, seq, len(history), len(reviews), waiting, rows, meta, imported)
		}
		return errors.Join(e1, e2, e3, e4, e5, e6, e7, e8, e9)
	})
}

// TestUpdatesRunOneAtATime: each of many concurrent transactions sees all of those before it.
func TestUpdatesRunOneAtATime(t *testing.T) {
	l := openNew(t)
	e := sample(1)
	add(t, l, e, winnow.StateQueued)
	const writers, turns = 8, 5
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range turns {
				err := l.Update(t.Context(), func(tx *Tx) error {
					before, err := tx.Seq(e.Alert.ID)
					if err != nil {
						return err
					}
					after, err := tx.Change(recordOf(e, winnow.StateInReview), Links{})
					if after != before+1 {
						t.Errorf("number %d follows %d", after, before)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	view(t, l, func(tx *Tx) error {
		history, err := tx.History(e.Alert.ID)
		if len(history) != writers*turns {
			t.Errorf("%d records of history, want %d", len(history), writers*turns)
		}
		return err
	})
}

func TestCheckFindsASoundLedgerSound(t *testing.T) {
	l := openNew(t)
	add(t, l, sample(1), winnow.StateInReview)
	if err := l.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
