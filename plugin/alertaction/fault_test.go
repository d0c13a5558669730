package alertaction

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/disk/disktest"
)

// TestNoFaultLosesAnAlert runs the action with the disk failing at each of its operations, each way a disk
// fails. Either all rows are in the spool and the action says so; or it says that they are not, nothing of
// them is in the spool, and where winnow owns the notables and the disk is well otherwise, each has one. What
// no rule covers is never dropped, what one covers may not be.
func TestNoFaultLosesAnAlert(t *testing.T) {
	if testing.Short() {
		t.Skip("lays out an installation for each of hundreds of faults")
	}
	for name, c := range map[string]struct {
		settings string
		stale    bool
	}{
		"beside":            {"[gate]\nrun = enforce\n", false},
		"owner":             {owner, false},
		"owner, no worker":  {owner, true},
		"large":             {"[gate]\nlarge_results = 10\nrun = enforce\n", false},
		"large, no worker":  {owner + "large_results = 10\n", true},
		"shadow, no worker": {"[gate]\nplace = owner\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			disktest.Each(t, func(t *testing.T, f *disktest.Case) {
				a := newApp(t, c.settings)
				if c.stale {
					a.now = a.now.Add(time.Hour)
				}
				payload := a.payload(a.results(travel), nil)
				var r ran
				f.During(func() { r = a.run(payload) })
				a.checkAfterFault(r, f.Once, strings.Contains(c.settings, "owner"))
			})
		})
	}
}

// checkAfterFault holds what a run of three rows left behind against what it said: the first may be dropped.
// What could not be read of the results is one row that goes to a person, and has its notable at once where the
// worker is dead.
func (a *app) checkAfterFault(r ran, once, owner bool) {
	a.t.Helper()
	items := a.stored()
	written := len(a.notables())
	if r.code != ExitStored {
		if r.code == ExitNoStore && len(items) > 0 {
			a.t.Errorf("exit %d, and the spool holds %s: %s", r.code, said(items), r.stderr)
		}
		if !strings.Contains(r.stderr, "ERROR") {
			a.t.Errorf("exit %d without an ERROR line: %s", r.code, r.stderr)
		}
		if owner && once && written != 3 && len(items) != 3 {
			a.t.Errorf("exit %d, %d notables of 3 rows: %s", r.code, written, r.stderr)
		}
		return
	}
	unread := strings.Contains(r.stderr, "a person is told about the rest")
	if unread && len(items) == 1 && items[0].Loss && items[0].Proposal.Kind == winnow.ProposeEscalate {
		return
	}
	if len(items) != 3 {
		a.t.Fatalf("exit %d, the spool holds %q: %s", r.code, said(items), r.stderr)
	}
	for i, item := range items {
		if item.Proposal.Kind == winnow.ProposeDrop && i > 0 {
			a.t.Errorf("row %d is dropped: %s", i, r.stderr)
		}
		if item.Loss {
			a.t.Errorf("row %d is no row", i)
		}
	}
	marked := 0
	for _, item := range items {
		if item.NotableWritten {
			marked++
		}
	}
	if marked > written {
		a.t.Errorf("%d notables are said to be written, %d are: %s", marked, written, r.stderr)
	}
	if once && !unread && marked < written {
		a.t.Errorf("%d notables are written, of %d the record knows: %s", written, marked, r.stderr)
	}
	if left, _ := filepath.Glob(filepath.Join(a.open().Path("spool/tmp"), "*")); once && len(left) > 1 {
		a.t.Errorf("left behind: %v", left)
	}
}

// TestNoFaultReadsWhatWasNotWritten has the disk fail while a record is read: each row is read as it was
// written, or passes to a person, or the record is said to be damaged or unreadable. None is dropped that was
// not.
func TestNoFaultReadsWhatWasNotWritten(t *testing.T) {
	for _, kind := range []Kind{KindAlert, KindIntake} {
		t.Run(string(kind), func(t *testing.T) {
			dir := newSpool(t)
			var path string
			if kind == KindAlert {
				path = writeAlert(t, dir, testHeader(KindAlert), testPayload, csvRows(300))
			} else {
				path = writeIntake(t, dir, csvRows(300))
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			disktest.Each(t, func(t *testing.T, f *disktest.Case) {
				f.During(func() { readUnderFault(t, path) })
				if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
					t.Errorf("the record has changed, error %v", err)
				}
			})
		})
	}
}

func writeIntake(t *testing.T, dir, results string) string {
	t.Helper()
	h := testHeader(KindIntake)
	w, err := CreateRecord(dir, h)
	if err != nil {
		t.Fatal(err)
	}
	w.Payload([]byte(testPayload))
	if err := w.Results(strings.NewReader(results)); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(Trailer{}); err != nil {
		t.Fatal(err)
	}
	h.Kind = KindDecisions
	if w, err = CreateRecord(dir, h); err != nil {
		t.Fatal(err)
	}
	decideThirds(t, w, results)
	if err := w.Commit(Trailer{}); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, fileName(h.ID, KindIntake))
}

func readUnderFault(t *testing.T, path string) {
	t.Helper()
	rec, err := OpenRecord(path)
	if rec == nil {
		if err == nil {
			t.Fatal("neither a record nor an error")
		}
		return // read again at the next turn
	}
	rows := 0
	for item, err := range rec.Rows(testKeys(t)) {
		if err != nil {
			return // likewise
		}
		if item.Loss {
			if item.Proposal.Kind != winnow.ProposeEscalate {
				t.Errorf("what stands for lost rows is proposed to %s", item.Proposal.Kind)
			}
			return
		}
		if item.Proposal.Kind == winnow.ProposeDrop && rows%3 != 0 {
			t.Errorf("row %d is dropped", rows)
		}
		rows++
	}
	if rows != 300 {
		t.Errorf("%d rows and no word about the others; opening said %v", rows, err)
	}
}
