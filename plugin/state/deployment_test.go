package state_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/state"
)

// splunk lays out a Splunk with winnow in it: the shipped winnow.conf and the files given, by
// their path below SPLUNK_HOME. It returns SPLUNK_HOME and the app folder.
func splunk(t *testing.T, files map[string]string) (home, app string) {
	t.Helper()
	home = t.TempDir()
	app = filepath.Join(home, "etc", "apps", "winnow")
	shipped, err := os.ReadFile("../../packaging/app/default/winnow.conf")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{
		"etc/apps/winnow/default/winnow.conf": string(shipped),
		"etc/apps/winnow/default/fields.csv":  "field,control,volatile\nsrc,system,\n_time,system,true\n",
		"etc/apps/winnow/bin/winnow":          "",
	}
	maps.Copy(all, files)
	for name, text := range all {
		write(t, filepath.Join(home, filepath.FromSlash(name)), text)
	}
	return home, app
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// env is an environment of its own: nothing of the test's machine counts.
func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func open(t *testing.T, l state.Locations) *state.Deployment {
	t.Helper()
	if l.Getenv == nil {
		l.Getenv = env(nil)
	}
	d, err := state.Open(l)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOpenFindsEverythingFromTheProgramsOwnPath(t *testing.T) {
	home, app := splunk(t, map[string]string{
		"etc/apps/winnow/linux_x86_64/bin/winnow_triage":  "",
		"etc/apps/winnow_content/rules/a.yaml":            "rules: []",
		"etc/apps/winnow_content/lists/vpn.txt":           "10.0.0.0/8",
		"etc/apps/winnow_content/facts.yaml":              "facts: []",
		"etc/apps/winnow/local/escalate.yaml":             "escalate: []",
		"etc/apps/other/rules/b.yaml":                     "rules: []",
		"etc/apps/winnow/local/fields.csv":                "field,control,volatile\nmine,identity,\n",
		"etc/apps/winnow_content/fields.csv":              "field,control,volatile\nsrc,attacker,\n",
		"etc/apps/winnow/local/winnow.conf":               "[search:Raw]\nraw = 1\n",
		"etc/apps/winnow_content/prompts/classify.tmpl":   "x",
		"etc/apps/winnow_content/lists/nested/hosts.txt":  "h",
		"etc/apps/winnow_content/rules/nested/other.yaml": "rules: []",
	})
	for _, program := range []string{"bin/winnow", "linux_x86_64/bin/winnow_triage"} {
		d := open(t, state.Locations{Executable: filepath.Join(app, program)})
		content := filepath.Join(home, "etc", "apps", "winnow_content")
		if d.App != app || d.SplunkHome != home || d.State != filepath.Join(home, "var/lib/splunk/modinputs/winnow") {
			t.Errorf("%s: app %s, home %s, state %s", program, d.App, d.SplunkHome, d.State)
		}
		if diff := cmp.Diff([]string{content}, d.Content); diff != "" {
			t.Errorf("content (-want +got):\n%s", diff)
		}
		for what, paths := range map[string][2][]string{
			"rules":    {d.RulePaths(), {filepath.Join(content, "rules")}},
			"lists":    {d.ListPaths(), {filepath.Join(content, "lists")}},
			"escalate": {d.EscalatePaths(), {filepath.Join(app, "default/escalate.yaml"), filepath.Join(app, "local/escalate.yaml")}},
			"facts":    {d.FactsPaths(), {filepath.Join(app, "default/facts.yaml"), filepath.Join(content, "facts.yaml")}},
			"prices":   {{d.Default("prices.yaml")}, {filepath.Join(app, "default/prices.yaml")}},
		} {
			if diff := cmp.Diff(paths[1], paths[0]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		if _, err := os.Stat(d.State); !os.IsNotExist(err) {
			t.Errorf("Open made the state folder: %v", err)
		}
	}
}

func TestOpenLaysFieldTablesOverEachOther(t *testing.T) {
	_, app := splunk(t, map[string]string{
		"etc/apps/winnow/local/fields.csv":   "field,control,volatile\nmine,identity,\n",
		"etc/apps/winnow_content/fields.csv": "field,control,volatile\nsrc,attacker,\n",
		"etc/apps/winnow/local/winnow.conf":  "[search:Raw]\nraw = 1\n",
	})
	d := open(t, state.Locations{App: app})
	for _, tt := range []struct {
		search, field string
		want          winnow.Control
	}{
		{"x", "_time", winnow.ControlSystem}, {"x", "mine", winnow.ControlIdentity}, {"x", "src", winnow.ControlAttacker},
		{"Raw", "_time", winnow.ControlAttacker},
	} {
		if got := d.Fields.Lookup(tt.search, tt.field).Control; got != tt.want {
			t.Errorf("%s of %s is set by %s, want %s", tt.field, tt.search, got, tt.want)
		}
	}
}

func TestOpenFollowsALinkToTheProgram(t *testing.T) {
	_, app := splunk(t, nil)
	link := filepath.Join(t.TempDir(), "winnow")
	if err := os.Symlink(filepath.Join(app, "bin", "winnow"), link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if d := open(t, state.Locations{Executable: link}); d.App != realPath(t, app) {
		t.Errorf("app is %s, want %s", d.App, app)
	}
}

func realPath(t *testing.T, path string) string {
	t.Helper()
	p, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStateFolderFollowsFlagThenEnvironmentThenSplunk(t *testing.T) {
	home, app := splunk(t, map[string]string{
		"etc/splunk-launch.conf": "# started by hand\nSPLUNK_DB = $SPLUNK_HOME/elsewhere\nSPLUNK_SERVER_NAME = Splunkd\n",
	})
	other := t.TempDir()
	for _, tt := range []struct {
		name  string
		state string
		env   map[string]string
		want  string
	}{
		{"flag", other, map[string]string{"WINNOW_STATE": "/no", "SPLUNK_DB": "/no"}, other},
		{"environment", "", map[string]string{"WINNOW_STATE": other, "SPLUNK_DB": "/no"}, other},
		{"splunkd's environment", "", map[string]string{"SPLUNK_DB": other}, filepath.Join(other, "modinputs", "winnow")},
		{"splunkd's start file", "", nil, filepath.Join(home, "elsewhere", "modinputs", "winnow")},
		{"another Splunk", "", map[string]string{"SPLUNK_HOME": other}, filepath.Join(other, "var/lib/splunk/modinputs/winnow")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t, state.Locations{App: app, State: tt.state, Getenv: env(tt.env)})
			if d.State != tt.want {
				t.Errorf("state is %s, want %s", d.State, tt.want)
			}
		})
	}
}

func TestOpenSaysTheWayOut(t *testing.T) {
	_, app := splunk(t, nil)
	lonely := filepath.Join(t.TempDir(), "winnow")
	shipped, err := os.ReadFile(filepath.Join(app, "default", "winnow.conf"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(lonely, "default", "winnow.conf"), string(shipped))
	some := t.TempDir()
	for _, tt := range []struct {
		name string
		l    state.Locations
		want string
	}{
		{"program outside an app", state.Locations{Executable: filepath.Join(some, "bin", "x")}, "give the app with --app DIR"},
		{"no app there", state.Locations{App: some}, "default/winnow.conf is missing"},
		{"no Splunk", state.Locations{App: lonely}, "--state DIR or WINNOW_STATE"},
		{"no field table", state.Locations{App: lonely, State: some}, "read field table"},
		{"no such content", state.Locations{App: app, Content: filepath.Join(some, "none")}, "no such folder"},
		{"bad setting", state.Locations{App: app, Set: []string{"gate.run=on"}}, "want shadow, assist or enforce"},
		{"bad set", state.Locations{App: app, Set: []string{"run"}}, "STANZA.KEY=VALUE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.l.Getenv = env(nil)
			_, err := state.Open(tt.l)
			if err == nil || !strings.Contains(filepath.ToSlash(err.Error()), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestContentFolderCanBeNamed(t *testing.T) {
	_, app := splunk(t, map[string]string{"etc/apps/winnow_content/rules/a.yaml": ""})
	dir := t.TempDir()
	d := open(t, state.Locations{App: app, Content: dir})
	if !slices.Equal(d.Content, []string{dir}) || d.RulePaths() != nil {
		t.Errorf("content is %v with rules %v", d.Content, d.RulePaths())
	}
}

func TestResolveKnowsHomeAndState(t *testing.T) {
	home, app := splunk(t, nil)
	d := open(t, state.Locations{App: app})
	for path, want := range map[string]string{
		"$SPLUNK_HOME/var/spool/splunk": filepath.Join(home, "var/spool/splunk"),
		"outcomes.ndjson":               filepath.Join(d.State, "outcomes.ndjson"),
		"/x/../y":                       "/y",
	} {
		if got, err := d.Resolve(path); err != nil || got != want {
			t.Errorf("%s is %s (%v), want %s", path, got, err, want)
		}
	}
	d.SplunkHome = ""
	if _, err := d.Resolve("$SPLUNK_HOME/x"); err == nil {
		t.Error("a path below a SPLUNK_HOME that is not set: no error")
	}
}

func TestPathKnowsOnlyItsNames(t *testing.T) {
	d := &state.Deployment{State: "/s"}
	if got := d.Path("spool/tmp"); got != filepath.Join("/s", "spool", "tmp") {
		t.Errorf("spool/tmp is %s", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic on a name that the state does not have")
		}
	}()
	d.Path("spool/../../x")
}

func TestHostGUID(t *testing.T) {
	home, _ := splunk(t, map[string]string{"etc/instance.cfg": "[general]\nguid = 8A5F2C0E-1111-4222-8333-444455556666\n"})
	if got := state.HostGUID(home); got != "8A5F2C0E-1111-4222-8333-444455556666" {
		t.Errorf("guid is %q", got)
	}
	for _, home := range []string{"", t.TempDir()} {
		if got := state.HostGUID(home); got != "" {
			t.Errorf("guid of %q is %q", home, got)
		}
	}
}
