package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Bill says of every detection, which is a search, what it cost, how much of it was noise, and what one true
// positive cost.
type Bill struct {
	Detections []Detection    `json:"detections"` // the one to mend first is the first
	Paid       winnow.NanoUSD `json:"paid_nanousd"`
	Minutes    int            `json:"minutes"`        // that a person spends on one alert: an assumption
	Hourly     winnow.NanoUSD `json:"hourly_nanousd"` // what an hour of a person costs: an assumption
}

// Detection is one line of the bill.
type Detection struct {
	Search string `json:"search_name"`
	Team   string `json:"team"`
	Alerts int    `json:"alerts"`
	Asked  int    `json:"asked"`  // went to the analysts
	People int    `json:"people"` // were brought before a person: in review, escalated, or decided by one

	// What people said, and what winnow believes of those of which they said nothing.
	TruePositive  int `json:"true_positives"`
	FalsePositive int `json:"false_positives"` // benign positives too: nobody had to act
	BelievedTrue  int `json:"believed_true"`
	BelievedFalse int `json:"believed_false"`
	Undetermined  int `json:"undetermined"`

	Paid      winnow.NanoUSD `json:"paid_nanousd"`
	PeopleUSD winnow.NanoUSD `json:"people_nanousd"` // the time of people, at the assumptions
	Share     float64        `json:"false_share"`    // of alerts of which something is said or believed, 0 to 1
	Judged    bool           `json:"judged"`         // the share rests on what people said alone

	// PerTrue is what one true positive cost in all, 0 where there is none.
	PerTrue winnow.NanoUSD `json:"per_true_positive_nanousd"`

	// Noise is the part of both that went into alerts that nobody says or believes to be attacks. It is what
	// detections are ordered by.
	Noise winnow.NanoUSD `json:"noise_nanousd"`

	looks int            // alerts that people had to look at and that were no attack
	spent winnow.NanoUSD // what was booked for alerts, attacks or not
	real  winnow.NanoUSD // part of it for attacks
}

// BillOptions are the assumptions of a bill about people.
type BillOptions struct {
	Minutes int            // that a person spends on one alert
	Hourly  winnow.NanoUSD // what an hour of theirs costs
}

// enoughJudged is from how many alerts on that people have judged their word alone makes the share.
const enoughJudged = 10

// NewBill makes the bill of a span. Alerts count in it by when they were received, calls by when they were
// booked; replays are no detection's.
func NewBill(t *ledger.Tx, s ledger.Span, o BillOptions) (*Bill, error) {
	lines := map[string]*Detection{}
	line := func(search string) *Detection {
		if lines[search] == nil {
			lines[search] = &Detection{Search: search}
		}
		return lines[search]
	}
	err := t.Tallies(s, func(y *ledger.Tally) { line(y.SearchName).count(y) })
	if err == nil {
		err = t.Spendings(s, func(c *ledger.Spending) {
			if !c.Replay {
				line(c.Search).Paid += c.Booked
			}
		})
	}
	if err != nil {
		return nil, fmt.Errorf("report bill: %w", err)
	}
	b := &Bill{Detections: []Detection{}, Minutes: o.Minutes, Hourly: o.Hourly}
	for _, d := range lines {
		d.finish(o)
		b.Paid += d.Paid
		b.Detections = append(b.Detections, *d)
	}
	slices.SortFunc(b.Detections, func(x, y Detection) int {
		return cmp.Or(cmp.Compare(y.Noise, x.Noise), cmp.Compare(y.Paid, x.Paid), cmp.Compare(y.Alerts, x.Alerts), cmp.Compare(x.Search, y.Search))
	})
	return b, nil
}

func (d *Detection) count(y *ledger.Tally) {
	d.Alerts += y.Alerts
	if y.Team != "" {
		d.Team = y.Team
	}
	if asked(y) {
		d.Asked += y.Alerts
	}
	state := y.State
	if state == winnow.StateLeft {
		state = y.Would
	}
	person, attack := y.Source == winnow.SourcePerson, y.Disposition == winnow.TruePositive
	if person || state == winnow.StateInReview || state == winnow.StateEscalated {
		d.People += y.Alerts
		if !attack {
			d.looks += y.Alerts
		}
	}
	d.spent += winnow.NanoUSD(y.MicroUSD) * 1000
	if attack {
		d.real += winnow.NanoUSD(y.MicroUSD) * 1000
	}
	switch {
	case person && attack:
		d.TruePositive += y.Alerts
	case person && y.Disposition.Benign():
		d.FalsePositive += y.Alerts
	case attack:
		d.BelievedTrue += y.Alerts
	case y.Disposition.Benign():
		d.BelievedFalse += y.Alerts
	default:
		d.Undetermined += y.Alerts
	}
}

func (d *Detection) finish(o BillOptions) {
	is, not := d.TruePositive, d.FalsePositive
	if d.Judged = is+not >= enoughJudged; !d.Judged {
		is, not = is+d.BelievedTrue, not+d.BelievedFalse
	}
	if is+not > 0 {
		d.Share = float64(not) / float64(is+not)
	}
	look := o.Hourly / 60 * winnow.NanoUSD(o.Minutes)
	d.PeopleUSD = look * winnow.NanoUSD(d.People)
	if is > 0 {
		d.PerTrue = (d.Paid + d.PeopleUSD) / winnow.NanoUSD(is)
	}
	d.Noise = look*winnow.NanoUSD(d.looks) + d.Paid
	if d.spent > 0 { // calls of an alert may be of another span than the alert
		d.Noise -= winnow.NanoUSD(float64(d.Paid) * float64(d.real) / float64(d.spent))
	}
}
