package triage

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// A spool that somebody else can write to is not read: its commands would speak for people.
func TestASpoolThatOthersCanWriteIsNotRead(t *testing.T) {
	r := newRig(t)
	w := r.worker()
	r.spool(alertaction.KindAlert, "1", "carol")
	r.ok(os.Chmod(r.state.Path("spool"), 0o777)) //nolint:gosec // that is the test
	if _, err := w.Turn(t.Context()); err == nil {
		t.Error("nothing was said")
	}
	if len(r.queued()) > 0 {
		t.Error("the record was imported")
	}
	r.ok(os.Chmod(r.state.Path("spool"), 0o700)) //nolint:gosec // as it was
	if _, err := w.Turn(t.Context()); err != nil {
		t.Error(err)
	}
}

// An alert whose entry is damaged is tried again and then escalated; the others are not held up.
func TestADamagedEntryHoldsUpNothing(t *testing.T) {
	r := newRig(t)
	bad := r.admit(Row{Alert: r.alert("bad", "user", "carol"), Proposal: passes})
	good := r.admit(Row{Alert: r.alert("good", "user", "erin"), Proposal: passes})
	r.update(func(tx *ledger.Tx) error {
		_, err := tx.Conn().ExecContext(t.Context(), "UPDATE alerts SET alert = 'damaged' WHERE id = ?", bad.ID)
		return err
	})
	w := r.worker()
	for range r.engine.Settings.Worker.MaxAttempts + 1 {
		_, err := w.Turn(t.Context())
		r.ok(err)
		r.at = r.at.Add(time.Hour)
	}
	if rec := r.record(good.ID); !rec.Outcome.State.Settled() {
		t.Errorf("the other alert is %s", rec.Outcome.State)
	}
	if rec := r.record(bad.ID); rec.Outcome.State != winnow.StateEscalated || rec.Outcome.Reason != "gave_up:ledger" {
		t.Errorf("the damaged one is %+v", rec.Outcome)
	}
	if left := r.queued(); len(left) > 0 {
		t.Errorf("still queued: %v", left)
	}
}

// While alerts cannot be taken on, the alert action must be able to tell.
func TestNoHeartbeatWhileTheLedgerFails(t *testing.T) {
	r := newRig(t)
	w := r.worker()
	r.spool(alertaction.KindAlert, "1", "carol")
	r.ok(r.ledger.Close())
	for range 3 {
		if _, err := w.Turn(t.Context()); err == nil {
			t.Fatal("a turn without a ledger succeeded")
		}
	}
	if r.state.Alive(r.at) {
		t.Error("the worker seems alive")
	}
}

// A close that has not been delivered yet waits while the gate is off, and is forgotten when
// something else has become of the alert.
func TestClosesAreHeldWhileTheGateIsOff(t *testing.T) {
	r := newRig(t, "gate.place=beside")
	taken := &sink{name: "update"}
	w := r.worker(taken)
	rec := r.triage(r.alert("0", "user", "ann"))
	want(t, rec, winnow.StateClosed, winnow.ReasonRule)
	r.engine.Gate.Blind = winnow.ReasonGateOff
	w.Refresh = func() error { return nil }
	for range 3 {
		_, err := w.deliver(t.Context())
		r.ok(err)
		r.at = r.at.Add(time.Hour)
	}
	if len(taken.took) > 0 {
		t.Fatalf("delivered while the gate is off: %v", taken.took)
	}
	r.engine.Gate.Blind = ""
	r.update(func(tx *ledger.Tx) error { return r.engine.Requeue(tx, rec.ID, winnow.ReasonRecall, "test") })
	if _, err := w.deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(taken.took) > 0 {
		t.Errorf("a close was delivered of an alert that is triaged again: %v", taken.took)
	}
}

// What cannot be read is not replaced: the suspensions that it held would be forgotten.
func TestUnreadSuspensionsAreNotReplaced(t *testing.T) {
	r := newRig(t)
	rec := r.triage(r.alert("0", "user", "dave"))
	r.engine.Gate.Suspensions = nil
	err := r.engine.Ledger.Update(t.Context(), func(tx *ledger.Tx) error { return r.engine.Revoke(tx, rec.ID, "ann", "wrong") })
	if err == nil || errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("err = %v", err)
	}
}
