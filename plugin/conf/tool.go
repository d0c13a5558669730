package conf

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"
)

// SearchTool is [tool:NAME]: a search that models may ask for.
type SearchTool struct {
	Spl         string        // with $field$ for values of the alert; see plugin/splunk
	Description string        // what it tells, for models
	Earliest    time.Duration // from the alert's time
	Latest      time.Duration
	MaxRows     int
	Timeout     time.Duration
}

func (t *SearchTool) keys() []key {
	return []key{
		{name: "spl", set: text(&t.Spl)},
		{name: "description", set: text(&t.Description)},
		{name: "earliest", set: offset(&t.Earliest), optional: true},
		{name: "latest", set: offset(&t.Latest), optional: true},
		{name: "max_rows", set: integer(&t.MaxRows, 1, 1000), optional: true},
		{name: "timeout", set: duration(&t.Timeout, second, 30*second), optional: true},
	}
}

// SearchTools returns the searches that models may ask for, by name.
func (s *Settings) SearchTools() map[string]SearchTool { return maps.Clone(s.searchTools) }

// ReputationTool is the name of the one [tool:NAME] that is no search.
const ReputationTool = "reputation"

// Reputation is [tool:reputation]: a service outside that is asked about public addresses.
type Reputation struct {
	URL    string
	Key    string // where it is: env:NAME, file:PATH or password:REALM/NAME
	PerDay int    // requests
}

func (t *Reputation) keys() []key {
	return []key{
		{name: "url", set: text(&t.URL), optional: true},
		{name: "key", set: keyPlace(&t.Key)},
		{name: "per_day", set: integer(&t.PerDay, 10, 10_000_000), optional: true},
	}
}

// ReputationOf returns the service that is asked about addresses, if there is one.
func (s *Settings) ReputationOf() (r Reputation, ok bool) {
	if s.reputation == nil {
		return r, false
	}
	return *s.reputation, true
}

func (r *reader) reputation(stanza string) {
	t := Reputation{URL: "https://api.abuseipdb.com", PerDay: 1000}
	r.fill(stanza, t.keys())
	if v, ok := r.file.Lookup(stanza, "key"); ok && v.Text == "" {
		r.fail(&Error{At: v, Stanza: stanza, Key: "key", Message: "empty: the service wants one"})
	}
	r.s.reputation = &t
}

var toolName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

func (r *reader) tool(stanza, name string) {
	if name == ReputationTool {
		r.reputation(stanza)
		return
	}
	at, _ := r.file.At(stanza)
	if !toolName.MatchString(name) {
		r.fail(&Error{At: at, Stanza: stanza, Message: "a tool's name has small letters, digits and _ only, 48 at most"})
	}
	t := SearchTool{Earliest: -day, MaxRows: 50, Timeout: 20 * second}
	r.fill(stanza, t.keys())
	if t.Earliest >= t.Latest {
		r.fail(&Error{At: at, Stanza: stanza, Key: "earliest", Message: "earliest is not before latest"})
	}
	r.s.searchTools[name] = t
}

// offset takes a distance from the alert's time, like -24h or +1h.
func offset(to *time.Duration) func(string) error {
	return func(s string) error {
		digits, before := strings.CutPrefix(s, "-")
		if !before {
			digits = strings.TrimPrefix(s, "+")
		}
		var d time.Duration
		if err := duration(&d, 0, 90*day)(digits); err != nil {
			return fmt.Errorf("%q is not a distance from the alert's time of at most 90d (want one like -24h or +1h)", s)
		}
		if *to = d; before {
			*to = -d
		}
		return nil
	}
}
