package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// browserSite is what the tests in the browser are told.
type browserSite struct {
	Address   string `json:"address"`
	Chromium  string `json:"chromium"`
	Screens   string `json:"screens"`
	Viewer    string `json:"viewer"`
	Analyst   string `json:"analyst"`
	Approver  string `json:"approver"`
	Hostile   string `json:"hostile"` // an alert whose every text is an attack on the page
	Group     string `json:"group"`   // an alert of a storm
	GroupSize int    `json:"groupSize"`
	Waiting   int    `json:"waiting"` // cases at least
}

// manyCases is how many cases wait.
const manyCases = 10_000

// TestPageInChromium triages alerts for real, serves the page, and has Chromium use it as each role, with Splunk tokens
// of a fake splunkd. Pictures go to WINNOW_SCREENS.
func TestPageInChromium(t *testing.T) {
	dir := os.Getenv("WINNOW_E2E_WEB")
	if dir == "" {
		t.Skip("`make e2e-web` uses the page in a browser")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	stateDir := t.TempDir()
	site := browserSite{Chromium: chromium, Screens: os.Getenv("WINNOW_SCREENS"), Waiting: manyCases, GroupSize: 5}
	site.Hostile, site.Group = triageForBrowser(t, stateDir, site.GroupSize)
	home := t.TempDir()
	fake, err := splunktest.Start(splunktest.Options{Home: home})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	for user, role := range map[string]string{"vera": "winnow_viewer", "ann": "winnow_analyst", "bob": "winnow_approver"} {
		fake.AddToken(user, "token-of-"+user, time.Time{})
		fake.SetRoles(user, "user", role)
	}
	site.Viewer, site.Analyst, site.Approver = "token-of-vera", "token-of-ann", "token-of-bob"
	site.Address = serveForBrowser(t, stateDir, "--splunk", "--set", "splunk.uri="+fake.URL, "--set", "splunk.ca_file="+filepath.Join(home, "etc", "auth", "cacert.pem"))
	told, err := json.Marshal(site)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "page.mjs") //nolint:gosec // what make e2e-web laid out
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "WINNOW_SITE="+string(told))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("the page in Chromium: %v", err)
	}
}

// triageForBrowser fills a state folder, and returns the alert that attacks the page and one of the storm.
func triageForBrowser(t *testing.T, stateDir string, storm int) (hostile, group string) {
	t.Helper()
	const probe = `"'><xss-probe onmouseover=xss=1><script>window.xss=1</script><img src=x onerror=window.xss=1>` + "\u202e\u200b{{7*7}}"
	now := time.Now().UTC().Truncate(time.Second)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	write := func(sid string, fields map[string]any) {
		fields["sid"], fields["rid"], fields["severity"] = sid, "0", "medium"
		if err := enc.Encode(fields); err != nil {
			t.Fatal(err)
		}
	}
	at := func(ago time.Duration) string { return now.Add(-ago).Format(time.RFC3339) }
	for i := range manyCases {
		write(fmt.Sprint("many", i), map[string]any{
			"search_name": "Impossible Travel", "_time": at(time.Hour), "user": fmt.Sprintf("user%05d", i), "src": fmt.Sprintf("192.0.2.%d", i%250+1),
		})
	}
	for i := range storm {
		write(fmt.Sprint("storm", i), map[string]any{
			"search_name": "Unusual Logon", "_time": at(time.Duration(storm-i) * time.Minute), "user": "judy", "src": "198.51.100.7", "dest": "srv-files-01",
		})
	}
	write("hostile", map[string]any{"search_name": "Odd " + probe, "_time": at(time.Minute), "user": probe, "src": "203.0.113.9", "field" + probe: probe, "long": strings.Repeat("long", 3000)})
	file := filepath.Join(t.TempDir(), "alerts.ndjson")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, errs := silent()
	out := &bytes.Buffer{}
	c.out = out
	if code := execute(t.Context(), c, []string{"triage", "--app", "../../../packaging/app", "--state", stateDir, "--format", "json", "--quiet", file}); code != exitOK {
		t.Fatalf("triage: %d\n%s", code, errs)
	}
	for line := range strings.Lines(out.String()) {
		var r struct{ ID, SID string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		switch r.SID {
		case "hostile":
			hostile = r.ID
		case "storm0":
			group = r.ID
		}
	}
	return hostile, group
}

// serveForBrowser runs `winnow review serve` until the test ends, and returns its address.
func serveForBrowser(t *testing.T, stateDir string, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c, _, _ := silent()
	r, w := io.Pipe()
	c.out, c.err = w, io.Discard
	done := make(chan int, 1)
	args := append([]string{"review", "serve", "--app", "../../../packaging/app", "--state", stateDir, "--listen", "127.0.0.1:0", "--format", "json"}, flags...)
	go func() {
		done <- execute(ctx, c, args)
		_ = w.Close()
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	line, err := bufio.NewReader(r).ReadBytes('\n')
	var served struct{ Address string }
	if err == nil {
		err = json.Unmarshal(line, &served)
	}
	if err != nil {
		t.Fatalf("the page does not begin: %q, %v", line, err)
	}
	return served.Address
}
