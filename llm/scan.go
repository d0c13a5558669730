package llm

import (
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
)

// Limits of the injection scan, in bytes. What lies beyond them was not seen in full.
const (
	maxScanValue = 16 << 10 // of one value
	maxScanText  = 96 << 10 // of one alert, before decoding
	maxDecoded   = 64 << 10 // of what one alert's values decode to
	maxTaint     = 20       // signs noted of one alert
)

// Scan is guard G4. It reads every field that is not set by our own systems, with its decoded
// layers, and reports text that tries to steer whoever reads the alert, as "injection:FIELD:SIGN".
// cut names the fields that were too long to be read in full. The cost is linear in the limits
// above. Safe for concurrent use.
func Scan(a *winnow.Alert, t *winnow.FieldTable) (taint, cut []string) {
	s := scanner{c: &Case{Alert: a, Fields: t}}
	for _, name := range a.Fields.Names() {
		if s.c.control(name) == winnow.ControlSystem {
			continue
		}
		s.name(name)
		for _, v := range a.Fields[name] {
			s.value(name, v)
		}
	}
	s.match()
	return s.taint, s.cut
}

// scanner gathers the texts of an alert into one, because an instruction may be split over
// several fields, and matches once.
type scanner struct {
	c        *Case
	text     []byte // normalised: lower case, one space between words
	segments []segment
	read     int // bytes of values taken so far
	decoded  int // bytes of decoded layers so far
	taint    []string
	cut      []string
}

// segment says which field the text comes from, up to the next segment.
type segment struct {
	start int
	field string
}

// name reads a field's own name: in vendor JSON it can be anybody's text. Plain names are
// passed over.
func (s *scanner) name(field string) {
	if strings.ContainsRune(field, ' ') || !ascii(field) {
		s.value(field, field)
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
	if alt, apart := deobfuscate(string(s.text[start:])); alt != "" {
		if apart && spelledOut().MatchString(alt) {
			s.note(field, "spelled_out")
		}
		s.text = append(append(s.text, ' '), alt...)
	}
	s.text = append(s.text, ' ')
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
