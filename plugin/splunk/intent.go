package splunk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/winnow-soc/winnow/plugin/disk"
)

// intents remember, on disk, what was about to be made in Splunk and what came of it, so that a repeat makes
// nothing twice. One file a delivery.
type intents struct {
	dir string
}

// intent is one of them. The zero intent is none.
type intent struct {
	at   time.Time // when it was about to be made
	made string    // what it is called since; "" while that is not known
}

func (s intents) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(s.dir, "winnow_"+hex.EncodeToString(sum[:16])+".intent")
}

// read returns the intent of a delivery. A file that was cut off is one about which nothing is known but that
// it was there.
func (s intents) read(key string) (intent, error) {
	data, err := os.ReadFile(s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return intent{}, nil
	}
	if err != nil {
		return intent{}, err
	}
	at, made, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		info, err := os.Stat(s.path(key))
		if err != nil {
			return intent{}, err
		}
		return intent{at: info.ModTime()}, nil
	}
	return intent{at: when, made: made}, nil
}

// note writes an intent, durably.
func (s intents) note(key string, in intent) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	line := in.at.UTC().Format(time.RFC3339) + " " + in.made
	tmp := s.path(key) + ".tmp"
	if err := writeSynced(tmp, []byte(strings.TrimSpace(line)+"\n")); err != nil {
		return err
	}
	if err := disk.Rename(tmp, s.path(key)); err != nil {
		return err
	}
	return disk.SyncDir(s.dir)
}

// drop removes an intent that has surely come to nothing.
func (s intents) drop(key string) error { return disk.Remove(s.path(key)) }

// forget removes what is older than the time that the outbox repeats deliveries for, and returns how many.
func (s intents) forget(age time.Duration, now time.Time) (int, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	removed := 0
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || now.Sub(info.ModTime()) < age {
			continue
		}
		if err := disk.Remove(filepath.Join(s.dir, e.Name())); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
