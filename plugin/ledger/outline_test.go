package ledger

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

func TestOutlines(t *testing.T) {
	l := openNew(t)
	for i := range 4 {
		e := sample(i)
		e.Alert.Received = noon.Add(time.Duration(3-i) * time.Hour)
		e.Derived, e.Joined = "D", "J"
		add(t, l, e, winnow.StateInReview)
	}
	said := func(n int, d winnow.Disposition, weak bool) {
		update(t, l, func(tx *Tx) error {
			return tx.AddReview(Review{ID: sample(n).Alert.ID, Action: "correct", Disposition: d, Actor: "ann", At: noon, Weak: weak})
		})
	}
	said(1, winnow.TruePositive, false)
	said(1, winnow.BenignPositive, false)
	said(2, winnow.TruePositive, true)
	type row struct {
		ID         string
		Ever, Weak bool
	}
	list := func(since, until time.Time) (out []row) {
		view(t, l, func(tx *Tx) error {
			return tx.Outlines(since, until, func(o *Outline) error {
				out = append(out, row{o.Record.ID, o.Ever, o.Weak})
				if o.Derived != "D" || o.Joined != "J" || o.Bytes == 0 || o.Bare || o.Received.Before(since) {
					t.Errorf("%+v", o)
				}
				one, err := tx.Outline(o.Record.ID)
				if diff := cmp.Diff(*o, one); diff != "" {
					t.Errorf("by itself it differs:\n%s", diff)
				}
				return err
			})
		})
		return out
	}
	want := []row{{sample(2).Alert.ID, false, true}, {sample(1).Alert.ID, true, false}}
	if diff := cmp.Diff(want, list(noon.Add(time.Hour), noon.Add(3*time.Hour))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n := len(list(time.Time{}, time.Time{})); n != 4 {
		t.Errorf("%d without bounds", n)
	}
	view(t, l, func(tx *Tx) error {
		if _, err := tx.Outline("nobody"); !errors.Is(err, ErrNotFound) {
			t.Errorf("%v", err)
		}
		return nil
	})
}

func TestAskedAbout(t *testing.T) {
	l := openNew(t)
	book := func(c Charge, s Settlement) {
		t.Helper()
		n, err := l.Reserve(t.Context(), c, Limits{})
		if err == nil {
			err = l.Settle(t.Context(), n, s)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	charge := func(search, alert string, at time.Time) Charge {
		return Charge{AlertID: alert, Search: search, Task: "classify", Model: "m", Attempt: 1, Reserve: 100, At: at}
	}
	replayed := charge("A", "1", noon)
	replayed.Replay = true
	book(charge("A", "1", noon), Settlement{State: CallSettled, Price: 10})
	book(charge("A", "1", noon), Settlement{State: CallUnsettled})
	book(charge("A", "2", noon), Settlement{State: CallReleased})
	book(charge("A", "3", noon.Add(-time.Hour)), Settlement{State: CallSettled, Price: 7})
	book(charge("B", "4", noon.Add(time.Hour)), Settlement{State: CallSettled, Price: 3})
	book(replayed, Settlement{State: CallSettled, Price: 1000})
	update(t, l, func(*Tx) error { return nil }) // what was settled goes along
	view(t, l, func(tx *Tx) error {
		got, err := tx.AskedAbout(noon, time.Time{})
		if diff := cmp.Diff([]Asked{{"A", 1, 110}, {"B", 1, 3}}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		return err
	})
}
