package ledger

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
)

func entryFor(id string, expires time.Time) cache.Entry {
	return cache.Entry{
		AlertID: id, SearchName: "Port Scan", Severity: winnow.SeverityLow, Disposition: winnow.BenignPositive,
		Source: winnow.SourcePerson, Confidence: 100, Facts: []string{"list:scanners"}, At: noon, Expires: expires,
	}
}

func kept(t testing.TB, l *Ledger, at time.Time) map[cache.Key]cache.Entry {
	t.Helper()
	out := map[cache.Key]cache.Entry{}
	view(t, l, func(tx *Tx) error {
		return tx.Verdicts(at, cache.Generation{}, func(k cache.Key, e cache.Entry) error {
			out[k] = e
			return nil
		})
	})
	return out
}

func TestVerdictsLastUntilTheyExpireOrAreDropped(t *testing.T) {
	l := openNew(t)
	soon, late := entryFor("A", noon.Add(time.Minute)), entryFor("B", noon.Add(time.Hour))
	k1, k2 := cache.Key{1}, cache.Key{2}
	update(t, l, func(tx *Tx) error {
		return errors.Join(tx.PutVerdict(k1, soon, cache.Generation{}), tx.PutVerdict(k2, late, cache.Generation{}))
	})
	if diff := cmp.Diff(map[cache.Key]cache.Entry{k1: soon, k2: late}, kept(t, l, noon)); diff != "" {
		t.Errorf("verdicts differ (-want +got):\n%s", diff)
	}
	if got := kept(t, l, noon.Add(time.Minute)); len(got) != 1 {
		t.Errorf("%d are valid at the first one's expiry, want 1", len(got))
	}
	if got := kept(t, l, time.Time{}); len(got) != 2 {
		t.Errorf("%d in all, want 2", len(got))
	}
	newer := entryFor("C", noon.Add(2*time.Hour))
	update(t, l, func(tx *Tx) error {
		return errors.Join(tx.PutVerdict(k1, newer, cache.Generation{}), tx.DropVerdict("B"), tx.DropVerdict("A"))
	})
	if diff := cmp.Diff(map[cache.Key]cache.Entry{k1: newer}, kept(t, l, noon)); diff != "" {
		t.Errorf("after a newer verdict and a drop (-want +got):\n%s", diff)
	}
	view(t, l, func(tx *Tx) error {
		got, found, err := tx.Verdict(k1)
		_, other, oerr := tx.Verdict(k2)
		if !found || other || got.AlertID != "C" {
			t.Errorf("Verdict gives %v %v %v", got, found, other)
		}
		return errors.Join(err, oerr)
	})
}

func TestVerdictsStopAtTheCallersError(t *testing.T) {
	l := openNew(t)
	update(t, l, func(tx *Tx) error {
		return tx.PutVerdict(cache.Key{1}, entryFor("A", noon.Add(time.Hour)), cache.Generation{})
	})
	err := l.View(t.Context(), func(tx *Tx) error {
		return tx.Verdicts(noon, cache.Generation{}, func(cache.Key, cache.Entry) error { return errHalfway })
	})
	if !errors.Is(err, errHalfway) {
		t.Errorf("err = %v", err)
	}
}

func TestPrecedentsRoundTrip(t *testing.T) {
	l := openNew(t)
	type precedent struct {
		Search, Entities, ID string
		At                   time.Time
	}
	read := func() (out []precedent) {
		view(t, l, func(tx *Tx) error {
			return tx.Precedents(func(s, e, id string, at time.Time) { out = append(out, precedent{s, e, id, at}) })
		})
		return out
	}
	entities := "user\x004\x00ann\x003\x00"
	update(t, l, func(tx *Tx) error {
		return errors.Join(tx.AddPrecedent("S", entities, "A", noon), tx.AddPrecedent("S", entities, "B", noon),
			tx.AddPrecedent("S", entities, "A", noon.Add(time.Hour)), tx.AddPrecedent("S2", "", "A", noon))
	})
	want := []precedent{{"S", entities, "A", noon.Add(time.Hour)}, {"S", entities, "B", noon}, {"S2", "", "A", noon}}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("precedents differ (-want +got):\n%s", diff)
	}
	update(t, l, func(tx *Tx) error { return tx.DropPrecedents("A") })
	if diff := cmp.Diff(want[1:2], read()); diff != "" {
		t.Errorf("after the drop (-want +got):\n%s", diff)
	}
}

func TestCasesComeOldestFirst(t *testing.T) {
	l := openNew(t)
	update(t, l, func(tx *Tx) error {
		return errors.Join(tx.PutCase("B", noon.Add(time.Minute), []byte("b")), tx.PutCase("A", noon.Add(2*time.Minute), []byte("a")),
			tx.PutCase("C", noon, []byte("c")), tx.PutCase("B", noon.Add(time.Minute), []byte("b2")), tx.DropCase("C"), tx.DropCase("none"))
	})
	var got []string
	view(t, l, func(tx *Tx) error {
		return tx.Cases(func(body []byte) error {
			got = append(got, string(body))
			return nil
		})
	})
	if diff := cmp.Diff([]string{"b2", "a"}, got); diff != "" {
		t.Errorf("cases differ (-want +got):\n%s", diff)
	}
}

func TestReviewsAreKeptInOrder(t *testing.T) {
	l := openNew(t)
	want := []Review{
		{ID: "A", Action: "reject", Actor: "ann", Reason: "no", At: noon},
		{ID: "A", Action: "correct", Disposition: winnow.FalsePositiveData, Actor: "bob", Reason: "it's \"fine\"", At: noon.Add(-time.Hour)},
	}
	update(t, l, func(tx *Tx) error {
		return errors.Join(tx.AddReview(want[0]), tx.AddReview(Review{ID: "B", At: noon}), tx.AddReview(want[1]))
	})
	view(t, l, func(tx *Tx) error {
		got, err := tx.Reviews("A")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("reviews differ (-want +got):\n%s", diff)
		}
		return err
	})
}

func TestOpenGroupsHoldWhatWaitsForAPerson(t *testing.T) {
	l := openNew(t)
	key := cache.Key{9}
	for i, state := range []winnow.State{winnow.StateClosed, winnow.StateInReview, winnow.StateEscalated, winnow.StateQueued, winnow.StateLeft} {
		e := sample(i)
		e.Key, e.Derived = key, "SRC"
		add(t, l, e, state)
	}
	lone := sample(9)
	add(t, l, lone, winnow.StateInReview)
	id := func(n int) string { return sample(n).Alert.ID }
	view(t, l, func(tx *Tx) error {
		open, err := tx.OpenWithKey(key)
		if diff := cmp.Diff([]string{id(1), id(2)}, open); diff != "" {
			t.Errorf("open alerts differ (-want +got):\n%s", diff)
		}
		derived, derr := tx.DerivedFrom("SRC")
		if diff := cmp.Diff([]string{id(0), id(4)}, derived); diff != "" {
			t.Errorf("derived alerts differ (-want +got):\n%s", diff)
		}
		keys := map[cache.Key]int{}
		kerr := tx.OpenKeys(func(k cache.Key, first string, n int) {
			if keys[k] = n; k == key && first != id(1) {
				t.Errorf("first of the group is %s", first)
			}
		})
		if diff := cmp.Diff(map[cache.Key]int{key: 2, lone.Key: 1}, keys); diff != "" {
			t.Errorf("open keys differ (-want +got):\n%s", diff)
		}
		own, oerr := tx.KeyOf(id(9))
		if own != lone.Key {
			t.Errorf("KeyOf gives %v", own)
		}
		return errors.Join(err, derr, kerr, oerr)
	})
}
