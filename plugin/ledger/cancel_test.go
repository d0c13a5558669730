package ledger

import (
	"context"
	"testing"
	"time"
)

// TestCancelledBeginLeavesNoTransaction: whenever a context ends, the next transaction can begin.
func TestCancelledBeginLeavesNoTransaction(t *testing.T) {
	l := openNew(t)
	for i := range 20000 {
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
