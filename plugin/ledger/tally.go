package ledger

import "github.com/winnow-soc/winnow"

// Tally counts the alerts that share a search, a rule and an outcome.
type Tally struct {
	SearchName string
	Rule       string // the rule or escalate entry of the proposal, "" for none
	Proposal   winnow.ProposalKind
	Source     winnow.Source
	State      winnow.State
	Would      winnow.State
	Reason     winnow.Reason
	Alerts     int
	MicroUSD   int64
	Bytes      int64 // of the alerts' own text, to tell what a model would have been sent
}

// Tallies calls f with every group of current records.
func (t *Tx) Tallies(f func(Tally)) error {
	if err := t.keepCounts(); err != nil {
		return err
	}
	return t.each("SELECT search_name, rule, proposal, source, state, would, reason, alerts, cost, bytes FROM tallies", nil,
		func(scan func(...any) error) error {
			var y Tally
			err := scan(&y.SearchName, &y.Rule, &y.Proposal, &y.Source, &y.State, &y.Would, &y.Reason, &y.Alerts, &y.MicroUSD, &y.Bytes)
			if err != nil {
				return err
			}
			f(y)
			return nil
		})
}

// FirstWith returns the newest alert with a state and a source of its verdict, "" when there is none.
func (t *Tx) FirstWith(state winnow.State, source winnow.Source) (id string, err error) {
	_, err = t.get("SELECT id FROM alerts WHERE state = ? AND source = ? ORDER BY id DESC LIMIT 1", []any{state, source}, &id)
	return id, err
}
