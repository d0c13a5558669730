package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/health"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/report/page"
	"github.com/winnow-soc/winnow/plugin/review"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// probe is what an attacker writes wherever an alert has text: it would begin an element, end an attribute, turn the
// line around and hide what follows.
const probe = `"'><xss-probe onerror=alert(1) x='` + "\u202e\u200b\x1b[31m{{.}}</script></textarea></select>" + `javascript:alert(1)`

const alertID = "01M85JHY1HQ4JDCNNW95MK9A6R"

// world is a site over a real ledger, with a clock, a Splunk and a worker that are made up.
type world struct {
	t       *testing.T
	site    Site
	handler http.Handler
	ledger  *ledger.Ledger
	log     strings.Builder

	mu      sync.Mutex
	now     time.Time
	tokens  map[string]Person // of Splunk
	down    bool              // Splunk does not answer
	asked   int               // times that Splunk was
	decided []review.Decision
	refuse  error
	cookie  string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: noon, tokens: map[string]Person{
		"vera": {"vera", Viewer}, "ann": {"ann", Analyst}, "bob": {"bob", Approver}, "nobody": {"eve", NoRole},
	}}
	w.ledger = hostile(t)
	var err error
	w.site = w.newSite()
	if w.handler, err = Handler(w.site); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) newSite() Site {
	return Site{
		Version: probe, Now: w.clock, Log: slog.New(slog.NewTextHandler(&w.log, nil)), View: w.ledger.View,
		Case: func(*ledger.Tx) review.Site {
			return review.Site{
				Now: noon, FactTTL: time.Hour, Fields: &winnow.FieldTable{},
				Technique: func(string) (string, []string, bool) { return probe, []string{probe}, true },
			}
		},
		Rules: func(*ledger.Tx) ([]report.Rule, error) {
			rate, at := 0.25, noon
			return []report.Rule{{ID: probe, Mode: "suspended", Owner: probe, MissRate: &rate, Low: 0.1, High: 0.4, Suspended: &at, By: probe, Why: probe}}, nil
		},
		Votes: func(*ledger.Tx) (*report.Votes, error) {
			share, paid := 0.5, int64(12)
			return &report.Votes{
				Panels: 3, Agents: []report.Agent{{Name: probe, Safe: 1, Malicious: 2, ErrorRate: &share, MicroUSD: &paid}},
				Pairs: []report.VotePair{{A: probe, B: probe, Phi: &share, Agreement: &share}},
			}, nil
		},
		Cost: func(*ledger.Tx, int) (*page.Data, error) {
			return &page.Data{
				Version: probe, Made: noon, From: noon.Truncate(24 * time.Hour), To: noon.Truncate(24*time.Hour).AddDate(0, 0, 1), Alerts: 1, Paid: 5,
				Series: []string{probe}, Days: []page.Day{{At: noon.Truncate(24 * time.Hour), Parts: []winnow.NanoUSD{5}}},
				Splits: []page.Split{{Name: "search", Lines: []page.Line{{Name: probe, Alerts: 1, Paid: 5}}}},
			}, nil
		},
		Checks: func(context.Context) []health.Check { return []health.Check{{Check: "loop", OK: false, Detail: probe}} },
		Decide: w.decide, Splunk: w.splunk, Local: &Local{Token: "local-token", Person: Person{"root", Approver}},
	}
}

func (w *world) splunk(_ context.Context, token winnow.Secret) (Person, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	p, known := w.tokens[token.Reveal()]
	switch {
	case w.down:
		return p, errors.New("no answer")
	case !known:
		return p, fmt.Errorf("%w: unknown", ErrSignIn)
	}
	return p, nil
}

func (w *world) decide(_ context.Context, d review.Decision) (review.Result, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return review.Result{}, false, w.refuse
	}
	w.decided = append(w.decided, d)
	return review.Result{Settled: []string{d.ID}, Recalled: []string{"X", "Y"}, Missed: []string{probe}}, true, nil
}

// hostile is a ledger that all tests read and none changes.
var (
	hostileOnce   sync.Once
	hostileLedger *ledger.Ledger
	hostileErr    error
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "page")
	if err != nil {
		panic(err)
	}
	hostilePath = filepath.Join(dir, "ledger.db")
	code := m.Run()
	if hostileLedger != nil {
		_ = hostileLedger.Close()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

var hostilePath string

func hostile(t *testing.T) *ledger.Ledger {
	t.Helper()
	hostileOnce.Do(func() {
		if hostileLedger, hostileErr = ledger.Open(context.Background(), hostilePath); hostileErr == nil {
			hostileErr = add(hostileLedger, alertID, 1)
		}
	})
	if hostileErr != nil {
		t.Fatal(hostileErr)
	}
	return hostileLedger
}

// add puts an alert into the ledger every text of which is the probe.
func add(l *ledger.Ledger, id string, key byte) error {
	e := ledger.Entry{Alert: winnow.Alert{
		ID: id, Key: winnow.Key{Host: "h", SID: probe, RID: id}, SearchName: probe, App: probe, Owner: probe, Severity: winnow.SeverityHigh,
		Time: noon, Received: noon, Warnings: []string{probe},
		Fields: winnow.Fields{"user": {probe}, probe: {probe, strings.Repeat("\u0301", 5000)}, "src": {"192.0.2.1"}},
	}, Team: probe, Key: cache.Key{key}}
	e.Advice = []byte(fmt.Sprintf(`[{"kind":%q,"target":"a","reason":"b"}]`, "block"))
	r := winnow.NewRecord(&e.Alert, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule, Rule: probe})
	r.Outcome.State, r.Outcome.Actor, r.Outcome.Reason = winnow.StateInReview, probe, winnow.Reason("gave_up:"+probe)
	r.Verdict = winnow.Verdict{
		Disposition: winnow.BenignPositive, Source: winnow.SourceModel, Confidence: 80, Techniques: []string{"T1078.004", probe},
		Evidence: []winnow.Evidence{{Field: "user", Value: probe}, {Field: probe, Value: "other"}}, Facts: []string{probe}, Taint: []string{probe},
		Case: winnow.Case{What: probe, Why: probe, FirstResponse: probe}, Votes: []winnow.Vote{{Agent: probe, Vote: winnow.VoteSafe, Reason: probe, Fields: []string{"user"}}},
	}
	return l.Update(context.Background(), func(t *ledger.Tx) error {
		if err := t.Add(e, r); err != nil {
			return err
		}
		return t.AddReview(ledger.Review{ID: id, Action: "reject", Actor: probe, Reason: probe, At: noon})
	})
}

// ask sends a request from a browser on this host.
func (w *world) ask(method, path string, form url.Values, change ...func(*http.Request)) *httptest.ResponseRecorder {
	w.t.Helper()
	var body io.Reader = http.NoBody
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, body)
	r.Host, r.RemoteAddr = "127.0.0.1:8090", "127.0.0.1:50000"
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if w.cookie != "" {
		r.Header.Set("Cookie", w.cookie)
	}
	for _, f := range change {
		f(r)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// signIn signs somebody in and keeps the cookie.
func (w *world) signIn(token string) *httptest.ResponseRecorder {
	w.t.Helper()
	w.cookie = ""
	rec := w.ask(http.MethodPost, "/sign-in", url.Values{"token": {token}})
	for _, c := range rec.Result().Cookies() {
		w.cookie = c.Name + "=" + c.Value
	}
	return rec
}

func decision(action string) url.Values {
	return url.Values{"action": {action}, "seq": {"1"}, "as": {"BenignPositive"}, "reason": {probe}}
}
