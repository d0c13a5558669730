package triage

import (
	"bytes"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

// wordList finds high-risk words in everything that an alert says: the name of its search, its
// field names and its values. Words and alert are compared in the form that [llm.AppendNormal]
// gives, with underscores as blanks. It runs on every alert, so the alert is brought into that form
// once, in a buffer that is kept, and each word looked for in the whole.
type wordList struct {
	words  []string // as configured
	normal [][]byte
	text   []byte
}

// maxKeptText is how large a buffer is kept from one alert to the next.
const maxKeptText = 1 << 20

func newWordList(words []string) wordList {
	var l wordList
	for _, w := range words {
		normal := appendWords(nil, w)
		if len(bytes.TrimSpace(normal)) == 0 {
			continue // it would be in every alert
		}
		l.words, l.normal = append(l.words, w), append(l.normal, normal)
	}
	return l
}

// find returns the first word, in the order of the list, that the alert holds, or "".
func (l *wordList) find(a *winnow.Alert) string {
	if len(l.words) == 0 {
		return ""
	}
	text := appendText(l.text[:0], a.SearchName)
	for name, values := range a.Fields {
		text = appendText(text, name)
		for _, v := range values {
			text = appendText(text, v)
		}
	}
	if l.text = text; cap(text) > maxKeptText {
		l.text = nil
	}
	for i, w := range l.normal {
		if bytes.Contains(text, w) {
			return l.words[i]
		}
	}
	return ""
}

// appendText appends a text so that no word is found across two of them, and so that a word with a
// blank at its end is found at theirs.
func appendText(out []byte, text string) []byte {
	out = appendWords(append(out, 0, ' '), text)
	if out[len(out)-1] == ' ' {
		return out
	}
	return append(out, ' ')
}

// appendWords appends a text in normal form, with one blank for any run of blanks and underscores.
func appendWords(out []byte, text string) []byte {
	start := len(out)
	out = llm.AppendNormal(out, text)
	first := bytes.IndexByte(out[start:], '_')
	if first < 0 {
		return out
	}
	end := start + first
	for _, b := range out[end:] {
		if b == '_' {
			b = ' '
		}
		if b == ' ' && end > 0 && out[end-1] == ' ' {
			continue
		}
		out[end] = b
		end++
	}
	return out[:end]
}
