package triage

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// breakAudit takes the table away and has the ledger find out.
func (r *rig) breakAudit() {
	r.t.Helper()
	r.tamper("ALTER TABLE audit RENAME TO away")
	r.ledger.RecheckAudit(r.t.Context())
	if r.ledger.Unaudited() == nil {
		r.ledger.FailAudit(os.ErrInvalid)
	}
}

func (r *rig) tamper(query string) {
	r.t.Helper()
	r.ok(r.ledger.Update(r.t.Context(), func(t *ledger.Tx) error {
		_, err := t.Conn().ExecContext(t.Context(), query)
		return err
	}))
}

// TestNothingClosesThatCannotBeAudited: what a rule drops goes to a person, what is high-risk is
// escalated, both are marked, and the write-back of a close waits.
func TestNothingClosesThatCannotBeAudited(t *testing.T) {
	r := newRig(t)
	r.drop(1)
	r.breakAudit()
	drops := winnow.Proposal{Kind: winnow.ProposeDrop, Reason: winnow.ReasonRule, Rule: travelID}
	row := Row{Alert: r.alert("unaudited", "user", "ann"), Proposal: drops}
	rec := r.dispose(row)
	if rec.Outcome.State == winnow.StateClosed || !rec.Outcome.Unaudited {
		t.Errorf("the outcome is %+v", rec.Outcome)
	}
	if rec.Outcome.State != winnow.StateInReview || rec.Outcome.Reason != winnow.ReasonUnaudited {
		t.Errorf("the outcome is %+v, want in_review, unaudited", rec.Outcome)
	}
	err := r.engine.Update(t.Context(), func(t *ledger.Tx) error {
		_, err := r.engine.Resume(t, Recall{Command: CommandResume, Rule: travelID, Actor: "ann"})
		return err
	})
	r.ok(err) // nothing was suspended, so nothing comes back into force
	r.update(func(t *ledger.Tx) error {
		_, err := r.engine.SuspendRule(t, travelID, "ann", "in doubt")
		return err
	})
	err = r.engine.Update(t.Context(), func(t *ledger.Tx) error {
		_, err := r.engine.Resume(t, Recall{Command: CommandResume, Rule: travelID, Actor: "ann"})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "cannot be audited") || !r.engine.Gate.Suspensions.Rule(travelID) {
		t.Errorf("a rule came back into force: %v", err)
	}
	w := r.worker(&sink{name: "update"})
	held, err := w.heldOrPast(t.Context(), &ledger.Delivery{Record: rec})
	if !held || err == nil {
		t.Errorf("the write-back of a close is not held: %v", err)
	}
	r.tamper("ALTER TABLE away RENAME TO audit")
	w.recheck(t.Context())
	if err := r.ledger.Unaudited(); err != nil {
		t.Error(err)
	}
}

// TestUnauditedAlertsAreTriagedAgain once the chain goes on, and not before. What would have closed closes
// then; what was escalated stays with people.
func TestUnauditedAlertsAreTriagedAgain(t *testing.T) {
	r := newRig(t, "policy.escalate_severity=medium", "policy.offline_max_severity=high")
	r.drop(1)
	r.breakAudit()
	drop := func(rid string, s winnow.Severity) string {
		a := r.alert(rid, "user", "ann")
		a.Severity = s
		return r.dispose(Row{Alert: a, Proposal: drops}).ID
	}
	low, medium, decided := drop("low", winnow.SeverityLow), drop("medium", winnow.SeverityMedium), drop("decided", winnow.SeverityLow)
	real := r.triage(r.alert("real", "src", stranger))
	want(t, r.record(low), winnow.StateInReview, winnow.ReasonUnaudited)
	want(t, r.record(medium), winnow.StateEscalated, winnow.ReasonUnaudited)
	r.settle(decided, winnow.TruePositive, winnow.StateEscalated)
	err := r.engine.Update(t.Context(), func(t *ledger.Tx) error {
		_, err := r.engine.Retry(t, Retry{Cause: CauseUnaudited, Actor: "ann"})
		return err
	})
	if !errors.Is(err, ErrRetryRefused) {
		t.Errorf("while nothing can be audited: %v", err)
	}
	var log bytes.Buffer
	w := r.worker()
	w.Log, w.Archive = slog.New(slog.NewTextHandler(&log, nil)), func(context.Context) error { return nil }
	r.tamper("ALTER TABLE away RENAME TO audit")
	w.recheck(t.Context())
	if !strings.Contains(log.String(), "--cause unaudited") || !strings.Contains(log.String(), "alerts=2") {
		t.Errorf("log:\n%s", &log)
	}
	if got := r.retry(Retry{Cause: CauseUnaudited}); got != (Retried{Requeued: 2}) {
		t.Errorf("%+v", got)
	}
	if got := r.retry(Retry{Cause: CauseUnaudited}); got != (Retried{}) {
		t.Errorf("and again %+v", got)
	}
	r.once(w)
	for _, id := range []string{low, medium} {
		got := r.record(id).Outcome
		if got.Reason == winnow.ReasonUnaudited || got.Unaudited || id == medium && got.State == winnow.StateClosed {
			t.Errorf("%+v", got)
		}
	}
	want(t, r.record(decided), winnow.StateEscalated, winnow.ReasonPerson)
	if got := r.record(real.ID).Outcome; got.Reason != real.Outcome.Reason {
		t.Errorf("%+v", got)
	}
}

// TestWhatIsInForceIsAudited once, and again when it changes.
func TestWhatIsInForceIsAudited(t *testing.T) {
	r := newRig(t)
	note := func() {
		r.t.Helper()
		r.ok(r.engine.NoteInForce(t.Context(), InForce{Deployment: r.state, Gate: r.engine.Gate, Generation: "g"}))
	}
	count := func(kind audit.Kind) (n int) {
		r.view(func(t *ledger.Tx) error {
			return t.EachEntry(0, func(e *audit.Entry, _ audit.Hash) error {
				if e.Kind == kind {
					n++
				}
				return nil
			})
		})
		return n
	}
	note()
	note()
	for _, kind := range []audit.Kind{audit.KindRules, audit.KindConfiguration, audit.KindApprovals, audit.KindSuspensions} {
		if n := count(kind); n != 1 {
			t.Errorf("%d entries of %s, want 1", n, kind)
		}
	}
	if count(audit.KindGate)+count(audit.KindMode) != 0 {
		t.Error("a switch that nobody has turned is audited")
	}
	r.ok(r.state.SetGate(true, "ann", r.engine.Now()))
	note()
	note()
	r.update(func(t *ledger.Tx) error { _, err := r.engine.SuspendRule(t, travelID, "ann", "x"); return err })
	note()
	if count(audit.KindGate) != 1 || count(audit.KindSuspensions) != 2 {
		t.Errorf("gate %d, suspensions %d", count(audit.KindGate), count(audit.KindSuspensions))
	}
	r.view(func(t *ledger.Tx) error {
		in, err := t.InForce(audit.KindRules, 0)
		if err != nil {
			return err
		}
		m, err := t.ReadManifest(in.Content)
		found := false
		for i := range m.Files {
			body, err := t.Archived(m.Files[i].Hash)
			if err != nil {
				return err
			}
			found = found || strings.Contains(string(body), travelID)
		}
		if !found || in.New != r.engine.Gate.Rules.Version() {
			r.t.Errorf("the rules are not in the archive: %+v", in)
		}
		return err
	})
}

// TestAuditFailsWithTheArchive: what decides cannot be kept, so nothing closes.
func TestAuditFailsWithTheArchive(t *testing.T) {
	r := newRig(t)
	r.tamper("ALTER TABLE archive RENAME TO away")
	if err := r.engine.NoteInForce(t.Context(), InForce{Deployment: r.state, Gate: r.engine.Gate, Generation: "g"}); err == nil || r.ledger.Unaudited() == nil {
		t.Errorf("it is as if nothing had happened: %v", err)
	}
}
