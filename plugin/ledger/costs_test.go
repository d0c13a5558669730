package ledger

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

// tell returns what a sink has not been told of, at most limit, and keeps that it was told, but for those of some.
func tell(t testing.TB, l *Ledger, limit int, refused ...int64) (told []int64) {
	t.Helper()
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	update(t, l, func(tx *Tx) error {
		calls, next, err := tx.UntoldCalls("events", limit)
		if err != nil {
			return err
		}
		for _, c := range calls {
			if c.AlertID == "" || c.State == CallReserved {
				t.Errorf("told of %+v", c)
			}
			told = append(told, c.N)
		}
		for _, n := range refused {
			next.Untold(n)
		}
		return tx.SetCosts("events", next)
	})
	return told
}

func finish(t testing.TB, l *Ledger, n int64, state CallState) {
	t.Helper()
	if err := l.Settle(t.Context(), n, Settlement{State: state, Reason: "ok", Price: 5}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatCallsCostIsToldOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openAt(t, path)
	before := mustReserve(t, l, charge("A", noon, 10), Limits{})
	finish(t, l, before, CallSettled)
	update(t, l, func(tx *Tx) error { return tx.BeginCosts("events") })
	var n [6]int64
	for i := range n {
		n[i] = mustReserve(t, l, charge("A", noon, 10), Limits{})
	}
	finish(t, l, n[0], CallSettled)
	finish(t, l, n[2], CallReleased)
	finish(t, l, n[3], CallUnsettled)
	want := func(got []int64, want ...int64) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("told of %v, want %v", got, want)
		}
	}
	want(tell(t, l, 2), n[0], n[2])
	want(tell(t, l, 9, n[3]), n[3]) // refused
	finish(t, l, n[1], CallSettled)
	want(tell(t, l, 1), n[1])
	update(t, l, func(tx *Tx) error { return tx.BeginCosts("events") }) // as every worker does that starts
	want(tell(t, l, 9), n[3])
	want(tell(t, l, 9))
	if err := l.Close(); err != nil { // with n[4] and n[5] on their way
		t.Fatal(err)
	}
	l = openAt(t, path)
	want(tell(t, l, 9), n[4], n[5])
	want(tell(t, l, 9))
	last := mustReserve(t, l, charge("B", noon.Add(time.Hour), 10), Limits{})
	want(tell(t, l, 9))
	update(t, l, func(tx *Tx) error { return tx.exec("DELETE FROM calls WHERE n = ?", last) }) // past retention
	want(tell(t, l, 9))
	view(t, l, func(tx *Tx) error {
		_, next, err := tx.UntoldCalls("events", 9)
		if err == nil && len(next.Open) > 0 {
			t.Errorf("it waits for %v, which are gone", next.Open)
		}
		return err
	})
}

// TestEveryCallIsToldOnce draws reserves, settlements, sinks that refuse, and workers that die before they note what
// they have told.
func TestEveryCallIsToldOnce(t *testing.T) {
	l := openNew(t)
	rapid.Check(t, func(rt *rapid.T) {
		update(t, l, func(tx *Tx) error { // a sink anew, on the same ledger
			return errors.Join(tx.DropMeta(costMeta("events")), tx.BeginCosts("events"))
		})
		told, made := map[int64]int{}, 0
		var open []int64
		for range rapid.IntRange(1, 15).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0, 1:
				open = append(open, mustReserve(t, l, charge("A", noon, winnow.NanoUSD(made)), Limits{}))
				made++
			case 2:
				if len(open) > 0 {
					i := rapid.IntRange(0, len(open)-1).Draw(rt, "which")
					finish(t, l, open[i], rapid.SampledFrom([]CallState{CallSettled, CallReleased, CallUnsettled}).Draw(rt, "state"))
					open = slices.Delete(open, i, i+1)
				}
			case 3:
				if err := l.Flush(t.Context()); err != nil {
					rt.Fatal(err)
				}
				var calls []Cost
				var next CostCursor
				view(t, l, func(tx *Tx) (err error) {
					calls, next, err = tx.UntoldCalls("events", rapid.IntRange(1, 5).Draw(rt, "limit"))
					return err
				})
				if rapid.IntRange(0, 4).Draw(rt, "dies") == 0 {
					continue // what it told has the same key again
				}
				for _, c := range calls {
					if rapid.IntRange(0, 4).Draw(rt, "refused") == 0 {
						next.Untold(c.N)
						continue
					}
					told[c.N]++
				}
				update(t, l, func(tx *Tx) error { return tx.SetCosts("events", next) })
			}
		}
		for _, n := range open {
			finish(t, l, n, CallSettled)
		}
		for _, n := range tell(t, l, 1000) {
			told[n]++
		}
		if len(told) != made {
			rt.Fatalf("%d of %d calls were told", len(told), made)
		}
		for n, times := range told {
			if times != 1 {
				rt.Fatalf("call %d was told %d times", n, times)
			}
		}
	})
}
