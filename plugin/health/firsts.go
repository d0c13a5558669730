package health

import (
	"strings"
	"sync"
)

// Bounds of the label "search".
const (
	mostSearches = 20
	mostRunes    = 80
)

// other is the label of everything beyond a bound.
const other = "other"

// firsts lets the first names that come by be labels, and makes one of all others. Those that fire
// most come by first, and a label once given stays: a counter must not move. Safe for concurrent use.
type firsts struct {
	most int

	mu    sync.Mutex
	known map[string]string
}

func newFirsts(most int) *firsts { return &firsts{most: most, known: map[string]string{}} }

func (f *firsts) of(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if label, ok := f.known[name]; ok {
		return label
	}
	if len(f.known) >= f.most {
		return other
	}
	label := strings.ToValidUTF8(name, "?")
	if runes := []rune(label); len(runes) > mostRunes {
		label = string(runes[:mostRunes])
	}
	f.known[strings.Clone(name)] = label
	return label
}
