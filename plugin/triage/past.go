package triage

import (
	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Limits of what is read of an entity's past: a busy host must not hold its alerts up.
const (
	maxPastEntities = 6
	maxPastAlerts   = 200
	maxPastRecent   = 10
)

// past reads what was decided in 30 days on alerts with the same hosts and accounts. Values that an
// attacker chooses count too, and are marked: somebody may borrow a good name.
func (e *Engine) past(t *ledger.Tx, a *winnow.Alert) ([]llm.Past, error) {
	c := llm.Case{Alert: a, Fields: e.Fields}
	var out []llm.Past
	for _, entity := range ledger.Entities(a.Fields) {
		if len(out) == maxPastEntities {
			break
		}
		p := llm.Past{Field: entity.Field, Value: entity.Value, Trusted: c.Trusted(entity.Field)}
		err := t.EntityAlerts(entity, a.ID, a.Received, maxPastAlerts, func(one ledger.EntityAlert) error {
			addPast(&p, &one)
			return nil
		})
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// addPast counts one earlier alert. What nobody has decided yet is counted with its state alone.
func addPast(p *llm.Past, one *ledger.EntityAlert) {
	p.Looked++
	state := one.State
	if state == winnow.StateLeft && one.Would != "" {
		state = one.Would
	}
	if len(p.Recent) < maxPastRecent {
		p.Recent = append(p.Recent, llm.PastAlert{
			ID: one.ID, Search: one.Search, Received: one.Received, Severity: one.Severity, State: state, Disposition: one.Disposition, Source: one.Source,
		})
	}
	for i := range p.Counts {
		if n := &p.Counts[i]; n.Disposition == one.Disposition && n.Source == one.Source && n.State == state {
			n.Alerts++
			return
		}
	}
	p.Counts = append(p.Counts, llm.PastCount{Disposition: one.Disposition, Source: one.Source, State: state, Alerts: 1})
}
