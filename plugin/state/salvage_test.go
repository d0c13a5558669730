package state_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/state"
)

// TestSalvageKeepsWhatIsRight: one mistake costs its own key, or its stanza, and nothing else.
func TestSalvageKeepsWhatIsRight(t *testing.T) {
	const good = "[gate]\nplace = owner\nworker_grace = 9m\n[search:Odd]\nseverity = high\n"
	shipped := conf.Gate{Place: winnow.PlaceBeside, WorkerGrace: 2 * time.Minute}
	for _, c := range []struct {
		name, local string
		gate        conf.Gate // run, place and worker_grace
		severity    winnow.Severity
	}{
		{"bad value", good + "[gate]\nrun = enfroce\n", conf.Gate{Place: winnow.PlaceOwner, WorkerGrace: 9 * time.Minute}, winnow.SeverityHigh},
		{"bad place", "[gate]\nrun = enforce\nplace = owners\n", conf.Gate{Run: winnow.RunEnforce, Place: winnow.PlaceBeside, WorkerGrace: 2 * time.Minute}, winnow.SeverityUnknown},
		{"unknown key", good + "[gate]\nruns = enforce\n", conf.Gate{Place: winnow.PlaceOwner, WorkerGrace: 9 * time.Minute}, winnow.SeverityHigh},
		{"bad line", "no equal sign\n" + good, conf.Gate{Place: winnow.PlaceOwner, WorkerGrace: 9 * time.Minute}, winnow.SeverityHigh},
		{"stanza not to be helped", good + "[sink:x]\ntype = carrier_pigeon\n", conf.Gate{Place: winnow.PlaceOwner, WorkerGrace: 9 * time.Minute}, winnow.SeverityHigh},
		{"keys that contradict each other", good + "[queue]\nretry_min = 5h\nretry_max = 2h\n", conf.Gate{Place: winnow.PlaceOwner, WorkerGrace: 9 * time.Minute}, winnow.SeverityHigh},
		{"inherited", "[default]\nrun = enfroce\n[search:Odd]\nseverity = high\n", shipped, winnow.SeverityUnknown},
		{"not a text", "\x00[gate\x00]\n\xff\xfe", shipped, winnow.SeverityUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, app := splunk(t, map[string]string{"etc/apps/winnow/local/winnow.conf": c.local})
			l := state.Locations{App: app, Getenv: env(nil)}
			if _, err := state.Open(l); err == nil {
				t.Fatal("nothing is wrong")
			}
			d, err := state.Salvage(l)
			if err != nil {
				t.Fatal(err)
			}
			g := d.Settings.Gate
			if got := (conf.Gate{Run: g.Run, Place: g.Place, WorkerGrace: g.WorkerGrace}); got != c.gate {
				t.Errorf("gate is %+v, want %+v", got, c.gate)
			}
			if got := d.Settings.Search("Odd").Severity; got != c.severity {
				t.Errorf("severity of the search is %s, want %s", got, c.severity)
			}
			if len(d.EscalatePaths()) == 0 || d.Fields == nil || len(d.Content) != 0 || len(d.Settings.Sinks) != 6 {
				t.Errorf("deployment is %+v", d)
			}
		})
	}
}

// TestSalvageFindsTheState: while an upgrade has taken the shipped files away, alerts still fire.
func TestSalvageFindsTheState(t *testing.T) {
	for _, name := range []string{"bin/winnow_triage", "linux_x86_64/bin/winnow_triage"} {
		t.Run(name, func(t *testing.T) {
			home, app := splunk(t, map[string]string{"etc/apps/winnow/" + name: ""})
			if err := os.RemoveAll(filepath.Join(app, "default")); err != nil {
				t.Fatal(err)
			}
			d, err := state.Salvage(state.Locations{Executable: filepath.Join(app, name), Getenv: env(nil)})
			if err != nil {
				t.Fatal(err)
			}
			if d.App != app || d.State != filepath.Join(home, "var", "lib", "splunk", "modinputs", "winnow") {
				t.Errorf("app %s, state %s", d.App, d.State)
			}
			if g := d.Settings.Gate; g.Run != winnow.RunShadow || g.Deadline <= 0 || g.LargeResults <= 0 || d.Init() != nil {
				t.Errorf("gate is %+v", g)
			}
		})
	}
}

func TestSalvageSaysWhatItCannotDo(t *testing.T) {
	_, app := splunk(t, nil)
	for _, l := range []state.Locations{
		{App: filepath.Join(app, "nowhere")},
		{Executable: filepath.Join(t.TempDir(), "bin", "winnow_triage")}, // outside Splunk, and no state named
	} {
		l.Getenv = env(nil)
		if d, err := state.Salvage(l); err == nil {
			t.Errorf("%+v: salvaged %+v", l, d)
		}
	}
}
