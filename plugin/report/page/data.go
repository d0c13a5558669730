// Package page draws the report as one HTML file that can be mailed: no script, nothing from elsewhere, charts as
// inline SVG. Text from alerts reaches it through html/template alone.
package page

import (
	"time"

	"github.com/winnow-soc/winnow"
)

// Data is what the page tells. Times are UTC, and what it says is booked is to the nano-dollar.
type Data struct {
	Version string    // of winnow
	Made    time.Time // when the page was made
	From    time.Time // the first day
	To      time.Time // the day after the last

	Alerts int // that came in
	Asked  int // of these, those that nothing cheaper than an analyst settled

	Paid      winnow.NanoUSD // booked for calls
	Uncertain winnow.NanoUSD // its part for calls whose usage nobody knows, at their worst case
	Unpriced  int            // calls without a price: not in Paid
	Saved     *winnow.NanoUSD
	WouldSave *winnow.NanoUSD // in shadow and assist
	SavedHow  string          // in a few words, how both were estimated
	Shadow    bool            // nothing was saved, and Rules tells what would have been

	Series []string // names of the parts of a day, in the order in which they are stacked
	Days   []Day    // every day from From to To
	Month  *Month   // the month in which To lies; nil: no forecast
	Splits []Split  // where the money went

	Rules      []Saving
	Detections []Detection // the one to be fixed first comes first
	PeopleHow  string      // what is assumed of people, in a sentence
	Funnel     []Step
	Would      []Step // of what was left as it was
	Closers    []Closer
	Teams      []Team
}

// Day is what was booked on one day, in the order of Data.Series.
type Day struct {
	At    time.Time
	Parts []winnow.NanoUSD
}

// Month is the month so far, and what is to be expected of it.
type Month struct {
	At     time.Time        // its first day
	Spent  []winnow.NanoUSD // of each day of it so far
	Budget *winnow.NanoUSD  // [budget] month; nil: no limit

	// Forecast for its end, which is between Low and High in nine of ten months; nil when too little is known.
	Forecast *Forecast
}

// Forecast is an amount that is not known yet.
type Forecast struct{ Low, Middle, High winnow.NanoUSD }

// Split is where the money went by one thing, the dearest first.
type Split struct {
	Name  string // like "search"
	Note  string // what is to be known of it, "" for nothing
	Lines []Line
}

// Line is one row of a split.
type Line struct {
	Name   string
	Alerts int // 0: not told
	Paid   winnow.NanoUSD
}

// Saving is what an allow-list rule or the cache kept from the models.
type Saving struct {
	Name    string
	Drops   int
	Saved   *winnow.NanoUSD // estimated; nil: no unit cost is known
	Samples winnow.NanoUSD  // booked for drops that were triaged all the same
	Net     *winnow.NanoUSD
}

// Detection is the bill of one search.
type Detection struct {
	Name   string
	Alerts int
	Paid   winnow.NanoUSD

	People winnow.NanoUSD // what the time of people cost who looked: an assumption
	Noise  winnow.NanoUSD // of both, what went into alerts that were no attack

	Judged    int     // alerts whose truth a person knows
	False     int     // of these, those that were no attack
	Low, High float64 // 95 % interval of their share
	Believed  bool    // too few are judged: Share and True are what winnow believes
	Known     bool    // something is said or believed
	Share     float64 // of false positives
	True      int
	PerTrue   *winnow.NanoUSD // what a true positive cost, with people; nil: there is none yet
}

// Step is one row of the funnel.
type Step struct {
	Name   string
	Alerts int
	Share  float64
}

// Closer is something that closes alerts, and what is known of its misses.
type Closer struct {
	Name    string
	Closed  int
	Judged  int
	Misses  int
	Outside int // misses found without a sample: not in the rate

	Low, High float64 // 95 % interval of the miss rate
}

// Team is what one team's searches cost.
type Team struct {
	Name, CostCentre string
	Alerts           int
	Paid             winnow.NanoUSD
	Shared           bool // a line of its own for what no team ordered
}
