package stash

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestAppendLineKeepsWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	for range 2 {
		if err := AppendLine(path, []byte("line\n")); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "line\nline\n" {
		t.Errorf("the log is %q, %v", got, err)
	}
	if err := AppendLine(filepath.Join(filepath.Dir(path), "none", "x.log"), nil); err == nil {
		t.Error("a folder that is missing: no error")
	}
}

// TestRotationLosesNoLine lets many writers find the file full at the same time. Each opens the
// file and takes the lock for itself, as processes do.
func TestRotationLosesNoLine(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no rotation on Windows")
	}
	const writers, lines, size, files = 8, 200, 2000, 40
	path := filepath.Join(t.TempDir(), "x.log")
	var wg sync.WaitGroup
	errs := make(chan error, writers*lines)
	for w := range writers {
		wg.Go(func() {
			for i := range lines {
				errs <- appendLine(path, fmt.Appendf(nil, "writer %d line %03d\n", w, i), size, files)
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	logs, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, log := range logs {
		data, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > size+writers*20 {
			t.Errorf("%s has %d bytes, the limit is %d", log, len(data), size)
		}
		for line := range bytes.Lines(data) {
			seen[string(line)]++
		}
	}
	if len(seen) != writers*lines {
		t.Errorf("%d different lines of %d in %d files", len(seen), writers*lines, len(logs))
	}
}

func TestRotationKeepsSoManyFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no rotation on Windows")
	}
	path := filepath.Join(t.TempDir(), "x.log")
	for i := range 10 {
		if err := appendLine(path, fmt.Appendf(nil, "%d\n", i), 2, 3); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, name := range []string{path, path + ".1", path + ".2", path + ".3", path + ".4"} {
		data, _ := os.ReadFile(name)
		got = append(got, strings.TrimSpace(string(data)))
	}
	if want := "9 8 7 6 "; strings.Join(got, " ") != want {
		t.Errorf("files hold %q, want %q", strings.Join(got, " "), want)
	}
}
