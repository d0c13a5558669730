package rules

import (
	"iter"
	"strings"
)

// nearest returns the name that a typing slip of word most likely meant, or "" when none is near:
// at most one slip in a short word, two in a longer one.
func nearest(word string, names iter.Seq[string]) string {
	limit := 1
	if len(word) > 5 {
		limit = 2
	}
	best, bestDist := "", limit+1
	for name := range names {
		if abs(len(name)-len(word)) > limit || len(name) < 2 {
			continue
		}
		d := slips(strings.ToLower(word), strings.ToLower(name))
		if d < bestDist || d == bestDist && name < best && best != "" {
			best, bestDist = name, d
		}
	}
	return best
}

// slips counts the letters to add, drop, replace or swap with a neighbour to turn a into b.
func slips(a, b string) int {
	before, prev := make([]int, len(b)+1), make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, prev[j]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// didYouMean words a suggestion, or returns "".
func didYouMean(name string) string {
	if name == "" {
		return ""
	}
	return `did you mean "` + name + `"?`
}
