//go:build unix

package disk

import (
	"errors"
	"os"
)

func syncDir(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // the callers' names
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
