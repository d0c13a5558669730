// Package splunktest is a splunkd for tests: a TLS server on a loopback address that answers the
// endpoints winnow uses the way Splunk with Enterprise Security does, errors included, and that
// holds notable events with their review history. It refuses what it does not know instead of
// guessing.
//
// The [Server] lays out a SPLUNK_HOME of its own: its CA is at etc/auth/cacert.pem, and stash
// files put into var/spool/splunk become events on [Server.Ingest].
package splunktest

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Options say how the server is set up. The zero value is a usual Enterprise Security.
type Options struct {
	Home string           // SPLUNK_HOME to lay out, required by Start
	Now  func() time.Time // time.Now if nil
	GUID string           // the indexer's, a fixed one if empty

	Names []string // hosts that its certificate names; the one that splunkd ships with names none

	MinComment       int           // comments must have this many characters
	NoUrgency        bool          // allow_urgency_override is off
	IndexLag         time.Duration // how long an event takes until it is found
	NoES             bool          // Enterprise Security is not installed
	NotableOwners    []string      // who may own a notable event; unassigned and admin are always there
	ReviewStatuses   []ReviewStatus
	MaxExportResults int // 0 = all

	FindingsApp string // where Enterprise Security 8 has its findings; "" is an older one, without findings
	NoHistory   bool   // changes of findings leave no entry in incident_review

	// Before is called before each request is answered, when no lock is held: it may use the
	// server, as a person who acts between two requests of winnow's does.
	Before func(Request)
}

// Server is the fake. All its methods are safe for concurrent use.
type Server struct {
	URL  string // like https://127.0.0.1:34567
	Home string

	faulty

	opts Options
	http *http.Server
	cert tls.Certificate

	mu        sync.Mutex
	keys      map[string]*login
	roles     map[string][]string // of users
	passwords map[string]string
	notables  []*Notable
	others    []Event // events of any other index
	jobs      map[string]job
	requests  []Request
	lastTime  float64 // of the newest review
	serial    int     // of findings and notes
}

const defaultGUID = "1A082D7B-D5A1-4A2B-BB94-41C439BE3EB7"

// New starts a server for a test, in a folder of its own, and stops it when the test ends.
func New(t testing.TB, opts Options) *Server {
	t.Helper()
	if opts.Home == "" {
		opts.Home = t.TempDir()
	}
	s, err := Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts a server. The caller closes it.
func Start(opts Options) (*Server, error) {
	opts.fill()
	for _, dir := range []string{"etc/auth", "var/spool/splunk", "var/log/splunk", "var/run/splunk/dispatch"} {
		if err := os.MkdirAll(filepath.Join(opts.Home, filepath.FromSlash(dir)), 0o700); err != nil {
			return nil, err
		}
	}
	cert, ca, err := makeCertificates(time.Now(), opts.Names...)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(opts.Home, "etc", "auth", "cacert.pem"), ca, 0o600); err != nil {
		return nil, err
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	return serve(opts, ln, cert), nil
}

func serve(opts Options, ln net.Listener, cert tls.Certificate) *Server {
	s := &Server{
		URL: "https://" + ln.Addr().String(), Home: opts.Home, opts: opts, cert: cert,
		keys: map[string]*login{}, passwords: map[string]string{}, jobs: map[string]job{},
	}
	s.http = &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = s.http.Serve(ln) }()
	return s
}

func (o *Options) fill() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.GUID == "" {
		o.GUID = defaultGUID
	}
	if o.ReviewStatuses == nil {
		o.ReviewStatuses = DefaultReviewStatuses()
	}
	o.NotableOwners = append([]string{"unassigned", "admin"}, o.NotableOwners...)
}

// Close stops the server and cuts what is under way.
func (s *Server) Close() { _ = s.http.Close() }

// CAFile is where the server's CA is.
func (s *Server) CAFile() string { return filepath.Join(s.Home, "etc", "auth", "cacert.pem") }

// SpoolDir is where stash files are dropped.
func (s *Server) SpoolDir() string { return filepath.Join(s.Home, "var", "spool", "splunk") }
