package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// A snapshot file is what the worker publishes for the alert action: a process that lives for a
// few milliseconds and asks for a few keys. All numbers are little endian.
//
//	header  128 bytes: magic, version, generation, counts, places, SHA-256 of the bytes before
//	heap    the entries, one after the other
//	slots   64 bytes each: key, place and length of the entry, two checksums; an open-addressing
//	        table, at most half full, probed linearly from the key's own first eight bytes
//
// The keys are MACs, so nobody can choose ones that collide. An unused slot is all zero. The
// checksums cover the generation too, so bytes of another file are noticed as well.
const (
	snapshotMagic   = "winnow\x00C"
	snapshotVersion = 1

	headerSize = 128
	slotSize   = 64
	window     = 8 // slots read at once: 512 bytes, nearly always one read
)

// ErrDamaged is what every error about the content of a snapshot file wraps. The entry in
// question is a miss.
var ErrDamaged = errors.New("damaged cache snapshot")

// Snapshot is a published cache, read in place. Safe for concurrent use.
type Snapshot struct {
	path   string
	r      io.ReaderAt
	closer io.Closer
	head   header
	fits   func() (bool, error) // whether it is of the generation wanted; nil when it is

	windows sync.Pool // of *[window * slotSize]byte: reading makes a buffer of find's own escape
}

// OpenSnapshot opens the snapshot of a generation. The Snapshot is never nil: a file that is not
// there or is of another generation is an empty cache, and so is, with an error to log, one that
// cannot be read.
func OpenSnapshot(path string, gen Generation) (*Snapshot, error) {
	return openSnapshot(path, &gen)
}

// OpenSnapshotLate is [OpenSnapshot] for who has to work for the generation: it is asked for with the
// first key that is found, and then once. An error of it makes every answer a miss.
func OpenSnapshotLate(path string, gen func() (Generation, error)) (*Snapshot, error) {
	s, err := openSnapshot(path, nil)
	s.fits = sync.OnceValues(func() (bool, error) {
		wanted, err := gen()
		return err == nil && wanted == s.head.generation, err
	})
	return s, err
}

// openSnapshot opens the snapshot of a generation, nil for any.
func openSnapshot(path string, gen *Generation) (*Snapshot, error) {
	empty := &Snapshot{path: path}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return empty, fmt.Errorf("open cache snapshot: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return empty, errors.Join(fmt.Errorf("open cache snapshot: %w", err), f.Close())
	}
	s, err := newSnapshot(path, f, info.Size(), gen)
	if s.r == nil {
		return s, errors.Join(err, f.Close())
	}
	s.closer = f
	return s, err
}

func newSnapshot(path string, r io.ReaderAt, size int64, gen *Generation) (*Snapshot, error) {
	s := &Snapshot{path: path}
	var buf [headerSize]byte
	if _, err := r.ReadAt(buf[:], 0); err != nil {
		return s, s.damaged("header of %d bytes cannot be read: %v", headerSize, err)
	}
	head, err := parseHeader(&buf, size)
	if err != nil {
		return s, s.damaged("%v", err)
	}
	if (gen == nil || head.generation == *gen) && head.count > 0 {
		s.r, s.head = r, head
	}
	return s, nil
}

// Len returns the number of entries, expired ones included.
func (s *Snapshot) Len() int { return int(s.head.count) }

// Close closes the file.
func (s *Snapshot) Close() error {
	if s.closer == nil {
		return nil
	}
	return s.closer.Close()
}

// Get returns the entry that holds at now. An error tells of damage on the way to the key; the
// answer is then a miss.
func (s *Snapshot) Get(key Key, now time.Time) (Entry, bool, error) {
	if s.r == nil || key.IsZero() {
		return Entry{}, false, nil
	}
	found, ok, err := s.find(key)
	if err != nil || !ok {
		return Entry{}, false, err
	}
	if s.fits != nil {
		if ok, err := s.fits(); err != nil || !ok {
			return Entry{}, false, err
		}
	}
	e, err := s.entry(found)
	if err != nil || !e.Holds(now) {
		return Entry{}, false, err
	}
	return e, true, nil
}

// find probes the table from the key's own slot up to an unused one.
func (s *Snapshot) find(key Key) (slot, bool, error) {
	buf, ok := s.windows.Get().(*[window * slotSize]byte)
	if !ok {
		buf = new([window * slotSize]byte)
	}
	defer s.windows.Put(buf)
	mask := s.head.slots - 1
	for probed := uint64(0); probed < s.head.slots; {
		at := (key.home() + probed) & mask
		n := min(window, s.head.slots-at)
		part := buf[:n*slotSize]
		if _, err := s.r.ReadAt(part, int64(s.head.slotsAt+at*slotSize)); err != nil {
			return slot{}, false, s.damaged("read slot %d: %v", at, err)
		}
		for i := range n {
			raw := (*[slotSize]byte)(part[i*slotSize:])
			if *raw == ([slotSize]byte{}) {
				return slot{}, false, nil
			}
			sl, err := parseSlot(raw, &s.head.generation)
			if err != nil {
				return slot{}, false, s.damaged("slot %d: %v", at+i, err)
			}
			if sl.key == key {
				return sl, true, nil
			}
		}
		probed += n
	}
	return slot{}, false, nil
}

func (s *Snapshot) entry(sl slot) (Entry, error) {
	end := sl.at + uint64(sl.size)
	if sl.size > maxEncoded || sl.at < headerSize || end < sl.at || end > s.head.slotsAt {
		return Entry{}, s.damaged("entry at %d lies outside", sl.at)
	}
	raw := make([]byte, sl.size)
	if _, err := s.r.ReadAt(raw, int64(sl.at)); err != nil {
		return Entry{}, s.damaged("read entry at %d: %v", sl.at, err)
	}
	if checksum(&s.head.generation, raw) != sl.entrySum {
		return Entry{}, s.damaged("entry at %d: its checksum does not fit", sl.at)
	}
	e, err := decodeEntry(raw)
	if err == nil {
		err = e.Keepable(false)
	}
	if err != nil {
		return Entry{}, s.damaged("entry at %d: %v", sl.at, err)
	}
	return e, nil
}

func (s *Snapshot) damaged(format string, args ...any) error {
	return fmt.Errorf("%s: %w: %s (the worker writes it again)", s.path, ErrDamaged, fmt.Sprintf(format, args...))
}

// home is the slot at which the search for a key starts, before it is cut to the table's size.
func (k Key) home() uint64 { return binary.LittleEndian.Uint64(k[:]) }

// checksum guards against damage, not against forgery: who can write the file is the owner.
func checksum(gen *Generation, data []byte) uint64 {
	h := sha256.New()
	h.Write(gen[:])
	h.Write(data)
	var sum [sha256.Size]byte
	return binary.LittleEndian.Uint64(h.Sum(sum[:0]))
}
