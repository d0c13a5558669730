package rules

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Widths beyond which what was written on several lines stays on several.
const (
	flowWidth = 120
	textWidth = 100
)

// layouter writes pieces in canonical form.
type layouter struct {
	*source
	out  strings.Builder
	fits map[string]bool // texts that were tried without quotes
}

// keyOrder returns the order of the keys below a piece, nil where the author's counts.
func keyOrder(p *piece) []string {
	switch p.path() {
	case "rules/-":
		return ruleKeys
	case "escalate/-":
		return entryKeys
	case "rules/-/tests/-", "escalate/-/tests/-":
		return testKeys
	case "rules/-/window":
		return windowKeys
	}
	return nil
}

// path names where a piece stands.
func (p *piece) path() string {
	if p.parent == nil {
		return ""
	}
	name := "-"
	if p.key != nil {
		name = p.key.Value
	}
	return strings.TrimPrefix(p.parent.path()+"/"+name, "/")
}

// sort puts keys into their order.
func (w *layouter) sort(p *piece) {
	if order := keyOrder(p); order != nil {
		slices.SortStableFunc(p.kids, func(a, b *piece) int {
			return slices.Index(order, a.key.Value) - slices.Index(order, b.key.Value)
		})
	}
	for _, kid := range p.kids {
		if keyOrder(p) != nil && len(kid.head) == 0 {
			kid.gap = false // what follows each other is said by the order
		}
		w.sort(kid)
	}
}

// kids writes what is in a block collection.
func (w *layouter) kids(p *piece, indent int) {
	apart := p.path() == "rules" || p.path() == "escalate"
	for i, kid := range p.kids {
		w.hoist(kid, indent)
		first := w.comments(kid.head, indent, i == 0, apart)
		if kid.gap && !first || apart && i > 0 && len(kid.head) == 0 {
			w.out.WriteByte('\n')
		}
		w.out.WriteString(strings.Repeat(" ", indent))
		if kid.key != nil {
			w.pair(kid, indent)
		} else {
			w.item(kid, indent)
		}
	}
	w.comments(p.foot, indent, false, false)
}

// comments writes comments on lines of their own. It reports whether what comes next is the first in
// its block. A block does not begin with an empty line; rules are apart from each other.
func (w *layouter) comments(list []comment, indent int, first, apart bool) bool {
	for _, c := range list {
		if c.gap && !first || apart && !first {
			w.out.WriteByte('\n')
		}
		first, apart = false, false
		w.out.WriteString(strings.Repeat(" ", indent) + c.text + "\n")
	}
	return first
}

// hoist takes comments that have no room behind a piece to above it.
func (w *layouter) hoist(p *piece, indent int) {
	room := 1
	if p.key == nil && p.collection() && !w.inBrackets(p, indent) {
		room = 0
		if inner := p.kids[0]; inner.key != nil {
			w.hoist(inner, indent+2)
			p.head, inner.head = append(p.head, inner.head...), nil
		}
	}
	for len(p.line) > room {
		last := len(p.line) - 1
		c := p.line[last]
		c.gap = false
		p.head, p.line = append(p.head, c), p.line[:last]
	}
}

func (w *layouter) endLine(p *piece) {
	for _, c := range p.line {
		w.out.WriteString(" " + c.text)
	}
	w.out.WriteByte('\n')
}

func (w *layouter) pair(p *piece, indent int) {
	key := w.quoted(p.key, "", ": x")
	w.out.WriteString(key + ":")
	switch {
	case !p.collection():
		w.scalar(p, indent, indent+len(key)+2)
	case w.inBrackets(p, indent):
		w.out.WriteString(" " + w.flow(p))
		w.endLine(p)
	default:
		w.endLine(p)
		w.kids(p, indent+2)
	}
}

func (w *layouter) item(p *piece, indent int) {
	w.out.WriteByte('-')
	switch {
	case !p.collection():
		w.scalar(p, indent, indent+2)
	case w.inBrackets(p, indent):
		w.out.WriteString(" " + w.flow(p))
		w.endLine(p)
	case p.kids[0].key == nil: // a list in a list
		w.out.WriteByte('\n')
		w.kids(p, indent+2)
	default:
		w.out.WriteByte(' ')
		w.pair(p.kids[0], indent+2)
		rest := *p
		rest.kids = p.kids[1:]
		w.rest(&rest, indent+2)
	}
}

// rest writes the pairs of an item after the first.
func (w *layouter) rest(p *piece, indent int) {
	for _, kid := range p.kids {
		w.hoist(kid, indent)
		w.comments(kid.head, indent, false, false)
		if kid.gap {
			w.out.WriteByte('\n')
		}
		w.out.WriteString(strings.Repeat(" ", indent))
		w.pair(kid, indent)
	}
	w.comments(p.foot, indent, false, false)
}

// inBrackets reports whether a collection is written on one line. What its author has written on
// one stays there.
func (w *layouter) inBrackets(p *piece, indent int) bool {
	if len(p.kids) == 0 {
		return true
	}
	if !p.flow {
		return false
	}
	width := indent + 2 + len([]rune(w.flow(p)))
	if p.key != nil {
		width += len([]rune(p.key.Value))
	}
	return width <= flowWidth || w.lastLine(p) == p.value.Line
}

// lastLine is the line on which the last value of a piece begins.
func (w *layouter) lastLine(p *piece) int {
	last := p.value.Line
	if end, ok := w.ends[p.value]; ok {
		last = w.line(end-1) + 1
	}
	for _, kid := range p.kids {
		last = max(last, w.lastLine(kid))
	}
	return last
}

// flow writes a value in brackets.
func (w *layouter) flow(p *piece) string {
	if !p.collection() {
		return w.quoted(p.value, "[", "]")
	}
	var pieces []string
	for _, kid := range p.kids {
		text := w.flow(kid)
		if kid.key != nil {
			text = w.quoted(kid.key, "{", ": x}") + ": " + text
		}
		pieces = append(pieces, text)
	}
	if p.value.Kind == yaml.SequenceNode {
		return "[" + strings.Join(pieces, ", ") + "]"
	}
	return "{" + strings.Join(pieces, ", ") + "}"
}

// scalar writes the value of a piece behind its key or dash, at a column from 0, and ends the line.
func (w *layouter) scalar(p *piece, indent, column int) {
	n := p.value
	const block = yaml.LiteralStyle | yaml.FoldedStyle
	lines := w.blockText(n, textWidth-indent-2)
	around := "k: "
	if p.key == nil {
		around = "- "
	}
	one := w.quoted(n, around, "")
	broken := w.line(max(w.ends[n]-1, 0)) > n.Line-1 && column+len([]rune(one)) > textWidth
	if lines == nil || n.Style&block == 0 && !broken && !strings.Contains(n.Value, "\n") {
		w.out.WriteString(" " + one)
		w.endLine(p)
		return
	}
	w.out.WriteString(" " + lines[0])
	w.endLine(p)
	for _, line := range lines[1:] {
		if line != "" {
			w.out.WriteString(strings.Repeat(" ", indent+2) + line)
		}
		w.out.WriteByte('\n')
	}
}

// blockText returns the indicator and the lines of a value as a block, nil where that would not
// bring the value back.
func (w *layouter) blockText(n *yaml.Node, width int) []string {
	value := strings.TrimRight(n.Value, "\n")
	chomp := "-"
	switch len(n.Value) - len(value) {
	case 0:
	case 1:
		chomp = ""
	default:
		return nil
	}
	if value == "" || strings.HasPrefix(value, " ") || strings.HasPrefix(value, "\n") || strings.ContainsFunc(value, unprintable) {
		return nil
	}
	switch {
	case n.Style&yaml.LiteralStyle != 0, n.Style&yaml.FoldedStyle == 0 && strings.Contains(value, "\n"):
		return append([]string{"|" + chomp}, strings.Split(value, "\n")...)
	case n.Style&yaml.FoldedStyle != 0:
		lines := w.blockLines(n, w.offset(n))
		for len(lines) > 0 && strings.Trim(lines[len(lines)-1], " ") == "" {
			lines = lines[:len(lines)-1]
		}
		return append([]string{">" + chomp}, lines...)
	}
	return append([]string{">" + chomp}, wrap(value, width)...)
}

func unprintable(r rune) bool { return r != '\n' && r != ' ' && !unicode.IsPrint(r) }

// wrap breaks a text at single blanks, before && and || where there are some.
func wrap(text string, width int) (lines []string) {
	var clauses []string
	for word := range strings.SplitSeq(text, " ") {
		if last := len(clauses) - 1; last >= 0 && word != "&&" && word != "||" {
			clauses[last] += " " + word
		} else {
			clauses = append(clauses, word)
		}
	}
	for _, line := range fill(clauses, width) {
		lines = append(lines, fill(strings.Split(line, " "), width)...)
	}
	return lines
}

// fill joins words with blanks to lines that are as long as the width lets them. A line neither
// begins nor ends with a blank.
func fill(words []string, width int) (lines []string) {
	line := words[0]
	for i, word := range words[1:] {
		blank := word == "" || strings.HasPrefix(word, " ") || words[i] == "" || strings.HasSuffix(line, " ")
		if blank || len([]rune(line))+1+len([]rune(word)) <= width {
			line += " " + word
			continue
		}
		lines = append(lines, line)
		line = word
	}
	return append(lines, line)
}

// oldWords are texts that older readers of YAML take for something else.
var oldWords = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)$`)

// quoted writes a scalar on one line between before and after, in quotes only where it would be
// something else without.
func (w *layouter) quoted(n *yaml.Node, before, after string) string {
	switch {
	case n.Tag == "!!null":
		return "null"
	case n.Tag != "!!str":
		return n.Value
	case !oldWords.MatchString(n.Value) && w.readsBack(n.Value, before, after):
		return n.Value
	case strings.ContainsFunc(n.Value, unprintable) || strings.Contains(n.Value, "\n"):
		return strconv.Quote(n.Value)
	case strings.ContainsAny(n.Value, `"\`):
		return "'" + strings.ReplaceAll(n.Value, "'", "''") + "'"
	}
	return `"` + n.Value + `"`
}

// readsBack reports whether a text without quotes is the same text when it is read.
func (w *layouter) readsBack(value, before, after string) bool {
	text := before + value + after
	ok, known := w.fits[text]
	if !known {
		ok = !strings.ContainsFunc(value, unprintable) && !strings.Contains(value, "\n") && readsBack(text, value)
		w.fits[text] = ok
	}
	return ok
}

func readsBack(text, value string) bool {
	root, err := decodeYAML([]byte(text + "\n"))
	if err != nil {
		return false
	}
	n := root
	switch {
	case root.Kind == yaml.SequenceNode && len(root.Content) == 1:
		n = root.Content[0]
	case root.Kind == yaml.MappingNode && len(root.Content) == 2:
		if n = root.Content[0]; n.Value != value {
			n = root.Content[1]
		}
	}
	for _, c := range []*yaml.Node{root, n} {
		if c.HeadComment+c.LineComment+c.FootComment != "" {
			return false
		}
	}
	return n.Kind == yaml.ScalarNode && n.Style == 0 && n.Tag == "!!str" && n.Value == value && n.Anchor == ""
}
