package report

import (
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Basis says what a unit cost rests on.
type Basis string

// The bases, the best first.
const (
	BasisMeasured  Basis = "measured"  // on alerts of the search
	BasisElsewhere Basis = "elsewhere" // on alerts of other searches
	BasisList      Basis = "list"      // list prices and the usual size of a call
	BasisNone      Basis = "none"      // nobody knows: there is no price
)

// Units is what it costs to put one alert of a search to language models.
type Units struct {
	by     map[string]winnow.NanoUSD
	all    winnow.NanoUSD
	alerts int // that it was measured on
	list   func(bytes int64) winnow.NanoUSD
}

// NewUnits measures them on what was booked from since on and before until. list estimates the cost of an alert
// with so much text where nothing was measured; nil: there is no price.
func NewUnits(t *ledger.Tx, since, until time.Time, list func(bytes int64) winnow.NanoUSD) (*Units, error) {
	asked, err := t.AskedAbout(since, until)
	if err != nil {
		return nil, err
	}
	return newUnits(asked, list), nil
}

func newUnits(asked []ledger.Asked, list func(int64) winnow.NanoUSD) *Units {
	u := &Units{by: map[string]winnow.NanoUSD{}, list: list}
	var booked winnow.NanoUSD
	alerts := 0
	for _, a := range asked {
		u.by[a.Search] = a.Booked / winnow.NanoUSD(a.Alerts)
		booked, alerts = booked+a.Booked, alerts+a.Alerts
	}
	if u.alerts = alerts; alerts > 0 {
		u.all = booked / winnow.NanoUSD(alerts)
	}
	return u
}

// Measured reports whether any alert was put to a language model.
func (u *Units) Measured() bool { return len(u.by) > 0 }

// Alerts is how many alerts language models were asked about.
func (u *Units) Alerts() int { return u.alerts }

// Of returns the cost of one alert of a search with so much text.
func (u *Units) Of(search string, bytes int64) (winnow.NanoUSD, Basis) {
	if unit, ok := u.by[search]; ok {
		return unit, BasisMeasured
	}
	switch {
	case len(u.by) > 0:
		return u.all, BasisElsewhere
	case u.list != nil:
		return u.list(bytes), BasisList
	}
	return 0, BasisNone
}

// basis says what most units rest on.
func (u *Units) basis() Basis {
	switch {
	case u.Measured():
		return BasisMeasured
	case u.list != nil:
		return BasisList
	}
	return BasisNone
}
