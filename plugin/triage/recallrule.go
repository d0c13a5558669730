package triage

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// SearchRecall is the name under which a recall stands in the review queue.
const SearchRecall = "winnow: recall"

// BeginRecall takes the target out of force at once and keeps what is to be triaged again: that is
// done in steps, so that a large recall holds nothing up; see [Engine.ContinueRecall].
func (e *Engine) BeginRecall(t *ledger.Tx, r Recall) error {
	if err := e.suspendTarget(t, &r); err != nil {
		return err
	}
	p, err := newRecaller(r, e.Gate)
	if err != nil {
		return err
	}
	if err := p.gone(t); err != nil {
		return err
	}
	body, err := r.Encode()
	if err != nil {
		return err
	}
	return t.AddRecall(ledger.Recall{Target: r.target(), Body: body, At: e.Now(), Gone: p.count.Gone, Actor: r.Actor, Reason: r.Reason})
}

// suspendTarget keeps an earlier suspension as it is.
func (e *Engine) suspendTarget(t *ledger.Tx, r *Recall) error {
	reason := "recalled"
	if r.Reason != "" {
		reason += ": " + r.Reason
	}
	why := allowlist.Suspension{By: r.Actor, At: e.Now().UTC(), Reason: reason}
	return e.changeSuspensions(t, r.Actor, "suspend "+r.What(), false, func(s *allowlist.Suspensions) bool {
		switch {
		case r.List != "" && !s.ListValue(r.List, r.Value):
			s.AddListValue(r.List, r.Value, why)
		case r.Version != "" && !s.RuleSet(r.Version):
			s.AddRuleSet(r.Version, why)
		case r.Rule != "" && !s.Rule(r.Rule):
			s.Rules[r.Rule] = why
		default:
			return false
		}
		return true
	})
}

// Resume puts what was suspended into force again, because a person says so. It reports whether it was
// out of force. What was triaged meanwhile stays as it is.
func (e *Engine) Resume(t *ledger.Tx, r Recall) (found bool, err error) {
	err = e.changeSuspensions(t, r.Actor, "resume "+r.What(), true, func(s *allowlist.Suspensions) bool {
		found = s.Rule(r.Rule) || s.ListValue(r.List, r.Value) || s.RuleSet(r.Version)
		delete(s.Rules, r.Rule)
		delete(s.RuleSets, r.Version)
		if values := s.Lists[r.List]; values != nil {
			if delete(values, r.Value); len(values) == 0 {
				delete(s.Lists, r.List)
			}
		}
		return found
	})
	return found, err
}

// changeSuspensions writes the suspensions file when change says that there is something to write. lift says
// that it puts something back into force.
func (e *Engine) changeSuspensions(t *ledger.Tx, by, what string, lift bool, change func(*allowlist.Suspensions) bool) error {
	if e.Gate.Suspensions == nil {
		return errors.New(what + ": " + suspensionsGone)
	}
	s := e.Gate.Suspensions.Clone()
	if !change(s) {
		return nil
	}
	if err := e.noteSuspensions(t, s, by, what, lift); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := e.Suspend(s); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	e.Gate.Suspensions = s
	return nil
}

// ContinueRecall triages again the next alerts of the oldest recall that goes on. It returns that recall, and
// how many alerts it looked at; none when there is nothing to do.
func (e *Engine) ContinueRecall(ctx context.Context) (r ledger.Recall, looked int, err error) {
	err = e.Update(ctx, func(t *ledger.Tx) error {
		var found bool
		if r, found, err = t.OpenRecall(); err != nil || !found {
			return err
		}
		looked, err = e.recallStep(t, &r)
		return err
	})
	return r, looked, err
}

func (e *Engine) recallStep(t *ledger.Tx, r *ledger.Recall) (looked int, err error) {
	command, err := DecodeRecall(r.Body)
	if err != nil {
		return 0, err
	}
	p, err := newRecaller(command, e.Gate)
	if errors.Is(err, ErrRefused) {
		// The lists that --only names are gone since it was begun. Everything is looked at: that is more, not less.
		command.Only = ""
		p, err = newRecaller(command, e.Gate)
	}
	if err != nil {
		return 0, err
	}
	drops, err := t.Drops(command.Rule, r.After, command.Since, recallBatch)
	if err != nil {
		return 0, err
	}
	for _, d := range drops {
		if err := e.recallDrop(t, p, r, d); err != nil {
			return 0, err
		}
		r.After = d.ID
	}
	if len(drops) < recallBatch {
		if err := e.endRecall(t, r, &command); err != nil {
			return 0, err
		}
	}
	return len(drops) + 1, t.UpdateRecall(r)
}

func (e *Engine) recallDrop(t *ledger.Tx, p *recaller, r *ledger.Recall, d ledger.Drop) error {
	picked, err := p.picks(t, d)
	if err != nil || !picked {
		return err
	}
	rec, err := t.Record(d.ID)
	if err != nil {
		return err
	}
	if err := t.AddRecalled(d.ID, r.N); err != nil {
		return err
	}
	r.Requeued++
	r.Severity = max(r.Severity, rec.Severity)
	return e.Requeue(t, d.ID, p.recallReason(), "recall of "+p.target())
}

// endRecall brings the recall before a person, as one finding: a recall of the same target whose finding is
// still open adds to that.
func (e *Engine) endRecall(t *ledger.Tx, r *ledger.Recall, c *Recall) error {
	r.Done = e.Now()
	if r.Requeued == 0 {
		return nil
	}
	last, found, err := t.LastFinding(r.Target)
	if err != nil {
		return err
	}
	if found {
		rec, err := t.Record(last.Finding)
		if err == nil && isOpen(rec.Outcome.State) && rec.Verdict.Source != winnow.SourcePerson {
			return e.addToFinding(t, r, c, &rec)
		}
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return err
		}
	}
	f := finding{
		search: SearchRecall, sid: "recall:" + r.Target, rid: strconv.FormatInt(r.N, 10), severity: r.Severity,
		fields: winnow.Fields{"recall": {r.Target}}, text: recallText(c, r.Requeued, r.Gone), reason: winnow.ReasonRecall,
	}
	if c.Rule != "" {
		f.fields["rule"] = []string{c.Rule}
	}
	r.Finding, err = e.raiseFinding(t, f)
	return err
}

func (e *Engine) addToFinding(t *ledger.Tx, r *ledger.Recall, c *Recall, rec *winnow.Record) error {
	requeued, gone, severity, err := t.FindingTotals(rec.ID)
	if err != nil {
		return err
	}
	r.Finding = rec.ID
	entry, err := t.Alert(rec.ID)
	if err != nil {
		return err
	}
	rec.Severity = max(rec.Severity, severity, r.Severity)
	rec.Verdict.Case = recallText(c, requeued+r.Requeued, max(gone, r.Gone))
	rec.Outcome = e.Outcome(rec.SearchName, winnow.StateInReview, winnow.ReasonRecall, "winnow")
	return e.Settle(t, &entry, rec)
}

func recallText(c *Recall, requeued, gone int) winnow.Case {
	text := winnow.Case{
		What: fmt.Sprintf("Recall of %s by %s: %d alerts that were dropped because of it are triaged again.", c.What(), c.Actor, requeued),
		Why:  "It is out of force until somebody resumes it.",
		FirstResponse: fmt.Sprintf("Look at what becomes of the alerts with proposal.reason %s, then settle this with `review correct`.",
			c.recallReason()),
	}
	if c.Reason != "" {
		text.Why = c.Actor + ": " + c.Reason + ". " + text.Why
	}
	if gone > 0 {
		text.What += fmt.Sprintf(" %d more are past retention: only their number is known.", gone)
	}
	return text
}
