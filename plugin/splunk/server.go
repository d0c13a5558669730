package splunk

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// ServerOptions say how a sink reaches a server.
type ServerOptions struct {
	URL        string
	Key        func(context.Context) (winnow.Secret, error) // asked for now and then, so that it may be replaced
	CAFile     string                                       // PEM, in place of the system's roots; "" = Splunk's own CA for a server on this machine
	SplunkHome string                                       // "" outside Splunk
	Proxy      string                                       // "" for none, ProxyEnvironment, or an address; never used for this machine
	Timeout    time.Duration                                // of one request, 30 s if zero
	Public     bool                                         // refuse addresses of internal networks and of this machine, unless URL names it
	Now        func() time.Time
}

// ProxyEnvironment takes the proxy from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
const ProxyEnvironment = "environment"

// server is one server that a sink sends to. It is safe for concurrent use.
type server struct {
	opts ServerOptions
	base *url.URL
	http *http.Client

	mu    sync.Mutex
	key   winnow.Secret
	keyAt time.Time
}

func newServerClient(name string, opts ServerOptions) (*server, error) {
	opts.Timeout = cmp.Or(opts.Timeout, 30*time.Second)
	base, err := sinkURL(opts.URL)
	if err != nil {
		return nil, fmt.Errorf("sink %q: %w", name, err)
	}
	transport, err := opts.transport(base.Hostname())
	if err != nil {
		return nil, fmt.Errorf("sink %q: %w", name, err)
	}
	// A redirect would carry the key to wherever it points.
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	jar, err := cookiejar.New(nil) // load balancers keep a client at one server by a cookie, and acknowledgements need that
	if err != nil {
		return nil, err
	}
	return &server{opts: opts, base: base, http: &http.Client{Transport: transport, CheckRedirect: refuse, Jar: jar}}, nil
}

// sinkURL takes https everywhere, and http only to this very machine. What is wrong with an address is said
// without the address, which may hold a secret.
func sinkURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("url is not an address like https://splunk.example.com:8088")
	case u.User != nil:
		return nil, errors.New("url holds a user name or password: use key")
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return u, nil
	}
	return nil, errors.New("url is not https")
}

func (o *ServerOptions) transport(host string) (*http.Transport, error) {
	conf, err := tlsConfig(Options{CAFile: o.CAFile, SplunkHome: o.SplunkHome}, host)
	if err != nil {
		return nil, err
	}
	proxy, err := proxyOf(o.Proxy)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if o.Public && proxy == nil && !isLoopback(host) {
		dialer.Control = publicOnly
	}
	return &http.Transport{
		Proxy: proxy, DialContext: dialer.DialContext, TLSClientConfig: conf, ForceAttemptHTTP2: false,
		MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}, nil
}

func proxyOf(proxy string) (func(*http.Request) (*url.URL, error), error) {
	switch proxy {
	case "":
		return nil, nil
	case ProxyEnvironment:
		return http.ProxyFromEnvironment, nil
	}
	u, err := url.Parse(proxy)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
		return nil, errors.New("proxy is not an address like http://proxy.example.com:3128, without user name and password")
	}
	return func(r *http.Request) (*url.URL, error) {
		if isLoopback(r.URL.Hostname()) {
			return nil, nil //nolint:nilnil // no proxy
		}
		return u, nil
	}, nil
}

// publicOnly refuses to connect to what is no public address: private networks, this machine, and the
// link-local ones at which clouds tell machines their credentials. It sees the address that the name led to.
func publicOnly(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap()
	shared := netip.MustParsePrefix("100.64.0.0/10")
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || shared.Contains(ip) {
		return fmt.Errorf("%s is no public address: set allow_private = 1 if it is meant", ip)
	}
	return nil
}

// keyKept is how long a key is used before it is asked for again.
const keyKept = time.Minute

// secret returns the key.
func (s *server) secret(ctx context.Context) (winnow.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != "" && s.opts.Now().Sub(s.keyAt).Abs() < keyKept {
		return s.key, nil
	}
	key, err := s.opts.Key(ctx)
	if e, ok := errors.AsType[*Error](err); ok {
		return "", patient(&Error{Op: "read key", Code: e.Code, Retry: e.Retry, After: e.After, Err: err})
	}
	if err != nil {
		return "", &Error{Op: "read key", Code: CodeAuth, Retry: true, Err: err}
	}
	s.key, s.keyAt = key, s.opts.Now()
	return key, nil
}

// forgetKey has the key asked for again: it was refused.
func (s *server) forgetKey() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = ""
}

// maxSinkAnswer is far above what a server has to say about events.
const maxSinkAnswer = 1 << 20

// answer is what a server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ok reports whether the server took what it was sent.
func (a *answer) ok() bool { return a.status >= 200 && a.status <= 299 }

// exchange sends one request and reads the answer, whatever its status. key is taken out of what the server
// says. The error is a retryable *Error.
func (s *server) exchange(ctx context.Context, op string, req *http.Request, key winnow.Secret) (*answer, error) {
	cause := fmt.Errorf("no answer from %s within %s", s.base.Host, s.opts.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.Timeout, cause)
	defer cancel()
	resp, err := s.http.Do(req.WithContext(ctx))
	if err != nil {
		return nil, callError(ctx, op, unURL(err))
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSinkAnswer))
	if err != nil {
		return nil, callError(ctx, op, err)
	}
	if key != "" {
		body = bytes.ReplaceAll(body, []byte(key.Reveal()), []byte(key.String()))
	}
	return &answer{resp.StatusCode, resp.Header, body}, nil
}

// refused makes an error of an answer that is not 2xx: only what the server asks to have repeated is.
func (s *server) refused(op string, a *answer) *Error {
	e := statusError(op, a.status, a.body)
	e.After = retryAfter(a.header)
	e.Retry = a.status == http.StatusTooManyRequests || a.status >= http.StatusInternalServerError
	if e.Code == CodeAuth || e.Code == CodeForbidden {
		s.forgetKey()
	}
	return e
}

// patient keeps the time for which a server asked to be left alone.
func patient(err error) error {
	e, ok := err.(*Error) //nolint:errorlint // what is wrapped says more already
	if ok && e.Retry && e.After > 0 {
		return &ledger.LaterError{After: e.After, Err: e}
	}
	return err
}

// retryAfter reads how long a server asks to be left alone for: seconds, or a date of its own clock.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	now, errDate := http.ParseTime(h.Get("Date"))
	if err != nil || errDate != nil {
		return 0
	}
	return max(0, at.Sub(now))
}

// outage reports whether a failure tells of the server and not of what was sent: what comes next would fail alike.
func outage(err error) bool {
	if err == nil {
		return false
	}
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Retry || e.Code == CodeAuth || e.Code == CodeForbidden)
}

// one delivers a single delivery through a sink that takes several.
func one(ctx context.Context, all func(context.Context, []ledger.Delivery) []error, d ledger.Delivery) error {
	return all(ctx, []ledger.Delivery{d})[0]
}

// reach asks for an address, and is content with every answer that comes from a working server.
func (s *server) reach(ctx context.Context, address string) error {
	const op = "ask whether the server is there"
	req, err := http.NewRequest(http.MethodGet, address, nil) //nolint:noctx // exchange adds it
	if err != nil {
		return &Error{Op: op, Code: CodeInput, Err: unURL(err)}
	}
	a, err := s.exchange(ctx, op, req, "")
	if err != nil {
		return err
	}
	if a.status >= http.StatusInternalServerError {
		return statusError(op, a.status, nil)
	}
	return nil
}
