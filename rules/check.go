package rules

import (
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/winnow-soc/winnow"
)

// Check compiles every rule and returns what `rules check` says beyond what [Load] said: errors
// that would keep a rule from ever matching, and warnings.
func (s *Set) Check() []*Error {
	var out []*Error
	for _, r := range s.rules {
		out = append(out, s.checkRule(r)...)
	}
	return out
}

func (s *Set) checkRule(r *Rule) (out []*Error) {
	if err := r.read().program().err; err != nil {
		out = append(out, r.finding("", "%v", err))
	}
	if err := r.ListError(); err != nil {
		out = append(out, r.finding("the rule matches nothing until the list is good again", "%v", err))
	}
	return append(out, s.warnings(r)...)
}

func (s *Set) warnings(r *Rule) (out []*Error) {
	warn := func(e *Error) {
		e.Warning = true
		out = append(out, e)
	}
	if !s.now.Before(r.Expires) {
		last := r.Expires.AddDate(0, 0, -1).Format(time.DateOnly)
		warn(r.finding("delete it, or renew it with its reason", "the rule expired on %s", last))
	}
	if r.read().root.op == condLiteral {
		warn(r.finding("", "the condition is always %v", r.read().root.value))
	}
	for _, u := range r.read().wide {
		warn(r.at(u, r.finding(wideHint, "the network %q holds every address", u.how)))
	}
	for _, l := range r.read().lists {
		if wide := l.everything(); wide != "" {
			warn(r.finding(wideHint, "lists.%s holds %q, which is every address", l.name, wide))
		}
	}
	for _, u := range r.read().vendor {
		warn(r.at(u, r.finding("if it is spelt right, add it to fields.csv",
			"field %q is in no table of fields and in no test of the rule", eventName(u.field))))
	}
	for _, u := range r.read().smells {
		if s.control(r, u.field) == winnow.ControlAttacker {
			warn(r.at(u, r.finding(smellHint(u.how), "%s over %s, which an attacker may set", u.how, eventName(u.field))))
		}
	}
	return out
}

const wideHint = "name the networks that are meant; has(event.FIELD) says that there is an address"

// finding is an error at the rule.
func (r *Rule) finding(hint, format string, args ...any) *Error {
	return &Error{File: r.Pos.File, Line: r.Pos.Line, Column: r.Pos.Column, Rule: r.ID,
		Message: fmt.Sprintf(format, args...), Hint: hint}
}

func smellHint(how string) string {
	if how == "any" {
		return "one benign value among many is enough to match: use all, or read the field as a single value"
	}
	return "leaving the field out is enough to match"
}

// control says who may set a field, by the least trusted of the rule's searches.
func (s *Set) control(r *Rule, field string) winnow.Control {
	if s.fields == nil {
		return winnow.ControlAttacker
	}
	control := s.fields.Lookup("", field).Control
	for _, search := range r.Searches {
		control = min(control, s.fields.Lookup(search, field).Control)
	}
	return control
}

// at moves an error to where the condition reads a field, when the file can still be read.
func (r *Rule) at(u fieldUse, e *Error) *Error {
	data, err := readCapped(r.Pos.File, maxFileBytes)
	if err != nil {
		return e
	}
	d := &document{file: r.Pos.File, data: data}
	root, err := decodeYAML(data)
	if err != nil {
		return e
	}
	if n := whenAt(root, r.Pos); n != nil && n.Value == r.When {
		e.Line, e.Column = d.locate(n, u.at)
		e.Source = d.line(e.Line)
	}
	return e
}

// whenAt finds the condition of the rule at a place.
func whenAt(n *yaml.Node, pos Position) *yaml.Node {
	if n.Kind == yaml.MappingNode && n.Line == pos.Line && n.Column == pos.Column {
		i := slices.IndexFunc(n.Content, func(k *yaml.Node) bool { return k.Value == "when" })
		if i >= 0 && i+1 < len(n.Content) {
			return n.Content[i+1]
		}
	}
	for _, kid := range n.Content {
		if found := whenAt(kid, pos); found != nil {
			return found
		}
	}
	return nil
}
