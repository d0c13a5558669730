package splunk

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Code says in one word what went wrong between winnow and Splunk. Codes label metrics, so the
// list is closed.
type Code string

// The codes.
const (
	CodeNetwork     Code = "network"       // no answer: refused, cut off, TLS
	CodeTimeout     Code = "timeout"       // no answer in time
	CodeAuth        Code = "auth"          // 401: the session key or token is not accepted
	CodeForbidden   Code = "forbidden"     // 403: a capability is missing
	CodeNotFound    Code = "not_found"     // 404: no such endpoint or object
	CodeBusy        Code = "busy"          // 429 or 503
	CodeServer      Code = "server"        // any other 5xx
	CodeRefused     Code = "refused"       // Splunk understood and said no
	CodeBadAnswer   Code = "bad_answer"    // an answer winnow cannot read
	CodeTooLarge    Code = "too_large"     // an answer above the limit
	CodeNoNotable   Code = "no_notable"    // not (yet) found in the notable index
	CodeManyNotable Code = "many_notables" // more than one answers to the same sid and rid
	CodeContested   Code = "contested"     // a person changed the notable at every try
	CodeInput       Code = "input"         // winnow was asked for something it cannot do
	CodeDisk        Code = "disk"          // a local file could not be written
	CodeUnconfirmed Code = "unconfirmed"   // sent, and not known to have arrived
)

// Error is a failed exchange with Splunk. It never holds a credential; what Splunk said is cut
// and freed of control characters, since parts of it may be text of an alert.
type Error struct {
	Op      string // what was tried: "update notable"
	Status  int    // HTTP status, 0 when there was no answer
	Code    Code
	Message string // what Splunk said, or what to do
	Retry   bool   // the same call may succeed later
	Err     error  // the cause, when there is one

	After time.Duration // the server asked to be left alone for so long
}

// Error returns "op: message (HTTP 403, forbidden)".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (HTTP %d, %s)", e.Status, e.Code)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the same delivery may succeed later. Errors that this package did not
// make are retryable: giving up for good needs a known reason.
func Retryable(err error) bool {
	if err == nil {
		return false
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Retry
	}
	return true
}

// statusError reads what Splunk said with a status that is not 2xx.
func statusError(op string, status int, body []byte) *Error {
	e := &Error{Op: op, Status: status, Message: messageOf(body)}
	switch {
	case status == http.StatusUnauthorized:
		e.Code, e.Retry = CodeAuth, true // keys expire, and are replaced
	case status == http.StatusForbidden:
		e.Code, e.Retry = CodeForbidden, true // a role is soon changed
	case status == http.StatusNotFound:
		e.Code, e.Retry = CodeNotFound, true // an app that is being upgraded takes its endpoints along
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		e.Code, e.Retry = CodeBusy, true
	case status >= http.StatusInternalServerError, status == http.StatusRequestTimeout:
		e.Code, e.Retry = CodeServer, true
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		e.Code, e.Message = CodeRefused, "redirected: not followed, since the request carries a credential"
	default:
		e.Code = CodeRefused
	}
	return e
}

// callError tells a timeout from other ways of getting no answer.
func callError(ctx context.Context, op string, err error) *Error {
	e := &Error{Op: op, Code: CodeNetwork, Retry: true, Err: err}
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() { // a client's own limit
		e.Code = CodeTimeout
	}
	if ctx.Err() != nil {
		e.Code, e.Err = CodeTimeout, context.Cause(ctx)
	}
	return e
}

// splunkMessages are the two shapes in which splunkd and Enterprise Security explain an error.
type splunkMessages struct {
	Messages []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	} `json:"messages"`
	Message string `json:"message"`
}

func messageOf(body []byte) string {
	var m splunkMessages
	if err := json.Unmarshal(body, &m); err != nil {
		return plain(messageOfXML(body), maxMessage)
	}
	texts := make([]string, 0, len(m.Messages)+1)
	for _, msg := range m.Messages {
		texts = append(texts, msg.Text)
	}
	if m.Message != "" {
		texts = append(texts, m.Message)
	}
	return plain(strings.Join(texts, "; "), maxMessage)
}

// messageOfXML reads the form splunkd uses where nobody asked for JSON; other text stays as it is.
func messageOfXML(body []byte) string {
	var m struct {
		Messages []string `xml:"messages>msg"`
	}
	if err := xml.Unmarshal(body, &m); err != nil || len(m.Messages) == 0 {
		return string(body)
	}
	return strings.Join(m.Messages, "; ")
}

// maxMessage is how many bytes of Splunk's own words an error keeps.
const maxMessage = 300

// plain makes one line of printable text of at most limit bytes out of text that somebody else
// wrote: control and format characters (line breaks, escapes, text direction) become blanks,
// invalid UTF-8 the replacement character, and runs of blanks one blank.
func plain(s string, limit int) string {
	var b strings.Builder
	blank := true
	for _, r := range s {
		if b.Len() >= limit {
			break
		}
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			if !blank {
				b.WriteByte(' ')
			}
			blank = true
		default:
			b.WriteRune(r)
			blank = false
		}
	}
	return cut(strings.TrimSpace(b.String()), limit)
}

// cut shortens s to at most limit bytes, on a rune, with an ellipsis when something is missing.
func cut(s string, limit int) string {
	const ellipsis = "…"
	if len(s) < limit || limit <= len(ellipsis) {
		return s
	}
	end := limit - len(ellipsis)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
