package triage

import "github.com/winnow-soc/winnow"

// decide writes the outcome into a record. Unless the run is enforce, nothing is changed: the
// state is left, and would says what it would have been.
func (e *Engine) decide(rec *winnow.Record, state winnow.State, reason winnow.Reason, actor string) {
	state, reason = e.closable(rec, state, reason)
	run := e.run(rec.SearchName)
	rec.Outcome = winnow.Outcome{State: state, Reason: reason, Actor: actor, Run: run, Time: e.Now().UTC()}
	if run != winnow.RunEnforce {
		rec.Outcome.State, rec.Outcome.Would = winnow.StateLeft, state
	}
}

// run says how much winnow may change for a search now.
func (e *Engine) run(search string) winnow.Run {
	if e.Gate.Blind == winnow.ReasonGateOff {
		return winnow.RunShadow
	}
	return e.search(search).Run
}
