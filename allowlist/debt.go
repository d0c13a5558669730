package allowlist

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow/rules"
)

// DebtKind is one way in which a rule costs more than it gives.
type DebtKind string

// The kinds, in the order in which they are told.
const (
	DebtExpired     DebtKind = "expired"
	DebtExpiring    DebtKind = "expiring"
	DebtDead        DebtKind = "dead"        // no alert in a long time
	DebtShadowed    DebtKind = "shadowed"    // another rule always covers its alerts before it
	DebtOverlapping DebtKind = "overlapping" // another rule covers most of the same alerts
	DebtBroad       DebtKind = "broad"       // its condition tells little or nothing apart
	DebtUntested    DebtKind = "untested"    // nobody knows whether what it drops is benign
)

// Debt is one finding on one rule, with what it rests on.
type Debt struct {
	Rule     *rules.Rule
	Kind     DebtKind
	Other    string // the other rule, "" when it is about one
	Evidence string
}

// RuleUse is what the ledger counts of a rule, also of alerts that it no longer holds.
type RuleUse struct {
	Drops  int // alerts that it closed
	Judged int // samples of its drops whose truth is known
	Last   time.Time
}

// DebtOptions are what debt is read from.
type DebtOptions struct {
	Past     *Backtest // over the ledger's alerts, with Overlaps
	Use      map[string]RuleUse
	Check    []*rules.Error // what `rules check` says
	Now      time.Time
	Since    time.Time     // how far back the ledger reaches; zero: it is empty
	Dead     time.Duration // without an alert for so long, a rule is dead
	Expiring time.Duration // with so little left, a rule is expiring
}

// Bounds of evidence: fewer alerts prove nothing about a rule.
const (
	minOverlap = 10 // alerts that rules share
	minSearch  = 50 // alerts of a search that a rule covers as a whole
)

// FindDebt says of every rule what speaks for changing or deleting it, in the order of the set.
func FindDebt(o DebtOptions) []Debt {
	f := &debtFinder{o: &o, partners: map[*rules.Rule][]Pair{}}
	for pair := range o.Past.Overlaps {
		f.partners[pair.First] = append(f.partners[pair.First], pair)
		f.partners[pair.Second] = append(f.partners[pair.Second], pair)
	}
	f.twins = map[string][]*rules.Rule{}
	for i := range o.Past.Rules {
		r := o.Past.Rules[i].Rule
		f.twins[condensed(r.When)] = append(f.twins[condensed(r.When)], r)
	}
	for i := range o.Past.Rules {
		f.rule(&o.Past.Rules[i])
	}
	return f.out
}

type debtFinder struct {
	o        *DebtOptions
	partners map[*rules.Rule][]Pair
	twins    map[string][]*rules.Rule // by condition
	out      []Debt
}

func (f *debtFinder) add(r *rules.Rule, kind DebtKind, other, format string, args ...any) {
	f.out = append(f.out, Debt{Rule: r, Kind: kind, Other: other, Evidence: fmt.Sprintf(format, args...)})
}

func (f *debtFinder) rule(b *RuleBacktest) {
	f.life(b)
	if !f.shadowed(b) {
		f.overlapping(b)
	}
	f.broad(b)
	f.untested(b)
}

// life looks at the rule's end, and whether anything still comes its way. How old a rule is nobody
// writes down, so a new one that has had no alert yet counts as dead too: the evidence tells.
func (f *debtFinder) life(b *RuleBacktest) {
	r := b.Rule
	last := r.Expires.AddDate(0, 0, -1).Format(time.DateOnly)
	switch left := r.Expires.Sub(f.o.Now); {
	case left <= 0:
		f.add(r, DebtExpired, "", "its last day was %s", last)
		return
	case left <= f.o.Expiring:
		f.add(r, DebtExpiring, "", "its last day is %s", last)
	}
	hit := f.o.Use[r.ID].Last
	if b.Last.After(hit) {
		hit = b.Last
	}
	from := f.o.Now.Add(-f.o.Dead)
	if f.o.Since.IsZero() || f.o.Since.After(from) || !hit.Before(from) {
		return
	}
	when := "never"
	if !hit.IsZero() {
		when = "last on " + hit.UTC().Format(time.DateOnly)
	}
	f.add(r, DebtDead, "", "no alert since %s (%s); the ledger holds %d of its searches", from.UTC().Format(time.DateOnly), when, f.inScope(r))
}

// inScope counts the alerts of the rule's searches, whatever it says of them.
func (f *debtFinder) inScope(r *rules.Rule) (n int) {
	for name, alerts := range f.o.Past.Searches {
		if r.InScope(name) {
			n += alerts
		}
	}
	return n
}

// before reports whether the gate lets a take an alert that both cover: enforced rules come before
// shadow rules, else the order of the set counts.
func before(a, b *rules.Rule, pair Pair) bool {
	if a.Mode != b.Mode {
		return a.Mode == rules.ModeEnforce
	}
	return pair.First == a
}

// shadowed looks for one rule that always comes before, by the same words or by all alerts.
func (f *debtFinder) shadowed(b *RuleBacktest) bool {
	r := b.Rule
	for _, twin := range f.twins[condensed(r.When)] {
		if twin != r && f.takesAll(twin, r) {
			f.add(r, DebtShadowed, twin.ID, "%s has the same condition, and a scope, ceiling and expiry that include its own", twin.ID)
			return true
		}
	}
	if b.Covers < minOverlap {
		return false
	}
	for _, pair := range f.sorted(r) {
		if n := f.o.Past.Overlaps[pair]; n == b.Covers && before(pair.other(r), r, pair) {
			f.add(r, DebtShadowed, pair.other(r).ID, "%s comes before it on all of its %d alerts", pair.other(r).ID, n)
			return true
		}
	}
	return false
}

// takesAll reports whether a rule with the same condition leaves nothing to r.
func (f *debtFinder) takesAll(a, r *rules.Rule) bool {
	pair := Pair{a, r}
	if f.o.Past.byRule[a] > f.o.Past.byRule[r] {
		pair = Pair{r, a}
	}
	if !before(a, r, pair) || a.Window != nil || a.MaxSeverity < r.MaxSeverity || a.Expires.Before(r.Expires) {
		return false
	}
	if a.Global || r.Global {
		return a.Global
	}
	return !slices.ContainsFunc(r.Searches, func(s string) bool { return !slices.Contains(a.Searches, s) })
}

// condensed is a condition without its spaces outside of texts: close enough to tell that two are
// written alike, and never the same for two that differ.
func condensed(when string) string {
	if strings.ContainsAny(when, "\"'`") {
		return strings.TrimSpace(when)
	}
	return strings.Join(strings.Fields(when), " ")
}

func (p Pair) other(r *rules.Rule) *rules.Rule {
	if p.First == r {
		return p.Second
	}
	return p.First
}

// sorted are the pairs of a rule, the one with most alerts first.
func (f *debtFinder) sorted(r *rules.Rule) []Pair {
	pairs := f.partners[r]
	slices.SortFunc(pairs, func(a, b Pair) int {
		return cmp.Or(cmp.Compare(f.o.Past.Overlaps[b], f.o.Past.Overlaps[a]), cmp.Compare(a.other(r).ID, b.other(r).ID))
	})
	return pairs
}

// overlapping names the rule that takes most of the alerts of this one, if that is half or more.
// Only the rule that comes later is told of.
func (f *debtFinder) overlapping(b *RuleBacktest) {
	for _, pair := range f.sorted(b.Rule) {
		n, other := f.o.Past.Overlaps[pair], pair.other(b.Rule)
		if n < minOverlap || 2*n < b.Covers {
			return
		}
		if before(other, b.Rule, pair) {
			f.add(b.Rule, DebtOverlapping, other.ID, "%s comes before it on %d of its %d alerts", other.ID, n, b.Covers)
			return
		}
	}
}

// broadCodes are the findings of `rules check` on conditions that fit nearly anything.
var broadCodes = []string{"constant", "every-address", "every-text", "broad"}

func (f *debtFinder) broad(b *RuleBacktest) {
	for _, e := range f.o.Check {
		if e.Rule == b.Rule.ID && slices.Contains(broadCodes, e.Code) {
			f.add(b.Rule, DebtBroad, "", "%s", e.Message)
			return
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.Searches)) {
		if n := b.Searches[name]; n >= minSearch && n == f.o.Past.Searches[name] {
			f.add(b.Rule, DebtBroad, "", "it covers all %d alerts of search %q: its condition tells none apart", n, name)
			return
		}
	}
}

// untested looks for rules of which nobody has ever looked at a drop.
func (f *debtFinder) untested(b *RuleBacktest) {
	r, use := b.Rule, f.o.Use[b.Rule.ID]
	switch {
	case len(r.Tests) == 0:
		f.add(r, DebtUntested, "", "it has no tests")
	case b.Failing:
		f.add(r, DebtUntested, "", "its own tests fail, so it drops nothing")
	case use.Judged == 0 && b.Truths[TruthBenign]+b.Truths[TruthAttack] == 0 && max(use.Drops, b.Covers) > 0:
		f.add(r, DebtUntested, "", "of %d alerts none was ever judged by a person or as a sample", max(use.Drops, b.Covers))
	}
}
