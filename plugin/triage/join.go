package triage

import (
	"fmt"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// join gives an alert the state of an earlier one with the same cache key that still waits for a
// person or is escalated. Repeats are never closed and ask no analyst: a person settles the group
// at once. One that is too severe to wait is escalated although the first waits.
func (e *Engine) join(entry *ledger.Entry, rec *winnow.Record, first *winnow.Record) {
	rec.Verdict = first.Verdict
	rec.Verdict.Case = winnow.Case{
		What:          fmt.Sprintf("Repeats alert %s, which is still open: every field that counts is the same.", first.ID),
		Why:           first.Verdict.Case.Why,
		FirstResponse: fmt.Sprintf("Settle %s; this one follows.", first.ID),
	}
	entry.Joined, entry.Advice = first.ID, nil
	why := winnow.ReasonOpenCase
	if e.unpaid(first) { // the finding that stands for that one stands for this one too
		why = winnow.ReasonNoBudget
	}
	state, reason := raise(&entry.Alert, why, e.search(rec.SearchName).Policy)
	if first.Outcome.State == winnow.StateEscalated {
		state = winnow.StateEscalated
	}
	e.decide(rec, state, reason, "winnow")
}

// openFor returns the record of the open alert that this one repeats, or nil.
func (e *Engine) openFor(t *ledger.Tx, entry *ledger.Entry) (*winnow.Record, error) {
	group, ok := e.open[entry.Key]
	if !ok || group.n == 0 || group.first == entry.Alert.ID {
		return nil, nil //nolint:nilnil // "none" is an answer
	}
	first, err := t.Record(group.first)
	if err != nil {
		return nil, err
	}
	if !isOpen(first.Outcome.State) {
		return nil, nil //nolint:nilnil // "none" is an answer
	}
	return &first, nil
}

func isOpen(s winnow.State) bool {
	return s == winnow.StateInReview || s == winnow.StateEscalated
}

// enterOpen and leaveOpen keep count of the alerts of a key that wait for a person.
func (e *Engine) enterOpen(key cache.Key, id string) {
	g := e.open[key]
	if g.n == 0 {
		g.first = id
	}
	g.n++
	e.open[key] = g
}

// closeCase ends the case that an alert opened, if it has one: it blocks nothing any more.
func (e *Engine) closeCase(t *ledger.Tx, id string) error {
	e.cases.Close(id)
	return t.DropCase(id)
}

// leaveOpen takes an alert out of its group when its state before was an open one. When the
// first of a group leaves, the oldest of the others takes its place.
func (e *Engine) leaveOpen(t *ledger.Tx, entry *ledger.Entry, before winnow.State) error {
	if !isOpen(before) {
		return nil
	}
	g := e.open[entry.Key]
	g.n--
	if g.n <= 0 {
		delete(e.open, entry.Key)
		return nil
	}
	if g.first == entry.Alert.ID {
		first, err := t.FirstOpen(entry.Key)
		if err != nil {
			return err
		}
		g.first = first
	}
	e.open[entry.Key] = g
	return nil
}
