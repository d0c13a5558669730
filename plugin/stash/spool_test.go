package stash_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/winnow-soc/winnow/plugin/disk"
	"github.com/winnow-soc/winnow/plugin/stash"
)

// spool makes $SPLUNK_HOME/var/spool/splunk.
func spool(t *testing.T) stash.Spool {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "var", "spool", "splunk")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return stash.Spool{Dir: dir}
}

func TestSpoolWritesOnceForAKey(t *testing.T) {
	s := spool(t)
	for _, user := range []string{"ann", "bob"} { // the second replaces the first
		path, err := s.Write("alert 1", stash.File{Index: "notable", Events: []stash.Event{event(user)}})
		if err != nil || filepath.Dir(path) != s.Dir || filepath.Ext(path) != ".stash_new" {
			t.Fatalf("wrote %s, %v", path, err)
		}
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("mode is %v, %v", info.Mode(), err)
		}
	}
	if _, err := s.Write("alert 2", stash.File{Index: "notable", Action: &stash.Action{}, Events: []stash.Event{event("eve")}}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(s.Dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("the spool holds %v, %v; want 2 files", entries, err)
	}
	var users []string
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(s.Dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		p, err := stash.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, p.Events[0].Fields["user"]...)
	}
	if len(users) != 2 || users[0] == "ann" || users[1] == "ann" {
		t.Errorf("events are of %v, want bob and eve", users)
	}
	if left, err := os.ReadDir(filepath.Join(s.Dir, "..", "winnow")); err != nil || len(left) != 0 {
		t.Errorf("temporary files stay: %v, %v", left, err)
	}
}

func TestSpoolSaysWhatIsInTheWay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := spool(t).Dir
	one := stash.File{Index: "notable", Events: []stash.Event{event("ann")}}
	for name, tt := range map[string]struct {
		spool stash.Spool
		file  stash.File
		want  string
	}{
		"no spool":         {stash.Spool{Dir: filepath.Join(filepath.Dir(file), "none")}, one, "is SPLUNK_HOME right?"},
		"a file for spool": {stash.Spool{Dir: file}, one, "is SPLUNK_HOME right?"},
		"a file for temp":  {stash.Spool{Dir: good, Temp: file}, one, "write stash file"},
		"nothing to write": {stash.Spool{Dir: good}, stash.File{}, "without events"},
		"too much":         {stash.Spool{Dir: good}, stash.File{Events: make([]stash.Event, stash.MaxEvents+1)}, "write several"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tt.spool.Write("k", tt.file); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// TestSpoolFolderThatCannotBeSynced: a file is in the spool and no error, or an error and not in
// the spool. Callers write again after an error.
func TestSpoolFolderThatCannotBeSynced(t *testing.T) {
	for _, c := range []struct {
		name string
		read bool // splunkd was faster
		want bool // an error
	}{
		{"not read", false, true},
		{"read by splunkd at once", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spool(t)
			t.Cleanup(disk.Inject(func(op disk.Op, _ string, _ int) (int, error) {
				if op != disk.OpSyncDir {
					return 0, nil
				}
				if c.read {
					_ = os.RemoveAll(s.Dir)
				}
				return 0, syscall.EIO
			}))
			_, err := s.Write("k", stash.File{Index: "notable", Events: []stash.Event{event("ann")}})
			if (err != nil) != c.want {
				t.Errorf("error is %v", err)
			}
			for _, dir := range []string{s.Dir, filepath.Join(filepath.Dir(s.Dir), "winnow")} {
				if left, _ := os.ReadDir(dir); len(left) != 0 {
					t.Errorf("%s holds %v", dir, left)
				}
			}
		})
	}
}

// TestStagedFileTellsWhetherItWasMoved: it is in one of two places, never in both or in none.
func TestStagedFileTellsWhetherItWasMoved(t *testing.T) {
	s := spool(t)
	staged, err := s.Stage("k", stash.File{Index: "notable", Events: []stash.Event{event("ann")}})
	if err != nil {
		t.Fatal(err)
	}
	there := func() (inTemp, inSpool bool) {
		_, err := os.Stat(staged.Path)
		files, _ := os.ReadDir(s.Dir)
		return err == nil, len(files) == 1
	}
	if inTemp, inSpool := there(); !inTemp || inSpool {
		t.Errorf("staged: in temp %v, in spool %v", inTemp, inSpool)
	}
	if err := staged.Move(); err != nil {
		t.Fatal(err)
	}
	if inTemp, inSpool := there(); inTemp || !inSpool {
		t.Errorf("moved: in temp %v, in spool %v", inTemp, inSpool)
	}
	if err := staged.Move(); err == nil || !strings.Contains(err.Error(), "stash file") {
		t.Errorf("moved twice: %v", err)
	}
}
