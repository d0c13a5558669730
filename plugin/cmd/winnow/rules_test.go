package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestToolsFindTheirDeployment: a tool of an installed app works on that installation, and one of an
// app that lies somewhere else does without.
func TestToolsFindTheirDeployment(t *testing.T) {
	home := t.TempDir()
	for app, want := range map[string]string{
		filepath.Join(home, "etc", "apps", "winnow"): filepath.Join(home, "var", "lib", "splunk", "modinputs", "winnow"),
		filepath.Join(home, "elsewhere", "winnow"):   ".",
	} {
		if err := os.CopyFS(app, os.DirFS(filepath.Join(repository, "packaging", "app"))); err != nil {
			t.Fatal(err)
		}
		g := &globals{console: &console{getenv: func(string) string { return "" }}, app: app}
		d, err := g.openTools()
		if err != nil {
			t.Fatal(err)
		}
		if want, err = filepath.Abs(want); err != nil {
			t.Fatal(err)
		}
		if d.State != want || g.state != "" {
			t.Errorf("the state of %s is %s (named %q), want %s", app, d.State, g.state, want)
		}
		g.content = t.TempDir() // an installation's state tells nothing of other content
		if d, err = g.openTools(); err != nil || strings.HasPrefix(d.State, home) {
			t.Errorf("the state for other content is %v, %v", d, err)
		}
	}
}
