package allowlist

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

// What cannot be read only ever makes the gate drop less, and is told.
func TestOpenDropsLessWhenInDoubt(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*folder)
		config func(*Config)
		blind  bool
		drops  bool   // the first rule still drops
		says   string // the error names it
	}{
		"all is well":            {drops: true},
		"a broken file beside":   {change: func(f *folder) { f.write("rules/b.yaml", "rules: [") }, drops: true, says: "b.yaml"},
		"a broken rule beside":   {change: func(f *folder) { f.write("rules/b.yaml", "rules:\n"+ruleText("x", "event.src ==")) }, drops: true, says: "b.yaml"},
		"its own file broken":    {change: func(f *folder) { f.write("rules/a.yaml", "rules:\n\t- id") }, says: "a.yaml"},
		"no rules folder":        {change: func(f *folder) { f.remove("rules") }, says: "rules"},
		"no escalate list":       {change: func(f *folder) { f.remove("escalate.yaml") }, blind: true, says: "escalate.yaml"},
		"a broken escalate list": {change: func(f *folder) { f.write("escalate.yaml", "escalate:\n  - id: x\n") }, blind: true, says: "escalate.yaml"},
		"no suspensions":         {change: func(f *folder) { f.remove("suspensions.json") }, blind: true, says: "suspensions"},
		"cut suspensions":        {change: func(f *folder) { f.write("suspensions.json", `{"rules": {`) }, blind: true, says: "suspensions"},
		"damaged good lists":     {change: func(f *folder) { f.write("lists.good.json", "{") }, blind: true, says: "lists.good.json"},
		"a list is gone": {change: func(f *folder) {
			f.write("lists.good.json", `{"ours": {"hash": "x", "size": 1}}`)
			f.remove("lists/ours.txt")
			f.write("rules/b.yaml", "rules:\n"+ruleText("reader", "cidr(event.src, lists.ours)", "mode: enforce"))
		}, drops: true, says: "ours"},
		"rules not trusted":       {config: distrust("rules"), blind: true, says: "not trusted"},
		"lists not trusted":       {config: distrust("lists"), blind: true, says: "not trusted"},
		"escalate not trusted":    {config: distrust("escalate.yaml"), blind: true, says: "not trusted"},
		"suspensions not trusted": {config: distrust("suspensions.json"), blind: true, says: "not trusted"},
		"good lists not trusted": {change: func(f *folder) { f.write("lists.good.json", "{}") },
			config: distrust("lists.good.json"), blind: true, says: "not trusted"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t, enforced("first"))
			if c.change != nil {
				c.change(f)
			}
			conf := f.config()
			if c.config != nil {
				c.config(&conf)
			}
			g, err := Open(conf)
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %v, want one that says %q", err, c.says)
			}
			if (g.Blind == winnow.ReasonRulesUnread) != c.blind {
				t.Errorf("blind: %q, want %v", g.Blind, c.blind)
			}
			if p := g.Propose(alert()); (p.Kind == winnow.ProposeDrop) != c.drops {
				t.Errorf("proposal is %+v, want a drop: %v", p, c.drops)
			}
			reader := alert()
			if r := g.Rules.Find("reader"); r != nil {
				if why, _ := g.askRules(reader); why == winnow.ReasonRule && r.ListError() == nil {
					t.Error("the rule that reads the lost list still has it")
				}
			}
		})
	}
}

// A rule that does not do what its own tests promise drops nothing, whoever proposes it; the others
// go on.
func TestARuleWhoseTestsFailDropsNothing(t *testing.T) {
	f := newFolder(t, ruleText("too-wide", "has(event.src)", "mode: enforce"), enforced("good"))
	g, err := Open(f.config())
	if err == nil {
		t.Fatal("nobody is told")
	}
	for _, part := range []string{"a.yaml:11: ", `rule "too-wide" drops nothing`, `test "theirs"`, "wants pass and gets drop"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error is %q, want %q in it", err, part)
		}
	}
	if strings.Contains(err.Error(), `"good"`) || strings.Contains(err.Error(), `"ours"`) {
		t.Errorf("error is %q: it names what is in order", err)
	}
	theirs := alert()
	theirs.Fields["src"] = []string{stranger}
	for _, gate := range []*Gate{g, g.Clone()} {
		if p := gate.Propose(theirs); p.Kind != winnow.ProposePass || p.Reason != winnow.ReasonRuleError || p.Rule != "too-wide" {
			t.Errorf("proposal is %+v", p)
		}
		proposed := winnow.Proposal{Kind: winnow.ProposeDrop, Reason: winnow.ReasonRule, Rule: "too-wide"}
		if why := gate.Confirm(theirs, proposed); why != winnow.ReasonRuleError {
			t.Errorf("confirmed: %s", why)
		}
		if p := gate.Propose(alert()); p.Kind != winnow.ProposeDrop || p.Rule != "good" {
			t.Errorf("what the other rule covers: %+v", p)
		}
	}
}

// The alert action reads no tests: it proposes, and the worker says no.
func TestTheWorkerConfirmsNoRuleWhoseTestsFail(t *testing.T) {
	f := newFolder(t, ruleText("too-wide", "has(event.src)", "mode: enforce"))
	conf := f.config()
	conf.Unproven = true
	action, err := Open(conf)
	if err != nil {
		t.Fatal(err)
	}
	p := action.Propose(alert())
	if p.Kind != winnow.ProposeDrop {
		t.Fatalf("proposal is %+v", p)
	}
	worker, _ := Open(f.config())
	if why := worker.Confirm(alert(), p); why != winnow.ReasonRuleError {
		t.Errorf("confirmed: %s", why)
	}
}

// A list that is lost is told of once, not again for every test of the rules that read it.
func TestALostListIsNoFailedTest(t *testing.T) {
	f := newFolder(t, ruleText("reader", "cidr(event.src, lists.ours)", "mode: enforce"))
	f.write("lists/ours.txt", "")
	g, err := Open(f.config())
	if err == nil || strings.Contains(err.Error(), "its test") || len(g.Failing) != 0 {
		t.Errorf("failing %v, error %v", g.Failing, err)
	}
	if p := g.Propose(alert()); p.Kind != winnow.ProposePass {
		t.Errorf("proposal is %+v", p)
	}
}

// distrust lets somebody else write one of the files.
func distrust(name string) func(*Config) {
	return func(c *Config) {
		c.Trusted = func(paths ...string) error {
			if slices.ContainsFunc(paths, func(p string) bool { return strings.HasSuffix(p, name) }) {
				return errors.New("not trusted: somebody else can write " + name)
			}
			return nil
		}
	}
}

func (f *folder) remove(name string) {
	f.t.Helper()
	if err := os.RemoveAll(f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

// A rule over a list that cannot be trusted matches in neither polarity.
func TestListsInDoubtMatchNeitherWay(t *testing.T) {
	f := newFolder(t,
		ruleText("inside", "cidr(event.src, lists.ours)", "mode: enforce"),
		strings.ReplaceAll(ruleText("outside", "not cidr(event.src, lists.ours)", "mode: enforce"), ownIP+", user", stranger+", user"))
	if err := rules.WriteGood(f.path("lists.good.json"), map[string]rules.ListInfo{"ours": {Hash: "x", Size: 10}}); err != nil {
		t.Fatal(err)
	}
	g, err := Open(f.config())
	if err == nil || !strings.Contains(err.Error(), "shrank") {
		t.Errorf("error is %v", err)
	}
	for _, src := range []string{ownIP, stranger} {
		a := alert()
		a.Fields["src"] = []string{src}
		if p := g.Propose(a); p.Kind != winnow.ProposePass {
			t.Errorf("src %s: %+v", src, p)
		}
	}
}
