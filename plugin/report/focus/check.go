package focus

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Problem is a requirement of the specification that a file does not meet.
type Problem struct {
	Line    int    `json:"line"`   // of the file, from 1 for the header
	Column  string `json:"column"` // "" for the whole file or row
	Message string `json:"message"`
	Should  bool   `json:"should"` // the specification only recommends it
}

// String names the place and what is wrong there.
func (p Problem) String() string {
	where := fmt.Sprintf("line %d", p.Line)
	if p.Column != "" {
		where += ": " + p.Column
	}
	return where + ": " + p.Message
}

// maxProblems is how many problems are told of one file: beyond that they repeat one another.
const maxProblems = 1000

// Check reads a Cost and Usage dataset as CSV, an empty cell being null, and returns what is wrong with it by the
// text of the specification: presence and names of columns, nullability, types, allowed values, formats, and what
// columns of one row must have in common. What depends on things outside of the file, such as whether a provider has
// regions or what an invoice says, cannot be checked. The error is that of reading.
func Check(r io.Reader) ([]Problem, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	c := &checker{}
	rows := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	rows.FieldsPerRecord = -1
	head, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return []Problem{{Line: 1, Message: "the file is empty: there is no header"}}, nil
	}
	if err != nil {
		return nil, err
	}
	c.header(head)
	for len(c.problems) < maxProblems {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return c.problems, err
		}
		c.line, _ = rows.FieldPos(0)
		c.row(row)
	}
	return c.problems, nil
}

// checker holds a file against the specification, a row after the other.
type checker struct {
	head     []string
	known    []*column      // of each place of a row, nil for a custom one
	place    map[string]int // of each column that the file has
	line     int
	problems []Problem

	categories map[string]string // ServiceName -> ServiceCategory
	skus       map[string]string // SkuPriceId -> SkuId
}

func (c *checker) fail(column, format string, args ...any) {
	c.problems = append(c.problems, Problem{c.line, column, fmt.Sprintf(format, args...), false})
}

func (c *checker) advise(column, format string, args ...any) {
	c.problems = append(c.problems, Problem{c.line, column, fmt.Sprintf(format, args...), true})
}

// header checks which columns there are, and their order.
func (c *checker) header(head []string) {
	c.line, c.head, c.place = 1, head, map[string]int{}
	c.categories, c.skus = map[string]string{}, map[string]string{}
	for i, name := range head {
		at := slices.IndexFunc(columns, func(k column) bool { return k.name == name })
		switch {
		case at >= 0:
			c.known = append(c.known, &columns[at])
		default:
			c.known = append(c.known, nil)
			c.customName(name)
		}
		if _, twice := c.place[name]; twice {
			c.fail(name, "the column is there twice")
			continue
		}
		c.place[name] = i
	}
	for i := range columns {
		if _, ok := c.place[columns[i].name]; ok {
			continue
		}
		switch columns[i].level {
		case mandatory:
			c.fail(columns[i].name, "the column MUST be present")
		case recommended:
			c.advise(columns[i].name, "the column SHOULD be present")
		case conditional:
		}
	}
	c.order()
}

func (c *checker) customName(name string) {
	switch {
	case !custom(name):
		c.fail(name, "no column of FOCUS %s: a custom column MUST begin with x_", Version)
	case len(name) > 50:
		c.advise(name, "a column's name SHOULD NOT have more than 50 characters")
	case !alphanumeric(name[2:]) || name[2] < 'A' || name[2] > 'Z':
		c.advise(name, "a custom column SHOULD be named in Pascal case with letters and digits alone")
	}
}

func alphanumeric(s string) bool {
	for _, r := range s {
		if (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return true
}

// order: FOCUS columns SHOULD come first, and each group by name.
func (c *checker) order() {
	var own, focus []string
	for i, name := range c.head {
		if c.known[i] == nil {
			own = append(own, name)
			continue
		}
		if len(own) > 0 {
			c.advise(name, "columns of FOCUS SHOULD stand before custom ones")
		}
		focus = append(focus, name)
	}
	if !slices.IsSorted(focus) || !slices.IsSorted(own) {
		c.advise("", "columns SHOULD be sorted by name")
	}
}
