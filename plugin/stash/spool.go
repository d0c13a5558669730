package stash

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/disk"
)

// Spool is the folder that splunkd reads stash files from, and deletes them.
type Spool struct {
	Dir  string // $SPLUNK_HOME/var/spool/splunk
	Temp string // on the same file system; "" = the folder winnow beside Dir
}

// Write puts a file into the spool and returns its path. The name follows from key alone, so that
// writing again before splunkd has read the file replaces it and adds nothing. After that it adds:
// what must be unique for longer needs an id of its own in the event, as winnow_id is. After an
// error nothing of it is in the spool.
func (s Spool) Write(key string, f File) (string, error) {
	staged, err := s.Stage(key, f)
	if err != nil {
		return "", err
	}
	if err := staged.Move(); err != nil {
		return "", errors.Join(err, disk.Remove(staged.Path))
	}
	return staged.to, nil
}

const stagedPrefix = "stash-"

// IsStaged reports whether a path can be that of a staged file: nothing else may be taken for one.
func IsStaged(path string) bool {
	return filepath.IsAbs(path) && strings.HasPrefix(filepath.Base(path), stagedPrefix)
}

// Staged is a stash file that is whole and on disk, where splunkd does not look.
type Staged struct {
	Path string // until it is moved

	spool Spool
	to    string
}

// Stage makes a file for the spool. Whoever has noted its path before moving it can tell later
// whether it was moved: it is no longer there.
func (s Spool) Stage(key string, f File) (*Staged, error) {
	if len(f.Events) == 0 {
		return nil, errors.New("stash file without events")
	}
	data, err := f.Bytes()
	if err != nil {
		return nil, err
	}
	path, err := s.stage(data)
	if err != nil {
		return nil, fmt.Errorf("write stash file: %w", err)
	}
	return &Staged{Path: path, spool: s, to: filepath.Join(s.Dir, f.Name(key))}, nil
}

func (s Spool) stage(data []byte) (string, error) {
	if info, err := os.Stat(s.Dir); err != nil || !info.IsDir() {
		return "", fmt.Errorf("no spool folder %s: is SPLUNK_HOME right?", s.Dir)
	}
	temp := s.Temp
	if temp == "" {
		temp = filepath.Join(filepath.Dir(filepath.Clean(s.Dir)), "winnow")
	}
	if err := os.MkdirAll(temp, 0o700); err != nil {
		return "", err
	}
	file, err := disk.CreateTemp(temp, stagedPrefix+"*")
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	crash.Point("stash.before-fsync")
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", errors.Join(err, disk.Remove(file.Name()))
	}
	crash.Point("stash.after-fsync")
	return file.Name(), nil
}

// Move hands the file to splunkd. After an error it is where it was staged, and splunkd has not
// seen it.
func (t *Staged) Move() error {
	if err := disk.Rename(t.Path, t.to); err != nil {
		return fmt.Errorf("write stash file: %w", err)
	}
	crash.Point("stash.after-rename")
	err := disk.SyncDir(t.spool.Dir)
	if err == nil {
		crash.Point("stash.after-folder-fsync")
		return nil
	}
	if disk.Rename(t.to, t.Path) != nil {
		return nil //nolint:nilerr // splunkd has taken it already, or will: a second one would be one too many
	}
	return fmt.Errorf("write stash file: %w", err)
}
