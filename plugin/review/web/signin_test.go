package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSignIn(t *testing.T) {
	for _, c := range []struct {
		token string
		role  string // "" for nobody
		code  int
	}{
		{"vera", "viewer", http.StatusSeeOther}, {"ann", "analyst", http.StatusSeeOther}, {"bob", "approver", http.StatusSeeOther},
		{"local-token", "approver", http.StatusSeeOther}, {" local-token\n", "approver", http.StatusSeeOther},
		{"nobody", "", http.StatusUnauthorized}, {"", "", http.StatusUnauthorized}, {"local-toke", "", http.StatusUnauthorized},
		{probe, "", http.StatusUnauthorized},
	} {
		w := newWorld(t)
		rec := w.signIn(c.token)
		if rec.Code != c.code {
			t.Errorf("%q: %d", c.token, rec.Code)
		}
		body := w.ask(http.MethodGet, "/", nil).Body.String()
		if signed := strings.Contains(body, "Sign out"); signed != (c.role != "") || !strings.Contains(body, c.role) {
			t.Errorf("%q: signed in %t", c.token, signed)
		}
	}
}

func TestCookie(t *testing.T) {
	for _, secure := range []bool{false, true} {
		w := newWorld(t)
		w.site.Secure = secure
		w.handler, _ = Handler(w.site)
		cookies := w.signIn("ann").Result().Cookies()
		if len(cookies) != 1 {
			t.Fatalf("cookies %v", cookies)
		}
		c := cookies[0]
		if !c.HttpOnly || c.Path != "/" || c.SameSite != http.SameSiteLaxMode || c.Secure != secure || c.Domain != "" || len(c.Value) < 26 ||
			strings.HasPrefix(c.Name, "__Host-") != secure {
			t.Errorf("cookie %+v", c)
		}
	}
}

func TestSessionEnds(t *testing.T) {
	for name, end := range map[string]func(*world){
		"signed out":       func(w *world) { w.ask(http.MethodPost, "/sign-out", url.Values{}) },
		"idle":             func(w *world) { w.now = w.now.Add(sessionIdle + time.Second) },
		"the clock is set": func(w *world) { w.now = w.now.Add(-time.Hour) },
		"a long shift": func(w *world) {
			for range 12 {
				w.now = w.now.Add(sessionIdle - time.Minute)
				w.ask(http.MethodGet, "/", nil)
			}
		},
		"signed in again": func(w *world) {
			before := w.cookie
			w.ask(http.MethodPost, "/sign-in", url.Values{"token": {"bob"}})
			w.cookie = before
		},
	} {
		w := newWorld(t)
		w.signIn("ann")
		if w.ask(http.MethodGet, "/", nil).Code != http.StatusOK {
			t.Fatal("not signed in")
		}
		end(w)
		if code := w.ask(http.MethodGet, "/", nil).Code; code != http.StatusSeeOther {
			t.Errorf("%s: the session goes on (%d)", name, code)
		}
	}
}

// TestSplunkIsAskedAgain: who changes something after a minute must still be somebody to Splunk.
func TestSplunkIsAskedAgain(t *testing.T) {
	for _, c := range []struct {
		name          string
		later         time.Duration
		happens       func(*world)
		code, decided int
	}{
		{"nothing happens", 2 * recheckAfter, func(*world) {}, http.StatusSeeOther, 1},
		{"the token is revoked", 2 * recheckAfter, func(w *world) { delete(w.tokens, "ann") }, http.StatusUnauthorized, 0},
		{"the role is taken away", 2 * recheckAfter, func(w *world) { w.tokens["ann"] = Person{"ann", Viewer} }, http.StatusForbidden, 0},
		{"the token is another's", 2 * recheckAfter, func(w *world) { w.tokens["ann"] = Person{"bob", Approver} }, http.StatusUnauthorized, 0},
		{"Splunk does not answer", 2 * recheckAfter, func(w *world) { w.down = true }, http.StatusServiceUnavailable, 0},
		{"the clock went back", -time.Second, func(w *world) { w.down = true }, http.StatusServiceUnavailable, 0},
		{"just checked", time.Second, func(w *world) { w.down = true }, http.StatusSeeOther, 1},
	} {
		w := newWorld(t)
		w.signIn("ann")
		w.now = w.now.Add(c.later)
		c.happens(w)
		rec := w.ask(http.MethodPost, "/case/"+alertID, decision("approve"))
		if rec.Code != c.code || len(w.decided) != c.decided {
			t.Errorf("%s: %d, decided %d", c.name, rec.Code, len(w.decided))
		}
	}
}

func TestNoRedirectElsewhere(t *testing.T) {
	for to, want := range map[string]string{
		"/case/A": "/case/A", "/cost": "/cost", "": "/", "https://evil.example": "/", "//evil.example": "/", `/\evil.example`: "/", "/\t/evil.example": "/",
		"javascript:alert(1)": "/", "case/A": "/", "/a\r\nSet-Cookie: x": "/", "/%2f%2fevil": "/%2f%2fevil",
	} {
		w := newWorld(t)
		if got := w.ask(http.MethodPost, "/sign-in", url.Values{"token": {"ann"}, "to": {to}}).Header().Get("Location"); got != want {
			t.Errorf("%q leads to %q, want %q", to, got, want)
		}
	}
}

// TestLimits: wrong tokens are limited by address, and so is everything; time heals both.
func TestLimits(t *testing.T) {
	w := newWorld(t)
	for i := range triesAtOnce {
		if code := w.signIn(fmt.Sprint("wrong", i)).Code; code != http.StatusUnauthorized {
			t.Fatalf("try %d: %d", i, code)
		}
	}
	if code := w.signIn("ann").Code; code != http.StatusTooManyRequests {
		t.Errorf("after too many tries: %d", code)
	}
	if asked := w.asked; asked != triesAtOnce {
		t.Errorf("Splunk was asked %d times", asked)
	}
	w.now = w.now.Add(triesEvery + time.Second)
	if code := w.signIn("ann").Code; code != http.StatusSeeOther {
		t.Errorf("later: %d", code)
	}
	code := 0
	for range burst + 1 {
		code = w.ask(http.MethodGet, "/", nil).Code
	}
	other := func(r *http.Request) { r.RemoteAddr = "[::1]:1" }
	if code != http.StatusTooManyRequests || w.ask(http.MethodGet, "/", nil, other).Code != http.StatusOK {
		t.Errorf("after %d requests: %d", burst, code)
	}
}

// TestLimitsForgetWhoIsQuiet: addresses do not fill the memory.
func TestLimitsForgetWhoIsQuiet(t *testing.T) {
	now := noon
	l := newLimits(func() time.Time { return now })
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	for i := range 3 * mostKnown {
		r.RemoteAddr = fmt.Sprintf("[2001:db8::%x]:1", i)
		now = now.Add(time.Millisecond)
		l.asks(r)
	}
	if len(l.known) > mostKnown {
		t.Errorf("%d addresses are known", len(l.known))
	}
}

func TestSessionsAreBounded(t *testing.T) {
	w := newWorld(t)
	s := newSessions(w.clock, false)
	for range mostSessions + 10 {
		w.now = w.now.Add(time.Millisecond)
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		s.begin(nopWriter{}, r, Person{"a", Viewer}, "")
	}
	if len(s.all) > mostSessions {
		t.Errorf("%d sessions", len(s.all))
	}
}

type nopWriter struct{}

func (nopWriter) Header() http.Header         { return http.Header{} }
func (nopWriter) Write(p []byte) (int, error) { return len(p), nil }
func (nopWriter) WriteHeader(int)             {}
