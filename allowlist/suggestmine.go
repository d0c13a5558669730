package allowlist

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/winnow-soc/winnow"
)

// Bounds of what is remembered of one search. Beyond them the search is passed over, or a value is
// not taken for a frequent one: fewer rules, never wider ones.
const (
	maxMinedFields = 8     // a condition has no more parts
	maxSeenFields  = 500   // fields whose values are counted
	maxSeenValues  = 2000  // values of a field that are counted at a time
	maxTuples      = 50000 // combinations of frequent values
	maxValueBytes  = 200
)

// mined is what is known of one search.
type mined struct {
	name     string
	surveyed int                       // alerts that the survey saw
	seen     map[string]map[string]int // field, value: how often, in the survey
	fields   []string                  // what patterns are made of, best first
	codes    []map[string]uint16       // of each field, its frequent values from 1; 0 is any other or none
	values   [][]string                // the other way round
	tuples   map[string]*tuple
	whole    tuple
	varied   bool // too many combinations

	attacked, undecided int
}

// tuple counts the alerts that share their frequent values.
type tuple struct {
	codes             []uint16
	hits              int // benign, and no rule drops them yet
	attack, undecided int
	days              [minDays]int64 // the first days of hits, as days since 1970, plus one
	severity          winnow.Severity
	first, last       time.Time
}

func newMined(name string) *mined {
	return &mined{name: name, seen: map[string]map[string]int{}, tuples: map[string]*tuple{}}
}

// plainValue takes what a person can read in a condition: one short line of printable text.
func plainValue(values []string) bool {
	v, ok := single(values)
	return ok && len(v) <= maxValueBytes && utf8.ValidString(v) &&
		!strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) })
}

// single is the one value of a field, which may be repeated: so a condition sees it.
func single(values []string) (string, bool) {
	if len(values) == 0 {
		return "", false
	}
	for _, v := range values[1:] {
		if v != values[0] {
			return "", false
		}
	}
	return values[0], true
}

// note counts a value. When a field has too many, all counts go down by one and those at zero are
// forgotten (Misra and Gries): a value that is frequent enough to matter stays.
func (d *mined) note(field, value string) {
	counts := d.seen[field]
	if counts == nil {
		if len(d.seen) >= maxSeenFields {
			return
		}
		counts = map[string]int{}
		d.seen[field] = counts
	}
	if _, known := counts[value]; known || len(counts) < maxSeenValues {
		counts[value]++
		return
	}
	for v := range counts {
		if counts[v]--; counts[v] == 0 {
			delete(counts, v)
		}
	}
}

// settle keeps the fields with frequent values. Those go first whose frequent values stand for most
// alerts, and among them those that tell most apart; a field with a single value comes last.
func (d *mined) settle(hits int) {
	type field struct {
		name   string
		values []string
		share  int
	}
	var all []field
	for name, counts := range d.seen {
		f := field{name: name}
		for v, n := range counts {
			if n >= hits {
				f.values = append(f.values, v)
				f.share += n
			}
		}
		slices.Sort(f.values)
		if len(f.values) > 0 && len(f.values) < maxSeenValues {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b field) int {
		tenths := func(f field) int { return 10 * f.share / d.surveyed }
		return cmp.Or(cmp.Compare(tenths(b), tenths(a)), cmp.Compare(len(b.values), len(a.values)), cmp.Compare(a.name, b.name))
	})
	for _, f := range all[:min(len(all), maxMinedFields)] {
		codes := map[string]uint16{}
		for i, v := range f.values {
			codes[v] = uint16(i + 1)
		}
		d.fields, d.codes, d.values = append(d.fields, f.name), append(d.codes, codes), append(d.values, f.values)
	}
	d.seen = nil
}

// add counts an alert in its tuple.
func (d *mined) add(s *Sample, hit bool) {
	d.whole.count(s, hit)
	if d.varied || len(d.fields) == 0 {
		return
	}
	key := make([]byte, 0, 2*maxMinedFields)
	codes := make([]uint16, len(d.fields))
	for i, name := range d.fields {
		if v, ok := single(s.Alert.Fields[name]); ok {
			codes[i] = d.codes[i][v]
		}
		key = binary.BigEndian.AppendUint16(key, codes[i])
	}
	t := d.tuples[string(key)]
	if t == nil {
		if len(d.tuples) >= maxTuples {
			d.varied, d.tuples = true, nil
			return
		}
		t = &tuple{codes: codes}
		d.tuples[string(key)] = t
	}
	t.count(s, hit)
}

func (t *tuple) count(s *Sample, hit bool) {
	switch {
	case s.Truth == TruthAttack:
		t.attack++
	case s.Truth == TruthUndecided:
		t.undecided++
	case hit:
		at := s.Alert.Time
		t.take(&tuple{hits: 1, days: [minDays]int64{at.Unix()/86400 + 1}, severity: s.Alert.Severity, first: at, last: at})
	}
}

// take adds the counts of another tuple.
func (t *tuple) take(u *tuple) {
	t.hits, t.attack, t.undecided = t.hits+u.hits, t.attack+u.attack, t.undecided+u.undecided
	for _, day := range u.days {
		if day != 0 && !slices.Contains(t.days[:], day) {
			if i := slices.Index(t.days[:], 0); i >= 0 {
				t.days[i] = day
			}
		}
	}
	t.severity = max(t.severity, u.severity)
	if u.hits > 0 && (t.first.IsZero() || u.first.Before(t.first)) {
		t.first = u.first
	}
	if u.last.After(t.last) {
		t.last = u.last
	}
}

// frequent reports whether the hits are enough, on enough days.
func (t *tuple) frequent(hits int) bool { return t.hits >= hits && t.days[minDays-1] != 0 }

// patterns picks the clusters of the search, from the most specific on. Fields are left out one by
// one, each time the one that hides most, down to a single field; of the sets of fields on that way
// the largest counts that still covers nine tenths of the best. What is left over is looked at
// again. Only a search of which no field tells anything gives a rule over all of it, in shadow.
func (d *mined) patterns(hits int) (out []*pattern) {
	rest := d.sorted()
	for {
		found := d.narrowest(rest, hits)
		if len(found) == 0 {
			break
		}
		out = append(out, found...)
		for _, t := range rest {
			if slices.ContainsFunc(found, func(p *pattern) bool { return p.covers(t.codes) }) {
				t.hits = 0
			}
		}
	}
	if len(d.fields) == 0 {
		c := clusters{}
		c.sort(&pattern{search: d.name, tuple: d.whole}, hits)
		out, d.attacked, d.undecided = c.found, c.attacked, c.undecided
	}
	slices.SortFunc(out, func(a, b *pattern) int { return cmp.Or(cmp.Compare(b.hits, a.hits), cmp.Compare(a.when(), b.when())) })
	return out
}

func (d *mined) sorted() []*tuple {
	out := make([]*tuple, 0, len(d.tuples))
	for _, t := range d.tuples {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *tuple) int { return slices.Compare(a.codes, b.codes) })
	return out
}

// narrowest walks from all fields to one, see patterns.
func (d *mined) narrowest(rest []*tuple, hits int) []*pattern {
	kept := make([]int, len(d.fields))
	for i := range kept {
		kept[i] = i
	}
	var steps []clusters
	best := 0
	for len(kept) > 0 {
		c := d.cluster(rest, kept, hits)
		steps = append(steps, c)
		best = max(best, c.covered)
		kept = d.without(rest, kept, hits)
	}
	for _, c := range steps {
		if 10*c.covered >= 9*best {
			d.attacked, d.undecided = d.attacked+c.attacked, d.undecided+c.undecided
			return c.found
		}
	}
	return nil
}

// without leaves out the field whose absence lets the rest cover most; of equals the last, which
// tells least.
func (d *mined) without(rest []*tuple, kept []int, hits int) []int {
	if len(kept) == 1 {
		return nil
	}
	var best []int
	most := -1
	for i := range slices.Backward(kept) {
		fewer := slices.Delete(slices.Clone(kept), i, i+1)
		if c := d.cluster(rest, fewer, hits); c.covered > most {
			best, most = fewer, c.covered
		}
	}
	return best
}

// clusters are the patterns over some fields that are frequent, and what speaks against others.
type clusters struct {
	found               []*pattern
	covered             int // hits of those found
	attacked, undecided int // frequent ones passed over
}

func (c *clusters) sort(p *pattern, hits int) {
	switch {
	case !p.frequent(hits):
	case p.attack > 0:
		c.attacked++
	case p.undecided > 0:
		c.undecided++
	default:
		c.found = append(c.found, p)
		c.covered += p.hits
	}
}

// cluster groups the tuples by some of their fields. A value that is not frequent is no part of a
// pattern.
func (d *mined) cluster(rest []*tuple, kept []int, hits int) (out clusters) {
	groups := map[string]*pattern{}
	var order []*pattern
	for _, t := range rest {
		key := make([]byte, 0, 2*maxMinedFields)
		whole := true
		for _, i := range kept {
			key = binary.BigEndian.AppendUint16(key, t.codes[i])
			whole = whole && t.codes[i] != 0
		}
		if !whole {
			continue
		}
		g := groups[string(key)]
		if g == nil {
			g = d.pattern(t, kept)
			groups[string(key)] = g
			order = append(order, g)
		}
		g.take(t)
	}
	for _, g := range order {
		out.sort(g, hits)
	}
	return out
}

func (d *mined) pattern(t *tuple, kept []int) *pattern {
	p := &pattern{search: d.name}
	for _, i := range kept {
		p.parts = append(p.parts, part{field: d.fields[i], value: d.values[i][t.codes[i]-1], index: i, code: t.codes[i]})
	}
	return p
}
