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
	s := newSamples(n.Judged)
	return CloserRate{
		Closer: name, Closes: n.Closes, Sampled: s.all, Judged: s.judged, Unknown: s.unknown, Waiting: s.waiting, Misses: s.misses,
		MissRate: s.rate, Low: s.low, High: s.high,
	}
}

// samples are what people found in a sample of closes.
type samples struct {
	all, judged, unknown, waiting, misses int
	rate                                  *float64 // misses of judged, nil when none was judged
	low, high                             float64
}

func newSamples(found map[ledger.Judgement]int) samples {
	s := samples{misses: found[ledger.JudgedMalicious], unknown: found[ledger.JudgedUnknown]}
	for _, n := range found {
		s.all += n
	}
	s.judged = s.misses + found[ledger.JudgedBenign]
	s.waiting = s.all - s.judged - s.unknown
	s.low, s.high = Interval(s.misses, s.judged)
	if s.judged > 0 {
		rate := float64(s.misses) / float64(s.judged)
		s.rate = &rate
	}
	return s
}
