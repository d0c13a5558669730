package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func testSigner(t testing.TB, n byte) *Signer {
	t.Helper()
	s, err := NewSigner(bytes.Repeat([]byte{n}, SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEncoding spells out what docs/records.md says, byte by byte.
func TestEncoding(t *testing.T) {
	e := Entry{Seq: 2, At: 3, Kind: KindReview, Subject: "01X", Body: []byte(`{"a":1}`)}
	before := Hash{0: 0xff, 31: 0x01}
	want := "winnow:audit:v1\n" + string(before[:]) + "\x00\x00\x00\x00\x00\x00\x00\x02" + "\x00\x00\x00\x00\x00\x00\x00\x03" +
		"\x00\x00\x00\x06review" + "\x00\x00\x00\x0301X" + "\x00\x00\x00\x07" + `{"a":1}`
	if diff := cmp.Diff(want, string(e.AppendEncoding(nil, before))); diff != "" {
		t.Error(diff)
	}
	if got := e.Hash(before); got != sha256.Sum256([]byte(want)) {
		t.Errorf("the hash is %s", got)
	}
}

func drawEntry(t *rapid.T, name string) Entry {
	return Entry{
		Seq: rapid.Int64().Draw(t, name+" seq"), At: rapid.Int64().Draw(t, name+" at"),
		Kind: Kind(rapid.StringN(0, 3, -1).Draw(t, name+" kind")), Subject: rapid.StringN(0, 3, -1).Draw(t, name+" subject"),
		Body: rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, name+" body"),
	}
}

// TestNoTwoEntriesLookAlike: what is hashed tells every part of an entry from every other.
func TestNoTwoEntriesLookAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawEntry(t, "a"), drawEntry(t, "b")
		same := a.Seq == b.Seq && a.At == b.At && a.Kind == b.Kind && a.Subject == b.Subject && bytes.Equal(a.Body, b.Body)
		if (a.Hash(Hash{}) == b.Hash(Hash{})) != same {
			t.Fatalf("%+v and %+v", a, b)
		}
	})
}

// TestBodiesAreCanonical: keys are in order, and nothing is escaped that need not be.
func TestBodiesAreCanonical(t *testing.T) {
	at := noon
	for _, body := range []any{
		Begin{1}, Record{Actor: "<a>", Alert: Hash{1}, Links: Hash{2}, N: 1, Reason: "r", Record: Hash{3}, State: "s", Would: "w"},
		Review{"a", "b", "c", "d&e", true}, Delivered{Key: "k", Kind: "k", Sink: "s"}, Recall{"a", Hash{}, "r", "t"},
		Change{"by", []string{"b", "a"}, Hash{}, "new", "old", "reason"}, Mode{"a", "b", "c", "d", &at}, Gate{&at, "x", true},
		Retention{1, Hash{}, Hash{4}, 2, Hash{}, "v", 3, 5}, Accepted{"a", "b", "c"}, Fields{1, Hash{2}, 3, 4},
	} {
		got, err := Canonical(body)
		if err != nil {
			t.Fatal(err)
		}
		var loose map[string]json.RawMessage
		if err := json.Unmarshal(got, &loose); err != nil {
			t.Fatal(err)
		}
		sorted, err := Canonical(loose) // of a map, the keys come out in order
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(sorted), string(got)); diff != "" {
			t.Errorf("%T: %s", body, diff)
		}
	}
}

func TestHashText(t *testing.T) {
	var h Hash
	for _, bad := range []string{"", "ab", strings.Repeat("a", 63), strings.Repeat("a", 65), strings.Repeat("g", 64)} {
		if err := h.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	want := Hash(sha256.Sum256([]byte("x")))
	if err := h.UnmarshalText([]byte(hex.EncodeToString(want[:]))); err != nil || h != want {
		t.Errorf("%v, %v", h, err)
	}
}

func event(t testing.TB, c Checkpoint) string {
	t.Helper()
	line, err := json.Marshal(Event{Time: "t", EKey: "k", Type: EventType, Checkpoint: c})
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

func quoted(t testing.TB, s string) string {
	t.Helper()
	out, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestReadCheckpoints(t *testing.T) {
	s := testSigner(t, 7)
	one, two := s.Sign(10, Hash{1}, noon.Add(123456789)), s.Sign(20, Hash{2}, noon)
	if !one.Valid() || one.At.Nanosecond()%1000 != 0 {
		t.Fatalf("%+v is not valid", one)
	}
	line := event(t, one)
	for name, c := range map[string]struct {
		file string
		want []Checkpoint
		err  string
	}{
		"none":                {"\n\n{}\n", nil, ""},
		"a sink's":            {event(t, two) + "\n" + line + "\n", []Checkpoint{one, two}, ""},
		"no end of line":      {line, []Checkpoint{one}, ""},
		"among others":        {`{"event_type":"winnow:outcome","seq":"x"}` + "\n" + line, []Checkpoint{one}, ""},
		"Splunk's export":     {`{"preview":false,"result":{"_raw":` + quoted(t, line) + `}}`, []Checkpoint{one}, ""},
		"_raw alone":          {`{"_raw":` + quoted(t, line) + `}`, []Checkpoint{one}, ""},
		"HEC's envelope":      {`{"event":` + line + `}`, []Checkpoint{one}, ""},
		"raw text":            {`{"_raw":"winnow:checkpoint"}`, nil, ""},
		"too deep":            {strings.Repeat(`{"event":`, 5) + line + strings.Repeat("}", 5), nil, ""},
		"not JSON":            {"hello", nil, "line 1: not a JSON object"},
		"cut":                 {line[:len(line)-2], nil, "line 1: not a JSON object"},
		"another number":      {strings.Replace(line, `"seq":10`, `"seq":11`, 1), nil, "line 1: the signature of the checkpoint at entry 11 is not good"},
		"another head":        {strings.Replace(line, "01000000", "02000000", 1), nil, "the signature"},
		"another time":        {strings.Replace(line, "12:00:00", "12:00:01", 1), nil, "the signature"},
		"another key":         {strings.Replace(line, s.Key().String(), testSigner(t, 8).Key().String(), 1), nil, "the signature"},
		"finer time":          {strings.Replace(line, "123456Z", "1234561Z", 1), nil, "the signature"},
		"entry 0":             {strings.Replace(line, `"seq":10`, `"seq":0`, 1), nil, "no checkpoint: entry 0"},
		"a short head":        {strings.Replace(line, "01000000", "01", 1), nil, "hex digits"},
		"a short key":         {strings.Replace(line, s.Key().String(), "AAAA", 1), nil, "a public key is base64 of 32 bytes"},
		"no signature at all": {`{"event_type":"winnow:checkpoint","seq":1}`, nil, "the signature"},
		"a number for a head": {`{"event_type":"winnow:checkpoint","seq":1,"head":5}`, nil, "no checkpoint"},
	} {
		got, err := ReadCheckpoints(strings.NewReader(c.file))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", name, err, c.err)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	if _, err := ReadCheckpoints(strings.NewReader(strings.Repeat("x", maxLine+1))); err == nil {
		t.Error("a line without end was read")
	}
}

func FuzzReadCheckpoints(f *testing.F) {
	s := testSigner(f, 7)
	f.Add([]byte(event(f, s.Sign(10, Hash{1}, noon))))
	f.Add([]byte(`{"preview":false,"result":{"_raw":` + quoted(f, event(f, s.Sign(3, Hash{2}, noon))) + `}}`))
	f.Add([]byte(`{"event_type":"winnow:checkpoint","seq":-1}` + "\n[]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ReadCheckpoints(bytes.NewReader(data))
		for i := range list {
			if c := &list[i]; err != nil || !c.Valid() || c.Seq < 1 || i > 0 && list[i-1].Seq > c.Seq {
				t.Fatalf("%v: %+v", err, c)
			}
		}
	})
}

// chain is a good one of n entries.
func chain(n int) (entries []Entry, hashes []Hash) {
	var head Hash
	for i := range n {
		e := Entry{Seq: int64(i + 1), At: noon.UnixMicro(), Kind: KindRecord, Subject: fmt.Sprint(i), Body: []byte("{}")}
		head = e.Hash(head)
		entries, hashes = append(entries, e), append(hashes, head)
	}
	return entries, hashes
}

func walk(c *Chain, entries []Entry, hashes []Hash) (faults []*Fault) {
	for i := range entries {
		faults = append(faults, c.Add(&entries[i], hashes[i])...)
	}
	return append(faults, c.End()...)
}

func TestChain(t *testing.T) {
	s, other := testSigner(t, 1), testSigner(t, 2)
	entries, hashes := chain(10)
	at := func(s *Signer, n int) []Checkpoint { return []Checkpoint{s.Sign(int64(n), hashes[n-1], noon)} }
	moved := at(s, 5)
	moved[0].Seq = 6
	for name, c := range map[string]struct {
		chain    Chain
		from, to int // entries
		want     string
	}{
		"good":                        {Chain{}, 0, 10, ""},
		"signed inside":               {Chain{Inside: at(s, 5)}, 0, 10, ""},
		"signed outside":              {Chain{Outside: at(s, 10)}, 0, 10, ""},
		"another key outside":         {Chain{Outside: []Checkpoint{other.Sign(5, Hash{}, noon)}}, 0, 10, ""},
		"another key inside":          {Chain{Inside: at(other, 5)}, 0, 10, "entry 5: the checkpoint kept beside it, of 2026-11-20T12:00:00Z, is signed with another key"},
		"another hash outside":        {Chain{Outside: []Checkpoint{s.Sign(5, Hash{1}, noon)}}, 0, 10, "entry 5: the checkpoint from outside, of 2026-11-20T12:00:00Z, has another hash: something up to here was rewritten"},
		"a bad signature":             {Chain{Inside: moved}, 0, 10, "entry 6: the signature of the checkpoint kept beside it is not good"},
		"the end is cut":              {Chain{Outside: at(s, 10)}, 0, 8, "entry 9: missing: the chain ends with entry 8, and the checkpoint from outside of 2026-11-20T12:00:00Z is of entry 10: the end was cut off, or an older copy of the file put in its place"},
		"the beginning is cut":        {Chain{Inside: at(s, 3)}, 4, 10, "entry 5: the chain begins with it, and nothing says what stood before it"},
		"the beginning was removed":   {Chain{Inside: at(s, 4)}, 4, 10, ""},
		"retention says where":        {Chain{Removed: 4, RemovedHead: hashes[3]}, 4, 10, ""},
		"retention says another hash": {Chain{Removed: 4, RemovedHead: hashes[4]}, 4, 10, "entry 5: it, or what stood before it, is not what was written"},
		"retention says elsewhere":    {Chain{Removed: 3, RemovedHead: hashes[2]}, 4, 10, "entry 5: the chain begins with it, and nothing says what stood before it"},
		"retention and checkpoint":    {Chain{Removed: 4, RemovedHead: hashes[3], Inside: at(s, 4), Outside: at(s, 4)}, 4, 10, ""},
		"retention and another":       {Chain{Removed: 4, RemovedHead: Hash{9}, Inside: at(s, 4)}, 4, 10, "entry 5: the chain begins with it, and the checkpoint kept beside it has another hash before it"},
		"retention and from outside":  {Chain{Removed: 4, RemovedHead: Hash{9}, Outside: at(s, 4)}, 4, 10, "entry 5: the chain begins with it, and the checkpoint from outside has another hash before it"},
		"known from outside":          {Chain{Outside: at(s, 4)}, 4, 10, ""},
		"inside and outside disagree": {Chain{Inside: at(s, 4), Outside: []Checkpoint{s.Sign(4, Hash{9}, noon)}}, 4, 10, "entry 5: the chain begins with it, and the checkpoint from outside has another hash before it"},
		"nothing is left":             {Chain{Inside: at(s, 4)}, 0, 0, "entry 1: missing: the chain ends with entry 0, and the checkpoint kept beside it of 2026-11-20T12:00:00Z is of entry 4: the end was cut off, or an older copy of the file put in its place"},
	} {
		c.chain.Key = s.Key()
		faults := walk(&c.chain, entries[c.from:c.to], hashes[c.from:c.to])
		got := ""
		if len(faults) > 0 {
			got = faults[0].Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestOneBadEntryIsOne: the walk goes on behind a bad entry, and names only that.
func TestOneBadEntryIsOne(t *testing.T) {
	entries, hashes := chain(10)
	entries[3].Body = []byte(`{"x":1}`)
	var c Chain
	faults := walk(&c, entries, hashes)
	if len(faults) != 1 || faults[0].Entry != 4 {
		t.Errorf("%v", faults)
	}
}

func TestSignerRefusesOtherSecrets(t *testing.T) {
	for _, n := range []int{0, 31, 33, 64} {
		if _, err := NewSigner(make([]byte, n)); err == nil {
			t.Errorf("%d bytes were taken", n)
		}
	}
}
