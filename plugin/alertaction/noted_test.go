package alertaction

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/state"
)

// TestKilledActionsNotablesAreKnown: an action that dies while it decides large results has written
// notables already. Whoever takes its rows over knows which.
func TestKilledActionsNotablesAreKnown(t *testing.T) {
	a := newApp(t, owner+"large_results = 1KB\n")
	a.now = a.now.Add(time.Hour) // the worker is dead
	die := make(chan struct{})
	a.openGate = func(*state.Deployment, *winnow.Keys, time.Time) (Gate, error) {
		return gateFunc(func(al *winnow.Alert) winnow.Proposal {
			if al.Key.RID == "2500" {
				<-die
			}
			return passed
		}), nil
	}
	done := make(chan ran)
	go func() { done <- a.run(a.payload(a.results(csvRows(3000)), map[string]any{"search_name": "Other"})) }()
	const whole = 4 * 2 * batchRows // files of two batches each; the tenth batch is never decided
	for deadline := time.Now().Add(20 * time.Second); len(a.notables()) < whole; {
		if time.Now().After(deadline) {
			t.Fatalf("%d notables after 20 s", len(a.notables()))
		}
	}
	items := a.stored() // as a worker does, once the action is long dead
	if len(items) != 3000 {
		t.Fatalf("%d rows", len(items))
	}
	for i, item := range items {
		if item.Proposal.Reason != winnow.ReasonUndecided || item.NotableWritten != (i < whole) {
			t.Fatalf("row %d is %s, notable %v", i, item.Proposal.Reason, item.NotableWritten)
		}
	}
	checkNotables(t, a, items, whole)
	close(die)
	<-done
}

// intakeWith stores an intake of ten rows with a note of its rows 2 and 3, and of the rows lost.
func intakeWith(t *testing.T, staged string) (rec *Record, path string) {
	t.Helper()
	dir := newSpool(t)
	h := testHeader(KindIntake)
	w, err := CreateRecord(dir, h)
	if err != nil {
		t.Fatal(err)
	}
	w.Payload([]byte(strings.Replace(testPayload, `"severity"`, `"result_count": "20", "severity"`, 1)))
	if err := w.Results(strings.NewReader(csvRows(10))); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(Trailer{}); err != nil {
		t.Fatal(err)
	}
	notes := noteWriter{path: filepath.Join(dir, fileName(h.ID, KindNoted))}
	defer notes.close()
	for _, n := range []note{{Staged: staged, Rows: []int{2, 3}, Loss: true}, {Staged: filepath.Join(dir, "stash-gone"), Rows: []int{7, -1, 1 << 40}}} {
		if err := notes.add(n); err != nil {
			t.Fatal(err)
		}
	}
	rec, err = OpenRecord(filepath.Join(dir, fileName(h.ID, KindIntake)))
	if err != nil {
		t.Fatal(err)
	}
	return rec, notes.path
}

func notedRows(t *testing.T, rec *Record) (rows []int) {
	t.Helper()
	for i, item := range items(t, rec) {
		if item.NotableWritten {
			rows = append(rows, i)
		}
	}
	return rows
}

func wantRows(t *testing.T, got []int, want string) {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil || string(text) != want {
		t.Errorf("rows with a notable are %s, want %s", text, want)
	}
}

// TestNotableThatWasNotHandedOver: the action died between noting and moving a file.
func TestNotableThatWasNotHandedOver(t *testing.T) {
	staged := filepath.Join(t.TempDir(), "stash-1")
	if err := os.WriteFile(staged, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	rec, path := intakeWith(t, staged)
	wantRows(t, notedRows(t, rec), "[7]")
	if files := rec.Files(); len(files) != 2 || files[1] != path {
		t.Errorf("files are %v", files)
	}
	if err := rec.Remove(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{staged, path, rec.Path} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left over", path)
		}
	}
}

func TestNotesAreReadUpToTheirEnd(t *testing.T) {
	rec, path := intakeWith(t, "/gone/stash-1")
	wantRows(t, notedRows(t, rec), "[2,3,7,10]") // 10 is the alert about rows lost
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{1, 20} {
		if err := os.WriteFile(path, data[:len(data)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if rec, err = OpenRecord(rec.Path); err != nil {
			t.Fatal(err)
		}
		wantRows(t, notedRows(t, rec), "[2,3,10]")
	}
	if err := os.WriteFile(path, []byte("foreign"), 0o600); err != nil {
		t.Fatal(err)
	}
	if rec, err = OpenRecord(rec.Path); err != nil {
		t.Fatal(err)
	}
	wantRows(t, notedRows(t, rec), "null")
}

// TestNotesNameNothingElse: what is removed with a record are staged files and no others.
func TestNotesNameNothingElse(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "passwd"), "stash-relative"} {
		if filepath.IsAbs(path) {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		rec, _ := intakeWith(t, path)
		wantRows(t, notedRows(t, rec), "[7]")
		if err := rec.Remove(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(path); filepath.IsAbs(path) && err != nil {
			t.Errorf("%s was removed", path)
		}
	}
}

// TestWorkerHasTakenOver: past the time to decide, an action writes no more notables.
func TestWorkerHasTakenOver(t *testing.T) {
	a := newApp(t, owner+"large_results = 1\n")
	start := a.now.Add(time.Hour)
	a.now = start
	a.openGate = func(*state.Deployment, *winnow.Keys, time.Time) (Gate, error) {
		return gateFunc(func(*winnow.Alert) winnow.Proposal {
			a.now = start.Add(time.Hour)
			return passed
		}), nil
	}
	r := a.run(a.payload(a.results(travel), nil))
	if r.code != ExitStored || len(a.notables()) != 0 {
		t.Errorf("exit %d, %d notables: %s", r.code, len(a.notables()), r.stderr)
	}
	if got := said(a.stored()); got != "pass/undecided pass/undecided pass/undecided" {
		t.Errorf("rows are %s", got)
	}
}
