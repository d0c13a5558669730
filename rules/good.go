package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ReadGood reads the file that remembers the last good lists. A file that does not exist yet is an
// empty set; a damaged one is an error, because reading it as empty would take the guard down.
func ReadGood(path string) (map[string]ListInfo, error) {
	data, err := readCapped(path, maxListBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]ListInfo{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read last good lists: %w", err)
	}
	good := map[string]ListInfo{}
	if err := json.Unmarshal(data, &good); err != nil {
		return nil, fmt.Errorf("read last good lists: %s: %w (delete it to take the lists as they are now)", path, err)
	}
	return good, nil
}

// WriteGood remembers the lists: mode 0600, all or nothing.
func WriteGood(path string, good map[string]ListInfo) error {
	data, err := json.MarshalIndent(good, "", " ")
	if err != nil {
		return err
	}
	if err := replaceFile(path, append(data, '\n')); err != nil {
		return fmt.Errorf("remember good lists: %w", err)
	}
	return nil
}

// replaceFile writes a file beside path and moves it over it.
func replaceFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
