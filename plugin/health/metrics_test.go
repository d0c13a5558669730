package health

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/winnow-soc/winnow"
)

var start = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// described returns winnow's own metrics with their labels.
func described(t *testing.T) map[string]string {
	t.Helper()
	parts := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	out := map[string]string{}
	m := New("v1", nil)
	descs := make(chan *prometheus.Desc, 1000)
	for _, c := range m.own {
		c.Describe(descs)
	}
	close(descs)
	for d := range descs {
		found := parts.FindStringSubmatch(d.String())
		if found == nil {
			t.Fatalf("cannot read %s", d)
		}
		out[found[1]] = strings.ReplaceAll(found[2], ",", ", ")
	}
	return out
}

// operations returns docs/operations.md.
func operations(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestMetricsOfTheDocumentation(t *testing.T) {
	got := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(winnow_\\w+)` \\|([^|]*)\\| [^|]+ \\|$").FindAllStringSubmatch(operations(t), -1) {
		got[m[1]] = strings.ReplaceAll(strings.TrimSpace(m[2]), "`", "")
	}
	if diff := cmp.Diff(described(t), got); diff != "" {
		t.Errorf("metrics and their labels (-program +docs/operations.md):\n%s", diff)
	}
}

// alarms are the rules that are shipped for Prometheus.
type alarms struct {
	Groups []struct {
		Name  string  `yaml:"name"`
		Rules []alarm `yaml:"rules"`
	} `yaml:"groups"`
}

type alarm struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func readAlarms(t *testing.T) (out []alarm) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "packaging", "prometheus", "winnow.rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var all alarms
	dec := yaml.NewDecoder(f)
	dec.KnownFields(true)
	if err := dec.Decode(&all); err != nil {
		t.Fatal(err)
	}
	if err := dec.Decode(&struct{}{}); err != io.EOF {
		t.Fatalf("more than one document: %v", err)
	}
	for _, g := range all.Groups {
		out = append(out, g.Rules...)
	}
	return out
}

// TestAlarms holds the rules for Prometheus against the metrics that there are, against what
// docs/operations.md says of each, and against the promises.
func TestAlarms(t *testing.T) {
	metrics, text := described(t), operations(t)
	promises, names := map[string]bool{}, map[string]bool{}
	for _, a := range readAlarms(t) {
		if names[a.Alert] || !regexp.MustCompile(`^Winnow[A-Za-z]+$`).MatchString(a.Alert) {
			t.Errorf("%q is no name of its own", a.Alert)
		}
		names[a.Alert] = true
		promises[a.Labels["promise"]] = true
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
			t.Errorf("%s: severity %q", a.Alert, a.Labels["severity"])
		}
		if a.For != "" {
			if _, err := time.ParseDuration(a.For); err != nil {
				t.Errorf("%s: for: %v", a.Alert, err)
			}
		}
		if a.Annotations["summary"] == "" || a.Annotations["runbook"] != "docs/operations.md#"+strings.ToLower(a.Alert) {
			t.Errorf("%s: annotations %v", a.Alert, a.Annotations)
		}
		checkExpr(t, a, metrics)
		_, section, found := strings.Cut(text, "\n### "+a.Alert+"\n")
		section, _, _ = strings.Cut(section, "\n#")
		if !found || !strings.Contains(section, "Means: ") || !strings.Contains(section, "Do: ") {
			t.Errorf("docs/operations.md does not say what %s means and what to do", a.Alert)
		}
	}
	for n := 1; n <= 7; n++ {
		if !promises[fmt.Sprint(n)] {
			t.Errorf("no alarm for promise %d", n)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### (Winnow\w+)$`).FindAllStringSubmatch(text, -1) {
		if !names[m[1]] {
			t.Errorf("docs/operations.md explains %s, which is no alarm", m[1])
		}
	}
}

// checkExpr finds every metric of an expression, and every label that it selects by.
func checkExpr(t *testing.T, a alarm, metrics map[string]string) {
	t.Helper()
	if strings.Count(a.Expr, "(") != strings.Count(a.Expr, ")") || strings.Count(a.Expr, "{") != strings.Count(a.Expr, "}") {
		t.Errorf("%s: brackets: %s", a.Alert, a.Expr)
	}
	uses := regexp.MustCompile(`(winnow_\w+)(?:\{([^}]*)\})?`).FindAllStringSubmatch(a.Expr, -1)
	if len(uses) == 0 {
		t.Errorf("%s asks for no metric of winnow's: %s", a.Alert, a.Expr)
	}
	for _, use := range uses {
		name := use[1]
		for _, suffix := range []string{"_count", "_sum", "_bucket"} {
			if base, ok := strings.CutSuffix(name, suffix); ok {
				if _, known := metrics[base]; known {
					name = base
				}
			}
		}
		labels, known := metrics[name]
		if !known {
			t.Errorf("%s: there is no metric %s", a.Alert, name)
		}
		for _, m := range regexp.MustCompile(`(\w+)(?:=~|!~|!=|=)"`).FindAllStringSubmatch(use[2], -1) {
			if !slices.Contains(strings.Split(labels, ", "), m[1]) {
				t.Errorf("%s: %s has no label %s", a.Alert, name, m[1])
			}
		}
	}
	for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(a.Annotations["summary"], -1) {
		if !slices.ContainsFunc(uses, func(use []string) bool { return strings.Contains(metrics[use[1]], m[1]) }) {
			t.Errorf("%s: the summary names label %s, which nothing in it has", a.Alert, m[1])
		}
	}
}

// Splunk's own alarms are off until somebody switches them on, and are explained too.
func TestAlarmsOfSplunk(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "packaging", "app", "default", "savedsearches.conf"))
	if err != nil {
		t.Fatal(err)
	}
	stanzas := regexp.MustCompile(`(?m)^\[(winnow alarm: [a-z ]+)\]$`).FindAllStringSubmatch(string(text), -1)
	if len(stanzas) < 5 || strings.Count(string(text), "\n[") != len(stanzas) || strings.Count(string(text), "\nenableSched = 0\n") != len(stanzas) {
		t.Errorf("%d alarms; each is off until it is switched on", len(stanzas))
	}
	for _, s := range stanzas {
		if !strings.Contains(operations(t), "| `"+s[1]+"` |") {
			t.Errorf("docs/operations.md says nothing of %q", s[1])
		}
	}
}

// Of a counter that begins with 1 Prometheus does not see that it has grown: what an alarm watches for its
// first increase is there from the start.
func TestAlarmsSeeTheFirstIncrease(t *testing.T) {
	got := text(t, New("v1", nil))
	for _, a := range readAlarms(t) {
		for _, m := range regexp.MustCompile(`increase\((winnow_\w+)(?:\{(\w+="\w+")\})?\[\w+\]\) > 0`).FindAllStringSubmatch(a.Expr, -1) {
			line := regexp.MustCompile(`(?m)^` + m[1] + `(\{.*` + regexp.QuoteMeta(m[2]) + `.*\})? 0$`)
			if !line.MatchString(got) {
				t.Errorf("%s: no series of %s at 0", a.Alert, m[0])
			}
		}
	}
}

// However many searches there are, and whatever stands in names, there are only so many series, and none
// of them names a person, a rule or a model's answer.
func TestLabelsAreBounded(t *testing.T) {
	m := New("v1", func(error) string { return "auth" })
	for i := range 5000 {
		name := fmt.Sprintf("search %d \xff\n%s", i, strings.Repeat("x", 10_000))
		m.Settled(name, winnow.StateClosed, winnow.Reason(fmt.Sprintf("recall:list:l=%d", i)), fmt.Sprintf("person:user%d", i))
		m.Settled(name, winnow.StateEscalated, "gave_up:panic", fmt.Sprintf("rule:r%d", i))
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if n := len(f.GetMetric()); n > 2*(mostSearches+1) && strings.HasPrefix(f.GetName(), "winnow_") {
			t.Errorf("%s has %d series", f.GetName(), n)
		}
		for _, metric := range f.GetMetric() {
			for _, label := range metric.GetLabel() {
				v := label.GetValue()
				if len([]rune(v)) > mostRunes || strings.Contains(v, "user") || strings.Contains(v, "r1") {
					t.Errorf("%s: %s is %q", f.GetName(), label.GetName(), v)
				}
			}
		}
	}
}

func TestCountersCount(t *testing.T) {
	m := New("v1", func(error) string { return "auth" })
	m.Delivered("update", nil, true)
	m.Delivered("update", io.EOF, false)
	m.Delivered("update", io.EOF, true)
	m.Attempted(Attempt{Model: "small", Kind: "classify", Outcome: "settled", Input: 10, Output: 3, Booked: 2_500_000, Unpriced: true})
	m.Attempted(Attempt{Model: "small", Kind: "classify", Outcome: "settled", Input: -10, Booked: -1})
	m.Turned(start, 2*time.Second, true)
	m.Loaded(Content{Rules: 14, Errors: 2, Broken: true, Lists: 3, BadLists: 1, At: start, Run: winnow.RunEnforce})
	m.Late("comments", winnow.ReasonNoModel)
	m.WentOtherWay("finding", "notable")
	m.Refused("search", "search_share", winnow.SeverityLow)
	m.BudgetTold("total", "day", "80%")
	got := text(t, m)
	for _, line := range []string{
		`winnow_late_alerts_total{did="comments",reason="no_model"} 1`, `winnow_late_alerts_total{did="notables",reason="queued"} 0`,
		`winnow_budget_refusals_total{limit="search_share",scope="search",severity="low"} 1`,
		`winnow_budget_warnings_total{period="day",scope="total",warning="80%"} 1`, `winnow_budget_warnings_total{period="month",scope="total",warning="forecast"} 0`,
		`winnow_deliveries_other_way_total{other="notable",sink="finding"} 1`,
		`winnow_deliveries_total{result="delivered",sink="update"} 1`,
		`winnow_deliveries_total{result="auth",sink="update"} 1`,
		`winnow_deliveries_total{result="given_up",sink="update"} 1`,
		`winnow_model_tokens_total{kind="classify",model="small",type="input"} 10`,
		`winnow_model_dollars_total{kind="classify",model="small",tier="unsaid"} 0.0025`,
		`winnow_model_unpriced_total 1`,
		`winnow_turn_seconds_count{result="failed"} 1`,
		`winnow_rules_broken 1`, `winnow_rules_good_timestamp_seconds 0`, `winnow_lists{state="bad"} 1`, `winnow_run 2`,
		`winnow_reload_failures_total{what="content"} 1`,
	} {
		if !strings.Contains(got, "\n"+line+"\n") {
			t.Errorf("missing: %s\n%s", line, got)
		}
	}
}
