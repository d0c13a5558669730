package alertaction

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/disk"
)

// Writer writes one spool file: Payload, then Results, then decisions, then Commit. Not safe for
// concurrent use. The first error stays; Commit returns it.
type Writer struct {
	dir    string
	header Header
	file   *disk.File
	frames *frameWriter
	decide decisionWriter
	rows   int
	err    error

	resultsAt int64 // offset of the first frame of results

	doubt error
}

// CreateRecord begins a file in dir/tmp, which must exist. Nothing is in the spool until
// [Writer.Commit] has returned nil. The header's Version is set here.
func CreateRecord(dir string, h Header) (*Writer, error) { return createRecord(dir, h, frameBuffer) }

// createRecord is CreateRecord of about that many bytes.
func createRecord(dir string, h Header, size int) (*Writer, error) {
	h.Version = headerVersion
	path := filepath.Join(dir, "tmp", fileName(h.ID, h.Kind))
	f, err := disk.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, fmt.Errorf("store record: %w", err)
	}
	w := &Writer{dir: dir, header: h, file: f}
	w.frames, w.err = newFrameWriter(f, size)
	w.decide.out = w.frames
	w.frame(frameHeader, h.appendJSON(nil))
	crash.Point("spool.created")
	return w, nil
}

func (w *Writer) frame(kind frameKind, data []byte) {
	if w.err == nil {
		w.err = w.frames.frames(kind, data, w.frames.frame)
	}
}

// results stores a part of the results file. What Splunk has packed is not packed again.
func (w *Writer) results(data []byte, zipped bool) {
	put := w.frames.frame
	if zipped {
		put = w.frames.asIs
	}
	if w.err == nil {
		w.err = w.frames.frames(frameResults, data, put)
	}
}

func (w *Writer) keep(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Payload stores the payload, which must hold no session key: see [Payload.Stored].
func (w *Writer) Payload(text []byte) { w.frame(framePayload, text) }

// Body stores what a command says, or a payload that could not be understood.
func (w *Writer) Body(text []byte) { w.frame(frameBody, text) }

// Results stores a copy of the results file. An error of the reader is returned and leaves the
// record good: what could be read is in it.
func (w *Writer) Results(in io.Reader) error {
	w.resultsAt = w.frames.offset
	buf := make([]byte, 256<<10)
	zipped := false
	for first := true; w.err == nil; first = false {
		chunk, err := readChunk(in, buf)
		zipped = zipped || first && isGzip(chunk)
		w.results(chunk, zipped)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// resultsText stores results that are in memory already.
func (w *Writer) resultsText(data []byte) {
	w.resultsAt = w.frames.offset
	w.results(data, isGzip(data))
}

func (w *Writer) add(d decision) {
	w.rows++
	if w.err == nil {
		w.err = w.decide.add(d)
	}
}

// Err returns the first error of writing, so that nobody goes on for long after a full disk.
func (w *Writer) Err() error { return w.err }

// Commit makes the file durable and puts it into the spool. After an error nothing is in the
// spool, and what was written is removed.
func (w *Writer) Commit(t Trailer) error {
	t.Rows = w.rows
	w.keep(w.decide.flush())
	w.frame(frameTrailer, t.appendJSON(nil))
	if w.err == nil {
		w.err = w.frames.end()
	}
	crash.Point("spool.before-fsync")
	if w.err == nil {
		w.err = w.file.Sync()
	}
	crash.Point("spool.after-fsync")
	w.keep(w.file.Close())
	from, name := w.file.Name(), fileName(w.header.ID, w.header.Kind)
	if w.err == nil {
		w.err = disk.Rename(from, filepath.Join(w.dir, name))
	}
	if w.err != nil {
		_ = disk.Remove(from)
		return fmt.Errorf("store record %s: %w", name, w.err)
	}
	crash.Point("spool.after-rename")
	if err := disk.SyncDir(w.dir); err != nil {
		return w.takeBack(name, err)
	}
	crash.Point("spool.after-folder-fsync")
	return nil
}

// takeBack removes a record whose name may not survive a crash, so that after an error of Commit
// nothing is in the spool. Where it cannot be removed, because a worker was faster or because the
// disk is in a bad way, it counts as stored: whoever acts on an error would act on it twice.
func (w *Writer) takeBack(name string, why error) error {
	err := fmt.Errorf("store record %s: %w", name, why)
	if removed := disk.Remove(filepath.Join(w.dir, name)); removed != nil {
		w.doubt = err
		return nil //nolint:nilerr // Doubt tells
	}
	return err
}

// Doubt returns why a record that was committed may not survive a crash, nil when it will.
func (w *Writer) Doubt() error { return w.doubt }

// late reports whether the worker may have taken over the rows that these decisions are about.
func (w *Writer) late(now time.Time) bool {
	return w.header.Kind == KindDecisions && !now.Before(w.header.DecideBy)
}

// Abort removes what was written.
func (w *Writer) Abort() {
	_ = w.file.Close()
	_ = disk.Remove(w.file.Name())
}

// WriteCommand stores a change that a command asks the worker for. body is the command's JSON.
func WriteCommand(dir string, now time.Time, body []byte) error {
	return writeBody(dir, Header{Kind: KindCommand, ID: newID(now), Received: now, DecideBy: now}, body)
}

// writeQuarantine stores a payload that could not be understood, without its session key.
func writeQuarantine(dir string, h Header, payload []byte) error {
	h.Kind = KindQuarantine
	return writeBody(dir, h, Redacted(payload))
}

func writeBody(dir string, h Header, body []byte) error {
	w, err := CreateRecord(dir, h)
	if err != nil {
		return err
	}
	w.Body(body)
	return w.Commit(Trailer{})
}
