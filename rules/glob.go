package rules

import "unicode/utf8"

// matchGlob reports whether the whole of text fits pattern: * is any run of characters, ? is one
// character, and a backslash takes the next character as it is. Upper and lower case differ.
func matchGlob(pattern, text string) bool {
	p, t := 0, 0
	star, mark := -1, 0
	for t < len(text) {
		if p < len(pattern) && pattern[p] == '*' {
			star, mark = p, t
			p++
			continue
		}
		if np, nt, ok := globStep(pattern, p, text, t); ok {
			p, t = np, nt
			continue
		}
		if star < 0 {
			return false
		}
		_, size := utf8.DecodeRuneInString(text[mark:])
		mark += size
		p, t = star+1, mark
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// globStep matches one character of text against one element of the pattern.
func globStep(pattern string, p int, text string, t int) (np, nt int, ok bool) {
	if p >= len(pattern) {
		return p, t, false
	}
	tr, ts := utf8.DecodeRuneInString(text[t:])
	switch pattern[p] {
	case '?':
		return p + 1, t + ts, true
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	pr, ps := utf8.DecodeRuneInString(pattern[p:])
	// Broken UTF-8 decodes to the same character whatever the bytes are: compare the bytes.
	return p + ps, t + ts, pr == tr && pattern[p:p+ps] == text[t:t+ts]
}

// isGlob reports whether a pattern holds anything but plain characters.
func isGlob(pattern string) bool {
	for i := range len(pattern) {
		switch pattern[i] {
		case '*', '?', '\\':
			return true
		}
	}
	return false
}
