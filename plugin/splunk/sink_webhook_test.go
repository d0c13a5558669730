package splunk

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

func TestWebhookCall(t *testing.T) {
	s, _, clk := newSplunk(t)
	h := s.NewWebhook(t, webhookSecret)
	sink, err := NewWebhookSink("page", ServerOptions{URL: h.URL, Key: withKey(webhookSecret), SplunkHome: s.Home, Now: clk.now})
	mustDo(t, err)
	d := events(1)[0]
	deliver(t, sink, d)
	clk.advance(time.Hour)
	deliver(t, sink, d)
	calls := h.Calls()
	if len(calls) != 2 || calls[0].ID != calls[1].ID || calls[0].Body != calls[1].Body || calls[0].Time == calls[1].Time {
		t.Fatalf("calls are %+v, want the same id and body at two times", calls)
	}
	var body struct {
		Type, Timestamp string
		Data            struct {
			EventKey string `json:"event_key"`
			WinnowID string `json:"winnow_id"`
		}
	}
	if err := json.Unmarshal([]byte(calls[0].Body), &body); err != nil || body.Type != "winnow.outcome" || body.Timestamp != "2026-01-02T03:04:05Z" ||
		body.Data.EventKey != d.Key || body.Data.WinnowID != d.WinnowID {
		t.Errorf("body is %+v, %v", body, err)
	}
}

// A report is no outcome, and says what it is.
func TestWebhookReport(t *testing.T) {
	s, _, clk := newSplunk(t)
	h := s.NewWebhook(t, webhookSecret)
	sink, err := NewWebhookSink("page", ServerOptions{URL: h.URL, Key: withKey(webhookSecret), SplunkHome: s.Home, Now: clk.now})
	mustDo(t, err)
	d := ledger.Delivery{
		Key: "weekly/2026-W47/page", Sink: "page", Kind: ledger.DeliverEvent,
		Report: &ledger.Report{Name: "weekly", Body: json.RawMessage(`{"week":"2026-W47"}`)},
	}
	d.Record.Outcome.Time = time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
	deliver(t, sink, d)
	deliver(t, sink, d)
	calls := h.Calls()
	want := `{"type":"winnow.report.weekly","timestamp":"2026-11-23T01:00:00Z","data":{"event_time":"2026-11-23T01:00:00Z",` +
		`"event_key":"weekly/2026-W47/page","event_type":"winnow:report","report":"weekly","data":{"week":"2026-W47"}}}`
	if len(calls) != 2 || calls[0].ID != calls[1].ID || calls[0].Body != want {
		t.Errorf("calls are %+v, want %s", calls, want)
	}
}

// The example of the specification's test vectors: what is signed, and how.
func TestWebhookSignature(t *testing.T) {
	signer, err := webhookSigner("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	mustDo(t, err)
	got, err := signer.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	mustDo(t, err)
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature is %s, want %s", got, want)
	}
}

func TestWebhookSecret(t *testing.T) {
	for _, bad := range []winnow.Secret{"", "whsec_", "hunter2", "whsec_hunter2", "whsec_aHVudGVyMg==", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"} {
		if _, err := webhookSigner(bad); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad.Reveal(), err)
		}
	}
}

func TestWebhookSignedOtherwise(t *testing.T) {
	s, _, clk := newSplunk(t)
	h := s.NewWebhook(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	sink, err := NewWebhookSink("page", ServerOptions{URL: h.URL, Key: withKey(webhookSecret), SplunkHome: s.Home, Now: clk.now})
	mustDo(t, err)
	wantError(t, sink.Deliver(t.Context(), events(1)[0]), CodeAuth, false)
	if len(h.Calls()) != 0 {
		t.Error("the receiver took what is not signed with its secret")
	}
}

// A server that is down is asked once for all that waits.
func TestWebhookDownIsAskedOnce(t *testing.T) {
	s, _, clk := newSplunk(t)
	h := s.NewWebhook(t, webhookSecret)
	sink, err := NewWebhookSink("page", ServerOptions{URL: h.URL, Key: withKey(webhookSecret), SplunkHome: s.Home, Now: clk.now})
	mustDo(t, err)
	h.Fail(splunktest.Fault{Times: 1, Status: 503})
	for _, err := range sink.DeliverAll(t.Context(), events(5)) {
		wantError(t, err, CodeBusy, true)
	}
	if len(h.Calls()) != 0 {
		t.Errorf("%d calls after the server said that it is down", len(h.Calls()))
	}
}

// Addresses of internal networks are refused where a name leads to them, unless that is meant.
func TestWebhookStaysOutside(t *testing.T) {
	for _, address := range []string{
		"10.1.2.3:443", "172.16.0.1:443", "192.168.1.1:443", "127.0.0.1:443", "169.254.169.254:80", "100.64.0.1:443", "0.0.0.0:443",
		"[::1]:443", "[fe80::1]:443", "[fd00:ec2::254]:80", "[::ffff:10.0.0.1]:443", "224.0.0.1:443", "nonsense",
	} {
		if publicOnly("tcp", address, nil) == nil {
			t.Errorf("%s is taken for public", address)
		}
	}
	for _, address := range []string{"203.0.113.7:443", "[2001:db8::1]:443", "8.8.8.8:443"} {
		if err := publicOnly("tcp", address, nil); err != nil {
			t.Error(err)
		}
	}
	sink, err := NewWebhookSink("page", ServerOptions{URL: "https://10.255.255.1/hook", Key: withKey(webhookSecret), Public: true, Now: newClock().now})
	mustDo(t, err)
	wantError(t, sink.Deliver(t.Context(), events(1)[0]), CodeNetwork, true, "allow_private")
}

// A proxy is used for every server but this machine.
func TestSinkProxy(t *testing.T) {
	asked := make(chan string, 4)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		w.WriteHeader(http.StatusForbidden)
	}))
	defer proxy.Close()
	sink, err := NewWebhookSink("page", ServerOptions{URL: "https://hooks.example.com/x?token=hunter2", Proxy: proxy.URL, Public: true, Key: withKey(webhookSecret), Now: newClock().now})
	mustDo(t, err)
	err = sink.Deliver(t.Context(), events(1)[0])
	if wantError(t, err, CodeNetwork, true); strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %q holds the address", err)
	}
	if got := <-asked; got != "CONNECT hooks.example.com:443" {
		t.Errorf("the proxy was asked for %q", got)
	}
	s, _, clk := newSplunk(t)
	h := s.NewWebhook(t, webhookSecret)
	local, err := NewWebhookSink("page", ServerOptions{URL: h.URL, Proxy: proxy.URL, SplunkHome: s.Home, Key: withKey(webhookSecret), Now: clk.now})
	mustDo(t, err)
	deliver(t, local, events(1)[0])
	if len(asked) != 0 {
		t.Errorf("the proxy was asked for %q", <-asked)
	}
}

// Certificates are checked against the CA file, else Splunk's own for this machine, else the system's.
func TestSinkCertificates(t *testing.T) {
	s, _, clk := newSplunk(t)
	h := s.NewWebhook(t, webhookSecret)
	for name, c := range map[string]struct {
		opts ServerOptions
		good bool
	}{
		"CA file":      {ServerOptions{CAFile: s.CAFile()}, true},
		"Splunk's own": {ServerOptions{SplunkHome: s.Home}, true},
		"system":       {ServerOptions{}, false},
		"other CA":     {ServerOptions{CAFile: newServer(t, splunktest.Options{}).CAFile(), SplunkHome: s.Home}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.opts.URL, c.opts.Key, c.opts.Now = h.URL, withKey(webhookSecret), clk.now
			sink, err := NewWebhookSink("page", c.opts)
			mustDo(t, err)
			err = sink.Deliver(context.Background(), events(1)[0])
			if (err == nil) != c.good {
				t.Errorf("error is %v", err)
			}
			if errCheck := sink.Check(t.Context()); (errCheck == nil) != c.good {
				t.Errorf("check says %v", errCheck)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	date := testNow.UTC().Format(http.TimeFormat)
	for text, want := range map[string]time.Duration{
		"120": 2 * time.Minute, "0": 0, "": 0, "-5": 0, "soon": 0, "99999999999": 0, "1.5": 0,
		testNow.Add(time.Minute).UTC().Format(http.TimeFormat): time.Minute,
		testNow.Add(-time.Hour).UTC().Format(http.TimeFormat):  0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}, "Date": {date}}); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}
