package stash_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/stash"
)

func event(user string) stash.Event {
	return stash.Event{Time: noon, SearchName: "Impossible Travel", Fields: winnow.Fields{"user": {user}}}
}

func TestFileIsWhatSplunkReadsToTheByte(t *testing.T) {
	for name, f := range map[string]stash.File{
		"plain.stash_new": {
			Index: "notable", Host: "sh01", Source: `Impossible "Travel" - Rule`, Events: []stash.Event{event("ann"), event("bob")},
		},
		"cam.stash_common_action_model": {
			Index: "notable", Source: "Impossible Travel", Events: []stash.Event{event("ann")},
			Action: &stash.Action{Name: "winnow_triage", SID: "scheduler__ann__search_1", RID: "0"},
		},
	} {
		data, err := f.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, data)
	}
}

func TestHeaderValuesCannotEndTheHeader(t *testing.T) {
	f := stash.File{Index: "notable", Source: "x\" index=\"main\"\n==##~~##~~", Events: []stash.Event{event("ann")}}
	data, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	p, err := stash.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"index": "notable", "source": "x_ index=_main__==##~~_##~~"}
	if diff := cmp.Diff(want, p.Header); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFileRefusesMoreEventsThanSplunkTakes(t *testing.T) {
	f := stash.File{Index: "notable", Events: make([]stash.Event, stash.MaxEvents+1)}
	if _, err := f.Bytes(); err == nil || !strings.Contains(err.Error(), "at most 50000") {
		t.Errorf("got %v", err)
	}
}

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

func TestParseBreaksOnlyAtWholeLines(t *testing.T) {
	const brk = "==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##=="
	text := "***SPLUNK*** index=\"notable\"\r\n" + brk + "\r\n1, a=\"x\n" + brk + " y\"\n" + brk + "\n2, a=\"z" + brk + "\"\n"
	p, err := stash.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []winnow.Fields{{"a": {"x\n" + brk + " y"}}, {"a": {"z" + brk}}}
	var got []winnow.Fields
	for _, e := range p.Events {
		got = append(got, e.Fields)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseRefusesWhatSplunkWouldNotRead(t *testing.T) {
	const brk = "\n==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##==\n"
	for text, want := range map[string]string{
		"":                                    "does not start",
		"1.0, a=\"b\"":                        "does not start",
		"***SPLUNK*** index=x":                "stash header",
		"***SPLUNK*** index=\"x":              "stash header",
		"***SPLUNK***\nsecond":                "does not start",
		"***SPLUNK***" + brk + "now, a=\"b\"": "is not in seconds",
		"***SPLUNK***" + brk + "1, a=b":       "is not key=",
		"***SPLUNK***" + brk + "1, a=\"b":     "does not end",
		"***SPLUNK***" + brk + "1, a=\"b\"c":  "after the value",
		"***SPLUNK***" + brk + "***Common Action Model*** x\n1, a=\"b\"": "action line",
	} {
		if _, err := stash.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gave %v, want %s", text, err, want)
		}
	}
}
