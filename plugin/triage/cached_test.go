package triage

import (
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// judged has the model close one alert, so that its verdict answers for repeats.
func (r *rig) judged() winnow.Record {
	r.t.Helper()
	rec := r.triage(r.alert("judged"))
	want(r.t, rec, winnow.StateClosed, winnow.ReasonVerdict)
	return rec
}

func TestRepeatsCloseFromTheCache(t *testing.T) {
	r := newRig(t)
	first := r.judged()
	asked := r.model.questions()
	rec := r.triage(r.alert("1"))
	want(t, rec, winnow.StateClosed, winnow.ReasonCached)
	if rec.Verdict.Source != winnow.SourceCache || rec.Outcome.Actor != "cache" || rec.Proposal.Kind != winnow.ProposeCached ||
		rec.Verdict.Facts[0] != "verdict:"+first.ID || rec.Cost != (winnow.Cost{}) {
		t.Errorf("record is %+v", rec)
	}
	if r.model.questions() != asked {
		t.Error("the model was asked again")
	}
	r.view(func(tx *ledger.Tx) error {
		derived, err := tx.DerivedFrom(first.ID)
		if len(derived) != 1 || derived[0] != rec.ID {
			t.Errorf("derived from the verdict: %v", derived)
		}
		return err
	})
	r.restart()
	want(t, r.triage(r.alert("2")), winnow.StateClosed, winnow.ReasonCached)
}

// What a language model came to holds for [cache] model_ttl, what a person said for [cache] ttl.
func TestVerdictsOfModelsHoldForLess(t *testing.T) {
	for name, person := range map[string]bool{"a model's": false, "a person's": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			is := r.state.Settings.Cache
			if is.ModelTTL >= is.TTL {
				t.Fatalf("shipped with %s for models and %s in all", is.ModelTTL, is.TTL)
			}
			rec := r.judged()
			if person {
				r.settle(rec.ID, winnow.BenignPositive, winnow.StateClosed)
			}
			r.at = r.at.Add(is.ModelTTL - time.Second)
			want(t, r.triage(r.alert("in time")), winnow.StateClosed, winnow.ReasonCached)
			r.at = r.at.Add(time.Second)
			if got := r.triage(r.alert("late")).Outcome.Reason; (got == winnow.ReasonCached) != person {
				t.Errorf("after %s: %s", is.ModelTTL, got)
			}
		})
	}
}

// Another policy, model or prompt empties the cache of what models said; what a person said stays.
func TestPromise2VerdictsEndWithTheirGeneration(t *testing.T) {
	for name, person := range map[string]bool{"a model's": false, "a person's": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			rec := r.judged()
			if person {
				r.settle(rec.ID, winnow.BenignPositive, winnow.StateClosed)
			}
			r.generation = cache.NewGeneration([]byte("another policy"))
			r.restart()
			if got := r.triage(r.alert("1")).Outcome.Reason; (got == winnow.ReasonCached) != person {
				t.Errorf("a repeat under another generation: %s", got)
			}
		})
	}
}

// Each line is one thing that stands between a cached verdict and a close. The model says
// TruePositive when it is asked, so that nothing else could close the alert.
func TestPromise2OnlyAValidVerdictCloses(t *testing.T) {
	for name, c := range map[string]struct {
		set    []string
		change func(*rig, *winnow.Alert, winnow.Record)
	}{
		"after its time": {change: func(r *rig, a *winnow.Alert, _ winnow.Record) {
			a.Received = start.Add(r.state.Settings.Cache.TTL)
		}},
		"before its time": {change: func(_ *rig, a *winnow.Alert, _ winnow.Record) { a.Received = start.Add(-time.Second) }},
		"more severe":     {change: func(_ *rig, a *winnow.Alert, _ winnow.Record) { a.Severity = winnow.SeverityMedium }},
		"no severity":     {change: func(_ *rig, a *winnow.Alert, _ winnow.Record) { a.Severity = winnow.SeverityUnknown }},
		"a person asks":   {change: func(_ *rig, a *winnow.Alert, _ winnow.Record) { a.Adhoc = true }},
		"another value":   {change: func(_ *rig, a *winnow.Alert, _ winnow.Record) { a.Fields["user"] = []string{"carol"} }},
		"a value more":    {change: func(_ *rig, a *winnow.Alert, _ winnow.Record) { a.Fields.Add("src", stranger) }},
		"a field more":    {change: func(_ *rig, a *winnow.Alert, _ winnow.Record) { a.Fields.Add("command", "whoami") }},
		"another search":  {change: func(_ *rig, a *winnow.Alert, _ winnow.Record) { a.SearchName = "Impossible Travel 2" }},
		"another app":     {change: func(_ *rig, a *winnow.Alert, _ winnow.Record) { a.App = "other" }},
		"revoked": {change: func(r *rig, _ *winnow.Alert, first winnow.Record) {
			r.engine.Gate.Suspensions = &allowlist.Suspensions{Verdicts: map[string]allowlist.Suspension{first.ID: {By: "ann"}}}
		}},
		"gate blind": {change: func(r *rig, _ *winnow.Alert, _ winnow.Record) { r.engine.Gate.Blind = winnow.ReasonRulesUnread }},
		"high risk by now": {change: func(r *rig, _ *winnow.Alert, _ winnow.Record) {
			r.state.Settings.Policy.HighRiskAssets = []string{"VPN.corp.example"}
		}},
		"ceiling by now": {change: func(r *rig, _ *winnow.Alert, _ winnow.Record) {
			r.state.Settings.Policy.MaxSeverity = winnow.SeverityInformational
		}},
		"the pair is blocked": {change: func(r *rig, _ *winnow.Alert, _ winnow.Record) {
			r.model.disposition = "TruePositive"
			want(r.t, r.triage(r.alert("attack", "signature", "odd")), winnow.StateEscalated, winnow.ReasonMalicious)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.set...)
			first := r.judged()
			a := r.alert("1")
			c.change(r, &a, first)
			r.model.disposition = "TruePositive"
			rec := r.dispose(Row{Alert: a, Proposal: winnow.Proposal{Kind: winnow.ProposeCached, Reason: winnow.ReasonCached}})
			if rec.Outcome.State == winnow.StateClosed {
				t.Errorf("closed by %s", rec.Outcome.Actor)
			}
		})
	}
}

func TestVerdictsThatAreNotKept(t *testing.T) {
	for name, c := range map[string]struct {
		set    []string
		change func(*rig, *winnow.Alert)
	}{
		"offline":    {change: func(r *rig, a *winnow.Alert) { r.model.offline = true; a.Severity = winnow.SeverityInformational }},
		"a rule's":   {change: func(_ *rig, a *winnow.Alert) { a.Fields["user"] = []string{"ann"} }},
		"shadow":     {set: []string{"gate.run=shadow"}, change: func(*rig, *winnow.Alert) {}},
		"not closed": {change: func(r *rig, _ *winnow.Alert) { r.model.confidence = 60 }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.set...)
			a := r.alert("0")
			c.change(r, &a)
			r.triage(a)
			r.view(func(tx *ledger.Tx) error {
				return tx.Verdicts(time.Time{}, cache.Generation{}, func(_ cache.Key, v cache.Entry) error {
					t.Errorf("kept %+v", v)
					return nil
				})
			})
			if r.engine.memory.Len() != 0 {
				t.Error("a verdict is in memory")
			}
		})
	}
}

// An open escalation keeps cached verdicts from closing anything between its two hosts, for
// [cache] block, also over a restart; what a person settles blocks no more.
func TestEscalationsBlockTheirPair(t *testing.T) {
	r := newRig(t)
	r.judged()
	r.model.disposition = "TruePositive"
	attack := r.triage(r.alert("attack", "signature", "odd"))
	want(t, attack, winnow.StateEscalated, winnow.ReasonMalicious)
	elsewhere := r.alert("elsewhere", "src", "198.51.100.5")
	if r.engine.cases.Blocked(&elsewhere, r.at) {
		t.Error("another pair is blocked")
	}
	a := r.alert("probe")
	blocked := func(at time.Time) bool { return r.engine.cases.Blocked(&a, at) }
	block := r.state.Settings.Cache.Block
	for _, when := range []string{"at once", "after a restart"} {
		if !blocked(start) || !blocked(start.Add(block-time.Second)) || blocked(start.Add(block)) {
			t.Errorf("%s: blocked is %v, %v, then %v", when, blocked(start), blocked(start.Add(block-time.Second)), blocked(start.Add(block)))
		}
		r.restart()
	}
	r.settle(attack.ID, winnow.BenignPositive, winnow.StateClosed)
	if blocked(start) {
		t.Error("blocked after a person settled the case")
	}
	r.restart()
	if blocked(start) {
		t.Error("blocked again after a restart")
	}
	want(t, r.triage(r.alert("1")), winnow.StateClosed, winnow.ReasonCached)
}
