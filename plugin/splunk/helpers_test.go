package splunk

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

var update = flag.Bool("update", false, "rewrite golden files")

const (
	testKey = "s3ss10n-k3y"
	testSID = "scheduler__admin__search__RMD5_at_1767323040_1"
	winnowU = "splunk-system-user"
)

var testNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// clock is a clock that tests turn.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: testNow} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// newServer starts a splunkd that knows winnow's session key.
func newServer(t testing.TB, opts splunktest.Options) *splunktest.Server {
	t.Helper()
	if opts.Now == nil {
		opts.Now = newClock().now
	}
	s := splunktest.New(t, opts)
	s.AddSession(winnowU, testKey, time.Time{}, splunktest.CapEditNotables, splunktest.CapListPasswords)
	return s
}

func newClient(t testing.TB, s *splunktest.Server, change ...func(*Options)) *Client {
	t.Helper()
	opts := Options{URI: s.URL, Credentials: SessionKey(testKey), SplunkHome: s.Home, App: "winnow"}
	for _, f := range change {
		f(&opts)
	}
	c, err := NewClient(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// delivery makes an update about row rid with the outcome given.
func delivery(rid string, change int, state winnow.State) ledger.Delivery {
	d := ledger.Delivery{
		Key: "ALERT" + rid + "/" + string(rune('0'+change)) + "/update", Sink: "update", Kind: ledger.DeliverUpdate,
		WinnowID: "ALERT" + rid + "-00ff",
		Alert: winnow.Alert{
			ID: "ALERT" + rid, SearchName: "Impossible Travel", Time: testNow, Received: testNow,
			Key: winnow.Key{Host: "g", SID: testSID, RID: rid}, Fields: winnow.Fields{"src": {"10.8.0.4"}, "user": {"ann"}},
		},
	}
	d.Record = winnow.NewRecord(&d.Alert, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule})
	d.Record.Outcome = winnow.Outcome{State: state, Reason: winnow.ReasonVerdict, Actor: "offline", Run: winnow.RunEnforce, Time: testNow}
	d.Record.Verdict.Disposition = winnow.BenignPositive
	d.Record.Verdict.Source = winnow.SourceOffline
	d.Record.Verdict.Confidence = 91
	d.Record.Verdict.Case = winnow.Case{What: "A sign-in over the VPN egress.", Why: "It is not.", FirstResponse: "None."}
	return d
}

func get(t testing.TB, s *splunktest.Server, id string) splunktest.Notable {
	t.Helper()
	n, ok := s.Notable(id)
	if !ok {
		t.Fatalf("no notable %s", id)
	}
	return n
}

// wantError checks what kind of error came back, and that it does not hold the credential.
func wantError(t testing.TB, err error, code Code, retry bool, texts ...string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, want an *Error", err)
	}
	if e.Code != code || Retryable(err) != retry {
		t.Errorf("error %v: code %s, retry %v, want %s, %v", err, e.Code, Retryable(err), code, retry)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q does not say %q", err, text)
		}
	}
	if strings.Contains(err.Error(), testKey) {
		t.Errorf("error %q holds the credential", err)
	}
}

// deliver has a sink take a delivery; that a person has the notable event is fine.
func deliver(t testing.TB, s Sink, d ledger.Delivery) {
	t.Helper()
	if err := s.Deliver(context.Background(), d); !taken(err) {
		t.Fatal(err)
	}
}

// taken reports whether a delivery is done.
func taken(err error) bool {
	var kept *ledger.KeptError
	return err == nil || errors.As(err, &kept)
}

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got), rewrite with -update:\n%s", path, diff)
	}
}
