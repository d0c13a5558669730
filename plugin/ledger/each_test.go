package ledger

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

func TestEachTellsWhatWasEverSaid(t *testing.T) {
	l := openNew(t)
	for n := range 3 {
		add(t, l, sample(n), winnow.StateInReview)
	}
	said := func(n int, d winnow.Disposition) {
		update(t, l, func(tx *Tx) error {
			return tx.AddReview(Review{ID: sample(n).Alert.ID, Action: "correct", Disposition: d, Actor: "ann", At: noon})
		})
	}
	said(0, winnow.BenignPositive)
	said(1, winnow.TruePositive)
	said(1, winnow.BenignPositive) // taken back: it was one all the same
	var ever []bool
	view(t, l, func(tx *Tx) error {
		if n, err := tx.Count(); n != 3 || err != nil {
			t.Errorf("%d alerts, %v", n, err)
		}
		return tx.Each(func(j Judged) error {
			want, err := l.stored(tx, j.Alert.ID)
			if diff := cmp.Diff(want, j.Alert); diff != "" || err != nil || j.Record.ID != j.Alert.ID {
				t.Errorf("alert differs from Tx.Alert (-want +got), %v:\n%s", err, diff)
			}
			ever = append(ever, j.Ever)
			return nil
		})
	})
	if diff := cmp.Diff([]bool{false, true, false}, ever); diff != "" {
		t.Error(diff)
	}
}

func (l *Ledger) stored(tx *Tx, id string) (winnow.Alert, error) {
	e, err := tx.Alert(id)
	return e.Alert, err
}
