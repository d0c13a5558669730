package rules

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// piece is a pair of a mapping or an item of a list, with the comments that belong to it.
type piece struct {
	key    *yaml.Node // of a pair, else nil
	value  *yaml.Node
	parent *piece
	kids   []*piece

	start  int  // offset of the key, or of the item
	column int  // at which it is indented
	depth  int  // collections in brackets or braces around it
	flow   bool // its value is a collection in brackets or braces
	gap    bool // an empty line is above it

	head []comment // above it
	line []comment // behind it
	foot []comment // below the last of its kids
}

func (p *piece) collection() bool { return p.value.Kind != yaml.ScalarNode }

// tree returns the pieces of the file; the root is a piece without a place.
func (s *source) tree() *piece {
	root := &piece{value: s.root, start: -1}
	s.grow(root)
	return root
}

func (s *source) grow(p *piece) {
	n := p.value
	p.flow = p.collection() && (n.Style&yaml.FlowStyle != 0 || len(n.Content) == 0)
	add := func(key, value, first *yaml.Node, column int) {
		kid := &piece{key: key, value: value, parent: p, start: s.offset(first), column: column, depth: p.depth}
		kid.gap = s.gapAbove(min(kid.start, len(s.text)))
		if p.flow {
			kid.depth++
		}
		p.kids = append(p.kids, kid)
		s.grow(kid)
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			add(n.Content[i], n.Content[i+1], n.Content[i], n.Content[i].Column)
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			add(nil, item, item, n.Column)
		}
	}
}

// anchor is a place in the text that belongs to a piece.
type anchorPlace struct {
	at    int
	piece *piece
}

// anchors returns the places of pieces and of their values, in the order of the text.
func (s *source) anchors(p *piece, out []anchorPlace) []anchorPlace {
	for _, kid := range p.kids {
		out = append(out, anchorPlace{kid.start, kid})
		if kid.key != nil && !kid.collection() {
			out = append(out, anchorPlace{s.offset(kid.value), kid})
		}
		out = s.anchors(kid, out)
	}
	return out
}

// attach gives every comment to a piece.
func (s *source) attach(root *piece, comments []comment) {
	places := s.anchors(root, nil)
	slices.SortStableFunc(places, func(a, b anchorPlace) int { return a.at - b.at })
	for _, c := range comments {
		i := slices.IndexFunc(places, func(a anchorPlace) bool { return a.at > c.at })
		if i < 0 {
			i = len(places)
		}
		var before, after *piece
		if i > 0 {
			before = places[i-1].piece
		}
		if i < len(places) {
			after = places[i].piece
		}
		switch {
		case !c.own && before != nil:
			p := before.above(c.depth)
			p.line = append(p.line, c)
			p.unfold()
		case c.depth > 0:
			attachInside(before, after, c)
		default:
			attachAbove(root, before, after, c)
		}
	}
}

// above returns the piece around p that lies in at most so many brackets.
func (p *piece) above(depth int) *piece {
	for p.depth > depth {
		p = p.parent
	}
	return p
}

// unfold writes the collections around a piece, which has a comment, without brackets.
func (p *piece) unfold() {
	for up := p.parent; up != nil; up = up.parent {
		up.flow = false
	}
}

// attachInside gives away a comment on a line of its own within brackets.
func attachInside(before, after *piece, c comment) {
	switch {
	case after != nil && after.depth >= c.depth:
		after.head = append(after.head, c)
		after.unfold()
	case before.depth < c.depth: // in brackets that hold nothing
		before.line = append(before.line, c)
		before.unfold()
	default:
		p := before.above(c.depth)
		p.parent.foot = append(p.parent.foot, c)
		p.unfold()
	}
}

// attachAbove gives away a comment on a line of its own. It belongs to what comes next, unless it is
// indented like what came before and what comes next is not.
func attachAbove(root, before, after *piece, c comment) {
	var p *piece
	if before != nil {
		p = before.above(0)
	}
	for p != nil && p != root && p.column > c.column {
		p = p.parent
	}
	switch {
	case p != nil && p != root && (after == nil || p.column > after.column):
		p.parent.foot = append(p.parent.foot, c)
	case after != nil:
		after.head = append(after.head, c)
	default:
		root.foot = append(root.foot, c)
	}
}
