package knowledge

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

// index finds indicators by their value. It keeps a hash of each, not the value: the value is in the
// alert that asks. A million indicators take some 60 MB.
type index struct {
	first   map[[16]byte]int32 // place in entries, +1
	entries []entry
	labels  []label
	byLabel map[label]int32
}

// entry is one indicator in one feed.
type entry struct {
	label int32
	next  int32 // entries of the same value, +1; 0 ends
	day   int32 // when it was first seen, in days since 1970; 0: not told
}

// label is what a feed says of an indicator. Many share one.
type label struct {
	feed, kind, threat, malware, tags, confidence string
}

func newIndex() *index {
	return &index{first: map[[16]byte]int32{}, byLabel: map[label]int32{}}
}

func (x *index) len() int { return len(x.entries) }

// maxIndicators bounds all feeds together.
const maxIndicators = 5_000_000

func keyOf(normal string) [16]byte {
	sum := sha256.Sum256([]byte(normal))
	return [16]byte(sum[:16])
}

// add keeps an indicator, in normal form. The same label on the same value is kept once.
func (x *index) add(normal string, l label, day int32) error {
	if len(x.entries) == maxIndicators {
		return fmt.Errorf("the feeds hold more than %d indicators together", maxIndicators)
	}
	n, ok := x.byLabel[l]
	if !ok {
		l = label{strings.Clone(l.feed), strings.Clone(l.kind), short(l.threat), short(l.malware), short(l.tags), strings.Clone(l.confidence)}
		n = int32(len(x.labels))
		x.labels = append(x.labels, l)
		x.byLabel[l] = n
	}
	key := keyOf(normal)
	at := x.first[key]
	for i := at; i != 0; i = x.entries[i-1].next {
		if x.entries[i-1].label == n {
			return nil
		}
	}
	x.entries = append(x.entries, entry{label: n, next: at, day: day})
	x.first[key] = int32(len(x.entries))
	return nil
}

// find returns what the feeds say of a value in normal form, each as data for llm.Known.
func (x *index) find(normal string) []map[string]string {
	var out []map[string]string
	for i := x.first[keyOf(normal)]; i != 0 && len(out) < maxFound; i = x.entries[i-1].next {
		e := x.entries[i-1]
		l := x.labels[e.label]
		data := map[string]string{"feed": l.feed, "type": l.kind}
		for name, text := range map[string]string{"threat": l.threat, "malware": l.malware, "tags": l.tags, "confidence": l.confidence} {
			if text != "" {
				data[name] = text
			}
		}
		if e.day != 0 {
			data["first_seen"] = time.Unix(int64(e.day)*86400, 0).UTC().Format(time.DateOnly)
		}
		out = append(out, data)
	}
	return out
}

// short keeps a feed's words short.
func short(s string) string {
	const most = 120
	r := []rune(strings.TrimSpace(s))
	if len(r) > most {
		r = r[:most]
	}
	return string(r)
}

// dayOf reads a date in front of a text, as feeds write them; 0 when there is none.
func dayOf(text string) int32 {
	text = strings.TrimSpace(text)
	if len(text) < len(time.DateOnly) {
		return 0
	}
	at, err := time.Parse(time.DateOnly, text[:len(time.DateOnly)])
	if err != nil || at.Unix() < 0 {
		return 0
	}
	return int32(at.Unix() / 86400)
}
