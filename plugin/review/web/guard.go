package web

import (
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// policy lets the browser load the page's own files and nothing else: no inline script or style, no frame around it,
// no form that goes elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers are on every answer. There is no Strict-Transport-Security: it would hold for every port of the host, and
// Splunk's own web interface may be on one without TLS.
var headers = map[string]string{
	"Content-Security-Policy":      policy,
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "same-origin",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
	"Cache-Control":                "no-store",
}

// Limits of the server, for people who click and scripts that do not.
const (
	mostForm    = 16 << 10 // bytes of a form
	mostAtOnce  = 16       // requests in work
	perSecond   = 20       // requests of one address
	burst       = 100
	triesEvery  = 10 * time.Second // sign-ins that fail, of one address
	triesAtOnce = 10
	mostKnown   = 10_000 // addresses that are remembered
)

// guard is around every request: what is asked for too often, from elsewhere or under another name ends here.
func (s *server) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, nil, http.StatusForbidden, "This came from another site. Nothing was changed.")
	}))
	inner := origin.Handler(next)
	slots := make(chan struct{}, mostAtOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		defer s.recover(w, r)
		if !s.Secure && !meansThisHost(r.Host) {
			s.fail(w, r, nil, http.StatusForbidden, "Ask for a loopback address.")
			return
		}
		if !s.limits.asks(r) {
			w.Header().Set("Retry-After", "1")
			s.fail(w, r, nil, http.StatusTooManyRequests, "That was too much at once. Wait a moment and try again.")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, mostForm)
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			inner.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// recover ends a request that panicked, and no other. What it was about is not logged: it may be text of an alert.
func (s *server) recover(w http.ResponseWriter, r *http.Request) {
	if p := recover(); p != nil {
		s.Log.Error("the page panicked", "method", r.Method, "stack", string(debug.Stack()))
		s.fail(w, r, nil, http.StatusInternalServerError, "This page could not be made. The worker's log says where it broke.")
	}
}

// meansThisHost keeps a page in somebody's browser from reading this one under a name of its own.
func meansThisHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	at, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && at.IsLoopback()
}

// limits count what each address asks for.
type limits struct {
	now func() time.Time

	mu    *sync.Mutex
	known map[string]*caller
}

type caller struct {
	requests, tries *rate.Limiter
	last            time.Time
}

func newLimits(now func() time.Time) limits {
	return limits{now: now, mu: &sync.Mutex{}, known: map[string]*caller{}}
}

func (l *limits) of(r *http.Request) *caller {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	now := l.now()
	c := l.known[host]
	if c == nil {
		if len(l.known) >= mostKnown {
			l.forget(now)
		}
		c = &caller{requests: rate.NewLimiter(perSecond, burst), tries: rate.NewLimiter(rate.Every(triesEvery), triesAtOnce)}
		l.known[host] = c
	}
	c.last = now
	return c
}

// forget drops who is quiet for so long that all limits are as for a stranger; when nobody is, it drops all.
func (l *limits) forget(now time.Time) {
	for host, c := range l.known {
		if now.Sub(c.last) > triesAtOnce*triesEvery {
			delete(l.known, host)
		}
	}
	if len(l.known) >= mostKnown {
		clear(l.known)
	}
}

// asks takes one request in, unless there were too many.
func (l *limits) asks(r *http.Request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(r).requests.AllowN(l.now(), 1)
}

// mayTry says whether an address may try a token. Each that is wrong counts.
func (l *limits) mayTry(r *http.Request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(r).tries.TokensAt(l.now()) >= 1
}

func (l *limits) wrong(r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(r).tries.AllowN(l.now(), 1)
}
