package triage

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

func TestADuplicateAddsNothing(t *testing.T) {
	r := newRig(t)
	a := r.alert("0")
	first := r.triage(a)
	later := a
	later.Received = start.Add(time.Hour) // delivered again, an hour later
	asked := r.model.questions()
	done := r.admit(Row{Alert: later, Proposal: drops})
	if !done.Duplicate || done.ID != first.ID || done.Queued {
		t.Errorf("the second delivery was %+v, want a duplicate of %s", done, first.ID)
	}
	if again := r.record(first.ID); again.Outcome != first.Outcome {
		t.Errorf("the second delivery changed the outcome: %+v", again.Outcome)
	}
	if r.model.questions() != asked || len(r.queued()) > 0 {
		t.Error("the second delivery was triaged")
	}
}

func TestRowsThatClaimOneRidAreAllAlerts(t *testing.T) {
	r := newRig(t)
	first := r.triage(r.alert("0"))
	other := r.triage(r.alert("0", "user", "carol"))
	if first.ID == other.ID {
		t.Fatal("two different rows became one alert")
	}
	r.view(func(tx *ledger.Tx) error {
		e, err := tx.Alert(other.ID)
		if len(e.Alert.Warnings) != 1 || !strings.Contains(e.Alert.Warnings[0], "other rows claim") {
			t.Errorf("warnings are %q", e.Alert.Warnings)
		}
		return err
	})
}

func TestOwnEventsAreLeftAlone(t *testing.T) {
	r := newRig(t)
	first := r.triage(r.alert("0"))
	asked := r.model.questions()
	own := r.alert("1", "winnow_id", r.keys.Sign(first.ID), "orig_sid", first.SID, "orig_rid", first.RID)
	rec := r.dispose(Row{Alert: own, Proposal: drops}) // whatever the gate said
	want(t, rec, winnow.StateLeft, winnow.ReasonOwn)
	if rec.Outcome.Would != winnow.StateLeft || rec.Verdict.Source != winnow.SourceNone {
		t.Errorf("record is %+v", rec)
	}
	if r.model.questions() != asked {
		t.Error("somebody was asked about winnow's own event")
	}
	if !slices.ContainsFunc(r.sent(), func(d ledger.Delivery) bool { return d.Record.ID == rec.ID && d.Kind == ledger.DeliverEvent }) {
		t.Error("no event tells of it")
	}
	for _, d := range r.sent() {
		if d.Record.ID == rec.ID && d.Kind != ledger.DeliverEvent {
			t.Errorf("%s was posted about winnow's own event", d.Kind)
		}
	}
}

// A winnow_id that does not verify, or that names no alert of the ledger, was set by somebody else.
func TestForgedIDsAreNeverClosed(t *testing.T) {
	r := newRig(t)
	known := r.triage(r.alert("known"))
	genuine := r.keys.Sign(known.ID)
	flipped := genuine[:len(genuine)-1] + string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", genuine[len(genuine)-1])+1)%16])
	for name, ids := range map[string][]string{
		"made up":                   {"01J00000000000000000000000-00"},
		"bare":                      {known.ID},
		"one digit off":             {flipped},
		"an empty one":              {"-"},
		"a forged one beside":       {genuine, flipped},
		"a forged one in front":     {flipped, genuine},
		"one copied from a notable": {genuine},
	} {
		t.Run(name, func(t *testing.T) {
			for _, p := range []winnow.Proposal{passes, drops, {Kind: winnow.ProposeCached, Reason: winnow.ReasonCached}} {
				a := r.alert(name+string(p.Kind), "user", "ann") // the rule covers it
				a.Fields["winnow_id"] = ids
				rec := r.dispose(Row{Alert: a, Proposal: p})
				if rec.Outcome.State == winnow.StateClosed || rec.Outcome.Reason == winnow.ReasonOwn {
					t.Errorf("proposed %s: %s, %s", p.Kind, rec.Outcome.State, rec.Outcome.Reason)
				}
				if rec.Outcome.Reason != winnow.ReasonOpenCase && !slices.Contains(rec.Verdict.Taint, "forged:winnow_id") {
					t.Errorf("proposed %s: taint is %v", p.Kind, rec.Verdict.Taint)
				}
			}
		})
	}
}

// An id that verifies but is not in the ledger is a row about an alert of an earlier ledger: it is
// triaged like any other.
func TestSignedIDsOfUnknownAlertsAreTriaged(t *testing.T) {
	r := newRig(t)
	rec := r.triage(r.alert("0", "winnow_id", r.keys.Sign("01ARZ3NDEKTSV4RRFFQ69G5FAV")))
	if rec.Outcome.Reason == winnow.ReasonOwn || rec.Verdict.Source == winnow.SourceNone {
		t.Errorf("record is %+v", rec)
	}
}

// A row that only claims another's sid and rid is an alert of its own: it neither disappears into
// the other, nor takes it out of its case.
func TestAskedForRowsDoNotHijackOthers(t *testing.T) {
	r := newRig(t)
	victim := r.triage(r.alert("7", "note", "mimikatz"))
	want(t, victim, winnow.StateEscalated, winnow.ReasonHighRisk)
	ask := r.alert("7", "msg", "evil", "orig_sid", victim.SID, "orig_rid", victim.RID)
	ask.Adhoc = true
	done := r.admit(Row{Alert: ask, Proposal: passes})
	if done.ID == victim.ID || done.Duplicate {
		t.Fatalf("the row disappeared into %s", victim.ID)
	}
	if rec := r.record(victim.ID); rec.Outcome != victim.Outcome {
		t.Errorf("the other alert is now %+v", rec.Outcome)
	}
}

// Whoever asks again for an alert that was escalated, or that a person decided, can raise it only.
func TestAskingAgainNeverClosesWhatWasEscalated(t *testing.T) {
	r := newRig(t)
	second := r.alert("1", "user", "erin", "note", "mimikatz")
	rec := r.triage(second)
	want(t, rec, winnow.StateEscalated, winnow.ReasonHighRisk)
	second.Adhoc = true
	r.admit(Row{Alert: second, Proposal: passes})
	r.turn()
	if rec = r.record(rec.ID); rec.Outcome.State == winnow.StateClosed {
		t.Errorf("closed after a person asked again: %+v", rec.Outcome)
	}
}

// The escalate list is asked for every alert, not only for those that the action wants to drop.
func TestEscalateListBindsEveryProposal(t *testing.T) {
	r := newRig(t)
	for _, p := range []winnow.Proposal{passes, drops, {Kind: winnow.ProposePass, Reason: winnow.ReasonUndecided}, {Kind: winnow.ProposeCached, Reason: winnow.ReasonCached}} {
		a := r.alert("e"+string(p.Kind)+string(p.Reason), "user", "ann", "process", "vssadmin.exe delete shadows /all /quiet")
		rec := r.dispose(Row{Alert: a, Proposal: p})
		if rec.Outcome.State != winnow.StateEscalated {
			t.Errorf("proposed %s: %s, %s", p.Kind, rec.Outcome.State, rec.Outcome.Reason)
		}
	}
}

// A second delivery for which the action had to write the notable itself must not lead to another.
func TestDuplicateRemembersTheActionsNotable(t *testing.T) {
	r := newRig(t)
	row := Row{Alert: r.alert("0"), Proposal: passes}
	first := r.admit(row)
	row.Notable = true
	if again := r.admit(row); !again.Duplicate {
		t.Fatalf("admitted again: %+v", again)
	}
	r.view(func(tx *ledger.Tx) error {
		e, err := tx.Alert(first.ID)
		if !e.Notable {
			t.Error("the notable that the action wrote is forgotten")
		}
		return err
	})
}

// A row that could not be read as the search wrote it is judged, and never closed.
func TestRowsInDisorderAreNeverClosed(t *testing.T) {
	r := newRig(t)
	for _, reason := range []winnow.Reason{winnow.ReasonResultsUnread, winnow.ReasonRecordUnread} {
		rec := r.dispose(Row{Alert: r.alert(string(reason)), Proposal: winnow.Proposal{Kind: winnow.ProposePass, Reason: reason}})
		if rec.Outcome.State != winnow.StateInReview {
			t.Errorf("%s: %+v", reason, rec.Outcome)
		}
	}
}

// A person who asks again gets a new triage of the same alert, never a second alert or a drop.
func TestAdhocTriagesAgain(t *testing.T) {
	r := newRig(t)
	covered := r.triage(r.alert("0", "user", "ann"))
	want(t, covered, winnow.StateClosed, winnow.ReasonRule)
	notable := r.alert("0", "user", "ann", "orig_sid", covered.SID, "orig_rid", covered.RID, "winnow_id", r.keys.Sign(covered.ID))
	notable.Key.Host = "elsewhere"
	for name, ask := range map[string]winnow.Alert{
		"the same row":         r.alert("0", "user", "ann"),
		"winnow's own notable": notable,
	} {
		t.Run(name, func(t *testing.T) {
			ask.Adhoc = true
			done := r.admit(Row{Alert: ask, Proposal: drops})
			if done.ID != covered.ID || done.Duplicate || !done.Queued {
				t.Fatalf("admitted %+v, want %s queued", done, covered.ID)
			}
			rec := r.record(covered.ID)
			want(t, rec, winnow.StateQueued, winnow.ReasonAdhoc)
			if rec.Verdict.Source != winnow.SourceNone || rec.Proposal.Kind != winnow.ProposePass {
				t.Errorf("what was believed before is still there: %+v", rec)
			}
			r.turn()
			rec = r.record(covered.ID)
			if rec.Outcome.Reason == winnow.ReasonRule || !rec.Outcome.State.Settled() {
				t.Errorf("asked again: %+v", rec.Outcome)
			}
		})
	}
	fresh := r.alert("new", "user", "ann")
	fresh.Adhoc = true
	if rec := r.dispose(Row{Alert: fresh, Proposal: drops}); rec.Outcome.Reason == winnow.ReasonRule {
		t.Error("an ad-hoc run on an unknown notable was dropped")
	}
}

// turn takes the queue to its end.
func (r *rig) turn() {
	r.t.Helper()
	w := r.worker()
	for range 100 {
		if r.step(w) == 0 {
			return
		}
	}
	r.t.Fatal("the queue does not end")
}

// step takes what is due from the queue, and waits for what is asked about.
func (r *rig) step(w *Worker) int {
	r.t.Helper()
	n, err := w.triageQueue(r.t.Context())
	r.ok(err)
	r.ok(w.await(r.t.Context(), nil, time.Minute))
	return n
}

// What the action proposed is asked again: rules and suspensions may have changed, or the proposal
// may be forged.
func TestPromise2DropsAreAskedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		set     []string
		change  func(*rig, *winnow.Alert, *winnow.Proposal)
		closed  bool
		because winnow.Reason // of the proposal in the record
	}{
		"covered":        {closed: true, because: winnow.ReasonRule},
		"another rule":   {change: func(_ *rig, _ *winnow.Alert, p *winnow.Proposal) { p.Rule = "no-such-rule" }, because: winnow.ReasonNoRule},
		"not covered":    {change: func(_ *rig, a *winnow.Alert, _ *winnow.Proposal) { a.Fields["src"] = []string{stranger} }, because: winnow.ReasonNoRule},
		"a second value": {change: func(_ *rig, a *winnow.Alert, _ *winnow.Proposal) { a.Fields.Add("src", stranger) }, because: winnow.ReasonNoRule},
		"another search": {change: func(_ *rig, a *winnow.Alert, _ *winnow.Proposal) { a.SearchName = "Port Scan" }, because: winnow.ReasonNoRule},
		"too severe":     {change: func(_ *rig, a *winnow.Alert, _ *winnow.Proposal) { a.Severity = winnow.SeverityHigh }, because: winnow.ReasonCeiling},
		"no severity":    {change: func(_ *rig, a *winnow.Alert, _ *winnow.Proposal) { a.Severity = winnow.SeverityUnknown }, because: winnow.ReasonCeiling},
		"expired": {change: func(_ *rig, a *winnow.Alert, _ *winnow.Proposal) {
			a.Received = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
		}, because: winnow.ReasonExpired},
		"suspended": {change: func(r *rig, _ *winnow.Alert, _ *winnow.Proposal) {
			r.engine.Gate.Suspensions = &allowlist.Suspensions{Rules: map[string]allowlist.Suspension{travelID: {By: "ann"}}}
		}, because: winnow.ReasonSuspended},
		"suspensions unreadable": {change: func(r *rig, _ *winnow.Alert, _ *winnow.Proposal) {
			r.engine.Gate.Blind = winnow.ReasonRulesUnread
		}, because: winnow.ReasonRulesUnread},
		"on the escalate list": {change: func(_ *rig, a *winnow.Alert, _ *winnow.Proposal) {
			a.Fields.Add("process", "vssadmin.exe delete shadows /all /quiet")
		}, because: winnow.ReasonEscalateList},
		"a high-risk word": {change: func(_ *rig, a *winnow.Alert, _ *winnow.Proposal) {
			a.Fields.Add("note", "seen: MimiKatz.exe")
		}, because: winnow.ReasonRule},
		"a high-risk asset": {set: []string{"policy.high_risk_assets=vpn.corp.example"}, because: winnow.ReasonRule},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.set...)
			a, p := r.alert("0", "user", "ann"), drops
			if c.change != nil {
				c.change(r, &a, &p)
			}
			done := r.admit(Row{Alert: a, Proposal: p})
			rec := r.record(done.ID)
			if closed := rec.Outcome.State == winnow.StateClosed; closed != c.closed || done.Queued == c.closed {
				t.Errorf("outcome is %s, queued %v", rec.Outcome.State, done.Queued)
			}
			if rec.Proposal.Reason != c.because {
				t.Errorf("the proposal's reason is %s, want %s", rec.Proposal.Reason, c.because)
			}
		})
	}
}

func TestDropsNameTheirRule(t *testing.T) {
	r := newRig(t)
	rec := r.triage(r.alert("0", "user", "ann"))
	want(t, rec, winnow.StateClosed, winnow.ReasonRule)
	v := rec.Verdict
	if rec.Outcome.Actor != "rule:"+travelID || rec.Proposal.Rule != travelID || v.Source != winnow.SourceRule ||
		v.Disposition != winnow.BenignPositive || len(v.Votes) != 0 || rec.Cost != (winnow.Cost{}) {
		t.Errorf("record is %+v", rec)
	}
	if r.model.questions() != 0 {
		t.Error("a model was asked about a drop")
	}
}

// A canary is triaged; when nobody finds anything against it the rule closes it all the same.
func TestCanariesAreTriaged(t *testing.T) {
	for name, c := range map[string]struct {
		say    func(*script)
		state  winnow.State
		reason winnow.Reason
	}{
		"benign":    {func(*script) {}, winnow.StateClosed, winnow.ReasonVerdict},
		"cannot":    {func(s *script) { s.disposition = "Undetermined" }, winnow.StateClosed, winnow.ReasonCanary},
		"malicious": {func(s *script) { s.disposition = "TruePositive" }, winnow.StateEscalated, winnow.ReasonMalicious},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "gate.canary=100%")
			c.say(r.model)
			rec := r.triage(r.alert("0", "user", "ann"))
			want(t, rec, c.state, c.reason)
			if r.model.questions() == 0 || rec.Proposal.Reason != winnow.ReasonCanary {
				t.Errorf("nobody was asked: %+v", rec)
			}
		})
	}
}
