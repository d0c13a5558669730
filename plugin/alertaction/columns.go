package alertaction

import (
	"bytes"
	"strings"

	"github.com/winnow-soc/winnow"
)

// Columns says which cells of a row make which field. Safe for concurrent use.
//
// A column F and its companion __mv_F make one field: the companion holds the values of a
// multivalue field as $v1$;$v2$, with $$ for $, and F the same joined by line breaks. When the two
// do not tell the same, which Splunk never writes, the field has the values of both: a row with
// one value too many is not dropped, one with a value hidden might be. For the same reason two
// columns of one name make one field with the values of both.
//
// Columns that begin with _ are Splunk's own bookkeeping (_bkt, _cd, _si ...) and make no field,
// except _time and _raw. Empty cells make no value.
type Columns struct {
	plan    []column
	repeats bool // a field is made of more than one column, beside its multivalue column
}

type column struct {
	name string
	cell int // -1 when only the multivalue column is there
	mv   int // -1 when there is none
}

const mvPrefix = "__mv_"

// wanted reports whether a column or a key of the payload's result is a field.
func wanted(name string) bool {
	return name != "" && (name[0] != '_' || name == "_time" || name == "_raw")
}

// Wanted returns the fields of a row that Splunk gave by name, and not as columns.
func Wanted(row map[string][]string) winnow.Fields {
	f := make(winnow.Fields, len(row))
	for name, values := range row {
		if wanted(name) {
			f.Add(name, values...)
		}
	}
	return f
}

// NewColumns reads a header.
func NewColumns(header []string) *Columns {
	c := &Columns{}
	mvs := map[string][]int{}
	for i, name := range header {
		if base, ok := strings.CutPrefix(name, mvPrefix); ok && wanted(base) {
			mvs[base] = append(mvs[base], i)
		}
	}
	for i, name := range header {
		if !wanted(name) {
			continue
		}
		col := column{name: name, cell: i, mv: -1}
		if m := mvs[name]; len(m) > 0 {
			col.mv, mvs[name] = m[0], m[1:]
		}
		c.plan = append(c.plan, col)
	}
	for i, name := range header { // what is left has no plain column
		base := strings.TrimPrefix(name, mvPrefix)
		if m := mvs[base]; base != name && len(m) > 0 && m[0] == i {
			mvs[base] = m[1:]
			c.plan = append(c.plan, column{name: base, cell: -1, mv: i})
		}
	}
	seen := map[string]bool{}
	for _, col := range c.plan {
		c.repeats = c.repeats || seen[col.name]
		seen[col.name] = true
	}
	return c
}

// Fields returns what a row says. The fields keep no part of the row's memory.
func (c *Columns) Fields(r Row) winnow.Fields {
	f := make(winnow.Fields, len(c.plan))
	c.fill(f, make([]string, 0, len(c.plan)), r, "")
	return f
}

// fill adds the row's values to f. values is memory for the single values of all fields: they are
// many, and most fields have one. arena is what [Row.text] takes.
func (c *Columns) fill(f winnow.Fields, values []string, r Row, arena string) {
	for _, col := range c.plan {
		text := r.text(col.cell, arena)
		if mv := r.text(col.mv, arena); mv != "" {
			addMultivalue(f, col.name, text, mv)
			continue
		}
		if text == "" {
			continue
		}
		if _, twice := f[col.name]; twice || len(values) == cap(values) {
			f.Add(col.name, text)
			continue
		}
		values = append(values, text)
		n := len(values)
		f[col.name] = values[n-1 : n : n]
	}
}

func addMultivalue(f winnow.Fields, name, plain, mv string) {
	values, ok := splitMultivalue(mv)
	if !ok {
		f.Add(name, plain, mv)
		return
	}
	f.Add(name, values...)
	if plain != "" && plain != strings.Join(values, "\n") {
		f.Add(name, plain)
	}
}

// splitMultivalue reads $v1$;$v2$. Anything else is not ok.
func splitMultivalue(text string) (values []string, ok bool) {
	for {
		if text == "" || text[0] != '$' {
			return nil, false
		}
		value, rest, ok := cutMultivalue(text[1:])
		if !ok {
			return nil, false
		}
		values = append(values, value)
		if rest == "" {
			return values, true
		}
		if rest[0] != ';' {
			return nil, false
		}
		text = rest[1:]
	}
}

// cutMultivalue reads one value and its closing $.
func cutMultivalue(text string) (value, rest string, ok bool) {
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '$')
		if i < 0 {
			return "", "", false
		}
		if i+1 == len(text) || text[i+1] != '$' {
			b.WriteString(text[:i])
			return b.String(), text[i+1:], true
		}
		b.WriteString(text[:i+1])
		text = text[i+2:]
	}
}

// JoinMultivalue writes values as a __mv_ column holds them.
func JoinMultivalue(values []string) string {
	var b bytes.Buffer
	for i, v := range values {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteByte('$')
		b.WriteString(strings.ReplaceAll(v, "$", "$$"))
		b.WriteByte('$')
	}
	return b.String()
}
