package alertaction

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/stash"
	"github.com/winnow-soc/winnow/plugin/state"
)

// app is a Splunk installation with winnow in it, as far as the action sees one.
type app struct {
	t       testing.TB
	home    string
	dir     string // the app's folder
	content string
	now     time.Time
	started int // workers

	// set before run to stand in the way of something
	openGate func(*state.Deployment, *winnow.Keys, time.Time) (Gate, error)
	after    func(time.Duration) <-chan time.Time

	startWorker func(*state.Deployment) (bool, error)
}

const testEscalate = `escalate:
  - id: credential-dumping
    description: A tool that reads passwords out of memory
    when: event.process contains "mimikatz"
    tests:
      - {name: tool, alert: {process: mimikatz.exe}, want: escalate}
      - {name: editor, alert: {process: notepad.exe}, want: pass}
`

const testRules = `rules:
  - id: vpn-egress-travel
    description: Sign-ins through the corporate VPN look like travel
    owner: detection@corp.example
    reason: VPN egress addresses are geolocated wrongly
    expires: 2026-12-31
    search_name: [Impossible Travel]
    when: cidr(event.src, "10.8.0.0/16") && event.user == "ann"
    mode: enforce
    canary: 0%
    tests:
      - {name: vpn user, alert: {src: 10.8.0.4, user: ann}, want: drop}
      - {name: other network, alert: {src: 203.0.113.9, user: ann}, want: pass}
`

func newApp(t testing.TB, settings string) *app {
	t.Helper()
	a := &app{t: t, home: t.TempDir(), now: testTime}
	a.dir = filepath.Join(a.home, "etc", "apps", "winnow")
	a.content = filepath.Join(a.home, "etc", "apps", "winnow_content")
	for _, dir := range []string{"var/log/splunk", "var/spool/splunk", "var/run/splunk/dispatch/d"} {
		a.mkdir(filepath.Join(a.home, dir))
	}
	a.ship("winnow.conf")
	a.ship("fields.csv")
	a.write(filepath.Join(a.dir, "default", "escalate.yaml"), testEscalate)
	a.write(filepath.Join(a.dir, "local", "winnow.conf"), settings)
	a.write(filepath.Join(a.content, "rules", "vpn.yaml"), testRules)
	a.write(filepath.Join(a.home, "etc", "instance.cfg"), "[general]\nguid = 6F9619FF-8B86-D011-B42D-00C04FC964FF\n")
	d := a.open()
	if err := d.Init(); err != nil {
		t.Fatal(err)
	}
	a.suspend(&allowlist.Suspensions{})
	a.beat()
	return a
}

// ship takes a file of the app that is shipped.
func (a *app) ship(name string) {
	a.t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "packaging", "app", "default", name))
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(filepath.Join(a.dir, "default", name), string(data))
}

func (a *app) mkdir(dir string) {
	a.t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		a.t.Fatal(err)
	}
}

func (a *app) write(path, text string) string {
	a.t.Helper()
	a.mkdir(filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

func (a *app) getenv(name string) string {
	if name == "SPLUNK_HOME" {
		return a.home
	}
	return ""
}

func (a *app) program() string { return filepath.Join(a.dir, "bin", "winnow_triage") }

func (a *app) open() *state.Deployment {
	a.t.Helper()
	d, err := state.Open(state.Locations{Executable: a.program(), Getenv: a.getenv})
	if err != nil {
		a.t.Fatal(err)
	}
	return d
}

func (a *app) keys() *winnow.Keys {
	a.t.Helper()
	keys, err := a.open().Keys()
	if err != nil {
		a.t.Fatal(err)
	}
	return keys
}

func (a *app) suspend(s *allowlist.Suspensions) {
	a.t.Helper()
	if err := state.WriteFile(a.open().Path("suspensions.json"), s.Encode()); err != nil {
		a.t.Fatal(err)
	}
}

func (a *app) beat() {
	a.t.Helper()
	if err := a.open().Beat(a.now); err != nil {
		a.t.Fatal(err)
	}
}

// results writes a results file and returns its path.
func (a *app) results(text string) string {
	return a.write(filepath.Join(a.home, "var/run/splunk/dispatch/d/results.csv.gz"), string(zipped(a.t, text)))
}

// payload returns a payload for a results file, with keys set or (nil) taken away.
func (a *app) payload(results string, with map[string]any) string {
	a.t.Helper()
	p := map[string]any{
		"app": "SecurityApp", "owner": "admin", "results_file": results, "server_host": "sh1",
		"search_uri": "/servicesNS/nobody/x/saved/searches/x", "session_key": sessionKey,
		"sid": "scheduler__admin__x_at_1767312000_42", "search_name": "Impossible Travel",
		"configuration": map[string]any{"severity": "3"},
	}
	for key, value := range with {
		if p[key] = value; value == nil {
			delete(p, key)
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}

// ran is what one run of the action left behind.
type ran struct {
	code   int
	stderr string
}

// run starts the action with a payload on standard input.
func (a *app) run(payload string) ran {
	a.t.Helper()
	var stderr bytes.Buffer
	open := a.openGate
	if open == nil {
		open = OpenGate
	}
	code := Main([]string{"--execute"}, Env{
		Stdin: strings.NewReader(payload), Stderr: &stderr, Getenv: a.getenv, Executable: a.program(),
		Now: func() time.Time { return a.now }, OpenGate: open, After: a.after,
		StartWorker: func(d *state.Deployment) (bool, error) {
			if a.startWorker != nil {
				return a.startWorker(d)
			}
			a.started++
			return true, nil
		},
	})
	r := ran{code: code, stderr: stderr.String()}
	a.checkLines(r.stderr)
	return r
}

// checkLines holds every line of stderr to Splunk's protocol, and the session key out of it.
func (a *app) checkLines(stderr string) {
	a.t.Helper()
	for line := range strings.Lines(stderr) {
		level, rest, _ := strings.Cut(line, " ")
		if level != "INFO" && level != "WARN" && level != "ERROR" || !strings.HasPrefix(rest, "run=") {
			a.t.Errorf("not a line of the protocol: %q", line)
		}
	}
	if strings.Contains(stderr, sessionKey) {
		a.t.Errorf("the session key is on stderr: %s", stderr)
	}
}

// stored reads everything in the spool, and empties it.
func (a *app) stored() (out []Item) {
	a.t.Helper()
	entries, err := ReadSpool(a.open().Path("spool"), a.now.Add(time.Hour))
	if err != nil {
		a.t.Fatal(err)
	}
	for _, e := range entries {
		rec, err := OpenRecord(e.Path)
		if err != nil {
			a.t.Fatal(err)
		}
		for item, err := range rec.Rows(a.keys()) {
			if err != nil {
				a.t.Fatal(err)
			}
			out = append(out, item)
		}
		if err := rec.Remove(); err != nil {
			a.t.Fatal(err)
		}
	}
	return out
}

// said returns the proposals as "kind/reason", a word an item.
func said(items []Item) string {
	var words []string
	for _, item := range items {
		word := fmt.Sprintf("%s/%s", item.Proposal.Kind, item.Proposal.Reason)
		if item.NotableWritten {
			word += "+notable"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// notables reads the stash files that splunkd would index.
func (a *app) notables() (out []stash.ParsedEvent) {
	a.t.Helper()
	for _, path := range list(filepath.Join(a.home, "var/spool/splunk")) {
		data, err := os.ReadFile(path)
		if err != nil {
			a.t.Fatal(err)
		}
		p, err := stash.Parse(data)
		if err != nil {
			a.t.Fatal(err)
		}
		if p.Header["index"] != "notable" {
			a.t.Errorf("header is %v", p.Header)
		}
		out = append(out, p.Events...)
	}
	return out
}

// sessionKeyAnywhere looks through every file below the installation.
func (a *app) sessionKeyAnywhere() (paths []string) {
	_ = filepath.WalkDir(a.home, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, []byte(sessionKey)) {
				paths = append(paths, path)
			}
		}
		return nil
	})
	return paths
}
