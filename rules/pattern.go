package rules

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
)

// pattern is a regular expression that is compiled when a text first comes near it: one that holds
// a piece of text without which the expression cannot match. Most alerts never do.
type pattern struct {
	text    string
	needles [][]byte // one of them, in small letters, is in every match; nil when there is no such set

	once sync.Once
	re   *regexp.Regexp
}

// newPattern checks an expression's syntax and size.
func newPattern(text string) (*pattern, error) {
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, badPattern(err)
	}
	re = re.Simplify()
	if err := checkSize(text, re); err != nil {
		return nil, err
	}
	p := &pattern{text: text}
	if needles, ok := required(re); ok && len(needles) <= maxNeedles {
		for _, n := range needles {
			p.needles = append(p.needles, []byte(n))
		}
	}
	return p, nil
}

// checkSize counts the instructions of a compiled expression. Without counted repetition a
// character makes at most two of them, so that short texts need no counting.
func checkSize(text string, re *syntax.Regexp) error {
	if 2*len(text)+8 <= maxRegexpProgram && !strings.Contains(text, "{") {
		return nil
	}
	prog, err := syntax.Compile(re)
	if err != nil {
		return badPattern(err)
	}
	if len(prog.Inst) > maxRegexpProgram {
		return fmt.Errorf("the regular expression compiles to %d instructions, more than %d", len(prog.Inst), maxRegexpProgram)
	}
	return nil
}

func badPattern(err error) error {
	return errors.New("bad regular expression: " + strings.TrimPrefix(err.Error(), "error parsing regexp: "))
}

// match reports whether the expression matches anywhere in text.
func (p *pattern) match(text string) bool {
	if p.needles != nil && !p.near(text) {
		return false
	}
	// It compiles, since newPattern has parsed it, unless somebody else wrote the bytes it was read from.
	p.once.Do(func() { p.re, _ = regexp.Compile(p.text) })
	return p.re != nil && p.re.MatchString(text)
}

// strangers are texts that have nothing in common.
var strangers = [...]string{"\uE000", "~", "a0", "Z z"}

// everything reports whether the expression fits texts that have nothing in common, so that it
// tells nothing from anything: one that matches the empty text anywhere, or any character.
func (p *pattern) everything() bool {
	if p.needles != nil {
		return false
	}
	for _, text := range strangers {
		if !p.match(text) {
			return false
		}
	}
	return true
}

// near reports whether text holds a needle, whatever the case of its letters. Beyond ASCII letters
// fold in ways that are not worth knowing here: such a text is always near.
func (p *pattern) near(text string) bool {
	var space [256]byte
	low := space[:0]
	for i := range len(text) {
		c := text[i]
		if c >= 0x80 {
			return true
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		low = append(low, c)
	}
	for _, n := range p.needles {
		if bytes.Contains(low, n) {
			return true
		}
	}
	return false
}

// Limits of what is worth looking for before an expression runs.
const (
	maxNeedles = 32
	minNeedle  = 2
)

// required returns texts, in small letters, of which every match holds one. ok is false when there
// is no such set.
func required(re *syntax.Regexp) (needles []string, ok bool) {
	switch re.Op {
	case syntax.OpLiteral:
		return requiredLiteral(string(re.Rune))
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		return requiredConcat(re.Sub)
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			n, ok := required(sub)
			if !ok {
				return nil, false
			}
			needles = append(needles, n...)
		}
		return needles, true
	}
	return nil, false
}

func requiredLiteral(text string) ([]string, bool) {
	low := strings.ToLower(text)
	for i := range len(low) {
		if low[i] >= 0x80 {
			return nil, false
		}
	}
	return []string{low}, len(low) >= minNeedle
}

// requiredConcat takes the part whose shortest needle is longest.
func requiredConcat(parts []*syntax.Regexp) (best []string, ok bool) {
	most := 0
	for _, part := range parts {
		n, has := required(part)
		if !has || len(n) > maxNeedles {
			continue
		}
		if shortest := len(slices.MinFunc(n, func(a, b string) int { return len(a) - len(b) })); shortest > most {
			best, most, ok = n, shortest, true
		}
	}
	return best, ok
}
