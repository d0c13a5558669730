package disk

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFaults does the same few operations under each fault that a text can name.
func TestFaults(t *testing.T) {
	for text, want := range map[string]struct {
		err     error
		content string
	}{
		"full:3":      {syscall.ENOSPC, "abc"},
		"full:100":    {nil, "abcdef"},
		"readonly:0":  {syscall.EROFS, ""},
		"short:1":     {io.ErrShortWrite, "abc"},
		"create:1":    {syscall.EIO, ""},
		"write:1":     {syscall.EIO, ""},
		"write:2":     {nil, "abcdef"},
		"sync:1+":     {syscall.EIO, "abcdef"},
		"syncdir:1":   {syscall.EIO, "abcdef"},
		"rename:1":    {syscall.EIO, "abcdef"},
		"open:1":      {syscall.EIO, "abcdef"},
		"read:1":      {syscall.EIO, "abcdef"},
		"remove:1":    {syscall.EIO, "abcdef"},
		"free:1":      {syscall.EIO, "abcdef"},
		"remove:2":    {nil, "abcdef"},
		"create:500+": {nil, "abcdef"},
	} {
		t.Run(text, func(t *testing.T) {
			f, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			restore := Inject(f)
			path := filepath.Join(t.TempDir(), "file")
			err = doAll(path)
			restore()
			if !errors.Is(err, want.err) || (err == nil) != (want.err == nil) {
				t.Errorf("error is %v, want %v", err, want.err)
			}
			got, _ := os.ReadFile(path)
			if string(got) != want.content {
				t.Errorf("the file holds %q, want %q", got, want.content)
			}
		})
	}
	for _, text := range []string{"", "full", "full:x", "full:-1", "melt:1", "sync"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func doAll(path string) error {
	f, err := OpenFile(path, os.O_CREATE|os.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte("abcdef"))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	other := path + ".other"
	_, free := Free(filepath.Dir(path))
	err = errors.Join(free, SyncDir(filepath.Dir(path)), Rename(path, other), os.WriteFile(path, []byte("abcdef"), 0o600))
	g, openErr := Open(path)
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	_, readErr := io.ReadAll(g)
	return errors.Join(err, readErr, g.Close(), Remove(other))
}
