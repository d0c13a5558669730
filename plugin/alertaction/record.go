package alertaction

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/winnow-soc/winnow/plugin/disk"
)

// Record is one spool record, checked as a whole. Safe for concurrent use.
type Record struct {
	Path    string
	Header  Header
	Trailer Trailer
	Payload *Payload // nil for commands, and where it could not be read
	Body    []byte   // of a command, or the text of a payload that could not be understood

	// LastTry makes Rows tell of rows that the disk does not let it read as lost, and not as an error.
	LastTry bool

	decided     bool  // there are decisions to go with the rows
	noted       noted // what an action that was killed wrote before it stored its decisions
	damaged     error
	resultsAt   int64 // offset of the first frame of results; 0: none
	decisions   string
	decisionsAt int64
}

// OpenRecord reads a record that [ReadSpool] listed. With a [DamagedError] the record is not nil:
// it holds what is good of it, and its rows pass to a person, so that the file can be put aside
// without losing an alert. Any other error means that the file could not be opened.
func OpenRecord(path string) (*Record, error) {
	r := &Record{Path: path}
	id, kind, _ := splitName(filepath.Base(path))
	s, err := scanFile(path)
	if err != nil && s == nil {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	r.take(s, path)
	r.damage(path, err)
	if r.Header.ID != id || r.Header.Kind != kind {
		r.damage(path, fmt.Errorf("it says that it is record %.40q", r.Header.ID))
		r.Header = Header{ID: id, Kind: kind, Received: s.modified, DecideBy: s.modified}
	}
	if kind == KindIntake {
		r.takeDecisions()
		r.noted = readNotes(r.beside(KindNoted))
	}
	if kind == KindAlert || kind == KindIntake {
		r.Payload, err = ParsePayload(s.payload.Bytes())
		r.damage(path, err)
	}
	return r, r.damaged
}

func (r *Record) take(s *scan, path string) {
	r.Header, r.Trailer, r.Body = s.header, s.trailer, s.body.Bytes()
	r.resultsAt, r.decisions, r.decisionsAt = s.resultsAt, path, s.decisionsAt
	r.decided = s.header.Kind == KindAlert
}

// takeDecisions reads the file that goes with an intake, if there is one.
func (r *Record) takeDecisions() {
	r.decisions = r.beside(KindDecisions)
	s, err := scanFile(r.decisions)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	r.damage(r.decisions, err)
	if err == nil && (s.header.ID != r.Header.ID || s.header.Kind != KindDecisions) {
		r.damage(r.decisions, errors.New("it belongs to another intake"))
	}
	if s != nil && r.damaged == nil {
		r.Trailer, r.decisionsAt, r.decided = s.trailer, s.decisionsAt, true
	}
}

func (r *Record) damage(path string, err error) {
	if err != nil && r.damaged == nil {
		r.damaged = &DamagedError{Path: path, Err: err}
		r.decided = false
	}
}

// beside returns the path of another file of the same record.
func (r *Record) beside(kind Kind) string {
	return filepath.Join(filepath.Dir(r.Path), fileName(r.Header.ID, kind))
}

// Files returns the paths of the record's files that exist, in the order in which to remove them.
func (r *Record) Files() []string {
	paths := []string{r.Path}
	if r.Header.Kind != KindIntake {
		return paths
	}
	for _, kind := range []Kind{KindDecisions, KindNoted} {
		if _, err := os.Lstat(r.beside(kind)); err == nil {
			paths = append(paths, r.beside(kind))
		}
	}
	return paths
}

// Remove deletes the record, after it was imported, and notables that were never handed to splunkd.
func (r *Record) Remove() error {
	for _, path := range slices.Concat(r.noted.staged, r.Files()) {
		if err := disk.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove spool record: %w", err)
		}
	}
	return nil
}

// scan is what the first pass over a file finds: everything small, and where the rest is.
type scan struct {
	header      Header
	trailer     Trailer
	payload     bytes.Buffer
	body        bytes.Buffer
	resultsAt   int64
	decisionsAt int64
	decisions   decisionReader
	rows        int
	ended       bool
	modified    time.Time
}

// maxText bounds what is kept in memory of payload and body: the largest payload, escaped.
const maxText = 6 * MaxPayload

// scanFile reads the whole file and checks it. It returns nil only when the file cannot be read.
func scanFile(path string) (*scan, error) {
	f, err := disk.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	s := &scan{}
	if info, err := f.Stat(); err == nil {
		s.modified = info.ModTime()
	}
	return s, s.read(f)
}

func (s *scan) read(in io.Reader) error {
	frames, err := newFrameReader(in)
	if err != nil {
		return err
	}
	for first := true; ; first = false {
		at := frames.offset
		kind, data, err := frames.next()
		if errors.Is(err, io.EOF) {
			return s.complete()
		}
		if err == nil && first != (kind == frameHeader) {
			err = errors.New("the header is not where it should be")
		}
		if err == nil {
			err = s.frame(kind, data, at)
		}
		if err != nil {
			return err
		}
	}
}

func (s *scan) complete() error {
	if !s.ended || s.rows != s.trailer.Rows {
		return errors.New("decisions are missing")
	}
	return nil
}

func (s *scan) frame(kind frameKind, data []byte, at int64) error {
	switch kind {
	case frameHeader:
		return s.header.parse(data)
	case framePayload:
		return keepText(&s.payload, data)
	case frameBody:
		return keepText(&s.body, data)
	case frameResults:
		if s.resultsAt == 0 {
			s.resultsAt = at
		}
	case frameProposal, frameDecided:
		if s.decisionsAt == 0 {
			s.decisionsAt = at
		}
		return s.decided(kind, data)
	case frameTrailer:
		s.ended = true
		return json.Unmarshal(data, &s.trailer)
	default:
		return fmt.Errorf("unknown part %q", byte(kind))
	}
	return nil
}

func (s *scan) decided(kind frameKind, data []byte) error {
	if err := s.decisions.frame(kind, data); err != nil {
		return err
	}
	for {
		_, ok, err := s.decisions.next()
		if err != nil || !ok {
			return err
		}
		s.rows++
	}
}

func keepText(buf *bytes.Buffer, data []byte) error {
	if buf.Len()+len(data) > maxText {
		return fmt.Errorf("text of more than %d bytes", maxText)
	}
	buf.Write(data)
	return nil
}
