package triage

import (
	"context"
	"errors"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// Notables reads what people did to the notable event of an alert. Safe for concurrent use.
type Notables interface {
	// Held says who has the notable event, and what they say it was. winnowID is winnow's own mark on it.
	// The zero Held is one that nobody has touched.
	Held(ctx context.Context, a *winnow.Alert, winnowID string) (Held, error)
}

// Held is a notable event that a person has.
type Held struct {
	By          string             // "" for nobody
	Closed      bool               // they have closed it
	Disposition winnow.Disposition // what they say it was; Undetermined when they do not say
	Weak        bool               // that is one of many at once, or may be: nothing rests on it
}

// reread reports whether an alert waited so long that a person may have taken it on meanwhile. One that a
// person asked for is looked at all the same.
func (e *Engine) reread(w *work, s conf.Search, waited time.Duration) bool {
	return e.Notables != nil && waited >= e.Settings.Queue.RereadAfter && e.asksModels(w) && s.Place == winnow.PlaceBeside &&
		!w.entry.Alert.Adhoc && w.rec.Proposal.Reason != winnow.ReasonAdhoc
}

// leaveHeld leaves an alert to the person who has its notable event. What they closed it as is a label,
// as if they had said it here. A weak one is not taken from here: [Labels] keeps it as what it is.
func (e *Engine) leaveHeld(t *ledger.Tx, w *work) error {
	h, a := w.held, &w.entry.Alert
	taint, _ := llm.Scan(a, e.Fields)
	w.rec.Verdict = winnow.Verdict{Taint: append(taint, w.taint...), Case: winnow.Case{
		What: "A person has the notable event of this alert.",
		Why:  h.By + " took it on before winnow could ask a model.",
	}}
	w.rec.Outcome = e.Outcome(w.rec.SearchName, winnow.StateLeft, winnow.ReasonPerson, "person:"+h.By)
	w.rec.Outcome.Would = winnow.StateLeft
	label := h.Closed && h.Disposition != winnow.Undetermined && !h.Weak
	if label {
		v := &w.rec.Verdict
		v.Disposition, v.Source, v.Stated, v.Confidence, v.Severity = h.Disposition, winnow.SourcePerson, 100, 100, a.Severity
	}
	if err := e.Settle(t, &w.entry, &w.rec); err != nil || !label {
		return err
	}
	if h.Disposition.Benign() && len(w.rec.Verdict.Taint) == 0 {
		if err := e.Precedent(t, a); err != nil {
			return err
		}
	}
	return t.AddReview(ledger.Review{
		ID: a.ID, Action: LabelAction, Disposition: h.Disposition, Actor: h.By, Reason: "closed in Incident Review", At: w.rec.Outcome.Time,
	})
}

// postpone lets an alert, and those that wait for it, wait for models that cannot be asked now. That says
// nothing about the alert, so no try is counted; but it does not wait for ever.
func (w *Worker) postpone(ctx context.Context, t *ledger.Tx, f *flight, one *work, why *llm.UnavailableError) error {
	it, now := f.item, w.Engine.Now()
	end := it.Enqueued.Add(w.Engine.waitMax(it))
	if !now.Before(end) {
		w.Log.Error("triage gave up: models were not available for too long", "id", it.ID, "queued", it.Enqueued, "err", why)
		return w.Engine.GiveUp(t, &one.entry, &one.rec, queue.CauseModel)
	}
	again := now.Add(w.Engine.Settings.Queue.RetryMin)
	if why.Until.After(again) {
		again = why.Until
	}
	if again.After(end) {
		again = end
	}
	w.Engine.Meter.Tried(string(queue.CauseModel))
	w.Log.Warn("a model is not available: the alert waits", "id", it.ID, "again", again, "err", why)
	f.postponed = true
	failure := queue.Failure{Cause: queue.CauseModel, Detail: why.Error()}
	if one.leads {
		for _, other := range w.air.waiting[one.group] { // all of them are not counted as tries
			if err := queue.Retry(ctx, t.Conn(), other.ID, failure, again); err != nil {
				return err
			}
		}
	}
	return errors.Join(t.Rebook(it.ID), queue.Return(ctx, t.Conn(), it.ID, failure, again))
}

// waitMax is how long an alert waits for models, since it was queued.
func (e *Engine) waitMax(it queue.Item) time.Duration {
	if it.Priority >= queue.Priority(winnow.SeverityHigh) {
		return e.Settings.Queue.WaitMaxHigh
	}
	return e.Settings.Queue.WaitMax
}

// unavailable returns why models could not be asked, or nil when that is not what is wrong.
func unavailable(err error) *llm.UnavailableError {
	why, _ := errors.AsType[*llm.UnavailableError](err)
	return why
}
