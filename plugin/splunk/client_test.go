package splunk

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

func TestUser(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	c := newClient(t, s)
	for range 2 {
		user, err := c.User(context.Background())
		if err != nil || user != winnowU {
			t.Fatalf("user is %q, %v", user, err)
		}
	}
	reqs := s.Requests()
	if len(reqs) != 1 || reqs[0].Scheme != "Splunk" {
		t.Errorf("requests are %+v, want one with a session key", reqs)
	}
}

func TestErrorsSayWhatSplunkSaid(t *testing.T) {
	clk := newClock()
	s := newServer(t, splunktest.Options{Now: clk.now})
	s.AddSession("old", "expired", testNow)
	s.AddToken("svc", "t0ken", time.Time{})
	n := s.AddNotable("Impossible Travel", testSID, "0", nil)
	as := func(cred Credentials) *Client { return newClient(t, s, func(o *Options) { o.Credentials = cred }) }
	u := Update{RuleID: n, Comment: "x"}
	ctx := context.Background()

	wantError(t, as(SessionKey("expired")).UpdateNotable(ctx, u), CodeAuth, true, "call not properly authenticated", "401")
	wantError(t, as(SessionKey("t0ken")).UpdateNotable(ctx, u), CodeAuth, true)
	wantError(t, as(Token("t0ken")).UpdateNotable(ctx, u), CodeForbidden, true, "edit_notable_events", "user=svc")
	_, err := as(SessionKey(testKey)).Secret(ctx, "", "none")
	wantError(t, err, CodeNotFound, true, "Could not find object", `"none"`)

	for status, retry := range map[int]bool{429: true, 503: true, 500: true, 404: true, 400: false, 307: false} {
		s.Fail(splunktest.Fault{Path: "/services/notable_update", Times: 1, Status: status})
		err := as(SessionKey(testKey)).UpdateNotable(ctx, u)
		if err == nil || Retryable(err) != retry {
			t.Errorf("HTTP %d: error %v, retryable %v, want %v", status, err, Retryable(err), retry)
		}
	}
	s.Fail(splunktest.Fault{Times: 1, Cut: true})
	wantError(t, newClient(t, s).UpdateNotable(ctx, u), CodeNetwork, true)
}

func TestErrorTextIsPlain(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	body := "<b>\x1b[31mred\r\nINFO forged line\u202e " + testKey + strings.Repeat("x", 1<<16)
	s.Fail(splunktest.Fault{Status: 500, Body: body})
	_, err := newClient(t, s).User(context.Background())
	wantError(t, err, CodeServer, true, "<secret>")
	if len(err.Error()) > 400 || strings.ContainsAny(err.Error(), "\x1b\r\n\u202e") {
		t.Errorf("error is %q", err)
	}
}

func TestTimeoutNamesItsCause(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	s.Fail(splunktest.Fault{Delay: time.Minute})
	c := newClient(t, s, func(o *Options) { o.Timeout = 20 * time.Millisecond })
	_, err := c.User(context.Background())
	wantError(t, err, CodeTimeout, true, "within 20ms")

	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(fmt.Errorf("worker stops"))
	_, err = c.User(ctx)
	wantError(t, err, CodeTimeout, true, "worker stops")
}

func TestAnswersAreBounded(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	s.Fail(splunktest.Fault{Status: 200, Body: strings.Repeat("x", 101)})
	_, err := newClient(t, s, func(o *Options) { o.MaxAnswer = 100 }).User(context.Background())
	wantError(t, err, CodeTooLarge, false, "100 bytes")
	_, err = newClient(t, s).User(context.Background())
	wantError(t, err, CodeBadAnswer, true)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	seen := ""
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = r.Header.Get("Authorization")
	}))
	defer thief.Close()
	s := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	c, err := NewClient(Options{URI: s.URL, Credentials: SessionKey(testKey)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.User(context.Background())
	wantError(t, err, CodeRefused, false, "redirected")
	if seen != "" {
		t.Errorf("the redirect's target was sent %q", seen)
	}
}

func TestCertificateIsVerified(t *testing.T) {
	s, other := newServer(t, splunktest.Options{}), newServer(t, splunktest.Options{})
	foreign := newClient(t, s, func(o *Options) { o.CAFile = other.CAFile() })
	_, err := foreign.User(context.Background())
	wantError(t, err, CodeNetwork, true, "certificate")
	system := newClient(t, s, func(o *Options) { o.SplunkHome = t.TempDir() })
	_, err = system.User(context.Background())
	wantError(t, err, CodeNetwork, true, "certificate")

	conf, err := tlsConfig(Options{SplunkHome: s.Home}, "splunk.corp.example")
	if err != nil || conf.InsecureSkipVerify || conf.RootCAs != nil {
		t.Errorf("another machine is believed with a certificate of the CA that ships with Splunk, or under any name (%v)", err)
	}
	conf, err = tlsConfig(Options{SplunkHome: s.Home, CAFile: other.CAFile()}, "splunk.corp.example")
	if err != nil || conf.RootCAs == nil {
		t.Errorf("the CA file is not what is trusted (%v)", err)
	}
}

func TestNewClientRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := SessionKey(testKey)
	tests := map[string]Options{
		"no credentials":             {URI: "https://127.0.0.1:8089"},
		"not https":                  {URI: "http://splunk.corp.example:8089", Credentials: key},
		"is not a URL":               {URI: "splunk.corp.example", Credentials: key},
		"user name or password":      {URI: "https://ann:pw@splunk.corp.example", Credentials: key},
		"no PEM certificate":         {URI: "https://127.0.0.1:8089", CAFile: empty, Credentials: key},
		"proxy is not an address":    {URI: "https://127.0.0.1:8089", Proxy: "proxy.corp.example", Credentials: key},
		"in [splunk] of winnow.conf": {URI: "https://127.0.0.1:8089", Proxy: "http://ann:pw@proxy.corp.example", Credentials: key},
		"no such file or directory":  {URI: "https://127.0.0.1:8089", CAFile: empty + "x", Credentials: key},
	}
	for want, opts := range tests {
		if _, err := NewClient(opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
}

func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	env := func(string) string { return "fromenv" }
	none := func(string) string { return "" }
	tests := []struct {
		name   string
		key    winnow.Secret
		file   string
		getenv func(string) string
		want   string // header, or part of the error
	}{
		{"session key first", "k", file("a", "t", 0o600), env, "Splunk k"},
		{"environment before file", "", file("a", "t", 0o600), env, "Bearer fromenv"},
		{"file", "", file("b", " t\n", 0o600), none, "Bearer t"},
		{"file others can read", "", file("c", "t", 0o644), none, "chmod 600"},
		{"no file", "", filepath.Join(dir, "nope"), none, "no such file"},
		{"empty file", "", file("d", "\n", 0o600), none, "empty"},
		{"header injection", "", file("e", "t\r\nX-Evil: 1", 0o600), none, "line breaks"},
		{"folder", "", dir, none, "not a small regular file"},
		{"nothing", "", "", none, "token_file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cred, err := FindCredentials(tt.key, tt.file, tt.getenv)
			var got winnow.Secret
			if err == nil {
				got, err = cred()
			}
			text := got.Reveal()
			if err != nil {
				text = err.Error()
			}
			if err == nil && text != tt.want || !strings.Contains(text, tt.want) {
				t.Errorf("got %q, want %q", text, tt.want)
			}
		})
	}
}

func TestTokenFileIsReadAnew(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	s.AddToken("svc", "second", time.Time{})
	path := filepath.Join(t.TempDir(), "token")
	c := newClient(t, s, func(o *Options) { o.Credentials = TokenFile(path) })
	write := func(token string) {
		if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	_, err := c.User(context.Background())
	wantError(t, err, CodeAuth, true)
	write("second")
	if user, err := c.User(context.Background()); err != nil || user != "svc" {
		t.Errorf("user is %q, %v", user, err)
	}
}

func TestSecret(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	s.AddPassword("winnow", "", "openai", "sk-1")
	s.AddPassword("winnow", "re:alm", "a/../b", "sk-2")
	c := newClient(t, s)
	for _, tt := range []struct{ realm, name, want string }{{"", "openai", "sk-1"}, {"re:alm", "a/../b", "sk-2"}} {
		got, err := c.Secret(context.Background(), tt.realm, tt.name)
		if err != nil || got.Reveal() != tt.want {
			t.Errorf("%q %q: %q, %v", tt.realm, tt.name, got.Reveal(), err)
		}
	}
	if path := s.Requests()[0].Path; path != "/servicesNS/nobody/winnow/storage/passwords/%3Aopenai%3A" {
		t.Errorf("path is %s", path)
	}
	s.AddSession("ann", "weak", time.Time{})
	_, err := newClient(t, s, func(o *Options) { o.Credentials = SessionKey("weak") }).Secret(context.Background(), "", "openai")
	wantError(t, err, CodeForbidden, true, "list_storage_passwords")
	_, err = newClient(t, s, func(o *Options) { o.App = "" }).Secret(context.Background(), "", "openai")
	wantError(t, err, CodeInput, false)
}

// splunkd elsewhere is reached through the proxy, whose tunnel sees neither credential nor answer; its
// certificate is checked as without one. splunkd on this machine is never asked through a proxy.
func TestSplunkdThroughProxy(t *testing.T) {
	s := newServer(t, splunktest.Options{Names: []string{"splunk.corp.example"}})
	asked := make(chan string, 10)
	proxy := httptest.NewServer(tunnel(t, asked, strings.TrimPrefix(s.URL, "https://")))
	defer proxy.Close()
	through := func(uri string) *Client {
		return newClient(t, s, func(o *Options) { o.URI, o.Proxy, o.CAFile = uri, proxy.URL, s.CAFile() })
	}
	user, err := through("https://splunk.corp.example:8089").User(t.Context())
	if err != nil || user != winnowU {
		t.Errorf("user is %q, %v", user, err)
	}
	if got := <-asked; got != "CONNECT splunk.corp.example:8089 []" {
		t.Errorf("the proxy was asked for %q", got)
	}
	_, err = through("https://other.corp.example:8089").User(t.Context())
	wantError(t, err, CodeNetwork, true, "certificate")
	if got := <-asked; got != "CONNECT other.corp.example:8089 []" {
		t.Errorf("the proxy was asked for %q", got)
	}
	if user, err = through(s.URL).User(t.Context()); err != nil || user != winnowU || len(asked) != 0 {
		t.Errorf("on this machine: user is %q, %v; the proxy was asked %d times", user, err, len(asked))
	}
}

// A proxy that refuses is a fault of the network that may pass.
func TestProxyOfSplunkdRefuses(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer proxy.Close()
	c, err := NewClient(Options{URI: "https://splunk.corp.example:8089", Credentials: SessionKey(testKey), Proxy: proxy.URL})
	mustDo(t, err)
	_, err = c.User(t.Context())
	wantError(t, err, CodeNetwork, true, "Proxy Authentication Required")
}

// tunnel is a proxy that leads every CONNECT to one server. It says what it was asked for, with the credentials
// that it could see.
func tunnel(t *testing.T, asked chan<- string, to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- fmt.Sprintf("%s %s %v", r.Method, r.Host, r.Header.Values("Authorization"))
		server, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		client, read, err := http.NewResponseController(w).Hijack() // before the client may send anything into the tunnel
		if err != nil {
			t.Error(err)
			_ = server.Close()
			return
		}
		_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() {
			_, _ = io.Copy(server, read)
			_ = server.Close()
		}()
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
}
