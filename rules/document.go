package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxFileBytes bounds one rule file.
const maxFileBytes = 16 << 20

// document is one YAML file being read, and what is wrong with it.
type document struct {
	file string
	data []byte
	rule string // id of the rule being read
	errs []*Error

	lines  []string // made when first needed
	starts []int    // of the lines, in bytes; likewise
}

// parse returns the top mapping's pairs. Aliases are refused: a few lines of them can stand for
// billions of values.
func (d *document) parse() (*yaml.Node, bool) {
	if !utf8.Valid(d.data) {
		d.errs = append(d.errs, &Error{File: d.file, Message: "not UTF-8 text"})
		return nil, false
	}
	root, err := decodeYAML(d.data)
	if errors.Is(err, io.EOF) {
		d.errs = append(d.errs, &Error{File: d.file, Message: "the file is empty"})
		return nil, false
	}
	if err != nil {
		d.errs = append(d.errs, yamlError(d.file, err))
		return nil, false
	}
	return root, d.plain(root)
}

// decodeYAML reads the one document of a file.
func decodeYAML(data []byte) (root *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		if err == nil {
			err = fmt.Errorf("yaml: line %d: a second document begins (keep one a file)", more.Line)
		}
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, io.EOF
	}
	return doc.Content[0], nil
}

// yamlError takes the line out of "yaml: line 3: ...".
func yamlError(file string, err error) *Error {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(msg, "line "); ok {
		if num, text, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(num); err == nil {
				return &Error{File: file, Line: line, Column: 1, Message: text}
			}
		}
	}
	return &Error{File: file, Message: msg}
}

// plain refuses aliases, anchors and tags anywhere in the file.
func (d *document) plain(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.fail(n, "write the value out", "aliases and anchors are not read")
		return false
	}
	if n.Style&yaml.TaggedStyle != 0 {
		d.fail(n, "leave the tag out", "tags are not read")
		return false
	}
	for _, kid := range n.Content {
		if !d.plain(kid) {
			return false
		}
	}
	return true
}

// fail adds an error at a node.
func (d *document) fail(n *yaml.Node, hint, format string, args ...any) {
	d.failAt(n.Line, n.Column, hint, fmt.Sprintf(format, args...))
}

func (d *document) failAt(line, column int, hint, msg string) {
	d.errs = append(d.errs, &Error{File: d.file, Line: line, Column: column, Rule: d.rule, Message: msg, Hint: hint, Source: d.line(line)})
}

// line returns a line of the file, counted from 1.
func (d *document) line(n int) string {
	if lines := d.split(); 0 < n && n <= len(lines) {
		return strings.TrimRight(lines[n-1], "\r\n")
	}
	return ""
}

// split returns the lines of the file with their ends.
func (d *document) split() []string {
	if d.lines == nil {
		d.lines = strings.SplitAfter(string(d.data), "\n")
	}
	return d.lines
}

// pair is a key of a mapping and its value.
type pair struct{ key, value *yaml.Node }

// mapping returns the pairs of a mapping with known keys, each at most once.
func (d *document) mapping(n *yaml.Node, what string, known []string) (pairs []pair, ok bool) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, "", "%s must be a mapping of keys to values", what)
		return nil, false
	}
	ok = true
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		p := pair{n.Content[i], n.Content[i+1]}
		switch {
		case p.key.Kind != yaml.ScalarNode:
			d.fail(p.key, "", "a key must be a word")
			ok = false
		case seen[p.key.Value]:
			d.fail(p.key, "keep one", "key %q is there twice in %s", p.key.Value, what)
			ok = false
		case known != nil && !slices.Contains(known, p.key.Value):
			hint := didYouMean(nearest(p.key.Value, slices.Values(known)))
			d.fail(p.key, hint, "unknown key %q in %s", p.key.Value, what)
			ok = false
		default:
			pairs = append(pairs, p)
			seen[p.key.Value] = true
		}
	}
	return pairs, ok
}

// text returns the text of a scalar.
func (d *document) text(p pair) (string, bool) {
	if p.value.Kind != yaml.ScalarNode || p.value.Tag == "!!null" {
		d.fail(p.value, "", "%s must be a text", p.key.Value)
		return "", false
	}
	return p.value.Value, true
}

// texts returns a text or a list of texts.
func (d *document) texts(p pair) ([]string, bool) {
	if p.value.Kind != yaml.SequenceNode {
		one, ok := d.text(p)
		return []string{one}, ok
	}
	var out []string
	for _, n := range p.value.Content {
		one, ok := d.text(pair{p.key, n})
		if !ok {
			return nil, false
		}
		out = append(out, one)
	}
	return out, true
}

// flag returns true or false; anything else is an error and false.
func (d *document) flag(p pair) bool {
	if p.value.Kind == yaml.ScalarNode && (p.value.Value == "true" || p.value.Value == "false") {
		return p.value.Value == "true"
	}
	d.fail(p.value, "", "%s must be true or false", p.key.Value)
	return false
}

// sequence returns the items of a list.
func (d *document) sequence(n *yaml.Node, what string) ([]*yaml.Node, bool) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "", "%s must be a list", what)
		return nil, false
	}
	return n.Content, true
}
