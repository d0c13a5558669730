package demo

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
)

// What Write lays down must come back through the alert action's own readers.
func TestTheAlertActionReadsWhatSplunkdWouldWrite(t *testing.T) {
	home := t.TempDir()
	for _, d := range Dispatches(1, now) {
		text, err := d.Write(home)
		if err != nil {
			t.Fatal(err)
		}
		p, err := alertaction.ParsePayload(text)
		if err != nil {
			t.Fatalf("%s: %v", d.SID, err)
		}
		if p.SearchName != d.SearchName || p.SID != d.SID || p.SessionKey.Reveal() != SessionKey {
			t.Errorf("payload of %s says %q, %q", d.SID, p.SearchName, p.SID)
		}
		if got := readResults(t, p.ResultsFile); !cmp.Equal(got, fieldsOf(d.Rows)) {
			t.Fatalf("%s: rows differ:\n%s", d.SID, cmp.Diff(fieldsOf(d.Rows), got))
		}
		if !cmp.Equal(p.Result, d.Rows[0].Fields) {
			t.Errorf("%s: first row in the payload differs:\n%s", d.SID, cmp.Diff(d.Rows[0].Fields, p.Result))
		}
		if d.PerResult && !alertaction.NewFiring(p, "", 0, now).PerResult() {
			t.Errorf("%s: not seen as a run for one result", p.ResultsFile)
		}
	}
}

func fieldsOf(rows []Row) []winnow.Fields {
	var out []winnow.Fields
	for _, r := range rows {
		out = append(out, r.Fields)
	}
	return out
}

func readResults(t *testing.T, path string) (out []winnow.Fields) {
	t.Helper()
	results, err := alertaction.OpenResults(path)
	if err != nil {
		t.Fatal(err)
	}
	defer results.Close() //nolint:errcheck // only read
	columns := alertaction.NewColumns(results.Header())
	for {
		row, err := results.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, columns.Fields(row))
	}
}

func TestNaturalKeysAreUnique(t *testing.T) {
	home, seen := t.TempDir(), map[winnow.Key]bool{}
	for _, d := range Dispatches(1, now) {
		text, err := d.Write(home)
		if err != nil {
			t.Fatal(err)
		}
		p, err := alertaction.ParsePayload(text)
		if err != nil {
			t.Fatal(err)
		}
		firing := alertaction.NewFiring(p, "head", 0, now)
		for i, r := range d.Rows {
			key := firing.Alert(i, r.Fields).Key
			if seen[key] {
				t.Errorf("two alerts have the key %+v", key)
			}
			seen[key] = true
		}
	}
}

func TestWrittenFilesAreTheOwnersAlone(t *testing.T) {
	home := t.TempDir()
	for _, d := range Dispatches(1, now)[:3] {
		if _, err := d.Write(home); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteContent(filepath.Join(home, "content"), now); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(home, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == home {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWriteSaysWhereItCouldNot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Dispatches(1, now)[0].Write(file); err == nil {
		t.Error("wrote a dispatch below a file")
	}
	if err := WriteContent(file, now); err == nil {
		t.Error("wrote content below a file")
	}
}

func TestWrittenRulesHoldForHalfAYear(t *testing.T) {
	dir := t.TempDir()
	later := time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC)
	if err := WriteContent(dir, later); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "rules", "identity.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(data, []byte("expires: 2031-08-28\n")); n != 3 {
		t.Errorf("%d rules got the new expiry, want 3", n)
	}
}
