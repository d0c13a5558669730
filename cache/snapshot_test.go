package cache_test

import (
	"errors"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/cache/storetest"
)

var thisGen = cache.NewGeneration([]byte("this"))

// many yields n entries under storetest's keys.
func many(n int) iter.Seq2[cache.Key, cache.Entry] {
	return func(yield func(cache.Key, cache.Entry) bool) {
		for i := range n {
			if !yield(storetest.Key(i), storetest.Entry(storetest.Key(i).String()[:16])) {
				return
			}
		}
	}
}

func writeSnapshot(t testing.TB, entries iter.Seq2[cache.Key, cache.Entry]) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cache.snapshot")
	if err := cache.WriteSnapshot(path, thisGen, entries); err != nil {
		t.Fatal(err)
	}
	return path
}

func openSnapshot(t testing.TB, path string) *cache.Snapshot {
	t.Helper()
	s, err := cache.OpenSnapshot(path, thisGen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSnapshot(t, s) })
	return s
}

func closeSnapshot(t interface{ Error(args ...any) }, s *cache.Snapshot) {
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestSnapshotFindsEveryEntryAndNoOther(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 9, 1000, 5000} {
		s := openSnapshot(t, writeSnapshot(t, many(n)))
		if s.Len() != n {
			t.Errorf("%d entries: Len is %d", n, s.Len())
		}
		for key, want := range many(n) {
			got, ok, err := s.Get(key, storetest.Start)
			if err != nil || !ok {
				t.Fatalf("%d entries: %s: found %v, %v", n, key, ok, err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("entry differs (-want +got):\n%s", d)
			}
		}
		for i := n; i < n+500; i++ {
			if e, ok, err := s.Get(storetest.Key(i), storetest.Start); ok || err != nil {
				t.Fatalf("%d entries: found %+v, %v for a key that is not there", n, e, err)
			}
		}
	}
}

// snapshotStore is a store that publishes after every change, so that the snapshot passes the
// same checks as memory.
type snapshotStore struct {
	*cache.Memory
	t    testing.TB
	path string
}

func (s snapshotStore) Get(key cache.Key, now time.Time) (cache.Entry, bool) {
	if err := cache.WriteSnapshot(s.path, thisGen, s.All); err != nil {
		s.t.Error(err)
	}
	snap, err := cache.OpenSnapshot(s.path, thisGen)
	if err != nil {
		s.t.Error(err)
	}
	defer closeSnapshot(s.t, snap)
	e, ok, err := snap.Get(key, now)
	if err != nil {
		s.t.Error(err)
	}
	return e, ok
}

func TestSnapshotKeepsThePromisesOfAStore(t *testing.T) {
	storetest.Run(t, func(t testing.TB) cache.Store {
		return snapshotStore{cache.NewMemory(100), t, filepath.Join(t.TempDir(), "cache.snapshot")}
	})
}

func TestSnapshotHoldsWhateverIsPut(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		// Few different bytes, so that keys collide in their home slots.
		key := rapid.Custom(func(t *rapid.T) (k cache.Key) {
			copy(k[:], rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 255}), 1, 4).Draw(t, "key"))
			return k
		})
		want := rapid.MapOf(key, rapid.Custom(drawEntry)).Draw(t, "entries")
		delete(want, cache.Key{})
		path := filepath.Join(dir, "cache.snapshot")
		if err := cache.WriteSnapshot(path, thisGen, maps.All(want)); err != nil {
			t.Fatal(err)
		}
		s, err := cache.OpenSnapshot(path, thisGen)
		if err != nil {
			t.Fatal(err)
		}
		defer closeSnapshot(t, s)
		for key, e := range want {
			got, ok, err := s.Get(key, e.At)
			if err != nil || !ok || !cmp.Equal(e, got) {
				t.Fatalf("%s: got %+v, %v, %v; want %+v", key, got, ok, err, e)
			}
		}
		if k := key.Draw(t, "other"); !cmp.Equal(want[k], cache.Entry{}) {
			return
		} else if _, ok, err := s.Get(k, storetest.Start); ok || err != nil {
			t.Fatalf("found a key that was not put: %v", err)
		}
	})
}

func drawEntry(t *rapid.T) cache.Entry {
	at := time.Unix(0, rapid.Int64Range(0, 4e18).Draw(t, "at")).UTC()
	facts := rapid.SliceOfN(rapid.StringN(0, 30, 1024), 0, 5).Draw(t, "facts")
	if len(facts) == 0 {
		facts = nil
	}
	return cache.Entry{
		AlertID: rapid.StringN(1, 16, 64).Draw(t, "id"), SearchName: rapid.StringN(0, 60, 4096).Draw(t, "search"),
		Severity:    winnow.Severity(rapid.IntRange(0, 5).Draw(t, "severity")),
		Disposition: rapid.SampledFrom([]winnow.Disposition{winnow.BenignPositive, winnow.FalsePositiveData}).Draw(t, "d"),
		Source:      rapid.SampledFrom([]winnow.Source{winnow.SourceModel, winnow.SourcePerson}).Draw(t, "source"),
		Confidence:  rapid.IntRange(0, 100).Draw(t, "confidence"), Facts: facts,
		At: at, Expires: at.Add(time.Duration(rapid.Int64Range(1, 1e15).Draw(t, "ttl"))),
	}
}

func TestSnapshotOfAnotherGenerationIsEmpty(t *testing.T) {
	path := writeSnapshot(t, many(3))
	s, err := cache.OpenSnapshot(path, cache.NewGeneration([]byte("other")))
	if err != nil || s.Len() != 0 {
		t.Errorf("%d entries, %v; want none and no error", s.Len(), err)
	}
	if _, ok, err := s.Get(storetest.Key(0), storetest.Start); ok || err != nil {
		t.Errorf("found a verdict of another generation, %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestSnapshotThatIsNotThereIsEmpty(t *testing.T) {
	s, err := cache.OpenSnapshot(filepath.Join(t.TempDir(), "none"), thisGen)
	if err != nil || s.Len() != 0 {
		t.Fatalf("%d entries, %v", s.Len(), err)
	}
	if _, ok, err := s.Get(storetest.Key(0), storetest.Start); ok || err != nil {
		t.Errorf("found something in no file, %v", err)
	}
}

func TestSnapshotThatCannotBeReadIsEmptyAndSaysSo(t *testing.T) {
	whole, err := os.ReadFile(writeSnapshot(t, many(20)))
	if err != nil {
		t.Fatal(err)
	}
	flip := func(at int) []byte {
		b := append([]byte(nil), whole...)
		b[at] ^= 4
		return b
	}
	for name, content := range map[string][]byte{
		"no bytes":     {},
		"half a head":  whole[:100],
		"head only":    whole[:128],
		"cut":          whole[:len(whole)-1],
		"longer":       append(append([]byte(nil), whole...), 0),
		"foreign":      []byte("id,name\n" + string(make([]byte, 4096))),
		"version":      flip(8),
		"count":        flip(48),
		"slots":        flip(57),
		"head's check": flip(120),
	} {
		path := filepath.Join(t.TempDir(), "cache.snapshot")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := cache.OpenSnapshot(path, thisGen)
		if !errors.Is(err, cache.ErrDamaged) {
			t.Errorf("%s: error %v, want ErrDamaged", name, err)
		}
		if _, ok, _ := s.Get(storetest.Key(0), storetest.Start); ok || s.Len() != 0 {
			t.Errorf("%s: not empty", name)
		}
	}
	if s, err := cache.OpenSnapshot(t.TempDir(), thisGen); err == nil || s == nil {
		t.Errorf("a folder was opened as a snapshot: %v, %v", s, err)
	}
}

func TestFlippedBitIsAMissWithAnError(t *testing.T) {
	path := writeSnapshot(t, many(20))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	noticed := 0
	for at := 128; at < len(whole); at += 7 {
		b := append([]byte(nil), whole...)
		b[at] ^= 1 << (at % 8)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		noticed += probeAll(t, path, 20)
	}
	if noticed < len(whole)/14 {
		t.Errorf("only %d of %d flipped bits made an error", noticed, len(whole)/7)
	}
}

// probeAll checks that every hit is an entry that was put in, and counts errors.
func probeAll(t *testing.T, path string, n int) (failed int) {
	t.Helper()
	s, err := cache.OpenSnapshot(path, thisGen)
	if err != nil {
		t.Fatal(err)
	}
	defer closeSnapshot(t, s)
	for key, want := range many(n) {
		got, ok, err := s.Get(key, storetest.Start)
		switch {
		case ok && (err != nil || !cmp.Equal(want, got)):
			t.Fatalf("%s: got %+v, %v", key, got, err)
		case err != nil:
			failed++
			if !errors.Is(err, cache.ErrDamaged) {
				t.Fatalf("error %v, want ErrDamaged", err)
			}
		}
	}
	return min(failed, 1)
}

func TestSnapshotIsReplacedWhole(t *testing.T) {
	path := writeSnapshot(t, many(3))
	old := openSnapshot(t, path)
	if err := cache.WriteSnapshot(path, thisGen, many(1)); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := old.Get(storetest.Key(2), storetest.Start); !ok || err != nil {
		t.Errorf("a reader lost its snapshot: %v, %v", ok, err)
	}
	if s := openSnapshot(t, path); s.Len() != 1 {
		t.Errorf("%d entries, want those of the later snapshot: 1", s.Len())
	}
	names, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(names) != 1 {
		t.Errorf("the folder holds %v, %v; want the snapshot only", names, err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v; want 0600", info.Mode(), err)
	}
}

func TestSnapshotIntoNoFolderFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "cache.snapshot")
	if err := cache.WriteSnapshot(path, thisGen, many(1)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v, want that the folder does not exist", err)
	}
}

func TestSnapshotOfDuplicateKeysHoldsTheLater(t *testing.T) {
	twice := func(yield func(cache.Key, cache.Entry) bool) {
		_ = yield(storetest.Key(1), storetest.Entry("a")) && yield(storetest.Key(1), storetest.Entry("b"))
	}
	s := openSnapshot(t, writeSnapshot(t, twice))
	if e, ok, err := s.Get(storetest.Key(1), storetest.Start); !ok || err != nil || e.AlertID != "b" || s.Len() != 1 {
		t.Errorf("got %+v, %v, %v of %d", e, ok, err, s.Len())
	}
}

func TestSnapshotLeavesOutTimesThatCannotBeStored(t *testing.T) {
	e := storetest.Entry("a")
	e.Expires = time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)
	s := openSnapshot(t, writeSnapshot(t, maps.All(map[cache.Key]cache.Entry{storetest.Key(1): e})))
	if _, ok, err := s.Get(storetest.Key(1), storetest.Start); ok || err != nil {
		t.Errorf("found %v, %v; want a miss", ok, err)
	}
}

// TestSnapshotAsksForItsGenerationLate: only a key that is found is worth the question, and a
// verdict of another generation, or of none that is known, is a miss.
func TestSnapshotAsksForItsGenerationLate(t *testing.T) {
	path := writeSnapshot(t, many(10))
	for _, c := range []struct {
		name string
		gen  cache.Generation
		err  error
		want bool
	}{
		{"the same", thisGen, nil, true},
		{"another", cache.NewGeneration([]byte("other")), nil, false},
		{"unknown", thisGen, errors.New("facts.yaml: input/output error"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := 0
			s, err := cache.OpenSnapshotLate(path, func() (cache.Generation, error) { asked++; return c.gen, c.err })
			if err != nil {
				t.Fatal(err)
			}
			defer closeSnapshot(t, s)
			if _, ok, err := s.Get(storetest.Key(1<<40), storetest.Start); ok || err != nil || asked != 0 {
				t.Errorf("a key that is not there: found %v, error %v, asked %d times", ok, err, asked)
			}
			for range 2 {
				_, ok, err := s.Get(storetest.Key(7), storetest.Start)
				if ok != c.want || !errors.Is(err, c.err) || asked != 1 {
					t.Errorf("found %v, error %v, asked %d times", ok, err, asked)
				}
			}
		})
	}
	if s, err := cache.OpenSnapshotLate(filepath.Join(t.TempDir(), "none"), nil); s == nil || err != nil || s.Len() != 0 {
		t.Errorf("no file: %v", err)
	}
}

func BenchmarkSnapshotOpenAndProbe(b *testing.B) {
	path := writeSnapshot(b, many(100_000))
	b.ReportAllocs()
	for b.Loop() {
		s, err := cache.OpenSnapshot(path, thisGen)
		if err != nil {
			b.Fatal(err)
		}
		if _, ok, err := s.Get(storetest.Key(77), storetest.Start); !ok || err != nil {
			b.Fatal(ok, err)
		}
		closeSnapshot(b, s)
	}
}

func BenchmarkSnapshotProbe(b *testing.B) {
	s := openSnapshot(b, writeSnapshot(b, many(100_000)))
	for name, base := range map[string]int{"hit": 0, "miss": 1 << 40} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, ok, err := s.Get(storetest.Key(base+i%100_000), storetest.Start); ok != (base == 0) || err != nil {
					b.Fatal(ok, err)
				}
				i++
			}
		})
	}
}

func BenchmarkWriteSnapshot(b *testing.B) {
	path := filepath.Join(b.TempDir(), "cache.snapshot")
	for b.Loop() {
		if err := cache.WriteSnapshot(path, thisGen, many(100_000)); err != nil {
			b.Fatal(err)
		}
	}
}
