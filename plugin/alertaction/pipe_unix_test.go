//go:build unix

package alertaction

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pipe puts one where the content should have a file: whoever opens it waits for a writer.
func (a *app) pipe(name string) {
	a.t.Helper()
	path := filepath.Join(a.content, filepath.FromSlash(name))
	a.mkdir(filepath.Dir(path))
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// inTime fails the test when f waits.
func inTime[T any](t *testing.T, f func() T) T {
	t.Helper()
	done := make(chan T, 1)
	go func() { done <- f() }()
	select {
	case got := <-done:
		return got
	case <-time.After(20 * time.Second):
		t.Fatal("still waits for a writer")
	}
	panic("unreachable")
}

// TestPipesHoldNobodyUp: a pipe costs what is in that file, and nothing else.
func TestPipesHoldNobodyUp(t *testing.T) {
	for _, name := range []string{"rules/pipe.yaml", "lists/pipe.txt"} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, "")
			a.pipe(name)
			payload := a.payload(a.results("src,user\n10.8.0.4,ann\n203.0.113.9,ann\n"), nil)
			r := inTime(t, func() ran { return a.run(payload) })
			if r.code != ExitStored || !strings.Contains(r.stderr, "not a regular file") {
				t.Errorf("exit %d: %s", r.code, r.stderr)
			}
			if got := said(a.stored()); got != "drop/rule pass/no_rule" {
				t.Errorf("proposals are %s", got)
			}
		})
	}
}

func TestGenerationReadsRegularFilesOnly(t *testing.T) {
	for _, name := range []string{"facts.yaml", "prompts/classify.tmpl"} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, "")
			a.pipe(name)
			d := a.open()
			err := inTime(t, func() error { _, err := Generation(d); return err })
			if err == nil || !strings.Contains(err.Error(), "not a regular file") {
				t.Errorf("error is %v", err)
			}
		})
	}
}
