package splunk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

func newSite(t testing.TB, s *splunktest.Server, clk *clock, file string) *site {
	t.Helper()
	return &site{client: newClient(t, s), es: conf.ESAuto, file: file, now: clk.now}
}

func TestFactsSayWhatIsThere(t *testing.T) {
	for _, tt := range []struct {
		app  string
		es   conf.ES
		set  string
		want Facts
	}{
		{"", conf.ESAuto, "", Facts{ES: 7}},
		{splunktest.AppMissionControl, conf.ESAuto, appAuto, Facts{ES: 8, App: "missioncontrol"}},
		{splunktest.AppSecuritySuite, conf.ESAuto, "", Facts{ES: 8, App: "SplunkEnterpriseSecuritySuite"}},
		{splunktest.AppSecuritySuite, conf.ES8, "SplunkEnterpriseSecuritySuite", Facts{ES: 8, App: "SplunkEnterpriseSecuritySuite"}},
		{splunktest.AppMissionControl, conf.ES7, "", Facts{ES: 7}},
		{splunktest.AppSecuritySuite, conf.ESAuto, "missioncontrol", Facts{ES: 7}},
	} {
		s := newServer(t, splunktest.Options{FindingsApp: tt.app, MinComment: 30})
		site := &site{client: newClient(t, s), es: tt.es, app: tt.set, now: newClock().now}
		got, err := site.read(t.Context())
		if err != nil || got.ES != tt.want.ES || got.App != tt.want.App {
			t.Errorf("%+v: %+v, %v", tt, got, err)
		}
		if got.Comment != (CommentRule{Required: true, Minimum: 30}) || got.Statuses != (Statuses{New: "1", Closed: "5"}) {
			t.Errorf("facts are %+v", got)
		}
	}
	s := newServer(t, splunktest.Options{})
	_, err := (&site{client: newClient(t, s), es: conf.ES8, now: newClock().now}).read(t.Context())
	wantError(t, err, CodeNotFound, true, "Enterprise Security 8")
}

// What was good stays when it cannot be read again, also for the next worker; it is asked for again soon.
func TestFactsAreKept(t *testing.T) {
	clk, file := newClock(), filepath.Join(t.TempDir(), "es.json")
	s := newServer(t, splunktest.Options{Now: clk.now, FindingsApp: splunktest.AppMissionControl})
	first := newSite(t, s, clk, file)
	good, err := first.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Fail(splunktest.Fault{Path: "/services/alerts/reviewstatuses", Status: 503})
	clk.advance(25 * time.Hour)
	for _, site := range []*site{first, newSite(t, s, clk, file)} {
		for range 3 {
			if got, err := site.read(t.Context()); err != nil || !cmp.Equal(got, good) {
				t.Errorf("facts are %+v, %v", got, err)
			}
		}
	}
	s.Heal()
	clk.advance(factsAgain)
	if got, err := first.read(t.Context()); err != nil || !got.ReadAt.Equal(clk.now()) {
		t.Errorf("not read again: %+v, %v", got, err)
	}
}

// After a 404 what is remembered is not believed.
func TestFactsAreAskedForAfterNotFound(t *testing.T) {
	clk := newClock()
	s := newServer(t, splunktest.Options{Now: clk.now, FindingsApp: splunktest.AppMissionControl})
	site := newSite(t, s, clk, "")
	if _, err := site.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := len(s.Requests())
	gone := &Error{Op: "x", Code: CodeNotFound}
	if err := site.wrong(gone); !errors.Is(err, gone) {
		t.Errorf("error is %v", err)
	}
	if _, err := site.read(t.Context()); err != nil || len(s.Requests()) == before {
		t.Errorf("not asked again: %v", err)
	}
	_ = site.wrong(&Error{Op: "x", Code: CodeNotFound})
	s.Fail(splunktest.Fault{Status: 503})
	_, err := site.read(t.Context())
	wantError(t, err, CodeBusy, true)
}

func TestDispositionsByLabel(t *testing.T) {
	s := newServer(t, splunktest.Options{ReviewStatuses: append(splunktest.DefaultReviewStatuses()[:6],
		splunktest.ReviewStatus{ID: "disposition:1", Label: "True Positive - Suspicious Activity", Type: "disposition"},
		splunktest.ReviewStatus{ID: "disposition:2", Label: "True Positive - Contained", Type: "disposition"},
		splunktest.ReviewStatus{ID: "disposition:3", Label: "False Positive - Incorrect Analytic Logic", Type: "disposition", Disabled: true},
		splunktest.ReviewStatus{ID: "disposition:17", Label: "BENIGN positive: pentest", Type: "disposition"},
		splunktest.ReviewStatus{ID: "disposition:18", Label: "Not a true positive", Type: "disposition"},
		splunktest.ReviewStatus{ID: "disposition:19", Label: "False positive (bad data feed)", Type: "disposition"},
		splunktest.ReviewStatus{ID: "disposition:x", Label: "Other", Type: "disposition"},
	)})
	f, err := newSite(t, s, newClock(), "").read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]winnow.Disposition{
		"disposition:1": winnow.TruePositive, "disposition:2": winnow.TruePositive, "disposition:3": winnow.Undetermined,
		"disposition:17": winnow.BenignPositive, "disposition:18": winnow.Undetermined, "disposition:19": winnow.FalsePositiveData,
		"disposition:6": winnow.Undetermined, "": winnow.Undetermined, "2": winnow.Undetermined,
	} {
		if got := f.means(id); got != want {
			t.Errorf("%s means %s, want %s", id, got, want)
		}
	}
	for d, want := range map[winnow.Disposition]string{
		winnow.TruePositive: "disposition:1", winnow.BenignPositive: "disposition:17", winnow.FalsePositiveLogic: "",
		winnow.FalsePositiveData: "disposition:19", winnow.Undetermined: "", winnow.Other: "",
	} {
		if got := f.disposition(d); got != want {
			t.Errorf("%s is written as %q, want %q", d, got, want)
		}
	}
}

func TestReadFacts(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadFacts(dir, "update"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	if got := FactsFile(dir, "../x y"); filepath.Dir(got) != dir {
		t.Errorf("file is %s", got)
	}
	mustDo(t, os.WriteFile(FactsFile(dir, "update"), []byte(`{"es":8,"app":"../x"}`), 0o600), os.Mkdir(FactsFile(dir, "dir"), 0o700))
	for _, sink := range []string{"update", "dir"} {
		if f, err := ReadFacts(dir, sink); err == nil {
			t.Errorf("facts are %+v", f)
		}
	}
}

// FuzzFacts: whatever is in the file, nothing of it can be sent that is no number, no app and no disposition.
func FuzzFacts(f *testing.F) {
	f.Add([]byte(`{"es":8,"app":"missioncontrol","statuses":{"new":"1","closed":"5"},"dispositions":[{"id":"disposition:2","label":"x","means":"BenignPositive"}]}`))
	f.Add([]byte(`{"es":9}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parseFacts(data)
		if err != nil {
			return
		}
		if !isNumber(got.Statuses.New) || !isNumber(got.Statuses.Closed) || got.ES == 8 && !isApp(got.App) {
			t.Errorf("%+v", got)
		}
		for d := winnow.Undetermined; d <= winnow.Other; d++ {
			if id := got.disposition(d); id != "" && !dispositionForm().MatchString(id) {
				t.Errorf("%q", id)
			}
		}
	})
}
