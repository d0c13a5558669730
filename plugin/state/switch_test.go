package state_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/plugin/state"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// running opens a deployment with its state folder made.
func running(t *testing.T, sets ...string) *state.Deployment {
	t.Helper()
	_, app := splunk(t, nil)
	d := open(t, state.Locations{App: app, Set: sets})
	if err := d.Init(); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestHeartbeatGoesStale(t *testing.T) {
	d := running(t, "gate.worker_grace=2m")
	if d.Alive(noon) {
		t.Error("alive before the first heartbeat")
	}
	for range 2 { // the first makes the file, the second touches it
		if err := d.Beat(noon); err != nil {
			t.Fatal(err)
		}
	}
	for after, want := range map[time.Duration]bool{
		0: true, 2 * time.Minute: true, 2*time.Minute + time.Second: false, -time.Minute: true, -time.Hour: false,
	} {
		if got := d.Alive(noon.Add(after)); got != want {
			t.Errorf("%s after the heartbeat the worker is alive: %v, want %v", after, got, want)
		}
	}
	if err := d.Beat(noon.Add(time.Hour)); err != nil || !d.Alive(noon.Add(time.Hour)) {
		t.Errorf("a new heartbeat does not count (%v)", err)
	}
}

func TestHeartbeatNeedsTheStateFolder(t *testing.T) {
	_, app := splunk(t, nil)
	if err := open(t, state.Locations{App: app}).Beat(noon); err == nil {
		t.Error("a heartbeat without a state folder: no error")
	}
}

func TestStopSwitch(t *testing.T) {
	d := running(t)
	want := state.Switch{}
	check := func(what string) {
		t.Helper()
		off, err := d.GateOff()
		got, err2 := d.GateSwitch()
		if err != nil || err2 != nil || off != want.Off {
			t.Errorf("%s: off is %v (%v, %v)", what, off, err, err2)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("fresh")
	if err := d.SetGate(true, "ann", noon); err != nil {
		t.Fatal(err)
	}
	want = state.Switch{Off: true, Who: "ann", At: noon}
	check("turned off")
	write(t, d.Path("gate.off"), `{"off": false`)
	want = state.Switch{Off: true}
	check("a file that says nothing")
	for range 2 {
		if err := d.SetGate(false, "bob", noon); err != nil {
			t.Fatal(err)
		}
	}
	want = state.Switch{}
	check("turned on again, twice")
}

func TestStopSwitchInTheConfigurationStays(t *testing.T) {
	d := running(t, "gate.off=1")
	if err := d.SetGate(false, "ann", noon); err == nil {
		t.Error("the switch claims to turn on what winnow.conf holds off")
	}
	if s, err := d.GateSwitch(); err != nil || !s.Off || s.Who != "" {
		t.Errorf("the switch is %+v (%v)", s, err)
	}
}

func TestUnreadableStopSwitchIsOff(t *testing.T) {
	d := running(t)
	d.State = filepath.Join(d.Path("secret.key"), "x") // a file where a folder should be
	if off, err := d.GateOff(); runtime.GOOS != "windows" && (!off || err == nil) {
		t.Errorf("off is %v, %v", off, err)
	}
	d = running(t)
	if err := os.Mkdir(d.Path("gate.off"), 0o700); err != nil {
		t.Fatal(err)
	}
	if s, err := d.GateSwitch(); !s.Off || err == nil {
		t.Errorf("a folder for a switch is %+v, %v", s, err)
	}
}

func TestWriteFileReplacesWholeFilesAndLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.json")
	for _, text := range []string{"a longer first text", "short"} {
		if err := state.WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("read %q, %v; want %q", got, err, text)
		}
	}
	if info, err := os.Stat(path); runtime.GOOS != "windows" && (err != nil || info.Mode().Perm() != 0o600) {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{filepath.Join(dir, "folder"), filepath.Join(dir, "none", "x")} {
		if err := state.WriteFile(bad, []byte("x")); err == nil {
			t.Errorf("%s was written", bad)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder holds %v (%v)", entries, err)
	}
}
