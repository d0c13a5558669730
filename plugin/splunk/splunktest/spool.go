package splunktest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const breaker = "\n==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##==\n"

// Ingest does what splunkd's batch input does with var/spool/splunk: it indexes the events of
// every *.stash_new file and removes the file. Files of other names stay. It returns how many
// events it took in.
func (s *Server) Ingest() (int, error) {
	paths, err := filepath.Glob(filepath.Join(s.SpoolDir(), "*.stash_new"))
	if err != nil {
		return 0, err
	}
	slices.Sort(paths)
	taken := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return taken, err
		}
		events, err := parseStash(string(text))
		if err != nil {
			return taken, fmt.Errorf("%s: %w", path, err)
		}
		for _, e := range events {
			s.index(e)
		}
		taken += len(events)
		if err := os.Remove(path); err != nil {
			return taken, err
		}
	}
	return taken, nil
}

// parseStash reads a stash file: a header line, then events between breakers.
func parseStash(text string) ([]Event, error) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	head, body, _ := strings.Cut(text, "\n")
	head, ok := strings.CutPrefix(head, "***SPLUNK***")
	if !ok {
		return nil, fmt.Errorf("no ***SPLUNK*** header in the first line")
	}
	meta := parsePairs(head)
	var events []Event
	for raw := range strings.SplitSeq("\n"+body, breaker) {
		if raw = strings.Trim(raw, "\n"); raw == "" {
			continue
		}
		if strings.HasPrefix(raw, "***Common Action Model***") {
			return nil, fmt.Errorf("an id line in a stash_new file is indexed as text of the event")
		}
		e, err := parseRaw(raw)
		if err != nil {
			return nil, err
		}
		e.Index, e.Host, e.Source = one(meta, "index"), one(meta, "host"), one(meta, "source")
		if e.Index == "" {
			return nil, fmt.Errorf("the header names no index")
		}
		events = append(events, e)
	}
	return events, nil
}

func one(m map[string][]string, key string) string {
	if v := m[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// parseRaw reads `1700000000, k="v", k2="v2"`. Without a time at the start Splunk would take the
// present one; here it is an error, since winnow always writes one.
func parseRaw(raw string) (Event, error) {
	at, rest, ok := strings.Cut(raw, ",")
	sec, err := strconv.ParseFloat(at, 64)
	if !ok || err != nil {
		return Event{}, fmt.Errorf("event %.60q does not begin with a time", raw)
	}
	return Event{Time: time.UnixMilli(int64(sec * 1000)).UTC(), Raw: raw, Fields: parsePairs(rest)}, nil
}

// parsePairs finds k="v" the way Splunk's stash_extract does: a backslash escapes a quote or a
// backslash, and a repeated key makes a multivalue field.
func parsePairs(s string) map[string][]string {
	fields := map[string][]string{}
	for {
		eq := strings.Index(s, `="`)
		if eq < 0 {
			return fields
		}
		name := s[strings.LastIndexAny(s[:eq], " ,\t\n\"")+1 : eq]
		value, rest, ok := quoted(s[eq+2:])
		if !ok {
			return fields
		}
		if name != "" && value != "" {
			fields[name] = append(fields[name], value)
		}
		s = rest
	}
}

func quoted(s string) (value, rest string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return unescape(s[:i]), s[i+1:], true
		}
	}
	return "", "", false
}
