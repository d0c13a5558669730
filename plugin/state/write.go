package state

import (
	"fmt"
	"path/filepath"

	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/disk"
)

// WriteFile writes a file so that a reader, also after a crash, finds the old content or the new,
// never a part: a temporary file beside it, fsync, rename, fsync of the folder. Mode 0600.
func WriteFile(path string, data []byte) error {
	f, err := disk.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if _, err := f.Write(data); err != nil {
		discard(f)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return Publish(f, path)
}

// Publish moves a temporary file of the same file system to path and returns once both its content
// and its name would survive a crash. It closes f in any case, and removes it when it fails.
func Publish(f *disk.File, path string) error {
	crash.Point("state.before-fsync")
	if err := f.Sync(); err != nil {
		discard(f)
		return fmt.Errorf("write %s: %w", path, err)
	}
	crash.Point("state.after-fsync")
	if err := f.Close(); err != nil {
		discard(f)
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := disk.Rename(f.Name(), path); err != nil {
		discard(f)
		return fmt.Errorf("write %s: %w", path, err)
	}
	crash.Point("state.after-rename")
	defer crash.Point("state.after-folder-fsync")
	return syncDir(filepath.Dir(path))
}

func discard(f *disk.File) {
	f.Close()             //nolint:errcheck // it is thrown away
	disk.Remove(f.Name()) //nolint:errcheck // what is left over is only a temporary file
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	if err := disk.SyncDir(dir); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}
