package triage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
)

// reconcileMeta is where the ledger keeps how far comparing has come.
const reconcileMeta = "reconcile"

// ReconcileState is what is known of comparisons.
type ReconcileState struct {
	Tried time.Time      `json:"tried"` // when the last one began
	Until time.Time      `json:"until"` // everything fired before was compared
	Last  Reconciliation `json:"last"`  // the zero value before the first

	// Asked is what a person wants compared, and has not been.
	Asked []ReconcileSpan `json:"asked,omitempty"`
}

// AskReconcile keeps what a person wants compared: the worker does it next.
func (w *Worker) AskReconcile(t *ledger.Tx, body []byte) error {
	span, err := DecodeReconcile(body)
	if err != nil {
		return err
	}
	s, _, err := ReadReconcileState(t)
	if err != nil {
		return err
	}
	if len(s.Asked) >= maxAsked {
		return fmt.Errorf("%w: %d others wait", ErrRefused, maxAsked)
	}
	s.Asked = append(s.Asked, span)
	w.nextReconcile = time.Time{}
	return s.write(t)
}

// ReadReconcileState reads it. found is false before a worker has looked at it.
func ReadReconcileState(t *ledger.Tx) (s ReconcileState, found bool, err error) {
	text, err := t.Meta(reconcileMeta)
	if err != nil || text == "" {
		return s, false, err
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return s, false, fmt.Errorf("ledger: decode what was compared: %w", err)
	}
	return s, true, nil
}

func (s *ReconcileState) write(t *ledger.Tx) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return t.SetMeta(reconcileMeta, string(text))
}

// reconciling is a comparison in the background. It asks Splunk, which may take long; what is to be done
// it hands to the worker, the ledger's one writer.
type reconciling struct {
	asked  bool // a person wants it
	cancel context.CancelFunc
	steps  chan handedStep
	done   chan Reconciliation
}

type handedStep struct {
	do   func(ctx context.Context) error
	back chan error
}

// reconcileTime bounds one comparison.
const reconcileTime = 10 * time.Minute

// reconcile begins a comparison when it is time, and does what the one that runs asks for. It takes the
// next step only when the spool is imported: what came in late is then here already.
func (w *Worker) reconcile(ctx context.Context, imported bool) (int, error) {
	if w.Reconcile == nil || !imported {
		return 0, nil
	}
	if w.reconciling == nil {
		return 0, w.beginReconcile(ctx)
	}
	select {
	case s := <-w.reconciling.steps:
		err := s.do(ctx)
		s.back <- err
		return 1, err
	case rec := <-w.reconciling.done:
		asked := w.reconciling.asked
		w.reconciling.cancel()
		w.reconciling = nil
		return 1, w.reconciled(ctx, rec, asked)
	default:
		return 0, nil
	}
}

// beginReconcile starts the next comparison when it is time. What was compared before is compared again
// for an hour: log lines may have been late, and results not to be had.
func (w *Worker) beginReconcile(ctx context.Context) error {
	c, now := w.Engine.Settings.Reconcile, w.Engine.Now()
	if now.Before(w.nextReconcile) {
		return nil
	}
	var s ReconcileState
	due := false
	var asked *ReconcileSpan
	err := w.Engine.Update(ctx, func(t *ledger.Tx) error {
		var found bool
		var err error
		if s, found, err = ReadReconcileState(t); err != nil {
			return err
		}
		if len(s.Asked) > 0 {
			asked = &s.Asked[0]
			return nil
		}
		if !found {
			s.Until = now.UTC() // nothing was fired before winnow was here
		} else if now.Sub(s.Tried).Abs() < c.Every {
			return nil
		}
		due = found
		s.Tried = now.UTC()
		return s.write(t)
	})
	w.nextReconcile = s.Tried.Add(c.Every)
	if err != nil {
		return err
	}
	if asked != nil {
		w.startReconcile(ctx, asked.From, asked.To)
		w.reconciling.asked = true
		return nil
	}
	if !due || !c.Enabled {
		return nil
	}
	to := now.Add(-c.Lag)
	from := s.Until.Add(-postponeUntil)
	if least := to.Add(-c.LookBack); from.Before(least) {
		from = least
	}
	w.startReconcile(ctx, from, to)
	return nil
}

func (w *Worker) startReconcile(ctx context.Context, from, to time.Time) {
	ctx, cancel := context.WithTimeout(ctx, reconcileTime)
	now := w.Engine.Now()
	r := &reconciling{cancel: cancel, steps: make(chan handedStep), done: make(chan Reconciliation, 1)}
	w.reconciling = r
	hand := func(do func(ctx context.Context) error) error {
		one := handedStep{do, make(chan error, 1)}
		select {
		case r.steps <- one:
			return <-one.back
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	go func() {
		var rec Reconciliation
		err := guarded(func() (err error) { // what Splunk answers is text of alerts
			rec, err = w.Reconcile.Run(ctx, from, to, func(s *Step) error {
				return hand(func(ctx context.Context) error { return w.Engine.DoStep(ctx, w.Host, s) })
			})
			if w.Labels == nil || ctx.Err() != nil {
				return err
			}
			return errors.Join(err, w.Labels.read(ctx, w.Engine, now, func(f func(*ledger.Tx) error) error {
				return hand(func(ctx context.Context) error { return w.Engine.Update(ctx, f) })
			}))
		})
		if err != nil {
			rec.Error = err.Error()
		}
		r.done <- rec
	}()
}

// endReconcile waits until nothing is compared any more. What was not done is done by the next.
func (w *Worker) endReconcile() {
	if w.reconciling != nil {
		w.reconciling.cancel()
		for ended := false; !ended; {
			select {
			case s := <-w.reconciling.steps:
				s.back <- errors.New("the worker ends")
			case <-w.reconciling.done:
				ended = true
			}
		}
	}
	w.reconciling = nil
}

// reconciled keeps what came of a comparison, and tells it: of failures only the first in a row, and
// their end.
func (w *Worker) reconciled(ctx context.Context, rec Reconciliation, asked bool) error {
	failedBefore := false
	err := w.Engine.Update(ctx, func(t *ledger.Tx) error {
		s, _, err := ReadReconcileState(t)
		if err != nil {
			return err
		}
		failedBefore = s.Last.Error != ""
		s.Last = rec
		switch {
		case asked && len(s.Asked) > 0:
			s.Asked = s.Asked[1:]
			w.nextReconcile = time.Time{}
		case !asked && rec.Until.After(s.Until):
			s.Until = rec.Until
		}
		return s.write(t)
	})
	if err != nil {
		return err
	}
	status := state.Status{Time: w.Engine.Now(), Event: "reconciled", Level: "info"}
	switch {
	case rec.Error != "":
		w.Log.Error("what Splunk fired could not be compared with what is here", "err", rec.Error)
		status.Event, status.Level, status.Errors = "reconcile_failed", "error", []string{rec.Error}
	case rec.Missing > 0:
		w.Log.Warn("Splunk fired alerts that never came here", "missing", rec.Missing, "rows", rec.Rows, "raised", rec.Raised, "postponed", rec.Postponed)
	}
	if (rec.Error != "") == failedBefore {
		return nil
	}
	return w.State.Report(status)
}

// ReconcileNow compares on behalf of whoever calls it, with an engine of its own: no worker runs.
func (r *Reconciler) ReconcileNow(ctx context.Context, e *Engine, host string, from, to time.Time) (Reconciliation, error) {
	rec, err := r.Run(ctx, from, to, func(s *Step) error { return e.DoStep(ctx, host, s) })
	return rec, errors.Join(err, e.Update(context.WithoutCancel(ctx), func(t *ledger.Tx) error {
		s, _, err := ReadReconcileState(t)
		if err != nil {
			return err
		}
		s.Last = rec
		if s.Until.IsZero() {
			s.Until = rec.Until
		}
		return s.write(t)
	}))
}
