// Package splunk is winnow's side of everything that speaks with splunkd: the REST [Client],
// notable events ([Client.FindNotable], [Client.UpdateNotable]), the sinks that the outbox
// delivers to ([Sink]), and the modular input protocol ([Input]).
//
// A rule holds throughout: a person wins. winnow changes a notable event only while nobody else
// has; [UpdateSink] tells how.
package splunk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
)

// Options say how to reach one splunkd.
type Options struct {
	URI         string        // like https://127.0.0.1:8089; take server_uri where splunkd gives it
	Credentials Credentials   // required
	CAFile      string        // PEM; "" = the system's roots, on this machine SplunkHome/etc/auth/cacert.pem
	SplunkHome  string        // "" outside Splunk
	Proxy       string        // "" for none, ProxyEnvironment, or an address; never used for this machine
	App         string        // name space for searches and stored passwords; "" = none for searches
	Timeout     time.Duration // for one request, 30 s if zero
	MaxAnswer   int64         // bytes read of one answer, 16 MiB if zero

	// Refused is called whenever splunkd does not accept the credentials (401). It may be called by
	// several goroutines at once, and must not wait. nil: nobody wants to know.
	Refused func()
}

// Client speaks with one splunkd. It is safe for concurrent use.
type Client struct {
	opts Options
	base *url.URL
	http *http.Client

	mu   sync.Mutex
	user string // whose credentials these are, once asked
}

// NewClient checks the options; it sends nothing yet.
func NewClient(opts Options) (*Client, error) {
	if opts.Credentials == nil {
		return nil, errors.New("splunk client: no credentials")
	}
	base, err := parseURI(opts.URI)
	if err != nil {
		return nil, fmt.Errorf("splunk client: %w", err)
	}
	conf, err := tlsConfig(opts, base.Hostname())
	if err != nil {
		return nil, fmt.Errorf("splunk client: %w", err)
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 30 * time.Second
	}
	if opts.MaxAnswer <= 0 {
		opts.MaxAnswer = 16 << 20
	}
	proxy, err := proxyOf(opts.Proxy)
	if err != nil {
		return nil, fmt.Errorf("splunk client: %w in [splunk] of winnow.conf", err)
	}
	transport := &http.Transport{
		Proxy: proxy, TLSClientConfig: conf, ForceAttemptHTTP2: false, MaxIdleConnsPerHost: 4,
		IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second,
	}
	// A redirect would carry the credential to wherever it points.
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{opts: opts, base: base, http: &http.Client{Transport: transport, CheckRedirect: refuse}}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call is one request. path holds escaped segments (see escape); form, json or text makes it a POST.
type call struct {
	op    string
	path  string
	query url.Values
	form  url.Values
	json  []byte
	text  []byte // sent as it is
}

// body returns the method, the body and its type.
func (r call) body() (method, body, kind string) {
	switch {
	case r.form != nil:
		return http.MethodPost, r.form.Encode(), "application/x-www-form-urlencoded"
	case r.json != nil:
		return http.MethodPost, string(r.json), "application/json"
	case r.text != nil:
		return http.MethodPost, string(r.text), "text/plain"
	}
	return http.MethodGet, "", ""
}

// escape joins path segments, each percent-encoded, so that no name can leave its segment.
func escape(segments ...string) string {
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(url.QueryEscape(s), "+", "%20") // PathEscape leaves colons
	}
	return "/" + strings.Join(segments, "/")
}

// do sends a call and returns the body of a 2xx answer. Every error is an *Error.
func (c *Client) do(ctx context.Context, r call) ([]byte, error) {
	cause := fmt.Errorf("no answer from %s within %s", c.base.Host, c.opts.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, c.opts.Timeout, cause)
	defer cancel()
	req, secret, err := c.request(ctx, r)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, callError(ctx, r.op, unURL(err))
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.opts.MaxAnswer+1))
	if err != nil {
		return nil, callError(ctx, r.op, err)
	}
	if resp.StatusCode == http.StatusUnauthorized && c.opts.Refused != nil {
		c.opts.Refused()
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e := statusError(r.op, resp.StatusCode, hide(body, secret))
		e.After = retryAfter(resp.Header)
		return nil, e
	}
	if int64(len(body)) > c.opts.MaxAnswer {
		return nil, &Error{
			Op: r.op, Status: resp.StatusCode, Code: CodeTooLarge,
			Message: fmt.Sprintf("the answer is larger than %d bytes", c.opts.MaxAnswer),
		}
	}
	return body, nil
}

func (c *Client) request(ctx context.Context, r call) (*http.Request, winnow.Secret, error) {
	auth, err := c.opts.Credentials()
	if err != nil {
		return nil, "", &Error{Op: r.op, Code: CodeAuth, Retry: true, Err: err}
	}
	method, body, kind := r.body()
	u := c.base.String() + r.path
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, u, strings.NewReader(body))
	if err != nil {
		return nil, "", &Error{Op: r.op, Code: CodeInput, Err: unURL(err)}
	}
	req.Header.Set("Authorization", auth.Reveal())
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	return req, auth, nil
}

// getJSON sends a call and reads its JSON answer into v.
func (c *Client) getJSON(ctx context.Context, r call, v any) error {
	body, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return &Error{Op: r.op, Code: CodeBadAnswer, Retry: true, Message: "the answer is not the JSON expected", Err: err}
	}
	return nil
}

// User returns the name of the user whose credentials the client holds. It is asked once.
func (c *Client) User(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.user != "" {
		return c.user, nil
	}
	who, err := c.WhoAmI(ctx)
	if err != nil {
		return "", err
	}
	c.user = who.User
	return c.user, nil
}

// Identity is whose credentials a client holds.
type Identity struct {
	User  string
	Roles []string // Splunk's own and those of apps, with what they inherit left out
}

// WhoAmI asks splunkd whose credentials these are, each time anew. An [Error] with CodeAuth says that splunkd does
// not accept them.
func (c *Client) WhoAmI(ctx context.Context) (Identity, error) {
	var a atom[struct {
		Username string   `json:"username"`
		Roles    []string `json:"roles"`
	}]
	r := call{op: "ask who winnow is", path: "/services/authentication/current-context", query: jsonMode()}
	if err := c.getJSON(ctx, r, &a); err != nil {
		return Identity{}, err
	}
	if len(a.Entry) != 1 || a.Entry[0].Content.Username == "" {
		return Identity{}, &Error{Op: r.op, Code: CodeBadAnswer, Message: "the answer names no user"}
	}
	return Identity{a.Entry[0].Content.Username, a.Entry[0].Content.Roles}, nil
}

// atom is the JSON form of splunkd's Atom feeds.
type atom[T any] struct {
	Entry []struct {
		Name    string `json:"name"`
		Content T      `json:"content"`
	} `json:"entry"`
}

func jsonMode() url.Values { return url.Values{"output_mode": {"json"}} }

// unURL drops the address that net/http puts before an error: it may hold text of an alert.
func unURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// hide removes the credential from an answer that echoes it.
func hide(body []byte, auth winnow.Secret) []byte {
	_, secret, _ := strings.Cut(auth.Reveal(), " ")
	if secret == "" {
		return body
	}
	return []byte(strings.ReplaceAll(string(body), secret, winnow.Secret(secret).String()))
}
