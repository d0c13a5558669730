package review

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Past is a host or account of the alert, and what was decided in 30 days on earlier alerts with it.
type Past struct {
	Field   string  `json:"field"`
	Value   string  `json:"value"`
	Control string  `json:"control"` // an attacker may borrow a good name
	Alerts  int     `json:"alerts"`  // that were looked at: at most 200
	Counts  []Count `json:"counts"`  // of them, the largest first
}

// Count is how many earlier alerts came out alike.
type Count struct {
	Disposition winnow.Disposition `json:"disposition"`
	Source      winnow.Source      `json:"source"`
	State       winnow.State       `json:"state"` // for alerts that were left: what winnow would have done
	Alerts      int                `json:"alerts"`
}

// Similar is an earlier alert that shares something with this one.
type Similar struct {
	ID          string             `json:"id"`
	SearchName  string             `json:"search_name"`
	SameSearch  bool               `json:"same_search"`
	Shares      []winnow.Evidence  `json:"shares"` // hosts and accounts of both
	Received    time.Time          `json:"received"`
	Severity    winnow.Severity    `json:"severity"`
	State       winnow.State       `json:"state"`
	Disposition winnow.Disposition `json:"disposition"`
	Source      winnow.Source      `json:"source"`
	By          string             `json:"by"`     // person who decided last, "" for none
	Reason      string             `json:"reason"` // that they gave
}

// Limits of what is read of the past: a busy host must not hold its cases up.
const (
	maxPastEntities = 6
	maxPastAlerts   = 200
	maxSimilar      = 10
)

// past reads what was decided on alerts with the same hosts and accounts.
func (c *Case) past(t *ledger.Tx, a *winnow.Alert, table *winnow.FieldTable) error {
	c.Entities = []Past{}
	similar := map[string]*Similar{}
	for i, entity := range ledger.Entities(a.Fields) {
		if i == maxPastEntities {
			break
		}
		p := Past{Field: entity.Field, Value: entity.Value, Control: table.Lookup(a.SearchName, entity.Field).Control.String(), Counts: []Count{}}
		err := t.EntityAlerts(entity, a.ID, a.Received, maxPastAlerts, func(one ledger.EntityAlert) error {
			p.add(&one)
			s := similar[one.ID]
			if s == nil {
				s = newSimilar(a, &one)
				similar[one.ID] = s
			}
			s.Shares = append(s.Shares, entity)
			return nil
		})
		if err != nil {
			return err
		}
		slices.SortStableFunc(p.Counts, func(a, b Count) int { return cmp.Compare(b.Alerts, a.Alerts) })
		c.Entities = append(c.Entities, p)
	}
	c.Similar = mostAlike(similar)
	return errors.Join(c.veilSimilar(t), c.whoDecided(t))
}

// add counts one earlier alert.
func (p *Past) add(one *ledger.EntityAlert) {
	p.Alerts++
	now := Count{Disposition: one.Disposition, Source: one.Source, State: stateShown(one), Alerts: 1}
	for i := range p.Counts {
		if n := &p.Counts[i]; n.Disposition == now.Disposition && n.Source == now.Source && n.State == now.State {
			n.Alerts++
			return
		}
	}
	p.Counts = append(p.Counts, now)
}

func stateShown(one *ledger.EntityAlert) winnow.State {
	if one.State == winnow.StateLeft && one.Would != "" {
		return one.Would
	}
	return one.State
}

func newSimilar(a *winnow.Alert, one *ledger.EntityAlert) *Similar {
	return &Similar{
		ID: one.ID, SearchName: one.Search, SameSearch: one.Search == a.SearchName, Received: one.Received, Severity: one.Severity,
		State: stateShown(one), Disposition: one.Disposition, Source: one.Source,
	}
}

// mostAlike returns those of the same search first, then those that share more, then those on which somebody came
// to a verdict, then the newer.
func mostAlike(all map[string]*Similar) []Similar {
	out := make([]Similar, 0, len(all))
	for _, s := range all {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Similar) int {
		return cmp.Or(
			-boolCompare(a.SameSearch, b.SameSearch), cmp.Compare(len(b.Shares), len(a.Shares)),
			-boolCompare(a.Disposition != winnow.Undetermined, b.Disposition != winnow.Undetermined),
			b.Received.Compare(a.Received), cmp.Compare(b.ID, a.ID),
		)
	})
	return out[:min(len(out), maxSimilar)]
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// whoDecided adds what people said of the similar alerts. What was one of many at once proves nothing.
func (c *Case) whoDecided(t *ledger.Tx) error {
	for i := range c.Similar {
		reviews, err := t.Reviews(c.Similar[i].ID)
		if err != nil {
			return err
		}
		for _, r := range slices.Backward(reviews) {
			if !r.Weak {
				c.Similar[i].By, c.Similar[i].Reason = r.Actor, r.Reason
				break
			}
		}
	}
	return nil
}
