package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// sigmaRule is what is read of a Sigma rule.
type sigmaRule struct {
	file              string
	title, id, author string
	blocks            []sigmaBlock
	names             []string // of all blocks, the ones that are no filters too
	conditions        []string
	line              int // of the condition
}

// sigmaBlock is a filter of a Sigma rule.
type sigmaBlock struct {
	name string
	key  *yaml.Node
	node *yaml.Node
}

// Sigma imports the filter blocks of the Sigma rules of a file. A block becomes a rule when the
// condition cannot be true where the block is; several that exclude only together become one. It
// returns how many blocks there were.
func (im *Import) Sigma(file string, data []byte) (blocks int) {
	docs, err := decodeAll(data)
	if err != nil {
		im.refuse(origin{file, 1, "the file"}, refuseDetail("it is no YAML", "%v", err))
	}
	for _, doc := range docs {
		r, err := readSigma(file, doc)
		if err != nil {
			im.refuse(origin{file, doc.Line, "the rule"}, err)
			continue
		}
		blocks += len(r.blocks)
		if len(r.blocks) > 0 {
			im.sigmaRule(r)
		}
	}
	return blocks
}

func decodeAll(data []byte) (docs []*yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
			return docs, nil
		} else if err != nil {
			return docs, err
		}
		if len(doc.Content) == 1 {
			docs = append(docs, doc.Content[0])
		}
	}
}

// readSigma reads a document. One without a detection holds no blocks.
func readSigma(file string, doc *yaml.Node) (*sigmaRule, error) {
	r := &sigmaRule{file: file}
	top, err := entries(doc)
	if err != nil {
		return nil, err
	}
	for _, e := range top {
		text := e.value.Value
		switch e.key.Value {
		case "title":
			r.title = strings.TrimSpace(text)
		case "id":
			r.id = strings.TrimSpace(text)
		case "author":
			r.author = strings.TrimSpace(text)
		case "action":
			return nil, refuse("its documents build on each other (action)")
		case "filter", "correlation":
			return nil, refuse("it is no detection, but changes others")
		case "detection":
			if err := r.readDetection(e.value); err != nil {
				return nil, err
			}
		}
	}
	if r.title == "" && len(r.blocks) > 0 {
		return nil, refuse("it has no title, which names the search")
	}
	return r, nil
}

type entry struct{ key, value *yaml.Node }

// entries returns the pairs of a mapping, in which each key stands once, and no value for another.
func entries(n *yaml.Node) ([]entry, error) {
	if n.Kind != yaml.MappingNode {
		return nil, refuse("it is no mapping of keys to values")
	}
	var out []entry
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		e := entry{n.Content[i], n.Content[i+1]}
		switch {
		case e.key.Kind != yaml.ScalarNode || seen[e.key.Value]:
			return nil, refuseDetail("a key is there twice, or is no word", "line %d", e.key.Line)
		case e.value.Kind == yaml.AliasNode || e.key.Value == "<<":
			return nil, refuse("it uses aliases of YAML")
		}
		seen[e.key.Value] = true
		out = append(out, e)
	}
	return out, nil
}

func (r *sigmaRule) readDetection(n *yaml.Node) error {
	list, err := entries(n)
	if err != nil {
		return err
	}
	for _, e := range list {
		name := e.key.Value
		switch {
		case name == "condition":
			r.line = e.key.Line
			if r.conditions, err = scalars(e.value); err != nil {
				return err
			}
		case name == "timeframe":
		case strings.HasPrefix(name, "filter"):
			r.blocks = append(r.blocks, sigmaBlock{name, e.key, e.value})
			r.names = append(r.names, name)
		default:
			r.names = append(r.names, name)
		}
	}
	return nil
}

func scalars(n *yaml.Node) ([]string, error) {
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}, nil
	}
	var out []string
	for _, kid := range n.Content {
		if kid.Kind != yaml.ScalarNode {
			return nil, refuse("its condition has a form that is not read")
		}
		out = append(out, kid.Value)
	}
	return out, nil
}

// condition puts several conditions together: the rule fires for each of them.
func (r *sigmaRule) condition() (sigmaCondition, error) {
	var kids []sigmaCondition
	for _, text := range r.conditions {
		c, err := parseSigmaCondition(text, r.names)
		if err != nil {
			return nil, err
		}
		kids = append(kids, c)
	}
	if len(kids) == 0 {
		return nil, refuse("it has no condition")
	}
	return atLeast(1, kids), nil
}

func (im *Import) sigmaRule(r *sigmaRule) {
	c, err := r.condition()
	var together []sigmaBlock
	for _, b := range r.blocks {
		switch {
		case err != nil:
			im.refuse(r.origin(b), err)
		case c.excludes(b.name):
			im.sigmaBlocks(r, b)
		default:
			together = append(together, b)
		}
	}
	var names []string
	for _, b := range together {
		names = append(names, b.name)
	}
	if len(together) > 1 && c.excludes(names...) {
		im.sigmaBlocks(r, together...)
		return
	}
	for _, b := range together {
		im.refuse(r.origin(b), refuse("the rule may fire where the block is true"))
	}
}

func (r *sigmaRule) origin(b sigmaBlock) origin { return origin{r.file, b.key.Line, b.name} }

// sigmaBlocks imports a block, or blocks that count only together: each is refused with the others.
func (im *Import) sigmaBlocks(r *sigmaRule, blocks ...sigmaBlock) {
	var parts []*part
	var names []string
	var made []origin
	for _, b := range blocks {
		p, err := im.sigmaBlock(b.node, 0)
		if err != nil {
			for _, b := range blocks {
				im.refuse(r.origin(b), err)
			}
			return
		}
		parts, names, made = append(parts, p), append(names, b.name), append(made, r.origin(b))
	}
	what := strings.Join(names, " and ")
	d := &draft{
		id:          slug(maxID, "sigma", slug(60, r.title), slug(30, names...)),
		description: fmt.Sprintf("%s: %s (Sigma, by %s)", r.title, what, orUnknown(r.author)),
		reason:      "excluded by " + what + " of the Sigma rule",
		searches:    []string{exactName(r.title)},
		when:        allOf(flattened(parts)),
	}
	if r.id != "" {
		d.ticket = "sigma:" + r.id
	}
	im.add(d, made...)
}

func orUnknown(text string) string {
	if text == "" {
		return "an author who is not named"
	}
	return text
}

// flattened takes the parts of an and up into the and above it.
func flattened(parts []*part) []*part {
	var out []*part
	for _, p := range parts {
		if p.op == opAll {
			out = append(out, flattened(p.kids)...)
		} else {
			out = append(out, p)
		}
	}
	return out
}

// sigmaBlock reads a block: a mapping holds when each of its keys does, a list when one of its
// mappings does.
func (im *Import) sigmaBlock(n *yaml.Node, depth int) (*part, error) {
	switch {
	case depth > 5:
		return nil, refuse("it is nested too deeply")
	case n.Kind == yaml.AliasNode:
		return nil, refuse("it uses aliases of YAML")
	case n.Kind == yaml.ScalarNode:
		return nil, refuse("it looks for words in the whole event, which an alert does not have")
	case len(n.Content) == 0:
		return nil, refuse("it is empty")
	case n.Kind == yaml.SequenceNode:
		var kids []*part
		for _, kid := range n.Content {
			p, err := im.sigmaBlock(kid, depth+1)
			if err != nil {
				return nil, err
			}
			kids = append(kids, p)
		}
		return anyOf(kids), nil
	}
	list, err := entries(n)
	if err != nil {
		return nil, err
	}
	var kids []*part
	for _, e := range list {
		p, err := im.sigmaItem(e)
		if err != nil {
			return nil, err
		}
		kids = append(kids, p)
	}
	return allOf(flattened(kids)), nil
}

// sigmaItem reads a field with its modifiers and values.
func (im *Import) sigmaItem(e entry) (*part, error) {
	names := strings.Split(e.key.Value, "|")
	if names[0] == "" {
		return nil, refuse("it looks for words in the whole event, which an alert does not have")
	}
	item := &sigmaItem{field: names[0], nulls: im.Nulls}
	if to := im.Fields[item.field]; to != "" {
		item.field = to
	}
	if err := item.modifiers(names[1:]); err != nil {
		return nil, err
	}
	values := []*yaml.Node{e.value}
	if e.value.Kind == yaml.SequenceNode {
		values = e.value.Content
	}
	if len(values) == 0 {
		return nil, refuse("it is empty")
	}
	hasNull := slices.ContainsFunc(values, func(v *yaml.Node) bool { return v.Kind == yaml.ScalarNode && v.Tag == "!!null" })
	var kids []*part
	for _, v := range values {
		if hasNull && !item.all && v.Kind == yaml.ScalarNode && v.Tag == "!!str" && v.Value == "" && item.mode == "" {
			continue // an empty value is a missing value, and that is there already
		}
		p, err := item.value(v)
		if err != nil {
			return nil, err
		}
		kids = append(kids, p)
	}
	if item.all {
		return allOf(kids), nil
	}
	return anyOf(merged(kids)), nil
}
