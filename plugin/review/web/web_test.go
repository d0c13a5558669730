package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// views are all pages that show something to who is signed in.
var views = []string{
	"/", "/?state=in_review&severity=high", "/?search=" + url.QueryEscape(probe), "/?entity=" + url.QueryEscape(probe), "/waiting?seen=0",
	"/case/" + alertID, "/rules", "/votes", "/cost", "/cost?days=7", "/cost/days", "/health", "/nowhere", "/case/" + url.PathEscape(probe), "/?after=" + url.QueryEscape(probe),
}

// TestHostileTextStaysText: whatever an alert holds, no view makes an element or an attribute of it, and nothing in it
// is hidden or turned around.
func TestHostileTextStaysText(t *testing.T) {
	w := newWorld(t)
	w.tokens["ann"] = Person{probe, Approver}
	w.signIn("ann")
	w.ask(http.MethodPost, "/case/"+alertID, decision("reject")) // a notice with the name of a rule
	for _, path := range append([]string{"/sign-in", "/static/x/" + url.PathEscape(probe)}, views...) {
		rec := w.ask(http.MethodGet, path, nil)
		body := rec.Body.String()
		for _, bad := range []string{"<xss-probe", "\u202e", "\u200b", "\x1b", "</script></textarea>", `href="javascript:`} {
			if strings.Contains(body, bad) {
				t.Errorf("%s: %q stands in the page:\n%s", path, bad, around(body, bad))
			}
		}
		for _, bad := range []string{"<style", " style=", "onclick=", "hx-on"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s: %q would break the policy", path, bad)
			}
		}
		if rec.Code == http.StatusInternalServerError {
			t.Errorf("%s: it breaks", path)
		}
	}
	if strings.Contains(w.log.String(), "xss-probe") && strings.Contains(w.log.String(), "search") {
		t.Errorf("text of an alert is in the log:\n%s", w.log.String())
	}
}

func around(body, what string) string {
	i := strings.Index(body, what)
	return body[max(0, i-120):min(len(body), i+120)]
}

func TestCaseShowsWhatIsNeeded(t *testing.T) {
	w := newWorld(t)
	w.signIn("ann")
	body := w.ask(http.MethodGet, "/case/"+alertID, nil).Body.String()
	for _, want := range []string{
		"&lt;xss-probe", `\u202e`, `https://attack.mitre.org/techniques/T1078/004/`, "Agree: BenignPositive", "Escalate: this is not settled",
		`name="seq" value="1"`, "What the gates did", "Earlier alerts like it", "Cost so far", "more characters: `winnow review show` has them",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the case does not say %q", want)
		}
	}
}

// TestHeadersAreOnEveryAnswer also looks at those that refuse.
func TestHeadersAreOnEveryAnswer(t *testing.T) {
	w := newWorld(t)
	elsewhere := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	rebound := func(r *http.Request) { r.Host = "evil.example" }
	for _, signed := range []bool{false, true} {
		if signed {
			w.signIn("bob")
		}
		for _, path := range append([]string{"/sign-in", "/static/x/y"}, views...) {
			for _, change := range []func(*http.Request){func(*http.Request) {}, elsewhere, rebound} {
				for _, method := range []string{http.MethodGet, http.MethodPost} {
					h := w.ask(method, path, nil, change).Header()
					w.now = w.now.Add(time.Second) // so that no limit is reached
					for name, value := range headers {
						if h.Get(name) != value && (name != "Cache-Control" || !strings.HasPrefix(path, "/static/")) {
							t.Errorf("%s %s: %s is %q", method, path, name, h.Get(name))
						}
					}
				}
			}
		}
	}
	if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("the policy is %s", policy)
	}
}

func TestNobodySeesAnythingUnlessSignedIn(t *testing.T) {
	w := newWorld(t)
	for _, cookie := range []string{"", "winnow=", "winnow=guess", "__Host-winnow=guess"} {
		w.cookie = cookie
		for _, path := range views {
			if rec := w.ask(http.MethodGet, path, nil); rec.Code != http.StatusSeeOther || !strings.HasPrefix(rec.Header().Get("Location"), "/sign-in") {
				t.Errorf("%s with cookie %q: %d", path, cookie, rec.Code)
			}
		}
		if rec := w.ask(http.MethodPost, "/case/"+alertID, decision("reject")); rec.Code != http.StatusUnauthorized {
			t.Errorf("a decision with cookie %q: %d", cookie, rec.Code)
		}
	}
	if len(w.decided) > 0 {
		t.Errorf("decided %+v", w.decided)
	}
}

// TestGETChangesNothing asks for everything that can be changed by GET and HEAD.
func TestGETChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.signIn("bob")
	for _, path := range []string{"/case/" + alertID + "?" + decision("reject").Encode(), "/sign-out", "/sign-in?token=ann"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			w.ask(method, path, nil)
		}
	}
	if len(w.decided) > 0 || w.ask(http.MethodGet, "/", nil).Code != http.StatusOK {
		t.Errorf("decided %+v, or signed out", w.decided)
	}
}

func TestDecisions(t *testing.T) {
	other, cross := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, func(r *http.Request) {
		r.Header.Del("Sec-Fetch-Site")
		r.Header.Set("Origin", "https://evil.example")
	}
	none := func(*http.Request) {}
	for _, c := range []struct {
		name, token, path string
		form              url.Values
		change            func(*http.Request)
		code, decided     int
	}{
		{"an analyst agrees", "ann", alertID, decision("approve"), none, http.StatusSeeOther, 1},
		{"an approver escalates", "bob", alertID, decision("reject"), none, http.StatusSeeOther, 1},
		{"an analyst corrects", "ann", alertID, decision("correct"), none, http.StatusSeeOther, 1},
		{"a viewer", "vera", alertID, decision("approve"), none, http.StatusForbidden, 0},
		{"another site", "ann", alertID, decision("approve"), cross, http.StatusForbidden, 0},
		{"another port of this host", "ann", alertID, decision("approve"), other, http.StatusForbidden, 0},
		{"another name of this host", "ann", alertID, decision("approve"), func(r *http.Request) { r.Host = "evil.example:8090" }, http.StatusForbidden, 0},
		{"no number of the record", "ann", alertID, url.Values{"action": {"approve"}}, none, http.StatusBadRequest, 0},
		{"a number below any", "ann", alertID, url.Values{"action": {"approve"}, "seq": {"-1"}}, none, http.StatusBadRequest, 0},
		{"an unknown action", "ann", alertID, url.Values{"action": {"close"}, "seq": {"1"}}, none, http.StatusBadRequest, 0},
		{"an unknown disposition", "ann", alertID, url.Values{"action": {"correct"}, "seq": {"1"}, "as": {"Fine"}}, none, http.StatusBadRequest, 0},
		{"a long reason", "ann", alertID, url.Values{"action": {"reject"}, "seq": {"1"}, "reason": {strings.Repeat("x", 2001)}}, none, http.StatusBadRequest, 0},
		{"a huge form", "ann", alertID, url.Values{"action": {"reject"}, "seq": {"1"}, "reason": {strings.Repeat("x", mostForm)}}, none, http.StatusBadRequest, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.signIn(c.token)
			c.form.Set("actor", "somebody else")
			rec := w.ask(http.MethodPost, "/case/"+c.path, c.form, c.change)
			if rec.Code != c.code || len(w.decided) != c.decided {
				t.Fatalf("%d, decided %+v; want %d and %d\n%s", rec.Code, w.decided, c.code, c.decided, rec.Body)
			}
			if c.decided == 1 && (w.decided[0].Actor != c.token || w.decided[0].Seq != 1 || w.decided[0].ID != alertID) {
				t.Errorf("decided %+v", w.decided[0])
			}
		})
	}
}

// TestRefusalIsTold: who comes second hears that nothing was changed.
func TestRefusalIsTold(t *testing.T) {
	w := newWorld(t)
	w.signIn("ann")
	for want, err := range map[int]error{
		http.StatusConflict: fmt.Errorf("%w: the alert has changed", review.ErrRefused), http.StatusNotFound: ledger.ErrNotFound,
		http.StatusInternalServerError: fmt.Errorf("disk full"),
	} {
		w.refuse = err
		rec := w.ask(http.MethodPost, "/case/"+alertID, decision("approve"))
		if rec.Code != want || want != http.StatusNotFound && !strings.Contains(rec.Body.String(), "Nothing was changed") {
			t.Errorf("%v: %d\n%s", err, rec.Code, rec.Body)
		}
	}
}

// TestNoticeIsShownOnce: what a decision did stands on the next page, and on no other.
func TestNoticeIsShownOnce(t *testing.T) {
	w := newWorld(t)
	w.signIn("ann")
	w.ask(http.MethodPost, "/case/"+alertID, decision("reject"))
	const notice = "2 alerts that were closed on its verdict are back in triage"
	first, second := w.ask(http.MethodGet, "/case/"+alertID, nil).Body.String(), w.ask(http.MethodGet, "/case/"+alertID, nil).Body.String()
	if !strings.Contains(first, notice) || strings.Contains(second, notice) {
		t.Error("the notice is not shown once")
	}
}

// TestPanicEndsOneRequest: nothing of it is shown, and others are answered.
func TestPanicEndsOneRequest(t *testing.T) {
	w := newWorld(t)
	w.site.Rules = nil
	var err error
	if w.handler, err = Handler(w.site); err != nil {
		t.Fatal(err)
	}
	w.signIn("vera")
	if rec := w.ask(http.MethodGet, "/rules", nil); rec.Code != http.StatusInternalServerError || strings.Contains(rec.Body.String(), "nil pointer") {
		t.Errorf("%d\n%s", rec.Code, rec.Body)
	}
	if rec := w.ask(http.MethodGet, "/", nil); rec.Code != http.StatusOK {
		t.Errorf("after it: %d", rec.Code)
	}
}

func TestServeWantsTLSBeyondLoopback(t *testing.T) {
	w := newWorld(t)
	for _, address := range []string{"0.0.0.0:0", "192.0.2.1:0", "[::]:0", "localhost:0", "", "127.0.0.1"} {
		if _, stop, err := Serve(w.site, Place{Address: address}, func(error) {}); err == nil {
			stop()
			t.Errorf("%q is served without TLS", address)
		}
	}
	address, stop, err := Serve(w.site, Place{Address: "127.0.0.1:0"}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/sign-in", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Security-Policy") != policy {
		t.Fatalf("%v, %v", resp, err)
	}
	_ = resp.Body.Close()
}
