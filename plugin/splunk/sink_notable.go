package splunk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/disk"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/stash"
)

// NotableSink writes the notable events of alerts that survive (place = owner), as stash files
// into the folder that splunkd reads and empties.
//
// splunkd may take a file away before winnow has noted that it was written, and would index a
// second one. So every file is first made whole beside the spool, then an intent is noted, then
// the file is moved: an intent without its file means that the move has happened.
type NotableSink struct {
	name string
	opts NotableOptions
	now  func() time.Time
}

// NotableOptions say where the events go.
type NotableOptions struct {
	Spool   string // $SPLUNK_HOME/var/spool/splunk
	Staging string // on the same file system as Spool; "" = the folder winnow beside it
	Intents string // winnow's own, durable; made when missing
	Index   string // "notable" if empty
	Host    string // host field of the events; may be empty
}

// NewNotableSink makes the sink of that name.
func NewNotableSink(name string, opts NotableOptions, now func() time.Time) (*NotableSink, error) {
	if opts.Spool == "" || opts.Intents == "" {
		return nil, fmt.Errorf("sink %q: no spool folder: set SPLUNK_HOME, or path in [sink:%s] of winnow.conf", name, name)
	}
	if opts.Staging == "" {
		opts.Staging = filepath.Join(filepath.Dir(filepath.Clean(opts.Spool)), "winnow")
	}
	if opts.Index == "" {
		opts.Index = "notable"
	}
	return &NotableSink{name: name, opts: opts, now: now}, nil
}

// Name returns the name of the sink's stanza.
func (s *NotableSink) Name() string { return s.name }

// Deliver hands one notable event to splunkd. It is safe for concurrent use for different
// deliveries.
func (s *NotableSink) Deliver(_ context.Context, d ledger.Delivery) error {
	if d.Kind != ledger.DeliverNotable {
		return wrongKind(s.name, d)
	}
	file := stash.File{Index: s.opts.Index, Host: s.opts.Host, Source: d.Alert.SearchName}
	file.Events = []stash.Event{notableOf(&d).Event()}
	data, err := file.Bytes()
	if err != nil {
		return &Error{Op: "write notable", Code: CodeInput, Err: err}
	}
	if err := s.hand(file.Name(d.Key), data); err != nil {
		return &Error{Op: "write notable", Code: CodeDisk, Retry: true, Err: err}
	}
	return nil
}

// notableOf is the notable event of a delivery: of an outcome, or of an alert that nobody has triaged yet.
func notableOf(d *ledger.Delivery) stash.Notable {
	n := stash.Notable{Alert: &d.Alert, WinnowID: d.WinnowID, Record: &d.Record}
	if d.Late != "" {
		n.Record, n.Reason = nil, d.Late
	}
	return n
}

// hand brings a file into the spool exactly once for a name.
func (s *NotableSink) hand(name string, data []byte) error {
	intent := filepath.Join(s.opts.Intents, name)
	staged := filepath.Join(s.opts.Staging, name)
	if err := s.folders(); err != nil {
		return err
	}
	_, err := os.Stat(intent)
	if errors.Is(err, fs.ErrNotExist) {
		err = stage(staged, intent, data)
	} else if _, gone := os.Stat(staged); err == nil && errors.Is(gone, fs.ErrNotExist) {
		return nil // moved before
	}
	if err != nil {
		return err
	}
	if err := disk.Rename(staged, filepath.Join(s.opts.Spool, name)); err != nil {
		return err
	}
	crash.Point("notable.after-rename")
	defer crash.Point("notable.after-folder-fsync")
	return errors.Join(disk.SyncDir(s.opts.Spool), disk.SyncDir(s.opts.Staging))
}

// stage makes the file, and notes the intent only once the file is whole and on disk.
func stage(staged, intent string, data []byte) error {
	crash.Point("notable.before-stage")
	if err := writeSynced(staged, data); err != nil {
		_ = disk.Remove(staged) // a part of it is worth nothing, and takes room on a full disk
		return err
	}
	crash.Point("notable.staged")
	defer crash.Point("notable.noted")
	return writeSynced(intent, nil)
}

func (s *NotableSink) folders() error {
	if info, err := os.Stat(s.opts.Spool); err != nil || !info.IsDir() {
		return fmt.Errorf("no spool folder %s: is SPLUNK_HOME right?", s.opts.Spool)
	}
	return errors.Join(os.MkdirAll(s.opts.Staging, 0o700), os.MkdirAll(s.opts.Intents, 0o700))
}

// Forget removes intents older than the time that the outbox repeats deliveries for, and returns
// how many.
func (s *NotableSink) Forget(age time.Duration) (int, error) {
	return intents{s.opts.Intents}.forget(age, s.now())
}

// writeSynced writes a file anew, and has it and its name on disk when it returns.
func writeSynced(path string, data []byte) error {
	f, err := disk.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return disk.SyncDir(filepath.Dir(path))
}
