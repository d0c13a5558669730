package rules

import (
	"errors"
	"strings"

	"github.com/winnow-soc/winnow"
)

// Filter is a condition on its own: which alerts a person means. It is immutable and safe for
// concurrent use.
type Filter struct{ cond *condition }

// NewFilter reads a condition. What is wrong with it is an [*Error] whose File is the name given,
// such as "--only".
func NewFilter(name, text string, opts Options) (*Filter, error) {
	v := vocabulary{fields: opts.Fields, lists: opts.Lists, compareFields: true}
	c, err := parseCondition(text, v)
	if err == nil {
		err = c.listError()
	}
	if err == nil {
		err = c.program().err
	}
	if err == nil {
		return &Filter{c}, nil
	}
	e := &Error{File: name, Message: err.Error()}
	if ce, ok := errors.AsType[*condError](err); ok {
		e.Message, e.Hint = ce.msg, ce.hint
		before := string([]rune(text)[:min(ce.at, len([]rune(text)))])
		e.Line = 1 + strings.Count(before, "\n")
		last := before[strings.LastIndexByte(before, '\n')+1:]
		e.Column = 1 + len([]rune(last))
		e.Source = strings.Split(text, "\n")[e.Line-1]
	}
	return nil, e
}

// Match reports whether the condition is true for any way to pick one value of each field that it reads
// as a single value. Doubt matches: a filter picks what somebody is to look at.
func (f *Filter) Match(a *winnow.Alert) bool { return f.cond.program().any(a) }

// Without returns the lists as they are without some values, by list. A list that loses its last value cannot
// be trusted. The lists themselves stay as they are.
func (ls *Lists) Without(gone map[string][]string) *Lists {
	if ls == nil || len(gone) == 0 {
		return ls
	}
	out := &Lists{byName: map[string]*List{}, info: ls.info}
	for name, l := range ls.byName {
		if values := gone[name]; len(values) > 0 && l.err == nil {
			l = l.without(values)
		}
		out.byName[name] = l
	}
	return out
}
