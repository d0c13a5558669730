package triage

import (
	"testing"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/offline"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// course decides an alert again on what is recorded, after a change of policy.
func (r *rig) course(id string, change func(*Engine)) (c Course) {
	r.t.Helper()
	e, settings := *r.engine, *r.engine.Settings
	e.Settings = &settings
	if change != nil {
		change(&e)
	}
	path := r.state.Default("attack.csv")
	r.view(func(t *ledger.Tx) error {
		past, err := e.Past(t, id)
		if err != nil {
			return err
		}
		p := r.model.pipeline(r.t, r.facts, path).Recorded(past.Calls(), offline.New(readCatalogue(r.t, path)))
		c, err = e.Course(r.t.Context(), past, p)
		return err
	})
	return c
}

func TestCourseUnderAnotherPolicy(t *testing.T) {
	r := newRig(t).paid()
	r.model.confidence = 92
	id := r.admit(Row{Alert: r.alert("0"), Proposal: passes}).ID
	r.turn()
	want(t, r.record(id), winnow.StateClosed, winnow.ReasonVerdict)
	before, asked := r.record(id), r.model.questions()
	for _, tt := range []struct {
		name   string
		change func(*Engine)
		state  winnow.State
		reason winnow.Reason
	}{
		{"the same", nil, winnow.StateClosed, winnow.ReasonVerdict},
		{"lower", func(e *Engine) { e.Settings.Policy.Confidence = 50 }, winnow.StateClosed, winnow.ReasonVerdict},
		{"higher", func(e *Engine) { e.Settings.Policy.Confidence = 93 }, winnow.StateInReview, winnow.ReasonConfidence},
		{"none", func(e *Engine) { e.Settings.Policy.Confidence = 0 }, winnow.StateInReview, winnow.ReasonConfidence},
		{"a lower ceiling", func(e *Engine) { e.Settings.Policy.MaxSeverity = winnow.SeverityInformational }, winnow.StateInReview, winnow.ReasonCeiling},
		{"a high-risk asset", func(e *Engine) { e.Settings.Policy.HighRiskAssets = []string{"vpn"} }, winnow.StateEscalated, winnow.ReasonHighRisk},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := r.course(id, tt.change)
			if c.State != tt.state || c.Reason != tt.reason || c.Unknown != "" || c.Unused != 0 || c.NothingUsed {
				t.Errorf("%+v, want %s, %s", c, tt.state, tt.reason)
			}
			if c.Forced != (tt.reason == winnow.ReasonHighRisk) {
				t.Errorf("forced: %v", c.Forced)
			}
		})
	}
	if r.model.questions() != asked || r.record(id).Outcome != before.Outcome {
		t.Error("somebody was asked, or something changed")
	}
}

// What a model answered, and is not there any more, is not made up.
func TestCourseWithoutTheAnswers(t *testing.T) {
	r := newRig(t).paid()
	id := r.admit(Row{Alert: r.alert("0"), Proposal: passes}).ID
	r.turn()
	r.update(func(t *ledger.Tx) error {
		_, err := t.Conn().ExecContext(t.Context(), "DELETE FROM answers")
		return err
	})
	if c := r.course(id, nil); c.State != "" || c.Unknown != UnknownAnswers {
		t.Errorf("%+v", c)
	}
}

func TestAtGate(t *testing.T) {
	r := newRig(t)
	ask := func(a winnow.Alert, canary float64) (p winnow.Proposal, drops bool) {
		gate := r.engine.Gate.Clone()
		gate.Canary = canary
		e := *r.engine
		e.Gate = gate
		r.view(func(t *ledger.Tx) (err error) {
			p, drops, err = e.AtGate(t, &a)
			return err
		})
		return p, drops
	}
	for _, tt := range []struct {
		name   string
		alert  winnow.Alert
		canary float64
		drops  bool
		reason winnow.Reason
	}{
		{"covered", r.alert("0", "user", "ann"), 0, true, winnow.ReasonRule},
		{"sampled", r.alert("0", "user", "ann"), 1, false, winnow.ReasonCanary},
		{"not covered", r.alert("0", "user", "eve"), 0, false, winnow.ReasonNoRule},
		{"tainted", r.alert("0", "user", "ann", "winnow_id", "forged"), 0, false, winnow.ReasonTaint},
		{"high risk", r.alert("0", "user", "ann", "process", "mimikatz"), 0, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, drops := ask(tt.alert, tt.canary)
			if drops != tt.drops || tt.reason != "" && p.Reason != tt.reason {
				t.Errorf("drops %v, %+v", drops, p)
			}
		})
	}
}

// An alert that a rule dropped can be decided as if it had passed.
func TestUnasked(t *testing.T) {
	r := newRig(t)
	rec := r.triage(r.alert("0", "user", "ann"))
	want(t, rec, winnow.StateClosed, winnow.ReasonRule)
	r.view(func(tx *ledger.Tx) error {
		past, err := r.engine.Unasked(tx, rec.ID, passes)
		if err != nil {
			return err
		}
		path := r.state.Default("attack.csv")
		c, err := r.engine.Course(t.Context(), past, r.model.pipeline(t, r.facts, path))
		if c.State != winnow.StateClosed || c.Source == winnow.SourceRule || r.model.questions() == 0 {
			t.Errorf("%+v", c)
		}
		return err
	})
}
