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
	cr := csv.NewReader(r)
	cr.Comment = '#'
	cr.FieldsPerRecord = -1
	head, err := cr.Read()
	if err != nil {
		return fmt.Errorf("%s: read header: %w", name, noEOF(err))
	}
	if len(head) < 3 || head[0] != "field" || head[1] != "control" || head[2] != "volatile" {
		return fmt.Errorf("%s:1: header is %q, want field,control,volatile[,search]", name, strings.Join(head, ","))
	}
	for {
		row, err := cr.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		line, _ := cr.FieldPos(0)
		if err := t.add(row); err != nil {
			return fmt.Errorf("%s:%d: %w", name, line, err)
		}
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
	if t.all == nil {
		t.all = map[string]FieldInfo{}
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
