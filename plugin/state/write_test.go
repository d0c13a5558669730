package state

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/winnow-soc/winnow/plugin/disk/disktest"
)

// TestWriteFileIsOldOrNew: under every fault a reader finds the old content or the new, the new one when there
// was no error.
func TestWriteFileIsOldOrNew(t *testing.T) {
	disktest.Each(t, func(t *testing.T, f *disktest.Case) {
		path := filepath.Join(t.TempDir(), "suspensions.json")
		if err := WriteFile(path, []byte("old")); err != nil {
			t.Fatal(err)
		}
		var err error
		f.During(func() { err = WriteFile(path, []byte("something new")) })
		got, readErr := os.ReadFile(path)
		if readErr != nil || string(got) != "something new" && (err == nil || string(got) != "old") {
			t.Errorf("after error %v it holds %q, error %v", err, got, readErr)
		}
		if left, _ := os.ReadDir(filepath.Dir(path)); f.Once && len(left) > 1 && err == nil {
			t.Errorf("left behind: %v", left)
		}
		if err := WriteFile(path, []byte("the last")); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "the last" {
			t.Errorf("then it holds %q, error %v", got, err)
		}
	})
}

// TestSecretIsWholeOrNone: a secret that was made under a fault is there as a whole, or not at all.
func TestSecretIsWholeOrNone(t *testing.T) {
	disktest.Each(t, func(t *testing.T, f *disktest.Case) {
		path := filepath.Join(t.TempDir(), "secret.key")
		secret := []byte("0123456789abcdef")
		var err error
		f.During(func() { err = create(path, secret) })
		got, readErr := os.ReadFile(path)
		if readErr == nil && string(got) != string(secret) || readErr != nil && err == nil {
			t.Errorf("after error %v it holds %q, error %v", err, got, readErr)
		}
	})
}
