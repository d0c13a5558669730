package picture

import (
	"fmt"
	"strings"
	"unicode"
)

// maxText is how many bytes of a text are looked at: more than any picture has room for.
const maxText = 1500

// shown makes text that others wrote fit for a picture: one line, with characters that steer a terminal or turn
// the direction of text as what they are.
func shown(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(s), " ") {
		if steers(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func steers(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) || r == unicode.ReplacementChar
}

// cut shortens text to n characters.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) > n {
		return strings.TrimRight(string(r[:n-1]), " ") + "…"
	}
	return s
}
