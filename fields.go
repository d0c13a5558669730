package winnow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Fields holds what an alert says, by CIM or vendor field name. Nested objects are flattened to
// dotted names and lists become several values. A field without a value is absent: null, empty
// text and empty lists never appear, because Splunk's result files cannot tell them apart.
//
// Every value was written by an attacker until the [FieldTable] says otherwise.
type Fields map[string][]string

// First returns the first value of a field, and whether the field is present.
func (f Fields) First(name string) (string, bool) {
	if v := f[name]; len(v) > 0 {
		return v[0], true
	}
	return "", false
}

// Add appends the values that are not empty to a field.
func (f Fields) Add(name string, values ...string) {
	for _, v := range values {
		if v != "" {
			f[name] = append(f[name], v)
		}
	}
}

// Names returns the field names in sorted order.
func (f Fields) Names() []string {
	return slices.Sorted(maps.Keys(f))
}

// Limits of [Flatten]. Deeper or larger objects are refused: no real alert comes near them.
const (
	maxFlattenDepth  = 64
	maxFlattenValues = 100_000
)

// Flatten reads one JSON object into Fields: nested objects become dotted names, lists several
// values of one name (also lists of objects), numbers and booleans their text as it was written.
// A key that appears twice keeps the values of both, so that a hidden second value is seen.
// Anything but a single object is an error.
func Flatten(object []byte) (Fields, error) {
	if len(object) <= maxPlain {
		if f, ok := flattenPlain(object); ok {
			return f, nil
		}
	}
	return flattenAny(object)
}

// maxPlain keeps what the short way reads below the limits of Flatten: a value has four bytes or
// more.
const maxPlain = 4 * maxFlattenValues

func flattenAny(object []byte) (Fields, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	dec.UseNumber()
	f := flattener{dec: dec, out: Fields{}}
	tok, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("read JSON object: %w", noEOF(err))
	}
	if tok != json.Delim('{') {
		return nil, fmt.Errorf("read JSON object: found %v, want an object", tok)
	}
	if err := f.object("", 1); err != nil {
		return nil, fmt.Errorf("read JSON object: %w", noEOF(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read JSON object: more text after the object")
	}
	return f.out, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

type flattener struct {
	dec    *json.Decoder
	out    Fields
	values int
}

func (f *flattener) object(prefix string, depth int) error {
	for f.dec.More() {
		tok, err := f.dec.Token()
		if err != nil {
			return err
		}
		name, _ := tok.(string)
		if prefix != "" {
			name = prefix + "." + name
		}
		if err := f.value(name, depth); err != nil {
			return err
		}
	}
	_, err := f.dec.Token()
	return err
}

func (f *flattener) value(name string, depth int) error {
	tok, err := f.dec.Token()
	if err != nil {
		return err
	}
	switch v := tok.(type) {
	case json.Delim:
		if depth >= maxFlattenDepth {
			return fmt.Errorf("nested deeper than %d levels", maxFlattenDepth)
		}
		if v == '{' {
			return f.object(name, depth+1)
		}
		for f.dec.More() {
			if err := f.value(name, depth+1); err != nil {
				return err
			}
		}
		_, err := f.dec.Token()
		return err
	case string:
		return f.add(name, v)
	case json.Number:
		return f.add(name, v.String())
	case bool:
		if v {
			return f.add(name, "true")
		}
		return f.add(name, "false")
	}
	return nil // null is absent
}

func (f *flattener) add(name, value string) error {
	if f.values++; f.values > maxFlattenValues {
		return fmt.Errorf("more than %d values", maxFlattenValues)
	}
	f.out.Add(name, value)
	return nil
}
