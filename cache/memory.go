package cache

import (
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Store keeps entries under keys. Implementations are safe for concurrent use and pass
// cache/storetest.
type Store interface {
	// Get returns the entry that holds at now. It never prolongs an entry.
	Get(key Key, now time.Time) (Entry, bool)
	// Put keeps an entry in place of an older one. It ignores what [Entry.Keepable] refuses.
	Put(key Key, e Entry)
	// Delete forgets an entry. Deleting what is not there is fine.
	Delete(key Key)
}

// Memory is a Store in memory that forgets the least recently used entry when it is full.
type Memory struct {
	lru *lru.Cache[Key, Entry]
}

// NewMemory returns a store for size entries, at least one.
func NewMemory(size int) *Memory {
	c, err := lru.New[Key, Entry](max(size, 1))
	if err != nil {
		panic("cache: a positive size was refused: " + err.Error())
	}
	return &Memory{lru: c}
}

// Get returns the entry that holds at now. One that has expired stays until it is the oldest: with
// alerts replayed from files, time may go back.
func (m *Memory) Get(key Key, now time.Time) (Entry, bool) {
	e, ok := m.lru.Get(key)
	if !ok || !e.Holds(now) {
		return Entry{}, false
	}
	e.Facts = slices.Clone(e.Facts)
	return e, true
}

// Put keeps an entry, unless it may not be kept.
func (m *Memory) Put(key Key, e Entry) {
	if key.IsZero() || e.Keepable(false) != nil {
		return
	}
	e.Facts = slices.Clone(e.Facts)
	m.lru.Add(key, e)
}

// Delete forgets an entry.
func (m *Memory) Delete(key Key) { m.lru.Remove(key) }

// Len returns the number of entries, expired ones included.
func (m *Memory) Len() int { return m.lru.Len() }

// All calls yield with every entry, from the least to the most recently used, for
// [WriteSnapshot]. It neither prolongs nor reorders them.
func (m *Memory) All(yield func(Key, Entry) bool) {
	for _, key := range m.lru.Keys() {
		if e, ok := m.lru.Peek(key); ok && !yield(key, e) {
			return
		}
	}
}
