package ledger

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

// backedUp is a ledger with a backup, which has changed since.
func backedUp(t *testing.T) (path, backup string) {
	t.Helper()
	l := openNew(t)
	add(t, l, sample(1), winnow.StateQueued)
	add(t, l, sample(2), winnow.StateInReview)
	backup = filepath.Join(t.TempDir(), "backup.db")
	if err := Backup(t.Context(), l.path, backup); err != nil {
		t.Fatal(err)
	}
	add(t, l, sample(3), winnow.StateQueued)
	add(t, l, sample(4), winnow.StateQueued)
	update(t, l, func(tx *Tx) error {
		_, err := tx.Change(recordOf(sample(2), winnow.StateClosed), Links{})
		return err
	})
	mustReserve(t, l, charge("A", noon, 5000), Limits{})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.path, backup
}

func TestRestoreBringsTheBackupBack(t *testing.T) {
	path, backup := backedUp(t)
	_, present := readContents(t, path, nil)
	_, want := readContents(t, backup, nil)
	r, err := Restore(t.Context(), backup, path, noon)
	if err != nil {
		t.Fatal(err)
	}
	wantSaid := Restored{
		Version: len(migrations), Alerts: 2, Newest: noon.Add(2 * time.Second), Aside: path + ".aside-20261120T120000.000", Compared: true,
		Missing: 2, Changed: 1, First: noon.Add(3 * time.Second), Last: noon.Add(4 * time.Second),
	}
	if diff := cmp.Diff(wantSaid, r); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	_, got := readContents(t, path, nil)
	delete(got, "spent")
	delete(want, "spent")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-backup +restored:\n%s", diff)
	}
	if _, aside := readContents(t, r.Aside, nil); !cmp.Equal(present, aside) {
		t.Errorf("-before +aside:\n%s", cmp.Diff(present, aside))
	}
	l := openAt(t, path)
	if spent := spentOn(t, l, noon, noon.AddDate(0, 0, 1)); spent != 5000 {
		t.Errorf("%d nano-dollars are booked, want what was spent since too", spent)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".tmp-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestRestoreOverADamagedLedger: that is what it is for.
func TestRestoreOverADamagedLedger(t *testing.T) {
	for name, text := range map[string]string{"garbage": strings.Repeat("garbage ", 2000), "empty": "", "cut": "SQLite format 3\x00"} {
		t.Run(name, func(t *testing.T) {
			path, backup := backedUp(t)
			for _, file := range []string{path, path + "-wal"} {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r, err := Restore(t.Context(), backup, path, noon)
			if err != nil || r.Compared || r.Alerts != 2 {
				t.Fatalf("%+v, %v", r, err)
			}
			if kept, err := os.ReadFile(r.Aside); err != nil || !strings.HasPrefix(string(kept), text) {
				t.Errorf("aside lies %.20q (%v)", kept, err)
			}
			l := openAt(t, path)
			if err := l.quickCheck(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRestoreOfAnOldLedgerIsMigratedByTheWorker(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	r, err := Restore(t.Context(), oldLedger(t, schemas(t)[0]), path, noon)
	if err != nil || r.Version != 1 || r.Aside != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	view(t, openAt(t, path), func(tx *Tx) error {
		n, err := tx.Count()
		if n != r.Alerts || n == 0 {
			t.Errorf("%d alerts, want %d", n, r.Alerts)
		}
		return err
	})
}

func TestWhatIsNoBackupIsRefused(t *testing.T) {
	path, backup := backedUp(t)
	_, before := readContents(t, path, nil)
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	whole, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	newer := openAt(t, filepath.Join(dir, "newer.db"))
	if _, err := newer.conn.ExecContext(t.Context(), "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ file, want string }{
		"text":    {write("text", strings.Repeat("no database\n", 500)), "not a database"},
		"empty":   {write("empty", ""), "it is no ledger"},
		"cut off": {write("cut", string(whole[:len(whole)/2])), "malformed"},
		"newer":   {newer.path, "schema version 99 is newer than this program"},
		"nothing": {filepath.Join(dir, "none"), "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Restore(t.Context(), c.file, path, noon)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want %q", err, c.want)
			}
			if _, after := readContents(t, path, nil); !cmp.Equal(before, after) {
				t.Error("the ledger was changed")
			}
		})
	}
}
