package importer

import (
	"regexp"
	"strings"
)

// wildcards splits a text at * and ?. A backslash takes a wildcard or a backslash after it as it is;
// before anything else it stands for itself.
func wildcards(text string) []piece {
	var out []piece
	var run strings.Builder
	flush := func() {
		if run.Len() > 0 {
			out = append(out, piece{text: run.String()})
			run.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text) && strings.IndexByte(`*?\`, text[i+1]) >= 0:
			i++
			run.WriteByte(text[i])
		case c == '*' || c == '?':
			flush()
			if c == '?' || len(out) == 0 || out[len(out)-1].wild != '*' {
				out = append(out, piece{wild: c})
			}
		default:
			run.WriteByte(c)
		}
	}
	flush()
	return out
}

// comparison makes the simplest part of a text with wildcards, which covers the same values: but
// for the empty one, which no alert has.
func comparison(field string, shape []piece, exact bool) *part {
	p := &part{op: opPattern, field: field, shape: shape, exact: exact}
	first, last := shape[0].wild == '*', shape[len(shape)-1].wild == '*'
	inner := shape
	if first {
		inner = inner[1:]
	}
	if last && len(inner) > 0 {
		inner = inner[:len(inner)-1]
	}
	switch {
	case len(inner) == 0:
		return &part{op: opHas, field: field}
	case len(inner) > 1 || inner[0].wild != 0:
		return p
	}
	p.shape, p.texts = nil, []string{inner[0].text}
	switch {
	case first && last:
		p.op = opContains
	case first:
		p.op = opEnds
	case last:
		p.op = opStarts
	default:
		p.op = opEquals
	}
	return p
}

// expression writes a pattern as a regular expression.
func (p *part) expression() string {
	var b strings.Builder
	b.WriteString("(?s)^")
	for _, s := range p.shape {
		switch s.wild {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(p.fold(s.text)))
		}
	}
	b.WriteString("$")
	return b.String()
}

// merged puts comparisons of one kind with one field into one part.
func merged(kids []*part) []*part {
	var out []*part
next:
	for _, k := range kids {
		switch k.op {
		case opEquals, opContains, opStarts, opEnds, opCIDR:
			for _, o := range out {
				if o.op == k.op && o.field == k.field && o.exact == k.exact {
					o.texts = append(o.texts, k.texts...)
					continue next
				}
			}
		}
		out = append(out, k)
	}
	return out
}
