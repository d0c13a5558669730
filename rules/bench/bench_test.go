package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

const sharedData = "../../../shared/data"

// corpora are the made-up corpus and, where the public data is beside the project, the full one.
func corpora(t *testing.T) map[string]*corpus {
	t.Helper()
	out := map[string]*corpus{}
	for name, folder := range map[string]string{"made": "", "public": sharedData} {
		if _, err := os.Stat(folder); folder != "" && err != nil {
			t.Log("the public data is not there: ", err)
			continue
		}
		c, err := readCorpus(folder)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = c
	}
	return out
}

func newWorld(t *testing.T, c *corpus, n int) *world {
	t.Helper()
	lists, err := readLists(c.lists, filepath.Join(t.TempDir(), "lists"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{rules: c.rules(n), lists: c.lists, winnow: lists, folder: filepath.Join(t.TempDir(), "rules")}
	if err := writeRules(w.folder, w.rules); err != nil {
		t.Fatal(err)
	}
	return w
}

// Every engine says what the plain evaluator of this package says.
func TestEnginesAgreeWithTheReference(t *testing.T) {
	for name, c := range corpora(t) {
		w := newWorld(t, c, 600)
		alerts := c.alerts(300, w.rules)
		for _, k := range kinds {
			t.Run(name+"/"+k.name, func(t *testing.T) {
				e := k.make()
				if err := errors.Join(e.prepare(alerts), e.load(w)); err != nil {
					t.Fatal(err)
				}
				checkEngine(t, e, w, alerts)
			})
		}
	}
}

func checkEngine(t *testing.T, e engine, w *world, alerts []row) {
	t.Helper()
	matches := 0
	for i, a := range alerts {
		var want []int32
		for n, r := range w.rules {
			if (r.search == "" || r.search == a.search) && r.when.eval(a.fields, w.lists) == yes {
				want = append(want, int32(n))
			}
		}
		got, err := e.match(i, nil)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("alert %d, %v: got rules %v, want %v", i, a, got, want)
		}
		matches += len(got)
	}
	if matches < len(alerts)/4 {
		t.Errorf("only %d matches in %d alerts: the answers say little", matches, len(alerts))
	}
}

// The rules are good rules: they pass the tests that are written with them.
func TestRulesPassTheirTests(t *testing.T) {
	for name, c := range corpora(t) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c, 500)
			set, err := rules.Load(rules.Options{Lists: w.winnow, Now: now}, w.folder)
			if err != nil {
				t.Fatal(err)
			}
			results := set.Test(func(r *rules.Rule, a *winnow.Alert) (bool, string, error) {
				ok, err := r.Match(a)
				return ok, "", err
			})
			if len(results) != 2*len(w.rules) {
				t.Errorf("%d tests of %d rules", len(results), len(w.rules))
			}
			for _, res := range results {
				if !res.OK {
					t.Errorf("%s, %s: got %s, want %s: %s", res.Rule, res.Test, res.Got, res.Want, set.Find(res.Rule).When)
				}
			}
		})
	}
}

func TestRulesAndAlertsAreTheSameEachTime(t *testing.T) {
	texts := func() string {
		c, err := readCorpus("")
		if err != nil {
			t.Fatal(err)
		}
		made := c.rules(200)
		var b strings.Builder
		for _, r := range made {
			b.WriteString(r.id + r.search + winnowText(r.when))
		}
		out, err := json.Marshal(c.alerts(50, made)[0].fields)
		if err != nil {
			t.Fatal(err)
		}
		return b.String() + string(out)
	}
	if once, again := texts(), texts(); once != again {
		t.Error("two runs differ")
	}
}

func TestShapesAreAllOfThem(t *testing.T) {
	sum := 0
	for _, s := range shapes {
		sum += s.percent
	}
	if sum != 100 {
		t.Errorf("the shapes are %d percent", sum)
	}
}

func TestSigmaFilters(t *testing.T) {
	file := func(block string) map[string][]byte {
		return map[string][]byte{"a.yml": []byte("title: x\ndetection:\n  selection:\n    A: b\n  filter_main_x:\n" + block + "  condition: x\n")}
	}
	for block, want := range map[string]string{
		"    Image|endswith: '\\a.exe'\n":                `event.Image endsWith "\\a.exe"`,
		"    Image|startswith: ['C:\\a\\', 'C:\\b\\']\n": `(event.Image startsWith "C:\\a\\" || event.Image startsWith "C:\\b\\")`,
		"    A: 'x'\n    B|contains: 'y'\n":              `event.A == "x" && event.B contains "y"`,
		"    - A: 'x'\n    - B: 4688\n":                  `event.A == "x" || event.B == "4688"`,
		"    A|contains|all: ['x', 'y']\n":               `event.A contains "x" && event.A contains "y"`,
		"    A: ['x', 'y']\n":                            `event.A in ["x", "y"]`,
		"    A: '*x'\n":                                  `event.A endsWith "x"`,
		"    A: 'x*'\n":                                  `event.A startsWith "x"`,
		"    A: '*x*'\n":                                 `event.A contains "x"`,
		"    A: 'x*y?'\n":                                `event.A matches "(?s)^x.*y.$"`,
		"    A: 'x\\*'\n":                                `event.A == "x*"`,
		"    A: ['x', '*y']\n":                           `event.A == "x" || event.A endsWith "y"`,
		"    A: x\n    B: null\n":                        `event.A == "x" && not (has(event.B))`,
		"    c-uri|re: '^a.+$'\n":                        `event["c-uri"] matches "^a.+$"`,
		"    Ip|cidr: ['10.0.0.0/8', '::1/128']\n":       `cidr(event.Ip, ["10.0.0.0/8", "::1/128"])`,
		"    A: null\n":                                  "",
		"    - A: ''\n    - B: 'x'\n":                    "",
		"    - 'keyword'\n":                              "",
		"    A|fieldref: B\n":                            "",
		"    A|re: '(?=x)'\n":                            "",
		"    A|endswith: 'x*y'\n":                        "",
		"    A: \"a\\u0007b\"\n":                         "",
		"    A:\n      B: c\n":                           "",
		"    A|cidr: 'no network'\n":                     "",
		"    A: '*'\n":                                   "",
	} {
		got := parseSigma(file(block))
		text := ""
		if len(got.conds) == 1 {
			text = winnowText(got.conds[0])
		}
		if text != want || got.total != 1 {
			t.Errorf("%s: got %s (%d blocks), want %s", block, text, got.total, want)
		}
	}
	if got := parseSigma(map[string][]byte{"a.yml": []byte("detection: ["), "b.yml": []byte("detection: 5\n")}); got.total != 0 {
		t.Errorf("broken files gave %d blocks", got.total)
	}
}

// The negative of an atom about a missing field is not true in any language.
func TestGuards(t *testing.T) {
	c := and(equals("user", "ann"), not(is("process", testContains, "x")), not(is("src", testCIDR, "10.0.0.0/8")))
	r := &rule{id: "r", when: c}
	for got, want := range map[string]string{
		exprText(r): `event.user == "ann" && (event.process != "" && not (event.process contains "x")) && (is_ip(event.src) && not (cidr(event.src, Network("10.0.0.0/8"))))`,
		celText(r):  `(has(event.user) && event.user == "ann") && (has(event.process) && !(event.process.contains("x"))) && (has(event.src) && is_ip(event.src) && !(in_network(event.src, "10.0.0.0/8")))`,
		regoRule(r): "match contains \"r\" if {\n\tinput.event.user == \"ann\"\n\tcontains(input.event.process, \"x\") == false\n\tnet.cidr_contains(\"10.0.0.0/8\", input.event.src) == false\n}\n",
	} {
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestCompareFindsADifference(t *testing.T) {
	c, err := readCorpus("")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{rules: c.rules(5), lists: c.lists}
	alerts := c.alerts(2, w.rules)
	one := result{size: 5, engine: "one", alerts: 2, answers: [][]int32{{1, 2}, {3}}}
	same := result{size: 5, engine: "same", alerts: 1, answers: [][]int32{{2, 1}, nil}}
	other := result{size: 5, engine: "other", alerts: 2, answers: [][]int32{{1, 2}, {3, 4}}}
	if err := compare(w, alerts, []result{one, same}); err != nil {
		t.Error(err)
	}
	err = compare(w, alerts, []result{one, same, other})
	if err == nil || !strings.Contains(err.Error(), "one and other differ on alert 1") || !strings.Contains(err.Error(), "only other: "+w.rules[4].id) {
		t.Errorf("got %v", err)
	}
}

func TestRun(t *testing.T) {
	var stdout, stderr bytes.Buffer
	path := filepath.Join(t.TempDir(), "bench", "rules.json")
	args := []string{"-sizes", "50,60", "-alerts", "100", "-box", "20ms", "-out", path}
	if code := run(args, &stdout, &stderr); code != exitFine {
		t.Fatalf("exit %d\n%s", code, stderr.String())
	}
	for _, want := range []string{"all of them are made up", "100 %  made up", "RULES  ENGINE", "indexed", "expr_loop", "opa", "cel_loop", "winnow_loop"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("%q is not in\n%s", want, stdout.String())
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []line
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for _, against := range []string{exprLoop, opaSet, celLoop} {
		if !slices.ContainsFunc(all, func(l line) bool { return l.Name == "indexed@50" && l.Against == against && l.Ratio > 0 && l.OK }) {
			t.Errorf("no line for indexed@50 against %s in %s", against, data)
		}
	}
}

func TestRunWrongly(t *testing.T) {
	for args, want := range map[string]string{
		"-sizes 0": "numbers above 0", "-sizes x": "numbers above 0", "-alerts 0": "above 0", "-engines none": "unknown engine", "more": "no other arguments",
	} {
		var stderr bytes.Buffer
		if code := run(strings.Fields(args), &bytes.Buffer{}, &stderr); code != exitUsage || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: exit %d, %s", args, code, stderr.String())
		}
	}
}

func TestGoals(t *testing.T) {
	results := []result{
		{size: 10_000, engine: indexed, perSecond: 30_000}, {size: 10_000, engine: exprLoop, perSecond: 100}, {size: 10_000, engine: opaSet, perSecond: 1000},
	}
	var out bytes.Buffer
	if !verdict(&out, lines(results)) {
		t.Error("30x OPA is taken for 40x")
	}
	if !strings.Contains(out.String(), "reached  indexed@10000 against expr_loop") || !strings.Contains(out.String(), "MISSED   indexed@10000 against opa") {
		t.Error(out.String())
	}
	results[0].perSecond = 40_000
	if verdict(&out, lines(results)) {
		t.Error("40x is missed")
	}
}

func TestDigits(t *testing.T) {
	for v, want := range map[float64]string{0.00397: "0.00397", 8.051: "8.05", 40.56: "40.6", 331306.2: "331,306", 999.9: "1,000", 100: "100"} {
		if got := digits(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

// A slow engine stops, is said to have, and is compared as far as it came.
func TestTimeIsOver(t *testing.T) {
	r := &runner{engine: slow{}, result: result{answers: make([][]int32, 1000)}}
	if err := r.turn(time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if r.asked < least || r.asked > 100 || r.took < time.Millisecond {
		t.Errorf("%d alerts in %v", r.asked, r.took)
	}
}

type slow struct{}

func (slow) load(*world) error   { return nil }
func (slow) prepare([]row) error { return nil }
func (slow) match(_ int, to []int32) ([]int32, error) {
	for began := cpuTime(); cpuTime()-began < 100*time.Microsecond; { //nolint:revive // work
	}
	return to, nil
}
