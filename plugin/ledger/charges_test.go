package ledger

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

// TestChargesAreWhatWasBooked: whatever is booked, the lines of a bill add up to it to the nano-dollar, as the sums by
// day do, and samples are a part of both.
func TestChargesAreWhatWasBooked(t *testing.T) {
	l := openNew(t)
	from := noon.Truncate(24 * time.Hour)
	span := Span{From: from, To: from.AddDate(0, 0, 3)}
	want := map[string]winnow.NanoUSD{}
	rapid.Check(t, func(rt *rapid.T) {
		day, id := rapid.IntRange(-1, 3).Draw(rt, "day"), fmt.Sprint(rapid.IntRange(0, 5).Draw(rt, "alert"))
		c := charge(id, noon.AddDate(0, 0, day), winnow.NanoUSD(rapid.Int64Range(0, 1e12).Draw(rt, "reserve")))
		c.Team, c.Replay = rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "team"), rapid.Bool().Draw(rt, "replay")
		n, price := mustReserve(t, l, c, Limits{}), winnow.NanoUSD(rapid.Int64Range(0, 1e12).Draw(rt, "price"))
		s := Settlement{State: rapid.SampledFrom([]CallState{CallReserved, CallSettled, CallReleased}).Draw(rt, "state"), Price: price}
		booked := c.Reserve
		if s.State != CallReserved {
			if booked = price; s.State == CallReleased {
				booked = 0
			}
			if err := l.Settle(t.Context(), n, s); err != nil {
				rt.Fatal(err)
			}
		}
		if day < 0 || day > 2 {
			return
		}
		want["all"] += booked
		if id < "2" && !c.Replay {
			want["samples of "+c.Team] += booked
		}
	})
	err := l.Update(t.Context(), func(tx *Tx) error { return errors.Join(tx.AddCanary("0", "r", noon), tx.AddCanary("1", "r2", noon)) })
	if err != nil {
		t.Fatal(err)
	}
	got, sums := map[string]winnow.NanoUSD{}, winnow.NanoUSD(0)
	ruled := map[string]winnow.NanoUSD{}
	view(t, l, func(tx *Tx) error {
		return errors.Join(
			tx.Charges(span, func(c *ChargeLine) {
				got["all"] += c.Booked
				if c.Rule != "" && !c.Replay {
					ruled["samples of "+c.Team] += c.Booked
				}
			}),
			tx.SampleSpendings(span, func(s *SampleSpending) { got["samples of "+s.Team] += s.Booked }),
			tx.Spendings(span, func(s *Spending) { sums += s.Booked }))
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("booked (-want +got):\n%s", diff)
	}
	if sums != want["all"] {
		t.Errorf("the sums by day are %d, want %d", sums, want["all"])
	}
	delete(want, "all")
	if diff := cmp.Diff(want, ruled); diff != "" {
		t.Errorf("lines of samples (-want +got):\n%s", diff)
	}
}
