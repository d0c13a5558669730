package rules

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/winnow-soc/winnow"
)

// Searches are the searches that exist, for rules to be held against.
type Searches struct {
	from   string
	byName map[string]Search
}

// Search is a saved search.
type Search struct {
	Name string

	// Throttled says that Splunk holds alerts back for a while after one; Throttle names the fields
	// whose values count: none, every alert of the search is held back.
	Throttled bool
	Throttle  []string
}

// NewSearches returns the searches that a file names.
func NewSearches(from string, list []Search) (*Searches, error) {
	s := &Searches{from: from, byName: map[string]Search{}}
	for _, one := range list {
		s.byName[one.Name] = one
	}
	if len(s.byName) == 0 {
		return nil, errors.New(from + ": names no search")
	}
	return s, nil
}

// checkScope looks for scopes that name no search, and for throttles that a dropped alert starts.
func (c *checking) checkScope(r *Rule) {
	if c.Searches == nil {
		return
	}
	for i, scope := range r.Searches {
		if c.Searches.has(scope) {
			continue
		}
		hint := didYouMean(nearest(scope, maps.Keys(c.Searches.byName)))
		if isGlob(scope) {
			hint = "* and ? stand for the rest of a name; \\ takes the next character as it is"
		}
		c.fail("no-such-search", c.atKey(r, "search_name", i, r.finding(hint, "search_name %q fits no search in %s", clip(scope), c.Searches.from)))
	}
	c.checkThrottle(r)
}

func (s *Searches) has(scope string) bool {
	if _, ok := s.byName[scope]; ok || !isGlob(scope) {
		return ok
	}
	for name := range s.byName {
		if matchGlob(scope, name) {
			return true
		}
	}
	return false
}

// checkThrottle warns where Splunk's throttle looks at fewer fields than the rule. Splunk throttles
// before winnow sees an alert: one that the rule drops also holds back the next, which may differ
// in what the throttle does not look at and would not have been dropped.
func (c *checking) checkThrottle(r *Rule) {
	first, more := "", 0
	var outside []string
	for _, name := range slices.Sorted(maps.Keys(c.Searches.byName)) {
		s := c.Searches.byName[name]
		if !s.Throttled || !r.InScope(name) {
			continue
		}
		beyond := slices.DeleteFunc(r.Fields(), func(f string) bool {
			return slices.Contains(s.Throttle, f) || slices.Contains(s.Throttle, "*")
		})
		switch {
		case len(beyond) == 0:
		case first == "":
			first, outside = name, beyond
		default:
			more++
		}
	}
	if first == "" {
		return
	}
	for i, name := range outside {
		outside[i] = EventName(name)
	}
	others := ""
	if more > 0 {
		others = fmt.Sprintf(" (and %d more)", more)
	}
	c.warn("throttle", c.at(r, fieldUse{}, r.finding("add them to alert.suppress.fields",
		"the throttle of search %q%s does not look at %s: an alert that the rule drops can hold back one that it would not",
		first, others, strings.Join(outside, ", "))))
}

// Seen counts which fields the alerts of each search have. Its memory follows the number of
// searches and fields, not that of alerts. Not safe for concurrent use.
type Seen struct {
	from     string
	searches map[string]*seenSearch
	alerts   int
}

type seenSearch struct {
	alerts int
	fields map[string]int
}

// Bounds of what [Seen] counts; real alerts stay far below them.
const (
	maxSeenSearches = 20_000
	maxSeenFields   = 5_000 // of one search
)

// NewSeen returns a count of no alerts; from names where they come from.
func NewSeen(from string) *Seen { return &Seen{from: from, searches: map[string]*seenSearch{}} }

// Add counts an alert. With more searches, or more fields in a search, than can be counted it is
// an error: what is absent could not be told any more.
func (s *Seen) Add(a *winnow.Alert) error {
	in := s.searches[a.SearchName]
	if in == nil {
		if len(s.searches) >= maxSeenSearches {
			return fmt.Errorf("%s: alerts of more than %d searches", s.from, maxSeenSearches)
		}
		in = &seenSearch{fields: map[string]int{}}
		s.searches[a.SearchName] = in
	}
	s.alerts++
	in.alerts++
	for name, values := range a.Fields {
		if len(values) > 0 {
			in.fields[name]++
		}
	}
	if len(in.fields) > maxSeenFields {
		return fmt.Errorf("%s: alerts of search %q have more than %d fields", s.from, clip(a.SearchName), maxSeenFields)
	}
	return nil
}

// rare is the share of a rule's alerts, one in this many, below which a field is said to be absent.
const rare = 10

// checkSeen says which fields that a rule reads the alerts in its scope do not have.
func (c *checking) checkSeen(r *Rule) {
	if c.Seen == nil {
		return
	}
	alerts, present, seen := 0, map[string]int{}, map[string]bool{}
	fields := r.Fields()
	for name, in := range c.Seen.searches {
		if !r.InScope(name) {
			continue
		}
		alerts += in.alerts
		for _, f := range fields {
			present[f] += in.fields[f]
		}
		for f := range in.fields {
			seen[f] = true
		}
	}
	if alerts == 0 {
		c.warn("absent-field", r.finding("", "none of the %d alerts in %s is in the rule's scope", c.Seen.alerts, c.Seen.from))
		return
	}
	for _, f := range fields {
		if present[f]*rare > alerts {
			continue
		}
		hint := ""
		if near := nearest(f, maps.Keys(seen)); near != "" && present[f] == 0 {
			hint = didYouMean(EventName(near))
		}
		before, _, found := strings.Cut(r.When, EventName(f))
		if !found {
			before = ""
		}
		c.warn("absent-field", c.at(r, fieldUse{at: utf8.RuneCountInString(before)}, r.finding(hint,
			"%s absent in %d of %d alerts", EventName(f), alerts-present[f], alerts)))
	}
}
