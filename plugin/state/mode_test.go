package state_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/state"
)

// reopen opens the deployment of running again, at another time.
func reopen(t *testing.T, d *state.Deployment, now time.Time) *state.Deployment {
	t.Helper()
	return open(t, state.Locations{App: d.App, State: d.State, Set: []string{"gate.run=enforce"}, Now: func() time.Time { return now }})
}

func TestModeEndsByItself(t *testing.T) {
	d := running(t)
	m := state.Mode{Name: "attack", Since: noon, Until: noon.Add(4 * time.Hour), Reason: "an intrusion"}
	if err := d.SetMode(m, "ann", noon); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(d.Path("mode.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode.json: %v, %v", info.Mode(), err)
	}
	for _, tt := range []struct {
		at   time.Time
		mode string
		want int
	}{
		{noon, "attack", 95},
		{noon.Add(4*time.Hour - time.Nanosecond), "attack", 95},
		{noon.Add(4 * time.Hour), "", 85},
		{noon.Add(-time.Hour), "attack", 95}, // a clock was set back
	} {
		d := reopen(t, d, tt.at)
		if d.ModeErr != nil || d.Mode.Name != tt.mode || d.Settings.Policy.Confidence != tt.want || (d.Ended.Name != "") != (tt.mode == "") {
			t.Errorf("at %s: %v, mode %+v, ended %+v, confidence %d", tt.at, d.ModeErr, d.Mode, d.Ended, d.Settings.Policy.Confidence)
		}
	}
	if err := reopen(t, d, noon).SetMode(state.Mode{}, "ben", noon); err != nil {
		t.Fatal(err)
	}
	if d := reopen(t, d, noon); d.Mode.Name != "" || d.ModeErr != nil {
		t.Errorf("switched off, and %+v, %v", d.Mode, d.ModeErr)
	}
}

func TestModeIsNotSwitchedToNonsense(t *testing.T) {
	d := running(t)
	for _, m := range []state.Mode{
		{Name: "none", Since: noon, Until: noon.Add(time.Hour)},
		{Name: "attack", Since: noon, Until: noon},
		{Name: "attack", Since: noon, Until: noon.Add(31 * 24 * time.Hour)},
		{Name: "attack", Since: noon, Until: noon.Add(time.Hour), Reason: string(make([]byte, 2000))},
	} {
		if err := d.SetMode(m, "ann", noon); err == nil {
			t.Errorf("%.100v is accepted", m)
		}
	}
	if _, err := os.Lstat(d.Path("mode.json")); err == nil {
		t.Error("something was written all the same")
	}
}

// A mode that nobody can read is every mode: whichever was meant, nothing closes that it would not close.
func TestDamagedModeIsEveryMode(t *testing.T) {
	const good = `{"mode":"migration","since":"2026-03-01T12:00:00Z","until":"2026-03-01T13:00:00Z","by":"ann","reason":""}`
	for name, spoil := range map[string]func(path string) error{
		"empty":     func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"cut":       func(p string) error { return os.WriteFile(p, []byte(good[:40]), 0o600) },
		"more":      func(p string) error { return os.WriteFile(p, []byte(good+good), 0o600) },
		"other key": func(p string) error { return os.WriteFile(p, []byte(`{"confidence":1,`+good[1:]), 0o600) },
		"null":      func(p string) error { return os.WriteFile(p, []byte("null"), 0o600) },
		"large":     func(p string) error { return os.WriteFile(p, make([]byte, 1<<20), 0o600) },
		"a folder":  func(p string) error { return os.Mkdir(p, 0o700) },
		"a link":    func(p string) error { return os.Symlink("/dev/null", p) },
	} {
		t.Run(name, func(t *testing.T) {
			d := running(t)
			if err := spoil(d.Path("mode.json")); err != nil {
				t.Fatal(err)
			}
			d = reopen(t, d, noon)
			if !errors.Is(d.ModeErr, state.ErrModeBroken) || d.Mode.Name != "" {
				t.Fatalf("mode %+v, %v", d.Mode, d.ModeErr)
			}
			if p := d.Settings.Policy; p.Confidence != 95 || p.OfflineMaxSeverity != winnow.SeverityUnknown || d.Settings.Gate.Canary != 0.1 {
				t.Errorf("%+v", p)
			}
			if err := d.SetMode(state.Mode{}, "ann", noon); err != nil {
				t.Fatal(err)
			}
			if d := reopen(t, d, noon); d.ModeErr != nil {
				t.Error(d.ModeErr)
			}
		})
	}
}
