package ledger

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
)

// TestPruneKeepsWhatSomebodyStillNeeds: only alerts that are old, settled and told of go.
func TestPruneKeepsWhatSomebodyStillNeeds(t *testing.T) {
	l := openNew(t)
	old, limit := noon.AddDate(-2, 0, 0), noon.AddDate(-1, 0, 0)
	states := []winnow.State{
		winnow.StateClosed, winnow.StateEscalated, winnow.StateLeft, winnow.StateQueued, winnow.StateInReview, winnow.StateClosed, winnow.StateClosed,
	}
	for i, s := range states {
		e := sample(i)
		if e.Alert.Received = old; i == 6 {
			e.Alert.Received = limit
		}
		add(t, l, e, s)
	}
	waits, done := delivery(sample(5), 1, DeliverEvent), delivery(sample(0), 1, DeliverEvent)
	post(t, l, old, waits, done)
	update(t, l, func(tx *Tx) error {
		_, err := tx.Change(recordOf(sample(0), winnow.StateClosed), Links{})
		return errors.Join(err, tx.Delivered(done.Key, old), tx.AddReview(Review{ID: sample(0).Alert.ID, At: old}),
			tx.PutCase(sample(1).Alert.ID, old, []byte("{}")), tx.MarkImported("old", 1, old), tx.MarkImported("new", 1, noon))
	})
	var n int
	update(t, l, func(tx *Tx) (err error) {
		n, err = tx.Prune(limit, limit, noon)
		return err
	})
	view(t, l, func(tx *Tx) error {
		ids, err := tx.IDs()
		want := []string{sample(3).Alert.ID, sample(4).Alert.ID, sample(5).Alert.ID, sample(6).Alert.ID}
		if diff := cmp.Diff(want, ids); diff != "" || n != 3 {
			t.Errorf("%d removed, left differs (-want +got):\n%s", n, diff)
		}
		return err
	})
	checkNothingLeftOf(t, l, sample(0).Alert.ID)
	if got := dueKeys(t, l, noon, 9); len(got) != 1 || got[0] != waits.Key {
		t.Errorf("waiting deliveries: %v", got)
	}
}

func checkNothingLeftOf(t *testing.T, l *Ledger, id string) {
	t.Helper()
	view(t, l, func(tx *Tx) error {
		history, e1 := tx.History(id)
		reviews, e2 := tx.Reviews(id)
		deliveries, e3 := tx.Deliveries(id)
		cases := 0
		e4 := tx.Cases(func([]byte) error { cases++; return nil })
		before, e5 := tx.Imported("old")
		after, e6 := tx.Imported("new")
		if len(history)+len(reviews)+len(deliveries)+cases > 0 || before || !after {
			t.Errorf("left: history %v, reviews %v, deliveries %v, %d cases; imports %v %v", history, reviews, deliveries, cases, before, after)
		}
		return errors.Join(e1, e2, e3, e4, e5, e6)
	})
}

func TestPruneForgetsOldFactsAndVerdicts(t *testing.T) {
	l := openNew(t)
	day := 24 * time.Hour
	update(t, l, func(tx *Tx) error {
		return errors.Join(
			tx.AddPrecedent("S", "old", "A", noon.Add(-91*day)), tx.AddPrecedent("S", "new", "B", noon.Add(-90*day)),
			tx.PutVerdict(cache.Key{1}, entryFor("gone", noon.Add(-day-time.Second)), cache.Generation{}),
			tx.PutVerdict(cache.Key{2}, entryFor("grace", noon.Add(-day+time.Second)), cache.Generation{}),
			tx.PutVerdict(cache.Key{3}, entryFor("valid", noon.Add(time.Second)), cache.Generation{}))
	})
	update(t, l, func(tx *Tx) error { _, err := tx.Prune(noon, noon.Add(-90*day), noon); return err })
	var facts []string
	view(t, l, func(tx *Tx) error {
		return tx.Precedents(func(_, entities, _ string, _ time.Time) { facts = append(facts, entities) })
	})
	if diff := cmp.Diff([]string{"new"}, facts); diff != "" {
		t.Errorf("precedents differ (-want +got):\n%s", diff)
	}
	if got := kept(t, l, time.Time{}); len(got) != 2 {
		t.Errorf("%d verdicts are left, want those that are valid or just expired", len(got))
	}
}

func TestFirstOpenIsTheOldestOfAGroup(t *testing.T) {
	l := openNew(t)
	key := cache.Key{5}
	for i, s := range []winnow.State{winnow.StateClosed, winnow.StateEscalated, winnow.StateInReview} {
		e := sample(i)
		e.Key = key
		add(t, l, e, s)
	}
	view(t, l, func(tx *Tx) error {
		got, err := tx.FirstOpen(key)
		none, nerr := tx.FirstOpen(cache.Key{6})
		if got != sample(1).Alert.ID || none != "" {
			t.Errorf("first %q, of nothing %q", got, none)
		}
		return errors.Join(err, nerr)
	})
}

func TestKeptErrorNamesWhoHasIt(t *testing.T) {
	if got, want := (&KeptError{By: "ann"}).Error(), "ann has this notable event: nothing was changed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
