package alertaction

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/disk"
)

// Kind says what a spool record holds. It is the extension of the file's name.
type Kind string

// The kinds. An alert is one file, or, when its results are large, an intake (payload and
// results, stored before anything is decided) and later the decisions that go with it.
const (
	KindAlert      Kind = "alert"
	KindIntake     Kind = "intake"
	KindDecisions  Kind = "decisions"
	KindNoted      Kind = "noted"      // notables written while an intake was being decided
	KindCommand    Kind = "command"    // a change that a command asks the worker for
	KindQuarantine Kind = "quarantine" // a payload that could not be understood
)

// Header is the first frame of a spool file.
type Header struct {
	Version  int             `json:"version"`
	Kind     Kind            `json:"kind"`
	ID       string          `json:"id"` // a ULID, and the file's name
	Received time.Time       `json:"received"`
	DecideBy time.Time       `json:"decide_by"` // an intake without decisions is undecided from then on
	Host     string          `json:"host"`      // GUID of the search head, or ""
	Severity winnow.Severity `json:"severity"`  // base severity that the configuration gave the search
	Unread   string          `json:"unread"`    // why there is no copy of the results, or ""

	// Unconfigured says that winnow.conf could not be read in full: the search's severity may be
	// higher than Severity.
	Unconfigured bool `json:"unconfigured,omitempty"`
}

// firing returns what the payload of a record says that all rows share.
func (h Header) firing(p *Payload) *Firing {
	f := NewFiring(p, h.Host, h.Severity, h.Received)
	if h.Unconfigured {
		f.Severity = winnow.SeverityUnknown
	}
	return f
}

// headerVersion is raised when older readers would misunderstand.
const headerVersion = 1

// Trailer is written when everything else is: what was not known before.
type Trailer struct {
	Rows        int  `json:"rows"`         // decisions stored
	LossNotable bool `json:"loss_notable"` // the notable about rows lost was written
}

// DamagedError says that a spool file is not what was written: torn, flipped, or foreign.
type DamagedError struct {
	Path string
	Err  error
}

// Unread reports whether it only could not be read now: what the disk says of it, and not its contents.
func (e *DamagedError) Unread() bool { return isUnread(e.Err) }

func isUnread(err error) bool {
	disk, ok := errors.AsType[*fs.PathError](err)
	return ok && !errors.Is(disk, fs.ErrNotExist)
}

// Error names the file.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("spool record %s is damaged: %v", e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *DamagedError) Unwrap() error { return e.Err }

// Entry is a record that waits in the spool.
type Entry struct {
	Path string // what to give to [OpenRecord]
	ID   string
	Kind Kind
}

// ReadSpool lists the records that are complete, oldest first. An intake is complete with its
// decisions, or when the time to decide has passed (then all of its rows are undecided).
func ReadSpool(dir string, now time.Time) ([]Entry, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	names := make(map[string]bool, len(files))
	for _, f := range files {
		names[f.Name()] = true
	}
	var out []Entry
	for _, f := range files { // sorted by name, so by time
		id, kind, ok := splitName(f.Name())
		if !ok || !kind.leads() || !f.Type().IsRegular() {
			continue
		}
		e := Entry{Path: filepath.Join(dir, f.Name()), ID: id, Kind: kind}
		if kind == KindIntake && !names[fileName(id, KindDecisions)] && waits(e.Path, now) {
			continue
		}
		out = append(out, e)
	}
	return out, nil
}

// leads reports whether a file is a record, and does not only go with one.
func (k Kind) leads() bool { return k != KindDecisions && k != KindNoted }

func fileName(id string, kind Kind) string { return id + "." + string(kind) }

func splitName(name string) (id string, kind Kind, ok bool) {
	id, ext, _ := strings.Cut(name, ".")
	switch kind = Kind(ext); kind {
	case KindAlert, KindIntake, KindDecisions, KindNoted, KindCommand, KindQuarantine:
		return id, kind, len(id) == 26
	}
	return "", "", false
}

// longestDecide is how far ahead of the present an action can have set DecideBy: an hour is the most
// that [gate] deadline takes.
const longestDecide = time.Hour + decideGrace

// waits reports whether the action that wrote an intake may still be deciding. A damaged one does
// not wait: the reader will say what is wrong with it. Nor does one from a future that no action
// sees: the clock was set back since.
func waits(path string, now time.Time) bool {
	f, err := disk.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // read only
	h, err := readHeader(f)
	return err == nil && now.Before(h.DecideBy) && h.DecideBy.Sub(now) <= longestDecide
}

func readHeader(in io.Reader) (Header, error) {
	var h Header
	frames, err := newFrameReader(in)
	if err != nil {
		return h, err
	}
	kind, data, err := frames.next()
	if err != nil {
		return h, err
	}
	if kind != frameHeader {
		return h, errors.New("no header")
	}
	return h, h.parse(data)
}

func (h *Header) parse(data []byte) error {
	if err := json.Unmarshal(data, h); err != nil {
		return fmt.Errorf("read header: %w", err)
	}
	if h.Version != headerVersion {
		return fmt.Errorf("header of version %d, this program reads %d", h.Version, headerVersion)
	}
	return nil
}

// Sweep removes what actions that were killed left behind: files in dir/tmp, and decisions and notes
// whose intake is gone, both only when last written before the given time. Neither was ever complete,
// or it was imported already.
func Sweep(dir string, before time.Time) error {
	var errs []error
	for _, path := range slices.Concat(list(filepath.Join(dir, "tmp")), orphans(dir)) {
		info, err := os.Lstat(path)
		if err == nil && info.Mode().IsRegular() && info.ModTime().Before(before) {
			err = disk.Remove(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("sweep spool: %w", err))
		}
	}
	return errors.Join(errs...)
}

func list(dir string) (paths []string) {
	files, _ := os.ReadDir(dir) // no folder, nothing to sweep
	for _, f := range files {
		paths = append(paths, filepath.Join(dir, f.Name()))
	}
	return paths
}

func orphans(dir string) (paths []string) {
	for _, path := range list(dir) {
		id, kind, ok := splitName(filepath.Base(path))
		if !ok || kind.leads() {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, fileName(id, KindIntake))); errors.Is(err, fs.ErrNotExist) {
			paths = append(paths, path)
		}
	}
	return paths
}
