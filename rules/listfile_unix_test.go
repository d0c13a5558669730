//go:build unix

package rules

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPipesAreRefused: whoever opens a pipe that nobody writes to waits for ever.
func TestPipesAreRefused(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"pipe.yaml", "vpn.txt"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refused := make(chan string)
	go func() {
		_, errRules := Load(Options{Now: time.Now()}, dir)
		_, errLists := LoadLists(ListOptions{Folders: []string{dir}})
		refused <- fmt.Sprint(errRules, errLists)
	}()
	select {
	case text := <-refused:
		if strings.Count(text, "not a regular file") != 2 {
			t.Errorf("errors are %s", text)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still waits for a writer")
	}
}
