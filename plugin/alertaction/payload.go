package alertaction

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/winnow-soc/winnow"
)

// MaxPayload is the largest payload that is read, in bytes. Real ones have a few kilobytes.
const MaxPayload = 16 << 20

// maxIdentity bounds the texts an alert is identified by, in bytes.
const maxIdentity = 8 << 10

// Payload is what splunkd writes to an alert action's standard input. App and Owner are those of
// the triggering search, never of winnow.
type Payload struct {
	SID         string // a number in some ad-hoc runs; the text as it was written
	SearchName  string // "" for an ad-hoc run
	App         string
	Owner       string
	User        string
	ResultsFile string
	SearchURI   string // "" for an ad-hoc run
	ServerHost  string
	ServerURI   string
	ResultID    string // only when the action runs once per result

	// Configuration holds the action's parameters without the "param." prefix.
	Configuration map[string]string

	// Result is the first row of the results, nil when the payload has none. The results file is
	// the better source: this one stands in for it when it cannot be read.
	Result winnow.Fields

	SessionKey winnow.Secret

	stored []byte
}

// Stored returns the payload as JSON for the spool: everything splunkd sent, also keys that this
// version does not know, but no session key.
func (p *Payload) Stored() []byte { return p.stored }

// ReadPayload reads a payload of at most [MaxPayload] bytes. The bytes are returned as well, also
// with an error, so that a payload that cannot be understood can be kept (see [Redacted]).
func ReadPayload(r io.Reader) (*Payload, []byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxPayload+1))
	if err != nil {
		return nil, data, fmt.Errorf("read payload: %w", err)
	}
	if len(data) > MaxPayload {
		return nil, data[:MaxPayload], fmt.Errorf("read payload: more than %d bytes", MaxPayload)
	}
	p, err := ParsePayload(data)
	return p, data, err
}

// ParsePayload reads the JSON text of a payload. A key of the payload or of its configuration
// that appears twice is an error: which of the two splunkd meant cannot be known.
func ParsePayload(data []byte) (*Payload, error) {
	p, err := parsePayload(data)
	if err != nil {
		return nil, fmt.Errorf("read payload: %w", err)
	}
	return p, nil
}

func parsePayload(data []byte) (*Payload, error) {
	switch text := bytes.TrimLeft(data, "\ufeff \t\r\n"); {
	case len(text) == 0:
		return nil, errors.New("nothing on standard input (Splunk writes the payload there)")
	case text[0] == '<':
		return nil, errors.New("the payload is XML: set payload_format = json in [winnow_triage] of alert_actions.conf")
	default:
		data = text
	}
	all, err := members(data)
	if err != nil {
		return nil, err
	}
	p := &Payload{}
	for _, m := range all {
		if err := p.set(m); err != nil {
			return nil, fmt.Errorf("%q: %w", m.key, err)
		}
	}
	if p.SID == "" {
		return nil, errors.New("\"sid\" is missing")
	}
	p.stored, err = stripSecrets(data, p.SessionKey)
	return p, err
}

func (p *Payload) set(m member) error {
	if to := p.text(m.key); to != nil {
		text, err := scalar(m.raw)
		if err == nil && len(text) > maxIdentity {
			err = fmt.Errorf("longer than %d bytes", maxIdentity)
		}
		*to = text
		return err
	}
	switch m.key {
	case "session_key":
		text, err := scalar(m.raw)
		p.SessionKey = winnow.Secret(text)
		if err != nil {
			return errors.New("not a text") // without the text
		}
	case "configuration":
		return p.setConfiguration(m.raw)
	case "result":
		return p.setResult(m.raw)
	}
	return nil
}

// text returns where the text of a key goes, nil for keys that are not plain text.
func (p *Payload) text(key string) *string {
	switch key {
	case "sid":
		return &p.SID
	case "search_name":
		return &p.SearchName
	case "app":
		return &p.App
	case "owner":
		return &p.Owner
	case "user":
		return &p.User
	case "results_file":
		return &p.ResultsFile
	case "search_uri":
		return &p.SearchURI
	case "server_host":
		return &p.ServerHost
	case "server_uri":
		return &p.ServerURI
	case "result_id":
		return &p.ResultID
	}
	return nil
}

func (p *Payload) setConfiguration(raw json.RawMessage) error {
	p.Configuration = map[string]string{}
	if string(raw) == "null" {
		return nil
	}
	all, err := members(raw)
	if err != nil {
		return err
	}
	for _, m := range all {
		text, err := scalar(m.raw)
		if err != nil {
			text = string(m.raw) // a parameter that is JSON, written without quotes
		}
		p.Configuration[m.key] = text
	}
	return nil
}

func (p *Payload) setResult(raw json.RawMessage) error {
	if string(raw) == "null" {
		return nil
	}
	fields, err := winnow.Flatten(raw)
	if err != nil {
		return err
	}
	for name := range fields {
		if !wanted(name) {
			delete(fields, name)
		}
	}
	p.Result = fields
	return nil
}

// A member is one key of a JSON object.
type member struct {
	key string
	raw json.RawMessage
}

// members reads one JSON object and nothing after it.
func members(data []byte) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	tok, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", noEOF(err))
	}
	if tok != json.Delim('{') {
		return nil, fmt.Errorf("found %v, want a JSON object", tok)
	}
	var all []member
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", noEOF(err))
		}
		m := member{}
		m.key, _ = tok.(string)
		if seen[m.key] {
			return nil, fmt.Errorf("%q appears twice", m.key)
		}
		seen[m.key] = true
		if err := dec.Decode(&m.raw); err != nil {
			return nil, fmt.Errorf("not JSON: %w", noEOF(err))
		}
		all = append(all, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("not JSON: %w", noEOF(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more text after the JSON object")
	}
	return all, nil
}

// scalar returns the text of a JSON string, number or boolean, and "" for null.
func scalar(raw json.RawMessage) (string, error) {
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return "", nil
	case raw[0] == '"':
		var text string
		err := json.Unmarshal(raw, &text)
		return text, err
	case raw[0] == '{' || raw[0] == '[':
		return "", errors.New("is a list or an object, want text")
	}
	return string(raw), nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
