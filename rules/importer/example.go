package importer

import (
	"maps"
	"net/netip"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// example is the fields of an alert. A field without values is missing.
type example map[string]string

// maxChoices is how many ways to satisfy a part are tried for an example.
const maxChoices = 12

// wish is what a field of an example has to satisfy.
type wish struct {
	start, middle, end string
	whole              string
	missing, other     bool
}

// examples returns alerts that are likely to satisfy a part: one for each way to choose among
// alternatives. Whether they do is for the rule to say.
func (p *part) examples() []example {
	var out []example
	for choice := range maxChoices {
		wishes := map[string]*wish{}
		p.wish(wishes, choice)
		e := example{}
		for field, w := range wishes {
			if v := w.value(); v != "" {
				e[field] = v
			}
		}
		if len(out) == 0 || !maps.Equal(e, out[len(out)-1]) {
			out = append(out, e)
		}
	}
	return out
}

func (w *wish) value() string {
	switch {
	case w.missing:
		return ""
	case w.whole != "":
		return w.whole
	case w.start+w.middle+w.end != "":
		return w.start + w.middle + w.end
	}
	return "another"
}

func (p *part) wish(wishes map[string]*wish, choice int) {
	switch p.op {
	case opAll:
		for _, kid := range p.kids {
			kid.wish(wishes, choice)
		}
		return
	case opAny:
		p.kids[choice%len(p.kids)].wish(wishes, choice/len(p.kids))
		return
	case opNot:
		p.kids[0].wishOther(wishes)
		return
	case opTime:
		return
	}
	w := wishes[p.field]
	if w == nil {
		w = &wish{}
		wishes[p.field] = w
	}
	p.ask(w, choice)
}

// ask adds one demand to what is wished of a field.
func (p *part) ask(w *wish, choice int) {
	text := ""
	if len(p.texts) > 0 {
		text = p.texts[choice%len(p.texts)]
	}
	switch p.op {
	case opEquals:
		w.whole = text
	case opContains:
		w.middle += text
	case opStarts:
		w.start = longer(w.start, text)
	case opEnds:
		w.end = longer(w.end, text)
	case opPattern:
		w.middle += p.filled()
	case opRegexp:
		w.middle += ofExpression(text)
	case opCIDR:
		if n, err := netip.ParsePrefix(text); err == nil {
			w.whole = n.Addr().String()
		} else {
			w.whole = text
		}
	case opMissing:
		w.missing = true
	case opNumber:
		w.whole = numberFor(p.texts[0], p.texts[1])
	case opList:
		w.whole = p.texts[1]
	case opHas, opAll, opAny, opNot, opTime:
	}
}

// wishOther asks for the fields of a part to be there.
func (p *part) wishOther(wishes map[string]*wish) {
	for _, kid := range p.kids {
		kid.wishOther(wishes)
	}
	if p.field != "" && wishes[p.field] == nil {
		wishes[p.field] = &wish{other: true}
	}
}

func longer(a, b string) string {
	if len(b) > len(a) {
		return b
	}
	return a
}

// filled is a text that fits the pattern.
func (p *part) filled() string {
	var b strings.Builder
	for _, s := range p.shape {
		switch s.wild {
		case 0:
			b.WriteString(s.text)
		case '?':
			b.WriteByte('x')
		}
	}
	return b.String()
}

func numberFor(op, number string) string {
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return number
	}
	switch op {
	case "<":
		n--
	case ">":
		n++
	}
	return strconv.FormatInt(n, 10)
}

// ofExpression returns a text that a regular expression is likely to match.
func ofExpression(text string) string {
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return ""
	}
	var b strings.Builder
	fill(&b, re.Simplify(), 0)
	return b.String()
}

// maxFill keeps an example short.
const maxFill = 2000

func fill(b *strings.Builder, re *syntax.Regexp, depth int) {
	if b.Len() > maxFill || depth > 100 {
		return
	}
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		b.WriteRune(oneOf(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('x')
	case syntax.OpCapture, syntax.OpPlus:
		fill(b, re.Sub[0], depth+1)
	case syntax.OpRepeat:
		for range re.Min {
			fill(b, re.Sub[0], depth+1)
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			fill(b, sub, depth+1)
		}
	case syntax.OpAlternate:
		fill(b, re.Sub[0], depth+1)
	}
}

// oneOf returns a character of a class, best one that prints.
func oneOf(ranges []rune) rune {
	for _, r := range "x1X -." {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= r && r <= ranges[i+1] {
				return r
			}
		}
	}
	if len(ranges) == 0 {
		return 'x'
	}
	return ranges[0]
}

// misses returns alerts that are close to an example, and likely not to satisfy what it does.
func (e example) misses(missing []string) []example {
	var out []example
	with := func(field, value string) {
		m := maps.Clone(e)
		if m[field] = value; value == "" {
			delete(m, field)
		}
		out = append(out, m)
	}
	names := slices.Sorted(maps.Keys(e))
	for _, name := range missing {
		with(name, "present")
	}
	for _, name := range names {
		for _, other := range others(e[name]) {
			with(name, other)
		}
	}
	for _, name := range names {
		with(name, "")
	}
	return out
}

// others are values near one.
func others(value string) []string {
	foreign := []string{"192.0.2.77", "203.0.113.77", "2001:db8::77", "0", "99999999"}
	if _, err := netip.ParseAddr(value); err == nil {
		return foreign
	}
	v := []rune(value)
	return append([]string{value + "-x", "x-" + value, string(v[1:]), string(v[:len(v)-1]), "another value"}, foreign...)
}

// missing lists the fields that a part wants to be missing.
func (p *part) missing() []string {
	var out []string
	if p.op == opMissing {
		out = append(out, p.field)
	}
	for _, kid := range p.kids {
		out = append(out, kid.missing()...)
	}
	return out
}

// fields lists the fields that a part reads.
func (p *part) fields() []string {
	var out []string
	if p.field != "" {
		out = append(out, p.field)
	}
	for _, kid := range p.kids {
		out = append(out, kid.fields()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
