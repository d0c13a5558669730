package allowlist

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

// debtOf runs the rules over samples and tells what debt they have, as "rule kind other: evidence".
func debtOf(t *testing.T, f *folder, change func(*DebtOptions), samples ...Sample) (out []string) {
	t.Helper()
	c := f.candidateAs(t)
	o := DebtOptions{
		Past: backtest(t, BacktestOptions{Candidate: c, Overlaps: true}, samples...), Use: map[string]RuleUse{},
		Now: now, Since: now.AddDate(-1, 0, 0), Dead: 30 * 24 * time.Hour, Expiring: 30 * 24 * time.Hour,
	}
	for _, r := range c.Rules.Rules() {
		o.Use[r.ID] = RuleUse{Last: now, Judged: 1}
	}
	if change != nil {
		change(&o)
	}
	for _, d := range FindDebt(o) {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s: %s", d.Rule.ID, d.Kind, d.Other, d.Evidence)))
	}
	return out
}

// mixed are n alerts of ours by ann and m by bob.
func mixed(n, m int) []Sample {
	return append(habit(n, values("src", ownIP, "user", "ann")), habit(m, values("src", ownIP, "user", "bob"))...)
}

func TestDebt(t *testing.T) {
	const ann = `event.user == "ann"`
	rule := func(id, when string, lines ...string) string {
		return ruleText(id, when, append([]string{"mode: enforce"}, lines...)...)
	}
	unused := func(o *DebtOptions) { o.Use = map[string]RuleUse{} }
	for _, tt := range []struct {
		name    string
		rules   []string
		change  func(*DebtOptions)
		samples []Sample
		want    []string
	}{
		{"none", []string{rule("a", ours)}, nil, mixed(5, 5), nil},
		{"its last day is over", []string{rule("a", ours)}, func(o *DebtOptions) { o.Now = now.AddDate(2, 0, 0) }, nil,
			[]string{"a expired : its last day was 2026-12-31"}},
		{"its last day is near", []string{rule("a", ours)}, func(o *DebtOptions) { o.Expiring = 365 * 24 * time.Hour }, nil,
			[]string{"a expiring : its last day is 2026-12-31"}},
		{"no alert", []string{rule("a", ours)}, unused, habit(60, values("src", stranger)),
			[]string{"a dead : no alert since 2026-01-31 (never); the ledger holds 60 of its searches"}},
		{"none for long", []string{rule("a", ours)}, func(o *DebtOptions) { o.Use["a"] = RuleUse{Drops: 7, Judged: 1, Last: now.AddDate(0, -2, 0)} }, nil,
			[]string{"a dead : no alert since 2026-01-31 (last on 2026-01-02); the ledger holds 0 of its searches"}},
		{"a young ledger tells nothing", []string{rule("a", ours)}, func(o *DebtOptions) { unused(o); o.Since = now.AddDate(0, 0, -3) }, nil, nil},
		{"an empty one neither", []string{rule("a", ours)}, func(o *DebtOptions) { unused(o); o.Since = time.Time{} }, nil, nil},
		{"always behind another", []string{rule("a", ours), rule("b", ann)}, nil, mixed(20, 5),
			[]string{"b shadowed a: a comes before it on all of its 20 alerts"}},
		{"nine alerts prove nothing", []string{rule("a", ours), rule("b", ann)}, nil, mixed(9, 5), nil},
		{"in shadow, ahead of an enforced one", []string{ruleText("a", ours), rule("b", ann)}, nil, mixed(20, 5),
			[]string{"a overlapping b: b comes before it on 20 of its 25 alerts"}},
		{"mostly behind another", []string{rule("a", ann), rule("b", ours)}, nil, mixed(20, 5),
			[]string{"b overlapping a: a comes before it on 20 of its 25 alerts"}},
		{"seldom behind another", []string{rule("a", ann), rule("b", ours)}, nil, mixed(20, 25), nil},
		{"the same condition", []string{rule("a", ann), rule("b", ann)}, nil, nil,
			[]string{"b shadowed a: a has the same condition, and a scope, ceiling and expiry that include its own"}},
		{"the same, but a lower ceiling before it", []string{rule("a", ann, "max_severity: low"), rule("b", ann)}, nil, nil, nil},
		{"the same, in shadow before it", []string{ruleText("a", ann), rule("b", ann)}, nil, nil,
			[]string{"a shadowed b: b has the same condition, and a scope, ceiling and expiry that include its own"}},
		{"all of a search", []string{rule("a", ours)}, nil, mixed(50, 0),
			[]string{`a broad : it covers all 50 alerts of search "Impossible Travel": its condition tells none apart`}},
		{"what rules check calls broad", []string{rule("a", ours)}, func(o *DebtOptions) {
			o.Check = []*rules.Error{{Rule: "a", Code: "unknown-field"}, {Rule: "a", Code: "every-address", Message: "the network holds every address"}}
		}, nil, []string{"a broad : the network holds every address"}},
		{"never judged", []string{rule("a", ours)}, func(o *DebtOptions) { o.Use["a"] = RuleUse{Drops: 400, Last: now} }, nil,
			[]string{"a untested : of 400 alerts none was ever judged by a person or as a sample"}},
		{"judged by a person", []string{rule("a", ours)}, func(o *DebtOptions) { o.Use["a"] = RuleUse{Drops: 400, Last: now} }, mixed(1, 0), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, debtOf(t, newFolder(t, tt.rules...), tt.change, tt.samples...)); diff != "" {
				t.Errorf("debt differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDebtOfFailingTests(t *testing.T) {
	f := newFolder(t, strings.Replace(enforced("a"), "src: 203.0.113.66", "src: 10.8.9.9", 1))
	got := debtOf(t, f, func(o *DebtOptions) { o.Past.Rules[0].Failing = true })
	if diff := cmp.Diff([]string{"a untested : its own tests fail, so it drops nothing"}, got); diff != "" {
		t.Error(diff)
	}
}

// A rule called shadowed can be deleted: whatever the alerts, the same ones are dropped without it.
func TestShadowedRulesCanGo(t *testing.T) {
	texts := []string{
		ruleText("a", `event.user == "ann"`, "mode: enforce"), ruleText("b", ours, "mode: enforce"),
		ruleText("c", `event.user == "ann"`), ruleText("d", `event.user == "ann"`, "mode: enforce", "max_severity: low"),
	}
	var samples []Sample
	for i := range 400 {
		samples = append(samples, one(TruthBenign, values("src", []string{ownIP, stranger}[i%2], "user", []string{"ann", "bob", "eve"}[i%3]),
			func(a *winnow.Alert) { a.Severity = winnow.Severity(i % 5) }))
	}
	f := newFolder(t, texts...)
	c := f.candidateAs(t)
	all := backtest(t, BacktestOptions{Candidate: c, Overlaps: true}, samples...)
	gone := map[string]bool{}
	for _, d := range FindDebt(DebtOptions{Past: all, Now: now}) {
		if d.Kind == DebtShadowed {
			gone[d.Rule.ID] = true
		}
	}
	if diff := cmp.Diff(map[string]bool{"c": true, "d": true}, gone); diff != "" {
		t.Error(diff)
	}
	without := backtest(t, BacktestOptions{Candidate: newFolder(t, texts[:2]...).candidateAs(t)}, samples...)
	if without.Dropped != all.Dropped {
		t.Errorf("%d dropped without the shadowed rules, %d with them", without.Dropped, all.Dropped)
	}
}
