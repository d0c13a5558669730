package triage

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// DecodeCommand reads the body of a spool command into what v points to: one JSON object, whole, with known
// keys and with nothing else.
func DecodeCommand(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows it")
	}
	return nil
}
