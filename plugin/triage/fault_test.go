package triage

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/disk"
	"github.com/winnow-soc/winnow/plugin/disk/disktest"
)

// TestPromise1NoFaultLosesARecord has the disk fail while the worker takes records out of the spool: one with
// rows, decided or not, and one that nobody understands. Once the disk is well each row has one outcome, and what
// could not be believed went to a person. Nothing but what the analyst says is closed.
func TestPromise1NoFaultLosesARecord(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a ledger for each of hundreds of faults")
	}
	for _, kind := range []alertaction.Kind{alertaction.KindAlert, alertaction.KindIntake} {
		t.Run(string(kind), func(t *testing.T) {
			disktest.Each(t, func(t *testing.T, f *disktest.Case) { importUnderFault(t, kind, f) })
		})
	}
}

func importUnderFault(t *testing.T, kind alertaction.Kind, f *disktest.Case) {
	t.Helper()
	r := newRig(t)
	r.spool(kind, "2", "bob", "carol")
	r.spool(alertaction.KindQuarantine, "1")
	r.at = r.at.Add(time.Hour) // nobody decides the intake any more
	w := r.worker(&sink{name: "update"}, &sink{name: "events"})
	f.During(func() { _ = w.Once(t.Context()) })
	r.once(w)
	want := map[string]winnow.State{"0": winnow.StateClosed, "1": winnow.StateClosed, "record_unread": winnow.StateEscalated}
	if diff := cmp.Diff(want, r.outcomes()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if left := r.spooled(); len(left) > 0 {
		t.Errorf("left in the spool: %v", left)
	}
}

// TestPromise1UnreadableForGood: a record that the disk never gives goes to a person in the end, and is kept.
func TestPromise1UnreadableForGood(t *testing.T) {
	r := newRig(t)
	path := r.spool(alertaction.KindAlert, "2", "bob", "carol")
	w := r.worker(&sink{name: "update"}, &sink{name: "events"})
	restore := disk.Inject(func(op disk.Op, name string, _ int) (int, error) {
		if op == disk.OpRead && name == path {
			return 0, syscall.EIO
		}
		return 0, nil
	})
	defer restore()
	for range unreadTries {
		if err := w.Once(t.Context()); err == nil || len(r.outcomes()) != 0 {
			t.Fatalf("error %v, outcomes %v", err, r.outcomes())
		}
	}
	r.once(w)
	if diff := cmp.Diff(map[string]winnow.State{"record_unread": winnow.StateEscalated}, r.outcomes()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if kept, err := os.ReadDir(r.state.Path("spool/bad")); err != nil || len(kept) != 1 || len(r.spooled()) != 0 {
		t.Errorf("kept %v, error %v; left in the spool: %v", kept, err, r.spooled())
	}
}
