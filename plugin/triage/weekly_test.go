package triage

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/plugin/ledger"
)

// weekRig is a worker that reports weeks to one sink, and what the sink took.
func weekRig(t *testing.T) (*rig, *Worker, *sink) {
	t.Helper()
	r := newRig(t, "report.weekly=bill", "sink:bill.type=file", "sink:bill.path=bill.ndjson", "sink:bill.states=queued")
	bill := &sink{name: "bill"}
	w := r.worker(bill)
	w.Weekly = func(_ *ledger.Tx, monday time.Time) (json.RawMessage, error) {
		return json.Marshal(map[string]string{"week": WeekName(monday)})
	}
	return r, w, bill
}

func weeksOf(s *sink) (out []string) {
	for _, d := range s.took {
		if d.Report != nil {
			out = append(out, d.Key+" "+string(d.Report.Body))
		}
	}
	return out
}

func TestAWeekIsReportedOnceWhenItIsOver(t *testing.T) {
	r, w, bill := weekRig(t)
	r.ok(w.takeOver(t.Context()))
	turns := func(at time.Time, want ...string) {
		t.Helper()
		r.at = at
		r.update(func(tx *ledger.Tx) error { return trustClock(tx, at) })
		for range 3 {
			_, err := w.Turn(t.Context())
			r.ok(err)
			r.at = r.at.Add(weeklyEvery)
		}
		if diff := cmp.Diff(want, weeksOf(bill)); diff != "" {
			t.Errorf("%s: told (-want +got):\n%s", at, diff)
		}
	}
	monday := time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC) // the first after start
	w9, w10, w11, w12 := `weekly/2026-W09/bill {"week":"2026-W09"}`, `weekly/2026-W10/bill {"week":"2026-W10"}`,
		`weekly/2026-W11/bill {"week":"2026-W11"}`, `weekly/2026-W12/bill {"week":"2026-W12"}`
	turns(start, w9)
	turns(monday.Add(-time.Minute), w9)
	turns(monday.Add(weekSettles/2), w9)
	turns(monday.Add(weekSettles), w9, w10)
	turns(monday.Add(50*time.Hour), w9, w10)

	// a worker that comes back after two weeks makes up for them, and another after it has nothing to say
	r.restart()
	later := r.worker(bill)
	later.Weekly = w.Weekly
	r.at = monday.AddDate(0, 0, 15)
	r.ok(later.takeOver(t.Context()))
	w = later
	turns(r.at, w9, w10, w11, w12)

	// somebody asks for one again
	r.update(func(tx *ledger.Tx) error {
		n, err := r.engine.PostWeek(tx, w.Weekly, monday, "asked-1")
		if n != 1 {
			t.Errorf("posted to %d sinks", n)
		}
		return err
	})
	turns(r.at.Add(time.Hour), w9, w10, w11, w12, `weekly/2026-W11/bill/asked-1 {"week":"2026-W11"}`)
}

// TestAWeekIsDeliveredUntilItIsTaken: a sink that fails gets the same again under the same key, and one that was told
// of weeks to come goes on where it should.
func TestAWeekIsDeliveredUntilItIsTaken(t *testing.T) {
	r, w, bill := weekRig(t)
	r.ok(w.takeOver(t.Context()))
	tries := 0
	bill.fail = func(d ledger.Delivery) error {
		if d.Report == nil || d.Kind != ledger.DeliverEvent || !d.Record.Outcome.Time.Equal(start) {
			t.Errorf("delivery is %+v", d)
		}
		if tries++; tries < 3 {
			return errors.New("down")
		}
		return nil
	}
	for range 4 {
		_, err := w.Turn(t.Context())
		r.ok(err)
		r.at = r.at.Add(time.Hour)
	}
	want := []string{`weekly/2026-W09/bill {"week":"2026-W09"}`}
	if got := weeksOf(bill); tries != 3 || !slices.Equal(got, want) {
		t.Errorf("%d tries, told %v", tries, got)
	}
	bill.fail = nil
	r.update(func(tx *ledger.Tx) error { return tx.SetMeta("weekly/bill", "2031-01-06") })
	for range 3 {
		_, err := w.Turn(t.Context())
		r.ok(err)
		r.at = r.at.Add(time.Hour)
	}
	if got := weeksOf(bill); !slices.Equal(got, want) {
		t.Errorf("told %v", got)
	}
	r.view(func(tx *ledger.Tx) error {
		last, err := tx.Meta("weekly/bill")
		if last != "2026-02-23" {
			t.Errorf("the last week is %s", last)
		}
		return err
	})
}

// TestAClockInDoubtReportsNoWeeks: one that was set forward by mistake tells of none that are still to come.
func TestAClockInDoubtReportsNoWeeks(t *testing.T) {
	r, w, bill := weekRig(t)
	r.ok(w.takeOver(t.Context()))
	for range 3 {
		_, err := w.Turn(t.Context())
		r.ok(err)
		r.at = r.at.AddDate(1, 0, 0)
	}
	if got := weeksOf(bill); len(got) != 1 {
		t.Errorf("told %v", got)
	}
}

func TestAReportThatCannotBeMadeIsTriedAgain(t *testing.T) {
	r, w, bill := weekRig(t)
	r.ok(w.takeOver(t.Context()))
	makes := w.Weekly
	w.Weekly = func(*ledger.Tx, time.Time) (json.RawMessage, error) { return nil, errors.New("teams.csv is broken") }
	if _, err := w.Turn(t.Context()); err == nil || len(bill.took) > 0 {
		t.Errorf("%v, told %v", err, weeksOf(bill))
	}
	w.Weekly = makes
	r.at = r.at.Add(weeklyEvery)
	for range 2 {
		_, err := w.Turn(t.Context())
		r.ok(err)
	}
	if len(weeksOf(bill)) != 1 {
		t.Errorf("told %v", weeksOf(bill))
	}
}

func TestWeeksAreNamedAsISO8601Does(t *testing.T) {
	for day, want := range map[string]string{"2026-01-01": "2026-W01", "2027-01-01": "2026-W53", "2026-11-23": "2026-W48", "2026-11-22": "2026-W47"} {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		m := Monday(at.Add(23 * time.Hour))
		if got := WeekName(m); got != want || m.Weekday() != time.Monday || at.Sub(m) < 0 || at.Sub(m) >= week {
			t.Errorf("%s is in %s, from %s", day, got, m)
		}
	}
}
