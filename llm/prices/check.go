package prices

import (
	"fmt"
	"time"
)

// Finding is something about a price list that people should look at.
type Finding struct {
	File    string
	Line    int
	Model   string
	Message string
}

// What prices of a million tokens are hardly ever beyond: who is beyond them has mistaken the unit.
const (
	lowRate  Rate = 1e6    // 0.001 dollars
	highRate Rate = 1000e9 // 1,000 dollars
)

// Suspicious returns what is hardly right about the prices of a table, in its order.
func (t *Table) Suspicious() []Finding {
	var out []Finding
	for _, p := range t.All() {
		for _, odd := range p.odd() {
			out = append(out, Finding{p.File, p.Line, p.Model, odd})
		}
	}
	return out
}

func (p Price) odd() []string {
	out := p.Rates.odd()
	for _, t := range p.Tiers {
		if t.Rates.Input < p.Rates.Input || t.Rates.Output < p.Rates.Output {
			out = append(out, fmt.Sprintf("calls with more than %d tokens of input cost less than smaller ones", t.Above))
		}
	}
	for _, name := range p.Multipliers.Names() {
		m := p.Multipliers[name]
		switch {
		case m > one && (name == TierBatch || name == TierFlex):
			out = append(out, fmt.Sprintf("%s costs %s times the price, which is no discount", name, m))
		case m < one && name == TierPriority:
			out = append(out, fmt.Sprintf("%s costs %s times the price, which is a discount", name, m))
		}
	}
	return out
}

func (r Rates) odd() (out []string) {
	switch {
	case r.Input == 0 && r.Output == 0:
		return nil // a model of one's own
	case r.Output < r.Input:
		out = append(out, fmt.Sprintf("output (%s) costs less than input (%s): are they the wrong way round?", r.Output, r.Input))
	case r.Input == 0:
		out = append(out, "input costs nothing, and output does")
	}
	if r.Cached > r.Input {
		out = append(out, fmt.Sprintf("cached input (%s) costs more than input (%s)", r.Cached, r.Input))
	}
	if r.Input > 0 && r.Input < lowRate {
		out = append(out, fmt.Sprintf("input costs %s dollars for a million tokens: is that the price of one token, or of a thousand?", r.Input))
	}
	if r.Output > highRate {
		out = append(out, fmt.Sprintf("output costs %s dollars for a million tokens: is that in cents?", r.Output))
	}
	return out
}

// Age returns how long ago the month of the list was over; ok is false when it does not say its month.
func (t *Table) Age(now time.Time) (age time.Duration, ok bool) {
	month, err := time.Parse("2006-01", t.Month)
	if err != nil {
		return 0, false
	}
	return max(now.Sub(month.AddDate(0, 1, 0)), 0), true
}
