package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

// ruleText is a rule file of one rule.
func ruleText(id, when, more string) string {
	return fmt.Sprintf(`rules:
  - id: %s
    owner: detection@corp.example
    reason: known
    expires: 2027-03-31
    search_name: [Noise, "Network - *"]
    mode: enforce
    when: '%s'
%s    tests:
      - {alert: {user: ann}, want: drop}
      - {alert: {user: eve}, want: pass}
`, id, strings.ReplaceAll(when, "'", "''"), more)
}

func ruleWhen(t testing.TB, when string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "r.yaml")
	write(t, path, ruleText("r", when, ""))
	return path
}

func TestLoadReadsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.yaml")
	write(t, path, `
rules:
  - id: vpn-travel
    description: Sign-ins through the VPN look like travel
    owner: detection@corp.example
    reason: Addresses are geolocated wrongly
    ticket: SEC-1423
    expires: 2027-03-31
    search_name: [Impossible Travel, "Geo*"]
    when: event.user == event.src_user && alert.app == "ids"
    compare_fields: true
    mode: enforce
    max_severity: low
    window: {days: [sat, sun], from: "22:00", to: "04:00", tz: UTC}
    canary: 2.5%
    tests:
      - name: all
        alert: {user: ann, src_user: [ann, ann], severity: medium, alert.app: ids, alert.owner: bob, alert.source: file, _time: 2026-11-14T23:00:00Z, deep: {a: [1, null, ""], b: true}}
        want: drop
      - {alert: {search_name: Geo 7, user: ann, src_user: eve, alert.source: adhoc}, want: pass}
`)
	set, err := Load(Options{Now: fixedNow}, path)
	if err != nil {
		t.Fatal(err)
	}
	r := set.Rules()[0]
	at := time.Date(2026, 11, 14, 23, 0, 0, 0, time.UTC)
	key := winnow.Key{Host: "test", SID: "test", RID: "0"}
	file := key
	file.Host = "file"
	later := instantWithin(r)
	want := &Rule{
		ID: "vpn-travel", Description: "Sign-ins through the VPN look like travel", Owner: "detection@corp.example",
		Reason: "Addresses are geolocated wrongly", Ticket: "SEC-1423", Expires: time.Date(2027, 4, 1, 0, 0, 0, 0, time.UTC),
		Searches: []string{"Impossible Travel", "Geo*"}, When: `event.user == event.src_user && alert.app == "ids"`,
		Mode: ModeEnforce, MaxSeverity: winnow.SeverityLow, Canary: 0.025, Pos: Position{path, 3, 5},
		Window: &Window{Days: [7]bool{0: true, 6: true}, From: 22 * 60, To: 4 * 60, Zone: time.UTC},
		Tests: []Test{
			{Name: "all", Want: "drop", Pos: Position{path, 17, 9}, Alert: &winnow.Alert{
				SearchName: "Impossible Travel", App: "ids", Owner: "bob", Severity: winnow.SeverityMedium, Key: file, Time: at, Received: at,
				Fields: winnow.Fields{"user": {"ann"}, "src_user": {"ann", "ann"}, "severity": {"medium"}, "deep.a": {"1"}, "deep.b": {"true"}},
			}},
			{Want: "pass", Pos: Position{path, 20, 9}, Alert: &winnow.Alert{
				SearchName: "Geo 7", Severity: winnow.SeverityLow, Key: key, Adhoc: true, Time: later, Received: later,
				Fields: winnow.Fields{"user": {"ann"}, "src_user": {"eve"}},
			}},
		},
	}
	opts := []cmp.Option{
		cmp.FilterPath(func(p cmp.Path) bool { return slices.Contains([]string{"loaded", "set"}, p.Last().String()[1:]) }, cmp.Ignore()),
		cmp.AllowUnexported(Rule{}, Test{}), cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
	}
	if diff := cmp.Diff(want, r, opts...); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if !r.Window.Contains(later) || !later.Before(r.Expires) {
		t.Errorf("the instant %v is outside of window or expiry", later)
	}
	for _, res := range set.Test(decide) {
		if res.Test == "all" && res.OK {
			t.Error("medium is dropped under the ceiling low")
		}
	}
	if diff := cmp.Diff([]string{"src_user", "user"}, r.Fields()); diff != "" {
		t.Error(diff)
	}
}

// A broken rule or file takes only itself out.
func TestLoadKeepsTheRest(t *testing.T) {
	dir := folder(t, map[string]string{
		"a.yaml":       ruleText("a", `event.user == "ann"`, ""),
		"b.yaml":       "rules: [",
		"c.yml":        ruleText("c", `event.user = "ann"`, "") + strings.TrimPrefix(ruleText("c2", `event.user == "ann"`, ""), "rules:\n"),
		"below/d.yaml": ruleText("d", `event.user in lists.nobody`, ""),
		"e.yaml":       ruleText("a", `event.user == "bob"`, ""),
		"notes.txt":    "not a rule file",
		".hidden.yaml": "rules: [",
	})
	set, err := Load(Options{Now: fixedNow}, dir, filepath.Join(dir, "absent"))
	var ids, messages []string
	for _, r := range set.Rules() {
		ids = append(ids, r.ID)
	}
	for _, e := range Errors(err) {
		messages = append(messages, strings.TrimPrefix(e.File, dir+string(filepath.Separator))+": "+e.Message)
	}
	if diff := cmp.Diff([]string{"a", "c2"}, ids); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"b.yaml: did not find expected node content",
		filepath.Join("below", "d.yaml") + `: no list is called "nobody"`,
		`c.yml: unexpected "="`,
		"e.yaml: the id is taken",
		"absent: stat: no such file or directory",
	}
	if diff := cmp.Diff(want, messages); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if set.Find("c2") != set.Rules()[1] || set.Find("d") != nil {
		t.Error("Find does not find what is there, or finds what is not")
	}
	if r := set.Rules()[0]; r.When != `event.user == "ann"` {
		t.Errorf("of two rules with one id %q is kept", r.When)
	}
}

func TestLoadNeedsAClock(t *testing.T) {
	if _, err := Load(Options{}); err == nil {
		t.Error("no error without Options.Now")
	}
}

func TestVersionFollowsContent(t *testing.T) {
	version := func(name, rule, list string) string {
		dir := folder(t, map[string]string{"rules/" + name: rule, "lists/l.txt": list})
		lists, _ := LoadLists(ListOptions{Folders: []string{filepath.Join(dir, "lists")}})
		set, err := Load(Options{Now: fixedNow, Lists: lists}, filepath.Join(dir, "rules"))
		if err != nil {
			t.Fatal(err)
		}
		return set.Version()
	}
	rule := ruleText("a", `event.user in lists.l`, "")
	base := version("a.yaml", rule, "ann\n")
	if !strings.HasPrefix(base, "sha256:") || len(base) != len("sha256:")+64 {
		t.Errorf("version %q", base)
	}
	if again := version("a.yaml", rule, "ann\n"); again != base {
		t.Error("the same content at another place is another version")
	}
	for what, other := range map[string]string{
		"a file's name": version("b.yaml", rule, "ann\n"), "a rule": version("a.yaml", rule+"# x\n", "ann\n"),
		"a list": version("a.yaml", rule, "ann\nbob\n"), "a list that broke": version("a.yaml", rule, "\n"),
	} {
		if other == base {
			t.Errorf("%s changes, the version does not", what)
		}
	}
}

func TestScope(t *testing.T) {
	set, err := Load(Options{Now: fixedNow}, folder(t, map[string]string{
		"a.yaml": ruleText("a", `event.user == "ann"`, ""),
		"b.yaml": strings.Replace(ruleText("b", `event.user == "ann"`, ""), `search_name: [Noise, "Network - *"]`, "global: true", 1),
		"c.yaml": strings.Replace(ruleText("c", `event.user == "ann"`, ""), `[Noise, "Network - *"]`, `'What\? - Now'`, 1),
	}))
	if err != nil {
		t.Fatal(err)
	}
	for search, want := range map[string]string{
		"Noise": "a b", "noise": "b", "Network - Scan": "a b", "My Network - Scan": "b", "What? - Now": "b c", "Whatx - Now": "b", "": "b",
	} {
		for range 2 { // the second time from memory
			var got []string
			for _, r := range set.For(search) {
				got = append(got, r.ID)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%q: %v, want %s", search, got, want)
			}
		}
	}
	for i := range maxSearches + 5 {
		set.For(fmt.Sprint("search ", i))
	}
	if len(set.bySearch) > maxSearches {
		t.Errorf("remembers %d searches", len(set.bySearch))
	}
}

func TestMatchFromManyGoroutines(t *testing.T) {
	set, err := Load(Options{Now: fixedNow, Lists: smallLists(t)}, ruleWhen(t,
		`event.user in lists.vpn_users && (num(event.n) > 1 || any(values(event.m), # matches "a+b")) && cidr(event.src, lists.vpn_egress)`))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				want := (i+j)%2 == 0
				a := &winnow.Alert{Fields: winnow.Fields{"user": {"ann"}, "src": {"10.8.0.1"}, "n": {fmt.Sprint(2 - (i+j)%2)}, "m": {"x"}}}
				if ok, err := set.For("Noise")[0].Match(a); err != nil || ok != want {
					t.Errorf("got %v, %v, want %v", ok, err, want)
				}
			}
		})
	}
	wg.Wait()
}

// An attacker who sends more than can be looked at does not get a match.
func TestMatchHostileAmounts(t *testing.T) {
	many := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprint("v", i))
		}
		return out
	}
	for _, c := range []struct {
		name, when string
		fields     winnow.Fields
		want       bool
		wantErr    bool
	}{
		{"256 values", `event.a startsWith "v"`, winnow.Fields{"a": many(256)}, true, false},
		{"257 values", `event.a startsWith "v"`, winnow.Fields{"a": many(257)}, false, false},
		{"the same value often", `event.a == "v"`, winnow.Fields{"a": slices.Repeat([]string{"v"}, 5000)}, true, false},
		{"16 times 16", `event.a startsWith "v" && event.b startsWith "v"`, winnow.Fields{"a": many(16), "b": many(16)}, true, false},
		{"16 times 17", `event.a startsWith "v" && event.b startsWith "v"`, winnow.Fields{"a": many(16), "b": many(17)}, false, false},
		{"as many as are read", `all(values(event.a), # startsWith "v")`, winnow.Fields{"a": many(maxElements)}, true, false},
		{"more than are read", `all(values(event.a), # startsWith "v")`, winnow.Fields{"a": many(maxElements + 1)}, false, true},
		{"32 KiB", `event.a matches "v$"`, winnow.Fields{"a": {strings.Repeat("v", maxMatchBytes)}}, true, false},
		{"more", `event.a matches "v$"`, winnow.Fields{"a": {strings.Repeat("v", maxMatchBytes+1)}}, false, false},
		{"more, under not", `not (event.a matches "x")`, winnow.Fields{"a": {strings.Repeat("v", maxMatchBytes+1)}}, false, false},
		{"many picks in the VM", `event.a startsWith "v" && len(event.a) < 5`, winnow.Fields{"a": many(200)}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, err := Load(Options{Now: fixedNow}, ruleWhen(t, c.when))
			if err != nil {
				t.Fatal(err)
			}
			ok, err := set.Rules()[0].Match(&winnow.Alert{Fields: c.fields})
			if ok != c.want || (err != nil) != c.wantErr {
				t.Errorf("got %v, %v, want %v, error %v", ok, err, c.want, c.wantErr)
			}
		})
	}
}

// The examples of the package documentation.
func TestMissingIsUnknown(t *testing.T) {
	alert := &winnow.Alert{SearchName: "Noise", Fields: winnow.Fields{"src": {"garbage"}, "user": {"ann"}, "empty": {""}}}
	for when, want := range map[string]bool{
		`not (event.action == "success")`:                           false,
		`event.action != "success"`:                                 false,
		`not cidr(event.src, "10.0.0.0/8")`:                         false,
		`not (event.empty == "x")`:                                  false,
		`has(event.empty)`:                                          false,
		`not has(event.empty)`:                                      true,
		`event.user == "ann" || event.action == "success"`:          true,
		`event.action == "success" || event.user == "ann"`:          true,
		`not (event.user == "eve" && event.action == "success")`:    true,
		`not (event.user == "ann" && event.action == "success")`:    false,
		`has(event.action) ? event.action == "x" : true`:            true,
		`event.action == "x" ? true : true`:                         false,
		`none(values(event.action), # == "x")`:                      false,
		`count(values(event.action), # == "x") == 0`:                false,
		`none(values(event.user), cidr(#, "10.0.0.0/8"))`:           false,
		`num(event.user) != 5`:                                      false,
		`alert.app != "x"`:                                          false,
		`alert.severity != "low"`:                                   false,
		`alert.time < 5`:                                            false,
		`alert.source == "splunk" && alert.search_name == "Noise" `: true,
	} {
		set, err := Load(Options{Now: fixedNow}, ruleWhen(t, when))
		if err != nil {
			t.Errorf("%s: %v", when, err)
			continue
		}
		if got, err := set.Rules()[0].Match(alert); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", when, got, err, want)
		}
	}
}

func TestLimits(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("(", n) + `event.a == "x"` + strings.Repeat(")", n) }
	choose := `event.a == "x"`
	for range 14 {
		choose = "(" + choose + ") ? true : false"
	}
	for _, c := range []struct{ name, when, want string }{
		{"long", `event.a == "` + strings.Repeat("x", maxConditionBytes) + `"`, "longer than 16 KiB"},
		{"deep", deep(7000), ""},
		{"deep and open", strings.Repeat("(", 16000), "the condition ends too early"},
		{"many nots", strings.Repeat("!", 900) + `(event.a == "x")`, ""},
		{"too many nots", strings.Repeat("!", 5000) + `(event.a == "x")`, "more than 1000"},
		{"many parts", strings.Repeat(`event.a == "x" || `, 400) + "true", "more than 1000"},
		{"many values", `event.a in ["x"` + strings.Repeat(`, "x"`, 1000) + "]", "more than 1000"},
		{"doubling", choose, "grows beyond 5000 parts"},
		{"brackets", strings.Repeat("[", 16000), "the condition ends too early"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parseCondition(c.when, vocabulary{})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %.200v, want %q", err, c.want)
			}
		})
	}
}

// Files made to hurt the YAML parser end in an error, and soon.
func TestHostileFiles(t *testing.T) {
	bomb := "a: &a [x, x]\nb: &b [*a, *a, *a, *a]\nrules: [*b, *b]\n"
	for name, text := range map[string]string{
		"aliases": bomb, "flow": "rules: " + strings.Repeat("[", 200_000), "block": strings.Repeat("- ", 20_000) + "x",
		"maps": "rules: " + strings.Repeat("{a: ", 20_000), "merge": "rules:\n  - <<: {id: x}\n", "binary": "\x00\x01rules",
		"tabs": "rules:\n\t- id: x\n", "utf-16": "\xff\xfer\x00u\x00",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			path := filepath.Join(t.TempDir(), "r.yaml")
			write(t, path, text)
			set, err := Load(Options{Now: fixedNow}, path)
			if err == nil || len(set.Rules()) != 0 {
				t.Errorf("loads %d rules, error %v", len(set.Rules()), err)
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

func TestUnreadableFile(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	path := ruleWhen(t, "true")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if set, err := Load(Options{Now: fixedNow}, path); err == nil || len(set.Rules()) != 0 {
		t.Errorf("got %v", err)
	}
}

// The test of a rule is run on the allow-list's own decision and keeps its error.
func TestResultsTellWhatCameOut(t *testing.T) {
	set, err := Load(Options{Now: fixedNow}, ruleWhen(t, `event.user == "ann"`))
	if err != nil {
		t.Fatal(err)
	}
	got := set.Test(func(r *Rule, a *winnow.Alert) (bool, string, error) {
		if a.Fields["user"][0] == "eve" {
			return true, "x", fmt.Errorf("broken")
		}
		return decide(r, a)
	})
	file := set.Rules()[0].Pos.File
	want := []TestResult{
		{Rule: "r", File: file, Line: 10, Want: "drop", Got: "drop", Why: "condition", OK: true},
		{Rule: "r", File: file, Line: 11, Want: "pass", Got: "error", Why: "broken"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// yamlBreaks are what ends a line of YAML.
var yamlBreaks = regexp.MustCompile("\r\n|[\r\n\u0085\u2028\u2029]")

// No rule file makes the loader panic; every error has a text, and a place inside of the file.
func FuzzRuleFile(f *testing.F) {
	f.Add(ruleText("a", `event.user == "ann"`, ""))
	f.Add(oneEntry)
	f.Add("rules: [{id: a, when: 'has(event.x)', window: {from: 1}}]")
	files, _ := filepath.Glob("testdata/errors/*.yaml")
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && len(data) < 4000 {
			f.Add(string(data))
		}
	}
	lists := smallLists(f)
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "r.yaml")
		write(t, path, text)
		opts := Options{Now: fixedNow, Lists: lists}
		set, err := Load(opts, path)
		_, err2 := LoadEscalate(opts, path)
		lines := len(yamlBreaks.FindAllString(text, -1)) + 1
		for _, e := range append(append(Errors(err), Errors(err2)...), set.Check()...) {
			if e.Message == "" || e.Detail() == "" || e.Line < 0 || e.Line > lines+1 {
				t.Errorf("error without text or place: %+v", e)
			}
		}
		for _, r := range set.Rules() {
			if r.Owner == "" || r.Reason == "" || r.Expires.IsZero() || len(r.Tests) < 2 || r.MaxSeverity == winnow.SeverityUnknown {
				t.Errorf("a rule without its papers is loaded: %+v", r)
			}
			for _, test := range r.Tests {
				if _, err := r.Match(test.Alert); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// No text makes the compiler panic. What is refused has a place in the text; what is accepted
// compiles, runs, and says the same as the reference.
func FuzzCondition(f *testing.F) {
	w := &author{Rand: newRand(3)}
	for range 40 {
		f.Add(w.cond(3))
	}
	v, lists := meaningLists(f)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCondition(text, v)
		if err != nil {
			ce, ok := err.(*condError)
			if !ok || ce.msg == "" || ce.at < 0 || ce.at > len([]rune(text)) {
				t.Errorf("%q: error without a place: %#v", text, err)
			}
			return
		}
		tree := refParse(text)
		for range 5 {
			a := w.alert()
			got, err := c.program().every(a)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if strings.ContainsAny(text, `\`) || len(c.lists) > 0 && strings.Contains(text, "[") {
				continue // shapes that the reference does not read
			}
			if want, _ := refMatch(tree, lists, a); got != want {
				t.Errorf("%s\nalert %q\nmatches %v, want %v", text, a.Fields, got, want)
			}
		}
	})
}
