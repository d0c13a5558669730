package conf_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/plugin/conf"
)

const action = "winnow_triage"

func readApp(t *testing.T, name string) *conf.File {
	t.Helper()
	f, err := conf.ReadFile(filepath.Join(app, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestAlertActionIsWhatSplunkExpects: each of these, wrong, makes splunkd not start the action,
// start it without --execute, kill it early, or hand it other results.
func TestAlertActionIsWhatSplunkExpects(t *testing.T) {
	f := readApp(t, "default/alert_actions.conf")
	for key, want := range map[string]string{
		"is_custom": "1", "payload_format": "json", "forceCsvResults": "true", "maxresults": "50000", "track_alert": "0", "maxtime": "5m",
		"param.result_count": "$job.resultCount$", "param.severity": "$alert.severity$",
	} {
		if got, _ := f.Get(action, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	for _, key := range f.Keys(action) {
		if strings.HasPrefix(key, "alert.execute") || key == "command" {
			t.Errorf("%s is set: splunkd would not start bin/%s with --execute", key, action)
		}
	}
	icon, _ := f.Get(action, "icon_path")
	if _, err := os.Stat(filepath.Join(app, "appserver", "static", icon)); err != nil {
		t.Errorf("icon: %v", err)
	}
	for _, key := range []string{"label", "description"} {
		if text, _ := f.Get(action, key); text == "" {
			t.Errorf("no %s", key)
		}
	}
}

func TestActionEndsBeforeSplunkKillsIt(t *testing.T) {
	maxtime, _ := readApp(t, "default/alert_actions.conf").Get(action, "maxtime")
	limit, err := time.ParseDuration(maxtime)
	if err != nil {
		t.Fatal(err)
	}
	if deadline := readShipped(t).Gate.Deadline; deadline > limit-30*time.Second {
		t.Errorf("[gate] deadline is %s, maxtime %s: too close", deadline, limit)
	}
}

func TestAdaptiveResponseIsOneLineOfJSON(t *testing.T) {
	text, _ := readApp(t, "default/alert_actions.conf").Get(action, "param._cam")
	var cam struct {
		Category   []string `json:"category"`
		Task       []string `json:"task"`
		Subject    []string `json:"subject"`
		Technology []struct {
			Vendor  string   `json:"vendor"`
			Product string   `json:"product"`
			Version []string `json:"version"`
		} `json:"technology"`
		Adhoc   bool `json:"supports_adhoc"`
		Cloud   bool `json:"supports_cloud"`
		Workers bool `json:"supports_workers"`
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&cam); err != nil || strings.Contains(text, "\n") {
		t.Fatalf("%q: %v", text, err)
	}
	if !cam.Adhoc || !cam.Cloud || cam.Workers || len(cam.Category)*len(cam.Task)*len(cam.Subject)*len(cam.Technology) == 0 {
		t.Errorf("%+v", cam)
	}
}

var specParam = regexp.MustCompile(`(?m)^(param\.[a-z_]+) = `)

// TestEveryParameterIsDeclaredAndDocumented: Enterprise Security refuses an ad-hoc run with a
// parameter that alert_actions.conf does not have.
func TestEveryParameterIsDeclaredAndDocumented(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(app, "README", "alert_actions.conf.spec"))
	if err != nil {
		t.Fatal(err)
	}
	saved, err := os.ReadFile(filepath.Join(app, "README", "savedsearches.conf.spec"))
	if err != nil {
		t.Fatal(err)
	}
	f := readApp(t, "default/alert_actions.conf")
	documented := map[string]bool{}
	for _, m := range specParam.FindAllStringSubmatch(string(data), -1) {
		documented[m[1]] = true
		if _, ok := f.Get(action, m[1]); !ok {
			t.Errorf("%s is documented and not declared", m[1])
		}
	}
	for _, key := range f.Keys(action) {
		if !strings.HasPrefix(key, "param.") {
			continue
		}
		if !documented[key] {
			t.Errorf("%s is declared and not documented", key)
		}
		if key != "param._cam" && !strings.Contains(string(saved), "action."+action+"."+key+" = ") {
			t.Errorf("savedsearches.conf.spec lacks %s", key)
		}
	}
}

// TestAlarmWithoutWinnow: the search that watches winnow is off, and reads splunkd's line of a start.
func TestAlarmWithoutWinnow(t *testing.T) {
	const name = "winnow alarm: never triaged"
	f := readApp(t, "default/savedsearches.conf")
	if on, _ := f.Get(name, "enableSched"); on != "0" {
		t.Errorf("enableSched is %q: a fresh install must change nothing", on)
	}
	search, _ := f.Get(name, "search")
	_, rest, _ := strings.Cut(search, `rex field=_raw "`)
	pattern, _, _ := strings.Cut(rest, `" | eval`)
	form := regexp.MustCompile(strings.ReplaceAll(strings.ReplaceAll(pattern, `\"`, `"`), "(?<", "(?P<"))
	m := form.FindStringSubmatch(`01-02-2026 03:04:05.123 +0000 INFO  sendmodalert [4711 AlertNotifierWorker-0] - ` +
		`Invoking modular alert action=winnow_triage for search="a" sid="x"" sid="scheduler__a_1" in app="search" owner="ann" type="saved"`)
	if len(m) != 3 || m[1] != `a" sid="x"` || m[2] != "scheduler__a_1" {
		t.Errorf("%q finds %q", form, m)
	}
	for _, part := range []string{"index=_internal", "sourcetype=winnow:outcome", "started > 0 AND outcomes = 0"} {
		if !strings.Contains(search, part) {
			t.Errorf("the search lacks %q", part)
		}
	}
}

func TestWorkerShipsDisabled(t *testing.T) {
	f := readApp(t, "default/inputs.conf")
	if disabled, _ := f.Get("winnow://worker", "disabled"); disabled != "1" {
		t.Errorf("disabled is %q: a fresh install must change nothing", disabled)
	}
	events := readShipped(t)
	for _, sink := range events.Sinks {
		if sink.Type != conf.SinkFile || filepath.IsAbs(sink.Path) {
			continue
		}
		monitor := "monitor://$SPLUNK_HOME/var/lib/splunk/modinputs/winnow/" + sink.Path + "*"
		if sourcetype, ok := f.Get(monitor, "sourcetype"); !ok || sourcetype != "winnow:outcome" {
			t.Errorf("no input reads what [sink:%s] writes: want [%s]", sink.Name, monitor)
		}
	}
}

func TestAppNamesItselfAlike(t *testing.T) {
	f := readApp(t, "default/app.conf")
	id, _ := f.Get("package", "id")
	name, _ := f.Get("id", "name")
	version, _ := f.Get("launcher", "version")
	again, _ := f.Get("id", "version")
	if id != "winnow" || id != name || version != again {
		t.Errorf("ids %q and %q, versions %q and %q", id, name, version, again)
	}
	if reload, _ := f.Get("triggers", "reload.winnow"); reload != "simple" {
		t.Error("winnow.conf has no reload trigger")
	}
	if shared, _ := readApp(t, "default/server.conf").Get("shclustering", "conf_replication_include.winnow"); shared != "true" {
		t.Error("winnow.conf is not shared in a cluster")
	}
}
