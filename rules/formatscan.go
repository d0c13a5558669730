package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// source is the text of a YAML file with its nodes.
type source struct {
	text    []rune
	lines   []int // offsets at which lines begin
	root    *yaml.Node
	scalars map[int]*yaml.Node // with text of their own, by offset
	ends    map[*yaml.Node]int // offset after a scalar
}

// comment is a comment and where it stands.
type comment struct {
	text   string // from # on, without trailing blanks
	at     int
	column int  // from 1
	own    bool // nothing stands before it on its line
	depth  int  // brackets and braces around it
	gap    bool // an empty line is above it
}

var errBreaks = errors.New("the file has line breaks that are not \\n or \\r\\n")

// parseSource reads a text, and finds the comments in it.
func parseSource(text string) (*source, []comment, error) {
	if strings.ContainsAny(text, "\r\u0085\u2028\u2029\ufeff") {
		return nil, nil, errBreaks
	}
	root, err := decodeYAML([]byte(text))
	if err != nil {
		return nil, nil, err
	}
	s := &source{text: []rune(text), root: root, scalars: map[int]*yaml.Node{}, ends: map[*yaml.Node]int{}, lines: []int{0}}
	for i, r := range s.text {
		if r == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	s.index(root)
	comments, err := s.scan()
	return s, comments, err
}

// index notes the scalars that have a text. Of an empty one there is nothing to see.
func (s *source) index(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && (n.Value != "" || n.Style != 0) {
		s.scalars[s.offset(n)] = n
	}
	for _, kid := range n.Content {
		s.index(kid)
	}
}

func (s *source) offset(n *yaml.Node) int {
	if n.Line < 1 || n.Line > len(s.lines) {
		return len(s.text)
	}
	return s.lines[n.Line-1] + n.Column - 1
}

// line returns the number, from 0, of the line that an offset lies in.
func (s *source) line(at int) int {
	i, found := slices.BinarySearch(s.lines, at)
	if !found {
		i--
	}
	return i
}

// lineText returns a line without its break.
func (s *source) lineText(i int) string {
	if i < 0 || i >= len(s.lines) {
		return ""
	}
	end := len(s.text)
	if i+1 < len(s.lines) {
		end = s.lines[i+1] - 1
	}
	return string(s.text[s.lines[i]:end])
}

// gapAbove reports whether an empty line is above the line of an offset.
func (s *source) gapAbove(at int) bool {
	line := s.line(at)
	return line > 0 && strings.TrimSpace(s.lineText(line-1)) == ""
}

// scan goes through the text, stepping over scalars, so that every # and bracket it meets is one
// of YAML's.
func (s *source) scan() (out []comment, err error) {
	depth, met := 0, 0
	for i := 0; i < len(s.text); {
		if n := s.scalars[i]; n != nil {
			end, ok := s.end(n, i)
			if !ok {
				return nil, fmt.Errorf("line %d: cannot tell where the value ends", n.Line)
			}
			if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
				out = s.headerComment(out, i, depth)
			}
			s.ends[n], i = end, end
			met++
			continue
		}
		switch s.text[i] {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '#':
			c := s.comment(i, depth)
			out = append(out, c)
			i += len([]rune(s.restOfLine(i)))
			continue
		}
		i++
	}
	if met != len(s.scalars) {
		return nil, errors.New("cannot tell values from comments")
	}
	return out, nil
}

func (s *source) restOfLine(at int) string {
	line := s.line(at)
	return string([]rune(s.lineText(line))[at-s.lines[line]:])
}

func (s *source) comment(at, depth int) comment {
	line := s.line(at)
	before := string(s.text[s.lines[line]:at])
	return comment{
		text: strings.TrimRight(s.restOfLine(at), " \t"), at: at, column: at - s.lines[line] + 1,
		own: strings.Trim(before, " \t-") == "", depth: depth, gap: s.gapAbove(at),
	}
}

// headerComment finds the comment after the | or > of a block.
func (s *source) headerComment(out []comment, at, depth int) []comment {
	rest := []rune(s.restOfLine(at))
	for i := 1; i < len(rest); i++ {
		if rest[i] == '#' && (rest[i-1] == ' ' || rest[i-1] == '\t') {
			return append(out, s.comment(at+i, depth))
		}
	}
	return out
}

// end returns the offset after a scalar that begins at an offset.
func (s *source) end(n *yaml.Node, at int) (int, bool) {
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return s.quoteEnd(at, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		return s.quoteEnd(at, '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return s.blockEnd(n, at), true
	}
	return s.plainEnd(n.Value, at)
}

func (s *source) quoteEnd(at int, quote rune) (int, bool) {
	if s.text[at] != quote {
		return 0, false
	}
	for i := at + 1; i < len(s.text); i++ {
		switch {
		case quote == '"' && s.text[i] == '\\', quote == '\'' && s.text[i] == quote && i+1 < len(s.text) && s.text[i+1] == quote:
			i++
		case s.text[i] == quote:
			return i + 1, true
		}
	}
	return 0, false
}

// plainEnd follows the value through the text, where a blank may be any blanks and line breaks.
func (s *source) plainEnd(value string, at int) (int, bool) {
	blank := func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' }
	for _, r := range value {
		if blank(r) {
			for at < len(s.text) && blank(s.text[at]) {
				at++
			}
			continue
		}
		if at >= len(s.text) || s.text[at] != r {
			return 0, false
		}
		at++
	}
	return at, true
}

// blockEnd returns where a block of text ends: at the first line that is less indented.
func (s *source) blockEnd(n *yaml.Node, at int) int {
	lines := s.blockLines(n, at)
	next := s.line(at) + 1 + len(lines)
	if next >= len(s.lines) {
		return len(s.text)
	}
	return s.lines[next]
}

// blockLines returns the lines of a block of text without their indentation.
func (s *source) blockLines(n *yaml.Node, at int) (out []string) {
	indent := -1
	for i := s.line(at) + 1; i < len(s.lines); i++ {
		line := s.lineText(i)
		text := strings.TrimLeft(line, " ")
		if text == "" {
			if indent < 0 {
				line = ""
			}
			out = append(out, line[min(max(indent, 0), len(line)):])
			continue
		}
		if indent < 0 {
			indent = len(line) - len(text) - leadingBlanks(n.Value)
		}
		if len(line)-len(text) < indent || strings.Trim(n.Value, "\n ") == "" {
			break
		}
		out = append(out, line[indent:])
	}
	return out
}

// leadingBlanks counts the blanks before the first line that is not empty.
func leadingBlanks(value string) int {
	text := strings.TrimLeft(value, "\n")
	return len(text) - len(strings.TrimLeft(text, " "))
}
