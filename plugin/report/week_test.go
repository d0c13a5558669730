package report

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/teams"
)

var monday = time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)

func weekOf(t *testing.T, l *ledger.Ledger, list func(int64) winnow.NanoUSD) *Week {
	t.Helper()
	var table teams.Table
	if err := table.Parse("teams.csv", strings.NewReader("search,team,cost_centre\nS,identity,CC-1\n")); err != nil {
		t.Fatal(err)
	}
	var w *Week
	err := l.View(t.Context(), func(tx *ledger.Tx) error {
		units, err := SearchUnits(tx, ledger.Span{From: monday, To: monday.AddDate(0, 0, 7)}, list)
		if err == nil {
			w, err = NewWeek(tx, &table, units, monday)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func booked(t testing.TB, l *ledger.Ledger, c ledger.Charge, price winnow.NanoUSD) {
	t.Helper()
	c.Model, c.Attempt, c.Reserve, c.SHA256 = "m", 1, price, "ab"
	n, err := l.Reserve(t.Context(), c, ledger.Limits{})
	if err == nil {
		err = l.Settle(t.Context(), n, ledger.Settlement{State: ledger.CallSettled, Price: price})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAWeekTellsWhoPaid(t *testing.T) {
	l := newLedger(t) // one alert of every kind on a Friday, of no team: one closed by a rule, one from the cache
	friday := noon
	booked(t, l, ledger.Charge{AlertID: "04", Search: "S", Team: "identity", Task: "classify", At: friday}, 5_000_001)
	booked(t, l, ledger.Charge{AlertID: "04", Search: "S", Team: "identity", Task: "vote", Agent: "network", At: friday}, 2)
	booked(t, l, ledger.Charge{AlertID: "01", Search: "S", Task: "classify", At: friday}, 300)
	booked(t, l, ledger.Charge{AlertID: "01", Search: "S", Task: "vote", At: friday}, 40)
	booked(t, l, ledger.Charge{AlertID: "07", Search: "S", Task: "vote", At: friday}, 7000)
	booked(t, l, ledger.Charge{AlertID: "07", Search: "S", Team: "identity", Task: "classify", Replay: true, At: friday}, 60_000)
	booked(t, l, ledger.Charge{AlertID: "07", Search: "S", Team: "identity", Task: "classify", At: monday.AddDate(0, 0, 7)}, 1_000_000_000)
	if err := l.Update(t.Context(), func(tx *ledger.Tx) error { return tx.AddCanary("01", "r", friday) }); err != nil {
		t.Fatal(err)
	}
	got := weekOf(t, l, nil)
	unit := winnow.NanoUSD((5_000_001 + 2 + 300 + 40 + 7000) / 8)
	saved := 3 * unit
	want := &Week{
		Week: "2026-W47", From: "2026-11-16", To: "2026-11-22", Zone: "UTC", Basis: BasisMeasured, Alerts: 14, Paid: 5_067_343, Saved: &saved,
		Teams: []TeamWeek{
			{Team: "identity", Centre: "CC-1", Calls: 2, Paid: 5_000_003, Saved: new(winnow.NanoUSD)},
			{Team: "unassigned", Alerts: 14, Rules: 1, Cached: 1, Joined: 1, Asked: 8, Saved: &saved},
		},
		Shared: []SharedWeek{{SharedSamples, 2, 340}, {SharedReplays, 1, 60_000}, {SharedPanel, 1, 7000}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("week (-want +got):\n%s", diff)
	}
}

func TestAWeekWithoutAPriceSavesNobodyKnowsWhat(t *testing.T) {
	l := newLedger(t)
	if w := weekOf(t, l, nil); w.Saved != nil || w.Basis != BasisNone || w.Teams[0].Saved != nil {
		t.Errorf("week %+v", w)
	}
	w := weekOf(t, l, func(int64) winnow.NanoUSD { return 7 })
	if w.Saved == nil || *w.Saved != 21 || w.Basis != BasisList {
		t.Errorf("week %+v", w)
	}
}

// TestTeamSumsAreTheTotal: whatever is booked for whom, the lines of a week add up to it to the nano-dollar, and none
// is below zero.
func TestTeamSumsAreTheTotal(t *testing.T) {
	l := newLedger(t)
	var want winnow.NanoUSD
	samples := map[int]bool{}
	rapid.Check(t, func(rt *rapid.T) {
		alert := rapid.IntRange(0, 13).Draw(rt, "alert")
		c := ledger.Charge{
			AlertID: fmt.Sprintf("%02d", alert), Search: "S", Team: rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(rt, "team"),
			Task: rapid.SampledFrom([]string{"classify", "vote"}).Draw(rt, "task"), Replay: rapid.Bool().Draw(rt, "replay"),
			At: monday.Add(time.Duration(rapid.Int64Range(0, int64(8*24*time.Hour)).Draw(rt, "at"))),
		}
		price := winnow.NanoUSD(rapid.Int64Range(0, 1e15).Draw(rt, "price"))
		booked(t, l, c, price)
		if c.At.Before(monday.AddDate(0, 0, 7)) {
			want += price
		}
		samples[alert] = rapid.Bool().Draw(rt, "sample")
	})
	err := l.Update(t.Context(), func(tx *ledger.Tx) (err error) {
		for alert, is := range samples {
			if is {
				err = errors.Join(err, tx.AddCanary(fmt.Sprintf("%02d", alert), "r", noon))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w := weekOf(t, l, nil)
	var sum winnow.NanoUSD
	for _, team := range w.Teams {
		if sum += team.Paid; team.Paid < 0 || team.Calls < 0 {
			t.Errorf("%s paid %d for %d calls", team.Team, team.Paid, team.Calls)
		}
	}
	for _, s := range w.Shared {
		if sum += s.Paid; s.Paid < 0 || s.Calls < 0 {
			t.Errorf("%s paid %d for %d calls", s.Name, s.Paid, s.Calls)
		}
	}
	if sum != want || w.Paid != want {
		t.Errorf("the lines add up to %d, in all %d, booked was %d", sum, w.Paid, want)
	}
}
