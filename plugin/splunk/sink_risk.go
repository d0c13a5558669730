package splunk

import (
	"context"
	"strconv"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/stash"
)

// RiskSink adds risk to the users and systems of alerts, as events of the risk index in stash files. Who gets it
// is copied from the alert's own fields by code; a model only says how severe it thinks the alert is.
//
// An alert adds risk once for each state, however often it is triaged again.
type RiskSink struct {
	spool  *NotableSink
	scores conf.Scores
	review float64
}

// NewRiskSink makes the sink of that name. Its events go to the index risk unless opts name another. review is
// the part of the score that an alert adds which only waits for a person.
func NewRiskSink(name string, opts NotableOptions, scores conf.Scores, review float64, now func() time.Time) (*RiskSink, error) {
	if opts.Index == "" {
		opts.Index = "risk"
	}
	spool, err := NewNotableSink(name, opts, now)
	if err != nil {
		return nil, err
	}
	return &RiskSink{spool: spool, scores: scores.Or(conf.DefaultScores()), review: review}, nil
}

// Name returns the name of the sink's stanza.
func (s *RiskSink) Name() string { return s.spool.name }

// Forget removes intents older than the time that the outbox repeats deliveries for, and returns how many.
func (s *RiskSink) Forget(age time.Duration) (int, error) { return s.spool.Forget(age) }

// Deliver hands one event for each risk object to splunkd. It is safe for concurrent use for different
// deliveries.
func (s *RiskSink) Deliver(_ context.Context, d ledger.Delivery) error {
	if d.Kind != ledger.DeliverRisk {
		return wrongKind(s.spool.name, d)
	}
	score := s.score(&d.Record)
	if score <= 0 {
		return nil
	}
	file := stash.File{Index: s.spool.opts.Index, Host: s.spool.opts.Host, Source: d.Alert.SearchName}
	for _, o := range riskObjects(&d.Alert) {
		file.Events = append(file.Events, riskEvent(&d, o, score))
	}
	data, err := file.Bytes()
	if err != nil {
		return &Error{Op: "write risk", Code: CodeInput, Err: err}
	}
	key := d.Record.ID + "/" + string(d.Record.Outcome.State) + "/" + s.spool.name
	if err := s.spool.hand(file.Name(key), data); err != nil {
		return &Error{Op: "write risk", Code: CodeDisk, Retry: true, Err: err}
	}
	return nil
}

// score is 0 for what adds none.
func (s *RiskSink) score(r *winnow.Record) int {
	score := s.scores.Of(r.Severity.Max(r.Verdict.Severity))
	switch r.Outcome.State {
	case winnow.StateEscalated:
		return score
	case winnow.StateInReview:
		return int(float64(score) * s.review)
	case winnow.StateClosed, winnow.StateLeft, winnow.StateQueued:
	}
	return 0
}

func riskEvent(d *ledger.Delivery, o riskObject, score int) stash.Event {
	a, out := &d.Alert, &d.Record.Outcome
	c := winnow.Fields{}
	c.Add("risk_object", o.value)
	c.Add("risk_object_type", o.kind)
	c.Add("risk_object_field", o.field)
	c.Add("risk_score", strconv.Itoa(score))
	c.Add("risk_message", "winnow: "+string(out.State)+": "+a.SearchName)
	c.Add("orig_sid", a.Key.SID)
	c.Add("orig_rid", a.Key.RID)
	c.Add("winnow_id", d.WinnowID)
	c.Add("winnow_alert", d.Record.ID)
	c.Add("winnow_state", string(out.State))
	c.Add("winnow_reason", string(out.Reason))
	own := winnow.Fields{}
	for _, name := range []string{"user", "src", "dest"} {
		own.Add(name, a.Fields[name]...)
	}
	return stash.Event{Time: a.Received, SearchName: a.SearchName, Control: c, Fields: own}
}
