package ledger

import (
	"context"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
)

// TestCancelledBeginLeavesNoTransaction: whenever a context ends, the next transaction can begin.
func TestCancelledBeginLeavesNoTransaction(t *testing.T) {
	l := openNew(t)
	for i := range 5000 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for begun := time.Now(); time.Since(begun) < time.Duration(i%200)*time.Microsecond/2; {
				continue
			}
			cancel()
		}()
		_ = l.View(ctx, func(*Tx) error { return nil }) // it may be too late
		<-done
		if err := l.View(t.Context(), func(*Tx) error { return nil }); err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
	}
}

// TestContextThatEndsAtCommitLeavesTheChainWhole: an update that says it failed has changed nothing, and one that
// went well is what the next entry of the audit chain follows, whenever its context ends.
func TestContextThatEndsAtCommitLeavesTheChainWhole(t *testing.T) {
	l := openNew(t)
	want := 0
	for i := range 600 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		err := l.Update(ctx, func(tx *Tx) error {
			err := tx.Add(sample(i), recordOf(sample(i), winnow.StateClosed))
			go func() {
				defer close(done)
				for begun := time.Now(); time.Since(begun) < time.Duration(i%300)*time.Microsecond; {
					continue
				}
				cancel()
			}()
			return err
		})
		<-done
		if err == nil {
			want++
		}
		if err := l.Unaudited(); err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
	}
	got := 0
	update(t, l, func(tx *Tx) error {
		return tx.Conn().QueryRowContext(t.Context(), "SELECT count(*) FROM alerts").Scan(&got)
	})
	if got != want {
		t.Errorf("%d alerts, and %d were said to be there", got, want)
	}
	holds(t, l)
}
