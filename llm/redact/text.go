package redact

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// fold makes a text lower case without moving any of its bytes.
func fold(s string) string {
	plain := true
	for i := range len(s) {
		if b := s[i]; b >= 'A' && b <= 'Z' || b >= utf8.RuneSelf {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	out := []byte(s)
	for i := 0; i < len(s); {
		if b := s[i]; b < utf8.RuneSelf {
			if b >= 'A' && b <= 'Z' {
				out[i] = b + 'a' - 'A'
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if lower := unicode.ToLower(r); r != utf8.RuneError && utf8.RuneLen(lower) == size {
			utf8.EncodeRune(out[i:], lower)
		}
		i += size
	}
	return string(out)
}

func wordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func isHex(b byte) bool {
	return isDigit(b) || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

func isLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }

func isAlnum(b byte) bool { return isDigit(b) || isLetter(b) }

// hostByte is part of a host's name. Bytes of other scripts are, so that no name ends in the middle of one.
func hostByte(b byte) bool { return isAlnum(b) || b == '-' || b == '_' || b >= utf8.RuneSelf }

func digitsOnly(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}
