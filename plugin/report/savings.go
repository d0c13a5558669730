package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Savings is what rules, the cache and open cases saved: alerts that nobody was asked about, at what it costs
// to ask about an alert of their search, less what their samples cost.
type Savings struct {
	Lines []Saving       `json:"lines"`
	Saved winnow.NanoUSD `json:"saved_nanousd"` // the sum of saved
	Would winnow.NanoUSD `json:"would_nanousd"` // the sum of what would have been, in shadow and assist
	Spent winnow.NanoUSD `json:"canary_nanousd"`
	Net   winnow.NanoUSD `json:"net_nanousd"` // saved less canary
	Basis Basis          `json:"basis"`       // the weakest that a line with alerts rests on

	// Entries are cached verdicts that answered for most alerts, see [Savings.AddEntries]. What they saved is in
	// the lines.
	Entries []Saving `json:"entries,omitempty"`
}

// Saving is the part of one rule, of the cache for one search, or of the open cases of one search.
type Saving struct {
	Kind     string         `json:"kind"` // rule, cache, case, entry
	Name     string         `json:"name"` // of the rule, or of the search
	Alerts   int            `json:"alerts"`
	Would    int            `json:"would_alerts"` // in shadow and assist
	Saved    winnow.NanoUSD `json:"saved_nanousd"`
	WouldUSD winnow.NanoUSD `json:"would_nanousd"`
	Canaries int            `json:"canaries"`
	Canary   winnow.NanoUSD `json:"canary_nanousd"` // what its canaries cost
	Net      winnow.NanoUSD `json:"net_nanousd"`
	Basis    Basis          `json:"basis"`
}

// The kinds of savings.
const (
	SavedByRule  = "rule"
	SavedByCache = "cache"
	SavedByCase  = "case"
	SavedByEntry = "entry" // the name is the alert that the cached verdict was made for
)

// SearchUnits measures what an alert of each search costs that goes to the analysts: what was booked for the
// search in the span, by the alerts that nothing cheaper settled. list is as in [NewUnits].
func SearchUnits(t *ledger.Tx, s ledger.Span, list func(bytes int64) winnow.NanoUSD) (*Units, error) {
	by := map[string]*ledger.Asked{}
	err := t.Tallies(s, func(y *ledger.Tally) {
		if !asked(y) {
			return
		}
		a := by[y.SearchName]
		if a == nil {
			a = &ledger.Asked{Search: y.SearchName}
			by[y.SearchName] = a
		}
		a.Alerts += y.Alerts
	})
	if err != nil {
		return nil, err
	}
	booked := map[string]winnow.NanoUSD{}
	err = t.Spendings(s, func(c *ledger.Spending) {
		if !c.Replay {
			booked[c.Search] += c.Booked
		}
	})
	if err != nil {
		return nil, err
	}
	var measured []ledger.Asked
	var all winnow.NanoUSD
	for search, a := range by {
		a.Booked = booked[search]
		all += a.Booked
		if a.Alerts > 0 { // nothing booked is measured too: analysts that cost nothing settled them
			measured = append(measured, *a)
		}
	}
	if all == 0 {
		measured = nil
	}
	return newUnits(measured, list), nil
}

// NewSavings adds up what was saved in a span.
func NewSavings(t *ledger.Tx, s ledger.Span, units *Units) (*Savings, error) {
	lines := map[[2]string]*Saving{}
	line := func(kind, name string) *Saving {
		key := [2]string{kind, name}
		if lines[key] == nil {
			lines[key] = &Saving{Kind: kind, Name: name, Basis: BasisMeasured}
		}
		return lines[key]
	}
	err := t.Tallies(s, func(y *ledger.Tally) {
		if y.Alerts <= 0 {
			return
		}
		if y.Reason == winnow.ReasonCanary && y.Rule != "" && y.Proposal != winnow.ProposeEscalate {
			l := line(SavedByRule, y.Rule)
			l.Canaries += y.Alerts
			l.Canary += winnow.NanoUSD(y.MicroUSD) * 1000
			return
		}
		kind, name := savedBy(y)
		if kind == "" {
			return
		}
		line(kind, name).count(y, units)
	})
	if err != nil {
		return nil, fmt.Errorf("report savings: %w", err)
	}
	out := &Savings{Lines: []Saving{}, Basis: BasisMeasured}
	for _, l := range lines {
		l.Net = l.Saved - l.Canary
		out.Lines = append(out.Lines, *l)
		out.Saved, out.Would, out.Spent, out.Net = out.Saved+l.Saved, out.Would+l.WouldUSD, out.Spent+l.Canary, out.Net+l.Net
		out.Basis = weaker(out.Basis, l.Basis)
	}
	slices.SortFunc(out.Lines, func(a, b Saving) int {
		return cmp.Or(cmp.Compare(b.Net+b.WouldUSD, a.Net+a.WouldUSD), cmp.Compare(b.Alerts+b.Would, a.Alerts+a.Would),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// savedBy says what kept an alert from the analysts, "" for nothing.
func savedBy(y *ledger.Tally) (kind, name string) {
	state := y.State
	if state == winnow.StateLeft {
		state = y.Would
	}
	switch {
	case asked(y):
		return "", ""
	case y.Reason == winnow.ReasonOpenCase:
		return SavedByCase, y.SearchName
	case state != winnow.StateClosed:
		return "", ""
	case y.Source == winnow.SourceRule:
		return SavedByRule, y.Rule
	case y.Source == winnow.SourceCache:
		return SavedByCache, y.SearchName
	}
	return "", ""
}

func (l *Saving) count(y *ledger.Tally, units *Units) {
	unit, basis := units.Of(y.SearchName, y.Bytes/int64(y.Alerts))
	l.Basis = weaker(l.Basis, basis)
	amount := unit * winnow.NanoUSD(y.Alerts)
	if y.State == winnow.StateLeft {
		l.Would, l.WouldUSD = l.Would+y.Alerts, l.WouldUSD+amount
		return
	}
	l.Alerts, l.Saved = l.Alerts+y.Alerts, l.Saved+amount
}

var basisOrder = []Basis{BasisMeasured, BasisElsewhere, BasisList, BasisNone}

// weaker returns the basis that promises less.
func weaker(a, b Basis) Basis {
	if slices.Index(basisOrder, a) > slices.Index(basisOrder, b) {
		return a
	}
	return b
}

// AddEntries names the cached verdicts that answered for most alerts, up to n of them. It reads every alert of the
// span that a cached verdict closed, unlike the rest of the report.
func (v *Savings) AddEntries(t *ledger.Tx, s ledger.Span, units *Units, n int) error {
	hits, err := t.CacheHits(s, n)
	if err != nil {
		return fmt.Errorf("report savings: %w", err)
	}
	v.Entries = []Saving{}
	for _, h := range hits {
		unit, basis := units.Of(h.SearchName, h.Bytes/int64(max(h.Alerts, 1)))
		amount := unit * winnow.NanoUSD(h.Alerts)
		v.Entries = append(v.Entries, Saving{
			Kind: SavedByEntry, Name: h.ID + " " + h.SearchName, Alerts: h.Alerts, Saved: amount, Net: amount, Basis: basis,
		})
	}
	return nil
}
