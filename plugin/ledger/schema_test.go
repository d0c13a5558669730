package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
)

func TestReaderOfNoLedgerIsToldWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	_, err := OpenReadOnly(t.Context(), path)
	if !errors.Is(err, ErrNone) {
		t.Fatalf("err = %v, want ErrNone", err)
	}
	for _, want := range []string{path, "winnow worker"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the reader made a ledger")
	}
}

func TestReaderSeesWhatTheWriterCommits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	w := openAt(t, path)
	add(t, w, sample(1), winnow.StateQueued)
	r, err := OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	count := func() (n int) {
		view(t, r, func(tx *Tx) error {
			ids, err := tx.IDs()
			n = len(ids)
			return err
		})
		return n
	}
	if n := count(); n != 1 {
		t.Fatalf("the reader sees %d alerts", n)
	}
	update(t, w, func(tx *Tx) error {
		if err := tx.Add(sample(2), recordOf(sample(2), winnow.StateQueued)); err != nil {
			return err
		}
		if n := count(); n != 1 {
			t.Errorf("the reader sees %d alerts before the commit", n)
		}
		return nil
	})
	if n := count(); n != 2 {
		t.Errorf("the reader sees %d alerts after the commit", n)
	}
	if err := r.Update(t.Context(), func(tx *Tx) error { return tx.SetMeta("a", "b") }); err == nil {
		t.Error("the reader could write")
	}
}

func TestReaderOpensAfterTheWriterHasGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	w := openAt(t, path)
	add(t, w, sample(1), winnow.StateQueued)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	view(t, r, func(tx *Tx) error {
		_, err := tx.Record(sample(1).Alert.ID)
		return err
	})
}

func TestReopenedLedgerHoldsWhatItHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	w := openAt(t, path)
	add(t, w, sample(1), winnow.StateQueued)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again := openAt(t, path)
	view(t, again, func(tx *Tx) error {
		has, err := tx.Has(sample(1).Alert.ID)
		if !has {
			t.Error("the alert is gone")
		}
		return err
	})
}

func TestAnotherVersionIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	w := openAt(t, path)
	if _, err := w.conn.ExecContext(t.Context(), "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "version 99 is newer than this program") {
		t.Errorf("writer: %v", err)
	}
	if _, err := OpenReadOnly(t.Context(), path); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("reader: %v", err)
	}
}

func TestLedgerThatWasNeverMadeIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := createPrivate(t.Context(), path); err != nil { // and the writer died
		t.Fatal(err)
	}
	if _, err := OpenReadOnly(t.Context(), path); err == nil || !strings.Contains(err.Error(), "start the worker") {
		t.Errorf("reader: %v", err)
	}
	l := openAt(t, path) // the writer makes it
	add(t, l, sample(1), winnow.StateQueued)
}

func TestWhatIsNoLedgerIsAnErrorWithItsPath(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{text, dir, filepath.Join(dir, "no", "such", "folder")} {
		if _, err := Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Open %s: %v", path, err)
		}
	}
	if _, err := OpenReadOnly(t.Context(), text); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("OpenReadOnly: %v", err)
	}
}

func TestOddPathsAreOpenedToTheLetter(t *testing.T) {
	for _, name := range []string{"with space", "per%41cent", "what?mode=memory", "ha#sh", "a&b=c"} {
		path := filepath.Join(t.TempDir(), name, "ledger.db")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Skipf("no folder %q here: %v", name, err)
		}
		l := openAt(t, path)
		add(t, l, sample(1), winnow.StateQueued)
		if info, err := os.Stat(path); err != nil || info.Size() == 0 && len(sidecars(t, path)) == 0 {
			t.Errorf("%q: the ledger is not at its path (%v)", name, err)
		}
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes on Windows")
	}
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openAt(t, path)
	add(t, l, sample(1), winnow.StateQueued)
	r, err := OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	files := sidecars(t, path)
	if len(files) < 2 {
		t.Errorf("no journal beside the ledger: %v", files)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, want 0600 (%v)", filepath.Base(file), info.Mode().Perm(), err)
		}
	}
}

// sidecars are the ledger's files: its own and SQLite's journals.
func sidecars(t testing.TB, path string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(escapeGlob(filepath.Dir(path)), filepath.Base(path)+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func escapeGlob(s string) string {
	return strings.NewReplacer("?", `\?`, "*", `\*`, "[", `\[`, `\`, `\\`).Replace(s)
}
