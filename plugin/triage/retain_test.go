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
		return t.SetMeta(retainedMeta, r.at.Add(-time.Hour).UTC().Format(time.RFC3339Nano))
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

// TestAClockSetForwardRemovesNothing: not before it has stood for a day.
func TestAClockSetForwardRemovesNothing(t *testing.T) {
	r := newRig(t)
	r.drop(3)
	r.deliverAll()
	w := r.worker()
	retain := func(at time.Time, want int) {
		t.Helper()
		r.at = at
		r.ok(w.retain(t.Context()))
		if n := r.count1(); n != want {
			t.Errorf("%s: %d alerts are left, want %d", at, n, want)
		}
	}
	far := start.AddDate(5, 0, 0)
	retain(start.Add(time.Hour), 3)
	retain(far, 3)
	retain(far.Add(23*time.Hour), 3)
	retain(start.Add(30*time.Hour), 3) // set back
	retain(start.Add(40*time.Hour), 3)
	w.retained = time.Time{}
	retain(far, 3) // and forward again: a day from here
	retain(far.Add(23*time.Hour), 3)
	retain(far.Add(25*time.Hour), 0)
}

// TestRetentionGoesInSteps: no turn removes more than its share, and the next one goes on.
func TestRetentionGoesInSteps(t *testing.T) {
	r := newRig(t)
	r.drop(pruneStep + 50)
	r.deliverAll()
	r.at = start.Add(r.state.Settings.Retention.Records + time.Hour)
	r.update(func(t *ledger.Tx) error { return t.SetMeta(retainedMeta, r.at.UTC().Format(time.RFC3339Nano)) })
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
