package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/plugin/review"
)

// watched is a ledger of the demo's sample alerts, and the live view on it at 120 by 34.
func watched(t *testing.T) (*script, *watchModel) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "watch.txt")
	if err := os.WriteFile(path, []byte("exec winnow triage --state state --quiet samples.ndjson\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newScript(t, path)
	s.run()
	g := &globals{format: formatTable, app: filepath.Join("apps", "winnow"), console: &console{
		in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}, now: func() time.Time { return scriptNow },
		getenv: func(name string) string { return s.env[name] },
	}}
	d, err := g.open()
	if err != nil {
		t.Fatal(err)
	}
	from := &feed{d: d, last: 200, now: g.now}
	t.Cleanup(func() { _ = from.close() })
	m := g.watchModel(context.Background(), d, from, "")
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 34})
	m.Update(m.reading())
	return s, m
}

// press types keys, and carries out what they ask for.
func press(m *watchModel, keys ...string) {
	special := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "down": tea.KeyDown, "space": tea.KeySpace, "backspace": tea.KeyBackspace}
	for _, k := range keys {
		msg := tea.KeyPressMsg{Text: k, Code: []rune(k)[0]}
		if code := special[k]; code != 0 {
			msg = tea.KeyPressMsg{Code: code}
		}
		if _, cmd := m.Update(msg); cmd != nil {
			m.Update(cmd())
		}
	}
}

// uncoloured is a screen as tmux prints it.
func uncoloured(t *testing.T, screen string) string {
	t.Helper()
	var b bytes.Buffer
	w := colorprofile.Writer{Forward: &b, Profile: colorprofile.NoTTY}
	if _, err := w.WriteString(screen); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return out.String()
}

func goldenScreen(t *testing.T, file, got string) {
	t.Helper()
	if *updateGolden {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func screens(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("testdata", "watch"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWatchScreens(t *testing.T) {
	dir := screens(t)
	_, m := watched(t)
	show := func(name string) {
		t.Helper()
		screen := uncoloured(t, m.screen())
		if n := strings.Count(screen, "\n"); n != m.height {
			t.Errorf("%s has %d lines", name, n)
		}
		goldenScreen(t, filepath.Join(dir, name+".txt"), screen)
	}
	show("list")
	press(m, strings.Split("/escalatedx", "")...)
	press(m, "backspace", "enter", "down")
	show("filtered")
	if lines, err := m.open(m.events[0].record.ID); err != nil || !strings.Contains(strings.Join(lines, "\n"), "What happened") {
		t.Errorf("a case is %q, %v", lines, err)
	}
	m.open = func(id string) ([]string, error) { // what a case says is held by the tests of `review show`
		return strings.Split("case "+id+strings.Repeat("\nline\nof it", 40), "\n"), nil
	}
	press(m, "enter", "down")
	show("case")
	press(m, "a")
	show("asked")
	press(m, "n")
	show("refused")
	press(m, "esc", "esc", "space")
	m.Update(newsMsg{status: m.status, events: m.events[3:5]})
	show("paused")
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 16})
	show("small")
}

// TestWatchDecides takes a decision from the screen to the ledger.
func TestWatchDecides(t *testing.T) {
	_, m := watched(t)
	press(m, strings.Split("/escalated", "")...)
	press(m, "enter")
	e, found := m.selected()
	if !found {
		t.Fatal("nothing is escalated")
	}
	press(m, "r", "y")
	if !strings.HasPrefix(m.said, "reject: 1 alert settled") {
		t.Errorf("said %q", m.said)
	}
	m.Update(m.reading())
	for _, e2 := range m.events {
		if e2.record.ID == e.record.ID && !strings.HasPrefix(e2.record.Outcome.Actor, "person:") {
			t.Errorf("the alert is %s by %s", e2.record.Outcome.State, e2.record.Outcome.Actor)
		}
	}
	for i, e := range m.events { // what nobody can decide is said, and asks nothing
		if e.record.Outcome.State == "closed" {
			m.filter, m.cursor = "", i
			break
		}
	}
	press(m, "a")
	if m.asking != nil || !strings.Contains(m.said, "does not wait for a person") {
		t.Errorf("asked %v, said %q", m.asking, m.said)
	}
}

// TestWatchAnswersOnlyYes: any key but y takes no decision.
func TestWatchAnswersOnlyYes(t *testing.T) {
	for _, key := range []string{"n", "enter", "Y", "space", "esc", "a", "q"} {
		m := &watchModel{width: 80, height: 20, asking: &asking{decision: review.Decision{ID: "x"}}}
		m.decide = func(review.Decision) (string, error) { t.Errorf("%s decided", key); return "", nil }
		press(m, key)
		if m.asking != nil {
			t.Errorf("%s left the question standing", key)
		}
	}
}

// TestWatchHostileText: nothing that an alert holds reaches the terminal as anything but text.
func TestWatchHostileText(t *testing.T) {
	_, m := watched(t)
	bad := "\x1b]0;owned\a\x1b[2J\r\n\u202eevil\x9b31m"
	for i := range m.events {
		r := &m.events[i].record
		r.SearchName, r.ID, r.Outcome.Actor, r.Verdict.Case.What, r.Verdict.Case.Why, r.Proposal.Rule = bad, bad, bad, bad, bad, bad
		for j := range r.Verdict.Votes {
			r.Verdict.Votes[j].Agent, r.Verdict.Votes[j].Reason = bad, bad
		}
	}
	m.said, m.filter = bad, ""
	screen := m.screen()
	for _, part := range []string{"\x1b]", "\x1b[2J", "\r", "\u202e", "\x9b", "\a"} {
		if strings.Contains(screen, part) {
			t.Errorf("the screen holds %q", part)
		}
	}
	if n := strings.Count(screen, "\n"); n != m.height-1 {
		t.Errorf("the screen has %d lines", n+1)
	}
}

// TestWatchInTmux drives the program itself in a terminal; its screens are those of TestWatchScreens.
func TestWatchInTmux(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the program")
	}
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		t.Skip("no tmux here: install it with your system's packages")
	}
	dir := screens(t)
	program := filepath.Join(t.TempDir(), "winnow")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	s, _ := watched(t)
	socket := filepath.Join(t.TempDir(), "tmux")
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(context.Background(), tmux, append([]string{"-u", "-f", "/dev/null", "-S", socket}, args...)...) //nolint:gosec // tmux on the path
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm-256color")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %s: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run("new-session", "-d", "-x", "120", "-y", "34", "-s", "watch",
		program+" watch --app "+filepath.Join(s.env["WORK"], "apps", "winnow")+" --state "+s.env["WINNOW_STATE"])
	t.Cleanup(func() { run("kill-server") })
	awaitScreen(t, filepath.Join(dir, "list.txt"), func() string { return run("capture-pane", "-p", "-t", "watch") })
	run("send-keys", "-t", "watch", "/", "escalated", "Enter", "Down")
	awaitScreen(t, filepath.Join(dir, "filtered.txt"), func() string { return run("capture-pane", "-p", "-t", "watch") })
}

// awaitScreen waits until the terminal shows what a golden file has.
func awaitScreen(t *testing.T, file string, capture func() string) {
	t.Helper()
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		got := uncoloured(t, capture())
		if got == string(want) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s (-want +got):\n%s", file, cmp.Diff(string(want), got))
		case <-tick.C:
		}
	}
}
