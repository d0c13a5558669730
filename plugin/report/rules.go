package report

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Known is what rule files and suspensions say of a rule.
type Known struct {
	Mode  string // as written: enforce or shadow
	Owner string

	Suspended time.Time // since when it is out of force; zero: it is not
	By, Why   string
}

// Rule is what a rule did and what is known of its misses. A miss is a drop that a person found to
// be an attack; the rate is that of the canaries whose truth is known.
type Rule struct {
	ID    string `json:"rule"`
	Mode  string `json:"mode"` // enforce, shadow, suspended, or gone: no file has it
	Owner string `json:"owner"`

	Drops int `json:"drops"` // alerts closed by it
	Gone  int `json:"drops_past_retention"`
	Would int `json:"would_drop"` // alerts it would have closed, where nothing is enforced

	Canaries int `json:"canaries"`
	Judged   int `json:"judged"`  // of these, found benign or an attack
	Unknown  int `json:"unknown"` // the analysts could not tell
	Waiting  int `json:"waiting"` // for triage or a person
	Misses   int `json:"misses"`

	MissRate *float64 `json:"miss_rate"` // null when none was judged
	Low      float64  `json:"miss_rate_low"`
	High     float64  `json:"miss_rate_high"`

	Outside  int `json:"misses_outside_sample"` // found without a canary: not in the rate
	Reverted int `json:"misses_reverted"`       // confirmations that a person took back

	Suspended *time.Time `json:"suspended_since"` // null: it is in force
	By        string     `json:"suspended_by"`
	Why       string     `json:"suspended_why"`
}

// NewRules reports on every rule of the files, of the suspensions and of the ledger, by name.
func NewRules(t *ledger.Tx, known map[string]Known) ([]Rule, error) {
	counts, err := t.RuleCounts()
	if err != nil {
		return nil, fmt.Errorf("report rules: %w", err)
	}
	names := maps.Clone(counts)
	for id := range known {
		if names[id] == nil {
			names[id] = &ledger.RuleCount{}
		}
	}
	out := make([]Rule, 0, len(names))
	for _, id := range slices.Sorted(maps.Keys(names)) {
		k, found := known[id]
		if !found {
			k.Mode = "gone"
		}
		out = append(out, newRule(id, k, names[id]))
	}
	return out, nil
}

func newRule(id string, k Known, c *ledger.RuleCount) Rule {
	s := newSamples(c.Canaries)
	r := Rule{
		ID: id, Mode: k.Mode, Owner: k.Owner, Drops: c.Drops, Gone: c.Gone, Would: c.Would,
		Canaries: s.all, Judged: s.judged, Unknown: s.unknown, Waiting: s.waiting, Misses: s.misses,
		MissRate: s.rate, Low: s.low, High: s.high,
		Outside: c.Outside, Reverted: c.Reverted, By: k.By, Why: k.Why,
	}
	if !k.Suspended.IsZero() {
		r.Suspended, r.Mode = &k.Suspended, "suspended"
	}
	return r
}
