package rules

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/expr-lang/expr/ast"

	"github.com/winnow-soc/winnow"
)

// What is explained is what happens: for every shape of condition and alert the tree is true
// exactly when the rule matches, whether it was read from its text or from bytes.
func TestExplainAgreesWithMatch(t *testing.T) {
	pairs := 20_000
	if testing.Short() {
		pairs = 10_000
	}
	many := manyValues()
	n, failed, matched := 0, 0, 0
	done := eachPair(t, pairs, 11, func(text string, _ ast.Node, c *condition, a *winnow.Alert) bool {
		if n++; n%7 == 0 {
			a.Fields[meaningFields[n%len(meaningFields)]] = many // values(...) of it fails
		}
		want, err := c.program().every(a)
		got := explain(text, c, a)
		if got.Matches != want || got.Matches && (got.Root.Value != ValueTrue || got.Failed != nil) {
			t.Errorf("%s\nalert %.300q\nexplained as %v (%s), want %v, %v", text, a.Fields, got.Matches, got.Why, want, err)
		}
		if !got.Matches && got.Failed == nil && got.Ways > 0 {
			t.Errorf("%s\nno part failed", text)
		}
		if err != nil {
			failed++
		}
		if want {
			matched++
		}
		checkParts(t, text, got.Root)
		return !t.Failed()
	})
	if failed < 10 || matched < done/20 {
		t.Errorf("%d fail and %d match of %d: the test asks too little", failed, matched, done)
	}
	t.Logf("%d pairs: %d match, %d fail while they run", done, matched, failed)
}

func manyValues() []string {
	var out []string
	for i := range maxElements + 1 {
		out = append(out, fmt.Sprint("ann", i%4))
	}
	for i := range maxElements + 1 {
		out[i] += strings.Repeat("x", i%3)
	}
	return out
}

// checkParts sees to it that every part stands where it says, is whole, and lies within the one
// above it.
func checkParts(t *testing.T, text string, p *Part) {
	t.Helper()
	if string([]rune(text)[p.at:p.end]) != p.Text || p.Text == "" {
		t.Errorf("%s\npart %q is not at %d", text, p.Text, p.at)
	}
	for _, pair := range []string{"()", "[]"} {
		if strings.Count(p.Text, pair[:1]) != strings.Count(p.Text, pair[1:]) && !strings.Contains(p.Text, `"`) {
			t.Errorf("%s\npart %q is not whole", text, p.Text)
		}
	}
	if _, err := parseText(p.Text); err != nil && !strings.Contains(p.Text, "#") {
		t.Errorf("%s\npart %q: %v", text, p.Text, err)
	}
	if p.Value == ValueUnknown && len(p.Parts) == 0 && p.Reason == "" {
		t.Errorf("%s\npart %q is unknown for no reason", text, p.Text)
	}
	for _, kid := range p.Parts {
		if kid.at < p.at || kid.end > p.end {
			t.Errorf("%s\npart %q reaches out of %q", text, kid.Text, p.Text)
		}
		checkParts(t, text, kid)
	}
}

// With one value in each field the value of the whole is that of the independent evaluator, as far
// as the program goes into it: what is skipped once no answer but "not true" is left may be false.
func TestExplainValues(t *testing.T) {
	_, lists := meaningLists(t)
	eachPair(t, 20_000, 13, func(text string, tree ast.Node, c *condition, a *winnow.Alert) bool {
		pick := map[string]string{}
		for f, values := range a.Fields {
			a.Fields[f] = values[:1]
			pick[f] = values[0]
		}
		got := explain(text, c, a).Root.Value
		want := Value((&reference{lists: lists, alert: a, pick: pick}).cond(tree))
		if got != want && (got != ValueUnknown || want == ValueTrue) {
			t.Errorf("%s\nalert %.300q\ncomes to %s, want %s", text, a.Fields, got, want)
		}
		return !t.Failed()
	})
}

func lines(p *Part, depth int, out []string) []string {
	out = append(out, fmt.Sprintf("%s%s = %s (%s)", strings.Repeat("  ", depth), p.Text, p.Value, p.Reason))
	for _, kid := range p.Parts {
		out = lines(kid, depth+1, out)
	}
	return out
}

func TestExplainTree(t *testing.T) {
	v, _ := meaningLists(t)
	alert := &winnow.Alert{
		SearchName: "Search", Time: time.Unix(1793500000, 0),
		Fields: winnow.Fields{
			"user": {"ann", "mallory"}, "src": {"garbage"}, "n": {"five"}, "t": {"2099-01-01T00:00:00Z"}, "host": {strings.Repeat("x", 40<<10)},
		},
	}
	for _, test := range []struct{ when, why, tree string }{
		{`has(event.src) && (event.user == "ann" || event.user == "bob") && event.n == "five"`,
			`event.user == "ann" || event.user == "bob" is false: event.user is "mallory"; every value of a field must satisfy`,
			`has(event.src) && (event.user == "ann" || event.user == "bob") && event.n == "five" = false ()
  has(event.src) = true (event.src is "garbage")
  event.user == "ann" || event.user == "bob" = false ()
    event.user == "ann" = false (event.user is "mallory")
    event.user == "bob" = false (event.user is "mallory")
  event.n == "five" = skipped ()`},
		{`not cidr(event.src, "10.0.0.0/8") && true`, `not cidr(event.src, "10.0.0.0/8") is unknown: event.src is "garbage", which is no address`,
			`not cidr(event.src, "10.0.0.0/8") && true = unknown ()
  not cidr(event.src, "10.0.0.0/8") = unknown ()
    cidr(event.src, "10.0.0.0/8") = unknown (event.src is "garbage", which is no address)
  true = skipped ()`},
		{`event["cmd.line"] not in ["a"]`, `event["cmd.line"] not in ["a"] is unknown: event.cmd.line is missing`,
			`event["cmd.line"] not in ["a"] = unknown (event.cmd.line is missing)`},
		{`num(event.n) > 3`, `num(event.n) > 3 is unknown: event.n is "five", which is no plain decimal number of at most 15 digits`,
			`num(event.n) > 3 = unknown (event.n is "five", which is no plain decimal number of at most 15 digits)`},
		{`age(event.t) > 3`, ``, `age(event.t) > 3 = unknown (event.t is "2099-01-01T00:00:00Z", which is no time, or one after the alert's own)`},
		{`event.src in lists.nets`, ``, `event.src in lists.nets = unknown (event.src is "garbage", which is neither in lists.nets nor an address)`},
		{`event.host matches "x"`, ``, `event.host matches "x" = unknown (event.host is "` + strings.Repeat("x", 60) +
			`...", which has 40960 bytes: matches and glob look at 32768 at most)`},
		{`any(values(event.user), # == "bob")`, ``, `any(values(event.user), # == "bob") = false (event.user holds "ann", "mallory")`},
		{`all(values(event.user), cidr(#, "::/0"))`, ``,
			`all(values(event.user), cidr(#, "::/0")) = unknown (event.user holds "ann", which is no address)`},
		{`has(event.src) ? event.n == "five" : event.n == "six"`, `the condition is true`,
			`has(event.src) ? event.n == "five" : event.n == "six" = true ()
  has(event.src) = true (event.src is "garbage")
  event.n == "five" = true (event.n is "five")
  event.n == "six" = skipped ()`},
		{`event.user startsWith "a" || event.user startsWith "m"`, `the condition is true for each of 2 ways to pick one value for each field`,
			`event.user startsWith "a" || event.user startsWith "m" = true ()
  event.user startsWith "a" = false (event.user is "mallory")
  event.user startsWith "m" = true (event.user is "mallory")`},
	} {
		t.Run(test.when, func(t *testing.T) {
			c, err := parseCondition(test.when, v)
			if err != nil {
				t.Fatal(err)
			}
			got := explain(test.when, c, alert)
			if tree := strings.Join(lines(got.Root, 0, nil), "\n"); tree != test.tree {
				t.Errorf("tree\n%s\nwant\n%s", tree, test.tree)
			}
			if test.why != "" && got.Why != test.why {
				t.Errorf("why %q, want %q", got.Why, test.why)
			}
		})
	}
}

const explainedRules = `rules:
  - id: vpn
    description: The VPN
    owner: a@corp.example
    reason: wrongly located
    expires: 2026-12-31
    search_name: [Travel]
    when: |
      event.src in lists.nets
        && event.user == "ann"
    tests:
      - {alert: {src: 10.8.0.4, user: ann}, want: drop}
      - {alert: {src: 10.8.0.4, user: bob}, want: pass}
`

func explained(t *testing.T, good map[string]ListInfo) *Rule {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "lists", "nets.txt"), "10.8.0.0/16\n")
	write(t, filepath.Join(dir, "rules.yaml"), explainedRules)
	lists, _ := LoadLists(ListOptions{Folders: []string{filepath.Join(dir, "lists")}, Good: good})
	set, err := Load(Options{Lists: lists, Now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}, filepath.Join(dir, "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return set.Rules()[0]
}

func TestExplainSaysLines(t *testing.T) {
	r := explained(t, nil)
	var x Explainer
	got := x.Explain(r, &winnow.Alert{Fields: winnow.Fields{"src": {"10.8.0.4"}, "user": {"bob"}}})
	if got.Rule != "vpn" || got.Failed == nil || got.Failed.Line != 10 || got.Failed.Column != 12 {
		t.Errorf("got %+v failing at %+v, want vpn failing at 10:12", got, got.Failed)
	}
	body, err := json.Marshal(got)
	if err != nil || strings.Contains(string(body), "null") {
		t.Errorf("JSON %s, %v", body, err)
	}
	write(t, r.Pos.File, "changed: since\n")
	if got := new(Explainer).Explain(r, &winnow.Alert{}); got.Root.Line != 0 || got.Matches {
		t.Errorf("got line %d of a file that is another by now", got.Root.Line)
	}
}

// A list that has shrunk keeps the rule from matching, and the part that reads it says so.
func TestExplainListGuard(t *testing.T) {
	r := explained(t, map[string]ListInfo{"nets": {Size: 100}})
	a := &winnow.Alert{Fields: winnow.Fields{"src": {"10.8.0.4"}, "user": {"ann"}}}
	got := new(Explainer).Explain(r, a)
	if matched, err := r.Match(a); matched || err == nil || got.Matches || got.Why != err.Error() {
		t.Errorf("matches %v, %v; explained as %+v", matched, err, got)
	}
	values := []Value{got.Root.Value, got.Root.Parts[0].Value, got.Root.Parts[1].Value}
	if want := []Value{ValueUnknown, ValueUnknown, ValueSkipped}; !slices.Equal(values, want) {
		t.Errorf("values %v, want %v", values, want)
	}
}

// Whatever an attacker writes, and however much, explaining it ends and shows little of it.
func TestExplainHostileValues(t *testing.T) {
	v, _ := meaningLists(t)
	c, err := parseCondition(`event.user == "ann" && any(values(event.host), # == "a")`, v)
	if err != nil {
		t.Fatal(err)
	}
	a := &winnow.Alert{Fields: winnow.Fields{"user": {"\x1b[2J" + strings.Repeat("A", 1<<20)}, "host": {"\u202e\xff"}}}
	body, _ := json.Marshal(explain("event.user == \"ann\" && any(values(event.host), # == \"a\")", c, a))
	if len(body) > 5000 || strings.ContainsRune(string(body), '\x1b') {
		t.Errorf("%d bytes: %.300s", len(body), body)
	}
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprint("ann", i))
	}
	c, _ = parseCondition(`event.user startsWith "ann"`, v)
	got := explain(`event.user startsWith "ann"`, c, &winnow.Alert{Fields: winnow.Fields{"user": many}})
	if got.Matches || !strings.Contains(got.Why, "more than 256 ways") {
		t.Errorf("got %+v", got)
	}
}
