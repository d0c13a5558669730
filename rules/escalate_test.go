package rules

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
)

func shippedEscalate(t testing.TB) *Escalate {
	t.Helper()
	e, err := LoadEscalate(Options{Now: fixedNow, Fields: shippedFields(t)}, "../packaging/app/default/escalate.yaml")
	for _, one := range Errors(err) {
		t.Error(one.Detail())
	}
	return e
}

func TestShippedEscalateListPassesItsTests(t *testing.T) {
	e := shippedEscalate(t)
	results := e.Test()
	if len(results) < 40 {
		t.Errorf("only %d tests", len(results))
	}
	for _, r := range results {
		if !r.OK {
			t.Errorf("%s:%d: %s, test %q: got %s, want %s", r.File, r.Line, r.Rule, r.Test, r.Got, r.Want)
		}
	}
	if !strings.HasPrefix(e.Version(), "sha256:") {
		t.Errorf("version %q", e.Version())
	}
	if _, ok := e.Match(benchAlert()); ok {
		t.Error("an ordinary alert is escalated")
	}
}

func loadEscalate(t testing.TB, text string) (*Escalate, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "escalate.yaml")
	write(t, path, text)
	return LoadEscalate(Options{Now: fixedNow}, path)
}

const oneEntry = `
escalate:
  - id: admin-at-night
    when: event.user == "admin" && not (event.shift == "day")
    techniques: [T1078]
    tests:
      - {alert: {user: admin, shift: night}, want: escalate}
      - {alert: {user: admin, shift: day}, want: pass}
`

func TestEscalateLooksForAnyValue(t *testing.T) {
	e, err := loadEscalate(t, oneEntry)
	if err != nil {
		t.Fatal(err)
	}
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprint("user", i)
	}
	for _, c := range []struct {
		name   string
		fields winnow.Fields
		want   bool
	}{
		{"the value", winnow.Fields{"user": {"admin"}, "shift": {"night"}}, true},
		{"one value among benign ones", winnow.Fields{"user": {"ann", "bob", "admin"}, "shift": {"day", "night"}}, true},
		{"a near miss", winnow.Fields{"user": {"admin"}, "shift": {"day"}}, false},
		{"a missing field is unknown", winnow.Fields{"user": {"admin"}}, false},
		{"more ways than can be tried", winnow.Fields{"user": many, "shift": {"day"}}, true},
		{"nothing", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, ok := e.Match(&winnow.Alert{Fields: c.fields})
			if ok != c.want || ok && id != "admin-at-night" {
				t.Errorf("got %q, %v, want %v", id, ok, c.want)
			}
		})
	}
}

// An attacker cannot hide behind a value that is too long for a rule: matches and glob look further
// here, and what is too long even so goes to the person, whatever is asked of it.
func TestEscalateLooksIntoLongValues(t *testing.T) {
	pad := func(n int) string { return strings.Repeat(" ", n) }
	many := func(n int) (values []string) {
		for i := range n {
			values = append(values, fmt.Sprint("a", i, pad(200<<10)))
		}
		return values
	}
	for _, c := range []struct {
		name, when string
		values     []string
		want       bool
	}{
		{"padded after", `event.p matches "evil"`, []string{"evil" + pad(33<<10)}, true},
		{"padded before", `event.p matches "evil"`, []string{pad(33<<10) + "evil"}, true},
		{"harmless and long", `event.p matches "evil"`, []string{"good" + pad(33<<10)}, false},
		{"long under not", `not (event.p matches "evil")`, []string{"evil" + pad(33<<10)}, false},
		{"as long as may be", `event.p matches "evil"`, []string{pad(256 << 10)}, false},
		{"too long", `event.p matches "evil"`, []string{pad(256<<10 + 1)}, true},
		{"too long under not", `not (event.p matches "evil")`, []string{pad(256<<10 + 1)}, true},
		{"too long, folded", `lower(event.p) matches "evil"`, []string{pad(256<<10 + 1)}, true},
		{"padded, folded", `lower(event.p) matches "evil"`, []string{"EVIL" + pad(33<<10)}, true},
		{"padded, glob", `glob(event.p, "*evil*")`, []string{pad(33<<10) + "evil"}, true},
		{"too long, glob", `glob(event.p, "*evil*")`, []string{pad(256<<10 + 1)}, true},
		{"too long where it does not matter", `event.q == "x" && event.p matches "evil"`, []string{pad(256<<10 + 1)}, false},
		{"one value of several", `event.p matches "evil"`, []string{"good", pad(256<<10 + 1)}, true},
		{"padded, any", `any(values(event.p), # matches "evil")`, []string{"good", "evil" + pad(33<<10)}, true},
		{"padded, none", `none(values(event.p), # matches "evil")`, []string{"good", "evil" + pad(33<<10)}, false},
		{"harmless, none", `none(values(event.p), # matches "evil")`, []string{"good" + pad(33<<10)}, true},
		{"too long, none", `none(values(event.p), # matches "evil")`, []string{"evil", pad(256<<10 + 1)}, true},
		{"too long, count", `count(values(event.p), glob(#, "*evil*")) == 7`, []string{pad(256<<10 + 1)}, true},
		{"more text than can be looked at", `event.p matches "evil"`, many(60), true},
		{"a little less of it", `event.p matches "evil"`, many(20), false},
		{"too long for nothing", `event.p contains "evil"`, []string{pad(256<<10 + 1)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, unproven := range []bool{false, true} {
				v := vocabulary{tested: map[string]bool{"p": true, "q": true}}
				cond, err := parseCondition(c.when, v)
				if err != nil {
					t.Fatal(err)
				}
				entry := &Entry{loaded: loaded{cond: cond}}
				if unproven {
					entry = &Entry{loaded: loaded{later: newLater(c.when, vocabulary{unproven: true})}}
				}
				if got := entry.Match(&winnow.Alert{Fields: winnow.Fields{"p": c.values}}); got != c.want {
					t.Errorf("escalated: %v, want %v", got, c.want)
				}
			}
		})
	}
}

// The same conditions of an allow-list rule match nothing that is too long.
func TestRulesLookIntoNoLongValues(t *testing.T) {
	for _, when := range []string{
		`event.p matches "evil"`, `not (event.p matches "evil")`, `glob(event.p, "*")`, `any(values(event.p), # matches "evil")`,
		`none(values(event.p), # matches "evil")`, `event.p matches "evil" || event.p matches "x"`,
	} {
		cond, err := parseCondition(when, vocabulary{tested: map[string]bool{"p": true}})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{33 << 10, 257 << 10} {
			a := &winnow.Alert{Fields: winnow.Fields{"p": {"evil" + strings.Repeat("x", n)}}}
			if got, err := cond.program().every(a); got || err != nil {
				t.Errorf("%s matches %d bytes: %v, %v", when, n, got, err)
			}
		}
	}
}

// Doubt goes to the person.
func TestEscalateOnFailure(t *testing.T) {
	e, err := loadEscalate(t, `
escalate:
  - id: many-users
    when: 'count(values(event.user), # == "admin") > 0'
    tests:
      - {alert: {user: admin}, want: escalate}
      - {alert: {user: ann}, want: pass}
`)
	if err != nil {
		t.Fatal(err)
	}
	many := make([]string, maxElements+1)
	for i := range many {
		many[i] = "ann"
	}
	if _, ok := e.Match(&winnow.Alert{Fields: winnow.Fields{"user": many}}); !ok {
		t.Error("more values than are read: not escalated")
	}
	e.entries[0].cond = &condition{root: e.entries[0].cond.root}
	e.entries[0].cond.once.Do(func() { e.entries[0].cond.compiled = &program{err: errors.New("broken")} })
	if _, ok := e.Match(&winnow.Alert{}); !ok {
		t.Error("a condition that cannot run: not escalated")
	}
}

func TestEscalateNeedsAClock(t *testing.T) {
	if _, err := LoadEscalate(Options{}); err == nil {
		t.Error("no error without Options.Now")
	}
	var none *Escalate
	if _, ok := none.Match(&winnow.Alert{}); ok {
		t.Error("no list escalates")
	}
}

func TestEscalateFileErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a rule file", "rules: []\n", `unknown key "rules"`},
		{"no tests", "escalate: [{id: a, when: 'event.user == \"x\"'}]", "tests is missing"},
		{"no near miss", "escalate: [{id: a, when: 'event.user == \"x\"', tests: [{alert: {user: x}, want: escalate}]}]", "no test wants pass"},
		{"a rule's word", "escalate: [{id: a, when: 'event.user == \"x\"', tests: [{alert: {user: x}, want: drop}]}]", `want is "drop", want escalate or pass`},
		{"no technique", strings.Replace(oneEntry, "T1078", "1078", 1), `"1078" is not an ATT&CK id`},
		{"not a list", "escalate: {}\n", "escalate must be a list"},
		{"unknown list", strings.Replace(oneEntry, `"day"`, `"day") && (event.user in lists.admins`, 1), `no list is called "admins"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := loadEscalate(t, c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if len(e.Entries()) != 0 {
				t.Error("a broken entry is kept")
			}
		})
	}
}

func BenchmarkEscalate(b *testing.B) {
	e := shippedEscalate(b)
	a := benchAlert()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := e.Match(a); ok {
			b.Fatal("escalated")
		}
	}
}

func BenchmarkLoadEscalate(b *testing.B) {
	opts := Options{Now: fixedNow, Fields: shippedFields(b)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := LoadEscalate(opts, "../packaging/app/default/escalate.yaml"); err != nil {
			b.Fatal(err)
		}
	}
}
