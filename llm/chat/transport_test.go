package chat

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func get(t *testing.T, c *http.Client, ctx context.Context, address string) (string, error) { //nolint:revive // t first
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestCAFile(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for ca, want := range map[string]string{file: "hello", "": ""} {
		c, err := NewHTTPClient(HTTPOptions{CAFile: ca})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := get(t, c, t.Context(), s.URL); got != want || (err == nil) != (want != "") {
			t.Errorf("with CA file %q: %q, %v", ca, got, err)
		}
		c.CloseIdleConnections()
	}
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{file, file + ".gone"} {
		if _, err := NewHTTPClient(HTTPOptions{CAFile: bad}); err == nil {
			t.Errorf("%s was taken for certificates", bad)
		}
	}
}

func TestProxy(t *testing.T) {
	asked := ""
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		_, _ = io.WriteString(w, "through the proxy")
	}))
	defer proxy.Close()
	direct := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "direct") }))
	defer direct.Close()
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	c, err := NewHTTPClient(HTTPOptions{Proxy: proxy.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	if got, err := get(t, c, t.Context(), "http://llm.corp.example/v1"); err != nil || got != "through the proxy" || asked != "http://llm.corp.example/v1" {
		t.Errorf("%q of %q, %v", got, asked, err)
	}
	if got, err := get(t, c, t.Context(), direct.URL); err != nil || got != "direct" {
		t.Errorf("a server on this machine was asked through the proxy: %q, %v", got, err)
	}
	for _, bad := range []string{"proxy.corp.example:3128", "ftp://proxy", "http://", "http://a:hunter2@%zz"} {
		if _, err := NewHTTPClient(HTTPOptions{Proxy: bad}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("proxy %q: %v", bad, err)
		}
	}
}

func TestAnswersAreCapped(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 100)) }))
	defer s.Close()
	c, err := NewHTTPClient(HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	for limit, want := range map[int64]error{99: ErrTooLarge, 100: nil, 101: nil} {
		got, err := get(t, c, WithMaxBody(t.Context(), limit), s.URL)
		if !errors.Is(err, want) || want == nil && len(got) != 100 {
			t.Errorf("at most %d bytes: read %d, %v", limit, len(got), err)
		}
	}
}

func TestServerURL(t *testing.T) {
	for address, want := range map[string]bool{
		"https://api.openai.com/v1": true, "http://127.0.0.1:8000/v1": true, "http://localhost:11434/v1": true, "http://[::1]:80": true,
		"http://10.0.0.5:8000/v1": false, "http://localhost.evil.example": false, "https://u:hunter2@h.example": false, "https://h.example/?key=hunter2": false,
		"ftp://127.0.0.1": false, "api.openai.com": false, "": false, "http://[::1": false,
	} {
		if _, err := ServerURL(address); (err == nil) != want || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestHeaders(t *testing.T) {
	noon := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": -1, "1s": time.Second, "6m0s": 6 * time.Minute, "2026-05-04T12:00:30Z": 30 * time.Second, "2026-05-04T11:00:00Z": 0,
		"17": 17 * time.Second, "0.5": time.Second / 2, "-5": 0, "1e99": time.Hour, "NaN": -1, "soon": -1, "9999h": time.Hour,
	} {
		if got := HeaderWait(http.Header{"X": {text}}, "X", noon); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]int64{"": -1, "0": 0, "15": 15, "-3": -1, "x": -1, "99999999999999999999": -1} {
		if got := HeaderCount(http.Header{"X": {text}}, "X"); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"gpt-5.4-mini": "gpt-5.4-mini", "qwen/Qwen3:8b@v1": "qwen/Qwen3:8b@v1", "a b": "", "a\n": "", strings.Repeat("x", 129): "", "é": "",
	} {
		if got := Name(text); got != want {
			t.Errorf("%q is %q", text, got)
		}
	}
}
