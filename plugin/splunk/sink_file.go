package splunk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/disk"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// FileSink appends winnow's own events to a file, one JSON object a line, for a Splunk monitor
// input or any other reader. A delivery that is repeated, also after a crash, adds no second
// line as long as the first is among the last [recentKeys] lines; beyond that a reader tells
// repeats by event_key.
type FileSink struct {
	name string
	opts FileOptions
	now  func() time.Time

	costs *FileSink // the file of events about calls to models, which have a sourcetype of their own; nil for that file

	mu       sync.Mutex
	seen     *seenKeys // nil until the first delivery
	unsynced bool      // a line was written that may not be on disk yet
}

// FileOptions say where the events go.
type FileOptions struct {
	Path    string
	Costs   string // where events about calls to models go; costs.ndjson beside Path if ""
	MaxSize int64  // bytes at which the file is rotated; 64 MiB if zero
	Keep    int    // how many rotated files stay, named PATH.1 (newest) to PATH.Keep; 5 if zero
}

// NewFileSink makes the sink of that name. The file is made, with mode 0600, on first delivery.
func NewFileSink(name string, opts FileOptions, now func() time.Time) (*FileSink, error) {
	if opts.Path == "" {
		return nil, fmt.Errorf("sink %q: no path: set it in [sink:%s] of winnow.conf", name, name)
	}
	if opts.MaxSize <= 0 {
		opts.MaxSize = 64 << 20
	}
	if opts.Keep <= 0 {
		opts.Keep = 5
	}
	if opts.Costs == "" {
		opts.Costs = filepath.Join(filepath.Dir(opts.Path), "costs.ndjson")
	}
	costs := FileOptions{Path: opts.Costs, MaxSize: opts.MaxSize, Keep: opts.Keep}
	return &FileSink{name: name, opts: opts, now: now, costs: &FileSink{name: name, opts: costs, now: now}}, nil
}

// Name returns the name of the sink's stanza.
func (s *FileSink) Name() string { return s.name }

// Deliver appends one event; see [FileSink.DeliverAll].
func (s *FileSink) Deliver(ctx context.Context, d ledger.Delivery) error {
	return one(ctx, s.DeliverAll, d)
}

// eventLine is one event on its way into the file.
type eventLine struct {
	place int // among the deliveries
	key   string
	text  []byte
}

// DeliverAll appends a line for each event, in their order and each in one write, and syncs them together: on
// disk they are when it returns. When the file fails, all that may not be on disk fail, to be tried again. It
// is safe for concurrent use; other processes that append to the same file cannot mix into a line.
func (s *FileSink) DeliverAll(ctx context.Context, all []ledger.Delivery) []error {
	if s.costs != nil && len(all) > 0 && all[0].Cost != nil { // they come by themselves
		return s.costs.DeliverAll(ctx, all)
	}
	errs, events := refuseOthers(s.name, all)
	lines := make([]eventLine, 0, len(events))
	for _, i := range events {
		text, err := encodeOutcome(all[i])
		if errs[i] = err; err == nil {
			lines = append(lines, eventLine{i, all[i].Key, text})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = readSeen(s.numbered(1), s.opts.Path)
	}
	if !s.unsynced { // else those that are there have to get to disk too
		lines = slices.DeleteFunc(lines, func(l eventLine) bool { return s.seen.has(l.key) })
	}
	if len(lines) == 0 {
		return errs
	}
	if err := s.append(lines); err != nil {
		for _, l := range lines {
			errs[l.place] = &Error{Op: "write event", Code: CodeDisk, Retry: true, Err: err}
		}
	}
	return errs
}

// append writes the lines that are not there yet, and has all on disk when it returns. A line that was
// written is known as written also when it did not get that far.
func (s *FileSink) append(lines []eventLine) error {
	var f *eventFile
	for _, l := range lines {
		if s.seen.has(l.key) {
			continue
		}
		next := int64(len(l.text))
		if f != nil && f.full(next, s.opts.MaxSize) {
			if err := s.sync(f); err != nil {
				return err
			}
			f = nil
		}
		if f == nil {
			var err error
			if f, err = s.open(next); err != nil {
				return err
			}
		}
		crash.Point("file.before-write")
		if _, err := f.Write(l.text); err != nil {
			return errors.Join(err, f.Close())
		}
		f.size += next
		s.seen.add(l.key)
		s.unsynced = true
	}
	if f == nil { // they are there: only to disk with them
		var err error
		if f, err = s.open(0); err != nil {
			return err
		}
	}
	return s.sync(f)
}

// sync has what was written on disk, and closes the file.
func (s *FileSink) sync(f *eventFile) error {
	crash.Point("file.before-fsync")
	err := f.Sync()
	crash.Point("file.after-fsync")
	s.unsynced = err != nil
	return errors.Join(err, f.Close())
}

// eventFile is the file while lines are appended.
type eventFile struct {
	*disk.File
	size    int64
	regular bool
}

// full reports whether the next line would make the file too large. One that is empty takes every line.
func (f *eventFile) full(next, most int64) bool { return f.regular && f.size > 0 && f.size+next > most }

// open opens the file for a line of that length, in another file than the ones before when it is full. As long
// as lines may not be on disk it stays the one that has them.
func (s *FileSink) open(next int64) (*eventFile, error) {
	if !s.unsynced {
		if err := s.rotate(next); err != nil {
			return nil, err
		}
	}
	f, err := disk.OpenFile(s.opts.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if err := endLine(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &eventFile{f, info.Size(), info.Mode().IsRegular()}, nil
}

// endLine closes a line that a full disk or a crash cut off, so that the next one is whole.
func endLine(f *disk.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 || !info.Mode().IsRegular() {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil {
		return err
	}
	if last[0] == '\n' {
		return nil
	}
	_, err = f.Write([]byte{'\n'})
	return err
}

// rotate moves the file to PATH.1, PATH.1 to PATH.2 and so on when the next line would make it
// too large.
func (s *FileSink) rotate(next int64) error {
	info, err := os.Stat(s.opts.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if is := (&eventFile{size: info.Size(), regular: info.Mode().IsRegular()}); !is.full(next, s.opts.MaxSize) {
		return nil
	}
	crash.Point("file.before-rename")
	defer crash.Point("file.after-rename")
	for i := s.opts.Keep - 1; i >= 0; i-- {
		err := disk.Rename(s.numbered(i), s.numbered(i+1))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (s *FileSink) numbered(i int) string {
	if i == 0 {
		return s.opts.Path
	}
	return s.opts.Path + "." + strconv.Itoa(i)
}
