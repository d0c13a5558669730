package report

import (
	"fmt"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// CloserRate is what one kind of closer closed, and what people who judged a sample of it blind found. A miss is a close
// that a person found to be an attack; the rate is that of the samples whose truth is known.
type CloserRate struct {
	Closer winnow.Source `json:"closer"` // rule, cache, offline or model
	Closes int           `json:"closes"` // alerts of the ledger

	Sampled int `json:"sampled"`
	Judged  int `json:"judged"`  // of these, found benign or an attack
	Unknown int `json:"unknown"` // nobody could tell, or nobody did in time
	Waiting int `json:"waiting"` // for a person
	Misses  int `json:"misses"`

	MissRate *float64 `json:"miss_rate"` // null when none was judged
	Low      float64  `json:"miss_rate_low"`
	High     float64  `json:"miss_rate_high"`
}

// closers in the order of the gates.
var closers = []winnow.Source{winnow.SourceRule, winnow.SourceCache, winnow.SourceOffline, winnow.SourceModel}

// NewClosers reports on every kind of closer, also those that closed nothing.
func NewClosers(t *ledger.Tx) ([]CloserRate, error) {
	counts, err := t.SampleCounts()
	if err != nil {
		return nil, fmt.Errorf("report closers: %w", err)
	}
	out := make([]CloserRate, 0, len(closers))
	for _, name := range closers {
		n := counts[name]
		if n == nil {
			n = &ledger.SampleCount{}
		}
		out = append(out, newCloser(name, n))
	}
	return out, nil
}

func newCloser(name winnow.Source, n *ledger.SampleCount) CloserRate {
	c := CloserRate{Closer: name, Closes: n.Closes, Misses: n.Judged[ledger.JudgedMalicious], Unknown: n.Judged[ledger.JudgedUnknown]}
	for _, k := range n.Judged {
		c.Sampled += k
	}
	c.Judged = c.Misses + n.Judged[ledger.JudgedBenign]
	c.Waiting = c.Sampled - c.Judged - c.Unknown
	c.Low, c.High = Interval(c.Misses, c.Judged)
	if c.Judged > 0 {
		rate := float64(c.Misses) / float64(c.Judged)
		c.MissRate = &rate
	}
	return c
}
