package winnow

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Control says who decides what a field holds.
type Control uint8

// The controls. The zero value is ControlAttacker: a field nobody listed is not to be trusted.
const (
	ControlAttacker Control = iota // text that whoever caused the event can choose
	ControlIdentity                // an authenticated account: chosen by whoever holds it
	ControlSystem                  // set by our own sensors and systems
)

var controlNames = [...]string{"attacker", "identity", "system"}

// String returns the word used in fields.csv.
func (c Control) String() string {
	if int(c) < len(controlNames) {
		return controlNames[c]
	}
	return controlNames[ControlAttacker]
}

// FieldTable says of each field who controls it, and whether it is volatile: different in every
// alert, like a time or an event id, and so no part of the cache key. It is default/fields.csv,
// with later tables laid over earlier ones. Safe for concurrent use once read.
type FieldTable struct {
	all      map[string]FieldInfo
	bySearch map[string]map[string]FieldInfo
	raw      map[string]bool
}

// FieldInfo is what the table says of one field.
type FieldInfo struct {
	Control  Control
	Volatile bool
}

// Read lays a CSV table over the receiver: columns field, control (system, identity or attacker),
// volatile (true, false or empty), and optionally search, the exact name of the one search that
// the row holds for. name is used in errors.
func (t *FieldTable) Read(name string, r io.Reader) error {
	var text strings.Builder
	if _, err := io.Copy(&text, r); err != nil {
		return fmt.Errorf("%s: read header: %w", name, err)
	}
	n, header := 0, false
	for line := range strings.Lines(text.String()) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		row, err := splitRow(line)
		if err == nil && header {
			err = t.add(row)
		} else if err == nil {
			header, err = true, checkHeader(row)
			t.grow(strings.Count(text.String(), "\n"))
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	if !header {
		return fmt.Errorf("%s: read header: %w", name, io.ErrUnexpectedEOF)
	}
	return nil
}

func checkHeader(row []string) error {
	if len(row) < 3 || row[0] != "field" || row[1] != "control" || row[2] != "volatile" {
		return fmt.Errorf("header is %q, want field,control,volatile[,search]", strings.Join(row, ","))
	}
	return nil
}

// splitRow splits one line of CSV. The alert action reads the table of a thousand rows at every
// start, so rows without quotes, which are all but a few, take the short way.
func splitRow(line string) ([]string, error) {
	if !strings.Contains(line, `"`) {
		return strings.Split(line, ","), nil
	}
	cr := csv.NewReader(strings.NewReader(line))
	cr.FieldsPerRecord = -1
	row, err := cr.Read()
	if err != nil {
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return nil, err
	}
	return row, nil
}

func (t *FieldTable) grow(rows int) {
	if t.all == nil {
		t.all = make(map[string]FieldInfo, rows)
	}
}

func (t *FieldTable) add(row []string) error {
	if len(row) < 3 || len(row) > 4 {
		return fmt.Errorf("%d columns, want 3 or 4", len(row))
	}
	if row[0] == "" {
		return errors.New("empty field name")
	}
	var info FieldInfo
	switch row[1] {
	case "system":
		info.Control = ControlSystem
	case "identity":
		info.Control = ControlIdentity
	case "attacker":
	default:
		return fmt.Errorf("field %q: unknown control %q (want system, identity or attacker)", row[0], row[1])
	}
	switch row[2] {
	case "true":
		info.Volatile = true
	case "false", "":
	default:
		return fmt.Errorf("field %q: volatile is %q (want true or false)", row[0], row[2])
	}
	if len(row) == 4 && row[3] != "" {
		if t.bySearch == nil {
			t.bySearch = map[string]map[string]FieldInfo{}
		}
		if t.bySearch[row[3]] == nil {
			t.bySearch[row[3]] = map[string]FieldInfo{}
		}
		t.bySearch[row[3]][row[0]] = info
		return nil
	}
	t.all[row[0]] = info
	return nil
}

// MarkRaw declares that a search returns raw events: whatever its fields are called, all of them
// are attacker-set.
func (t *FieldTable) MarkRaw(search string) {
	if t.raw == nil {
		t.raw = map[string]bool{}
	}
	t.raw[search] = true
}

// Lookup says what is known of a field in the alerts of a search. Unlisted fields are
// attacker-set and not volatile.
func (t *FieldTable) Lookup(search, field string) FieldInfo {
	info, ok := t.bySearch[search][field]
	if !ok {
		info = t.all[field]
	}
	if t.raw[search] {
		info.Control = ControlAttacker
	}
	return info
}

// Known reports whether the table lists the field for any search.
func (t *FieldTable) Known(field string) bool {
	if _, ok := t.all[field]; ok {
		return true
	}
	for _, m := range t.bySearch {
		if _, ok := m[field]; ok {
			return true
		}
	}
	return false
}

// Names calls yield with every field name listed for all searches, for suggestions.
func (t *FieldTable) Names(yield func(string) bool) {
	for name := range t.all {
		if !yield(name) {
			return
		}
	}
}
