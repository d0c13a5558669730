package alertaction

import (
	"bytes"
	"errors"
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

const (
	travel = "src,user,process\n10.8.0.4,ann,\n203.0.113.9,ann,\n10.8.0.5,ann,mimikatz.exe\n"
	owner  = "[gate]\nrun = enforce\nplace = owner\n"
)

func TestArguments(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"--execute", "x"}, {"-execute"}} {
		var stderr bytes.Buffer
		if code := Main(args, Env{Stderr: &stderr}); code != ExitUsage || !strings.Contains(stderr.String(), "Splunk starts it") {
			t.Errorf("%q: exit %d, %s", args, code, stderr.String())
		}
	}
}

func TestEveryRowGetsAProposal(t *testing.T) {
	a := newApp(t, "[gate]\nrun = enforce\n")
	r := a.run(a.payload(a.results(travel), nil))
	if r.code != ExitStored || strings.Contains(r.stderr, "ERROR") {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	if !strings.Contains(r.stderr, "sid=scheduler__admin__x_at_1767312000_42 stored rows=3 drop=1 cached=0 escalate=1 pass=1") {
		t.Errorf("stderr is %s", r.stderr)
	}
	items := a.stored()
	if got := said(items); got != "drop/rule pass/no_rule escalate/escalate_list" {
		t.Errorf("proposals are %s", got)
	}
	if p := items[0].Proposal; p.Rule != "vpn-egress-travel" || !strings.HasPrefix(p.RuleSet, "sha256:") {
		t.Errorf("drop is %+v", p)
	}
	if k := items[1].Alert.Key; k.Host != "6F9619FF-8B86-D011-B42D-00C04FC964FF" || k.RID != "1" {
		t.Errorf("key is %+v", k)
	}
	if paths := a.sessionKeyAnywhere(); paths != nil {
		t.Errorf("the session key is in %v", paths)
	}
	if n := a.notables(); n != nil {
		t.Errorf("notables are written: %v", n)
	}
}

func TestLargeResultsAreStoredFirst(t *testing.T) {
	a := newApp(t, "[gate]\nlarge_results = 1KB\n")
	r := a.run(a.payload(a.results(csvRows(3000)), map[string]any{"search_name": "Other"}))
	if r.code != ExitStored || strings.Contains(r.stderr, "ERROR") {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	entries, err := ReadSpool(a.open().Path("spool"), a.now)
	if err != nil || len(entries) != 1 || entries[0].Kind != KindIntake {
		t.Errorf("spool holds %v, error %v", entries, err)
	}
	if items := a.stored(); len(items) != 3000 || said(items[:1]) != "pass/no_rule" || said(items[2999:]) != "pass/no_rule" {
		t.Errorf("%d rows", len(items))
	}
}

func TestAuditLog(t *testing.T) {
	const log = "var/log/splunk/winnow_triage_modalert.log"
	a := newApp(t, "")
	a.run(a.payload(a.results(travel), nil))
	text, err := os.ReadFile(filepath.Join(a.home, log))
	if err != nil {
		t.Fatal(err)
	}
	want := `2026-01-02 03:04:05,000+0000 INFO sendmodaction - signature="Stored for triage" action_name="winnow_triage" ` +
		`search_name="Impossible Travel" sid="scheduler__admin__x_at_1767312000_42" app="SecurityApp" user="admin" ` +
		`digest_mode="1" action_mode="saved" action_status="pending" rows="3" run="`
	if lines := strings.Count(string(text), "\n"); lines != 1 || !strings.HasPrefix(string(text), want) {
		t.Errorf("%d lines:\n%s\nwant\n%s", lines, text, want)
	}
	a.now = a.now.Add(time.Second)
	notable := "orig_sid,orig_rid,search_name\nscheduler_1,7,Impossible Travel\nscheduler_1,8,Impossible Travel\n"
	a.run(a.payload(a.results(notable), map[string]any{"sid": 1767312000.42, "search_name": nil}))
	text, err = os.ReadFile(filepath.Join(a.home, log))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 3 || !strings.Contains(lines[2], `orig_sid="scheduler_1" rid="1" orig_rid="8"`) || !strings.Contains(lines[2], `action_mode="adhoc"`) {
		t.Errorf("log is\n%s", text)
	}
	if got := said(a.stored()); got != "drop/rule pass/no_rule escalate/escalate_list pass/adhoc pass/adhoc" {
		t.Errorf("proposals are %s", got)
	}
}

func TestMissingLogFolderIsAWarning(t *testing.T) {
	a := newApp(t, "")
	if err := os.RemoveAll(filepath.Join(a.home, "var/log")); err != nil {
		t.Fatal(err)
	}
	r := a.run(a.payload(a.results(travel), nil))
	if r.code != ExitStored || !strings.Contains(r.stderr, "WARN") || len(a.stored()) != 3 {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}

// TestDeadWorker: with a stale heartbeat no cached verdict is used, and where winnow owns the
// notables it writes those of all rows that an enforced rule does not drop, at once.
func TestDeadWorker(t *testing.T) {
	for _, c := range []struct {
		name, settings, want string
		notables             int
	}{
		{"owner", owner + "start_worker = 1\n", "drop/rule pass/stale_heartbeat+notable escalate/escalate_list+notable", 2},
		{"owner in shadow", "[gate]\nplace = owner\n", "drop/rule+notable pass/stale_heartbeat+notable escalate/escalate_list+notable", 3},
		{"owner in assist", "[gate]\nrun = assist\nplace = owner\n", "drop/rule+notable pass/stale_heartbeat+notable escalate/escalate_list+notable", 3},
		{"beside in assist", "[gate]\nrun = assist\n", "drop/rule pass/stale_heartbeat escalate/escalate_list", 0},
		{"beside", "[gate]\nrun = enforce\n", "drop/rule pass/stale_heartbeat escalate/escalate_list", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newApp(t, c.settings)
			a.now = a.now.Add(time.Hour)
			r := a.run(a.payload(a.results(travel), nil))
			if r.code != ExitStored || !strings.Contains(r.stderr, "ERROR") || !strings.Contains(r.stderr, "worker_grace") {
				t.Errorf("exit %d: %s", r.code, r.stderr)
			}
			items := a.stored()
			if got := said(items); got != c.want {
				t.Errorf("proposals are %s", got)
			}
			if strings.Contains(c.settings, "start_worker") != (a.started == 1) {
				t.Errorf("%d workers started", a.started)
			}
			checkNotables(t, a, items, c.notables)
		})
	}
}

func checkNotables(t *testing.T, a *app, items []Item, want int) {
	t.Helper()
	ids := map[string]bool{}
	for _, item := range items {
		if item.NotableWritten {
			ids[item.Alert.ID] = true
		}
	}
	events := a.notables()
	if len(events) != want || len(ids) != want {
		t.Fatalf("%d notables of %d alerts, want %d", len(events), len(ids), want)
	}
	for _, e := range events {
		signed, _ := e.Fields.First("winnow_id")
		id, ok := a.keys().Verify(signed)
		status, _ := e.Fields.First("winnow_status")
		reason, _ := e.Fields.First("winnow_reason")
		if !ok || !ids[id] || status != stash.StatusNotTriaged || reason != string(winnow.ReasonStaleHeartbeat) {
			t.Errorf("notable is %v", e.Fields)
		}
	}
}

// TestNoSpool: what cannot be stored has a notable, every row of it, where winnow owns them.
func TestNoSpool(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings string
		notables int
		break_   func(*app)
	}{
		{"full disk", owner + "min_free = 9000000GB\n", 3, func(*app) {}},
		{"beside", "[gate]\nmin_free = 9000000GB\n", 0, func(*app) {}},
		{"sink disabled", owner + "min_free = 9000000GB\n[sink:notable]\ndisabled = 1\n", 0, func(*app) {}},
		{"no folder", owner, 3, func(a *app) {
			spool := a.open().Path("spool")
			_ = os.RemoveAll(spool)
			a.write(spool, "a file in its place")
		}},
		{"of another user", owner, 3, func(a *app) {
			if os.Geteuid() != 0 {
				a.t.Skip("only root can give a folder away")
			}
			_ = os.Chown(a.open().State, 12345, 12345)
		}},
		{"others can write it", owner, 3, func(a *app) { _ = os.Chmod(a.open().Path("spool/tmp"), 0o777) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newApp(t, c.settings)
			c.break_(a)
			r := a.run(a.payload(a.results(travel), nil))
			if r.code != ExitNoStore || !strings.Contains(r.stderr, "ERROR") {
				t.Errorf("exit %d: %s", r.code, r.stderr)
			}
			if n := a.notables(); len(n) != c.notables {
				t.Errorf("%d notables, want %d: %s", len(n), c.notables, r.stderr)
			}
			if log, _ := os.ReadFile(filepath.Join(a.home, "var/log/splunk/winnow_triage_modalert.log")); !bytes.Contains(log, []byte(`action_status="failure"`)) {
				t.Errorf("audit log is %s", log)
			}
		})
	}
}

// TestStoringFailsInTheMiddle breaks the spool while rows are decided.
func TestStoringFailsInTheMiddle(t *testing.T) {
	for _, c := range []struct {
		name, settings, remove string
		stale                  bool
		code, items, notables  int
	}{
		{"small", owner, "tmp/*.alert", false, ExitNoStore, 0, 3},
		{"small, notables already written", owner, "tmp/*.alert", true, ExitNoStore, 0, 3},
		{"small, beside", "", "tmp/*.alert", false, ExitNoStore, 0, 0},
		{"large: the intake is there", owner + "large_results = 1\n", "tmp/*.decisions", false, ExitStored, 3, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newApp(t, c.settings)
			if c.stale {
				a.now = a.now.Add(time.Hour)
			}
			a.openGate = func(d *state.Deployment, keys *winnow.Keys, now time.Time) (Gate, error) {
				g, err := OpenGate(d, keys, now)
				return gateFunc(func(al *winnow.Alert) winnow.Proposal {
					files, _ := filepath.Glob(filepath.Join(d.Path("spool"), c.remove))
					for _, path := range files {
						_ = os.Remove(path)
					}
					return g.Propose(al)
				}), err
			}
			r := a.run(a.payload(a.results(travel), nil))
			if r.code != c.code || !strings.Contains(r.stderr, "ERROR") {
				t.Errorf("exit %d: %s", r.code, r.stderr)
			}
			if items := a.stored(); len(items) != c.items || strings.Contains(said(items), "drop") {
				t.Errorf("items are %s", said(items))
			}
			if n := a.notables(); len(n) != c.notables {
				t.Errorf("%d notables, want %d: %s", len(n), c.notables, r.stderr)
			}
		})
	}
}

func TestNothingIsDroppedBlind(t *testing.T) {
	for _, c := range []struct {
		name, want, stderr string
		break_             func(*app, *state.Deployment)
	}{
		{"suspensions missing", "pass/rules_unread", "read suspensions", func(a *app, d *state.Deployment) {
			_ = os.Remove(d.Path("suspensions.json"))
		}},
		{"suspensions cut", "pass/rules_unread", "read suspensions", func(a *app, d *state.Deployment) {
			a.write(d.Path("suspensions.json"), `{"rules": {}`)
		}},
		{"suspensions others can write", "pass/rules_unread", "chmod", func(a *app, d *state.Deployment) {
			_ = os.Chmod(d.Path("suspensions.json"), 0o666)
		}},
		{"rules others can write", "pass/rules_unread", "chmod", func(a *app, d *state.Deployment) {
			_ = os.Chmod(filepath.Join(a.content, "rules", "vpn.yaml"), 0o666)
		}},
		{"winnow.conf others can write", "pass/rules_unread", "chmod", func(a *app, d *state.Deployment) {
			path := filepath.Join(a.dir, "local", "winnow.conf")
			a.write(path, "[cache]\nttl = 1h\n")
			_ = os.Chmod(path, 0o666)
		}},
		{"field table others can write", "pass/rules_unread", "chmod", func(a *app, d *state.Deployment) {
			path := filepath.Join(a.content, "fields.csv")
			a.write(path, "field,control,volatile\n")
			_ = os.Chmod(path, 0o666)
		}},
		{"facts others can write", "pass/rules_unread", "chmod", func(a *app, d *state.Deployment) {
			path := filepath.Join(a.content, "facts.yaml")
			a.write(path, "families: []\n")
			_ = os.Chmod(path, 0o666)
		}},
		{"escalate list broken", "pass/rules_unread", "escalate.yaml", func(a *app, d *state.Deployment) {
			a.write(filepath.Join(a.dir, "default", "escalate.yaml"), "escalate: [")
		}},
		{"rule file broken", "pass/no_rule", "vpn.yaml", func(a *app, d *state.Deployment) {
			a.write(filepath.Join(a.content, "rules", "vpn.yaml"), "rules: [")
		}},
		{"another rule file broken", "drop/rule", "other.yaml", func(a *app, d *state.Deployment) {
			a.write(filepath.Join(a.content, "rules", "other.yaml"), "rules: [")
		}},
		{"rule suspended", "pass/suspended", "", func(a *app, d *state.Deployment) {
			a.suspend(&allowlist.Suspensions{Rules: map[string]allowlist.Suspension{"vpn-egress-travel": {}}})
		}},
		{"gate off", "pass/gate_off", "", func(a *app, d *state.Deployment) {
			_ = d.SetGate(true, "ann", a.now)
		}},
		{"secret lost", "pass/rules_unread", "bring it back from a backup", func(a *app, d *state.Deployment) {
			a.write(d.Path("ledger.db"), "")
			_ = os.Remove(d.Path("secret.key"))
		}},
		{"secret damaged", "pass/rules_unread", "secret", func(a *app, d *state.Deployment) {
			a.write(d.Path("secret.key"), "short")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newApp(t, "")
			good := a.keys()
			c.break_(a, a.open())
			r := a.run(a.payload(a.results("src,user\n10.8.0.4,ann\n"), nil))
			if r.code != ExitStored || !strings.Contains(r.stderr, c.stderr) || (c.stderr != "") != strings.Contains(r.stderr, "ERROR") {
				t.Errorf("exit %d: %s", r.code, r.stderr)
			}
			if got := said(recorded(t, a.open().Path("spool"), good)); got != c.want {
				t.Errorf("proposals are %s, want %s", got, c.want)
			}
		})
	}
}

func TestResultsThatCannotBeRead(t *testing.T) {
	whole := zipped(t, csvRows(2000))
	for _, c := range []struct {
		name   string
		data   []byte // nil: no file
		with   map[string]any
		items  int
		stderr string
	}{
		{"missing", nil, nil, 1, "no such file"},
		{"missing, but the payload has the first row", nil, map[string]any{"result": map[string]any{"src": "10.8.0.4", "user": "ann"}}, 2, "no such file"},
		{"not named", nil, map[string]any{"results_file": ""}, 1, "names no results file"},
		{"cut", whole[:len(whole)-4], nil, 2001, "results end too early"},
		{"cut by Splunk", whole, map[string]any{"configuration": map[string]any{"severity": "3", "result_count": "2500"}}, 2001, "2000 of 2500 rows"},
		{"plain text", []byte(csvRows(5)), nil, 5, ""},
		{"not a results file", []byte("\x1f\x8bx"), nil, 1, "results end too early"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newApp(t, "[gate]\nrun = enforce\n")
			path := filepath.Join(a.home, "results.csv.gz")
			if c.data != nil {
				a.write(path, string(c.data))
			}
			r := a.run(a.payload(path, c.with))
			if r.code != ExitStored || !strings.Contains(r.stderr, c.stderr) || (c.stderr != "") != strings.Contains(r.stderr, "ERROR") {
				t.Errorf("exit %d: %s", r.code, r.stderr)
			}
			items := a.stored()
			if len(items) != c.items {
				t.Fatalf("%d items: %s", len(items), said(items))
			}
			last := items[len(items)-1]
			if last.Loss != (c.stderr != "") || strings.Contains(said(items), "drop") {
				t.Errorf("items end in %+v", last)
			}
		})
	}
}

func TestBadPayloadIsKept(t *testing.T) {
	a := newApp(t, "")
	for _, payload := range []string{`{"sid": "1", "session_key": "` + sessionKey + `"`, "<alert><session_key>" + sessionKey + "</session_key>", ""} {
		r := a.run(payload)
		items := a.stored()
		if r.code != ExitBad || !strings.Contains(r.stderr, "ERROR") {
			t.Errorf("exit %d: %s", r.code, r.stderr)
		}
		if payload != "" && (len(items) != 1 || items[0].Proposal.Reason != winnow.ReasonRecordUnread) {
			t.Errorf("%.20q: items are %+v", payload, items)
		}
	}
	if paths := a.sessionKeyAnywhere(); paths != nil {
		t.Errorf("the session key is in %v", paths)
	}
}

// TestBadConfiguration: a mistake in a file that people edit loses no alert and drops none.
func TestBadConfiguration(t *testing.T) {
	for _, c := range []struct {
		name, stderr string
		settings     string // of local/winnow.conf, after it was broken
		stale        bool
		notables     int
		break_       func(*app)
	}{
		{"bad value", "enfroce", "[gate]\nplace = owner\nrun = enfroce\n", false, 0, nil},
		{"bad value, and the worker died of it", "enfroce", "[gate]\nplace = owner\nrun = enfroce\n", true, 2, nil},
		{"bad line", "local/winnow.conf", "[gate]\nplace = owner\nrun: enforce\n", true, 2, nil},
		{"unknown stanza", "grate", "[grate]\nrun = enforce\n[gate]\nplace = owner\n", true, 2, nil},
		{"bad field table", "atacker", owner, false, 0, func(a *app) {
			a.write(filepath.Join(a.content, "fields.csv"), "field,control,volatile\nsrc,atacker,\n")
		}},
		{"shipped file damaged", "default/winnow.conf", owner, false, 0, func(a *app) {
			a.write(filepath.Join(a.dir, "default", "winnow.conf"), "[gate]\nrun = \n")
		}},
		{"shipped file gone", "winnow.conf is missing", owner, false, 0, func(a *app) {
			_ = os.RemoveAll(filepath.Join(a.dir, "default"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newApp(t, owner)
			keys, spool := a.keys(), a.open().Path("spool")
			a.write(filepath.Join(a.dir, "local", "winnow.conf"), c.settings)
			if c.stale {
				a.now = a.now.Add(time.Hour)
			}
			if c.break_ != nil {
				c.break_(a)
			}
			r := a.run(a.payload(a.results("src,user\n10.8.0.4,ann\n203.0.113.9,ann\n"), nil))
			if r.code != ExitBad || !strings.Contains(r.stderr, "ERROR") || !strings.Contains(r.stderr, c.stderr) {
				t.Errorf("exit %d: %s", r.code, r.stderr)
			}
			items := recorded(t, spool, keys)
			want := "pass/rules_unread pass/rules_unread"
			if c.notables > 0 {
				want = "pass/rules_unread+notable pass/rules_unread+notable"
			}
			if got := said(items); got != want {
				t.Fatalf("proposals are %s", got)
			}
			if s := items[0].Alert.Severity; s != winnow.SeverityUnknown {
				t.Errorf("severity %s is taken from a configuration that was not read", s)
			}
			if n := a.notables(); len(n) != c.notables {
				t.Errorf("%d notables, want %d", len(n), c.notables)
			}
		})
	}
}

// recorded reads the one record of a spool.
func recorded(t *testing.T, spool string, keys *winnow.Keys) (items []Item) {
	t.Helper()
	entries, err := ReadSpool(spool, testTime)
	if err != nil || len(entries) != 1 {
		t.Fatalf("spool holds %v, error %v", entries, err)
	}
	rec, err := OpenRecord(entries[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	for item, err := range rec.Rows(keys) {
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	return items
}

// TestNoAppNoState: without any folder to go by there is nothing to be done but to say so.
func TestNoAppNoState(t *testing.T) {
	var stderr bytes.Buffer
	code := Main([]string{"--execute"}, Env{
		Stdin: strings.NewReader(`{"sid": "1"}`), Stderr: &stderr, Now: func() time.Time { return testTime },
		Getenv: func(string) string { return "" }, Executable: filepath.Join(t.TempDir(), "bin", "winnow_triage"),
	})
	if code != ExitBad || !strings.Contains(stderr.String(), "ERROR") || !strings.Contains(stderr.String(), "not stored") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
}

// gateFunc is a gate for tests.
type gateFunc func(*winnow.Alert) winnow.Proposal

func (f gateFunc) Propose(a *winnow.Alert) winnow.Proposal { return f(a) }
func (f gateFunc) Clone() Gate                             { return f }
func (f gateFunc) Err() error                              { return nil }

// TestDamagedSnapshotIsSaid: a cache snapshot that is damaged drops nothing, and is no secret.
func TestDamagedSnapshotIsSaid(t *testing.T) {
	a := newApp(t, "[gate]\nrun = enforce\n")
	a.beat()
	a.write(a.open().Path("cache.snapshot"), "not a snapshot")
	r := a.run(a.payload(a.results("src,user\n203.0.113.9,ann\n"), nil))
	if r.code != ExitStored || !strings.Contains(r.stderr, "ERROR") || !strings.Contains(r.stderr, "cached verdicts") {
		t.Errorf("exit %d, stderr %q", r.code, r.stderr)
	}
}

// TestDeadline: rows that the action has no time for are stored undecided.
func TestDeadline(t *testing.T) {
	a := newApp(t, "[gate]\ndeadline = 4m\n")
	start := a.now
	asked := 0
	a.openGate = func(*state.Deployment, *winnow.Keys, time.Time) (Gate, error) {
		a.now = start.Add(4*time.Minute + time.Second)
		return gateFunc(func(*winnow.Alert) winnow.Proposal { asked++; return dropped }), nil
	}
	r := a.run(a.payload(a.results(csvRows(1000)), nil))
	if r.code != ExitStored || asked != 0 {
		t.Errorf("exit %d, %d rows asked: %s", r.code, asked, r.stderr)
	}
	if items := a.stored(); len(items) != 1000 || strings.Count(said(items), "pass/undecided") != 1000 {
		t.Errorf("%d rows", len(items))
	}
	a.now = start
	a.openGate = func(*state.Deployment, *winnow.Keys, time.Time) (Gate, error) {
		a.now = start.Add(time.Hour)
		return passAll(winnow.ReasonNoRule), nil
	}
	r = a.run(a.payload(a.results(csvRows(1000)), nil))
	if r.code != ExitStored || !strings.Contains(r.stderr, "the rest waits for the worker") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	if items := a.stored(); len(items) != 1000 || items[999].Proposal.Reason != winnow.ReasonUndecided {
		t.Errorf("%d rows", len(items))
	}
}

func TestGateThatCannotBeOpened(t *testing.T) {
	a := newApp(t, "")
	a.openGate = func(*state.Deployment, *winnow.Keys, time.Time) (Gate, error) {
		return nil, errors.New("no gate today")
	}
	r := a.run(a.payload(a.results(travel), nil))
	if got := said(a.stored()); r.code != ExitStored || got != "pass/rules_unread pass/rules_unread pass/rules_unread" {
		t.Errorf("exit %d, proposals %s", r.code, got)
	}
}

// TestGateThatHangs: rules on a disk that does not answer cost the deadline, not the alert.
func TestGateThatHangs(t *testing.T) {
	for _, c := range []struct {
		settings, want string
		notables       int
	}{
		{"", "pass/rules_unread pass/rules_unread pass/rules_unread", 0},
		{owner, "pass/rules_unread+notable pass/rules_unread+notable pass/rules_unread+notable", 3}, // and the worker is dead
	} {
		a := newApp(t, c.settings+"[gate]\ndeadline = 3m\n")
		if c.notables > 0 {
			a.now = a.now.Add(time.Hour)
		}
		var waited time.Duration
		a.after = func(d time.Duration) <-chan time.Time {
			waited = d
			over := make(chan time.Time)
			close(over)
			return over
		}
		unblock := make(chan struct{})
		a.openGate = func(*state.Deployment, *winnow.Keys, time.Time) (Gate, error) {
			<-unblock
			return nil, nil //nolint:nilnil // it is too late for any
		}
		r := a.run(a.payload(a.results(travel), nil))
		close(unblock)
		if r.code != ExitStored || waited != 3*time.Minute || !strings.Contains(r.stderr, "could not be read within 3m0s") {
			t.Errorf("exit %d after %s: %s", r.code, waited, r.stderr)
		}
		if got := said(a.stored()); got != c.want {
			t.Errorf("proposals are %s", got)
		}
		if n := len(a.notables()); n != c.notables {
			t.Errorf("%d notables, want %d", n, c.notables)
		}
	}
}

// TestOddRowsAreNeverDropped: a rule that covers every row does not cover one that came in pieces.
func TestOddRowsAreNeverDropped(t *testing.T) {
	a := newApp(t, "")
	a.openGate = func(*state.Deployment, *winnow.Keys, time.Time) (Gate, error) {
		return gateFunc(func(*winnow.Alert) winnow.Proposal { return dropped }), nil
	}
	a.run(a.payload(a.results("src,user\n10.8.0.4,ann\n10.8.0.4\n10.8.0.4,ann,x\n10.8.0.4,an\"n\n"), nil))
	items := a.stored()
	if got := said(items); got != "drop/rule pass/results_unread pass/results_unread pass/results_unread" {
		t.Errorf("proposals are %s", got)
	}
	for _, item := range items[1:] {
		if len(item.Alert.Warnings) != 1 {
			t.Errorf("warnings are %q", item.Alert.Warnings)
		}
	}
}

// TestOrderIsKept: many batches are decided at once, and every decision stays with its row.
func TestOrderIsKept(t *testing.T) {
	a := newApp(t, owner)
	a.now = a.now.Add(time.Hour) // fail open: notables of all rows but the dropped
	a.openGate = func(*state.Deployment, *winnow.Keys, time.Time) (Gate, error) {
		return gateFunc(func(a *winnow.Alert) winnow.Proposal {
			user, _ := a.Fields.First("user")
			if strings.HasSuffix(user, "7") {
				return dropped
			}
			return winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule, Rule: user[len(user)-1:]}
		}), nil
	}
	const rows = 9000
	r := a.run(a.payload(a.results(csvRows(rows)), nil))
	items := a.stored()
	if r.code != ExitStored || len(items) != rows {
		t.Fatalf("exit %d, %d rows: %s", r.code, len(items), r.stderr)
	}
	for i, item := range items {
		digit := fmt.Sprint(i % 10)
		if (digit == "7") != (item.Proposal.Kind == winnow.ProposeDrop) || digit != "7" && item.Proposal.Rule != digit {
			t.Fatalf("row %d: %+v", i, item.Proposal)
		}
		if item.NotableWritten != (digit != "7") {
			t.Fatalf("row %d: notable written %v", i, item.NotableWritten)
		}
	}
	seen := map[string]bool{}
	for _, e := range a.notables() {
		user, _ := e.Fields.First("user")
		seen[user] = true
	}
	if len(seen) != rows*9/10 {
		t.Errorf("%d users have a notable", len(seen))
	}
}

// TestHostileValues go through the action: into stderr, the audit log and notables, and break none.
func TestHostileValues(t *testing.T) {
	a := newApp(t, owner)
	a.now = a.now.Add(time.Hour)
	evil := "x\"\n==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##==\nINFO run=1 all good, winnow_id=\"1\""
	results := "src,winnow_id,note\n10.8.0.4,forged,\"" + strings.ReplaceAll(evil, `"`, `""`) + "\"\n"
	r := a.run(a.payload(a.results(results), map[string]any{"search_name": evil, "sid": "scheduler" + evil, "app": evil}))
	if r.code != ExitStored {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	if events := a.notables(); len(events) != 1 || len(events[0].Fields["winnow_id"]) != 1 {
		t.Errorf("notables are %+v", events)
	}
	log, err := os.ReadFile(filepath.Join(a.home, "var/log/splunk/winnow_triage_modalert.log"))
	if err != nil || bytes.Count(log, []byte("\n")) != 1 {
		t.Errorf("audit log is %s, error %v", log, err)
	}
	if items := a.stored(); len(items) != 1 || items[0].Alert.SearchName != evil {
		t.Errorf("items are %+v", items)
	}
}
