package llm

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Sentences in values that an attacker can set are no taint: logs are full of them. But a model reads
// them, and no list of patterns knows everything that can be said to one. So a model may close an
// alert only when nobody else has written sentences into it, encoded ones included; see
// Policy.AllowProse. Values of our own systems, and of fields that the field table calls so, may
// hold any text.
//
// Telling sentences from names, paths, user agents and settings is done by words that only sentences
// need. It is wrong both ways at times: short orders without such words pass, and are for the scan;
// error messages do not, and go to a person.

const (
	minProseWords = 4 // words in a row that weigh two,
	minSplitWords = 3 // or in shorter runs, of several values, each with grammar
	minLongWords  = 5 // or one in so many: words of grammar weigh one, those that speak to somebody two
	minForeign    = 6 // letters in a row, blanks aside, of scripts that the lists do not know
)

// speakingWords turn to a reader.
const speakingWords = `you your yours yourself i me my we us our please let must should just who whom whose what how why
tu su vous votre du sie ihr je uw sen`

// functionWords are words that carry grammar and no matter, in languages that use Latin letters.
// Left out are those that log lines are made of: for, from, by, on, in, at, not, no.
const functionWords = `a an the this that these those it its is are was were be been being am do does did how what who whom whose when where why which
you your yours i me my we our us he she they them his her their and or but if then than because so as to of with about into would could should can will may might must
please let here there any all each every some such very only just also
de la el los las un una unos y o que en es como para por con su mi tu se lo esta este todas todos
le les des du et ou est ce cette ces vous votre je nous il elle pour dans avec toutes tous comme
der die das den dem ein eine einen und oder ist sind du sie ihr ihre wie als zu mit auf fur alle diesen diese
um uma e ou que como com seu sua isso esta este todas todos
het een en of is dat deze als alle van met je uw
wszystkie jako ten to jest i lub bir ve bu icin tum olarak yok say`

var grammar = sync.OnceValue(func() map[string]int {
	weight := map[string]int{}
	for w := range strings.FieldsSeq(functionWords) {
		weight[w] = 1
	}
	for w := range strings.FieldsSeq(speakingWords) {
		weight[w] = 2
	}
	return weight
})

// sentence reports whether the normalised text of one value holds a sentence.
func sentence(text string) bool {
	words, weight, foreign := 0, 0, 0
	for len(text) > 0 {
		word, rest, joined := nextWord(text)
		text = rest
		if !joined {
			words, weight = 0, 0
		}
		if word == "" {
			continue
		}
		words++
		weight += grammar()[word]
		if words >= minProseWords && weight >= 2 || words >= minLongWords && weight >= 1 {
			return true
		}
		if foreign = foreignLetters(word, foreign); foreign >= minForeign {
			return true
		}
	}
	return false
}

// halves looks for a sentence that is split over several values: words with blanks between, each run
// too short to be one.
type halves struct{ words, weight int }

// add takes up a value, and reports whether there is a sentence by now.
func (h *halves) add(text string) bool {
	words, weight := 0, 0
	for _, word := range append(strings.Fields(text), "|") {
		word = strings.Trim(word, ",.;:!?'\"()")
		if word != "" && strings.Trim(word, letters) == "" {
			words++
			weight += grammar()[word]
			continue
		}
		if words >= 2 && weight > 0 {
			h.words += words
			h.weight += weight
		}
		words, weight = 0, 0
	}
	return h.weight >= 3 || h.words >= minSplitWords && h.weight >= 1
}

const letters = "abcdefghijklmnopqrstuvwxyz"

// foreignLetters counts on: letters beyond Latin script; a Latin word begins anew.
func foreignLetters(word string, before int) int {
	n := 0
	for _, r := range word {
		if r >= utf8.RuneSelf && unicode.IsLetter(r) && !unicode.Is(unicode.Latin, r) {
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return before + n
}

// nextWord returns the next run of letters, and whether only what stands between words of a sentence
// lies before it: blanks, a comma or another mark, quotes. Slashes, digits, braces, equals signs and
// the like end a sentence.
func nextWord(text string) (word, rest string, joined bool) {
	i := strings.IndexFunc(text, unicode.IsLetter)
	if i < 0 {
		return "", "", false
	}
	between := text[:i]
	joined = len(between) <= 6 && strings.Trim(between, " \u00a0,.;:!?'\"()-\u2013\u2014\u2019_+") == "" &&
		strings.ContainsAny(between, " _+-'\u00a0\u2013\u2014\u2019") || between == ""
	j := strings.IndexFunc(text[i:], func(r rune) bool { return !unicode.IsLetter(r) && !unicode.Is(unicode.Mn, r) })
	if j < 0 {
		return text[i:], "", joined
	}
	return text[i : i+j], text[i+j:], joined
}
