package rules

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/expr-lang/expr/ast"

	"github.com/winnow-soc/winnow"
)

// A condition that is said to rest on trusted fields in every way is never true of an alert that
// has none of them, whatever an attacker writes into the others.
func TestAnchoredConditionsNeedATrustedField(t *testing.T) {
	attacker := func(name string) bool { return name == "user" || name == "cmd.line" || name == "n" }
	anchored, loose := 0, 0
	eachPair(t, 60_000, 7, func(text string, _ ast.Node, c *condition, a *winnow.Alert) bool {
		f, err := rewriteTrue(c.root)
		if err != nil {
			t.Fatal(err)
		}
		if !f.everyWay(anchor(c.slots, attacker)) {
			loose++
			return true
		}
		anchored++
		if fields := f.loose(c.slots, attacker); fields != nil {
			t.Fatalf("%s\nis anchored, yet rests on %v", text, fields)
		}
		for name := range a.Fields {
			if !attacker(name) {
				delete(a.Fields, name)
			}
		}
		if ok, _ := c.program().every(a); ok {
			t.Fatalf("%s\nis true of %v", text, a.Fields)
		}
		return true
	})
	if anchored == 0 || loose == 0 {
		t.Errorf("%d anchored, %d not", anchored, loose)
	}
}

// A condition that narrows in every way is never true of an alert without fields, and one that
// does not narrow is the kind that a single odd alert shows.
func TestNarrowConditionsNeedAValue(t *testing.T) {
	eachPair(t, 30_000, 8, func(text string, _ ast.Node, c *condition, a *winnow.Alert) bool {
		f, err := rewriteTrue(c.root)
		if err != nil {
			t.Fatal(err)
		}
		a.Fields = winnow.Fields{}
		if ok, _ := c.program().every(a); ok && f.everyWay(narrows(c.slots, false)) {
			t.Fatalf("%s\nis true of an alert without fields", text)
		}
		return true
	})
}

// Every check that reports has a code that is listed, and each listed code a text of its own.
func TestChecksHaveCodes(t *testing.T) {
	known, texts := map[string]bool{}, map[string]bool{}
	for _, c := range Checks() {
		if known[c.Code] || texts[c.Text] || c.Text == "" {
			t.Errorf("%+v is there twice, or empty", c)
		}
		known[c.Code], texts[c.Text] = true, true
	}
	files, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, file := range files {
		set, err := Load(Options{Fields: smallTable(t), Lists: smallLists(t), Now: fixedNow}, file)
		for _, e := range append(Errors(err), set.Check()...) {
			said[e.CodeOf()] = true
			if !known[e.CodeOf()] {
				t.Errorf("%v: unknown code %q", e, e.CodeOf())
			}
		}
	}
	for _, code := range []string{Invalid, "attacker-set", "expired", "expires-soon", "no-owner", "constant", "broad", "every-text", "slow"} {
		if !said[code] {
			t.Errorf("no file in testdata/errors shows %s", code)
		}
	}
}

func TestCheckAgainstSearches(t *testing.T) {
	searches := func(list ...Search) *Searches {
		s, err := NewSearches("list", list)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	network := Search{Name: "Network - scan"}
	for name, test := range map[string]struct {
		searches *Searches
		want     []string
	}{
		"both there":  {searches(Search{Name: "Noise"}, network), nil},
		"none there":  {searches(Search{Name: "Noisy"}), []string{`"Noise" fits no search in list`, `"Network - *" fits no search`}},
		"throttled":   {searches(Search{Name: "Noise", Throttled: true, Throttle: []string{"user"}}, network), []string{"does not look at event.src"}},
		"by both":     {searches(Search{Name: "Noise", Throttled: true, Throttle: []string{"user", "src"}}, network), nil},
		"by all":      {searches(Search{Name: "Noise", Throttled: true, Throttle: []string{"*"}}, network), nil},
		"by nothing":  {searches(Search{Name: "Noise", Throttled: true}, network), []string{"does not look at event.src, event.user"}},
		"not on":      {searches(Search{Name: "Noise", Throttle: []string{"dest"}}, network), nil},
		"of others":   {searches(Search{Name: "Noise"}, network, Search{Name: "Other", Throttled: true}), nil},
		"two of them": {searches(Search{Name: "Noise", Throttled: true}, Search{Name: "Network - x", Throttled: true}), []string{`search "Network - x" (and 1 more)`}},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Load(Options{Fields: smallTable(t), Now: fixedNow}, ruleWhen(t, `event.user == "ann" && event.src == "10.8.0.4"`))
			if err != nil {
				t.Fatal(err)
			}
			sameFindings(t, set.CheckAgainst(CheckOptions{Searches: test.searches}), test.want)
		})
	}
	if _, err := NewSearches("list", nil); err == nil {
		t.Error("no search is no error")
	}
}

func sameFindings(t *testing.T, got []*Error, want []string) {
	t.Helper()
	ok := len(got) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = strings.Contains(got[i].Error(), want[i])
	}
	if !ok {
		t.Errorf("got %v, want %q", got, want)
	}
}

func TestSeen(t *testing.T) {
	seen := NewSeen("alerts")
	add := func(search string, n int, fields ...string) {
		a := &winnow.Alert{SearchName: search, Fields: winnow.Fields{"empty": nil}}
		for _, f := range fields {
			a.Fields.Add(f, "x")
		}
		for range n {
			if err := seen.Add(a); err != nil {
				t.Fatal(err)
			}
		}
	}
	add("Noise", 90, "user", "dest")
	add("Noise", 5, "user", "src", "dest")
	add("Network - scan", 5, "user", "dest")
	add("Other", 100, "src", "usr")
	for when, want := range map[string][]string{
		`event.user == "ann" && event.dest == "x"`:   nil,
		`event.user == "ann" && event.src == "x"`:    {"event.src absent in 95 of 100 alerts"},
		`event.user == "ann" && event.action == "x"`: {"event.action absent in 100 of 100 alerts"},
	} {
		set, err := Load(Options{Fields: smallTable(t), Now: fixedNow}, ruleWhen(t, when))
		if err != nil {
			t.Fatal(err)
		}
		sameFindings(t, set.CheckAgainst(CheckOptions{Seen: seen}), want)
	}
}

// What an attacker can fill is bounded, and said.
func TestSeenIsBounded(t *testing.T) {
	seen := NewSeen("alerts")
	a := &winnow.Alert{SearchName: "s", Fields: winnow.Fields{}}
	for i := range maxSeenFields + 1 {
		a.Fields.Add(fmt.Sprint("f", i), "x")
	}
	if err := seen.Add(a); err == nil || !strings.Contains(err.Error(), "more than 5000 fields") {
		t.Errorf("fields: %v", err)
	}
	var err error
	for i := 0; i <= maxSeenSearches && err == nil; i++ {
		err = seen.Add(&winnow.Alert{SearchName: fmt.Sprint(i)})
	}
	if err == nil || !strings.Contains(err.Error(), "20000 searches") {
		t.Errorf("searches: %v", err)
	}
}

// The file may be gone, or changed, when its places are looked up.
func TestCheckOfAChangedFile(t *testing.T) {
	path := ruleWhen(t, `event.process_name == "a"`)
	set, err := Load(Options{Fields: smallTable(t), Now: fixedNow}, path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"rules: [1, {id: 2}]\n", "\x00", "rules:\n  - when\n", "- a\n- {when: b}\n", ruleText("r", "false", "")} {
		write(t, path, text)
		errs := set.Check()
		if !slices.ContainsFunc(errs, func(e *Error) bool { return e.Code == "attacker-set" && e.Line > 0 }) {
			t.Errorf("%q: %v", text, errs)
		}
	}
}
