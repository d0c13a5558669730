package alertaction

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/winnow-soc/winnow"
)

const (
	withheld       = "<secret>"
	maxStripDepth  = 64
	maxInner       = 4 // levels of JSON in text in JSON
	minSessionKey  = 8 // shorter texts are no session keys: taking them out everywhere would garble the payload
	sessionKeyName = "sessionkey"
)

// stripSecrets copies JSON text without any member named session_key, at any depth, also inside
// texts that are JSON themselves, and without the text of the session key wherever it stands.
func stripSecrets(data []byte, key winnow.Secret) ([]byte, error) {
	s := stripper{dec: json.NewDecoder(bytes.NewReader(data))}
	if len(key.Reveal()) >= minSessionKey {
		s.key = key.Reveal()
	}
	s.dec.UseNumber()
	if err := s.value(1); err != nil {
		return nil, noEOF(err)
	}
	if _, err := s.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more text after the JSON value")
	}
	return s.out.Bytes(), nil
}

type stripper struct {
	dec  *json.Decoder
	out  bytes.Buffer
	key  string
	outs int // levels of JSON in text that this one is inside of
}

func (s *stripper) value(depth int) error {
	if depth > maxStripDepth {
		return fmt.Errorf("nested deeper than %d levels", maxStripDepth)
	}
	tok, err := s.dec.Token()
	if err != nil {
		return err
	}
	switch v := tok.(type) {
	case json.Delim:
		return s.group(v, depth)
	case string:
		s.text(v)
	case json.Number:
		s.out.WriteString(v.String())
	case bool:
		fmt.Fprint(&s.out, v)
	default:
		s.out.WriteString("null")
	}
	return nil
}

func (s *stripper) group(open json.Delim, depth int) error {
	s.out.WriteByte(byte(open))
	for n := 0; s.dec.More(); {
		keep := true
		if open == '{' {
			var err error
			if keep, err = s.name(n); err != nil {
				return err
			}
		} else if n > 0 {
			s.out.WriteByte(',')
		}
		mark := s.out.Len()
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if keep {
			n++
		} else {
			s.out.Truncate(mark)
		}
	}
	s.out.WriteByte(byte(open) + 2) // ] and } follow their openings by two
	_, err := s.dec.Token()
	return err
}

// name writes a member's name, unless the member is to be left out.
func (s *stripper) name(n int) (keep bool, err error) {
	tok, err := s.dec.Token()
	if err != nil {
		return false, err
	}
	name, _ := tok.(string)
	if secretName(name) {
		return false, nil
	}
	if n > 0 {
		s.out.WriteByte(',')
	}
	s.text(name)
	s.out.WriteByte(':')
	return true, nil
}

func (s *stripper) text(text string) {
	if start := strings.TrimLeft(text, " \t\r\n"); start != "" && (start[0] == '{' || start[0] == '[') {
		text = s.inner(text)
	}
	if s.key != "" {
		text = strings.ReplaceAll(text, s.key, withheld)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		quoted = []byte(`""`) // a string always encodes
	}
	s.out.Write(quoted)
}

// inner strips a text that looks like JSON, as the parameter _cam is. One that cannot name a
// session key is left as it was written; one that does but is not JSON is redacted as text.
func (s *stripper) inner(text string) string {
	if !mentionsSecret(text) && !strings.Contains(text, `\`) {
		return text
	}
	in := stripper{dec: json.NewDecoder(strings.NewReader(text)), key: s.key, outs: s.outs + 1}
	in.dec.UseNumber()
	if s.outs < maxInner && in.value(1) == nil {
		if _, err := in.dec.Token(); errors.Is(err, io.EOF) {
			return in.out.String()
		}
	}
	return string(Redacted([]byte(text)))
}

func mentionsSecret(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "session") && strings.Contains(text, "key")
}

// secretName reports whether a name is session_key, however it is written.
func secretName(name string) bool {
	if len(name) > 2*len(sessionKeyName) {
		return false
	}
	n := 0
	for _, c := range asciiLower([]byte(name)) {
		switch {
		case c == '_' || c == '-' || c == ' ':
		case n < len(sessionKeyName) && c == sessionKeyName[n]:
			n++
		default:
			return false
		}
	}
	return n == len(sessionKeyName)
}
