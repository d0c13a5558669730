package triage

import "github.com/winnow-soc/winnow"

// decide writes the outcome into a record. Unless the run is enforce, nothing is changed: the
// state is left, and would says what it would have been.
func (e *Engine) decide(rec *winnow.Record, state winnow.State, reason winnow.Reason, actor string) {
	run := e.search(rec.SearchName).Run
	if e.Gate.Blind == winnow.ReasonGateOff {
		run = winnow.RunShadow
	}
	rec.Outcome = winnow.Outcome{State: state, Reason: reason, Actor: actor, Run: run, Time: e.Now().UTC()}
	if run != winnow.RunEnforce {
		rec.Outcome.State, rec.Outcome.Would = winnow.StateLeft, state
	}
}
