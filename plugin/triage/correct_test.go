package triage

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// correct is what the worker does with `winnow review correct ID`.
func (r *rig) correct(id string) (done review.Result) {
	r.t.Helper()
	r.update(func(t *ledger.Tx) (err error) {
		done, err = review.Apply(t, r.engine, review.Decision{
			Action: review.Correct, ID: id, Disposition: winnow.TruePositive, Actor: "ann", Reason: "it was real",
		})
		return err
	})
	return done
}

func (r *rig) ids() (ids []string) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) (err error) {
		ids, err = t.IDs()
		return err
	})
	return ids
}

// A person finds that a model was wrong: whatever was closed on its verdict, as a member of the group, from the cache,
// whichever of them is named, is triaged again, is told, and is not closed on that verdict again.
func TestCorrectingAModelRecallsItsGroup(t *testing.T) {
	for _, named := range []string{"the one that was asked about", "a member of its group", "one closed from the cache"} {
		t.Run(named, func(t *testing.T) {
			r := newPaidRig(t, "gate.run=enforce")
			asked := 0
			r.verdicts(&asked)
			r.storm(5, nil)
			r.once(r.worker())
			r.at = r.at.Add(20 * time.Minute) // the group is over, the cached verdict is not
			late := r.admit(Row{Alert: r.alert("late"), Proposal: passes}).ID
			r.once(r.worker())
			all := r.ids()
			if asked != 1 || r.states()[winnow.StateClosed] != 6 || r.record(late).Verdict.Source != winnow.SourceCache {
				t.Fatalf("%d verdicts, %v", asked, r.states())
			}
			first := slices.IndexFunc(all, func(id string) bool { return r.record(id).Verdict.Source == winnow.SourceModel })
			id := map[string]string{
				"the one that was asked about": all[first], "a member of its group": all[(first+1)%5], "one closed from the cache": late,
			}[named]

			done := r.correct(id)
			if len(done.Recalled) != 5 || slices.Contains(done.Recalled, id) || !slices.Equal(done.Settled, []string{id}) {
				t.Errorf("settled %d, recalled %d of the other 5", len(done.Settled), len(done.Recalled))
			}
			for _, other := range done.Recalled {
				want(t, r.record(other), winnow.StateQueued, winnow.ReasonRecall)
			}
			for i := range 3 { // and like alerts that come now
				r.admit(Row{Alert: r.alert(fmt.Sprint("new", i)), Proposal: passes})
			}
			r.once(r.worker()) // the model has learned nothing
			if got := r.states(); got[winnow.StateClosed] != 0 || got[winnow.StateQueued] != 0 {
				t.Errorf("after the correction: %v", got)
			}
		})
	}
}
