package triage

import (
	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Leave gives an alert the outcome left, because a person had its notable event before winnow could
// bring the delivery's outcome into it. Would says what that was. When something else has become of
// the alert since, or a person decided about it here too, it stays as it is.
func (e *Engine) Leave(t *ledger.Tx, d *ledger.Delivery, by string) error {
	rec, err := t.Record(d.Record.ID)
	if err != nil {
		return err
	}
	was := rec.Outcome
	now := d.Record.Outcome
	same := was.State == now.State && was.Reason == now.Reason && was.Time.Equal(now.Time)
	if !same || !was.State.Settled() || was.State == winnow.StateLeft || rec.Verdict.Source == winnow.SourcePerson {
		return nil
	}
	entry, err := t.Alert(rec.ID)
	if err != nil {
		return err
	}
	rec.Outcome = winnow.Outcome{
		State: winnow.StateLeft, Reason: winnow.ReasonPerson, Actor: "person:" + by, Run: was.Run,
		Would: was.State, Time: e.Now().UTC(),
	}
	return e.Settle(t, &entry, &rec)
}

// wasKept reports whether an outcome is that of [Engine.Leave]: the notable event says it already.
func wasKept(rec *winnow.Record) bool {
	return rec.Outcome.State == winnow.StateLeft && rec.Outcome.Reason == winnow.ReasonPerson
}

// keepsCase reports whether an open case outlives the new outcome of its alert. A person who has
// the notable of an escalation has not said that it was nothing: it goes on blocking cached closes.
func keepsCase(rec *winnow.Record) bool {
	return wasKept(rec) && rec.Outcome.Would == winnow.StateEscalated
}
