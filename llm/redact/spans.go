package redact

import (
	"cmp"
	"slices"
	"strings"
)

// span is a part of a text that does not leave as it is.
type span struct {
	from, to int
	kind     kind
	group    string // tells what the token shares with others, see tokens.token
	same     string // usual spelling; "": the text in lower case
	secret   string // what kind of secret, for kindSecret
	odd      bool   // what is hidden may be more than a name: it counts as not seen
}

// spans finds what to replace in a text, in order and without overlap.
func (v *View) spans(role role, text string) []span {
	folded := fold(text)
	list := secretSpans(text, folded)
	for _, at := range tokenMatches(text) {
		list = slices.DeleteFunc(list, func(s span) bool { return at[0] < s.from && s.to <= at[1] }) // as in [secret:aws]
		list = append(list, span{from: at[0], to: at[1], kind: kindText, same: text[at[0]:at[1]]})
	}
	list = append(list, v.r.roleSpans(role, text)...)
	v.names.find(folded, func(from, to int, k kind) {
		s := span{from: from, to: to, kind: k}
		if k == kindSecret {
			s.secret, s.odd = "field", true
		}
		list = append(list, s)
	})
	list = v.r.addressSpans(list, text, folded)
	list = v.r.hostSpans(list, folded)
	list = mailSpans(list, folded, nil)
	list = pathSpans(list, folded)
	list = contextSpans(list, folded)
	return settle(list)
}

func tokenMatches(text string) [][]int {
	if !strings.Contains(text, "[") {
		return nil
	}
	return tokenShape.FindAllStringIndex(text, -1)
}

// settle lets the first and longest of overlapping spans stand. A secret takes in all that overlaps it.
func settle(list []span) []span {
	slices.SortStableFunc(list, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to))
	})
	out := list[:0]
	for _, s := range list {
		if s.from >= s.to {
			continue
		}
		last := len(out) - 1
		if last < 0 || s.from >= out[last].to {
			out = append(out, s)
			continue
		}
		p := &out[last]
		if p.kind != kindSecret && s.kind != kindSecret {
			p.odd = p.odd || s.odd
			continue
		}
		if p.kind != kindSecret {
			from, to := p.from, p.to
			*p = s
			p.from, p.to = from, to
		}
		p.to, p.odd = max(p.to, s.to), p.odd || s.odd
	}
	return out
}

// replaced writes a text with its spans replaced, up to limit bytes of the original. whole is false when
// something was cut off.
func (v *View) replaced(text string, list []span, limit int) (hidden string, whole bool) {
	var b strings.Builder
	at, end := 0, min(limit, len(text))
	for _, s := range list {
		if s.from >= end {
			break
		}
		if s.to > end {
			end = s.from
			break
		}
		b.WriteString(text[at:s.from])
		b.WriteString(v.token(s, text[s.from:s.to]))
		at = s.to
	}
	if at < end {
		b.WriteString(text[at:end])
	}
	return b.String(), end == len(text)
}

func (v *View) token(s span, text string) string {
	switch {
	case s.kind == kindSecret:
		return "[secret:" + s.secret + "]"
	case s.same != "":
		return v.tokens.token(s.kind, s.group, s.same, text)
	}
	return v.tokens.word(s.kind, text)
}
