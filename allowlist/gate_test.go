package allowlist

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
)

func TestProposeAsksInOrder(t *testing.T) {
	dumper := func(a *winnow.Alert) { a.Fields.Add("process", "dumper.exe") }
	for _, c := range []struct {
		name   string
		gate   func(*Gate, *winnow.Alert)
		change func(*winnow.Alert)
		want   winnow.Proposal
	}{
		{"a rule covers it", nil, nil, winnow.Proposal{Kind: winnow.ProposeDrop, Reason: winnow.ReasonRule, Rule: "first"}},
		{"escalate beats drop", nil, dumper, winnow.Proposal{Kind: winnow.ProposeEscalate, Reason: winnow.ReasonEscalateList, Rule: "dumper"}},
		{"escalate beats blind", func(g *Gate, _ *winnow.Alert) { g.Blind = winnow.ReasonGateOff }, dumper,
			winnow.Proposal{Kind: winnow.ProposeEscalate, Reason: winnow.ReasonEscalateList, Rule: "dumper"}},
		{"drop beats cached", func(g *Gate, a *winnow.Alert) { cached(g, a) }, nil,
			winnow.Proposal{Kind: winnow.ProposeDrop, Reason: winnow.ReasonRule, Rule: "first"}},
		{"escalate beats cached", func(g *Gate, a *winnow.Alert) { cached(g, a) }, dumper,
			winnow.Proposal{Kind: winnow.ProposeEscalate, Reason: winnow.ReasonEscalateList, Rule: "dumper"}},
		{"blind", func(g *Gate, a *winnow.Alert) { cached(g, a); g.Blind = winnow.ReasonRulesUnread }, nil,
			winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonRulesUnread}},
		{"a person asked", nil, func(a *winnow.Alert) { a.Adhoc = true }, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonAdhoc}},
		{"the next rule", func(g *Gate, _ *winnow.Alert) { g.Suspensions = suspend("first") }, nil,
			winnow.Proposal{Kind: winnow.ProposeDrop, Reason: winnow.ReasonRule, Rule: "second"}},
		{"why the first could not", func(g *Gate, _ *winnow.Alert) { g.Suspensions = suspend("first", "second") }, nil,
			winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonSuspended, Rule: "first"}},
		{"cached where a rule could not", func(g *Gate, a *winnow.Alert) { g.Suspensions = suspend("first", "second"); cached(g, a) }, nil,
			winnow.Proposal{Kind: winnow.ProposeCached, Reason: winnow.ReasonCached}},
		{"nothing covers it", nil, func(a *winnow.Alert) { a.Fields["src"] = []string{stranger} },
			winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule}},
		{"another search", nil, func(a *winnow.Alert) { a.SearchName = "Port Scan" }, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule}},
		{"one value too many", nil, func(a *winnow.Alert) { a.Fields.Add("src", stranger) },
			winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, a := newFolder(t, enforced("first"), enforced("second")).gate(), alert()
			if c.change != nil {
				c.change(a)
			}
			if c.gate != nil {
				c.gate(g, a)
			}
			c.want.RuleSet = g.Rules.Version()
			for _, gate := range []*Gate{g, g.Clone()} {
				if got := gate.Propose(a); got != c.want {
					t.Errorf("%+v, want %+v", got, c.want)
				}
			}
		})
	}
}

func TestProposeAsksTheCache(t *testing.T) {
	for name, c := range map[string]struct {
		gate   func(*Gate)
		entry  func(*cache.Entry)
		change func(*winnow.Alert)
		want   winnow.Reason
	}{
		"it holds":           {want: winnow.ReasonCached},
		"expired":            {entry: func(e *cache.Entry) { e.Expires = now }, want: winnow.ReasonNoRule},
		"not yet":            {entry: func(e *cache.Entry) { e.At = now.Add(time.Second) }, want: winnow.ReasonNoRule},
		"judged as less":     {change: func(a *winnow.Alert) { a.Severity = winnow.SeverityHigh }, want: winnow.ReasonNoRule},
		"as severe":          {change: func(a *winnow.Alert) { a.Severity = winnow.SeverityMedium }, want: winnow.ReasonCached},
		"unknown severity":   {change: func(a *winnow.Alert) { a.Severity = winnow.SeverityUnknown }, want: winnow.ReasonNoRule},
		"revoked":            {gate: func(g *Gate) { g.Suspensions.Verdicts["01OLD"] = Suspension{By: "ann"} }, want: winnow.ReasonNoRule},
		"the worker is dead": {gate: func(g *Gate) { g.CacheOff = winnow.ReasonStaleHeartbeat }, want: winnow.ReasonStaleHeartbeat},
		"there is none":      {gate: func(g *Gate) { g.Cache = nil }, want: winnow.ReasonNoRule},
		"a person asked":     {change: func(a *winnow.Alert) { a.Adhoc = true }, want: winnow.ReasonAdhoc},
	} {
		t.Run(name, func(t *testing.T) {
			g, a := newFolder(t, ruleText("r", `event.user == "nobody"`)).gate(), alert()
			if c.entry == nil {
				c.entry = func(*cache.Entry) {}
			}
			cached(g, a, c.entry)
			if c.gate != nil {
				c.gate(g)
			}
			if c.change != nil {
				c.change(a)
			}
			p := g.Propose(a)
			if p.Reason != c.want || (p.Kind == winnow.ProposeCached) != (c.want == winnow.ReasonCached) {
				t.Errorf("%+v, want %s", p, c.want)
			}
		})
	}
}

// The sample of drops that is triaged all the same is about as large as it should be, the same
// again in a replay, another with another secret, and a rule may set its own.
func TestCanariesAreSampledByKey(t *testing.T) {
	g := newFolder(t, enforced("by-default"), ruleText("never", `event.user == "bob"`, "mode: enforce", "canary: 0%")).gate()
	g.Canary = 0.1
	other := g.Clone()
	other.Keys, _ = winnow.NewKeys([]byte("another secret of thirty-two bytes"))
	const rows = 5000
	sampled, same := 0, 0
	for i := range rows {
		a := alert()
		a.Key.RID = fmt.Sprint(i)
		p := g.Propose(a)
		if p.Kind != winnow.ProposeDrop {
			t.Fatalf("a canary changed the kind: %+v", p)
		}
		if g.Clone().Propose(a) != p || g.Confirm(a, p) != p.Reason {
			t.Fatal("a replay picks others")
		}
		if p.Reason == winnow.ReasonCanary {
			sampled++
			if other.Propose(a).Reason == winnow.ReasonCanary {
				same++
			}
		}
	}
	if sampled < rows/10-100 || sampled > rows/10+100 {
		t.Errorf("%d of %d sampled, want about a tenth", sampled, rows)
	}
	if same > sampled/4 {
		t.Errorf("another secret picks %d of the same %d", same, sampled)
	}
	a := alert()
	a.Fields = winnow.Fields{"user": {"bob"}}
	g.Canary = 1
	if p := g.Propose(a); p.Reason != winnow.ReasonRule || p.Rule != "never" {
		t.Errorf("a rule without canaries was sampled: %+v", p)
	}
}

func TestConfirm(t *testing.T) {
	drop := winnow.Proposal{Kind: winnow.ProposeDrop, Reason: winnow.ReasonRule, Rule: "first"}
	for name, c := range map[string]struct {
		rules  []string // as they are now
		gate   func(*Gate)
		change func(*winnow.Alert)
		p      winnow.Proposal
		want   winnow.Reason
	}{
		"as it was":       {p: drop, want: winnow.ReasonRule},
		"a canary":        {gate: func(g *Gate) { g.Canary = 1 }, p: drop, want: winnow.ReasonCanary},
		"gone":            {rules: []string{enforced("second")}, p: drop, want: winnow.ReasonNoRule},
		"changed":         {rules: []string{ruleText("first", `event.user == "bob"`, "mode: enforce")}, p: drop, want: winnow.ReasonNoRule},
		"in shadow now":   {rules: []string{ruleText("first", ours, "mode: shadow")}, p: drop, want: winnow.ReasonShadowRule},
		"suspended":       {gate: func(g *Gate) { g.Suspensions = suspend("first") }, p: drop, want: winnow.ReasonSuspended},
		"gate off":        {gate: func(g *Gate) { g.Blind = winnow.ReasonGateOff }, p: drop, want: winnow.ReasonGateOff},
		"on the list now": {change: func(a *winnow.Alert) { a.Fields.Add("process", "dumper.exe") }, p: drop, want: winnow.ReasonEscalateList},
		"a person asked":  {change: func(a *winnow.Alert) { a.Adhoc = true }, p: drop, want: winnow.ReasonAdhoc},
		"forged: no rule": {p: winnow.Proposal{Kind: winnow.ProposeDrop, Reason: winnow.ReasonRule}, want: winnow.ReasonNoRule},
		"forged: a rule that does not cover it": {
			change: func(a *winnow.Alert) { a.Fields["src"] = []string{stranger} }, p: drop, want: winnow.ReasonNoRule,
		},
		"forged: a rule of another search": {change: func(a *winnow.Alert) { a.SearchName = "Port Scan" }, p: drop, want: winnow.ReasonNoRule},
	} {
		t.Run(name, func(t *testing.T) {
			if c.rules == nil {
				c.rules = []string{enforced("first"), enforced("second")}
			}
			g, a := newFolder(t, c.rules...).gate(), alert()
			if c.gate != nil {
				c.gate(g)
			}
			if c.change != nil {
				c.change(a)
			}
			if got := g.Confirm(a, c.p); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// Whatever the rules, the cache and the alert say: an alert of unknown severity, one that a person
// asked for and one on the escalate list are never proposed to be dropped or closed.
func TestPromise2ProposalsNeverCloseInDoubt(t *testing.T) {
	f := newFolder(t)
	rapid.Check(t, func(rt *rapid.T) {
		pick := func(label string, values ...string) string { return rapid.SampledFrom(values).Draw(rt, label) }
		text := "rules:\n"
		for i := range rapid.IntRange(0, 4).Draw(rt, "rules") {
			text += ruleText(fmt.Sprintf("r%d", i), pick("when", ours, `event.user == "ann"`, `has(event.src)`, `cidr(event.src, lists.ours)`, `not has(event.none)`),
				"mode: "+pick("mode", "enforce", "enforce", "shadow"), "max_severity: "+pick("ceiling", "low", "medium"), "canary: "+pick("canary", "0%", "50%"))
		}
		f.write("rules/a.yaml", text)
		g, _ := Open(f.config()) //nolint:errcheck // what is broken is left out, which is part of the test
		g.Canary = rapid.Float64Range(0, 1).Draw(rt, "share")
		a := alert()
		a.Severity = rapid.SampledFrom([]winnow.Severity{0, 1, 2, 3, 4, 5, 6, 255}).Draw(rt, "severity")
		a.Adhoc = rapid.Bool().Draw(rt, "ad hoc")
		a.Fields["process"] = rapid.SliceOfN(rapid.SampledFrom([]string{"dumper.exe", "notepad.exe", "x"}), 0, 3).Draw(rt, "process")
		a.Fields["src"] = rapid.SliceOfN(rapid.SampledFrom([]string{ownIP, stranger, "garbage"}), 0, 2).Draw(rt, "src")
		if rapid.Bool().Draw(rt, "cached") {
			cached(g, a, func(e *cache.Entry) { e.Severity = winnow.SeverityCritical })
		}
		g.Blind = winnow.Reason(pick("blind", "", "", string(winnow.ReasonRulesUnread)))
		p := g.Propose(a)
		_, listed := g.Escalate.Match(a)
		doubt := a.Severity == winnow.SeverityUnknown || a.Severity > winnow.SeverityCritical || a.Adhoc || listed || g.Blind != ""
		if (p.Kind == winnow.ProposeDrop || p.Kind == winnow.ProposeCached) && doubt {
			rt.Fatalf("%+v for %+v", p, a)
		}
		if listed != (p.Kind == winnow.ProposeEscalate) {
			rt.Fatalf("on the list: %v, but %+v", listed, p)
		}
		if p.Kind != winnow.ProposeDrop {
			return
		}
		if why := g.Confirm(a, p); why != p.Reason {
			rt.Fatalf("proposed %+v, confirmed %s", p, why)
		}
	})
}
