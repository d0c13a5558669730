package splunktest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"io"
	"log"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Webhook is a receiver of signed calls. It checks signatures by itself, and refuses what is not signed with its
// secret. All its methods are safe for concurrent use.
type Webhook struct {
	URL string
	faulty

	secret []byte

	hookMu sync.Mutex
	calls  []Call
}

// Call is one call whose signature holds.
type Call struct {
	ID   string // webhook-id
	Time string // webhook-timestamp
	Body string
}

// NewWebhook starts a receiver with a server's certificate, and stops it when the test ends. secret is whsec_ and
// base64.
func (s *Server) NewWebhook(t testing.TB, secret string) *Webhook {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	h := &Webhook{URL: "https://" + ln.Addr().String() + "/hook", secret: key}
	srv := &http.Server{Handler: h.before(http.HandlerFunc(h.take)), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return h
}

// Calls returns the calls that were taken, repeats among them.
func (h *Webhook) Calls() []Call {
	h.hookMu.Lock()
	defer h.hookMu.Unlock()
	return slices.Clone(h.calls)
}

func (h *Webhook) take(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "post", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(r.Body)
	id, at := r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp")
	if err != nil || id == "" || strings.ContainsAny(id, ". ") || at == "" || !h.signed(id+"."+at+"."+string(body), r.Header.Get("Webhook-Signature")) {
		http.Error(w, "not signed", http.StatusUnauthorized)
		return
	}
	h.hookMu.Lock()
	h.calls = append(h.calls, Call{id, at, string(body)})
	h.hookMu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (h *Webhook) signed(text, signatures string) bool {
	mac := hmac.New(sha256.New, h.secret)
	_, _ = io.WriteString(mac, text)
	want := mac.Sum(nil)
	for one := range strings.FieldsSeq(signatures) {
		version, signature, _ := strings.Cut(one, ",")
		got, err := base64.StdEncoding.DecodeString(signature)
		if version == "v1" && err == nil && hmac.Equal(got, want) {
			return true
		}
	}
	return false
}
