package main

import (
	"context"
	"errors"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
	"github.com/winnow-soc/winnow/plugin/splunk"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// setLabels lets the worker read what people say in Splunk, where it reads from Splunk at all.
func (g *globals) setLabels(w *triage.Worker, sink *splunk.UpdateSink) {
	if w.Reconcile == nil || !w.Engine.Settings.Reconcile.Labels {
		return
	}
	fired, ok := w.Reconcile.Source.(*firedSource)
	if !ok {
		return
	}
	w.Labels = &triage.Labels{Source: labelSource{fired.client, sink}, Correct: correctLabel(w.Engine)}
}

// correctLabel takes back a verdict because a person did in Splunk, the way `winnow review` does.
func correctLabel(e *triage.Engine) func(t *ledger.Tx, id, by, reason string, d winnow.Disposition) error {
	return func(t *ledger.Tx, id, by, reason string, d winnow.Disposition) error {
		decision := review.Decision{Action: review.Correct, ID: id, Disposition: d, Actor: by, Reason: reason, Only: true}
		if d == winnow.Undetermined {
			decision.Action = review.Reject
		}
		_, err := review.Apply(t, e, decision)
		if errors.Is(err, review.ErrRefused) {
			return nil // it is refused before anything is changed; the label itself is kept
		}
		return err
	}
}

// labelSource reads labels over REST.
type labelSource struct {
	client *splunk.Client
	sink   *splunk.UpdateSink
}

// Changes returns what was changed. Without Enterprise Security there is nothing.
func (s labelSource) Changes(ctx context.Context, from, to time.Time) ([]triage.Changed, error) {
	all, err := s.client.Changes(ctx, from, to)
	if e, ok := errors.AsType[*splunk.Error](err); ok && e.Code == splunk.CodeNotFound {
		return nil, nil
	}
	out := make([]triage.Changed, len(all))
	for i := range all {
		out[i] = triage.Changed(all[i])
	}
	return out, err
}

// Origins returns where notable events came from.
func (s labelSource) Origins(ctx context.Context, ruleIDs []string, from, to time.Time) (map[string]triage.Origin, error) {
	all, err := s.client.Origins(ctx, ruleIDs, from, to)
	out := make(map[string]triage.Origin, len(all))
	for id, o := range all {
		out[id] = triage.Origin(o)
	}
	return out, err
}

// Label returns what people last said of an alert.
func (s labelSource) Label(ctx context.Context, a *winnow.Alert, winnowID, ruleID string) (triage.Said, error) {
	l, err := s.sink.Label(ctx, a, winnowID, ruleID)
	if splunk.NoLabel(err) {
		return triage.Said{}, nil
	}
	return triage.Said(l), err
}
