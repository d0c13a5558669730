package allowlist

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/rules"
)

// now is a Monday.
var now = time.Date(2026, 3, 2, 23, 0, 0, 0, time.UTC)

const (
	travel   = "Impossible Travel"
	ownIP    = "10.8.0.4"
	stranger = "203.0.113.66"
)

// ruleText is a rule on travel, with lines of its own. Its tests pass for a condition about src,
// and for one that names the user first.
func ruleText(id, when string, lines ...string) string {
	user, other := "ann", "ann"
	if _, named, ok := strings.Cut(when, `event.user == "`); ok {
		user, _, _ = strings.Cut(named, `"`)
		other = "mallory"
	}
	text := `  - id: ` + id + `
    description: Made for tests
    owner: detection@corp.example
    reason: It is ours
    expires: 2026-12-31
    search_name: [Impossible Travel]
    when: ` + when + `
    tests:
      - {name: ours, alert: {src: 10.8.0.4, user: ` + user + `}, want: drop}
      - {name: theirs, alert: {src: 203.0.113.66, user: ` + other + `}, want: pass}
`
	for _, l := range lines {
		text += "    " + l + "\n"
	}
	return text
}

const ours = `cidr(event.src, "10.8.0.0/16")`

const escalateText = `escalate:
  - id: dumper
    description: It takes credentials
    when: event.process == "dumper.exe"
    tests:
      - {name: it, alert: {process: dumper.exe}, want: escalate}
      - {name: another, alert: {process: notepad.exe}, want: pass}
`

// folder is where the files of a gate are.
type folder struct {
	t   testing.TB
	dir string
}

func newFolder(t testing.TB, ruleTexts ...string) *folder {
	t.Helper()
	f := &folder{t, t.TempDir()}
	f.write("rules/a.yaml", "rules:\n"+strings.Join(ruleTexts, ""))
	f.write("escalate.yaml", escalateText)
	f.write("suspensions.json", `{"rules": {}, "verdicts": {}}`)
	f.write("lists/ours.txt", "10.8.0.0/16\n")
	return f
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

func (f *folder) write(name, text string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(f.path(name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) config() Config {
	return Config{
		RulePaths: []string{f.path("rules")}, ListPaths: []string{f.path("lists")}, EscalatePaths: []string{f.path("escalate.yaml")},
		GoodLists: f.path("lists.good.json"), Suspensions: f.path("suspensions.json"),
		Fields: &winnow.FieldTable{}, Keys: testKeys(f.t), ListShrink: 0.5, Now: now,
	}
}

// gate opens a gate that must be in order.
func (f *folder) gate() *Gate {
	f.t.Helper()
	g, err := Open(f.config())
	if err != nil {
		f.t.Fatal(err)
	}
	return g
}

func testKeys(t testing.TB) *winnow.Keys {
	t.Helper()
	k, err := winnow.NewKeys([]byte("a secret of thirty-two bytes ...."))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// alert is one that a rule on ours covers.
func alert() *winnow.Alert {
	return &winnow.Alert{
		ID: "01A", Key: winnow.Key{Host: "sh1", SID: "s", RID: "0"}, SearchName: travel, App: "search",
		Severity: winnow.SeverityLow, Time: now, Received: now,
		Fields: winnow.Fields{"src": {ownIP}, "user": {"ann"}},
	}
}

func enforced(id string, lines ...string) string {
	return ruleText(id, ours, append([]string{"mode: enforce"}, lines...)...)
}

// cached makes the gate's cache hold a verdict on the alert.
func cached(g *Gate, a *winnow.Alert, change ...func(*cache.Entry)) {
	m := cache.NewMemory(10)
	e := cache.Entry{
		AlertID: "01OLD", SearchName: a.SearchName, Severity: winnow.SeverityMedium, Disposition: winnow.BenignPositive,
		Source: winnow.SourceModel, Confidence: 95, At: now.Add(-time.Hour), Expires: now.Add(time.Hour),
	}
	for _, f := range change {
		f(&e)
	}
	m.Put(cache.KeyOf(g.Keys, g.Fields, a), e)
	g.Cache = m
}

func suspend(ruleIDs ...string) *Suspensions {
	s := (*Suspensions)(nil).Clone()
	for _, id := range ruleIDs {
		s.Rules[id] = Suspension{By: "ann", At: now, Reason: "it drops too much"}
	}
	return s
}

// find returns a rule that must be there.
func find(t testing.TB, g *Gate, id string) *rules.Rule {
	t.Helper()
	r := g.Rules.Find(id)
	if r == nil {
		t.Fatalf("no rule %q", id)
	}
	return r
}
