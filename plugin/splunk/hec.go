package splunk

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/winnow-soc/winnow"
)

// hecAnswer is what an HTTP Event Collector says.
type hecAnswer struct {
	Text    string `json:"text"`
	Code    *int   `json:"code"`
	Invalid *int   `json:"invalid-event-number"`
	AckID   *int64 `json:"ackId"`
}

// Codes of the HTTP Event Collector that winnow treats in a way of their own.
const (
	hecFormat       = 6
	hecIndex        = 7
	hecNoChannel    = 10
	hecBadChannel   = 11
	hecEventMissing = 12
	hecEventBlank   = 13
	hecAckDisabled  = 14
	hecFields       = 15
	hecHealthy      = 17
)

// hecRetry are the codes under which the same request may be taken later: the server is busy, down or full. Of
// the codes up to hecLast all others are refusals for good.
var hecRetry = []int{8, 9, 18, 19, 20, 23, 26}

const hecLast = 16

// hecEvent are the codes that tell of one event and not of the request.
var hecEvent = []int{hecFormat, hecIndex, hecEventMissing, hecEventBlank, hecFields}

// hecRefused makes an error of an answer that is not a success.
func (s *server) hecRefused(op string, a *answer, said hecAnswer) *Error {
	e := s.refused(op, a)
	if said.Text != "" {
		e.Message = plain(said.Text, maxMessage)
	}
	switch {
	case said.Code == nil:
	case slices.Contains(hecRetry, *said.Code):
		e.Retry = true
	case *said.Code <= hecLast:
		e.Retry = false
	}
	if e.Retry && e.Code == CodeRefused {
		e.Code = CodeServer
	}
	return e
}

// postHEC sends a body, packed, and reads the answer. The error is a retryable *Error.
func (s *server) postHEC(ctx context.Context, op, path, channel string, body []byte, key winnow.Secret) (*answer, hecAnswer, error) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, _ = zip.Write(body) // to memory
	_ = zip.Close()
	req, err := http.NewRequest(http.MethodPost, s.base.Scheme+"://"+s.base.Host+path, bytes.NewReader(packed.Bytes())) //nolint:noctx // exchange adds it
	if err != nil {
		return nil, hecAnswer{}, &Error{Op: op, Code: CodeInput, Err: unURL(err)}
	}
	req.Header.Set("Authorization", "Splunk "+key.Reveal())
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Splunk-Request-Channel", channel)
	a, err := s.exchange(ctx, op, req, key)
	if err != nil {
		return nil, hecAnswer{}, err
	}
	var said hecAnswer
	if json.Unmarshal(a.body, &said) != nil && a.ok() {
		return nil, hecAnswer{}, &Error{Op: op, Status: a.status, Code: CodeBadAnswer, Retry: true, Message: "the answer is not that of an HTTP Event Collector"}
	}
	return a, said, nil
}

// healthHEC asks whether the collector takes events. It needs no token.
func (s *server) healthHEC(ctx context.Context) error {
	const op = "ask for the collector's health"
	req, err := http.NewRequest(http.MethodGet, s.base.Scheme+"://"+s.base.Host+"/services/collector/health", nil) //nolint:noctx // exchange adds it
	if err != nil {
		return &Error{Op: op, Code: CodeInput, Err: unURL(err)}
	}
	a, err := s.exchange(ctx, op, req, "")
	if err != nil {
		return err
	}
	var said hecAnswer
	if json.Unmarshal(a.body, &said) != nil && a.ok() {
		return &Error{Op: op, Status: a.status, Code: CodeBadAnswer, Message: "the answer is not that of an HTTP Event Collector"}
	}
	if !a.ok() || said.Code != nil && *said.Code != hecHealthy {
		return s.hecRefused(op, a, said)
	}
	return nil
}
