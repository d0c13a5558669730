package rules

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A snapshot is a rule set and an escalate list as the worker publishes them for the alert action:
// a process that lives for milliseconds and asks about one alert reads a few pages of it, whatever
// the number of rules. It is a file `rules.GENERATION` beside a file `rules.current`, which names it
// and the state of the files that it stands for. All numbers are little endian.
//
//	header   a page: magic, version, then the places and sizes of the parts below, and at its end
//	         the checksum of what is before it
//	meta     what the snapshot was made of, and the entries of the escalate list
//	offsets  of each rule, and of the end of the last
//	rules    one after the other
//	index    see index.go
//	sums     a checksum of each page before them
//
// Nothing is taken from a page whose checksum is wrong. The checksums are for accidents: who may
// write the file is for package state to watch.
const (
	snapshotMagic   = "winnow\x00R"
	snapshotVersion = 1
	currentName     = "rules.current"

	// maxSnapshot bounds the file. 100,000 rules take about a twentieth of it.
	maxSnapshot = math.MaxInt32
	maxSums     = 16 << 20
)

// ErrNoSnapshot says that there is no snapshot for the rules as they are: none at all, or one of
// other files. The rules are then read from their files.
var ErrNoSnapshot = errors.New("no snapshot of these rules")

// snapshotHeader holds the parts of the file: where each begins, and how long it is.
type snapshotHeader struct {
	Version                    uint64
	Size                       uint64
	Rules                      uint64 // their number
	Meta, Offsets, Body, Index span
	Sums                       span
	SumsSum                    uint64
}

type span struct{ At, Size uint64 }

// snapshotMeta says what a snapshot was made of.
type snapshotMeta struct {
	rulesVersion, escalateVersion string
	lists                         string // hash of the lists
	files                         []string
	entries                       []*Entry
}

// current is what the pointer file says.
type current struct {
	name            string // of the snapshot file
	rules, escalate string // signatures of the files that it stands for
}

func (c current) text() []byte { return []byte(c.name + "\n" + c.rules + "\n" + c.escalate + "\n") }

// readCurrent reads the pointer file of a folder.
func readCurrent(dir string) (current, error) {
	text, err := readCapped(filepath.Join(dir, currentName), pageSize)
	if errors.Is(err, fs.ErrNotExist) {
		return current{}, ErrNoSnapshot
	}
	if err != nil {
		return current{}, fmt.Errorf("open rule snapshot: %w", err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 || !isGeneration(lines[0]) {
		return current{}, fmt.Errorf("open rule snapshot: %s: %w", filepath.Join(dir, currentName), errSnapshot)
	}
	return current{lines[0], lines[1], lines[2]}, nil
}

// WriteSnapshot publishes a rule set and an escalate list that were loaded in full, in a folder, and
// returns the generation. The rules named in without, which drop nothing, are left out. Older
// generations but the last are removed. Mode 0600, all or nothing.
func WriteSnapshot(dir string, set *Set, escalate *Escalate, without map[string]bool) (generation string, err error) {
	if set.signature == "" || escalate == nil || escalate.signature == "" {
		return "", errors.New("write rule snapshot: the rules were not loaded in full")
	}
	data, err := snapshotBytes(set, escalate, without)
	if err != nil {
		return "", fmt.Errorf("write rule snapshot: %w", err)
	}
	sum := sha256.Sum256(data)
	generation = hex.EncodeToString(sum[:8])
	now := current{"rules." + generation, set.signature, escalate.signature}
	before, _ := readCurrent(dir) // without it nothing is kept
	path := filepath.Join(dir, now.name)
	if there, _ := readCapped(path, maxSnapshot); !bytes.Equal(there, data) { // also when it is damaged
		err = replaceFile(path, data)
	}
	if err == nil && before != now {
		err = replaceFile(filepath.Join(dir, currentName), now.text())
	}
	if err != nil {
		return "", fmt.Errorf("write rule snapshot: %w", err)
	}
	if before.name != now.name {
		removeGenerations(dir, now.name, before.name)
	}
	return generation, nil
}

// removeGenerations removes what no action can be reading any more: all but this generation and the
// one before it. What cannot be removed stays.
func removeGenerations(dir string, keep ...string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if isGeneration(e.Name()) && !slices.Contains(keep, e.Name()) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// isGeneration reports whether a file name is "rules." and sixteen hex digits.
func isGeneration(name string) bool {
	digits, ok := strings.CutPrefix(name, "rules.")
	return ok && len(digits) == 16 && strings.Trim(digits, "0123456789abcdef") == ""
}

func snapshotBytes(set *Set, escalate *Escalate, without map[string]bool) ([]byte, error) {
	all := slices.DeleteFunc(slices.Clone(set.all()), func(r *Rule) bool { return without[r.ID] })
	meta := snapshotMeta{
		rulesVersion: set.version, escalateVersion: escalate.version, lists: set.lists.version(), entries: escalate.entries,
	}
	seen := map[string]bool{}
	for _, pos := range positions(all, escalate.entries) {
		if !seen[pos.File] {
			seen[pos.File] = true
			meta.files = append(meta.files, pos.File)
		}
	}
	w := codec{}
	w.meta(&meta)
	var body, offsets []byte
	r := codec{files: meta.files}
	for _, rule := range all {
		offsets = binary.LittleEndian.AppendUint32(offsets, uint32(len(r.out))) //nolint:gosec // bounded below
		r.rule(&rule)
	}
	body = r.out
	offsets = binary.LittleEndian.AppendUint32(offsets, uint32(len(body))) //nolint:gosec // bounded below
	index := buildIndex(all)
	if w.bad || r.bad || len(body)+len(index)+len(w.out) > maxSnapshot/2 {
		return nil, errors.New("there are more rules, or longer ones, than a snapshot holds")
	}
	return layOut(uint64(len(all)), w.out, offsets, body, index)
}

func positions(rules []*Rule, entries []*Entry) (all []Position) {
	for _, r := range rules {
		all = append(all, r.Pos)
	}
	for _, e := range entries {
		all = append(all, e.Pos)
	}
	return all
}

// layOut puts the parts into one file.
func layOut(rules uint64, meta, offsets, body, index []byte) ([]byte, error) {
	h := snapshotHeader{Version: snapshotVersion, Rules: rules}
	out := make([]byte, pageSize)
	for _, part := range []struct {
		at   *span
		data []byte
	}{{&h.Meta, meta}, {&h.Offsets, offsets}, {&h.Body, body}, {&h.Index, index}} {
		*part.at = span{uint64(len(out)), uint64(len(part.data))}
		out = append(out, part.data...)
	}
	h.Size = uint64(len(out))
	var sums []byte
	for page := range slices.Chunk(out[pageSize:], pageSize) {
		sums = binary.LittleEndian.AppendUint32(sums, crc32.ChecksumIEEE(page))
	}
	h.Sums = span{uint64(len(out)), uint64(len(sums))}
	h.SumsSum = uint64(crc32.ChecksumIEEE(sums))
	out = append(out, sums...)
	head := bytes.NewBuffer([]byte(snapshotMagic))
	if err := binary.Write(head, binary.LittleEndian, h); err != nil {
		return nil, err
	}
	copy(out, head.Bytes())
	binary.LittleEndian.PutUint32(out[pageSize-4:], crc32.ChecksumIEEE(out[:pageSize-4]))
	return out, nil
}

func (c *codec) meta(m *snapshotMeta) {
	for _, text := range []*string{&m.rulesVersion, &m.escalateVersion, &m.lists} {
		c.text(text)
	}
	each(c, &m.files, c.text)
	c.files = m.files
	each(c, &m.entries, c.entry)
}

// OpenSnapshot opens the current snapshot of a folder, if it stands for the files of the paths, and
// the lists in opts, as they are now. It returns the path of the file that it reads, so that
// somebody can look at who may write it. The error wraps [ErrNoSnapshot] when there is none for
// these rules, and says what is damaged otherwise; there is no set then.
func OpenSnapshot(dir string, opts Options, rulePaths, escalatePaths []string) (set *Set, escalate *Escalate, path string, err error) {
	c, err := readCurrent(dir)
	if err != nil {
		return nil, nil, "", err
	}
	path = filepath.Join(dir, c.name)
	if c.rules != Signature(rulePaths...) || c.escalate != Signature(escalatePaths...) {
		return nil, nil, path, fmt.Errorf("%w: the files have changed since %s", ErrNoSnapshot, path)
	}
	set, escalate, err = openSet(path, opts, rulePaths)
	if err == nil && set.snapshot.meta.lists != opts.Lists.version() {
		return nil, nil, path, fmt.Errorf("%w: the lists have changed since %s", ErrNoSnapshot, path)
	}
	return set, escalate, path, err
}

// KeepSnapshot opens the rules of the current snapshot of a folder, over the lists in opts, and makes
// it stand for the rule files as they are now, whatever is wrong with them: the alert action goes
// on with it too, unless the escalate list has changed as well. An error means that there is none.
func KeepSnapshot(dir string, opts Options, rulePaths, escalatePaths []string) (*Set, error) {
	c, err := readCurrent(dir)
	if err != nil {
		return nil, err
	}
	set, _, err := openSet(filepath.Join(dir, c.name), opts, nil)
	if err != nil {
		return nil, err
	}
	if _, ok := set.snapshot.all(); !ok {
		return nil, fmt.Errorf("open rule snapshot: %s: %w", filepath.Join(dir, c.name), errSnapshot)
	}
	rules := Signature(rulePaths...)
	if c.rules == rules || c.escalate != Signature(escalatePaths...) {
		return set, nil
	}
	c.rules = rules
	if err := replaceFile(filepath.Join(dir, currentName), c.text()); err != nil {
		return nil, fmt.Errorf("keep rule snapshot: %w", err)
	}
	return set, nil
}

func openSet(path string, opts Options, rulePaths []string) (*Set, *Escalate, error) {
	s, err := openSnapshot(path, opts)
	if err != nil {
		return nil, nil, fmt.Errorf("open rule snapshot: %s: %w", path, err)
	}
	s.paths = rulePaths
	set := &Set{
		fields: opts.Fields, lists: opts.Lists, now: opts.Now, version: s.meta.rulesVersion,
		bySearch: map[string][]*Rule{}, snapshot: s,
	}
	return set, &Escalate{entries: s.meta.entries, version: s.meta.escalateVersion, lists: opts.Lists}, nil
}

var errSnapshot = errors.New("damaged, or of another version: rules are read from their files")

// version is a hash over the lists, also of those that cannot be trusted.
func (ls *Lists) version() string {
	h := sha256.New()
	hashLists(h, ls)
	return hex.EncodeToString(h.Sum(nil))
}
