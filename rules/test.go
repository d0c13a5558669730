package rules

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/winnow-soc/winnow"
)

// Test is an example in a rule file: an alert, and what the rule must make of it.
type Test struct {
	Name  string
	Alert *winnow.Alert
	Want  string // "drop" or "pass"; in an escalate file "escalate" or "pass"
	Pos   Position

	set []string // the fields that the test sets
}

// testKeys are the keys of a test, in the order in which people write them.
var testKeys = []string{"name", "alert", "want"}

// TestResult is what came of one test.
type TestResult struct {
	Rule string `json:"rule"`
	Test string `json:"test"`
	File string `json:"file"`
	Line int    `json:"line"`
	Want string `json:"want"`
	Got  string `json:"got"` // like Want, or "error"
	Why  string `json:"why"` // why it came out so, in a few words
	OK   bool   `json:"ok"`
}

// Test runs the tests of all rules, as many at once as there are processors, and returns what came
// of them in the order of the files. decide says whether a rule, taken as enforced, drops an alert,
// and why: it is the allow-list's own decision, so that expiry, ceiling and window count. It is
// called concurrently.
func (s *Set) Test(decide func(r *Rule, a *winnow.Alert) (drop bool, why string, err error)) []TestResult {
	all := s.all()
	first, n := make([]int, len(all)), 0 // the place of each rule's first test
	for i, r := range all {
		first[i], n = n, n+len(r.Tests)
	}
	out := make([]TestResult, n)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(all)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				all[i].test(decide, out[first[i]:])
			}
		})
	}
	workers.Wait()
	return out
}

// test runs the tests of one rule.
func (r *Rule) test(decide func(*Rule, *winnow.Alert) (bool, string, error), out []TestResult) {
	for i, t := range r.Tests {
		drop, why, err := decide(r, t.Alert)
		got := "pass"
		if drop {
			got = "drop"
		}
		out[i] = t.result(r.ID, got, why, err)
	}
}

func (t *Test) result(id, got, why string, err error) TestResult {
	if err != nil {
		got, why = "error", err.Error()
	}
	return TestResult{
		Rule: id, Test: t.Name, File: t.Pos.File, Line: t.Pos.Line,
		Want: t.Want, Got: got, Why: why, OK: got == t.Want,
	}
}

// readTests reads the tests of a rule and asks for one drop and one near miss.
func (r *ruleReader) readTests(pairs []pair, out *Rule) {
	p := find(pairs, "tests")
	if p == nil {
		return
	}
	at := time.Time{}
	if !out.Expires.IsZero() {
		at = instantWithin(out)
	}
	out.Tests = r.tests(*p, "drop", func(t *Test) {
		if t.Alert.SearchName == "" {
			t.Alert.SearchName = firstExact(out.Searches)
		}
		if t.Alert.Time.IsZero() {
			t.Alert.Time, t.Alert.Received = at, at
		}
	})
}

// tests reads a list of tests, and lets fill say what a test leaves unsaid.
func (d *document) tests(p pair, positive string, fill func(*Test)) []Test {
	items, ok := d.sequence(p.value, "tests")
	if !ok {
		return nil
	}
	before := len(d.errs)
	var out []Test
	for _, n := range items {
		t := d.test(n, positive)
		fill(&t)
		out = append(out, t)
	}
	if len(d.errs) > before {
		return out
	}
	for _, want := range []string{positive, "pass"} {
		if !slices.ContainsFunc(out, func(t Test) bool { return t.Want == want }) {
			d.fail(p.key, "show one alert that is meant and one that just is not", "no test wants %s", want)
		}
	}
	return out
}

func (d *document) test(n *yaml.Node, positive string) Test {
	pairs, _ := d.mapping(n, "a test", testKeys)
	t := Test{Pos: Position{File: d.file, Line: n.Line, Column: n.Column}}
	t.Alert = &winnow.Alert{
		Key: winnow.Key{Host: "test", SID: "test", RID: "0"}, Severity: winnow.SeverityLow, Fields: winnow.Fields{},
	}
	for _, p := range pairs {
		switch p.key.Value {
		case "name":
			t.Name, _ = d.text(p)
		case "want":
			t.Want, _ = d.text(p)
			if t.Want != positive && t.Want != "pass" {
				d.fail(p.value, "", "want is %q, want %s or pass", clip(t.Want), positive)
			}
		case "alert":
			d.testAlert(p.value, &t)
		}
	}
	for _, key := range []string{"alert", "want"} {
		if find(pairs, key) == nil {
			d.fail(n, "", "a test has no %s", key)
		}
	}
	return t
}

// testAlert reads the fields of a test's alert: those of the row, with search_name, severity and
// _time as in files given to winnow triage, and alert.app, alert.owner and alert.source for what
// comes with the search.
func (d *document) testAlert(n *yaml.Node, t *Test) {
	pairs, _ := d.mapping(n, "an alert", nil)
	for _, p := range pairs {
		if !d.header(p, t.Alert) {
			d.field(p.key.Value, p.value, t)
		}
	}
}

// header reads what is not a field of the row. severity is both: a column raises the base.
func (d *document) header(p pair, a *winnow.Alert) bool {
	text := p.value.Value
	switch p.key.Value {
	case "search_name":
		a.SearchName, _ = d.text(p)
	case "alert.app":
		a.App, _ = d.text(p)
	case "alert.owner":
		a.Owner, _ = d.text(p)
	case "alert.source":
		d.source(p, a)
	case "severity":
		if err := a.Severity.UnmarshalText([]byte(text)); err != nil {
			d.fail(p.value, "", "%v", err)
		}
		return false
	case "_time":
		seconds, ok := parseTime(text)
		if !ok {
			d.fail(p.value, "", "_time is %q, want seconds since 1970 or a time like 2027-03-31T12:00:00Z", clip(text))
		}
		whole := int64(seconds)
		a.Time = time.Unix(whole, int64((seconds-float64(whole))*1e9)).UTC()
		a.Received = a.Time
	default:
		return false
	}
	return true
}

func (d *document) source(p pair, a *winnow.Alert) {
	switch p.value.Value {
	case "adhoc":
		a.Adhoc = true
	case "file":
		a.Key.Host = "file"
	case "splunk":
	default:
		d.fail(p.value, "", "alert.source is %q, want splunk, adhoc or file", clip(p.value.Value))
	}
}

// field adds the values of a field: objects become dotted names, lists several values, and what is
// empty is absent, as in every alert.
func (d *document) field(name string, n *yaml.Node, t *Test) {
	switch n.Kind {
	case yaml.MappingNode:
		pairs, _ := d.mapping(n, "an alert", nil)
		for _, p := range pairs {
			d.field(name+"."+p.key.Value, p.value, t)
		}
	case yaml.SequenceNode:
		for _, kid := range n.Content {
			d.field(name, kid, t)
		}
	case yaml.ScalarNode:
		t.set = append(t.set, name)
		if n.Tag != "!!null" {
			t.Alert.Fields.Add(name, n.Value)
		}
	}
}

// testedFields are the names that the tests of a rule set.
func testedFields(tests []Test) map[string]bool {
	names := map[string]bool{}
	for _, t := range tests {
		for _, name := range t.set {
			names[name] = true
		}
	}
	return names
}

// firstExact returns the first search name without wildcards, else a name that the first glob fits.
func firstExact(searches []string) string {
	for _, s := range searches {
		if !isGlob(s) {
			return s
		}
	}
	if len(searches) == 0 {
		return "any search"
	}
	name := strings.ReplaceAll(searches[0], "*", "")
	return strings.ReplaceAll(strings.ReplaceAll(name, "?", "x"), `\`, "")
}

// instantWithin returns a time inside the rule's window, within its last weeks.
func instantWithin(r *Rule) time.Time {
	at := r.Expires.Add(-time.Hour)
	for range 15 * 24 * 60 {
		if r.Window == nil || r.Window.Contains(at) {
			return at
		}
		at = at.Add(-time.Minute)
	}
	return at
}
