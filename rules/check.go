package rules

import (
	"fmt"
	"slices"

	"github.com/winnow-soc/winnow"
	"go.yaml.in/yaml/v3"
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
	add := func(warning bool, hint, format string, args ...any) *Error {
		e := &Error{File: r.Pos.File, Line: r.Pos.Line, Column: r.Pos.Column, Rule: r.ID,
			Message: fmt.Sprintf(format, args...), Hint: hint, Warning: warning}
		out = append(out, e)
		return e
	}
	if err := r.cond.program().err; err != nil {
		add(false, "", "%v", err)
	}
	if err := r.ListError(); err != nil {
		add(false, "the rule matches nothing until the list is good again", "%v", err)
	}
	if !s.now.Before(r.Expires) {
		add(true, "delete it, or renew it with its reason", "the rule expired on %s", r.Expires.AddDate(0, 0, -1).Format("2006-01-02"))
	}
	if r.cond.root.op == condLiteral {
		add(true, "", "the condition is always %v", r.cond.root.value)
	}
	for _, u := range r.cond.vendor {
		r.at(add(true, "if it is spelt right, add it to fields.csv", "field %q is in no table of fields and in no test of the rule", eventName(u.field)), u)
	}
	for _, u := range r.cond.smells {
		if s.control(r, u.field) == winnow.ControlAttacker {
			r.at(add(true, smellHint(u.how), "%s over %s, which an attacker may set", u.how, eventName(u.field)), u)
		}
	}
	return out
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
func (r *Rule) at(e *Error, u fieldUse) {
	data, err := readCapped(r.Pos.File, maxFileBytes)
	if err != nil {
		return
	}
	d := &document{file: r.Pos.File, data: data}
	root, err := decodeYAML(data)
	if err != nil {
		return
	}
	if n := whenAt(root, r.Pos); n != nil && n.Value == r.When {
		e.Line, e.Column = d.locate(n, u.at)
		e.Source = d.line(e.Line)
	}
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
