package offline

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/winnow-soc/winnow/llm"
)

// view is a case as the heuristics see it: concepts instead of every product's field names.
type view struct {
	c      *llm.Case
	result result

	// In lower case, once they are asked for: the search's name, what the product says happened,
	// and the alert's free text. The last is an attacker's to write.
	search, what, words string
	read                bool
}

// maxWords bounds how much free text is looked at, in bytes.
const maxWords = 8 << 10

func newView(c *llm.Case) *view {
	v := &view{c: c}
	v.result = v.readResult()
	return v
}

// texts gathers what words are looked for in.
func (v *view) texts() {
	if v.read {
		return
	}
	v.read = true
	var what, words strings.Builder
	v.join(&what, concepts["what"])
	v.join(&words, freeText)
	v.search = strings.ToLower(v.c.Alert.SearchName)
	v.what, v.words = strings.ToLower(what.String()), strings.ToLower(words.String())
}

// join writes the values of the fields, a line each.
func (v *view) join(out *strings.Builder, fields []string) {
	for _, f := range fields {
		for _, s := range v.c.Alert.Fields[f] {
			if out.Len()+len(s) > maxWords {
				return
			}
			out.WriteByte('\n')
			out.WriteString(s)
		}
	}
}

// get returns the first field of a concept that the alert has, with its first value. A name
// that is no concept is a field.
func (v *view) get(concept string) (field, value string) {
	fields, ok := concepts[concept]
	if !ok {
		fields = []string{concept}
	}
	for _, f := range fields {
		if s, ok := v.c.Alert.Fields.First(f); ok {
			return f, s
		}
	}
	return "", ""
}

func (v *view) has(concept string) bool {
	field, _ := v.get(concept)
	return field != ""
}

// is reports whether the concept's value is one of those given, letter case aside.
func (v *view) is(concept string, values ...string) bool {
	_, got := v.get(concept)
	return got != "" && slices.ContainsFunc(values, func(w string) bool { return strings.EqualFold(got, w) })
}

// says reports whether search or product speak of one of the words. A search's name tells what
// it looks for, not what it found: for a strong vote more is needed.
func (v *view) says(words ...string) bool {
	v.texts()
	return containsAny(v.search, words) || containsAny(v.what, words)
}

// shows reports whether one of the words is in the alert's free text, or in what the product
// says happened.
func (v *view) shows(words ...string) bool {
	v.texts()
	return containsAny(v.words, words) || containsAny(v.what, words)
}

func containsAny(text string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// number returns a concept as a plain decimal, and whether it is one.
func (v *view) number(concept string) (float64, bool) {
	_, s := v.get(concept)
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

func (v *view) atLeast(concept string, n float64) bool {
	got, ok := v.number(concept)
	return ok && got >= n
}

// private reports whether the concept is an address of a network of one's own; public, one of
// the internet. A name, or no value, is neither.
func (v *view) private(concept string) bool {
	ip, ok := v.addr(concept)
	return ok && (ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast())
}

func (v *view) public(concept string) bool {
	ip, ok := v.addr(concept)
	return ok && ip.IsGlobalUnicast() && !ip.IsPrivate()
}

func (v *view) addr(concept string) (netip.Addr, bool) {
	_, s := v.get(concept)
	if len(s) > 45 {
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(s)
	return ip.Unmap(), err == nil
}

// listed reports whether a list holds the concept's value, whoever set it: good enough to raise
// an alert, never to calm one.
func (v *view) listed(list, concept string) bool {
	_, value := v.get(concept)
	if value == "" || v.c.Lists == nil {
		return false
	}
	in, err := v.c.Lists.Contains(list, value)
	return err == nil && in
}

// factOn reports whether a benign fact rests on one of the concept's fields.
func (v *view) factOn(concept string) bool {
	for _, f := range v.c.Facts {
		for _, field := range f.Fields {
			if slices.Contains(concepts[concept], field) {
				return true
			}
		}
	}
	return false
}

// factBeside reports whether a benign fact rests on some field that is none of the concept's.
func (v *view) factBeside(concept string) bool {
	for _, f := range v.c.Facts {
		for _, field := range f.Fields {
			if !slices.Contains(concepts[concept], field) {
				return true
			}
		}
	}
	return false
}

// quote shows a value of the alert: a number as it is, a text in quotes, controls escaped, at most maxQuoted runes.
func quote(s string) string {
	if s == "" {
		return "(none)"
	}
	if len(s) > maxQuoted {
		s = clip(s)
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' }) {
		return s
	}
	return strconv.QuoteToGraphic(s)
}

const maxQuoted = 120

func clip(s string) string {
	n := 0
	for i := range s {
		if n++; n == maxQuoted {
			return s[:i] + "…"
		}
	}
	if !utf8.ValidString(s) {
		return strings.ToValidUTF8(s, "?")
	}
	return s
}
