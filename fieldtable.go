package winnow

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
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

type fieldRow struct {
	field, search string
	info          FieldInfo
}

// FieldInfo is what the table says of one field.
type FieldInfo struct {
	Control  Control
	Volatile bool
}

// Read lays a CSV table over the receiver: columns field, control (system, identity or attacker),
// volatile (true, false or empty), and optionally search, the exact name of the one search that
// the row holds for. name is used in errors. After an error the table is of no use.
func (t *FieldTable) Read(name string, r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("%s: read header: %w", name, err)
	}
	return t.Parse(name, string(text))
}

// Parse is Read of a text.
func (t *FieldTable) Parse(name, text string) error {
	if t.all == nil {
		t.all = make(map[string]FieldInfo, strings.Count(text, "\n"))
		t.bySearch = map[string]map[string]FieldInfo{}
	}
	return eachRow(name, text, t.add)
}

// eachRow calls f with every row of a table.
func eachRow(name, text string, f func(fieldRow)) error {
	n, header := 0, false
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		columns, count, err := splitRow(line)
		var row fieldRow
		switch {
		case err != nil:
		case header:
			row, err = readRow(columns, count)
		default:
			header, err = true, checkHeader(columns, line)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if row.field != "" {
			f(row)
		}
	}
	if !header {
		return fmt.Errorf("%s: read header: %w", name, io.ErrUnexpectedEOF)
	}
	return nil
}

func checkHeader(row [maxColumns]string, line string) error {
	if row[0] != "field" || row[1] != "control" || row[2] != "volatile" {
		return fmt.Errorf("header is %q, want field,control,volatile[,search]", line)
	}
	return nil
}

const maxColumns = 4

// splitRow splits one line of CSV. Rows without quotes, which are all but a few, take the short
// way.
func splitRow(line string) (row [maxColumns]string, count int, err error) {
	if strings.Contains(line, `"`) {
		return splitQuoted(line)
	}
	for more := true; more; count++ {
		var column string
		column, line, more = strings.Cut(line, ",")
		if count < maxColumns {
			row[count] = column
		}
	}
	return row, count, nil
}

func splitQuoted(line string) (row [maxColumns]string, count int, err error) {
	cr := csv.NewReader(strings.NewReader(line))
	cr.FieldsPerRecord = -1
	columns, err := cr.Read()
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		err = parse.Err
	}
	copy(row[:], columns)
	return row, len(columns), err
}

func readRow(row [maxColumns]string, count int) (fieldRow, error) {
	r := fieldRow{field: row[0], search: row[3]}
	if count < 3 || count > maxColumns {
		return r, fmt.Errorf("%d columns, want 3 or 4", count)
	}
	if row[0] == "" {
		return r, errors.New("empty field name")
	}
	switch row[1] {
	case "system":
		r.info.Control = ControlSystem
	case "identity":
		r.info.Control = ControlIdentity
	case "attacker":
	default:
		return r, fmt.Errorf("field %q: unknown control %q (want system, identity or attacker)", row[0], row[1])
	}
	switch row[2] {
	case "true":
		r.info.Volatile = true
	case "false", "":
	default:
		return r, fmt.Errorf("field %q: volatile is %q (want true or false)", row[0], row[2])
	}
	return r, nil
}

func (t *FieldTable) add(r fieldRow) {
	if r.search == "" {
		t.all[r.field] = r.info
		return
	}
	if t.bySearch[r.search] == nil {
		t.bySearch[r.search] = map[string]FieldInfo{}
	}
	t.bySearch[r.search][r.field] = r.info
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

// Searches returns the searches that the table has rows of their own for, or that are marked raw,
// sorted.
func (t *FieldTable) Searches() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(t.bySearch)), maps.Keys(t.raw))
	slices.Sort(names)
	return slices.Compact(names)
}
