package importer

import (
	"slices"
	"strconv"
	"strings"
)

// truth is a value of a Sigma condition: a block that is not decided yet is unknown.
type truth uint8

const (
	unknown truth = iota
	no
	yes
)

func (t truth) not() truth {
	switch t {
	case yes:
		return no
	case no:
		return yes
	case unknown:
	}
	return unknown
}

// sigmaCondition is how a Sigma rule puts its blocks together.
type sigmaCondition func(blocks map[string]truth) truth

// excludes reports whether the condition cannot be true where all of the blocks are, whatever the
// others are.
func (c sigmaCondition) excludes(blocks ...string) bool {
	values := map[string]truth{}
	for _, b := range blocks {
		values[b] = yes
	}
	return c(values) == no
}

// parseSigmaCondition reads a condition over the blocks of a rule.
func parseSigmaCondition(text string, names []string) (sigmaCondition, error) {
	if len(text) > 16<<10 {
		return nil, refuse("its condition is too long")
	}
	p := &sigmaParser{names: names, words: sigmaWords(text)}
	c := p.or()
	if p.bad == "" && len(p.words) > 0 {
		p.bad = p.words[0]
	}
	if p.bad != "" {
		return nil, refuseDetail("its condition has a form that is not read", "%.60q", text)
	}
	return c, nil
}

func sigmaWords(text string) []string {
	text = strings.NewReplacer("(", " ( ", ")", " ) ", "|", " | ").Replace(text)
	return strings.Fields(text)
}

type sigmaParser struct {
	names []string
	words []string
	depth int
	bad   string
}

func (p *sigmaParser) next(word string) bool {
	if p.bad == "" && len(p.words) > 0 && strings.EqualFold(p.words[0], word) {
		p.words = p.words[1:]
		return true
	}
	return false
}

func never(map[string]truth) truth { return unknown }

func (p *sigmaParser) or() sigmaCondition {
	kids := []sigmaCondition{p.and()}
	for p.next("or") {
		kids = append(kids, p.and())
	}
	return atLeast(1, kids)
}

func (p *sigmaParser) and() sigmaCondition {
	kids := []sigmaCondition{p.not()}
	for p.next("and") {
		kids = append(kids, p.not())
	}
	return atLeast(len(kids), kids)
}

func (p *sigmaParser) not() sigmaCondition {
	if p.depth++; p.depth > 200 {
		p.bad = "it is nested too deeply"
	}
	defer func() { p.depth-- }()
	if p.next("not") {
		kid := p.not()
		return func(b map[string]truth) truth { return kid(b).not() }
	}
	if p.next("(") {
		kid := p.or()
		if !p.next(")") && p.bad == "" {
			p.bad = "("
		}
		return kid
	}
	return p.block()
}

// block reads a name, or how many of some names.
func (p *sigmaParser) block() sigmaCondition {
	if p.bad != "" || len(p.words) == 0 {
		p.bad = "its end"
		return never
	}
	word := p.words[0]
	p.words = p.words[1:]
	if len(p.words) > 1 && strings.EqualFold(p.words[0], "of") {
		return p.some(word)
	}
	if !slices.Contains(p.names, word) {
		p.bad = word
		return never
	}
	return func(b map[string]truth) truth { return b[word] }
}

// some reads "1 of selection_*", "all of them" and their like.
func (p *sigmaParser) some(count string) sigmaCondition {
	pattern := p.words[1]
	p.words = p.words[2:]
	var kids []sigmaCondition
	for _, name := range p.names {
		if pattern == "them" && !strings.HasPrefix(name, "_") || sigmaName(pattern, name) {
			kids = append(kids, func(b map[string]truth) truth { return b[name] })
		}
	}
	least := len(kids)
	switch strings.ToLower(count) {
	case "all":
	case "any":
		least = 1
	default:
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 {
			p.bad = count
			return never
		}
		least = n
	}
	if len(kids) == 0 {
		p.bad = pattern
		return never
	}
	return atLeast(least, kids)
}

// sigmaName reports whether a name fits a pattern in which * stands for any run.
func sigmaName(pattern, name string) bool {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name
	}
	if !strings.HasPrefix(name, before) {
		return false
	}
	name = name[len(before):]
	for i := 0; i <= len(name); i++ {
		if sigmaName(after, name[i:]) {
			return true
		}
	}
	return false
}

// atLeast is yes where so many of the kids are, and no where so many cannot be any more.
func atLeast(least int, kids []sigmaCondition) sigmaCondition {
	return func(b map[string]truth) truth {
		yesses, noes := 0, 0
		for _, kid := range kids {
			switch kid(b) {
			case yes:
				yesses++
			case no:
				noes++
			case unknown:
			}
		}
		switch {
		case yesses >= least:
			return yes
		case len(kids)-noes < least:
			return no
		}
		return unknown
	}
}
