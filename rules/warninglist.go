package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// readWarninglist reads a list in the format of the MISP warning lists: an object with, among
// others, a type and the list of values. Lists are asked to the letter, or for an address inside
// of a network, so that the types that mean parts of a value are refused. A hostname there stands for
// the hosts below it too; here it stands for itself, which is less.
func (p *parsedList) readWarninglist(data []byte) error {
	w := &warninglist{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	if err := w.read(); err != nil {
		return err
	}
	switch w.kind {
	case "string":
	case "hostname":
		for i, v := range w.out.values {
			w.out.values[i] = strings.ToLower(strings.Trim(v, "."))
		}
	case "cidr":
		p.networks = true
	case "substring", "regex":
		return fmt.Errorf("its type is %s, and a value list is asked to the letter (write the values into a condition, with %s)",
			w.kind, map[string]string{"substring": "contains", "regex": "matches"}[w.kind])
	default:
		return fmt.Errorf("its type is %q, want string, hostname or cidr", clip(w.kind))
	}
	for i, v := range w.out.values {
		p.add(v, w.out.lines[i])
	}
	return nil
}

// warninglist is a warning list being read.
type warninglist struct {
	data []byte
	dec  *json.Decoder
	kind string
	out  parsedList

	counted, line int // bytes whose lines are counted, and how many began in them
}

var errNoWarninglist = errors.New(`a .json list is a MISP warning list: {"type": "string", "list": ["...", "..."]}`)

func (w *warninglist) read() error {
	if t, err := w.dec.Token(); err != nil || t != json.Delim('{') {
		return errNoWarninglist
	}
	seen := map[string]bool{}
	for w.dec.More() {
		key, err := w.dec.Token()
		if err != nil {
			return w.fail(err)
		}
		name, _ := key.(string)
		if seen[name] {
			return fmt.Errorf("line %d: key %q is there twice", w.lineNow(), clip(name))
		}
		seen[name] = true
		if err := w.value(name); err != nil {
			return err
		}
	}
	if _, err := w.dec.Token(); err != nil {
		return w.fail(err)
	}
	if _, err := w.dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("line %d: something follows the list", w.lineNow())
	}
	if !seen["type"] || !seen["list"] {
		return errNoWarninglist
	}
	return nil
}

func (w *warninglist) value(key string) error {
	switch key {
	case "type":
		if err := w.dec.Decode(&w.kind); err != nil {
			return w.fail(err)
		}
		return nil
	case "list":
		return w.list()
	}
	var rest json.RawMessage
	if err := w.dec.Decode(&rest); err != nil {
		return w.fail(err)
	}
	return nil
}

func (w *warninglist) list() error {
	if t, err := w.dec.Token(); err != nil || t != json.Delim('[') {
		return fmt.Errorf("line %d: list must be a list of texts", w.lineNow())
	}
	for w.dec.More() {
		t, err := w.dec.Token()
		if err != nil {
			return w.fail(err)
		}
		text, ok := t.(string)
		if !ok {
			return fmt.Errorf("line %d: list must be a list of texts", w.lineNow())
		}
		w.out.add(text, w.lineNow())
	}
	if _, err := w.dec.Token(); err != nil {
		return w.fail(err)
	}
	return nil
}

func (w *warninglist) fail(err error) error { return fmt.Errorf("line %d: %w", w.lineNow(), err) }

// lineNow returns the line on which the decoder stands.
func (w *warninglist) lineNow() int {
	at := min(int(w.dec.InputOffset()), len(w.data))
	w.line += bytes.Count(w.data[w.counted:at], []byte{'\n'})
	w.counted = at
	return w.line + 1
}
