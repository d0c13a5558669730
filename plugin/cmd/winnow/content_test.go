package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The manifest names the commit of a checkout, and says when the folder differs from it.
func TestGitCommit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git here")
	}
	dir := t.TempDir()
	if commit, changed := gitCommit(t.Context(), dir); commit != "" || changed {
		t.Errorf("a folder without git has commit %q", commit)
	}
	git := func(args ...string) string {
		t.Helper()
		args = append([]string{"-C", dir, "-c", "user.name=ann", "-c", "user.email=ann@corp.example", "-c", "commit.gpgsign=false"}, args...)
		out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "a"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("1")
	git("add", "a")
	git("commit", "-q", "-m", "one")
	want := git("rev-parse", "HEAD")
	if commit, changed := gitCommit(t.Context(), dir); commit != want || changed {
		t.Errorf("commit %q, changed %v, want %q", commit, changed, want)
	}
	write("2")
	if commit, changed := gitCommit(t.Context(), dir); commit != want || !changed {
		t.Errorf("after a change: commit %q, changed %v", commit, changed)
	}
}

// A link could bring a file of this host into the app.
func TestContentWithLinksIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "lists"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lists/a.txt", "lists/.hidden", "unrelated"} {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte("x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := readContent(dir)
	if err != nil || len(files) != 1 || string(files["lists/a.txt"]) != "x\n" {
		t.Errorf("read %v, %v", files, err)
	}
	if err := os.Symlink(filepath.Join(dir, "unrelated"), filepath.Join(dir, "lists", "b.txt")); err != nil {
		t.Skip("no links here")
	}
	if _, err := readContent(dir); err == nil || !strings.Contains(err.Error(), "b.txt is no plain file") {
		t.Errorf("err = %v", err)
	}
}
