package report

import (
	"slices"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Closer is who closes an alert.
type Closer string

// The closers that are not people.
const (
	CloserRule     Closer = "rule"
	CloserCache    Closer = "cache"
	CloserAnalysts Closer = "analysts" // the built-in ones
	CloserModel    Closer = "model"
)

// CloserOf returns who closed, or would close, by the source of a verdict.
func CloserOf(s winnow.Source) Closer {
	switch s {
	case winnow.SourceRule:
		return CloserRule
	case winnow.SourceCache:
		return CloserCache
	case winnow.SourceModel:
		return CloserModel
	case winnow.SourceOffline, winnow.SourcePerson, winnow.SourceNone:
	}
	return CloserAnalysts
}

// LabelOf is what people said of an alert. One that a person ever called a true positive stays one, whatever was
// said later. What winnow holds of an alert is nobody's word, and weak labels are none.
func LabelOf(o *ledger.Outline) Label {
	v := &o.Record.Verdict
	switch person := v.Source == winnow.SourcePerson; {
	case o.Ever, person && v.Disposition == winnow.TruePositive:
		return LabelAttack
	case person && v.Disposition.Benign():
		return LabelBenign
	}
	return LabelUnknown
}

// Decided returns the record of the last decision that winnow itself made on an alert: where a person has spoken
// since, theirs lies over it. ok is false where winnow has decided nothing: the alert waits, is winnow's own
// event, or a person had it first.
func Decided(t *ledger.Tx, o *ledger.Outline) (rec winnow.Record, ok bool, err error) {
	if ownDecision(&o.Record) {
		return o.Record, true, nil
	}
	if r := &o.Record; r.Verdict.Source != winnow.SourcePerson && r.Outcome.Reason != winnow.ReasonPerson {
		return winnow.Record{}, false, nil
	}
	history, err := t.History(o.Record.ID)
	if err != nil {
		return winnow.Record{}, false, err
	}
	for _, r := range slices.Backward(history) {
		if ownDecision(&r) {
			return r, true, nil
		}
	}
	return winnow.Record{}, false, nil
}

func ownDecision(r *winnow.Record) bool {
	return r.Outcome.State.Settled() && r.Verdict.Source != winnow.SourcePerson &&
		r.Outcome.Reason != winnow.ReasonPerson && r.Outcome.Reason != winnow.ReasonOwn && !finding(&r.Proposal)
}

// finding reports whether an alert is one that winnow itself brought before a person.
func finding(p *winnow.Proposal) bool {
	return p.Kind == winnow.ProposeEscalate && (p.Reason == winnow.ReasonRuleMiss || p.Reason == winnow.ReasonRecall)
}

// StateOf is what was done about an alert, or what would have been where winnow changes nothing.
func StateOf(r *winnow.Record) winnow.State {
	if r.Outcome.State == winnow.StateLeft && r.Outcome.Would != "" {
		return r.Outcome.Would
	}
	return r.Outcome.State
}
