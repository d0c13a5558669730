package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// ListOptions says where lists are and what they looked like when they were last good.
type ListOptions struct {
	Folders []string            // NAME.csv, .txt, .cidr and .json in each, not below; a missing folder holds none
	Good    map[string]ListInfo // the last good set, see [ReadGood]; nil on first use
	Shrink  float64             // share of its values that a list may lose since then, 0 to 1
}

// ListInfo is what is remembered of a good list.
type ListInfo struct {
	Hash string `json:"hash"` // SHA-256 of the file, hex
	Size int    `json:"size"` // number of values
}

// Lists is a set of value lists, loaded whole. It is immutable and safe for concurrent use.
type Lists struct {
	byName map[string]*List
	info   map[string]ListInfo
}

// LoadLists reads the lists of the folders. A list that cannot be trusted is still known by name,
// so that the rules that read it load and match nothing; what is wrong is returned as an error
// that joins one *[Error] for each such list, together with the set.
func LoadLists(opts ListOptions) (*Lists, error) {
	ls := &Lists{byName: map[string]*List{}, info: map[string]ListInfo{}}
	var bad []*Error
	for _, folder := range opts.Folders {
		entries, err := os.ReadDir(folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			bad = append(bad, &Error{File: folder, Message: "read lists: " + err.Error()})
		}
		for _, e := range entries {
			if e.IsDir() {
				continue
			}
			if err := ls.load(filepath.Join(folder, e.Name())); err != nil {
				bad = append(bad, err)
			}
		}
	}
	for name, good := range opts.Good {
		ls.compare(name, good, opts.Shrink)
	}
	for _, name := range ls.Names() {
		if l := ls.byName[name]; l.err != nil {
			bad = append(bad, &Error{File: l.place(), Message: l.err.Error()})
		}
	}
	return ls, join(bad)
}

// place names the file of a list, or what stands for it.
func (l *List) place() string {
	if l.file == "" {
		return "lists." + l.name
	}
	return l.file
}

func (ls *Lists) load(path string) *Error {
	name, isList, err := listName(path)
	if !isList {
		return nil
	}
	if err != nil {
		return &Error{File: path, Message: err.Error()}
	}
	l, data := readList(name, path)
	if other := ls.byName[name]; other != nil {
		other.err = fmt.Errorf("list %q is in two files, %s and %s (keep one)", name, other.file, path)
		delete(ls.info, name)
		return nil
	}
	ls.byName[name] = l
	if l.err == nil {
		sum := sha256.Sum256(data)
		ls.info[name] = ListInfo{Hash: hex.EncodeToString(sum[:]), Size: len(l.values)}
	}
	return nil
}

// compare holds a list against its last good self. A list that is gone stays known, so that rules
// that read it match nothing instead of failing to load.
func (ls *Lists) compare(name string, good ListInfo, shrink float64) {
	l := ls.byName[name]
	if l == nil {
		l = &List{name: name, err: fmt.Errorf("list %q is missing: it had %d values when it was last good", name, good.Size)}
		ls.byName[name] = l
	}
	if l.err == nil && float64(len(l.values)) < float64(good.Size)*(1-shrink) {
		l.err = fmt.Errorf("list %q shrank from %d to %d values, more than the %.0f %% it may lose",
			name, good.Size, len(l.values), shrink*100)
	}
	if l.err != nil {
		ls.info[name] = good
	}
}

// Names returns the names of all lists, sorted, also of those that cannot be trusted.
func (ls *Lists) Names() []string { return slices.Sorted(ls.names()) }

func (ls *Lists) names() iter.Seq[string] {
	if ls == nil {
		return func(func(string) bool) {}
	}
	return maps.Keys(ls.byName)
}

// Get returns the list of a name. The error of an unknown name suggests the nearest; a list that
// cannot be trusted is returned with its error.
func (ls *Lists) Get(name string) (*List, error) {
	l := ls.get(name)
	if l == nil {
		return nil, unknownList(ls, name)
	}
	return l, l.err
}

func (ls *Lists) get(name string) *List {
	if ls == nil {
		return nil
	}
	return ls.byName[name]
}

func unknownList(ls *Lists, name string) *Error {
	e := &Error{File: "lists." + name, Message: fmt.Sprintf("no list is called %q", name)}
	if near := nearest(name, ls.names()); near != "" {
		e.Hint = didYouMean("lists." + near)
	}
	return e
}

// Contains reports whether a list holds the value: the exact text or, in a list of networks, an
// address inside one of them.
func (ls *Lists) Contains(list, value string) (bool, error) {
	l, err := ls.Get(list)
	if err != nil {
		return false, err
	}
	return l.Contains(value), nil
}

// Info returns what to remember of the lists with [WriteGood]. A list that cannot be trusted keeps
// what was remembered, so that the guard stays up until the list is good again.
func (ls *Lists) Info() map[string]ListInfo {
	if ls == nil {
		return nil
	}
	return maps.Clone(ls.info)
}
