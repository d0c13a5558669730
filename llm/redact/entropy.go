package redact

import (
	"math"
	"strings"
)

// Bounds of a value that is taken for a key because it looks random. Hashes and ids are of hexadecimal digits,
// and are what analysts look up: they stay.
const (
	minRandom  = 20
	maxRandom  = 512
	minEntropy = 3.6 // bits of a character
)

func keyByte(b byte) bool { return isAlnum(b) || strings.IndexByte("+/_-=.~", b) >= 0 }

// randomSpans finds values of assignments that look random.
func randomSpans(list []span, s, folded string) []span {
	for i := 0; i < len(s); {
		if s[i] != '=' && s[i] != ':' {
			i++
			continue
		}
		from := i + 1
		for from < len(s) && from < i+4 && strings.IndexByte(` "'\>=`, s[from]) >= 0 {
			from++
		}
		to := from
		for to < len(s) && keyByte(s[to]) {
			to++
		}
		name := nameBefore(folded, i)
		if s[i] == ':' && from == i+1 {
			name = "" // Recon:EC2/PortProbe, arn:aws:...: parts of one name, not an assignment
		}
		if to-from >= minRandom && to-from <= maxRandom && name != "" && !digitsOnly(name) && !encodedName(name) && looksRandom(s[from:to]) {
			list = append(list, span{from: from, to: to, kind: kindSecret, secret: "random"})
		}
		i = max(to, i+1)
		if to > from && to < len(s) && s[to] != '=' && s[to] != ':' {
			continue
		}
		if to > from && strings.IndexByte(s[from:to], '=') >= 0 && to-from < minRandom {
			i = from // a=b=... : what follows the next sign is a value of its own
		}
	}
	return list
}

// nameBefore returns the word that a value is assigned to.
func nameBefore(s string, i int) string {
	for i > 0 && strings.IndexByte(` "'\`, s[i-1]) >= 0 {
		i--
	}
	from := i
	for from > 0 && i-from < 40 && (isAlnum(s[from-1]) || s[from-1] == '_' || s[from-1] == '-') {
		from--
	}
	return s[from:i]
}

// encodedName reports whether a name says that its value is code to be read, not a key.
func encodedName(name string) bool {
	name = strings.TrimLeft(name, "-/")
	return strings.HasPrefix(name, "enc") || name == "e" || name == "ec" || strings.Contains(name, "path") ||
		strings.Contains(name, "hash") || strings.Contains(name, "url") || name == "http" || name == "https" || name == "arn" || name == "file"
}

// looksRandom asks for small and capital letters and digits, few dots and slashes, and a high entropy.
func looksRandom(s string) bool {
	var count [256]int
	var lower, upper, digit, mark int
	hexOnly := true
	for i := range len(s) {
		b := s[i]
		count[b]++
		switch {
		case isDigit(b):
			digit++
		case b >= 'a' && b <= 'z':
			lower++
		case b >= 'A' && b <= 'Z':
			upper++
		case b == '.' || b == '-' || b == '/' || b == '_':
			mark++
		}
		hexOnly = hexOnly && (isHex(b) || b == '-')
	}
	if hexOnly || lower < 2 || upper < 2 || digit < 1 || mark*6 > len(s) {
		return false
	}
	entropy, n := 0.0, float64(len(s))
	for _, c := range count {
		if c > 0 {
			p := float64(c) / n
			entropy -= p * math.Log2(p)
		}
	}
	return entropy >= minEntropy
}
