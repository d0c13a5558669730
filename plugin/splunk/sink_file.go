package splunk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
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

	mu       sync.Mutex
	seen     *seenKeys // nil until the first delivery
	unsynced bool      // a line was written that may not be on disk yet
}

// FileOptions say where the events go.
type FileOptions struct {
	Path    string
	MaxSize int64 // bytes at which the file is rotated; 64 MiB if zero
	Keep    int   // how many rotated files stay, named PATH.1 (newest) to PATH.Keep; 5 if zero
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
	return &FileSink{name: name, opts: opts, now: now}, nil
}

// Name returns the name of the sink's stanza.
func (s *FileSink) Name() string { return s.name }

// Deliver appends one line in one write and syncs it. It is safe for concurrent use; other
// processes that append to the same file cannot mix into a line.
func (s *FileSink) Deliver(_ context.Context, d ledger.Delivery) error {
	if d.Kind != ledger.DeliverEvent {
		return wrongKind(s.name, d)
	}
	line, err := encodeOutcome(d)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = readSeen(s.numbered(1), s.opts.Path)
	}
	switch {
	case !s.seen.has(d.Key):
		err = s.append(d.Key, line)
	case s.unsynced:
		err = s.append("", nil) // it is there: only to disk with it
	}
	if err != nil {
		return &Error{Op: "write event", Code: CodeDisk, Retry: true, Err: err}
	}
	return nil
}

// append writes a line, unless it is empty, and has it on disk when it returns. A line that was
// written is known as written also when it did not get that far.
func (s *FileSink) append(key string, line []byte) (err error) {
	if err := s.rotate(int64(len(line))); err != nil {
		return err
	}
	f, err := disk.OpenFile(s.opts.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if len(line) > 0 {
		if err := endLine(f); err != nil {
			return err
		}
		crash.Point("file.before-write")
		if _, err := f.Write(line); err != nil {
			return err
		}
		s.seen.add(key)
	}
	s.unsynced = true
	crash.Point("file.before-fsync")
	err = f.Sync()
	crash.Point("file.after-fsync")
	s.unsynced = err != nil
	return err
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
	if !info.Mode().IsRegular() || info.Size() == 0 || info.Size()+next <= s.opts.MaxSize {
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
