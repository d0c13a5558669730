package rules

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/winnow-soc/winnow"
)

// snapshot is an open snapshot file. It stays open as long as the process lives. Safe for
// concurrent use.
type snapshot struct {
	opts  Options
	paths []string // of the rules, to read when the file turns out to be damaged
	pages *pages
	head  snapshotHeader
	meta  snapshotMeta
	index *index
	rules []atomic.Pointer[Rule] // those that were asked for

	once sync.Once
	full *Set  // instead, when the file is damaged
	err  error // why
}

func openSnapshot(path string, opts Options) (*snapshot, error) {
	f, err := os.Open(path) //nolint:gosec // a name in the state folder
	if err != nil {
		return nil, err
	}
	s, err := readSnapshot(f, opts)
	if err != nil {
		_ = f.Close() // read only
		return nil, err
	}
	return s, nil
}

func readSnapshot(f io.ReaderAt, opts Options) (*snapshot, error) {
	opts.Unproven = true
	s := &snapshot{opts: opts}
	if err := s.readHeader(f); err != nil {
		return nil, err
	}
	sums := make([]byte, s.head.Sums.Size)
	if _, err := f.ReadAt(sums, int64(s.head.Sums.At)); err != nil || uint64(crc32.ChecksumIEEE(sums)) != s.head.SumsSum { //nolint:gosec // checked by readHeader
		return nil, errSnapshot
	}
	all := []uint32{0} // of the header, which has its own
	for rest := sums; len(rest) >= 4; rest = rest[4:] {
		all = append(all, binary.LittleEndian.Uint32(rest))
	}
	s.pages = filePages(f, int(s.head.Size), all)                                                         //nolint:gosec // checked by readHeader
	c := codec{reading: true, in: string(s.part(s.head.Meta).read(0, int(s.head.Meta.Size))), opts: opts} //nolint:gosec // checked by readHeader
	c.meta(&s.meta)
	index, ok := openIndex(s.part(s.head.Index), opts.Lists)
	if !c.bad && !ok && s.meta.lists != opts.Lists.version() {
		return nil, fmt.Errorf("%w: lists are missing", ErrNoSnapshot)
	}
	if c.bad || c.in != "" || !ok || s.pages.broken.Load() {
		return nil, errSnapshot
	}
	s.index, s.rules = index, make([]atomic.Pointer[Rule], s.head.Rules)
	return s, nil
}

// readHeader checks that every part lies in the file.
func (s *snapshot) readHeader(f io.ReaderAt) error {
	page := make([]byte, pageSize)
	if _, err := f.ReadAt(page, 0); err != nil || string(page[:len(snapshotMagic)]) != snapshotMagic ||
		crc32.ChecksumIEEE(page[:pageSize-4]) != binary.LittleEndian.Uint32(page[pageSize-4:]) {
		return errSnapshot
	}
	h := &s.head
	if err := binary.Read(bytes.NewReader(page[len(snapshotMagic):]), binary.LittleEndian, h); err != nil || h.Version != snapshotVersion || h.Size > maxSnapshot || h.Size < pageSize {
		return errSnapshot
	}
	for _, p := range []span{h.Meta, h.Offsets, h.Body, h.Index} {
		if p.At < pageSize || p.Size > h.Size || p.At > h.Size-p.Size {
			return errSnapshot
		}
	}
	pages := (h.Size - pageSize + pageSize - 1) / pageSize
	if h.Sums.At != h.Size || h.Sums.Size != 4*pages || h.Sums.Size > maxSums || h.Offsets.Size/4 == 0 || h.Rules != h.Offsets.Size/4-1 {
		return errSnapshot
	}
	return nil
}

func (s *snapshot) part(p span) section {
	return section{s.pages, int(p.At), int(p.Size)} //nolint:gosec // checked by readHeader
}

// rule reads a rule, nil when the file is damaged there.
func (s *snapshot) rule(n uint32) *Rule {
	if uint64(n) >= s.head.Rules {
		s.pages.broken.Store(true)
		return nil
	}
	if r := s.rules[n].Load(); r != nil {
		return r
	}
	place := s.part(s.head.Offsets).read(4*int(n), 8)
	if place == nil {
		return nil
	}
	from, to := int(binary.LittleEndian.Uint32(place)), int(binary.LittleEndian.Uint32(place[4:]))
	c := codec{reading: true, in: string(s.part(s.head.Body).read(from, to-from)), opts: s.opts, files: s.meta.files}
	var r *Rule
	if c.rule(&r); c.bad || c.in != "" {
		s.pages.broken.Store(true)
		return nil
	}
	if !s.rules[n].CompareAndSwap(nil, r) {
		return s.rules[n].Load()
	}
	return r
}

// candidates returns the rules that an alert may be about, in scope of its search; false when the
// file is damaged.
func (s *snapshot) candidates(a *winnow.Alert) ([]*Rule, bool) {
	numbers, done := s.index.candidates(a)
	defer done()
	var out []*Rule
	for _, n := range numbers {
		if r := s.rule(n); r != nil && r.InScope(a.SearchName) {
			out = append(out, r)
		}
	}
	return out, !s.pages.broken.Load()
}

// all reads every rule; false when the file is damaged.
func (s *snapshot) all() ([]*Rule, bool) {
	out := make([]*Rule, 0, len(s.rules))
	for n := range len(s.rules) {
		out = append(out, s.rule(uint32(n))) //nolint:gosec // there are far fewer
	}
	return out, !s.pages.broken.Load()
}

// instead reads the rules from their files, once the snapshot is damaged.
func (s *snapshot) instead() *Set {
	s.once.Do(func() {
		var err error
		s.full, err = Load(s.opts, s.paths...)
		s.err = fmt.Errorf("rule snapshot: %w", errSnapshot)
		if err != nil {
			s.err = fmt.Errorf("%w: %w", s.err, err)
		}
	})
	return s.full
}
