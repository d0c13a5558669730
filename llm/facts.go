package llm

import (
	"slices"
	"strings"
	"sync"

	"github.com/winnow-soc/winnow"
)

// Facts say, per family of searches, what counts as a benign fact (guard G2): values that stand
// in a named list, asset roles, maintenance windows, and what people decided before. It is
// default/facts.yaml with the customer's own laid over it; see [LoadFacts]. Safe for concurrent use.
type Facts struct {
	families []*family
	windows  map[string]*window

	mu   sync.Mutex
	seen map[string][]bool // families that cover a search by its name
}

// maxSeen bounds how many searches are remembered. A site has some thousands at most.
const maxSeen = 20_000

// family is a group of searches and the facts they accept.
type family struct {
	name        string
	searches    []string // globs in lower case
	sourcetypes []string
	facts       []fact
}

// fact holds when all of its conditions do.
type fact struct {
	name string // like "list:backup_accounts+list:backup_servers"
	all  []condition
}

// condition is one of: list, role, window, person.
type condition struct {
	list   string
	role   []string // accepted values of fields
	window string
	person bool
	fields []string
}

// Find returns the benign facts of an alert, in the order of the file. Only fields that an
// attacker cannot set count. A nil receiver finds none.
func (f *Facts) Find(in Input) []Fact {
	if f == nil {
		return nil
	}
	c := &Case{Alert: in.Alert, Fields: in.Fields, Lists: in.Lists}
	var out []Fact
	covered := f.covering(in.Alert.SearchName)
	for i, fam := range f.families {
		if !covered[i] && !fam.speaksOf(in.Alert.Fields["sourcetype"]) {
			continue
		}
		for _, ft := range fam.facts {
			known := slices.ContainsFunc(out, func(o Fact) bool { return o.Name == ft.name })
			if !known && f.all(c, in.Verdicts, ft.all) {
				out = append(out, Fact{Name: ft.name, Fields: c.proving(ft.all)})
			}
		}
	}
	return out
}

func (f *Facts) all(c *Case, people PersonVerdicts, conditions []condition) bool {
	for _, cond := range conditions {
		if !f.holds(c, people, cond) {
			return false
		}
	}
	return len(conditions) > 0
}

func (f *Facts) holds(c *Case, people PersonVerdicts, cond condition) bool {
	switch {
	case cond.list != "":
		return c.everyPresent(cond.fields, func(field string) bool { return c.everyListed(cond.list, field) })
	case len(cond.role) > 0:
		return c.everyPresent(cond.fields, func(field string) bool {
			return !slices.ContainsFunc(c.Alert.Fields[field], func(v string) bool {
				return !slices.Contains(cond.role, strings.ToLower(v))
			})
		})
	case cond.window != "":
		w := f.windows[cond.window]
		return w != nil && w.contains(c.Alert.Time) && w.contains(c.Alert.Received)
	case cond.person:
		return judgedBenign(c, people, cond.fields)
	}
	return false
}

// proving returns the fields of the conditions that the alert has and an attacker cannot set.
func (c *Case) proving(conditions []condition) []string {
	var out []string
	for _, cond := range conditions {
		for _, field := range cond.fields {
			if c.Trusted(field) && !slices.Contains(out, field) {
				out = append(out, field)
			}
		}
	}
	return out
}

// everyPresent reports whether at least one of the fields is present and trusted, and ok holds
// for all of those. Fields that an attacker can set are passed over: they prove nothing.
func (c *Case) everyPresent(fields []string, ok func(field string) bool) bool {
	found := false
	for _, field := range fields {
		if !c.Trusted(field) {
			continue
		}
		if !ok(field) {
			return false
		}
		found = true
	}
	return found
}

// Entities returns the fields and values, sorted, that a person's verdict on the alert is about:
// those of the named fields that an attacker cannot set.
func (c *Case) Entities(fields []string) []winnow.Evidence {
	var out []winnow.Evidence
	for _, field := range fields {
		if c.Trusted(field) {
			for _, v := range c.Alert.Fields[field] {
				out = append(out, winnow.Evidence{Field: field, Value: v})
			}
		}
	}
	slices.SortFunc(out, func(a, b winnow.Evidence) int {
		if n := strings.Compare(a.Field, b.Field); n != 0 {
			return n
		}
		return strings.Compare(a.Value, b.Value)
	})
	return slices.Compact(out)
}

func judgedBenign(c *Case, people PersonVerdicts, fields []string) bool {
	entities := c.Entities(fields)
	if people == nil || len(entities) == 0 {
		return false
	}
	ok, err := people.Benign(c.Alert.SearchName, entities)
	return err == nil && ok
}

// covering tells of each family whether it covers the search by its name.
func (f *Facts) covering(search string) []bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c, ok := f.seen[search]; ok {
		return c
	}
	c := make([]bool, len(f.families))
	for i, fam := range f.families {
		c[i] = matchAny(fam.searches, search)
	}
	if f.seen == nil || len(f.seen) >= maxSeen {
		f.seen = map[string][]bool{}
	}
	f.seen[search] = c
	return c
}

// covers reports whether the family speaks of a search, by its name or by sourcetype.
func (f *family) covers(search string, sourcetypes []string) bool {
	return matchAny(f.searches, search) || f.speaksOf(sourcetypes)
}

// speaksOf reports whether the family speaks of every sourcetype: an attacker who adds the
// sourcetype of another family must not choose the facts that count.
func (f *family) speaksOf(sourcetypes []string) bool {
	return len(sourcetypes) > 0 &&
		!slices.ContainsFunc(sourcetypes, func(s string) bool { return !matchAny(f.sourcetypes, s) })
}

// matchAny reports whether one of the globs matches the value, letter case aside.
func matchAny(globs []string, value string) bool {
	if len(globs) == 0 {
		return false
	}
	value = strings.ToLower(value)
	return slices.ContainsFunc(globs, func(g string) bool { return globMatch(g, value) })
}

// globMatch matches a pattern in which * stands for any text and ? for one byte, in linear
// time: it only ever goes back to the last star.
func globMatch(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
