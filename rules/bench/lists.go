package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gaissmai/bart"
)

// list is a value list: texts, or networks.
type list struct {
	name     string
	values   []string
	networks bool

	set  map[string]struct{}
	trie *bart.Lite
}

// listSet is what the other engines ask about lists: they get the table that winnow itself uses as a
// function, for none of them has one of its own that is near it.
type listSet struct {
	byName map[string]*list
}

func newListSet(lists []*list) *listSet {
	s := &listSet{byName: map[string]*list{}}
	for _, l := range lists {
		s.byName[l.name] = l
		if !l.networks {
			l.set = make(map[string]struct{}, len(l.values))
			for _, v := range l.values {
				l.set[v] = struct{}{}
			}
			continue
		}
		l.trie = new(bart.Lite)
		for _, v := range l.values {
			l.trie.Insert(netip.MustParsePrefix(v))
		}
	}
	return s
}

func (s *listSet) hasText(value, name string) bool {
	_, ok := s.byName[name].set[value]
	return ok
}

func (s *listSet) hasAddress(value, name string) bool {
	ip, err := netip.ParseAddr(value)
	return err == nil && ip.Zone() == "" && s.byName[name].trie.Lookup(ip.Unmap())
}

func isAddress(value string) bool {
	ip, err := netip.ParseAddr(value)
	return err == nil && ip.Zone() == ""
}

// write lays the lists out as winnow reads them.
func (s *listSet) write(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, l := range s.byName {
		ext := ".txt"
		if l.networks {
			ext = ".cidr"
		}
		data := strings.Join(l.values, "\n") + "\n"
		if err := os.WriteFile(filepath.Join(folder, l.name+ext), []byte(data), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// unique drops repeated values, keeping the order.
func unique(values []string) []string {
	seen := make(map[string]bool, len(values))
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool {
		if seen[v] {
			return true
		}
		seen[v] = true
		return false
	})
}
