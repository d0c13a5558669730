package rules

import (
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/winnow-soc/winnow"
)

// ruleKeys are the keys of a rule, in the order in which people write them.
var ruleKeys = []string{
	"id", "description", "owner", "reason", "ticket", "expires", "search_name", "global", "when",
	"compare_fields", "mode", "max_severity", "window", "canary", "tests",
}

// ruleReader reads the rules of one file. A rule with an error is left out; the others stay.
type ruleReader struct {
	*document
	opts Options
	seen map[string]Position // ids read so far, in all files
}

func newReader(path string, data []byte, opts Options, seen map[string]Position) *ruleReader {
	return &ruleReader{document: &document{file: path, data: data}, opts: opts, seen: seen}
}

// root reads the file, for an unproven set without tests.
func (r *ruleReader) root() (*yaml.Node, bool) {
	if r.opts.Unproven {
		r.data = withoutTests(r.data)
	}
	return r.parse()
}

func (r *ruleReader) read() []*Rule {
	root, ok := r.root()
	if !ok {
		return nil
	}
	pairs, ok := r.mapping(root, "a rule file", []string{"rules"})
	if !ok || len(pairs) == 0 {
		return nil
	}
	items, ok := r.sequence(pairs[0].value, "rules")
	if !ok {
		return nil
	}
	var out []*Rule
	for _, n := range items {
		if rule := r.rule(n); rule != nil {
			out = append(out, rule)
		}
	}
	r.document.rule = ""
	return out
}

// rule reads one rule, or returns nil when anything is wrong with it.
func (r *ruleReader) rule(n *yaml.Node) *Rule {
	r.document.rule = ""
	before := len(r.errs)
	pairs, ok := r.mapping(n, "a rule", ruleKeys)
	if !ok && pairs == nil {
		return nil
	}
	out := &Rule{
		Mode: ModeShadow, MaxSeverity: winnow.SeverityMedium, Canary: -1,
		Pos: Position{File: r.file, Line: n.Line, Column: n.Column},
	}
	r.readID(pairs, out)
	for _, e := range r.errs[before:] {
		e.Rule = out.ID
	}
	for _, p := range pairs {
		r.key(p, out)
	}
	r.required(n, pairs)
	r.readTests(pairs, out)
	r.readWhen(pairs, out)
	if len(r.errs) > before {
		return nil
	}
	r.seen[out.ID] = out.Pos
	return out
}

func find(pairs []pair, key string) *pair {
	i := slices.IndexFunc(pairs, func(p pair) bool { return p.key.Value == key })
	if i < 0 {
		return nil
	}
	return &pairs[i]
}

func (r *ruleReader) readID(pairs []pair, out *Rule) {
	p := find(pairs, "id")
	if p == nil {
		return
	}
	id, ok := r.text(*p)
	if !ok {
		return
	}
	if !isKebab(id) {
		r.fail(p.value, "use small letters, digits and -", "bad id %q", clip(id))
		return
	}
	out.ID, r.document.rule = id, id
	if first, twice := r.seen[id]; twice {
		r.fail(p.value, "the first is at "+first.String(), "the id is taken")
	}
}

// isKebab reports whether an id is made of small letters and digits joined by -.
func isKebab(id string) bool {
	if len(id) > 100 {
		return false
	}
	for part := range strings.SplitSeq(id, "-") {
		if part == "" {
			return false
		}
		for i := range len(part) {
			if c := part[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
				return false
			}
		}
	}
	return true
}

// key reads one key. Tests and condition come later: they need the others.
func (r *ruleReader) key(p pair, out *Rule) {
	switch p.key.Value {
	case "description":
		out.Description, _ = r.text(p)
	case "owner":
		out.Owner, _ = r.text(p)
	case "reason":
		out.Reason, _ = r.text(p)
	case "ticket":
		out.Ticket, _ = r.text(p)
	case "expires":
		out.Expires = r.expires(p)
	case "search_name":
		out.Searches = r.searches(p)
	case "global":
		out.Global = r.flag(p)
	case "mode":
		out.Mode = r.mode(p)
	case "max_severity":
		out.MaxSeverity = r.ceiling(p)
	case "window":
		out.Window = r.window(p)
	case "canary":
		out.Canary = r.canary(p)
	}
}

func (r *ruleReader) required(n *yaml.Node, pairs []pair) {
	for _, key := range []string{"id", "owner", "reason", "expires", "when", "tests"} {
		p := find(pairs, key)
		if p == nil && key == "tests" && r.opts.Unproven {
			continue
		}
		if p == nil {
			r.fail(n, "", "%s is missing", key)
		} else if p.value.Kind == yaml.ScalarNode && strings.TrimSpace(p.value.Value) == "" && p.value.Tag != "!!null" {
			r.fail(p.value, "", "%s is empty", key)
		}
	}
	scope, global := find(pairs, "search_name"), find(pairs, "global")
	everywhere := global != nil && global.value.Value == "true"
	switch {
	case scope == nil && !everywhere:
		r.fail(n, "name the searches in search_name, or say global: true", "the rule has no scope")
	case scope != nil && everywhere:
		r.fail(global.key, "keep one", "the rule has both search_name and global: true")
	}
}

// readWhen reads the condition. The names that the rule's tests set are known to it.
func (r *ruleReader) readWhen(pairs []pair, out *Rule) {
	p := find(pairs, "when")
	if p == nil {
		return
	}
	text, ok := r.text(*p)
	if !ok || strings.TrimSpace(text) == "" {
		return
	}
	v := vocabulary{fields: r.opts.Fields, lists: r.opts.Lists, tested: testedFields(out.Tests), unproven: r.opts.Unproven}
	if cf := find(pairs, "compare_fields"); cf != nil {
		v.compareFields = r.flag(*cf)
	}
	out.When, out.compareFields = text, v.compareFields
	if r.opts.Unproven {
		out.later = newLater(text, v)
		return
	}
	out.cond = r.condition(p.value, text, v)
}

// condition parses a condition, or adds its error at its place.
func (d *document) condition(n *yaml.Node, text string, v vocabulary) *condition {
	c, err := parseCondition(text, v)
	if err == nil {
		return c
	}
	var ce *condError
	if !errors.As(err, &ce) {
		d.fail(n, "", "%v", err)
		return nil
	}
	if ce.hint == "" && strings.Contains(ce.msg, "ends too early") && strings.Contains(n.LineComment, "#") {
		ce.hint = "YAML takes what follows # as a comment: quote the condition"
	}
	line, column := d.locate(n, ce.at)
	d.failAt(line, column, ce.hint, ce.msg)
	return nil
}
