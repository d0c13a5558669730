package llm

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Signs of text that is meant for machines only.
const (
	signTags     = "hidden_tag_characters" // Unicode tags carry ASCII that no screen shows
	signSelector = "hidden_selectors"      // so do long runs of variation selectors
	signBidi     = "bidi_override"         // shows text in another order than it is read
)

// AppendNormal appends a text in the form in which guards compare texts: NFKC, without characters
// that are not seen, look-alike letters folded, lower case, one space for any run of white space
// and controls. It takes a short way for ASCII.
func AppendNormal(out []byte, v string) []byte {
	out, _ = appendNormal(out, v)
	return out
}

// appendNormal appends v in the form that patterns are matched against: NFKC, without format
// characters, letters that look like Latin ones folded where they stand among Latin ones, lower
// case, one space for any run of white space and controls. hidden names a sign found on the way.
func appendNormal(out []byte, v string) (text []byte, hidden string) {
	if ascii(v) {
		return appendLower(out, v), ""
	}
	v, hidden = stripHidden(strings.ToValidUTF8(v, " "))
	if !norm.NFKC.IsNormalString(v) {
		v = norm.NFKC.String(v)
	}
	return appendLower(out, foldLookalikes(v)), hidden
}

// appendLower appends v in lower case with white space collapsed.
func appendLower(out []byte, v string) []byte {
	for i := 0; i < len(v); {
		b := v[i]
		switch {
		case b >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(v[i:])
			i += n
			if unicode.IsSpace(r) || unicode.IsControl(r) {
				out = appendSpace(out)
				continue
			}
			out = utf8.AppendRune(out, unicode.ToLower(r))
			continue
		case b >= 'A' && b <= 'Z':
			out = append(out, b|0x20)
		case b <= ' ' || b == 0x7f:
			out = appendSpace(out)
		default:
			out = append(out, b)
		}
		i++
	}
	return out
}

func appendSpace(out []byte) []byte {
	if len(out) > 0 && out[len(out)-1] == ' ' {
		return out
	}
	return append(out, ' ')
}

// stripHidden removes characters that are not seen. ASCII carried in tag characters is kept as
// the text that it spells.
func stripHidden(v string) (text, sign string) {
	selectors := 0
	text = strings.Map(func(r rune) rune {
		switch {
		case r >= 0xE0020 && r <= 0xE007E:
			sign = signTags
			return r - 0xE0000
		case r == 0x202D || r == 0x202E:
			sign = signBidi
			return -1
		case r >= 0xE0100 && r <= 0xE01EF, r >= 0xFE00 && r <= 0xFE0F:
			selectors++
			return -1
		case unicode.In(r, unicode.Cf, unicode.Co), r == 0x034F, r == 0x115F, r == 0x1160, r == 0x3164:
			return -1
		}
		return r
	}, v)
	if sign == "" && selectors > 16 && selectors > len([]rune(text)) {
		sign = signSelector
	}
	return text, sign
}

// lookalikes are letters of other scripts that pass for Latin ones.
var lookalikes = strings.NewReplacer(
	"а", "a", "е", "e", "о", "o", "р", "p", "с", "c", "у", "y", "х", "x", "і", "i", "ј", "j", "ѕ", "s", "ԁ", "d",
	"ɡ", "g", "һ", "h", "ո", "n", "ս", "u", "ԛ", "q", "ԝ", "w", "ѵ", "v", "к", "k", "м", "m", "т", "t", "в", "b", "н", "h", "ԍ", "g", "ɩ", "i", "ı", "i",
	"А", "a", "В", "b", "Е", "e", "К", "k", "М", "m", "Н", "h", "О", "o", "Р", "p", "С", "c", "Т", "t", "Х", "x", "У", "y", "І", "i", "Ѕ", "s", "Ј", "j",
	"α", "a", "ο", "o", "ν", "v", "ρ", "p", "τ", "t", "υ", "u", "ι", "i", "κ", "k", "ε", "e", "η", "n", "γ", "y", "χ", "x",
	"Α", "a", "Β", "b", "Ε", "e", "Ζ", "z", "Η", "h", "Ι", "i", "Κ", "k", "Μ", "m", "Ν", "n", "Ο", "o", "Ρ", "p", "Τ", "t", "Υ", "y", "Χ", "x",
	"ℓ", "l", "ⅼ", "l", "ӏ", "l", "Ӏ", "l",
)

// foldLookalikes rewrites words that mix Latin with look-alike letters, and words made of
// look-alikes only; words of another script stay as they are.
func foldLookalikes(v string) string {
	var out strings.Builder
	for len(v) > 0 {
		i := strings.IndexFunc(v, unicode.IsSpace)
		switch i {
		case -1:
			i = len(v)
		case 0:
			_, i = utf8.DecodeRuneInString(v)
		}
		out.WriteString(foldWord(v[:i]))
		v = v[i:]
	}
	return out.String()
}

func foldWord(w string) string {
	if ascii(w) {
		return w
	}
	folded := lookalikes.Replace(w)
	if ascii(folded) || strings.ContainsFunc(w, latin) {
		return folded
	}
	return w
}

func latin(r rune) bool { return (r|0x20) >= 'a' && (r|0x20) <= 'z' }
