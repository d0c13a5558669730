package rules

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Position is a place in a rule file. Line and Column count from 1; Column counts characters.
type Position struct {
	File         string
	Line, Column int
}

// String returns file:line:column.
func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Error is one thing wrong with a rule file or a list: where it is, what it is and, when that can
// be said, the way out. A warning does not keep a rule from loading.
type Error struct {
	File         string
	Line, Column int    // from 1; 0 when the whole file or list is meant
	Rule         string // id of the rule or escalate entry, "" when there is none
	Message      string
	Hint         string // the way out, like `did you mean "event.user"?`
	Source       string // the line of the file
	Warning      bool
	Code         string // which check of [Checks] says so; "" is [Invalid]
}

// Error returns one line: file:line:col: rule "id": message (hint).
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Warning {
		b.WriteString("warning: ")
	}
	if e.Rule != "" {
		fmt.Fprintf(&b, "rule %q: ", e.Rule)
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

// maxSourceLine is how many characters of a source line Detail shows around the caret.
const maxSourceLine = 120

// Detail returns Error and below it the source line with a caret under the place.
func (e *Error) Detail() string {
	if e.Line == 0 || strings.TrimSpace(e.Source) == "" {
		return e.Error()
	}
	line := []rune(e.Source)
	at := min(max(e.Column-1, 0), len(line))
	from := max(0, at-maxSourceLine/2)
	line, at = line[from:], at-from
	line = line[:min(len(line), maxSourceLine)]
	pad := make([]rune, at)
	for i := range pad {
		pad[i] = ' '
		if i < len(line) && line[i] == '\t' {
			pad[i] = '\t'
		}
	}
	return e.Error() + "\n    " + printable(line) + "\n    " + string(pad) + "^"
}

// printable keeps a terminal safe from what a rule file holds.
func printable(line []rune) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, string(line))
}

// Errors returns every [*Error] that err holds, in order; what is not one of ours becomes an Error
// without a place.
func Errors(err error) []*Error {
	switch e := err.(type) { //nolint:errorlint // the tree of errors is walked node by node
	case nil:
		return nil
	case *Error:
		return []*Error{e}
	case interface{ Unwrap() []error }:
		var out []*Error
		for _, sub := range e.Unwrap() {
			out = append(out, Errors(sub)...)
		}
		return out
	}
	if one, ok := errors.AsType[*Error](err); ok {
		return []*Error{one}
	}
	return []*Error{{Message: err.Error()}}
}

func join(list []*Error) error {
	errs := make([]error, len(list))
	for i, e := range list {
		errs[i] = e
	}
	return errors.Join(errs...)
}
