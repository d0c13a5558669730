//go:build unix

package stash

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// rotate moves path to path.1, path.1 to path.2 and so on. Of several processes that find the file
// full, the first moves it, under a lock; the others then see a small one. A process that still has
// the moved file open writes its line there: nothing is lost.
func rotate(path string, size int64, files int) error {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // closing lets go of the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() < size {
		return nil //nolint:nilerr // another process was first
	}
	for i := files - 1; i > 0; i-- {
		from, to := fmt.Sprintf("%s.%d", path, i), fmt.Sprintf("%s.%d", path, i+1)
		if err := os.Rename(from, to); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.Rename(path, path+".1")
}
