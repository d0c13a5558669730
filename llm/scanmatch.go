package llm

import (
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// windowBytes is how far from its anchor word a pattern may reach, each way.
const windowBytes = 160

// match looks for the anchor words of all patterns in one pass, and runs a pattern only near its
// anchors. Overlapping surroundings are joined, so a text full of anchors costs no more.
func (s *scanner) match() {
	ps := patterns()
	text := string(s.text)
	spans := make([]span, len(ps.list))
	wide := false
	for i := 0; i < len(text); {
		b := text[i]
		if b >= 0xE3 {
			wide = true
		}
		if !wordByte(b) {
			i++
			continue
		}
		j := i + 1
		for j < len(text) && wordByte(text[j]) {
			j++
		}
		s.word(ps, spans, text, i, j)
		i = j
	}
	for p := range spans {
		s.try(ps, &spans[p], p, text)
	}
	if wide {
		s.unspaced(ps, text)
	}
}

// word notes the patterns near a word. Words joined by underscores are looked at as one, since some
// anchors are written so, and each by itself: in names and identifiers they stand for blanks.
func (s *scanner) word(ps *patternSet, spans []span, text string, i, j int) {
	s.anchor(ps, spans, text, i, j)
	if strings.IndexByte(text[i:j], '_') < 0 {
		return
	}
	for i < j {
		end := j
		if n := strings.IndexByte(text[i:j], '_'); n >= 0 {
			end = i + n
		}
		s.anchor(ps, spans, text, i, end)
		i = end + 1
	}
}

func (s *scanner) anchor(ps *patternSet, spans []span, text string, i, j int) {
	if i < j && ps.first[text[i]] && j-i <= ps.longest {
		for _, p := range ps.byAnchor[text[i:j]] {
			s.near(ps, &spans[p], p, text, i)
		}
	}
}

// span is a stretch of text near the anchors of one pattern.
type span struct {
	from, to int
	found    bool
}

func (s *scanner) near(ps *patternSet, sp *span, p int, text string, i int) {
	from, to := max(i-windowBytes, 0), min(i+windowBytes, len(text))
	if from > sp.to {
		s.try(ps, sp, p, text)
		sp.from = from
	} else if sp.to == 0 {
		sp.from = from
	}
	sp.to = to
}

// try runs the pattern over a span. One sign of a kind is enough for an alert.
func (s *scanner) try(ps *patternSet, sp *span, p int, text string) {
	if sp.found || sp.to == 0 || !strings.Contains(text[sp.from:sp.to], ps.list[p].needs) {
		return
	}
	if m := ps.expr(p).FindStringIndex(text[sp.from:sp.to]); m != nil {
		sp.found = true
		s.note(s.fieldAt(sp.from+m[0]), ps.list[p].id)
	}
}

// unspaced runs the patterns of languages that write without spaces.
func (s *scanner) unspaced(ps *patternSet, text string) {
	for p := range ps.list {
		if len(ps.list[p].anchors) > 0 {
			continue
		}
		if m := ps.expr(p).FindStringIndex(text); m != nil {
			s.note(s.fieldAt(m[0]), ps.list[p].id)
		}
	}
}

// wordByte reports whether a byte of normalised text belongs to a word.
func wordByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= utf8.RuneSelf || b >= '0' && b <= '9' || b == '_'
}

// patternSet is the table of patterns, indexed by anchor word. Expressions are compiled when
// they are first needed: most never are.
type patternSet struct {
	list     []pattern
	exprs    []func() *regexp.Regexp
	byAnchor map[string][]int
	first    [256]bool // bytes that an anchor starts with
	longest  int       // anchor, in bytes
}

func (ps *patternSet) expr(p int) *regexp.Regexp { return ps.exprs[p]() }

// anchored reports whether a word is an anchor of some pattern.
func (ps *patternSet) anchored(word string) bool { return len(ps.byAnchor[word]) > 0 }

var patterns = sync.OnceValue(func() *patternSet {
	ps := &patternSet{byAnchor: map[string][]int{}}
	for _, p := range patternTable() {
		i := len(ps.list)
		ps.list = append(ps.list, p)
		ps.exprs = append(ps.exprs, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(spell(p.expr)) }))
		for word := range strings.FieldsSeq(p.anchors) {
			ps.byAnchor[word] = append(ps.byAnchor[word], i)
			ps.first[word[0]] = true
			ps.longest = max(ps.longest, len(word))
		}
	}
	return ps
})

// spell turns the table's short forms into an expression: a space is up to six characters that
// are no letters or digits ("\x20" is a real one), "{<}" and "{>}" the bounds of a word.
func spell(expr string) string {
	return strings.NewReplacer(
		" ?", `[^\pL\pN]{0,6}`,
		" ", `[^\pL\pN]{1,6}`,
		"{<}", `(?:^|[^\pL\pN])`,
		"{>}", `(?:$|[^\pL\pN])`,
	).Replace(expr)
}
