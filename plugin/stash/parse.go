package stash

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// Parsed is a stash file as splunkd reads it.
type Parsed struct {
	Header map[string]string // index, host, source
	Events []ParsedEvent
}

// ParsedEvent is one event of it.
type ParsedEvent struct {
	Raw    string
	Time   time.Time
	Action map[string]string // the line of the alert action, nil in .stash_new files
	Fields winnow.Fields
}

// Parse reads a stash file the way splunkd does: header on the first line, events between the
// breakers. It is the other half of [File.Bytes], for a fake splunkd and for tests.
func Parse(data []byte) (*Parsed, error) {
	parts := split(string(data))
	header, ok := strings.CutPrefix(strings.TrimRight(parts[0], "\r\n"), headerMark)
	if !ok || strings.Contains(header, "\n") {
		return nil, fmt.Errorf("stash file does not start with one line of %s", headerMark)
	}
	p := &Parsed{}
	var err error
	if p.Header, err = attributes(header); err != nil {
		return nil, fmt.Errorf("stash header: %w", err)
	}
	for i, text := range parts[1:] {
		if i == len(parts)-2 {
			text = strings.TrimSuffix(text, "\n")
		}
		e, err := parseEvent(text)
		if err != nil {
			return nil, fmt.Errorf("stash event %d: %w", i+1, err)
		}
		p.Events = append(p.Events, e)
	}
	return p, nil
}

// split cuts at every breaker that has a line of its own.
func split(text string) []string {
	const start = "\n" + breaker
	var parts []string
	for from := 0; ; {
		at := strings.Index(text[from:], start)
		if at < 0 {
			return append(parts, text)
		}
		at += from
		rest, ok := strings.CutPrefix(strings.TrimPrefix(text[at+len(start):], "\r"), "\n")
		if !ok {
			from = at + 1
			continue
		}
		parts = append(parts, strings.TrimSuffix(text[:at], "\r"))
		text, from = rest, 0
	}
}

func parseEvent(text string) (ParsedEvent, error) {
	var e ParsedEvent
	if line, ok := strings.CutPrefix(text, idMark); ok {
		var err error
		line, text, _ = strings.Cut(line, "\n")
		if e.Action, err = attributes(line); err != nil {
			return e, fmt.Errorf("action line: %w", err)
		}
	}
	e.Raw = text
	var err error
	e.Time, e.Fields, err = ParseEvent(text)
	return e, err
}

// ParseEvent reads the text of one event: the time and the fields, search_name among them.
func ParseEvent(text string) (time.Time, winnow.Fields, error) {
	stamp, pairs, _ := strings.Cut(text, ", ")
	seconds, err := strconv.ParseFloat(stamp, 64)
	if err != nil {
		return time.Time{}, nil, fmt.Errorf("time %q is not in seconds", stamp)
	}
	fields := winnow.Fields{}
	for pairs != "" {
		key, value, rest, err := pair(pairs)
		if err != nil {
			return time.Time{}, nil, err
		}
		fields.Add(key, value)
		if rest != "" && !strings.HasPrefix(rest, ", ") {
			return time.Time{}, nil, fmt.Errorf("%.40q after the value of %q", rest, key)
		}
		pairs = strings.TrimPrefix(rest, ", ")
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC(), fields, nil
}

// pair takes key="value" from the front of text, with \\ and \" as escapes.
func pair(text string) (key, value, rest string, err error) {
	key, quoted, ok := strings.Cut(text, `="`)
	if !ok || key == "" {
		return "", "", "", fmt.Errorf("%.40q is not key=\"value\"", text)
	}
	var b strings.Builder
	for i := 0; i < len(quoted); i++ {
		switch c := quoted[i]; {
		case c == '"':
			return key, b.String(), quoted[i+1:], nil
		case c == '\\' && i+1 < len(quoted):
			i++
			b.WriteByte(quoted[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", "", fmt.Errorf("value of %q does not end", key)
}

// attributes reads the k="v" of a header line, which has no escapes.
func attributes(line string) (map[string]string, error) {
	out := map[string]string{}
	line = strings.TrimSpace(line)
	for line != "" {
		key, rest, ok := strings.Cut(line, `="`)
		value, rest, closed := strings.Cut(rest, `"`)
		if !ok || !closed {
			return nil, fmt.Errorf("%.40q is not key=\"value\"", line)
		}
		out[strings.TrimSpace(key)] = value
		line = strings.TrimSpace(rest)
	}
	return out, nil
}
