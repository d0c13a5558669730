package report

import (
	"fmt"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Volume is what so many alerts a day cost: by the flat prices that such sums are usually made with, by what was
// measured here with every alert going to the models, and with winnow.
type Volume struct {
	AlertsADay int          `json:"alerts_a_day"`
	Lines      []VolumeLine `json:"lines"`

	// Flat, Everything and Winnow are dollars a month of 30 days.
	Flat       winnow.NanoUSD `json:"flat_month_nanousd"`
	Everything winnow.NanoUSD `json:"everything_month_nanousd"`
	Winnow     winnow.NanoUSD `json:"winnow_month_nanousd"`

	Asked float64 `json:"asked_share"` // of alerts that go to the analysts with winnow
	Basis Basis   `json:"basis"`       // what the cost of a stage rests on
}

// VolumeLine is one stage.
type VolumeLine struct {
	Stage      string         `json:"stage"`
	Flat       winnow.NanoUSD `json:"flat_nanousd"`       // an alert, as such tables have it; 0: they leave it out
	Unit       winnow.NanoUSD `json:"unit_nanousd"`       // an attempt, as measured
	PerAlert   float64        `json:"attempts_per_asked"` // attempts for an alert that goes to the analysts
	Everything winnow.NanoUSD `json:"everything_day_nanousd"`
	Winnow     winnow.NanoUSD `json:"winnow_day_nanousd"`
}

// FlatPrices are dollars an alert and stage, of a table that is in use for such sums: small model for the look-up,
// large for the verdict. It leaves out whoever writes the case, the panel, and every second try.
var FlatPrices = map[string]winnow.NanoUSD{"enrich": 300_000, "correlate and classify": 6_000_000}

const daysAMonth = 30

// NewVolume fills the table from what was booked in a span. Where nothing was, perStage gives the list price of
// each stage for an alert.
func NewVolume(t *ledger.Tx, s ledger.Span, alertsADay int, perStage map[string]winnow.NanoUSD) (*Volume, error) {
	v := &Volume{AlertsADay: alertsADay, Basis: BasisMeasured}
	all, askedOf := 0, 0
	err := t.Tallies(s, func(y *ledger.Tally) {
		all += y.Alerts
		if asked(y) {
			askedOf += y.Alerts
		}
	})
	if err != nil {
		return nil, fmt.Errorf("report table: %w", err)
	}
	v.Asked = share(askedOf, all)
	stages, err := stageSums(t, s)
	if err != nil {
		return nil, err
	}
	if len(stages) == 0 {
		v.Basis = BasisList
		for name, unit := range perStage {
			stages[name] = stageSum{1, unit}
		}
		askedOf = 1
	}
	if len(stages) == 0 {
		v.Basis = BasisNone
	}
	for _, name := range []string{"enrich", "correlate", "classify", "vote", "coordinate"} {
		if sum, ok := stages[name]; ok {
			v.add(name, sum, askedOf)
		}
	}
	for _, flat := range FlatPrices {
		v.Flat += winnow.NanoUSD(float64(flat) * float64(alertsADay) * daysAMonth)
	}
	return v, nil
}

// stageSum is what the calls of a stage add up to.
type stageSum struct {
	attempts int
	booked   winnow.NanoUSD
}

func stageSums(t *ledger.Tx, s ledger.Span) (map[string]stageSum, error) {
	sums := map[string]stageSum{}
	err := t.Spendings(s, func(c *ledger.Spending) {
		if !c.Replay && c.State != ledger.CallReleased {
			sum := sums[c.Task]
			sums[c.Task] = stageSum{sum.attempts + c.Attempts, sum.booked + c.Booked}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("report table: %w", err)
	}
	return sums, nil
}

func (v *Volume) add(stage string, sum stageSum, asked int) {
	l := VolumeLine{Stage: stage, PerAlert: float64(sum.attempts) / float64(max(asked, 1))}
	if sum.attempts > 0 {
		l.Unit = sum.booked / winnow.NanoUSD(sum.attempts)
	}
	switch stage {
	case "enrich":
		l.Flat = FlatPrices["enrich"]
	case "classify":
		l.Flat = FlatPrices["correlate and classify"]
	}
	each := float64(sum.booked) / float64(max(asked, 1))
	l.Everything = winnow.NanoUSD(each * float64(v.AlertsADay))
	l.Winnow = winnow.NanoUSD(each * float64(v.AlertsADay) * v.Asked)
	v.Everything += winnow.NanoUSD(float64(l.Everything) * daysAMonth)
	v.Winnow += winnow.NanoUSD(float64(l.Winnow) * daysAMonth)
	v.Lines = append(v.Lines, l)
}
