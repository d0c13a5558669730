package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path/filepath"
)

// snapshot is a hash over the names, sizes, times and modes of files and of everything in folders.
// Two that are alike mean that nothing has changed: editors write a new file or a new time.
func snapshot(paths []string) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, root := range paths {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				fmt.Fprintf(h, "%q gone\n", path)
				return nil //nolint:nilerr // that it is gone is what there is to say
			}
			info, err := d.Info()
			if err != nil {
				fmt.Fprintf(h, "%q gone\n", path)
				return nil //nolint:nilerr // the same
			}
			fmt.Fprintf(h, "%q %d %d %v\n", path, info.Size(), info.ModTime().UnixNano(), info.Mode())
			return nil
		})
	}
	copy(sum[:], h.Sum(nil))
	return sum
}
