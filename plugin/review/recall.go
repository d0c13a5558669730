package review

import (
	"slices"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// recall takes back what rests on a verdict that a person does not find benign: the verdict on the
// alert itself, the one that closed it, and what was closed because people had found alerts like
// it benign. All of those alerts are triaged again, but for what a person decided.
type recall struct {
	t    *ledger.Tx
	e    Engine
	d    Decision
	done []string // alerts that are triaged again
}

func (r *recall) of(entry *ledger.Entry, rec *winnow.Record) error {
	if err := r.verdict(entry.Alert.ID); err != nil {
		return err
	}
	if entry.Derived != "" {
		if err := r.verdict(entry.Derived); err != nil {
			return err
		}
		if err := r.requeue(entry.Derived, entry.Derived); err != nil {
			return err
		}
	}
	if rec.Verdict.Source == winnow.SourcePerson && rec.Verdict.Disposition.Benign() {
		return r.precedents(entry.Alert.SearchName)
	}
	return nil
}

// verdict revokes the verdict on an alert, and triages again what was closed by it.
func (r *recall) verdict(source string) error {
	derived, err := r.t.DerivedFrom(source)
	if err != nil {
		return err
	}
	if err := r.e.Revoke(r.t, source, r.d.Actor, r.d.Reason); err != nil {
		return err
	}
	for _, id := range derived {
		if err := r.requeue(id, source); err != nil {
			return err
		}
	}
	return nil
}

// precedents triages again what was closed in a search because of earlier decisions of people. It
// is not known on which of them each rests, so all are asked again.
func (r *recall) precedents(search string) error {
	ids, err := r.t.ClosedOnPrecedents(search)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := r.verdict(id); err != nil {
			return err
		}
		if err := r.requeue(id, r.d.ID); err != nil {
			return err
		}
	}
	return nil
}

// requeue sends an alert back to triage. A person's own decision stands, unless it was carried over
// from the alert that is corrected.
func (r *recall) requeue(id, source string) error {
	if id == r.d.ID || slices.Contains(r.done, id) {
		return nil
	}
	rec, err := r.t.Record(id)
	if err != nil {
		return err
	}
	if id == source && rec.Verdict.Source == winnow.SourcePerson {
		return nil
	}
	r.done = append(r.done, id)
	return r.e.Requeue(r.t, id, winnow.ReasonRecall, "the verdict on "+source+" was taken back")
}
