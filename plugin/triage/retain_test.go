package triage

import (
	"fmt"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// retainToday is a run of retention by a worker that was never away.
func (r *rig) retainToday() {
	r.t.Helper()
	r.update(func(t *ledger.Tx) error {
		return setRetained(t, r.at.Add(-time.Hour))
	})
	w := r.worker()
	for w.pruning = true; w.pruning; {
		r.ok(w.retain(r.t.Context()))
	}
}

func (r *rig) count1() (n int) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) (err error) {
		n, err = t.Count()
		return err
	})
	return n
}

// TestRetentionGoesInSteps: no turn removes more than its share, and the next one goes on.
func TestRetentionGoesInSteps(t *testing.T) {
	r := newRig(t)
	r.drop(pruneStep + 50)
	r.deliverAll()
	r.at = start.Add(r.state.Settings.Retention.Records + time.Hour)
	r.update(func(t *ledger.Tx) error { return setRetained(t, r.at) })
	w := r.worker()
	for _, want := range []int{50, 0} {
		r.ok(w.retain(t.Context()))
		if n := r.count1(); n != want {
			t.Errorf("%d are left, want %d", n, want)
		}
	}
	if w.pruning {
		t.Error("it goes on, and there is nothing")
	}
}

// TestAFullLedgerLosesTheOldest, and never what waits for a person.
func TestAFullLedgerLosesTheOldest(t *testing.T) {
	r := newRig(t, "retention.size=1KB")
	waits := r.triage(r.alert("waits", "src", stranger))
	r.drop(5)
	r.deliverAll()
	r.at = start.Add(time.Hour)
	r.retainToday()
	if n := r.count1(); n != 1 {
		t.Errorf("%d are left", n)
	}
	if got := r.record(waits.ID); got.Outcome.State != winnow.StateInReview {
		t.Errorf("what waits is %s", got.Outcome.State)
	}
}

// TestDropsPastTheirFieldsAreNotRecalled: they are counted as past retention.
func TestDropsPastTheirFieldsAreNotRecalled(t *testing.T) {
	r := newRig(t)
	r.drop(3)
	r.deliverAll()
	r.at = start.Add(r.state.Settings.Retention.Dropped + time.Hour)
	r.retainToday()
	if got := r.plan(Recall{Rule: travelID}); got.Requeue != 0 || got.Gone != 3 {
		t.Errorf("plan %+v", got)
	}
	if n := r.count1(); n != 3 {
		t.Errorf("%d records are left", n)
	}
}

// deliverAll empties the outbox.
func (r *rig) deliverAll() {
	r.t.Helper()
	r.update(func(t *ledger.Tx) error {
		due, err := t.Due(r.at.Add(time.Hour), 10_000)
		for i := range due {
			if err := t.Delivered(due[i].Key, r.at); err != nil {
				return fmt.Errorf("deliver: %w", err)
			}
		}
		return err
	})
}
