package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/gofrs/flock"

	"github.com/winnow-soc/winnow/plugin/state"
)

// lockState takes the lock of a state folder's one writer, and leaves word of who has it. It waits for
// another that has it until the context ends, and says whom it waits for.
func (g *globals) lockState(ctx context.Context, d *state.Deployment, log *slog.Logger) (unlock func() error, err error) {
	lock := flock.New(d.Path("worker.lock"), flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err == nil && !ok {
		log.Warn("waits for the lock: a worker runs on this state folder", "state", d.State, "holder", heldBy(d))
		ok, err = lock.TryLockContext(ctx, 200*time.Millisecond)
	}
	if err != nil || !ok {
		return nil, fmt.Errorf("wait for the worker's lock on %s, held by %s: %w", d.State, heldBy(d), err)
	}
	host, _ := os.Hostname() //nolint:errcheck // without a name the number of the process has to do
	if err := d.Hold(state.Holder{PID: os.Getpid(), Host: host, Since: g.now()}); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", d.State, err), lock.Unlock())
	}
	return func() error { return errors.Join(d.Release(), lock.Unlock()) }, nil
}

// heldBy says who has the lock, as far as that is known.
func heldBy(d *state.Deployment) string {
	h, err := d.Holder()
	if err != nil {
		return "a process that has not said who it is"
	}
	return plain(h.String())
}
