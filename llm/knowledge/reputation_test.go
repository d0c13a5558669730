package knowledge

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

// service is a fake of AbuseIPDB's form, which answers what it is told to.
type service struct {
	*httptest.Server
	asked  atomic.Int64
	answer func(w http.ResponseWriter, r *http.Request)
	told   []Lookup
	mute   error // what telling of a request fails with
}

const goodAnswer = `{"data":{"ipAddress":%q,"abuseConfidenceScore":97,"totalReports":12,"countryCode":"NL","usageType":"Data Center","isp":"X","lastReportedAt":"2026-01-01T00:00:00+00:00"}}`

func newService(t *testing.T) *service {
	s := &service{}
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/api/v2/check" || r.Header.Get("Key") != "k3y" || r.URL.Query().Get("maxAgeInDays") != "90" {
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		_, _ = fmt.Fprintf(w, goodAnswer, r.URL.Query().Get("ipAddress"))
	}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) tool(t *testing.T, perDay int, now func() time.Time) *Reputation {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	r, err := NewReputation(ReputationOptions{
		URL: s.URL + "/", PerDay: perDay, Roots: roots, Now: now, Internal: []netip.Prefix{netip.MustParsePrefix("8.8.4.0/24")},
		Key:  func(context.Context) (winnow.Secret, error) { return "k3y", nil },
		Tell: func(l Lookup) error { s.told = append(s.told, l); return s.mute },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func askReputation(t *testing.T, r *Reputation, values ...string) (string, error) {
	t.Helper()
	c := &llm.Case{Alert: &winnow.Alert{Fields: winnow.Fields{"src": values}}}
	got, err := r.Run(t.Context(), c, json.RawMessage(`{"field":"src"}`))
	if err == nil && got.Control != winnow.ControlAttacker {
		t.Error("others word what the service says")
	}
	return string(got.JSON), err
}

func TestReputation(t *testing.T) {
	s, at := newService(t), time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	r := s.tool(t, 4, func() time.Time { return at })
	want := `{"found":{"address":"8.8.8.8","abuse_confidence":97,"reports_90d":12,"country":"NL","usage":"Data Center","provider":"X","last_report":"2026-01-01T00:00:00+00:00"}}`
	for _, text := range []string{"8.8.8.8", "::ffff:8.8.8.8", " 8.8.8.8"} {
		got, err := askReputation(t, r, text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(diff, err)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times about one address", n)
	}
	if _, err := askReputation(t, r, "2606:4700::1"); err != nil {
		t.Error(err)
	}
	if _, err := askReputation(t, r, "1.1.1.1"); err == nil || !strings.Contains(err.Error(), "used up") {
		t.Errorf("beyond the day's requests: %v", err)
	}
	at = at.Add(25 * time.Hour)
	if _, err := askReputation(t, r, "8.8.8.8"); err != nil || s.asked.Load() != 3 {
		t.Errorf("an old answer: %v, asked %d times", err, s.asked.Load())
	}
}

func TestReputationKeepsAddressesIn(t *testing.T) {
	s := newService(t)
	r := s.tool(t, 1000, time.Now)
	for text := range strings.FieldsSeq(`10.0.0.1 172.16.0.1 192.168.1.1 127.0.0.1 169.254.169.254 100.64.0.1 0.0.0.0 0.1.2.3 255.255.255.255 240.0.0.1 224.0.0.1
		192.0.0.1 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 8.8.4.4 ::ffff:8.8.4.4 ::ffff:10.0.0.1 ::1 :: fe80::1 fe80::1%eth0 fc00::1 ff02::1 fec0::1
		64:ff9b::a00:1 2002:a00:1:: 2001:db8::1 2001::1 3fff::1 4000::1 ::10.0.0.1 8.8.8.8/32 8.8.8 host.example 8.8.8.8:53 010.8.8.8 8.8.8.8&x=1`) {
		if got, err := askReputation(t, r, text); err == nil || strings.Contains(err.Error(), text) && text != "::" {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, values := range [][]string{nil, {"8.8.8.8", "1.1.1.1"}, {""}} {
		if _, err := askReputation(t, r, values...); err == nil {
			t.Errorf("%v was looked up", values)
		}
	}
	if n := s.asked.Load(); n > 0 {
		t.Errorf("%d requests left", n)
	}
}

func TestReputationAnswersAreBad(t *testing.T) {
	s := newService(t)
	other := newService(t)
	r := s.tool(t, 1000, time.Now)
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"status 429":      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret", http.StatusTooManyRequests) },
		"status 302":      func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) },
		"not the one":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`secret`)) },
		"not the one exp": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"data":{}}`)) },
		"not the one e":   func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, goodAnswer, "1.1.1.1") },
		"not the": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"data":{"abuseConfidenceScore":101}}`))
		},
		"too large":        func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, reputationBody+1)) },
		"cannot be reache": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		s.answer = answer
		if _, err := askReputation(t, r, "8.8.8.8"); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if other.asked.Load() > 0 {
		t.Error("a redirect was followed")
	}
	r.o.Key = func(context.Context) (winnow.Secret, error) { return "", errors.New("secret") }
	if _, err := askReputation(t, r, "8.8.8.8"); err == nil || err.Error() != "there is no key for the service" {
		t.Error(err)
	}
}

func TestReputationIsBounded(t *testing.T) {
	r := newService(t).tool(t, 10, time.Now)
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	a := netip.MustParseAddr("8.0.0.0")
	for range reputationEntries + 10 {
		r.keep(a, judged{until: now.Add(time.Hour)}, now)
		a = a.Next()
	}
	if len(r.known) != reputationEntries {
		t.Errorf("%d answers are kept", len(r.known))
	}
	if r.keep(a, judged{}, now.Add(2*time.Hour)); len(r.known) != 1 {
		t.Errorf("%d answers are kept, the rest is old", len(r.known))
	}
}

func TestReputationRefuses(t *testing.T) {
	good := ReputationOptions{
		URL: "https://api.example", PerDay: 1, Now: time.Now, Tell: func(Lookup) error { return nil },
		Key: func(context.Context) (winnow.Secret, error) { return "k", nil },
	}
	if _, err := NewReputation(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*ReputationOptions){
		"no address": func(o *ReputationOptions) { o.URL = "" },
		"no TLS":     func(o *ReputationOptions) { o.URL = "http://api.example" },
		"password":   func(o *ReputationOptions) { o.URL = "https://u:p@api.example" },
		"query":      func(o *ReputationOptions) { o.URL = "https://api.example?x=1" },
		"no key":     func(o *ReputationOptions) { o.Key = nil },
		"no number":  func(o *ReputationOptions) { o.PerDay = 0 },
		"no clock":   func(o *ReputationOptions) { o.Now = nil },
		"untold":     func(o *ReputationOptions) { o.Tell = nil },
	} {
		o := good
		spoil(&o)
		if _, err := NewReputation(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// FuzzReputation: no text gets anything but a public address out.
func FuzzReputation(f *testing.F) {
	r := &Reputation{}
	for _, seed := range []string{"8.8.8.8", "::ffff:10.0.0.1", "fe80::1%x", "2002:a00:1::"} {
		f.Add(seed, []byte(fmt.Sprintf(goodAnswer, seed)))
	}
	f.Fuzz(func(t *testing.T, text string, answer []byte) {
		a, err := r.public(text)
		if err == nil && (a.IsPrivate() || !a.IsGlobalUnicast() || a.Is4In6() || a.Zone() != "") {
			t.Fatalf("%q leaves as %s", text, a)
		}
		_, _ = readJudgement(a, answer)
	})
}

// Every request is told before it leaves, without its address; answers that are known are no request.
func TestReputationTellsWhatLeaves(t *testing.T) {
	s, at := newService(t), time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	r := s.tool(t, 4, func() time.Time { return at })
	c := &llm.Case{Alert: &winnow.Alert{ID: "01J0", SearchName: "S", Fields: winnow.Fields{"src": {"8.8.8.8"}}}}
	for range 2 {
		if _, err := r.Run(t.Context(), c, json.RawMessage(`{"field":"src"}`)); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.told) != 1 || s.asked.Load() != 1 {
		t.Fatalf("told %v, asked %d times", s.told, s.asked.Load())
	}
	l := s.told[0]
	if l.AlertID != "01J0" || l.Search != "S" || l.Field != "src" || l.Bytes == 0 || len(l.SHA256) != len("sha256:")+64 || strings.Contains(fmt.Sprint(l), "8.8.8.8") {
		t.Errorf("told %+v", l)
	}
	s.mute = errors.New("disk full")
	c.Alert.Fields["src"] = []string{"1.1.1.1"}
	if _, err := r.Run(t.Context(), c, json.RawMessage(`{"field":"src"}`)); err == nil || s.asked.Load() != 1 {
		t.Errorf("%v; asked %d times", err, s.asked.Load())
	}
}
