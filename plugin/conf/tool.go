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

var toolName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

func (r *reader) tool(stanza, name string) {
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
