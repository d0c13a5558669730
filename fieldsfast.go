package winnow

import "bytes"

// flattenPlain is Flatten of what nearly every row of a file is: one object whose values are texts
// of printable ASCII without escapes, numbers, true, false or null. ok is false for anything else,
// also for what is no JSON: then Flatten looks at it with encoding/json, whose word holds.
func flattenPlain(object []byte) (f Fields, ok bool) {
	s := plainScanner{text: object}
	if !s.take('{') {
		return nil, false
	}
	f = make(Fields, 16)
	if s.take('}') {
		return f, s.end()
	}
	for {
		name, ok := s.str()
		if !ok || !s.take(':') {
			return nil, false
		}
		value, ok := s.value()
		if !ok {
			return nil, false
		}
		if len(value) > 0 {
			f[string(name)] = append(f[string(name)], string(value))
		}
		if s.take('}') {
			return f, s.end()
		}
		if !s.take(',') {
			return nil, false
		}
	}
}

type plainScanner struct {
	text []byte
	at   int
}

func (s *plainScanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// take reads one character behind white space.
func (s *plainScanner) take(c byte) bool {
	s.space()
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *plainScanner) end() bool {
	s.space()
	return s.at == len(s.text)
}

// str reads a text of printable ASCII without escapes.
func (s *plainScanner) str() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	for i := s.at; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			text := s.text[s.at:i]
			s.at = i + 1
			return text, true
		case c < 0x20 || c >= 0x7f || c == '\\':
			return nil, false
		}
	}
	return nil, false
}

// value reads a text, or the text of a number or of true and false; that of null is empty.
func (s *plainScanner) value() ([]byte, bool) {
	s.space()
	if s.at == len(s.text) {
		return nil, false
	}
	switch c := s.text[s.at]; {
	case c == '"':
		return s.str()
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(s.text[s.at:], []byte(word)) {
			s.at += len(word)
			if word == "null" {
				return nil, true
			}
			return []byte(word), true
		}
	}
	return nil, false
}

// number reads a number without exponent; one that begins with 0 only as 0 or 0.x.
func (s *plainScanner) number() ([]byte, bool) {
	from := s.at
	if s.text[s.at] == '-' {
		s.at++
	}
	whole := s.digits()
	if whole == 0 || whole > 1 && s.text[s.at-whole] == '0' {
		return nil, false
	}
	if s.at < len(s.text) && s.text[s.at] == '.' {
		s.at++
		if s.digits() == 0 {
			return nil, false
		}
	}
	if s.at < len(s.text) && (s.text[s.at] == 'e' || s.text[s.at] == 'E') {
		return nil, false
	}
	return s.text[from:s.at], true
}

func (s *plainScanner) digits() (n int) {
	for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		s.at++
		n++
	}
	return n
}
