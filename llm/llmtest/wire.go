package llmtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/winnow-soc/winnow/llm/prices"
)

// stop says why an answer ended; each interface has its own words for it.
type stop int

const (
	stopEnd stop = iota
	stopTools
	stopLength
	stopRefusal
	stopFilter
)

func stopOf(a *Answer) stop {
	if len(a.Calls) > 0 {
		return stopTools
	}
	return stopEnd
}

// reply is an answer before it is put into an interface's form.
type reply struct {
	Answer
	stop  stop
	usage *prices.Usage // nil: not told
	id    string
	at    time.Time
}

type object = map[string]any

// parse reads a request and holds it against the interface's form. The request may be known in part
// when there is an error.
func parse(api API, body []byte, lenient bool) (*Request, error) {
	r := &Request{API: api, body: body}
	var err error
	switch api {
	case Responses:
		err = r.parseResponses(lenient)
	case Chat:
		err = r.parseChat(lenient)
	case Messages:
		err = r.parseMessages(lenient)
	default:
		err = errors.New("no such interface")
	}
	if err != nil {
		return r, err
	}
	if err := r.check(lenient); err != nil {
		return r, err
	}
	r.finish()
	return r, nil
}

// keysOf refuses a key of the body that the interface does not have.
func (r *Request) keysOf(known ...string) error {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(r.body, &doc); err != nil {
		return fmt.Errorf("the body is not a JSON object: %w", err)
	}
	for key := range doc {
		if !slices.Contains(known, key) {
			return fmt.Errorf("unknown parameter: %q", key)
		}
	}
	return nil
}

// check holds what all interfaces have in common.
func (r *Request) check(lenient bool) error {
	if r.Model == "" {
		return errors.New("you must provide a model parameter")
	}
	if r.MaxOutput <= 0 {
		return errors.New("no limit of output tokens")
	}
	if len(r.Turns) == 0 {
		return errors.New("there is no message")
	}
	if r.Schema != nil && !lenient {
		if err := CheckSchema(r.Schema); err != nil {
			return fmt.Errorf("invalid schema for response_format %q: %w", r.Kind, err)
		}
	}
	for _, t := range r.Tools {
		if !schemaName.MatchString(t.Name) {
			return fmt.Errorf("tool name %.60q is not of letters, digits, _ and -", t.Name)
		}
		if err := CheckSchema(t.Parameters); err != nil && !lenient {
			return fmt.Errorf("invalid schema for function %q: %w", t.Name, err)
		}
	}
	return r.checkCalls()
}

// checkCalls wants every tool call answered once, right after it, and no answer without a call.
func (r *Request) checkCalls() error {
	open := map[string]bool{}
	for i, t := range r.Turns {
		if t.Role == "tool" {
			if !open[t.Of] {
				return fmt.Errorf("message %d answers the tool call %.60q, which is not open", i, t.Of)
			}
			delete(open, t.Of)
			continue
		}
		if len(t.Calls) == 0 && len(open) > 0 {
			return fmt.Errorf("message %d comes before all tool calls are answered", i)
		}
		for _, c := range t.Calls {
			if c.ID == "" || open[c.ID] {
				return fmt.Errorf("message %d: tool call id %.60q is empty or used twice", i, c.ID)
			}
			open[c.ID] = true
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("%d tool calls are not answered", len(open))
	}
	return nil
}

func write(r *Request, a *reply) []byte {
	for i := range a.Calls {
		if a.Calls[i].ID == "" {
			a.Calls[i].ID = fmt.Sprintf("call_%s_%d", a.id, i)
		}
	}
	switch r.API {
	case Responses:
		return encode(r.writeResponses(a))
	case Chat:
		return encode(r.writeChat(a))
	default:
		return encode(r.writeMessages(a))
	}
}

func encode(v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("llmtest: " + err.Error()) // the values are the package's own
	}
	return out.Bytes()
}

func writeError(w http.ResponseWriter, api API, status int, code, problem string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(errorBody(api, status, code, problem)) // the client may be gone
}

func errorBody(api API, status int, code, problem string) []byte {
	if api == Messages {
		return encode(object{"type": "error", "error": object{"type": anthropicError(status), "message": problem}})
	}
	kind := "invalid_request_error"
	switch {
	case status >= http.StatusInternalServerError:
		kind = "server_error"
	case status == http.StatusTooManyRequests:
		kind = code
	}
	return encode(object{"error": object{"message": problem, "type": kind, "param": nil, "code": code}})
}

func anthropicError(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusBadRequest:
		return "invalid_request_error"
	case 529:
		return "overloaded_error"
	}
	return "api_error"
}

// text reads a text, or the texts of a list of parts, of any of the given types.
func text(raw json.RawMessage, types ...string) (string, error) {
	var one string
	if len(raw) == 0 || json.Unmarshal(raw, &one) == nil {
		return one, nil
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return "", errors.New("content is neither a text nor a list of parts")
	}
	var all bytes.Buffer
	for _, p := range parts {
		if !slices.Contains(types, p.Type) {
			return "", fmt.Errorf("content part of type %.40q, want %v", p.Type, types)
		}
		all.WriteString(p.Text)
	}
	return all.String(), nil
}
