//go:build linux || darwin

package ledger

import (
	"errors"
	"os"
	"syscall"
)

// freeSpace returns how many bytes a user without privileges may still write at path.
func freeSpace(path string) (n int64, known bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true //nolint:unconvert // Bsize has another type on macOS
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
