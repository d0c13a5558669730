package triage

import (
	"context"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// LabelAction marks what people said in Splunk among reviews.
const LabelAction = "notable"

// Changed is an entry of the history of a notable event: somebody changed it.
type Changed struct {
	RuleID string
	User   string
	At     time.Time
	Marked bool // winnow's own, as it seems
	Bulk   bool // one of more than ten changes of this user within a minute
}

// Origin is what a notable event says of where it came from. Anybody who may write events can claim it.
type Origin struct{ SID, RID, WinnowID string }

// Said is what a person last said of a notable event.
type Said struct {
	By          string
	At          time.Time // zero: nobody has said anything
	Disposition winnow.Disposition
	Reopened    bool // winnow had closed it, and a person has opened it since
}

// LabelSource reads what people did to notable events. Safe for concurrent use.
type LabelSource interface {
	Changes(ctx context.Context, from, to time.Time) ([]Changed, error)
	Origins(ctx context.Context, ruleIDs []string, from, to time.Time) (map[string]Origin, error)

	// Label reads what people last said of the event of an alert; the zero Said where it is not surely the
	// alert's.
	Label(ctx context.Context, a *winnow.Alert, winnowID, ruleID string) (Said, error)
}

// Labels takes over what people say in Splunk about alerts.
type Labels struct {
	Source LabelSource

	// Correct takes back a verdict, and with it what was closed on it: see plugin/review. The disposition is
	// TruePositive, or Undetermined where the person has only opened the event again.
	Correct func(t *ledger.Tx, id, by, reason string, d winnow.Disposition) error
}

// labelsMeta is where the ledger keeps how far labels were read.
const labelsMeta = "labels_until"

// Bounds of one reading. Changes are settled a while after they are made: what others do in the minute after
// one says whether it is one of many, and clocks differ.
const (
	labelsSpan    = time.Hour
	labelsSettle  = 2 * time.Minute
	labelsOverlap = 10 * time.Minute
	labelsFirst   = 24 * time.Hour      // read at first
	labelsEvents  = 30 * 24 * time.Hour // how old a notable event may be when it is changed
	labelsLater   = 24 * time.Hour      // it may be stamped with a time of its own
)

// Reasons of reviews that stand for labels.
const (
	labelReason  = "in Incident Review"
	reopenReason = "opened again in Incident Review"
)

// label is one label on its way into the ledger.
type label struct {
	id   string
	said Said
	weak bool
}

// read looks at what changed since the last reading, an hour after the other, and hands out labels. do
// runs on the worker's side and returns when it is done.
func (l *Labels) read(ctx context.Context, e *Engine, now time.Time, do func(func(*ledger.Tx) error) error) error {
	from, err := l.since(ctx, e, now)
	for end := now.Add(-labelsSettle); err == nil && from.Before(end); {
		to := from.Add(labelsSpan)
		if to.After(end) {
			to = end
		}
		if err = l.span(ctx, e, from.Add(-labelsOverlap), to, do); err == nil {
			err = do(func(t *ledger.Tx) error { return t.SetMeta(labelsMeta, to.UTC().Format(time.RFC3339Nano)) })
		}
		from = to
	}
	if err != nil {
		return fmt.Errorf("read what people say in Splunk: %w", err)
	}
	return nil
}

func (l *Labels) since(ctx context.Context, e *Engine, now time.Time) (from time.Time, err error) {
	err = e.Ledger.View(ctx, func(t *ledger.Tx) error {
		text, err := t.Meta(labelsMeta)
		if err != nil || text == "" {
			return err
		}
		from, err = time.Parse(time.RFC3339Nano, text)
		return err
	})
	if least := now.Add(-labelsFirst); from.IsZero() {
		from = least
	}
	return from, err
}

// span reads the changes of one span. Of each event the last change that is not winnow's is looked at:
// what the event says by now is the label.
func (l *Labels) span(ctx context.Context, e *Engine, from, to time.Time, do func(func(*ledger.Tx) error) error) error {
	changes, err := l.Source.Changes(ctx, from, to)
	if err != nil {
		return err
	}
	bulk := map[string]map[time.Time]bool{} // of the entries of an event
	var ids []string
	for _, c := range changes {
		if c.Marked {
			continue
		}
		if bulk[c.RuleID] == nil {
			bulk[c.RuleID] = map[time.Time]bool{}
			ids = append(ids, c.RuleID)
		}
		bulk[c.RuleID][c.At] = c.Bulk
	}
	if len(ids) == 0 {
		return nil
	}
	origins, err := l.Source.Origins(ctx, ids, from.Add(-labelsEvents), to.Add(labelsLater))
	if err != nil {
		return err
	}
	for _, id := range ids {
		one, found, err := l.one(ctx, e, id, origins[id], bulk[id])
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if err := do(func(t *ledger.Tx) error { return e.applyLabel(t, l, one) }); err != nil {
			return err
		}
	}
	return nil
}

// one reads the label of one event, when it belongs to an alert here and was given in the entries that are
// looked at.
func (l *Labels) one(ctx context.Context, e *Engine, ruleID string, o Origin, bulk map[time.Time]bool) (label, bool, error) {
	var entry ledger.Entry
	known := false
	keys := e.Keys.Clone() // the worker uses the engine's own meanwhile
	err := e.Ledger.View(ctx, func(t *ledger.Tx) error {
		id, err := owner(t, keys, o)
		if err != nil || id == "" {
			return err
		}
		known = true
		entry, err = t.Alert(id)
		return err
	})
	if err != nil || !known {
		return label{}, false, err
	}
	said, err := l.Source.Label(ctx, &entry.Alert, keys.Sign(entry.Alert.ID), ruleID)
	if err != nil {
		return label{}, false, err
	}
	weak, here := bulk[said.At]
	return label{id: entry.Alert.ID, said: said, weak: weak}, here && !said.At.IsZero() && said.By != "", nil
}

// owner returns the alert that a notable event is about: the one whose signed id it carries, if it names that
// alert's sid and rid, else the only one with its sid and rid. "" when there is none, or there may be two.
func owner(t *ledger.Tx, keys *winnow.Keys, o Origin) (string, error) {
	if o.SID == "" || o.RID == "" {
		return "", nil
	}
	if o.WinnowID != "" {
		id, ok := keys.Verify(o.WinnowID)
		if !ok {
			return "", nil // somebody made it up
		}
		known, err := t.Has(id)
		if err != nil || !known {
			return "", err
		}
		entry, err := t.Alert(id)
		if err != nil || entry.Alert.Key.SID != o.SID || entry.Alert.Key.RID != o.RID {
			return "", err
		}
		return id, nil
	}
	return t.FindOnly(o.SID, o.RID)
}

// applyLabel keeps a label. A weak one is kept and nothing else. One that takes back what winnow closed is a
// correction. Any other settles the alert as the person's: it is left to them, and a benign one is a
// precedent unless the alert is tainted.
func (e *Engine) applyLabel(t *ledger.Tx, l *Labels, one label) error {
	s := one.said
	review := ledger.Review{ID: one.id, Action: LabelAction, Disposition: s.Disposition, Actor: s.By, At: s.At, Weak: one.weak, Reason: labelReason}
	if s.Reopened {
		review.Reason = reopenReason
	}
	known, err := t.Reviews(one.id)
	if err != nil {
		return err
	}
	mine := false // a person has decided here since
	for _, r := range known {
		if r.Action == LabelAction && r.Actor == s.By && r.At.Equal(s.At) {
			return nil
		}
		mine = mine || r.Action != LabelAction && r.At.After(s.At) && r.Reason != labelReason && r.Reason != reopenReason
	}
	if one.weak {
		return t.AddReview(review)
	}
	rec, err := t.Record(one.id)
	if err != nil {
		return err
	}
	closed := rec.Outcome.State == winnow.StateClosed || rec.Outcome.Would == winnow.StateClosed
	switch {
	case mine:
	case s.Reopened && !s.Disposition.Benign() || s.Disposition == winnow.TruePositive && (closed || rec.Verdict.Source == winnow.SourcePerson):
		err = l.Correct(t, one.id, s.By, review.Reason, s.Disposition)
	default:
		err = e.settleLabel(t, &rec, s)
	}
	if err != nil {
		return err
	}
	return t.AddReview(review)
}

// settleLabel leaves an alert to the person who said what it was.
func (e *Engine) settleLabel(t *ledger.Tx, rec *winnow.Record, s Said) error {
	entry, err := t.Alert(rec.ID)
	if err != nil {
		return err
	}
	taint, _ := llm.Scan(&entry.Alert, e.Fields)
	forged, err := e.forgery(t, &entry.Alert)
	if err != nil {
		return err
	}
	was := rec.Outcome
	if len(rec.Verdict.Taint) == 0 {
		rec.Verdict.Taint = append(taint, forged...)
	}
	v := &rec.Verdict
	v.Disposition, v.Source, v.Stated, v.Confidence = s.Disposition, winnow.SourcePerson, 100, 100
	if v.Severity == winnow.SeverityUnknown {
		v.Severity = entry.Alert.Severity
	}
	if v.Case.What == "" {
		v.Case.What = "A person has the notable event of this alert."
	}
	v.Case.Why = s.By + " said what it was in Incident Review."
	rec.Outcome = e.Outcome(rec.SearchName, winnow.StateLeft, winnow.ReasonPerson, "person:"+s.By)
	rec.Outcome.Would = winnow.StateLeft
	if was.State == winnow.StateClosed || was.State == winnow.StateEscalated && !s.Disposition.Benign() {
		rec.Outcome.Would = was.State
	}
	if err := e.Settle(t, &entry, rec); err != nil {
		return err
	}
	if s.Disposition.Benign() && len(v.Taint) == 0 {
		return e.Precedent(t, &entry.Alert)
	}
	return nil
}

// LabelState is what is known of labels.
type LabelState struct {
	Until  time.Time // zero: never read
	Labels int
	Weak   int
}

// ReadLabelState reads it.
func ReadLabelState(t *ledger.Tx) (s LabelState, err error) {
	text, err := t.Meta(labelsMeta)
	if err != nil || text == "" {
		return s, err
	}
	if s.Until, err = time.Parse(time.RFC3339Nano, text); err != nil {
		return s, err
	}
	s.Labels, s.Weak, err = t.Labels(LabelAction)
	return s, err
}
