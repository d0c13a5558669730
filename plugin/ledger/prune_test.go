package ledger

import (
	"errors"
	"strings"
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
	update(t, l, func(tx *Tx) error {
		p, err := tx.Prune(Keep{Records: limit, Facts: limit, Now: noon}, 3)
		if n = p.Alerts; !p.More {
			t.Error("nobody is told that there may be more")
		}
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
	update(t, l, func(tx *Tx) error {
		_, err := tx.Prune(Keep{Records: noon, Facts: noon.Add(-90 * day), Now: noon}, 9)
		return err
	})
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
	if plan := queryPlan(t, l, firstOpen, key[:]); strings.Contains(plan, "TEMP B-TREE") || !strings.Contains(plan, "alerts_key") {
		t.Errorf("the whole group is read: %s", plan)
	}
}

func TestKeptErrorNamesWhoHasIt(t *testing.T) {
	if got, want := (&KeptError{By: "ann"}).Error(), "ann has this notable event: nothing was changed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestDropsLoseTheirFieldsFirst: the record stays, what it says is counted as before, and it is no drop that
// can be recalled.
func TestDropsLoseTheirFieldsFirst(t *testing.T) {
	l := openNew(t)
	for i, rule := range []string{"a", "a", "", "a"} {
		e := sample(i)
		e.Alert.Received = noon.AddDate(0, 0, -40+i*20) // the last is as new as can be
		r := recordOf(e, winnow.StateClosed)
		if rule != "" {
			r.Proposal = winnow.Proposal{Kind: winnow.ProposeDrop, Reason: winnow.ReasonRule, Rule: rule, RuleSet: "sha256:1"}
			r.Verdict.Source = winnow.SourceRule
		}
		update(t, l, func(tx *Tx) error { return tx.Add(e, r) })
	}
	var p Pruned
	update(t, l, func(tx *Tx) (err error) {
		p, err = tx.Prune(Keep{Records: noon.AddDate(-1, 0, 0), Fields: noon.AddDate(0, 0, -10), Now: noon}, 100)
		return err
	})
	if p != (Pruned{Bare: 2}) {
		t.Errorf("pruned %+v", p)
	}
	checkRollups(t, l)
	gone := func() (n int) {
		view(t, l, func(tx *Tx) error { return tx.Gone(time.Time{}, func(_, _ string, k int) { n += k }) })
		return n
	}
	view(t, l, func(tx *Tx) error {
		e, err := tx.Alert(sample(0).Alert.ID)
		if len(e.Alert.Fields) > 0 || e.Alert.App != "corp" || !e.Alert.Time.Equal(noon) {
			t.Errorf("kept: %+v", e.Alert)
		}
		other, oerr := tx.Alert(sample(2).Alert.ID)
		if len(other.Alert.Fields) == 0 {
			t.Error("an alert that no rule closed lost its fields")
		}
		drops, derr := tx.Drops("a", "", time.Time{}, 9)
		if len(drops) != 1 || drops[0].ID != sample(3).Alert.ID {
			t.Errorf("drops to recall: %v", drops)
		}
		counts, cerr := tx.RuleCounts()
		if counts["a"].Drops != 3 || counts["a"].Gone != 0 {
			t.Errorf("counts %+v", counts["a"])
		}
		return errors.Join(err, oerr, derr, cerr)
	})
	if n := gone(); n != 2 {
		t.Errorf("%d drops are past recall, want 2", n)
	}
	update(t, l, func(tx *Tx) error {
		_, err := tx.Prune(Keep{Records: noon.AddDate(0, 0, -10), Now: noon}, 100)
		return err
	})
	if n := gone(); n != 2 {
		t.Errorf("%d drops are past recall once their records are gone too, want 2", n)
	}
}

// TestPagesAreGivenBack: what is removed makes the file smaller.
func TestPagesAreGivenBack(t *testing.T) {
	l := openNew(t)
	for i := range 40 {
		e := sample(i)
		e.Alert.Fields["text"] = []string{string(make([]byte, 9000))}
		add(t, l, e, winnow.StateClosed)
	}
	before, _, err := l.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	update(t, l, func(tx *Tx) error {
		_, err := tx.Prune(Keep{Records: noon.AddDate(1, 0, 0), Now: noon}, 100)
		return err
	})
	used, free, err := l.Size(t.Context())
	if err != nil || used >= before || free == 0 {
		t.Fatalf("%d bytes used of %d, %d free (%v)", used, before, free, err)
	}
	if err := l.Shrink(t.Context(), 1_000_000); err != nil {
		t.Fatal(err)
	}
	if _, left, err := l.Size(t.Context()); err != nil || left >= free {
		t.Errorf("%d bytes are free, were %d (%v)", left, free, err)
	}
}
