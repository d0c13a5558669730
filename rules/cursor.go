package rules

import (
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// locate returns the place in the file of the character at an offset of a scalar's value. It walks
// text and file together; white space and escapes may differ between the two, the rest does not.
func (d *document) locate(n *yaml.Node, offset int) (line, column int) {
	src := d.cursor(n.Line, n.Column)
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		src.skipLine()
	}
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		src.step()
	}
	value := []rune(n.Value)
	for i, r := range value {
		if unicode.IsSpace(r) && i < offset {
			continue
		}
		src.seek(r)
		if i >= offset {
			break
		}
		src.step()
	}
	if src.ended() {
		return n.Line, n.Column
	}
	return src.line, src.column
}

// cursor is a place in a text, in characters.
type cursor struct {
	rest         []byte
	line, column int
}

// cursor returns a cursor at a place of the file.
func (d *document) cursor(line, column int) *cursor {
	if d.starts == nil {
		d.starts = []int{0}
		for _, text := range d.split() {
			d.starts = append(d.starts, d.starts[len(d.starts)-1]+len(text))
		}
	}
	before := d.starts[min(max(line-1, 0), len(d.split()))]
	c := &cursor{rest: d.data[before:], line: line, column: 1}
	for !c.ended() && c.line == line && c.column < column {
		c.step()
	}
	return c
}

func (c *cursor) ended() bool { return len(c.rest) == 0 }

func (c *cursor) step() {
	r, size := utf8.DecodeRune(c.rest)
	c.rest = c.rest[size:]
	c.column++
	if r == '\n' {
		c.line, c.column = c.line+1, 1
	}
}

func (c *cursor) skipLine() {
	for line := c.line; !c.ended() && c.line == line; {
		c.step()
	}
}

// seek goes to the next r.
func (c *cursor) seek(r rune) {
	for !c.ended() {
		if got, _ := utf8.DecodeRune(c.rest); got == r {
			return
		}
		c.step()
	}
}
