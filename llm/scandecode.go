package llm

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxLayers bounds how deep encodings are unwrapped; minEncoded is the shortest encoded text
// worth a look, in bytes: four words make an instruction.
const (
	maxLayers  = 3
	minEncoded = 16
)

// decodings returns the texts hidden in v by common encodings. Each is smaller than v.
func decodings(v string) []string {
	var out []string
	keep := func(s string, ok bool) {
		if ok && s != v {
			out = append(out, s)
		}
	}
	if strings.Contains(v, "%") {
		keep(unescape(v, '%', ""))
	}
	if strings.Contains(v, `\`) {
		keep(unescape(v, '\\', "ux"))
	}
	if strings.Contains(v, "&") && strings.Contains(v, ";") {
		s := html.UnescapeString(v)
		keep(s, s != v)
	}
	if strings.Contains(v, "=") {
		keep(unescape(v, '=', "")) // quoted-printable
	}
	return append(out, runs(v)...)
}

// unescape replaces escapes: the mark, then (with kinds) one of their letters, then two hex
// digits, or four after u. It reports whether it found two or more: single ones hide nothing.
func unescape(v string, mark byte, kinds string) (string, bool) {
	var out strings.Builder
	found := 0
	for i := 0; i < len(v); {
		if v[i] == mark {
			if r, n := escape(v[i+1:], kinds); n > 0 {
				writeEscaped(&out, r, kinds != "" && v[i+1] == 'u')
				found++
				i += 1 + n
				continue
			}
		}
		out.WriteByte(v[i])
		i++
	}
	return out.String(), found >= 2
}

func writeEscaped(out *strings.Builder, r rune, whole bool) {
	if whole {
		out.WriteRune(r)
	} else {
		out.WriteByte(byte(r))
	}
}

// escape reads the part of an escape after its mark and returns its length, 0 if it is none.
func escape(v, kinds string) (rune, int) {
	skip, size := 0, 2
	if kinds != "" {
		if v == "" || strings.IndexByte(kinds, v[0]) < 0 {
			return 0, 0
		}
		skip = 1
		if v[0] == 'u' {
			size = 4
		}
	}
	if len(v) < skip+size {
		return 0, 0
	}
	n, err := strconv.ParseUint(v[skip:skip+size], 16, 32)
	if err != nil {
		return 0, 0
	}
	return rune(n), skip + size
}

// runs finds stretches of base64 and hex characters that decode to text.
func runs(v string) []string {
	var out []string
	for i := 0; i < len(v); {
		j := i
		for j < len(v) && base64Byte(v[j]) {
			j++
		}
		if j-i >= minEncoded {
			if s := decodeRun(v[i:j]); s != "" {
				out = append(out, s)
			}
		}
		i = j + 1
	}
	if s := spacedHex(v); s != "" {
		out = append(out, s)
	}
	return out
}

func base64Byte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '+' || b == '/' || b == '-' || b == '_'
}

func decodeRun(run string) string {
	if len(run)%2 == 0 {
		if b, err := hex.DecodeString(run); err == nil {
			return readable(b)
		}
	}
	// A run may start in the middle of a path: "/" and "-" are base64 characters too. Only whole
	// runs, and what follows the last such character, are tried.
	for _, r := range []string{run, run[strings.LastIndexAny(run, "/-_+")+1:]} {
		if len(r) < minEncoded {
			continue
		}
		r = strings.NewReplacer("-", "+", "_", "/").Replace(r)
		r = r[:len(r)-boolInt(len(r)%4 == 1)]
		if b, err := base64.RawStdEncoding.DecodeString(r); err == nil {
			if s := readable(b); s != "" {
				return s
			}
		}
	}
	return ""
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// spacedHex decodes a value written as "69 67 6e 6f ..." or "69:67:6e:...".
func spacedHex(v string) string {
	if len(v) < 3*minEncoded || len(v) < 3 || (v[2] != ' ' && v[2] != ':' && v[2] != ',') {
		return ""
	}
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "", ",", "").Replace(v))
	if err != nil {
		return ""
	}
	return readable(b)
}

// readable returns bytes as text if they are text in UTF-8 or UTF-16, else "".
func readable(b []byte) string {
	if s := utf16Text(b); s != "" {
		return s
	}
	if !utf8.Valid(b) {
		return foreignUTF16(b)
	}
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return foreignUTF16(b)
		}
	}
	return string(b)
}

// utf16Text decodes little-endian UTF-16 of mostly ASCII text, PowerShell's habit.
func utf16Text(b []byte) string {
	if len(b) < 2*minEncoded || len(b)%2 != 0 {
		return ""
	}
	zeros := 0
	for i := 0; i < len(b); i += 2 {
		if b[i+1] == 0 && b[i] >= ' ' {
			zeros++
		}
	}
	if zeros < len(b)/2*3/4 {
		return ""
	}
	return decodeUTF16(b)
}

func decodeUTF16(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
	}
	return string(utf16.Decode(units))
}

// foreignScripts are those in which somebody might write an order in UTF-16. Arbitrary bytes spread
// over many of them; a text keeps to one.
var foreignScripts = [][]*unicode.RangeTable{
	{unicode.Cyrillic}, {unicode.Arabic}, {unicode.Hebrew}, {unicode.Greek}, {unicode.Hangul}, {unicode.Thai}, {unicode.Devanagari},
	{unicode.Han, unicode.Hiragana, unicode.Katakana},
}

// foreignUTF16 decodes little-endian UTF-16 in another script than Latin.
func foreignUTF16(b []byte) string {
	if len(b) < minEncoded || len(b)%2 != 0 {
		return ""
	}
	text := decodeUTF16(b)
	letters := 0
	count := make([]int, len(foreignScripts))
	for _, r := range text {
		if r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return ""
		}
		if !unicode.IsLetter(r) {
			continue
		}
		letters++
		for i, script := range foreignScripts {
			if unicode.In(r, script...) {
				count[i]++
			}
		}
	}
	if letters == 0 || slices.Max(count)*10 < letters*9 {
		return ""
	}
	return text
}
