// Package allowlist decides what a match of a rule may do. A rule's condition only says that an
// alert looks known-benign; whether that drops it depends on the rule's mode, expiry, severity
// ceiling and window, on suspensions, and on the share that is triaged all the same (canary).
//
// [Gate] puts the three cheap decisions in their order: the escalate list, the rules, the cached
// verdicts. What it returns is a proposal: the worker asks [Gate.Confirm] again before it closes
// anything, because rules and suspensions may have changed in between.
package allowlist

import (
	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

// Judge says what a rule may do with an alert that its condition matches: ReasonRule when the
// alert may be dropped, else the first reason why not. It does not evaluate the condition.
//
// The rule must hold at the time the alert was received; a window must contain both that and the
// alert's own time, so that neither a late delivery nor a forged timestamp slips in.
func Judge(r *rules.Rule, a *winnow.Alert, s *Suspensions) winnow.Reason {
	switch {
	case s.Rule(r.ID):
		return winnow.ReasonSuspended
	case r.Mode != rules.ModeEnforce:
		return winnow.ReasonShadowRule
	}
	return judgeEnforced(r, a)
}

func judgeEnforced(r *rules.Rule, a *winnow.Alert) winnow.Reason {
	switch {
	case !a.Received.Before(r.Expires):
		return winnow.ReasonExpired
	case !a.Severity.Within(r.MaxSeverity):
		return winnow.ReasonCeiling
	case r.Window != nil && (!r.Window.Contains(a.Time) || !r.Window.Contains(a.Received)):
		return winnow.ReasonWindow
	}
	return winnow.ReasonRule
}

// Decide runs one rule against one alert as the gate would with no suspension: it is what the
// tests in a rule file are checked with. A shadow rule is tested as if it were enforced, because
// its author wants to know what it would drop.
func Decide(r *rules.Rule, a *winnow.Alert) (drop bool, why string, err error) {
	matched, err := r.Match(a)
	if err != nil {
		return false, string(winnow.ReasonRuleError), err
	}
	if !matched {
		return false, "the condition is not true", nil
	}
	reason := judgeEnforced(r, a)
	return reason == winnow.ReasonRule, string(reason), nil
}
