//go:build unix

package alertaction

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPipesHoldNobodyUp: a pipe where the content should have a file costs what is in that file.
func TestPipesHoldNobodyUp(t *testing.T) {
	for _, c := range []struct{ name, pipe, want string }{
		{"rule file", "rules/pipe.yaml", "drop/rule pass/no_rule"},
		{"list", "lists/pipe.txt", "drop/rule pass/no_rule"},
		{"facts", "facts.yaml", "drop/rule pass/no_rule"},
		{"prompt", "prompts/classify.tmpl", "drop/rule pass/no_rule"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newApp(t, "")
			a.write(a.open().Path("cache.snapshot"), "so that the generation is asked for")
			pipe := filepath.Join(a.content, filepath.FromSlash(c.pipe))
			a.mkdir(filepath.Dir(pipe))
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			done := make(chan ran, 1)
			go func() { done <- a.run(a.payload(a.results("src,user\n10.8.0.4,ann\n203.0.113.9,ann\n"), nil)) }()
			select {
			case r := <-done:
				if r.code != ExitStored || !strings.Contains(r.stderr, "not a regular file") {
					t.Errorf("exit %d: %s", r.code, r.stderr)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("still waits for a writer")
			}
			if got := said(a.stored()); got != c.want {
				t.Errorf("proposals are %s, want %s", got, c.want)
			}
		})
	}
}
