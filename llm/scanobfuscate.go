package llm

import (
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// deobfuscate rewrites letters spaced out one by one ("i g n o r e") and digits that stand for
// letters ("1gn0re"). It returns "" when there is nothing of the kind; apart tells that letters
// were spaced out, so that the plain text has no spaces.
func deobfuscate(text string) (plain string, apart bool) {
	words := strings.FieldsFunc(text, func(r rune) bool {
		return r == ' ' || r == '.' || r == '-' || r == '_' || r == '*' || r == ',' || r == '|'
	})
	spaced, leet := spacedLetters(words), false
	for i, w := range words {
		if f := unleet(w); f != w {
			words[i], leet = f, leet || patterns().anchored(f)
		}
	}
	if spaced != "" {
		return spaced, true
	}
	if !leet {
		return "", false
	}
	return strings.Join(words, " "), false
}

// spelledOut matches phrases in text that lost its spaces.
var spelledOut = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(squeezed) })

// minSpaced is how many single letters in a row are taken for a spaced-out text.
const minSpaced = 8

// spacedLetters joins runs of single letters; the words come out without spaces, and patterns
// for those know it. An empty text says that there was no such run.
func spacedLetters(words []string) string {
	var out, run strings.Builder
	n := 0
	flush := func() {
		if n >= minSpaced {
			out.WriteString(run.String() + " ")
		}
		run.Reset()
		n = 0
	}
	for _, w := range words {
		if utf8.RuneCountInString(w) == 1 {
			run.WriteString(w)
			n++
			continue
		}
		flush()
	}
	flush()
	return out.String()
}

const leetDigits, leetLetters = "0134578@$!", "oieastbasi"

// unleet replaces digits inside words that are mostly letters. Identifiers with several digits
// in a row stay as they are.
func unleet(w string) string {
	if !strings.ContainsAny(w, leetDigits) || len(w) < 4 || len(w) > 20 {
		return w
	}
	letters, digits, previous := 0, 0, false
	for i := range len(w) {
		switch isLeet := strings.IndexByte(leetDigits, w[i]) >= 0; {
		case isLeet && previous:
			return w
		case isLeet:
			digits++
			previous = true
		case w[i] >= 'a' && w[i] <= 'z':
			letters++
			previous = false
		default:
			return w
		}
	}
	if letters < 2*digits {
		return w
	}
	return strings.Map(func(r rune) rune {
		if i := strings.IndexRune(leetDigits, r); i >= 0 {
			return rune(leetLetters[i])
		}
		return r
	}, w)
}
