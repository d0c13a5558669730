package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/winnow-soc/winnow"
)

// CheckOptions are what rules are held against beyond themselves. The zero value holds them
// against nothing more.
type CheckOptions struct {
	Searches *Searches // the searches that exist; nil: not known
	Seen     *Seen     // the fields of real alerts; nil: not known
}

// Check is [Set.CheckAgainst] nothing beyond the rules themselves.
func (s *Set) Check() []*Error { return s.CheckAgainst(CheckOptions{}) }

// CheckAgainst compiles every rule and returns what `rules check` says beyond what [Load] said:
// errors that would keep a rule from ever matching, rules that rest on what an attacker may set
// alone, and warnings. Errors of the second kind do not keep a rule from loading: a gate that runs
// goes on as it was.
func (s *Set) CheckAgainst(opts CheckOptions) []*Error {
	c := &checking{Set: s, CheckOptions: opts, files: map[string]*checkedFile{}}
	for _, r := range s.all() {
		c.checkRule(r)
	}
	return c.out
}

// checking is one run of [Set.CheckAgainst].
type checking struct {
	*Set
	CheckOptions
	files map[string]*checkedFile
	out   []*Error
}

func (c *checking) fail(code string, e *Error) {
	e.Code = code
	c.out = append(c.out, e)
}

func (c *checking) warn(code string, e *Error) {
	e.Code, e.Warning = code, true
	c.out = append(c.out, e)
}

func (c *checking) checkRule(r *Rule) {
	if err := r.read().program().err; err != nil {
		c.fail("broken-condition", r.finding("", "%v", err))
	}
	if err := r.ListError(); err != nil {
		c.fail("broken-list", r.finding("the rule matches nothing until the list is good again", "%v", err))
	}
	c.checkLife(r)
	c.checkNames(r)
	c.checkTrust(r)
	c.checkBreadth(r)
	c.checkScope(r)
	c.checkSeen(r)
}

// soon is how long before its end a rule is said to expire.
const soon = 30 * 24 * time.Hour

// checkLife looks at the rule's end and at who answers for it.
func (c *checking) checkLife(r *Rule) {
	last := r.Expires.AddDate(0, 0, -1).Format(time.DateOnly)
	switch left := r.Expires.Sub(c.now); {
	case left <= 0:
		c.warn("expired", r.finding("delete it, or renew it with its reason", "the rule expired on %s", last))
	case left <= soon:
		c.warn("expires-soon", c.atKey(r, "expires", 0, r.finding("renew it with its reason, or let it end",
			"the rule expires within %d days, on %s", soon/(24*time.Hour), last)))
	}
	if slices.Contains(placeholders, strings.ToLower(strings.Trim(r.Owner, " .?!-<>[]"))) {
		c.warn("no-owner", c.atKey(r, "owner", 0, r.finding("name the team or person who answers for the rule", "the owner is %q, which is nobody", r.Owner)))
	}
}

// placeholders are what people write where they do not know.
var placeholders = []string{"", "todo", "tbd", "fixme", "none", "nobody", "unknown", "n/a", "na", "changeme", "owner", "me", "xxx", "null"}

// checkNames looks at the fields and networks that the condition names.
func (c *checking) checkNames(r *Rule) {
	cond := r.read()
	if cond.root.op == condLiteral {
		c.warn("constant", r.finding("", "the condition is always %v", cond.root.value))
	}
	for _, u := range cond.wide {
		c.warn("every-address", c.at(r, u, r.finding(wideHint, "the network %q holds every address", u.how)))
	}
	for _, l := range cond.lists {
		if wide := l.everything(); wide != "" {
			c.warn("every-address", r.finding(wideHint, "lists.%s holds %q, which is every address", l.name, wide))
		}
	}
	for _, u := range cond.vendor {
		c.warn("unknown-field", c.at(r, u, r.finding("if it is spelt right, add it to fields.csv",
			"field %q is in no table of fields and in no test of the rule", EventName(u.field))))
	}
	for _, u := range cond.smells {
		if c.control(r, u.field) == winnow.ControlAttacker {
			c.warn("weak-reading", c.at(r, u, r.finding(smellHint(u.how), "%s over %s, which an attacker may set", u.how, EventName(u.field))))
		}
	}
	for _, u := range cond.broad {
		c.warn("every-text", c.at(r, u, r.finding("has(event.FIELD) says that there is a value; else name the values that are meant", "%s fits every text", u.how)))
	}
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

// checkedFile is a rule file that is read again for the places in it.
type checkedFile struct {
	*document
	rules map[[2]int]*yaml.Node // by line and column
}

// file reads a rule file once; nil when it cannot be read any more.
func (c *checking) file(path string) *checkedFile {
	if f, ok := c.files[path]; ok {
		return f
	}
	c.files[path] = nil
	data, err := readCapped(path, maxFileBytes)
	if err != nil {
		return nil
	}
	root, err := decodeYAML(data)
	if err != nil {
		return nil
	}
	f := &checkedFile{document: &document{file: path, data: data}, rules: map[[2]int]*yaml.Node{}}
	for _, list := range root.Content {
		for _, n := range list.Content {
			f.rules[[2]int{n.Line, n.Column}] = n
		}
	}
	c.files[path] = f
	return f
}

// at moves an error to where the condition reads a field, when the file can still be read.
func (c *checking) at(r *Rule, u fieldUse, e *Error) *Error {
	f, n := c.value(r, "when")
	if n == nil || n.Value != r.When {
		return e
	}
	e.Line, e.Column = f.locate(n, u.at)
	e.Source = f.line(e.Line)
	return e
}

// atKey moves an error to the value of a key, or to its item i where it is a list.
func (c *checking) atKey(r *Rule, key string, i int, e *Error) *Error {
	f, n := c.value(r, key)
	if n == nil {
		return e
	}
	if n.Kind == yaml.SequenceNode && i < len(n.Content) {
		n = n.Content[i]
	}
	e.Line, e.Column, e.Source = n.Line, n.Column, f.line(n.Line)
	return e
}

// value finds the value of a key of a rule in its file.
func (c *checking) value(r *Rule, key string) (*checkedFile, *yaml.Node) {
	f := c.file(r.Pos.File)
	if f == nil {
		return nil, nil
	}
	rule := f.rules[[2]int{r.Pos.Line, r.Pos.Column}]
	if rule == nil || rule.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(rule.Content); i += 2 {
		if rule.Content[i].Value == key {
			return f, rule.Content[i+1]
		}
	}
	return nil, nil
}
