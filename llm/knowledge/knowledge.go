// Package knowledge is what a deployment knows by itself of the values of an alert, and the tools
// that look it up: the inventories of hosts and accounts in Enterprise Security's lookup formats,
// known exploited vulnerabilities, threat feeds, and value lists. All of it is read from files of
// the content app; only [Reputation] asks anybody outside, and only when it is configured.
package knowledge

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/winnow-soc/winnow/llm"
)

// Options name the folders. A folder that does not exist holds nothing.
type Options struct {
	Lists []string // with assets.csv and identities.csv
	Feeds []string // with feeds of any supported format, told by their content

	// Trusted refuses a file that somebody else could have written; nil takes every file.
	Trusted func(paths ...string) error
}

// Store is what has been read. Safe for concurrent use, also while it is reloaded.
type Store struct {
	o   Options
	now atomic.Pointer[tables]
}

// tables is one state of the files. It is not changed once read.
type tables struct {
	assets     *inventory
	identities *inventory
	feeds      *feeds
	problems   []error
	trusted    func(paths ...string) error
}

// Open reads the files. What cannot be read is not known, and told by Problems: it ends nothing.
func Open(o Options) *Store {
	s := &Store{o: o}
	s.Reload()
	return s
}

// Reload reads the files again. Look-ups under way go on with what was read before.
func (s *Store) Reload() {
	t := &tables{assets: newInventory(), identities: newInventory(), trusted: s.o.Trusted}
	if t.trusted == nil {
		t.trusted = func(...string) error { return nil }
	}
	for _, dir := range s.o.Lists {
		t.inventory(dir, "assets.csv", t.assets.readAssets)
		t.inventory(dir, "identities.csv", t.identities.readIdentities)
	}
	var problems []error
	t.feeds, problems = readFeeds(s.o.Feeds, t.trusted)
	t.problems = append(t.problems, problems...)
	s.now.Store(t)
}

// Problems joins what is wrong with the files, each with its name and line; nil when nothing is.
func (s *Store) Problems() error { return errors.Join(s.now.Load().problems...) }

// Counts says how much is known.
type Counts struct {
	Assets, Identities, Indicators, Exploited int
}

// Counts returns how much is known.
func (s *Store) Counts() Counts {
	t := s.now.Load()
	return Counts{len(t.assets.rows), len(t.identities.rows), t.feeds.index.len(), len(t.feeds.exploited)}
}

// Look returns what is known of the alert's values: assets and accounts first, then what speaks
// against the alert, then lists.
func (s *Store) Look(_ context.Context, c *llm.Case) []llm.Known {
	t := s.now.Load()
	out := t.lookAssets(c)
	out = append(out, t.lookIdentities(c)...)
	out = append(out, t.lookFeeds(c)...)
	return append(out, lookLists(c)...)
}
