package review

import (
	"fmt"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Feedback is a person's word on an outcome of winnow's, whatever it is: right, or wrong and what it was instead.
type Feedback struct {
	ID     string
	Right  bool
	As     winnow.Disposition // of wrong
	Actor  string
	Reason string // wrong needs one
}

// Decision returns the decision that says the same about this alert alone. It binds to the current record.
func (f Feedback) Decision(t *ledger.Tx) (d Decision, err error) {
	d = Decision{Action: Approve, ID: f.ID, Actor: f.Actor, Reason: f.Reason, Only: true}
	rec, err := t.Record(f.ID)
	if err != nil {
		return d, err
	}
	if _, err := veil(t, &rec); err != nil {
		return d, err
	}
	if d.Seq, err = t.Seq(f.ID); err != nil {
		return d, err
	}
	if f.Right {
		_, _, err = d.verdict(&rec)
		return d, err
	}
	d.Action, d.Disposition = Correct, f.As
	switch holds := rec.Verdict.Disposition; {
	case f.As == winnow.Undetermined:
		return d, fmt.Errorf("%w: wrong needs what it was: give --as NAME (TruePositive, BenignPositive, FalsePositiveLogic, FalsePositiveData or Other)", ErrRefused)
	case f.Reason == "":
		return d, fmt.Errorf("%w: wrong needs a reason: give --reason TEXT for whoever reads it later", ErrRefused)
	case f.As == holds:
		return d, fmt.Errorf("%w: alert %s is held to be %s already: that is right, not wrong", ErrRefused, f.ID, holds)
	}
	return d, d.validate()
}
