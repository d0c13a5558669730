package offline

import (
	"strings"
	"unicode"
)

// deeds are kinds of things done to a system, as bits.
type deeds uint8

const (
	reads deeds = 1 << iota
	makes
	removes
	alters
)

// verbs tell what a search asks for ("Trail deleted") and what an event did ("DeleteTrail").
// Words are cut to their stem, so both forms are found.
var verbs = []struct {
	stem string
	deed deeds
}{
	{"describe", reads}, {"list", reads}, {"get", reads}, {"view", reads}, {"read", reads}, {"head", reads}, {"lookup", reads},
	{"access", reads}, {"download", reads}, {"retriev", reads}, {"export", reads}, {"enumerat", reads},
	{"creat", makes}, {"add", makes}, {"new", makes}, {"insert", makes}, {"register", makes}, {"attach", makes}, {"assign", makes},
	{"grant", makes}, {"launch", makes}, {"run", makes}, {"enabl", makes}, {"start", makes}, {"put", makes | alters}, {"invit", makes},
	{"delet", removes}, {"remov", removes}, {"stop", removes}, {"disabl", removes}, {"detach", removes}, {"revok", removes},
	{"deactivat", removes}, {"terminat", removes},
	{"updat", alters}, {"modif", alters}, {"set", alters}, {"chang", alters}, {"patch", alters}, {"edit", alters}, {"replac", alters},
}

// asksFor returns what kinds of deed the search's name is about, none if it names none.
func (v *view) asksFor() deeds { return deedsOf(v.c.Alert.SearchName) }

// deed returns what kind of deed the event is. Several kinds, or none, are none.
func (v *view) deed() deeds {
	_, what := v.get("what")
	d := deedsOf(what)
	if d&(d-1) != 0 {
		return 0
	}
	return d
}

func deedsOf(text string) deeds {
	var out deeds
	for word := range wordsOf(text) {
		for i := range verbs {
			if len(word) <= len(verbs[i].stem)+4 && strings.HasPrefix(word, verbs[i].stem) {
				out |= verbs[i].deed
			}
		}
	}
	return out
}

// wordsOf yields the words of a text in lower case, also those of CamelCase, snake_case and
// dotted names.
func wordsOf(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, lower := -1, false
		for i, r := range text {
			switch {
			case !unicode.IsLetter(r):
				if start >= 0 && !yield(strings.ToLower(text[start:i])) {
					return
				}
				start, lower = -1, false
				continue
			case start < 0:
				start = i
			case unicode.IsUpper(r) && lower:
				if !yield(strings.ToLower(text[start:i])) {
					return
				}
				start = i
			}
			lower = unicode.IsLower(r)
		}
		if start >= 0 {
			yield(strings.ToLower(text[start:]))
		}
	}
}
