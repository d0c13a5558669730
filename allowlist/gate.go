package allowlist

import (
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/rules"
)

// Cached looks up a verdict. Both the snapshot file and the worker's memory satisfy it.
type Cached interface {
	Get(key cache.Key, now time.Time) (cache.Entry, bool)
}

// Gate makes a proposal for an alert without asking a model, a server or a database. Not safe
// for concurrent use; each goroutine takes its own [Gate.Clone], which shares rules and cache.
type Gate struct {
	Rules       *rules.Set
	RulesErr    error // why Rules is not all that the rule files hold
	Escalate    *rules.Escalate
	Suspensions *Suspensions
	Lists       *rules.Lists
	Cache       Cached // nil: no cached verdicts
	Keys        *winnow.Keys
	Fields      *winnow.FieldTable

	// Failing are the rules whose own tests fail, by ID. They drop nothing: what they match is not
	// what their author meant.
	Failing map[string]bool

	// Canary is the share of drops, 0 to 1, that is triaged all the same unless a rule says otherwise.
	Canary float64

	// Approvals are the signatures that were found good. SignEvery asks for them of every enforced rule.
	Approvals *Approvals
	SignEvery bool

	reduced *reduced // the rules without the list values that are out of force

	// Blind is set when something that could speak against a drop could not be read (suspensions,
	// escalate list) or the stop switch is on: every alert passes with this reason.
	Blind winnow.Reason

	// CacheOff is set when cached verdicts must not be used, with the reason: a stale heartbeat.
	CacheOff winnow.Reason
}

// Clone returns a gate for another goroutine.
func (g *Gate) Clone() *Gate {
	c := *g
	c.Keys = g.Keys.Clone()
	return &c
}

// Propose decides one alert: the escalate list first, then rules, then the cache. Anything that
// goes wrong on the way lets the alert pass on to triage.
func (g *Gate) Propose(a *winnow.Alert) winnow.Proposal {
	p := winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule, RuleSet: g.Rules.Version()}
	if id, ok := g.Escalate.Match(a); ok {
		p.Kind, p.Reason, p.Rule = winnow.ProposeEscalate, winnow.ReasonEscalateList, id
		return p
	}
	if why := g.mayNotDrop(a); why != "" {
		p.Reason = why
		return p
	}
	p.Reason, p.Rule = g.askRules(a)
	if p.Reason == winnow.ReasonRule || p.Reason == winnow.ReasonCanary {
		p.Kind = winnow.ProposeDrop
		return p
	}
	switch reason := g.askCache(a); {
	case reason == winnow.ReasonCached:
		p.Kind, p.Reason, p.Rule = winnow.ProposeCached, reason, ""
	case reason != "" && p.Reason == winnow.ReasonNoRule:
		p.Reason = reason
	}
	return p
}

func (g *Gate) mayNotDrop(a *winnow.Alert) winnow.Reason {
	if g.Blind != "" {
		return g.Blind
	}
	if a.Adhoc {
		return winnow.ReasonAdhoc
	}
	return ""
}

// askRules returns ReasonRule or ReasonCanary with the rule that covers the alert, else the
// reason why the first rule that matches may not drop it, else ReasonNoRule.
func (g *Gate) askRules(a *winnow.Alert) (winnow.Reason, string) {
	reason, rule := winnow.ReasonNoRule, ""
	for r, err := range g.Rules.Matching(a) {
		why := g.judge(r, a, err)
		if why == winnow.ReasonRule {
			if g.sampled(r, a) {
				why = winnow.ReasonCanary
			}
			return why, r.ID
		}
		if reason == winnow.ReasonNoRule {
			reason, rule = why, r.ID
		}
	}
	return reason, rule
}

// judge says what may be made of a match.
func (g *Gate) judge(r *rules.Rule, a *winnow.Alert, err error) winnow.Reason {
	if err != nil || g.Failing[r.ID] {
		return winnow.ReasonRuleError
	}
	if g.Suspensions.RuleSet(g.Rules.Version()) || g.RestsOn(r, a, g.Suspensions) {
		return winnow.ReasonSuspended
	}
	if why := Judge(r, a, g.Suspensions); why != winnow.ReasonRule || g.approved(r, a) {
		return why
	}
	return winnow.ReasonUnapproved
}

// sampled says whether a drop is one of the canaries: by a keyed hash, so that a replay picks
// the same and nobody outside can foresee it.
func (g *Gate) sampled(r *rules.Rule, a *winnow.Alert) bool {
	share := g.Canary
	if r.Canary >= 0 {
		share = r.Canary
	}
	return share > 0 && g.Keys.Canary(r.ID, a.Key.SID, a.Key.RID) < share
}

// askCache returns ReasonCached for a valid verdict, the reason why the cache was not asked, or "".
func (g *Gate) askCache(a *winnow.Alert) winnow.Reason {
	if g.CacheOff != "" {
		return g.CacheOff
	}
	if g.Cache == nil || a.Severity == winnow.SeverityUnknown {
		return ""
	}
	e, ok := g.Cache.Get(cache.KeyOf(g.Keys, g.Fields, a), a.Received)
	if !ok || !e.Covers(a) || g.Suspensions.Verdict(e.AlertID) {
		return ""
	}
	return winnow.ReasonCached
}

// Confirm asks again, for an alert that was proposed to be dropped, whether the same rule still
// covers it: by now the rule may be gone, changed, expired or suspended, or the proposal forged.
// It returns ReasonRule or ReasonCanary when it does, else why not.
func (g *Gate) Confirm(a *winnow.Alert, p winnow.Proposal) winnow.Reason {
	if _, ok := g.Escalate.Match(a); ok {
		return winnow.ReasonEscalateList
	}
	if why := g.mayNotDrop(a); why != "" {
		return why
	}
	r := g.Rules.Find(p.Rule)
	if r == nil || !r.InScope(a.SearchName) {
		return winnow.ReasonNoRule
	}
	matched, err := r.Match(a)
	if !matched && err == nil {
		return winnow.ReasonNoRule
	}
	why := g.judge(r, a, err)
	if why == winnow.ReasonRule && g.sampled(r, a) {
		return winnow.ReasonCanary
	}
	return why
}
