package redact

import "unicode/utf8"

// names is the dictionary of one view: texts that the alert's fields tell to be names, and what stands for
// them. It finds all of them in one pass over a text (Aho and Corasick), whatever their case.
type names struct {
	entries []name
	index   map[string]int  // folded text to entry
	short   map[string]kind // too short, or too much of a number, to be looked for in text: they count as whole texts
	nodes   []node
	edges   map[uint64]int32 // node and byte to node
	root    [256]int32
	built   bool
}

type name struct {
	kind kind
	text string // folded
}

type node struct {
	fail, output int32 // output: the nearest node down the fails that ends a name, 0 for none
	entry        int32 // 1 and the entry's place, 0 for none
}

func newNames() *names { return &names{index: map[string]int{}, short: map[string]kind{}} }

// Limits of the dictionary. Shorter names would be found in everything, longer ones are not names.
const (
	minName  = 3
	maxName  = 128
	wordName = 6 // names of fewer characters count as whole words only
)

// add learns a name. The first to claim a text keeps it.
func (n *names) add(k kind, text string) {
	folded := fold(text)
	if len(folded) > maxName || common(folded) {
		return
	}
	if len(folded) < minName || digitsOnly(folded) && len(folded) <= wordName {
		if _, ok := n.short[folded]; !ok {
			n.short[folded] = k
		}
		return
	}
	if _, ok := n.index[folded]; ok {
		return
	}
	n.index[folded] = len(n.entries)
	n.entries = append(n.entries, name{kind: k, text: folded})
	n.built = false
}

func (n *names) edge(from int32, b byte) int32 {
	if from == 0 {
		return n.root[b]
	}
	return n.edges[uint64(from)<<8|uint64(b)]
}

// build makes the trie, and then links each node to the longest text that ends like it.
func (n *names) build() {
	n.built = true
	n.nodes, n.edges, n.root = []node{{}}, map[uint64]int32{}, [256]int32{}
	type step struct {
		parent, node int32
		b            byte
	}
	levels := [][]step{}
	for i, e := range n.entries {
		at := int32(0)
		for depth := range len(e.text) {
			b := e.text[depth]
			next := n.edge(at, b)
			if next == 0 {
				next = int32(len(n.nodes)) //nolint:gosec // an alert's text is far below 2 GiB
				n.nodes = append(n.nodes, node{})
				if at == 0 {
					n.root[b] = next
				} else {
					n.edges[uint64(at)<<8|uint64(b)] = next //nolint:gosec // places are not negative
				}
				if depth == len(levels) {
					levels = append(levels, nil)
				}
				levels[depth] = append(levels[depth], step{at, next, b})
			}
			at = next
		}
		n.nodes[at].entry = int32(i) + 1 //nolint:gosec // as above
	}
	for depth, level := range levels {
		for _, s := range level {
			if depth > 0 {
				n.nodes[s.node].fail = n.next(n.nodes[s.parent].fail, s.b)
			}
			if fail := n.nodes[s.node].fail; n.nodes[fail].entry > 0 {
				n.nodes[s.node].output = fail
			} else {
				n.nodes[s.node].output = n.nodes[fail].output
			}
		}
	}
}

// next is where a byte leads, by way of the fails.
func (n *names) next(at int32, b byte) int32 {
	for {
		if to := n.edge(at, b); to != 0 || at == 0 {
			return to
		}
		at = n.nodes[at].fail
	}
}

// find calls found with every place of a name in a folded text. Names within names are found too.
func (n *names) find(folded string, found func(from, to int, k kind)) {
	if k, ok := n.short[folded]; ok {
		found(0, len(folded), k)
	}
	if len(n.entries) == 0 {
		return
	}
	if !n.built {
		n.build()
	}
	at := int32(0)
	for i := range len(folded) {
		at = n.next(at, folded[i])
		hit := at
		if n.nodes[hit].entry == 0 {
			hit = n.nodes[hit].output
		}
		for ; hit != 0; hit = n.nodes[hit].output {
			e := n.entries[n.nodes[hit].entry-1]
			from, to := i+1-len(e.text), i+1
			if len(e.text) >= wordName || wholeWord(folded, from, to) {
				found(from, to, e.kind)
			}
		}
	}
}

// wholeWord reports whether no letter or digit stands on either side. An escaped byte (%5C) is no letter.
func wholeWord(s string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:from])
	after, _ := utf8.DecodeRuneInString(s[to:])
	escaped := from >= 3 && s[from-3] == '%' && isHex(s[from-2]) && isHex(s[from-1])
	return (!wordRune(before) || escaped) && !wordRune(after)
}
