package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/rules"
)

// Whatever tests and files are called, the report is XML whose counts are those of its cases.
func FuzzJUnit(f *testing.F) {
	f.Add("rule", "a test", "because", "a.yaml")
	f.Add("r", "\x00\x1b]]>\xff", "<failure>&\u202e", "\n")
	f.Fuzz(func(t *testing.T, rule, name, why, file string) {
		results := []rules.TestResult{
			{Rule: rule, Test: name, File: file, Line: 3, Want: "drop", Got: "drop", Why: why, OK: true},
			{Rule: rule, Test: name, File: file, Want: "drop", Got: "pass", Why: why},
			{Rule: rule + "2", Test: name, File: file, Want: "drop", Got: "error", Why: why},
		}
		broken := []*rules.Error{{File: file, Line: 1, Column: 1, Rule: rule, Message: why, Source: name}}
		var out bytes.Buffer
		g := &globals{console: &console{out: &out}}
		if err := g.junit(results, broken); err != nil {
			t.Fatal(err)
		}
		var got junitReport
		if err := xml.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%v\n%s", err, out.Bytes())
		}
		if got.Tests != 4 || got.Failures != 1 || got.Errors != 2 || len(got.Suites) != 3 {
			t.Errorf("%+v", got)
		}
	})
}

// lockedBuffer is output that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// wait waits until the output says something n times.
func (b *lockedBuffer) wait(t *testing.T, text string, n int) {
	t.Helper()
	for range 1000 {
		b.mu.Lock()
		got := strings.Count(b.buf.String(), text)
		b.mu.Unlock()
		if got >= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%q is not there %d times:\n%s", text, n, b.buf.String())
}

const watchedRule = `rules:
  - id: vpn
    owner: detection@corp.example
    reason: known
    expires: 2027-03-31
    search_name: Travel
    when: event.user in lists.users
    tests:
      - {alert: {user: ann}, want: drop}
      - {alert: {user: eve}, want: pass}
`

// --watch runs again for a changed rule and a changed list, survives a broken file and one that is
// gone, and ends with 0 when it is told to.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("rules/vpn.yaml", watchedRule)
	write("lists/users.txt", "ann\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen lockedBuffer
	code := make(chan int)
	c := &console{in: strings.NewReader(""), out: io.Discard, err: &seen, getenv: func(string) string { return "" }, now: func() time.Time { return scriptNow }}
	go func() {
		app := filepath.Join(repository, "packaging", "app")
		code <- execute(ctx, c, []string{"rules", "test", "--watch", "--app", app, "--content", dir})
	}()
	seen.wait(t, "2 tests of 1 rule passed\nwaiting", 1)
	write("lists/users.txt", "bob and friends\n")
	seen.wait(t, "1 of 2 tests failed\nwaiting", 1)
	write("rules/vpn.yaml", "rules: [")
	seen.wait(t, "some rules could not be read", 1)
	if err := os.Remove(filepath.Join(dir, "rules", "vpn.yaml")); err != nil {
		t.Fatal(err)
	}
	seen.wait(t, "no rules found", 1)
	write("lists/users.txt", "ann\n")
	write("rules/vpn.yaml", watchedRule)
	seen.wait(t, "2 tests of 1 rule passed\nwaiting", 2)
	cancel()
	if got := <-code; got != exitOK {
		t.Errorf("exit code %d", got)
	}
}
