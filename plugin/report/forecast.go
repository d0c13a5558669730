package report

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Forecast says what a month will have cost at its end.
type Forecast struct {
	Month string         `json:"month"` // of UTC, like 2026-11
	Spent winnow.NanoUSD `json:"spent_nanousd"`
	End   winnow.NanoUSD `json:"end_nanousd"`  // the middle of what it may come to
	Low   winnow.NanoUSD `json:"low_nanousd"`  // nine of ten months end between low and high,
	High  winnow.NanoUSD `json:"high_nanousd"` // if days go on as they were
	Days  int            `json:"days"`         // whole days that it rests on
	Left  float64        `json:"days_left"`
}

// What a forecast rests on.
const (
	forecastDays  = 56 // whole days before today at most: eight weeks
	forecastLeast = 7  // with fewer there is none
	forecastDraws = 2000
)

// NewForecast draws the days that are left of the month from the days before today, weekdays from weekdays and
// days of the weekend from those, many times, and says where the sums lie: the bootstrap of Efron (1979). The same
// ledger at the same time gives the same figures. ok is false where fewer than seven whole days are known.
func NewForecast(t *ledger.Tx, now time.Time) (f Forecast, ok bool, err error) {
	now = now.UTC()
	today := now.Truncate(24 * time.Hour)
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	end := month.AddDate(0, 1, 0)
	f.Month, f.Left = month.Format("2006-01"), end.Sub(now).Hours()/24
	if f.Spent, err = t.Spent(month, end); err != nil {
		return f, false, fmt.Errorf("forecast: %w", err)
	}
	first, err := t.FirstSpent()
	if err != nil || first.IsZero() {
		return f, false, err
	}
	from := today.AddDate(0, 0, -forecastDays)
	if first.After(from) {
		from = first
	}
	var days, weekend []winnow.NanoUSD
	for day := from; day.Before(today); day = day.AddDate(0, 0, 1) {
		n, err := t.Spent(day, day.AddDate(0, 0, 1))
		if err != nil {
			return f, false, fmt.Errorf("forecast: %w", err)
		}
		if restDay(day) {
			weekend = append(weekend, n)
		} else {
			days = append(days, n)
		}
	}
	if f.Days = len(days) + len(weekend); f.Days < forecastLeast {
		return f, false, nil
	}
	f.draw(now, end, days, weekend)
	return f, true, nil
}

func restDay(day time.Time) bool {
	return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday
}

// draw fills in the end of the month.
func (f *Forecast) draw(now, end time.Time, days, weekend []winnow.NanoUSD) {
	if len(weekend) == 0 {
		weekend = days
	}
	rng := rand.New(rand.NewPCG(1, uint64(now.Unix()/86400))) //nolint:gosec // draws, no secret
	sums := make([]winnow.NanoUSD, forecastDraws)
	for i := range sums {
		sum := f.Spent
		for at := now; at.Before(end); {
			next := at.Truncate(24*time.Hour).AddDate(0, 0, 1)
			from := days
			if restDay(at) {
				from = weekend
			}
			part := next.Sub(at).Hours() / 24
			sum += winnow.NanoUSD(part * float64(from[rng.IntN(len(from))]))
			at = next
		}
		sums[i] = sum
	}
	slices.Sort(sums)
	f.Low, f.End, f.High = sums[forecastDraws/20], sums[forecastDraws/2], sums[forecastDraws-1-forecastDraws/20]
}
