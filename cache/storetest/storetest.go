// Package storetest checks that an implementation of [cache.Store] keeps the promises of the
// interface.
package storetest

import (
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
)

// Start is the instant at which the entries of [Entry] are judged.
var Start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Key returns the nth of many different keys.
func Key(n int) cache.Key {
	var k cache.Key
	binary.LittleEndian.PutUint64(k[:], uint64(n)*0x9E3779B97F4A7C15+1)
	binary.LittleEndian.PutUint64(k[24:], uint64(n)+1)
	return k
}

// Entry returns an entry that may be kept, judged at [Start] and valid for an hour.
func Entry(alertID string) cache.Entry {
	return cache.Entry{
		AlertID: alertID, SearchName: "Impossible Travel", Severity: winnow.SeverityMedium,
		Disposition: winnow.BenignPositive, Source: winnow.SourceModel, Confidence: 91,
		Facts: []string{"list:vpn_egress", "person:ann"}, At: Start, Expires: Start.Add(time.Hour),
	}
}

// Run runs the checks against stores that open returns. A store has room for at least 100 entries.
func Run(t *testing.T, open func(t testing.TB) cache.Store) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s cache.Store)
	}{
		{"returns what was put", returnsWhatWasPut},
		{"keeps keys apart", keepsKeysApart},
		{"the later put counts", laterPutCounts},
		{"forgets what is deleted", forgetsDeleted},
		{"holds from judgement to expiry", holdsUntilExpiry},
		{"a get does not prolong", getDoesNotProlong},
		{"ignores what may not be kept", ignoresUnkeepable},
		{"has its own copy", ownCopy},
		{"is safe for concurrent use", concurrentUse},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func returnsWhatWasPut(t *testing.T, s cache.Store) {
	if e, ok := s.Get(Key(1), Start); ok {
		t.Fatalf("an empty store has %+v", e)
	}
	s.Put(Key(1), Entry("a"))
	wantEntry(t, s, Key(1), Start, Entry("a"))
}

func keepsKeysApart(t *testing.T, s cache.Store) {
	for i, id := range []string{"a", "b", "c"} {
		s.Put(Key(i), Entry(id))
	}
	for i, id := range []string{"a", "b", "c"} {
		wantEntry(t, s, Key(i), Start, Entry(id))
	}
	wantMiss(t, s, Key(3), Start)
}

func laterPutCounts(t *testing.T, s cache.Store) {
	s.Put(Key(1), Entry("a"))
	s.Put(Key(1), Entry("b"))
	wantEntry(t, s, Key(1), Start, Entry("b"))
}

func forgetsDeleted(t *testing.T, s cache.Store) {
	s.Delete(Key(1))
	s.Put(Key(1), Entry("a"))
	s.Delete(Key(1))
	wantMiss(t, s, Key(1), Start)
}

func holdsUntilExpiry(t *testing.T, s cache.Store) {
	s.Put(Key(1), Entry("a"))
	wantMiss(t, s, Key(1), Start.Add(-time.Nanosecond))
	wantEntry(t, s, Key(1), Start.Add(time.Hour-time.Nanosecond), Entry("a"))
	wantMiss(t, s, Key(1), Start.Add(time.Hour))
}

func getDoesNotProlong(t *testing.T, s cache.Store) {
	s.Put(Key(1), Entry("a"))
	for m := range 60 {
		wantEntry(t, s, Key(1), Start.Add(time.Duration(m)*time.Minute), Entry("a"))
	}
	wantMiss(t, s, Key(1), Start.Add(time.Hour))
}

func ignoresUnkeepable(t *testing.T, s cache.Store) {
	s.Put(cache.Key{}, Entry("a"))
	wantMiss(t, s, cache.Key{}, Start)
	for name, spoil := range map[string]func(*cache.Entry){
		"undetermined":    func(e *cache.Entry) { e.Disposition = winnow.Undetermined },
		"true positive":   func(e *cache.Entry) { e.Disposition = winnow.TruePositive },
		"offline verdict": func(e *cache.Entry) { e.Source = winnow.SourceOffline },
		"rule":            func(e *cache.Entry) { e.Source = winnow.SourceRule },
		"cached verdict":  func(e *cache.Entry) { e.Source = winnow.SourceCache },
		"no alert id":     func(e *cache.Entry) { e.AlertID = "" },
		"no expiry":       func(e *cache.Entry) { e.Expires = time.Time{} },
	} {
		e := Entry("a")
		spoil(&e)
		s.Put(Key(1), e)
		if got, ok := s.Get(Key(1), Start); ok {
			t.Errorf("%s: was kept: %+v", name, got)
		}
	}
}

func ownCopy(t *testing.T, s cache.Store) {
	e := Entry("a")
	s.Put(Key(1), e)
	e.Facts[0] = "list:anything"
	got, _ := s.Get(Key(1), Start)
	if len(got.Facts) > 0 {
		got.Facts[0] = "list:anything"
	}
	wantEntry(t, s, Key(1), Start, Entry("a"))
}

func concurrentUse(t *testing.T, s cache.Store) {
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				s.Put(Key(i%50), Entry("a"))
				s.Get(Key(i%50), Start)
				if i%10 == g {
					s.Delete(Key(i % 50))
				}
			}
		})
	}
	wg.Wait()
	s.Put(Key(0), Entry("b"))
	wantEntry(t, s, Key(0), Start, Entry("b"))
}

func wantEntry(t *testing.T, s cache.Store, key cache.Key, now time.Time, want cache.Entry) {
	t.Helper()
	got, ok := s.Get(key, now)
	if !ok {
		t.Fatalf("nothing at %s, want the entry of alert %s", now, want.AlertID)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("entry differs (-want +got):\n%s", d)
	}
}

func wantMiss(t *testing.T, s cache.Store, key cache.Key, now time.Time) {
	t.Helper()
	if e, ok := s.Get(key, now); ok {
		t.Fatalf("found %+v at %s, want nothing", e, now)
	}
}
