package rules

import (
	"strings"
	"sync"

	"github.com/winnow-soc/winnow"
)

// later is a condition of an unproven set that is read when an alert comes that it may speak of.
// The alert action sees one alert, and most conditions are about fields that it does not have: an
// atom whose field is missing is unknown, so such a condition cannot be true, and reading it would
// be most of the action's work. Safe for concurrent use.
type later struct {
	read   func() (*condition, error)
	fields []string // that the text mentions
	always bool     // the text may be true of an alert without any of them

	once sync.Once
	cond *condition
	err  error
}

// loaded is the condition of a rule or an entry: read already, or, in an unproven set, later.
type loaded struct {
	cond          *condition
	later         *later
	compareFields bool // as the rule says
}

// read returns the condition, empty when it could not be read.
func (w *loaded) read() *condition {
	if w.later == nil {
		return w.cond
	}
	w.later.once.Do(func() { w.later.cond, w.later.err = w.later.read() })
	if w.later.cond == nil {
		return &condition{}
	}
	return w.later.cond
}

// form returns the checked condition as bytes, "" when it cannot be read.
func (w *loaded) form() string {
	c := w.read()
	if c.root == nil {
		return ""
	}
	out, ok := writeCondition(c)
	if !ok {
		return ""
	}
	return string(out)
}

// alwaysRead are words of conditions that can be true without a field of the event.
var alwaysRead = [...]string{"alert.", "has(", "true", "false", "none(", "all(", "count(", "values(", "len("}

func newLater(text string, v vocabulary) *later {
	fields, sure := mentioned(text)
	l := &later{fields: fields, always: !sure || len(fields) == 0}
	l.read = func() (*condition, error) { return parseCondition(text, v) }
	for _, word := range alwaysRead {
		l.always = l.always || strings.Contains(text, word)
	}
	return l
}

// of returns the condition, or nil when it cannot be true of the alert.
func (l *later) of(a *winnow.Alert) (*condition, error) {
	if !l.always && !l.touches(a) {
		return nil, nil //nolint:nilnil // "does not apply" is an answer
	}
	l.once.Do(func() { l.cond, l.err = l.read() })
	return l.cond, l.err
}

func (l *later) touches(a *winnow.Alert) bool {
	for _, name := range l.fields {
		if len(a.Fields[name]) > 0 {
			return true
		}
	}
	return false
}

// mentioned returns the fields that a text names as event.a.b or event["a b"], also inside of
// quoted text: one too many only means that the condition is read. It is not sure of a text that
// names the event in any other way.
func mentioned(text string) (fields []string, sure bool) {
	for {
		_, after, found := strings.Cut(text, "event")
		if !found {
			return fields, true
		}
		name, rest, ok := fieldAfter(after)
		if !ok {
			return nil, false
		}
		fields = append(fields, name)
		text = rest
	}
}

func fieldAfter(text string) (name, rest string, ok bool) {
	if path, dotted := strings.CutPrefix(text, "."); dotted {
		end := strings.IndexFunc(path, func(r rune) bool { return r != '.' && !isWordRune(r) })
		if end < 0 {
			end = len(path)
		}
		return path[:end], path[end:], end > 0
	}
	for _, quote := range []string{`"`, `'`} {
		if quoted, indexed := strings.CutPrefix(text, "["+quote); indexed {
			name, rest, closed := strings.Cut(quoted, quote+"]")
			return name, rest, closed && !strings.ContainsAny(name, "\\\"'")
		}
	}
	return "", "", false
}

func isWordRune(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 0x7f
}
