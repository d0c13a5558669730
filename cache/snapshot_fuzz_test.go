package cache

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
)

// fuzzEntries are few, and two of them share a home slot.
func fuzzEntries() map[Key]Entry {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	out := map[Key]Entry{}
	for i, first := range []byte{1, 1, 7} {
		e := Entry{
			AlertID: "01J" + string(rune('A'+i)), SearchName: "Impossible Travel",
			Disposition: winnow.BenignPositive, Source: winnow.SourcePerson, Confidence: 90 + i,
			Facts: []string{"person:ann"}, At: at, Expires: at.Add(time.Hour),
		}
		out[Key{0: first, 31: byte(i + 1)}] = e
	}
	return out
}

// FuzzSnapshot changes a published file at up to three places and cuts it, and checks that no
// entry comes out that was not put in, whatever key is asked for.
func FuzzSnapshot(f *testing.F) {
	gen := NewGeneration([]byte("this"))
	entries := fuzzEntries()
	var file memFile
	if err := writeSnapshot(&file, gen, func(yield func(Key, Entry) bool) {
		for key, e := range entries {
			if !yield(key, e) {
				return
			}
		}
	}); err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), uint64(0), uint32(48), uint64(1), uint32(0))
	f.Add(uint32(130), uint64(255), uint32(131), uint64(1<<40), uint32(0))
	f.Add(uint32(0), uint64(0), uint32(0), uint64(0), uint32(64))
	f.Fuzz(func(t *testing.T, at1 uint32, xor1 uint64, at2 uint32, xor2 uint64, cut uint32) {
		data := bytes.Clone(file.data)
		xorAt(data, at1, xor1)
		xorAt(data, at2, xor2)
		data = data[:len(data)-int(cut)%len(data)]
		s, _ := newSnapshot("snapshot", bytes.NewReader(data), int64(len(data)), &gen)
		for key, want := range entries {
			e, ok, err := s.Get(key, want.At)
			if ok && (err != nil || e.AlertID != want.AlertID || e.Confidence != want.Confidence || !e.Expires.Equal(want.Expires)) {
				t.Fatalf("got %+v, %v; want %+v", e, err, want)
			}
			if _, ok, _ := s.Get(Key{0: key[0], 31: 200}, want.At); ok {
				t.Fatal("found a key that was not put in")
			}
		}
	})
}

// FuzzDecodeEntry checks that what is read is written back to the same bytes.
func FuzzDecodeEntry(f *testing.F) {
	for _, e := range fuzzEntries() {
		raw, err := appendEntry(nil, e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(raw[:len(raw)-3])
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := decodeEntry(raw)
		if err != nil || e.Keepable(false) != nil {
			return
		}
		again, err := appendEntry(nil, e)
		if err == nil && !bytes.Equal(raw, again) {
			t.Fatalf("read %x, wrote %x", raw, again)
		}
	})
}

func xorAt(data []byte, at uint32, with uint64) {
	var x [8]byte
	binary.LittleEndian.PutUint64(x[:], with)
	for i := range x {
		data[(int(at)+i)%len(data)] ^= x[i]
	}
}

// memFile is a file in memory.
type memFile struct{ data []byte }

func (m *memFile) Write(p []byte) (int, error) {
	m.data = append(m.data, p...)
	return len(p), nil
}

func (m *memFile) WriteAt(p []byte, at int64) (int, error) {
	return copy(m.data[at:], p), nil
}
