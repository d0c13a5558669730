package rules

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
)

// pattern is a regular expression that is compiled when a text first comes near it: one that holds
// the pieces of text without which the expression cannot match. Most alerts never do.
type pattern struct {
	text  string
	parts []needles // every match holds one of each, in small letters

	once sync.Once
	re   *regexp.Regexp
}

type needles [][]byte

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
	parts := required(re)
	return &pattern{text: text, parts: parts[:min(len(parts), maxParts)]}, nil
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
	if len(p.parts) > 0 && !p.near(text) {
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
	if len(p.parts) > 0 {
		return false
	}
	for _, text := range strangers {
		if !p.match(text) {
			return false
		}
	}
	return true
}

// near reports whether text holds a needle of each part, whatever the case of its letters. Beyond
// ASCII letters fold in ways that are not worth knowing here: such a text is always near.
func (p *pattern) near(text string) bool {
	var space [256]byte
	low := space[:0]
	for i := range len(text) {
		c := text[i]
		if c >= 0x80 {
			return true
		}
		low = append(low, lowASCII(c))
	}
	for _, part := range p.parts {
		if !slices.ContainsFunc(part, func(n []byte) bool { return bytes.Contains(low, n) }) {
			return false
		}
	}
	return true
}

// Limits of what is worth looking for before an expression runs.
const (
	maxParts   = 8
	maxNeedles = 32
	minNeedle  = 2
)

// required returns sets of texts, in small letters: every match holds one text of each set.
func required(re *syntax.Regexp) (parts []needles) {
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
		for _, sub := range re.Sub {
			parts = append(parts, required(sub)...)
		}
	case syntax.OpAlternate:
		return requiredAlternate(re.Sub)
	}
	return parts
}

func requiredLiteral(text string) []needles {
	low := strings.ToLower(text)
	for i := range len(low) {
		if low[i] >= 0x80 {
			return nil
		}
	}
	if len(low) < minNeedle {
		return nil
	}
	return []needles{{[]byte(low)}}
}

// requiredAlternate takes of every branch the set whose shortest needle is longest.
func requiredAlternate(branches []*syntax.Regexp) []needles {
	var all needles
	for _, branch := range branches {
		parts := required(branch)
		if len(parts) == 0 {
			return nil
		}
		all = append(all, slices.MaxFunc(parts, func(a, b needles) int { return cmp.Compare(a.shortest(), b.shortest()) })...)
	}
	if len(all) > maxNeedles {
		return nil
	}
	return []needles{all}
}

func (n needles) shortest() int {
	return len(slices.MinFunc(n, func(a, b []byte) int { return cmp.Compare(len(a), len(b)) }))
}
