package conf_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
)

func TestSettingsReadUnits(t *testing.T) {
	s := readShipped(t,
		"gate.worker_grace=90", "gate.deadline=3m", "cache.ttl=2w", "cache.block=0", "review.fact_ttl=7d",
		"gate.canary=0.25", "gate.list_shrink=12.5%", "gate.min_free=2GB", "gate.large_results=17",
		"policy.high_risk_assets= dc01 ,, dc 02 ,", "gate.start_worker=Enabled", "policy.require_fact=F",
	)
	g := s.Gate
	if g.WorkerGrace != 90*time.Second || g.Deadline != 3*time.Minute || s.Cache.TTL != 14*24*time.Hour ||
		s.Cache.Block != 0 || s.Review.FactTTL != 7*24*time.Hour {
		t.Errorf("durations: %+v %+v %+v", g, s.Cache, s.Review)
	}
	if g.Canary != 0.25 || math.Abs(g.ListShrink-0.125) > 1e-12 || g.MinFree != 2<<30 || g.LargeResults != 17 {
		t.Errorf("shares and sizes: %+v", g)
	}
	if diff := cmp.Diff([]string{"dc01", "dc 02"}, s.Policy.HighRiskAssets); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if !g.StartWorker || s.Policy.RequireFact {
		t.Errorf("booleans: start_worker %v, require_fact %v", g.StartWorker, s.Policy.RequireFact)
	}
}

func TestSettingsRefuseBadValues(t *testing.T) {
	for set, want := range map[string]string{
		"gate.run=on":                             `[gate] run: unknown run "on" (want shadow, assist or enforce)`,
		"gate.run=":                               `[gate] run: unknown run ""`,
		"gate.place=inline":                       `[gate] place: unknown place "inline"`,
		"gate.worker_grace=soon":                  `[gate] worker_grace: "soon" is not a duration`,
		"gate.worker_grace=":                      `[gate] worker_grace: "" is not a duration`,
		"gate.worker_grace=-5s":                   `is not a duration`,
		"gate.worker_grace=1.5h":                  `is not a duration`,
		"gate.worker_grace=5ms":                   `is not a duration`,
		"gate.worker_grace=99999999999999999999s": `is not a duration`,
		"gate.worker_grace=9999999999999w":        `is not a duration`,
		"gate.worker_grace=0":                     `0 is not from 1s to 1d`,
		"gate.deadline=2h":                        `2h is not from 1s to 1h`,
		"gate.canary=101%":                        `"101%" is not a share`,
		"gate.canary=nan":                         `"nan" is not a share`,
		"gate.canary=%":                           `"%" is not a share`,
		"gate.min_free=5XB":                       `"5XB" is not a size`,
		"gate.min_free=9999999999GB":              `is not a size`,
		"gate.min_free=-1":                        `is not a size`,
		"gate.off=maybe":                          `"maybe" is not a boolean`,
		"policy.confidence=101":                   `"101" is not a whole number from 0 to 100`,
		"policy.confidence=85.5":                  `is not a whole number`,
		"policy.max_severity=severe":              `unknown severity "severe"`,
		"cache.size=0":                            `from 1 to`,
		"content.apps=../etc":                     `"../etc" is not the name of an app`,
		"content.apps=.hidden":                    `is not the name of an app`,
		"content.apps=a, b/c":                     `"b/c" is not the name of an app`,
		"pipeline.model=":                         `[pipeline] model: empty`,
		"pipeline.panel_low=95":                   `[pipeline] panel_high: 90 is below panel_low, which is 95`,
		"pipeline.coordinator=gpt":                `[pipeline] coordinator: no stanza [model:gpt] (known: offline)`,
		"queue.retry_min=1h":                      `[queue] retry_max: 10m is below retry_min, which is 1h`,
		"stage:enrich.model=ofline":               `[stage:enrich] model: no stanza [model:ofline] (did you mean "offline"?)`,
		"agent:network.weight=inf":                `is not a number from 0 to 100`,
		"agent:netwerk.weight=1":                  `unknown name "netwerk" (did you mean "network"?)`,
		"budget.day=-1":                           `[budget] day: "-1" is not an amount of dollars (want 25 or 0.50, at most a billion); empty for no limit`,
		"budget.reserve_high=90%":                 `[budget] reserve_high: and reserve_critical are more than all of it together`,
		"budget.reserve_critical=120%":            `"120%" is not a share`,
		"budget.when_spent=close":                 `"close" is not one of [offline smaller group]`,
		"budget.when_spent=smaller":               `[budget] when_spent: smaller asks the model that [budget] smaller names, and that is empty`,
		"budget.smaller=mini":                     `[budget] smaller: no stanza [model:mini]`,
		"budget.smaller=offline":                  `[budget] smaller: offline costs nothing`,
		"budget.warn_at=80%, 50%":                 `"80%, 50%" is not a list of rising shares above 0`,
		"budget.warn_at=0%":                       `is not a list of rising shares above 0`,
		"budget.warn_at=half":                     `"half" is not a share`,
		"budget.awake=8-18":                       `"8-18" is not hours of the day (want two that differ, like 08:00-18:00)`,
		"budget.awake=08:00-08:00":                `is not hours of the day`,
		"budget.awake_tz=Mars/Base":               `"Mars/Base" is not a time zone`,
		"budget.awake_tz=":                        `"" is not a time zone`,
		"search:x.budget_day=much":                `[search:x] budget_day: "much" is not an amount of dollars`,
		"team:red.budget_year=1":                  `[team:red] budget_year: unknown key`,
		"model:offline.budget_month=1.2.3":        `[model:offline] budget_month: "1.2.3" is not an amount of dollars`,
		"sink:x.path=y":                           `[sink:x] type: missing`,
		"sink:x.type=hek":                         `"hek" is not one of [notable notable_update finding file hec receivers stream webhook scs responses risk pagerduty slack ticket]`,
		"sink:x.es=9":                             `"9" is not one of [auto 7 8]`,
		"sink:x.app=../x":                         `"../x" is not the name of an app`,
		"sink:x.app=a, b":                         `"a, b" is more than one app`,
		"sink:x.scores=high":                      `"high" is not a severity and a score from 0 to 100`,
		"sink:x.scores=high:101":                  `"high:101" is not a severity and a score`,
		"sink:x.scores=urgent:1":                  `"urgent"`,
		"gate.rnu=shadow":                         `[gate] rnu: unknown key (did you mean "run"?)`,
		"gate.frobnicate=1":                       `unknown key (known: canary, deadline,`,
		"gaet.run=shadow":                         `[gaet]: unknown stanza (did you mean "gate"?)`,
		"serch:x.run=shadow":                      `[serch:x]: unknown stanza`,
		"search:.run=shadow":                      `[search:]: unknown stanza`,
		"search:x.confidense=5":                   `[search:x] confidense: unknown key (did you mean "confidence"?)`,
		"default.confidense=5":                    `[default] confidense: unknown key (did you mean "confidence"?)`,
	} {
		f, err := conf.Load(app, "winnow", []string{set})
		if err != nil {
			t.Fatal(err)
		}
		_, err = conf.Read(f)
		place := "--set " + set
		if strings.Contains(want, " is below ") {
			place = app // the bound that the set value crosses is in the file
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), place) {
			t.Errorf("--set %s\n gave %v\n want %s", set, err, want)
			continue
		}
		if _, ok := errors.AsType[*conf.Error](err); !ok {
			t.Errorf("--set %s gave no *conf.Error", set)
		}
	}
}

func TestSettingsReportAllErrorsAndWhatIsMissing(t *testing.T) {
	dir := layout(t, map[string]string{"default/winnow.conf": "[gate]\nrun = on\nplace = beside\n[stage:enrich]\nmodel = offline"})
	f, err := conf.Load(dir, "winnow", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conf.Read(f)
	for _, want := range []string{
		"winnow.conf:2: [gate] run: unknown run",
		"winnow.conf:1: [gate] deadline: missing",
		"winnow.conf: [policy]: missing; install the app's default/winnow.conf again",
		"winnow.conf: [stage:classify]: missing",
		"winnow.conf:4: [stage:enrich] input_tokens: missing",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing in the error: %s\n%v", want, err)
		}
	}
}

func TestSearchIsAsCautiousAsTheMoreCautious(t *testing.T) {
	runs := []winnow.Run{winnow.RunShadow, winnow.RunAssist, winnow.RunEnforce}
	for _, global := range runs {
		for _, search := range runs {
			s := readShipped(t, "gate.run="+global.String(), "search:x.run="+search.String())
			if got := s.Search("x").Run; got != min(global, search) {
				t.Errorf("global %s and search %s run %s", global, search, got)
			}
			if got := s.Search("y").Run; got != global {
				t.Errorf("a search without stanza runs %s under global %s", got, global)
			}
		}
	}
}

func TestSearchOverridesWhatItSays(t *testing.T) {
	s := readShipped(t, "policy.confidence=90",
		"search:Impossible Travel.place=owner", "search:Impossible Travel.severity=low", "search:Impossible Travel.raw=1",
		"search:Impossible Travel.require_fact=0", "search:Impossible Travel.max_severity=high")
	got := s.Search("Impossible Travel")
	want := conf.Search{Run: winnow.RunShadow, Place: winnow.PlaceOwner, Severity: winnow.SeverityLow, Raw: true, Policy: s.Policy}
	want.Policy.RequireFact, want.Policy.MaxSeverity = false, winnow.SeverityHigh
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Policy.Confidence != 90 {
		t.Errorf("confidence is %d, want the global 90", got.Policy.Confidence)
	}
	if other := s.Search("impossible travel"); other.Raw || other.Severity != winnow.SeverityUnknown || other.Place != winnow.PlaceBeside {
		t.Errorf("a search of another name has %+v", other)
	}
	var names []string
	for name := range s.Searches {
		names = append(names, name)
	}
	if diff := cmp.Diff([]string{"Impossible Travel"}, names); diff != "" {
		t.Errorf("searches with a stanza (-want +got):\n%s", diff)
	}
}

func TestSinksKeepTheirOrder(t *testing.T) {
	s := readShipped(t, "sink:copy.type=file", "sink:copy.path=copy.ndjson", "sink:update.disabled=1")
	var names []string
	for _, sink := range s.Sinks {
		if sink.Disabled {
			sink.Name = "-" + sink.Name
		}
		names = append(names, sink.Name)
	}
	if diff := cmp.Diff([]string{"notable", "-update", "-finding", "-risk", "responses", "events", "copy"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzRead promises that a hostile or broken winnow.conf never makes winnow less cautious than
// the shipped one without saying enforce or owner, and never panics.
func FuzzRead(f *testing.F) {
	shipped, err := os.ReadFile(filepath.Join(app, "default", "winnow.conf"))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"[gate]\nrun = assist", "[search:x]\nraw = 1", "[default]\nconfidence = 1", "[gate]\nrun", "canary=1%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, local string) {
		file, err := conf.Parse("default", strings.NewReader(string(shipped)))
		if err != nil {
			t.Fatal(err)
		}
		over, err := conf.Parse("local", strings.NewReader(local))
		if err != nil {
			return
		}
		file.Merge(over)
		s, err := conf.Read(file)
		if err != nil {
			return
		}
		if s.Gate.Run == winnow.RunEnforce && !strings.Contains(local, "enforce") {
			t.Fatalf("%q runs enforce", local)
		}
		for name, search := range s.Searches {
			if search.Run > s.Gate.Run {
				t.Fatalf("[search:%s] runs %s under %s", name, search.Run, s.Gate.Run)
			}
		}
	})
}

func BenchmarkReadShipped(b *testing.B) {
	for b.Loop() {
		f, err := conf.Load(app, "winnow", nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := conf.Read(f); err != nil {
			b.Fatal(err)
		}
	}
}

func TestVisibleWithin(t *testing.T) {
	s := readShipped(t, "search:Odd Sign-in.visible_within=90s")
	for severity, want := range map[winnow.Severity]time.Duration{
		winnow.SeverityUnknown: 5 * time.Minute, winnow.SeverityInformational: 24 * time.Hour, winnow.SeverityLow: 4 * time.Hour,
		winnow.SeverityMedium: 30 * time.Minute, winnow.SeverityHigh: 5 * time.Minute, winnow.SeverityCritical: time.Minute,
		winnow.SeverityCritical + 1: 5 * time.Minute,
	} {
		if got := s.VisibleWithin("Impossible Travel", severity); got != want {
			t.Errorf("%s: %s, want %s", severity, got, want)
		}
		if got := s.VisibleWithin("Odd Sign-in", severity); got != 90*time.Second {
			t.Errorf("%s of a search with its own: %s", severity, got)
		}
	}
}

func TestBudgetsAreRead(t *testing.T) {
	s := readShipped(t, "budget.day=25", "search:VPN.budget_day=0.5", "team:red.budget_month=100", "model:offline.budget_day=0", "budget.awake=22:00-06:00",
		"budget.awake_tz=Europe/Berlin", "budget.warn_at=10%, 0.5", "budget.reserve_high=25%")
	b := s.Budget
	if *b.Day != 25e9 || b.Month != nil || b.ReserveCritical != 0.2 || b.ReserveHigh != 0.25 || b.SearchShare != 0.5 || b.WhenSpent != conf.SpentOffline {
		t.Errorf("[budget] %+v", b)
	}
	if diff := cmp.Diff([]float64{0.1, 0.5}, b.WarnAt); diff != "" || b.AwakeTz.String() != "Europe/Berlin" {
		t.Errorf("warn_at: %s, in %s", diff, b.AwakeTz)
	}
	vpn, red, off := s.Search("VPN"), s.Teams["red"], s.Models["offline"]
	if *vpn.BudgetDay != 5e8 || vpn.BudgetMonth != nil || *red.BudgetMonth != 100e9 || *off.BudgetDay != 0 || s.Search("other").BudgetDay != nil {
		t.Errorf("%+v %+v %+v", vpn, red, off)
	}
	for text, awake := range map[string]bool{"21:59": false, "22:00": true, "03:00": true, "05:59": true, "06:00": false} {
		at, err := time.Parse("15:04", text)
		if err != nil || b.Awake.Contain(at) != awake {
			t.Errorf("%s: awake %v (%v)", text, !awake, err)
		}
	}
	if day := readShipped(t).Budget.Awake; day.Contain(time.Date(2026, 1, 1, 7, 59, 0, 0, time.UTC)) || !day.Contain(time.Date(2026, 1, 1, 17, 59, 0, 0, time.UTC)) {
		t.Errorf("shipped hours %v", day)
	}
}
