package conf

import (
	"fmt"
	"slices"
	"strings"
)

// Error is one thing wrong with a .conf file.
type Error struct {
	At      Value // where; Text is the offending value
	Stanza  string
	Key     string
	Message string
}

// Error names file, line, stanza and key, then what is wrong and what would be right.
func (e *Error) Error() string {
	place := e.At.String()
	if e.Stanza != "" {
		place += fmt.Sprintf(": [%s]", e.Stanza)
	}
	if e.Key != "" {
		place += " " + e.Key
	}
	return place + ": " + e.Message
}

// nearest returns ` (did you mean "x"?)` for the candidate that a typing error leads to, or else
// the whole list when it is short enough to read.
func nearest(name string, candidates []string) string {
	best, distance := "", 1+len(name)/3
	for _, c := range candidates {
		if d := edits(strings.ToLower(name), c); d <= distance && (best == "" || d < distance) {
			best, distance = c, d
		}
	}
	if best != "" {
		return fmt.Sprintf(" (did you mean %q?)", best)
	}
	known := slices.Sorted(slices.Values(candidates))
	return fmt.Sprintf(" (known: %s)", strings.Join(known, ", "))
}

// edits is the Levenshtein distance in bytes. Names longer than 64 bytes count as far apart.
func edits(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
