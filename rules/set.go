package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/winnow-soc/winnow"
)

// Options are what rules are read with.
type Options struct {
	Fields *winnow.FieldTable // names that conditions may use; nil knows none
	Lists  *Lists             // nil when there are no lists
	Now    time.Time          // expires is at most one year after it; must be set

	// Unproven leaves out what only serves a rule's author: its tests, and whether the fields it
	// names are known. It is for the alert action, which merely proposes.
	Unproven bool
}

// signature returns that of the files, for sets that may be published.
func (o Options) signature(paths []string) string {
	if o.Unproven {
		return ""
	}
	return Signature(paths...)
}

// Set is a set of rules in the order of their files. It is immutable and safe for concurrent use.
type Set struct {
	rules     []*Rule
	fields    *winnow.FieldTable
	lists     *Lists
	now       time.Time
	version   string
	signature string // of its files when they were read

	snapshot *snapshot // where rules are read when they are needed, instead of the rules above
	reading  sync.Once

	mu       sync.RWMutex
	bySearch map[string][]*Rule

	naming sync.Once
	byID   map[string]*Rule

	asked    atomic.Int32
	indexing sync.Once
	index    atomic.Pointer[index]
}

// maxSearches bounds how many search names For remembers.
const maxSearches = 4096

// Load reads rules from files and folders (*.yaml and *.yml, also below, in sorted order). What is
// broken is left out: of a file that is not a rule file all, of any other the rules with an error.
// The set of the rest is returned together with an error that joins one [*Error] for each, so that
// the gate can go on with what is good and say what is broken. Only with no Options.Now is the set
// nil.
func Load(opts Options, paths ...string) (*Set, error) {
	if opts.Now.IsZero() {
		return nil, errors.New("load rules: no time is set to check expiry against")
	}
	s := &Set{fields: opts.Fields, lists: opts.Lists, now: opts.Now, signature: opts.signature(paths), bySearch: map[string][]*Rule{}}
	var errs []*Error
	s.version, errs = readFiles(opts, paths, func(r *ruleReader) { s.rules = append(s.rules, r.read()...) })
	return s, join(errs)
}

// Parse is Load of one file's text, named in errors.
func Parse(opts Options, name string, data []byte) (*Set, error) {
	if opts.Now.IsZero() {
		return nil, errors.New("read rules: no time is set to check expiry against")
	}
	s := &Set{fields: opts.Fields, lists: opts.Lists, now: opts.Now, bySearch: map[string][]*Rule{}}
	r := newReader(name, data, opts, map[string]Position{})
	s.rules = r.read()
	sum := sha256.New()
	hashPart(sum, name, data)
	hashLists(sum, opts.Lists)
	s.version = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return s, join(r.errs)
}

// readFiles reads each file with read, and returns a version: a hash over the files and the lists
// that they may name. No id may stand twice in them.
func readFiles(opts Options, paths []string, read func(*ruleReader)) (version string, errs []*Error) {
	sum := sha256.New()
	seen := map[string]Position{}
	errs = eachFile(paths, func(path, name string, data []byte) []*Error {
		hashPart(sum, name, data)
		r := newReader(path, data, opts, seen)
		read(r)
		return r.errs
	})
	hashLists(sum, opts.Lists)
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), errs
}

// hashPart adds a named piece to a hash so that no two sets of pieces look alike.
func hashPart(h hash.Hash, name string, data []byte) {
	// A hash never fails to write.
	_, _ = fmt.Fprintf(h, "%d %s %d ", len(name), name, len(data))
	_, _ = h.Write(data)
}

func hashLists(h hash.Hash, lists *Lists) {
	if lists == nil {
		return
	}
	for _, name := range lists.Names() {
		state := lists.info[name].Hash
		if lists.byName[name].err != nil {
			state = "broken"
		}
		hashPart(h, "lists."+name, []byte(state))
	}
}

// eachFile calls read for every rule file of the paths. name is the path below the folder given,
// so that the same content at another place is the same version.
func eachFile(paths []string, read func(path, name string, data []byte) []*Error) (errs []*Error) {
	for _, root := range paths {
		files, err := ruleFiles(root)
		if err != nil {
			errs = append(errs, &Error{File: root, Message: plainError(err)})
		}
		for _, path := range files {
			data, err := readCapped(path, maxFileBytes)
			if err != nil {
				errs = append(errs, &Error{File: path, Message: plainError(err)})
				continue
			}
			name, err := filepath.Rel(root, path)
			if err != nil || name == "." {
				name = filepath.Base(path)
			}
			errs = append(errs, read(path, filepath.ToSlash(name), data)...)
		}
	}
	return errs
}

// plainError drops the path that the error already names.
func plainError(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Op + ": " + pe.Err.Error()
	}
	return err.Error()
}

// Files returns the files that [Load] reads of the paths.
func Files(paths ...string) (out []string, err error) {
	for _, path := range paths {
		files, err := ruleFiles(path)
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	return out, nil
}

// ruleFiles returns a file as it is, and of a folder the YAML files in it and below, sorted.
func ruleFiles(root string) ([]string, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{root}, nil
	}
	var files []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		ext := strings.ToLower(filepath.Ext(path))
		if !d.IsDir() && !strings.HasPrefix(d.Name(), ".") && (ext == ".yaml" || ext == ".yml") {
			files = append(files, path)
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// Rules returns all rules in order. The slice must not be changed.
func (s *Set) Rules() []*Rule { return s.all() }

// all returns the rules, read from the snapshot when there is one.
func (s *Set) all() []*Rule {
	if s.snapshot == nil {
		return s.rules
	}
	s.reading.Do(func() {
		var ok bool
		if s.rules, ok = s.snapshot.all(); !ok {
			s.rules = s.snapshot.instead().rules
		}
	})
	return s.rules
}

// Err says that the snapshot the set reads from is damaged, so that the rule files are read, and
// what is wrong with those. nil when all is well. Safe for concurrent use with the other methods
// only when no alert is being asked about.
func (s *Set) Err() error {
	if s.snapshot == nil {
		return nil
	}
	return s.snapshot.err
}

// Find returns the rule of an id, or nil.
func (s *Set) Find(id string) *Rule {
	s.naming.Do(func() {
		s.byID = make(map[string]*Rule, len(s.all()))
		for _, r := range s.all() {
			s.byID[r.ID] = r
		}
	})
	return s.byID[id]
}

// Version names the content of the rule files and lists: "sha256:" and hex.
func (s *Set) Version() string { return s.version }

// For returns the rules in scope of a search, in order. The slice must not be changed.
func (s *Set) For(searchName string) []*Rule {
	s.mu.RLock()
	in, ok := s.bySearch[searchName]
	s.mu.RUnlock()
	if ok {
		return in
	}
	for _, r := range s.all() {
		if r.InScope(searchName) {
			in = append(in, r)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bySearch) >= maxSearches {
		clear(s.bySearch)
	}
	s.bySearch[searchName] = in
	return in
}
