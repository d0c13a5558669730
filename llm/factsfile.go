package llm

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFactsFile is the size in bytes beyond which a facts file is refused.
const maxFactsFile = 1 << 20

// LoadFacts reads facts files, later ones laid over earlier ones: a family or window of the same
// name replaces the earlier one. A list or window that does not exist gives no fact; anything
// else out of order is an error with file and line.
func LoadFacts(paths ...string) (*Facts, error) {
	f := &Facts{windows: map[string]*window{}}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read facts: %w", err)
		}
		if err := f.overlay(path, data); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// ParseFacts reads one facts file. name is used in errors.
func ParseFacts(name string, data []byte) (*Facts, error) {
	f := &Facts{windows: map[string]*window{}}
	if err := f.overlay(name, data); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *Facts) overlay(name string, data []byte) error {
	if len(data) > maxFactsFile {
		return fmt.Errorf("%s: %d bytes, at most %d are read", name, len(data), maxFactsFile)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(doc.Content) == 0 {
		return nil // an empty file
	}
	p := factsParser{}
	err := p.file(doc.Content[0])
	if err != nil {
		if at, ok := errors.AsType[*lineError](err); ok {
			return fmt.Errorf("%s:%d: %s", name, at.line, at.message)
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	f.lay(p)
	return nil
}

func (f *Facts) lay(p factsParser) {
	maps.Copy(f.windows, p.windows)
	for _, fam := range p.families {
		i := slices.IndexFunc(f.families, func(old *family) bool { return old.name == fam.name })
		if i >= 0 {
			f.families[i] = fam
		} else {
			f.families = append(f.families, fam)
		}
	}
}

// lineError is an error at a line of the file.
type lineError struct {
	line    int
	message string
}

func (e *lineError) Error() string { return e.message }

func at(n *yaml.Node, format string, args ...any) error {
	return &lineError{line: n.Line, message: fmt.Sprintf(format, args...)}
}

// factsParser reads YAML nodes by hand, so that every error has its line and no key is unknown.
type factsParser struct {
	families []*family
	windows  map[string]*window
}

func (p *factsParser) file(n *yaml.Node) error {
	return eachKey(n, "facts file", map[string]func(*yaml.Node) error{
		"families": func(v *yaml.Node) error { return eachItem(v, "families", p.family) },
		"windows":  p.readWindows,
	})
}

func (p *factsParser) family(n *yaml.Node) error {
	fam := &family{}
	err := eachKey(n, "family", map[string]func(*yaml.Node) error{
		"name":        scalar(&fam.name),
		"description": scalar(new(string)),
		"search_name": lowerTexts(&fam.searches),
		"sourcetype":  lowerTexts(&fam.sourcetypes),
		"facts": func(v *yaml.Node) error {
			return eachItem(v, "facts", func(item *yaml.Node) error { return fam.addFact(item) })
		},
	})
	switch {
	case err != nil:
		return err
	case fam.name == "":
		return at(n, "family has no name")
	case len(fam.searches)+len(fam.sourcetypes) == 0:
		return at(n, "family %q covers nothing: give search_name or sourcetype", fam.name)
	case slices.ContainsFunc(p.families, func(o *family) bool { return o.name == fam.name }):
		return at(n, "family %q is written twice", fam.name)
	}
	p.families = append(p.families, fam)
	return nil
}

// addFact reads one condition, or a list of conditions that must all hold.
func (f *family) addFact(n *yaml.Node) error {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	if len(items) == 0 {
		return at(n, "a fact needs at least one condition")
	}
	var ft fact
	var names []string
	for _, item := range items {
		c, err := readCondition(item)
		if err != nil {
			return err
		}
		ft.all = append(ft.all, c)
		names = append(names, c.name())
	}
	if !slices.ContainsFunc(ft.all, func(c condition) bool { return c.window == "" }) {
		return at(n, "a window alone is no fact: add a list, role or person beside it")
	}
	ft.name = strings.Join(names, "+")
	f.facts = append(f.facts, ft)
	return nil
}

func readCondition(n *yaml.Node) (condition, error) {
	var c condition
	var person string
	err := eachKey(n, "condition", map[string]func(*yaml.Node) error{
		"list": scalar(&c.list), "window": scalar(&c.window), "person": scalar(&person),
		"role": lowerTexts(&c.role), "fields": texts(&c.fields),
	})
	if err != nil {
		return c, err
	}
	if person != "" && person != "true" {
		return c, at(n, "person is %q, want true or nothing", person)
	}
	c.person = person == "true"
	kinds := 0
	for _, set := range []bool{c.list != "", len(c.role) > 0, c.window != "", c.person} {
		if set {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return c, at(n, "a condition is exactly one of list, role, window and person")
	case c.window == "" && len(c.fields) == 0:
		return c, at(n, "condition %s names no fields", c.name())
	case c.window != "" && len(c.fields) > 0:
		return c, at(n, "condition %s has no use for fields", c.name())
	}
	return c, nil
}

// name is how the condition is written in records.
func (c condition) name() string {
	switch {
	case c.list != "":
		return "list:" + c.list
	case len(c.role) > 0:
		return "role:" + strings.Join(c.role, "|")
	case c.window != "":
		return "window:" + c.window
	}
	return "person:" + strings.Join(c.fields, "+")
}

func (p *factsParser) readWindows(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return at(n, "windows are written as name: {days, from, to, tz}")
	}
	p.windows = map[string]*window{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if p.windows[name.Value] != nil {
			return at(name, "window %q is written twice", name.Value)
		}
		w, err := readWindow(value)
		if err != nil {
			return err
		}
		p.windows[name.Value] = w
	}
	return nil
}

func readWindow(n *yaml.Node) (*window, error) {
	var days []string
	var from, to, zone string
	err := eachKey(n, "window", map[string]func(*yaml.Node) error{
		"days": texts(&days), "from": scalar(&from), "to": scalar(&to), "tz": scalar(&zone),
	})
	if err != nil {
		return nil, err
	}
	w, err := newWindow(days, from, to, zone)
	if err != nil {
		return nil, at(n, "%s", err)
	}
	return w, nil
}
