package ledger

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

// model is what the ledger must hold after a sequence of transactions: for each alert all its
// states, the current one last.
type model map[string][]winnow.State

func (m model) clone() model {
	out := model{}
	for id, states := range m {
		out[id] = slices.Clone(states)
	}
	return out
}

// TestAnySequenceKeepsOneCurrentRecord: whatever is added, changed and rolled back, every alert
// that was committed has exactly one current record, all of those before it in order, and a
// natural key of its own.
func TestAnySequenceKeepsOneCurrentRecord(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		l, err := Open(t.Context(), t.TempDir()+"/ledger.db")
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		have := model{}
		for range rapid.IntRange(1, 12).Draw(rt, "transactions") {
			have = step(rt, t, l, have)
			compare(rt, t, l, have)
		}
	})
}

// step runs one transaction of several changes and returns what must be there after it.
func step(rt *rapid.T, t *testing.T, l *Ledger, before model) model {
	after := before.clone()
	fails := rapid.Bool().Draw(rt, "fails")
	err := l.Update(t.Context(), func(tx *Tx) error {
		for range rapid.IntRange(1, 5).Draw(rt, "changes") {
			if err := change(rt, tx, after); err != nil {
				return err
			}
		}
		if fails {
			return errHalfway
		}
		return nil
	})
	switch {
	case err == nil && !fails:
		return after
	case errors.Is(err, errHalfway) && fails:
		return before
	}
	rt.Fatalf("transaction: %v", err)
	return nil
}

var anyState = rapid.SampledFrom([]winnow.State{
	winnow.StateQueued, winnow.StateClosed, winnow.StateEscalated, winnow.StateInReview, winnow.StateLeft,
})

func change(rt *rapid.T, tx *Tx, m model) error {
	e := sample(rapid.IntRange(0, 4).Draw(rt, "alert"))
	id, state := e.Alert.ID, anyState.Draw(rt, "state")
	found, err := tx.Find(e.Alert.Key)
	if err != nil {
		return err
	}
	if (found.ID != "") != (m[id] != nil) {
		return fmt.Errorf("find says %+v for %v", found, m[id])
	}
	m[id] = append(m[id], state)
	if len(m[id]) == 1 {
		return tx.Add(e, recordOf(e, state))
	}
	_, err = tx.Change(recordOf(e, state), Links{})
	return err
}

func compare(rt *rapid.T, t *testing.T, l *Ledger, want model) {
	got := model{}
	err := l.View(t.Context(), func(tx *Tx) error {
		ids, err := tx.IDs()
		if err != nil {
			return err
		}
		for _, id := range ids {
			history, err := tx.History(id)
			if err != nil {
				return err
			}
			now, err := tx.Record(id)
			if err != nil {
				return err
			}
			for _, r := range append(history, now) {
				got[id] = append(got[id], r.Outcome.State)
			}
		}
		return nil
	})
	if err != nil || len(got) != len(want) {
		rt.Fatalf("the ledger holds %v, want %v (%v)", got, want, err)
	}
	for id := range want {
		if !slices.Equal(got[id], want[id]) {
			rt.Fatalf("alert %s went through %v, want %v", id, got[id], want[id])
		}
	}
}
