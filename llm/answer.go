package llm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/winnow-soc/winnow"
)

// Limits of an answer (guard G3), in bytes, runes and items.
const (
	maxAnswerBytes = 32 << 10
	maxNameRunes   = 200
	maxTextRunes   = 400
	maxValueRunes  = 2000
	maxItems       = 20
	maxTechniques  = 10
)

// answer is a type that a model's JSON is decoded into.
type answer[T any] interface {
	*T
	check(k *checker)
}

// decode reads one answer: a single JSON object with known keys to the letter, none twice, and
// values within their closed lists and lengths. On any doubt out stays as it was.
func decode[T any, P answer[T]](q Question, m Model, data []byte, cat *Catalogue, out P) error {
	refuse := func(problem string) error {
		return &AnswerError{Task: q.Task, Agent: q.Agent, Model: m.Name(), Problem: problem}
	}
	if len(data) > maxAnswerBytes {
		return refuse(fmt.Sprintf("%d bytes, at most %d are read", len(data), maxAnswerBytes))
	}
	if err := checkKeys(data); err != nil {
		return refuse(err.Error())
	}
	var v T
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return refuse(err.Error())
	}
	k := checker{c: q.Case, catalogue: cat}
	P(&v).check(&k)
	if k.problem != "" {
		return refuse(k.problem)
	}
	*out = v
	return nil
}

// checker collects the first thing wrong with an answer.
type checker struct {
	c         *Case
	catalogue *Catalogue
	problem   string
}

func (k *checker) fail(format string, args ...any) {
	if k.problem == "" {
		k.problem = fmt.Sprintf(format, args...)
	}
}

func (k *checker) within(what string, n, low, high int) {
	if n < low || n > high {
		k.fail("%s is %d, want %d to %d", what, n, low, high)
	}
}

func (k *checker) atMost(what string, n, limit int) {
	if n > limit {
		k.fail("%d %s, at most %d", n, what, limit)
	}
}

func (k *checker) size(what, s string, limit int) {
	if len(s) > limit && utf8.RuneCountInString(s) > limit {
		k.fail("%s is longer than %d characters", what, limit)
	}
}

// text checks a text's length and makes it one line.
func (k *checker) text(what string, s *string, limit int) {
	k.size(what, *s, limit)
	*s = oneLine(*s)
}

func (k *checker) texts(what string, list []string) {
	k.atMost(what, len(list), maxItems)
	for i := range list {
		k.text(what, &list[i], maxTextRunes)
	}
}

// statements checks that every statement rests on a field of the alert.
func (k *checker) statements(what string, list []Statement) {
	k.atMost(what, len(list), maxItems)
	for i := range list {
		k.text(what, &list[i].Text, maxTextRunes)
		k.field(what, list[i].Field)
	}
}

func (k *checker) field(what, name string) {
	if len(k.c.Alert.Fields[name]) == 0 {
		k.fail("%s cites the field %.60q, which the alert does not have", what, name)
	}
}

func (k *checker) disposition(n DispositionName) {
	if _, err := winnow.ParseDisposition(string(n)); err != nil {
		k.fail("disposition is %.40q, want one of the six names", n)
	}
}

func (k *checker) threeLines(c *winnow.Case) {
	k.text("case.what", &c.What, maxTextRunes)
	k.text("case.why", &c.Why, maxTextRunes)
	k.text("case.first_response", &c.FirstResponse, maxTextRunes)
	if c.What == "" || c.Why == "" || c.FirstResponse == "" {
		k.fail("case needs what, why and first_response")
	}
}

// plain reports whether a text is printable ASCII: the common case, told without decoding runes.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// oneLine replaces line breaks, controls and invisible characters by spaces, so that a text
// cannot draw lines of its own in whatever shows it.
func oneLine(s string) string {
	odd := func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) }
	if plain(s) || strings.IndexFunc(s, odd) < 0 {
		return strings.TrimSpace(s)
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if odd(r) {
			return ' '
		}
		return r
	}, s))
}
