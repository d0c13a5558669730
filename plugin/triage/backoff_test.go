package triage

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/plugin/ledger"
)

// offAndOn is a sink that notes when it was asked, on a clock of which hours pass in no time.
type offAndOn struct {
	began  time.Time
	answer func(try int) error

	mu    sync.Mutex
	tried []time.Duration // since it began
}

func (s *offAndOn) Name() string { return "events" }

func (s *offAndOn) Deliver(context.Context, ledger.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried = append(s.tried, time.Since(s.began))
	return s.answer(len(s.tried))
}

// pauses are the times between tries.
func (s *offAndOn) pauses() (out []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 1; i < len(s.tried); i++ {
		out = append(out, s.tried[i]-s.tried[i-1])
	}
	return out
}

// runFor runs workers, one after the other as if they were killed, over one alert that is told to the sink; the
// loop is the real one. Before it, the clock is one that synctest moves.
func (r *rig) runFor(s *offAndOn, lives ...time.Duration) ledger.DeliveryState {
	r.t.Helper()
	rec := r.triage(r.alert("0"))
	s.began = time.Now()
	r.engine.Now = func() time.Time { return start.Add(time.Since(s.began)) }
	for _, life := range lives {
		ctx, end := context.WithTimeout(r.t.Context(), life)
		r.ok(r.worker(&sink{name: "update"}, s).Run(ctx))
		end()
	}
	return r.deliveryTo(rec.ID, "events")
}

const (
	m = time.Minute
	h = time.Hour
)

var errBusy = errors.New("503")

// TestBackOff: a delivery that fails is tried again after a pause that doubles up to a bound, and not before the
// server said; it is given up when that is asked for, or after so many tries, and never tried again then. A worker
// that takes over keeps to it.
func TestBackOff(t *testing.T) {
	later := func(after time.Duration) func(int) error {
		return func(int) error { return &ledger.LaterError{After: after, Err: errBusy} }
	}
	for name, c := range map[string]struct {
		answer func(try int) error
		lives  []time.Duration
		pauses []time.Duration
		want   ledger.DeliveryState
	}{
		"doubles up to retry_max": {
			func(int) error { return errBusy }, []time.Duration{40*m + 1}, []time.Duration{m, 2 * m, 4 * m, 8 * m, 8 * m, 8 * m, 8 * m},
			ledger.DeliveryState{Attempts: 8, Error: "503"},
		},
		"ends when it is taken": {
			func(try int) error {
				if try < 4 {
					return errBusy
				}
				return nil
			}, []time.Duration{3 * h}, []time.Duration{m, 2 * m, 4 * m}, ledger.DeliveryState{Attempts: 3},
		},
		"refused for good": {
			func(int) error { return errForGood }, []time.Duration{3 * h}, nil, ledger.DeliveryState{Attempts: 1, Error: "never"},
		},
		"refused for good at last": {
			func(try int) error {
				if try < 3 {
					return errBusy
				}
				return errForGood
			}, []time.Duration{3 * h}, []time.Duration{m, 2 * m}, ledger.DeliveryState{Attempts: 3, Error: "never"},
		},
		"not before the server said": {
			later(30 * m), []time.Duration{90*m + 1}, []time.Duration{30 * m, 30 * m, 30 * m}, ledger.DeliveryState{Attempts: 4, Error: "503"},
		},
		"a server that asks for ever gets an hour": {
			later(1000 * h), []time.Duration{2*h + 1}, []time.Duration{h, h}, ledger.DeliveryState{Attempts: 3, Error: "503"},
		},
		"a server that wants it sooner waits all the same": {
			later(time.Second), []time.Duration{15*m + 1}, []time.Duration{m, 2 * m, 4 * m, 8 * m}, ledger.DeliveryState{Attempts: 5, Error: "503"},
		},
		"nor does a wrong one": {
			later(-h), []time.Duration{7*m + 1}, []time.Duration{m, 2 * m, 4 * m}, ledger.DeliveryState{Attempts: 4, Error: "503"},
		},
		"a new worker goes on": {
			func(int) error { return errBusy }, []time.Duration{4*m + 1, 3 * m, 8*m + 1}, []time.Duration{m, 2 * m, 4*m + 1, 8 * m},
			ledger.DeliveryState{Attempts: 5, Error: "503"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &offAndOn{answer: c.answer}
				r := newRig(t, "queue.retry_min=1m", "queue.retry_max=8m", "worker.poll=1m")
				got := r.runFor(s, c.lives...)
				if diff := cmp.Diff(c.pauses, s.pauses()); diff != "" {
					t.Errorf("pauses differ (-want +got):\n%s", diff)
				}
				c.want.Sink, c.want.Kind = "events", string(ledger.DeliverEvent)
				if got.Done.IsZero() != (c.want.Error != "") {
					t.Errorf("done at %v", got.Done)
				}
				got.Done = time.Time{}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("delivery differs (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestBackOffEnds: what a sink refuses for a day, with the pauses as shipped, stays in the outbox for people.
func TestBackOffEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &offAndOn{answer: func(int) error { return errBusy }}
		r := newRig(t, "worker.poll=10m")
		got := r.runFor(s, 30*h)
		var sum, longest time.Duration
		for _, p := range s.pauses() {
			sum, longest = sum+p, max(longest, p)
		}
		if len(s.tried) != deliveryTries || got.Attempts != deliveryTries || !got.Done.IsZero() || got.Error != "503" {
			t.Errorf("%d tries, %+v", len(s.tried), got)
		}
		if sum < 20*h || sum > 28*h || longest != 10*m {
			t.Errorf("tried for %s, with pauses of up to %s", sum, longest)
		}
		r.view(func(tx *ledger.Tx) error {
			_, failed, err := tx.OutboxCounts()
			if failed != 1 {
				t.Errorf("%d deliveries count as given up", failed)
			}
			return err
		})
	})
}
