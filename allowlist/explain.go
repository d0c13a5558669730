package allowlist

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

// Step is one thing that must hold for a rule to drop an alert.
type Step struct {
	Name   string `json:"step"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`

	reason winnow.Reason // when it does not hold
}

// Ruling says what a rule makes of an alert, and how it came to that.
type Ruling struct {
	rules.Explanation

	File    string        `json:"file"`
	Line    int           `json:"line"`
	InScope bool          `json:"in_scope"`
	Drops   bool          `json:"drops"`
	Reason  winnow.Reason `json:"reason"` // rule or canary when it drops, else why not
	Steps   []Step        `json:"steps"`  // in the order in which they count
}

// Decision is what rules and escalate list propose together. The cached verdicts, which are asked
// when no rule drops an alert, are left out.
type Decision struct {
	Kind   winnow.ProposalKind `json:"kind"`
	Reason winnow.Reason       `json:"reason"`
	Rule   string              `json:"rule"`
}

// Explain says what each of the rules makes of an alert. It asks the same questions as [Gate.Confirm]
// and comes to the same answer, but goes on where that stops.
func (g *Gate) Explain(a *winnow.Alert, list ...*rules.Rule) []Ruling {
	var x rules.Explainer
	before := g.stepsBefore(a)
	out := make([]Ruling, 0, len(list))
	for _, r := range list {
		out = append(out, g.explainRule(&x, r, a, before))
	}
	return out
}

func (g *Gate) explainRule(x *rules.Explainer, r *rules.Rule, a *winnow.Alert, before []Step) Ruling {
	out := Ruling{Explanation: x.Explain(r, a), File: r.Pos.File, Line: r.Pos.Line, InScope: r.InScope(a.SearchName)}
	out.Steps = append(out.Steps, before...)
	out.Steps = append(out.Steps, g.stepScope(r, a), g.stepLists(r), g.stepCondition(r, a, &out.Explanation), g.stepTests(r),
		g.stepSuspended(r, a, out.Matches), stepMode(r), stepExpiry(r, a), stepCeiling(r, a), stepWindow(r, a))
	if Needed(r, g.SignEvery) > 0 {
		out.Steps = append(out.Steps, g.stepApproved(r, a))
	}
	canary := g.stepCanary(r, a)
	out.Steps = append(out.Steps, canary)
	out.Reason, out.Drops = winnow.ReasonRule, true
	for _, s := range out.Steps {
		if !s.OK {
			out.Reason, out.Drops = s.reason, s.reason == winnow.ReasonCanary
			break
		}
	}
	return out
}

// Decide puts the rulings together, as [Gate.Propose] does. They must be those of all rules in
// scope of the alert's search, in order.
func (g *Gate) Decide(a *winnow.Alert, rulings []Ruling) Decision {
	if id, ok := g.Escalate.Match(a); ok {
		return Decision{winnow.ProposeEscalate, winnow.ReasonEscalateList, id}
	}
	if why := g.mayNotDrop(a); why != "" {
		return Decision{winnow.ProposePass, why, ""}
	}
	out := Decision{winnow.ProposePass, winnow.ReasonNoRule, ""}
	for _, r := range rulings {
		if r.Drops {
			return Decision{winnow.ProposeDrop, r.Reason, r.Rule}
		}
		if r.Reason != winnow.ReasonNoRule && out.Reason == winnow.ReasonNoRule {
			out.Reason, out.Rule = r.Reason, r.Rule
		}
	}
	return out
}

// stepsBefore are the steps that hang on no rule.
func (g *Gate) stepsBefore(a *winnow.Alert) []Step {
	escalate := Step{Name: "escalate list", OK: true, Detail: "no entry names the alert", reason: winnow.ReasonEscalateList}
	if id, ok := g.Escalate.Match(a); ok {
		escalate.OK, escalate.Detail = false, fmt.Sprintf("entry %s sends the alert to a person: escalate beats drop", id)
	}
	out := []Step{escalate}
	if g.Blind != "" {
		out = append(out, Step{Name: "gate", Detail: "nothing is dropped at all: " + string(g.Blind), reason: g.Blind})
	}
	if a.Adhoc {
		out = append(out, Step{Name: "ad hoc", Detail: "a person asked for triage, which never drops", reason: winnow.ReasonAdhoc})
	}
	return out
}

func (g *Gate) stepScope(r *rules.Rule, a *winnow.Alert) Step {
	s := Step{Name: "scope", OK: r.InScope(a.SearchName), reason: winnow.ReasonNoRule}
	switch {
	case r.Global:
		s.Detail = "global: every search"
	case s.OK:
		s.Detail = fmt.Sprintf("search %q is in its scope", a.SearchName)
	default:
		s.Detail = fmt.Sprintf("search %q is none of %s", a.SearchName, strings.Join(r.Searches, ", "))
	}
	return s
}

func (g *Gate) stepLists(r *rules.Rule) Step {
	s := Step{Name: "lists", OK: true, Detail: "it reads none", reason: winnow.ReasonRuleError}
	if names := r.Lists(); len(names) > 0 {
		s.Detail = "can be trusted: " + strings.Join(names, ", ")
	}
	if err := r.ListError(); err != nil {
		s.OK, s.Detail = false, err.Error()
	}
	return s
}

func (g *Gate) stepCondition(r *rules.Rule, a *winnow.Alert, e *rules.Explanation) Step {
	s := Step{Name: "condition", OK: e.Matches, Detail: "true", reason: winnow.ReasonNoRule}
	if s.OK {
		return s
	}
	s.Detail = "not true"
	if _, err := r.Match(a); err != nil {
		s.reason = winnow.ReasonRuleError
	}
	return s
}

func (g *Gate) stepTests(r *rules.Rule) Step {
	s := Step{Name: "tests", OK: !g.Failing[r.ID], Detail: fmt.Sprintf("its %d tests pass", len(r.Tests)), reason: winnow.ReasonRuleError}
	if !s.OK {
		s.Detail = "a test of it fails, so it drops nothing (see `winnow rules test`)"
	}
	return s
}

// stepSuspended looks for the rule, the version of all rules, and the values of lists that the match
// hangs on.
func (g *Gate) stepSuspended(r *rules.Rule, a *winnow.Alert, matches bool) Step {
	s := Step{Name: "suspension", Detail: "nothing that it rests on is suspended", reason: winnow.ReasonSuspended}
	switch {
	case g.Suspensions.Rule(r.ID):
		why := g.Suspensions.Rules[r.ID]
		s.Detail = fmt.Sprintf("the rule was suspended on %s by %s: %s", why.At.UTC().Format(time.DateOnly), why.By, why.Reason)
	case g.Suspensions.RuleSet(g.Rules.Version()):
		s.Detail = "this version of the rules is suspended"
	case matches && g.RestsOn(r, a, g.Suspensions):
		s.Detail = "it rests on a value of a list that is out of force"
	default:
		s.OK = true
	}
	return s
}

func (g *Gate) stepApproved(r *rules.Rule, a *winnow.Alert) Step {
	s := Step{Name: "approvals", OK: g.approved(r, a), reason: winnow.ReasonUnapproved}
	if s.OK {
		s.Detail = "signed by " + strings.Join(g.Approvals.Rules[r.ID].By, ", ")
		return s
	}
	s.Detail = fmt.Sprintf("it needs %d beside its owner's, as it is now (see `winnow rules check`)", Needed(r, g.SignEvery))
	return s
}

func stepMode(r *rules.Rule) Step {
	s := Step{Name: "mode", OK: r.Mode == rules.ModeEnforce, Detail: string(r.Mode), reason: winnow.ReasonShadowRule}
	if !s.OK {
		s.Detail += ": it only counts what it would drop"
	}
	return s
}

func stepExpiry(r *rules.Rule, a *winnow.Alert) Step {
	last := r.Expires.AddDate(0, 0, -1).Format(time.DateOnly)
	s := Step{Name: "expiry", OK: a.Received.Before(r.Expires), reason: winnow.ReasonExpired}
	s.Detail = fmt.Sprintf("holds through %s, the alert was received on %s", last, a.Received.UTC().Format(time.DateOnly))
	return s
}

func stepCeiling(r *rules.Rule, a *winnow.Alert) Step {
	return Step{
		Name: "ceiling", OK: a.Severity.Within(r.MaxSeverity), reason: winnow.ReasonCeiling,
		Detail: fmt.Sprintf("severity %s, the rule drops up to %s", a.Severity, r.MaxSeverity),
	}
}

func stepWindow(r *rules.Rule, a *winnow.Alert) Step {
	s := Step{Name: "window", OK: true, Detail: "at any time", reason: winnow.ReasonWindow}
	if r.Window == nil {
		return s
	}
	when := func(t time.Time) string {
		where := "inside"
		if !r.Window.Contains(t) {
			s.OK, where = false, "outside"
		}
		return where + " (" + t.In(r.Window.Zone).Format("Mon 15:04 MST") + ")"
	}
	s.Detail = fmt.Sprintf("the alert's own time is %s, the time it was received %s", when(a.Time), when(a.Received))
	return s
}

func (g *Gate) stepCanary(r *rules.Rule, a *winnow.Alert) Step {
	s := Step{Name: "canary", OK: true, Detail: "no drop of it is triaged all the same", reason: winnow.ReasonCanary}
	share := g.Canary
	if r.Canary >= 0 {
		share = r.Canary
	}
	if share <= 0 {
		return s
	}
	percent := strconv.FormatFloat(share*100, 'g', 4, 64) + " %"
	if g.Keys == nil {
		s.Detail = fmt.Sprintf("%s of its drops are triaged all the same; which, only the deployment's secret can tell", percent)
		return s
	}
	at := g.Keys.Canary(r.ID, a.Key.SID, a.Key.RID)
	if s.OK = !g.sampled(r, a); s.OK {
		s.Detail = fmt.Sprintf("not among the %s of its drops that are triaged all the same (keyed hash %.4f)", percent, at)
		return s
	}
	s.Detail = fmt.Sprintf("among the %s of its drops that are triaged all the same (keyed hash %.4f)", percent, at)
	return s
}
