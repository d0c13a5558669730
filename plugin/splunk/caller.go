package splunk

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/winnow-soc/winnow"
)

// Caller sends requests to one server that is not Splunk's, as sinks do: https only, no redirects, limits on time and
// size, no key in an error. Errors are those of sinks: see [Retryable]. Safe for concurrent use.
type Caller struct{ server *server }

// NewCaller makes the caller of a sink.
func NewCaller(sink string, opts ServerOptions) (*Caller, error) {
	server, err := newServerClient(sink, opts)
	if err != nil {
		return nil, err
	}
	return &Caller{server}, nil
}

// Key returns the key of the sink.
func (c *Caller) Key(ctx context.Context) (winnow.Secret, error) { return c.server.secret(ctx) }

// Now is the time by the caller's clock.
func (c *Caller) Now() time.Time { return c.server.opts.Now() }

// Request is one request to the server.
type Request struct {
	Op     string // what is tried, for errors
	Method string
	Path   string // below the sink's url, with its query
	Header http.Header
	Body   []byte // JSON; nil for none
	Key    winnow.Secret
	Also   []int // statuses that are answers beside 2xx
}

// Answer is what the server said.
type Answer struct {
	Status int
	Body   []byte
}

// Call sends a request.
func (c *Caller) Call(ctx context.Context, r Request) (*Answer, error) {
	base := c.server.base
	at := base.Scheme + "://" + base.Host + trimSlash(base.Path) + r.Path
	req, err := http.NewRequest(r.Method, at, bytes.NewReader(r.Body)) //nolint:noctx // exchange adds it
	if err != nil {
		return nil, &Error{Op: r.Op, Code: CodeInput, Err: unURL(err)}
	}
	if r.Header != nil {
		req.Header = r.Header
	}
	req.Header.Set("Accept", "application/json")
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	a, err := c.server.exchange(ctx, r.Op, req, r.Key)
	if err != nil {
		return nil, err
	}
	if !a.ok() && !slices.Contains(r.Also, a.status) {
		e := c.server.refused(r.Op, a)
		e.Retry = e.Retry || e.Code == CodeAuth || e.Code == CodeForbidden // keys are replaced, and people wait for this
		return nil, patient(e)
	}
	return &Answer{a.status, a.body}, nil
}

func trimSlash(s string) string {
	for s != "" && s[len(s)-1] == '/' {
		s = s[:len(s)-1]
	}
	return s
}

// Refused makes an error of an answer that was taken for good by its status and says no in its body.
func (c *Caller) Refused(op, message string, code Code, retry bool) error {
	if code == CodeAuth {
		c.server.forgetKey()
	}
	return &Error{Op: op, Code: code, Message: plain(message, maxMessage), Retry: retry}
}

// Read reads the JSON of an answer into what v points to.
func (a *Answer) Read(op string, v any) error {
	if err := json.Unmarshal(a.Body, v); err != nil {
		return &Error{Op: op, Status: a.Status, Code: CodeBadAnswer, Retry: true, Err: err}
	}
	return nil
}

// Check asks whether the server answers at all.
func (c *Caller) Check(ctx context.Context) error { return c.server.reach(ctx, c.server.base.String()) }

// SignWebhook signs a body as Standard Webhooks says, with whsec_ and the base64 of 24 to 64 bytes. The same key of a
// delivery gives the same webhook-id.
func SignWebhook(h http.Header, secret winnow.Secret, key string, at time.Time, body []byte) error {
	const op = "sign request"
	signer, err := webhookSigner(secret)
	if err != nil {
		return &Error{Op: op, Code: CodeAuth, Retry: true, Err: err}
	}
	id := webhookID(key)
	signature, err := signer.Sign(id, at, body)
	if err != nil {
		return &Error{Op: op, Code: CodeInput, Err: err}
	}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return nil
}

// Foreign is what a sink answers to a delivery that is not for sinks of its type.
func Foreign(name string, kind string) error {
	return &Error{
		Op: "deliver to " + name, Code: CodeInput,
		Message: "this sink takes no delivery of kind " + kind + ": check the type in [sink:" + name + "] of winnow.conf",
	}
}
