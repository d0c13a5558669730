package splunktest

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// SCSOptions say how a tenant of Splunk Cloud Services is set up.
type SCSOptions struct {
	Tenant string
	Token  string // the access token that is good
	Client string // who may ask for it, with Secret
	Secret string

	Reject func(id string) bool // events that a request is refused for; nil: none
}

// SCS is the ingest service of one tenant. It drops events whose id it has seen, as the service does. All its
// methods are safe for concurrent use.
type SCS struct {
	URL string
	faulty

	opts SCSOptions

	scsMu  sync.Mutex
	bodies []string
	seen   map[string]bool
	posts  int
}

// NewSCS starts the service with a server's certificate, and stops it when the test ends.
func (s *Server) NewSCS(t testing.TB, opts SCSOptions) *SCS {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	c := &SCS{URL: "https://" + ln.Addr().String(), opts: opts, seen: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", c.token)
	mux.HandleFunc("POST /"+url.PathEscape(opts.Tenant)+"/ingest/v1beta2/events", c.events)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { scsReply(w, http.StatusNotFound, "not found") })
	srv := &http.Server{Handler: c.before(mux), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return c
}

// Events returns the bodies of the events that were kept.
func (c *SCS) Events() []string {
	c.scsMu.Lock()
	defer c.scsMu.Unlock()
	return slices.Clone(c.bodies)
}

// Posts returns how many requests with events came.
func (c *SCS) Posts() int {
	c.scsMu.Lock()
	defer c.scsMu.Unlock()
	return c.posts
}

func scsReply(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]any{"code": http.StatusText(status), "message": message})
}

func (c *SCS) token(w http.ResponseWriter, r *http.Request) {
	client, secret, _ := r.BasicAuth()
	if r.PostFormValue("grant_type") != "client_credentials" || client != c.opts.Client || secret != c.opts.Secret || secret == "" {
		scsReply(w, http.StatusUnauthorized, "invalid client "+client+" "+secret)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"token_type": "Bearer", "access_token": c.opts.Token, "expires_in": 43200, "scope": r.PostFormValue("scope")})
}

func (c *SCS) events(w http.ResponseWriter, r *http.Request) {
	c.scsMu.Lock()
	defer c.scsMu.Unlock()
	c.posts++
	if r.Header.Get("Authorization") != "Bearer "+c.opts.Token {
		scsReply(w, http.StatusUnauthorized, "Error validating request")
		return
	}
	var events []struct {
		ID         string `json:"id"`
		Sourcetype string `json:"sourcetype"`
		Timestamp  int64  `json:"timestamp"`
		Body       json.RawMessage
	}
	if err := json.NewDecoder(r.Body).Decode(&events); err != nil || len(events) == 0 {
		scsReply(w, http.StatusBadRequest, "Invalid data format")
		return
	}
	for _, e := range events {
		if e.ID == "" || e.Sourcetype == "" || e.Timestamp == 0 || c.opts.Reject != nil && c.opts.Reject(e.ID) {
			scsReply(w, http.StatusBadRequest, "Invalid data format")
			return
		}
	}
	for _, e := range events {
		if !c.seen[e.ID] {
			c.seen[e.ID] = true
			c.bodies = append(c.bodies, string(e.Body))
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"code": "SUCCESS", "message": "Success"})
}
