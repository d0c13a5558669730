package allowlist

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
)

// What is explained of a rule is what the gate does with it, whatever speaks against the drop.
func TestExplainAgreesWithTheGate(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	chance := func(n int) bool { return rnd.IntN(n) == 0 }
	window := `window: {days: [mon], from: "22:00", to: "24:00"}`
	f := newFolder(t, enforced("first", window), enforced("second", "canary: 50%"), enforced("third", "max_severity: low"),
		ruleText("shadow", ours), ruleText("listed", `event.src in lists.ours`, "mode: enforce"))
	whole := f.gate()
	cfg := f.config()
	f.write("lists.good.json", `{"ours": {"hash": "x", "size": 100}}`)
	shrunk, err := Open(cfg)
	if err == nil {
		t.Fatal("the list did not shrink")
	}
	seen := map[winnow.Reason]int{}
	for range 5000 {
		g := whole.Clone()
		if chance(6) {
			g = shrunk.Clone()
		}
		a := alert()
		a.Key.SID = time.Duration(rnd.Int64()).String()
		a.Severity = winnow.Severity(rnd.IntN(5))
		a.Received = now.Add(time.Duration(rnd.IntN(3)-1) * time.Hour)
		if chance(8) {
			a.Received = now.AddDate(1, 0, 0)
		}
		if chance(4) {
			a.Fields.Add("src", stranger)
		}
		if chance(8) {
			a.Fields.Add("process", "dumper.exe")
		}
		a.Adhoc = chance(8)
		if chance(8) {
			a.SearchName = "Port Scan"
		}
		if chance(8) {
			g.Blind = winnow.ReasonGateOff
		}
		if chance(4) {
			g.Suspensions = suspend("first")
		}
		if chance(8) {
			g.Suspensions = suspend()
			g.Suspensions.AddRuleSet(g.Rules.Version(), Suspension{By: "ann"})
		}
		if chance(8) {
			g.Suspensions = suspend()
			g.Suspensions.AddListValue("ours", "10.8.0.0/16", Suspension{By: "ann"})
		}
		if chance(8) {
			g.Failing = map[string]bool{"second": true}
		}
		if chance(4) {
			g.Canary = 0.3
		}
		for _, r := range g.Explain(a, g.Rules.Rules()...) {
			want := g.Confirm(a, winnow.Proposal{Kind: winnow.ProposeDrop, Rule: r.Rule})
			if seen[want]++; r.Reason != want || r.Drops != (want == winnow.ReasonRule || want == winnow.ReasonCanary) {
				t.Fatalf("%s: %s, want %s\n%+v\n%+v", r.Rule, r.Reason, want, a, r.Steps)
			}
		}
		p := g.Propose(a)
		if got := g.Decide(a, g.Explain(a, g.Rules.For(a.SearchName)...)); got != (Decision{p.Kind, p.Reason, p.Rule}) {
			t.Fatalf("decided %+v, want %+v", got, p)
		}
	}
	for _, want := range []winnow.Reason{
		winnow.ReasonRule, winnow.ReasonCanary, winnow.ReasonNoRule, winnow.ReasonRuleError, winnow.ReasonSuspended, winnow.ReasonShadowRule,
		winnow.ReasonExpired, winnow.ReasonCeiling, winnow.ReasonWindow, winnow.ReasonEscalateList, winnow.ReasonGateOff, winnow.ReasonAdhoc,
	} {
		if seen[want] == 0 {
			t.Errorf("the test never came to %s", want)
		}
	}
}

// What is out of force is said with who took it out, and why.
func TestExplainSuspensions(t *testing.T) {
	g := newFolder(t, ruleText("listed", `event.src in lists.ours`, "mode: enforce")).gate()
	detail := func() string { return g.Explain(alert(), g.Rules.Rules()...)[0].Steps[5].Detail }
	if got := detail(); got != "nothing that it rests on is suspended" {
		t.Error(got)
	}
	g.Suspensions = suspend("listed")
	if got := detail(); got != "the rule was suspended on 2026-03-02 by ann: it drops too much" {
		t.Error(got)
	}
	g.Suspensions = suspend()
	g.Suspensions.AddListValue("ours", "10.8.0.0/16", Suspension{By: "ann"})
	if got := detail(); got != "it rests on a value of a list that is out of force" {
		t.Error(got)
	}
	g.Suspensions = suspend()
	g.Suspensions.AddRuleSet(g.Rules.Version(), Suspension{By: "ann"})
	if got := detail(); got != "this version of the rules is suspended" {
		t.Error(got)
	}
}

// Without the deployment's secret nobody can tell a canary, and it is said.
func TestExplainWithoutSecret(t *testing.T) {
	g := newFolder(t, enforced("first", "canary: 50%")).gate()
	g.Keys = nil
	got := g.Explain(alert(), g.Rules.Rules()...)[0]
	last := got.Steps[len(got.Steps)-1]
	want := "50 % of its drops are triaged all the same; which, only the deployment's secret can tell"
	if !got.Drops || last.Name != "canary" || last.Detail != want {
		t.Errorf("%+v", got)
	}
}
