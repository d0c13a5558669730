package review

import (
	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// veil puts what people are shown of an alert in the place of its record, when it waits to be judged as a sample of
// what was closed: else it returns nil and changes nothing. What is shown costs nothing and was closed by nobody.
func veil(t *ledger.Tx, rec *winnow.Record) (*ledger.Blind, error) {
	b, found, err := t.BlindOf(rec.ID)
	if err != nil || !found {
		return nil, err
	}
	*rec = b.Record
	return &b, nil
}

// veil takes away what else would tell that the alert was closed, and by whom.
func (c *Case) veil() {
	was := winnow.Record{
		ID: c.ID, SearchName: c.SearchName, SID: c.SID, RID: c.RID, Time: c.Time, Severity: c.Severity, Proposal: c.Proposal,
		Outcome: winnow.Outcome{State: winnow.StateQueued, Reason: winnow.ReasonQueued, Actor: "winnow", Time: c.Received},
	}
	was.Normalize()
	c.History = []winnow.Record{was}
	c.Calls, c.Deliveries = []ledger.Call{}, []ledger.DeliveryState{}
	for i := range c.Choices { // on an alert that only waits, nothing could have been closed
		one := &c.Choices[i]
		one.Recalls = 0
		one.Says = one.text(c.SearchName)
	}
}

// veilSimilar shows earlier alerts that are samples themselves as they wait.
func (c *Case) veilSimilar(t *ledger.Tx) error {
	for i := range c.Similar {
		s := &c.Similar[i]
		b, found, err := t.BlindOf(s.ID)
		if err != nil {
			return err
		}
		if found {
			s.State, s.Disposition, s.Source = b.Record.Outcome.State, b.Record.Verdict.Disposition, b.Record.Verdict.Source
		}
	}
	return nil
}
