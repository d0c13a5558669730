package llm

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/winnow-soc/winnow"
)

// Limits of the injection scan, in bytes. What lies beyond them was not seen in full.
const (
	maxScanValue = 16 << 10 // of one value
	maxScanText  = 96 << 10 // of one alert, before decoding: of what others set, of names, and of what we set
	maxDecoded   = 64 << 10 // of what one alert's values decode to
	maxTaint     = 20       // signs noted of one alert
)

// Scan is guard G4. It reads every field, with its decoded layers, and reports text that tries to
// steer whoever reads the alert, as "injection:FIELD:SIGN". Who sets a field does not matter: our
// own sensors repeat names and error texts that others worded. Names of fields are read too, but
// for those that the table knows. cut names the fields that were too long to be read in full. The
// cost is linear in the limits above. Safe for concurrent use.
func Scan(a *winnow.Alert, t *winnow.FieldTable) (taint, cut []string) {
	s := scan(a, t)
	return s.taint, s.cut
}

func scan(a *winnow.Alert, t *winnow.FieldTable) *scanner {
	s := &scanner{c: &Case{Alert: a, Fields: t}}
	names := a.Fields.Names()
	s.foreign = true
	s.others(names)
	s.names(names)
	s.foreign = false
	s.ours(names)
	s.match()
	return s
}

// ScanText scans one text that is no field of an alert, under the name of where it comes from.
func ScanText(from, text string) (taint []string) {
	a := &winnow.Alert{Fields: winnow.Fields{from: {text}}}
	taint, cut := Scan(a, nil)
	if len(cut) > 0 {
		taint = append(taint, "unscanned:"+from)
	}
	return taint
}

// others reads the values that our own systems do not set.
func (s *scanner) others(names []string) {
	for _, name := range names {
		if s.c.control(name) != winnow.ControlSystem {
			s.values(name)
		}
	}
}

// names reads the names that the table does not know: in vendor JSON they can be anybody's text.
// Those that look like identifiers are read each on its own.
func (s *scanner) names(names []string) {
	s.part()
	for _, name := range names {
		if s.c.Fields != nil && s.c.Fields.Known(name) {
			continue
		}
		s.value(name, name)
		if identifier(name) {
			s.text = append(s.text, apart...)
		}
	}
}

// identifier reports whether a field's name is one that a product would choose.
func identifier(name string) bool {
	for i := range len(name) {
		if b := name[i]; b <= ' ' || b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// ours reads the values that our own systems set, each on its own: nobody can split an instruction
// over them, and together they only look like one by chance.
func (s *scanner) ours(names []string) {
	s.part()
	for _, name := range names {
		if s.c.control(name) == winnow.ControlSystem {
			s.values(name)
			s.text = append(s.text, apart...)
		}
	}
}

// apart stands between texts that are not read on from one to the next: more blanks than any
// pattern takes for the space between two words.
const apart = "        "

// part begins a part of the alert with a limit of its own.
func (s *scanner) part() {
	s.text = append(s.text, apart...)
	s.read = 0
}

// scanner gathers the texts of an alert into one, because an instruction may be split over
// several fields, and matches once.
type scanner struct {
	c        *Case
	text     []byte // normalised: lower case, one space between words
	segments []segment
	read     int // bytes taken so far of the part that is read
	decoded  int // bytes of decoded layers so far
	taint    []string
	cut      []string
	foreign  bool // what is read now is worded by others
	halves   halves
	prose    []string // fields in which others wrote sentences
}

// segment says which field the text comes from, up to the next segment.
type segment struct {
	start int
	field string
}

func (s *scanner) values(field string) {
	for _, v := range s.c.Alert.Fields[field] {
		s.value(field, v)
	}
}

func (s *scanner) value(field, v string) {
	limit := min(maxScanValue, maxScanText-s.read)
	if len(v) > limit {
		s.noteCut(field)
		v = v[:max(limit, 0)]
	}
	s.read += len(v)
	if !wordy(v) {
		return
	}
	s.add(field, v)
	s.layers(field, v, maxLayers)
}

func (s *scanner) noteCut(field string) {
	if !slices.Contains(s.cut, field) {
		s.cut = append(s.cut, field)
	}
}

// layers adds what the value decodes to, and what that decodes to.
func (s *scanner) layers(field, v string, depth int) {
	if depth == 0 {
		return
	}
	for _, inner := range decodings(v) {
		if s.decoded += len(inner); s.decoded > maxDecoded {
			s.noteCut(field)
			return
		}
		s.add(field, inner)
		s.layers(field, inner, depth-1)
	}
}

// add appends the normalised value as a segment of its own.
func (s *scanner) add(field, v string) {
	s.segments = append(s.segments, segment{start: len(s.text), field: field})
	start := len(s.text)
	var hidden string
	s.text, hidden = appendNormal(s.text, v)
	if hidden != "" {
		s.note(field, hidden)
	}
	s.noteProse(field, string(s.text[start:]))
	if alt, apart := deobfuscate(string(s.text[start:])); alt != "" {
		if apart {
			s.noteProse(field, "you are to read this") // spelled out letter by letter: nothing but text is
		}
		if apart && spelledOut().MatchString(alt) {
			s.note(field, "spelled_out")
		}
		s.text = append(append(s.text, ' '), alt...)
	}
	s.text = append(s.text, ' ')
}

// noteProse notes a field in which others wrote a sentence, or the last of several that hold one
// together. Names of fields count when they are one by themselves.
func (s *scanner) noteProse(field, text string) {
	if !s.foreign || slices.Contains(s.prose, field) {
		return
	}
	if sentence(text) || len(s.prose) == 0 && len(s.c.Alert.Fields[field]) > 0 && field != text && s.halves.add(text) {
		s.prose = append(s.prose, field)
	}
}

func (s *scanner) note(field, sign string) {
	sign = "injection:" + clip(field, 60) + ":" + sign
	if len(s.taint) < maxTaint && !slices.Contains(s.taint, sign) {
		s.taint = append(s.taint, sign)
	}
}

// fieldAt returns the field that the text at an offset comes from.
func (s *scanner) fieldAt(offset int) string {
	i, found := slices.BinarySearchFunc(s.segments, offset, func(g segment, o int) int { return g.start - o })
	if !found {
		i--
	}
	return s.segments[max(i, 0)].field
}

// wordy reports whether the text can say anything at all: short values and bare numbers cannot.
// They are left out of the joined text.
func wordy(v string) bool {
	letters := 0
	for i := 0; i < len(v); i++ {
		if b := v[i] | 0x20; (b >= 'a' && b <= 'z') || v[i] >= 0x80 {
			if letters++; letters >= 2 {
				return true
			}
		}
	}
	// Digits alone may still be encoded text.
	return len(v) >= minEncoded
}

func ascii(v string) bool {
	for i := 0; i < len(v); i++ {
		if v[i] >= 0x80 {
			return false
		}
	}
	return true
}

// clip makes a text safe to show: one line, at most n runes.
func clip(s string, n int) string {
	r := []rune(oneLine(strings.ToValidUTF8(s, "?")))
	if len(r) > n {
		r = append(r[:n-1], '…')
	}
	return string(r)
}
