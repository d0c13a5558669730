package main

import (
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/redact"
)

// Bounds of a proposal.
const (
	proposeAlerts = 20   // fewer alerts of a search tell nothing of what is irrelevant
	proposeFields = 2000 // of one search: the keys of somebody's JSON can be without end
)

// proposal is a draft of [redact:SEARCH]; its form in JSON is stable.
type proposal struct {
	Search     string          `json:"search_name"`
	Alerts     int             `json:"alerts"`
	Fields     []proposedField `json:"fields"`     // they say something
	Irrelevant []proposedField `json:"irrelevant"` // they look as if they said nothing
	Secret     []string        `json:"secret"`     // they never leave
	More       bool            `json:"more"`       // there are more fields than are looked at
}

type proposedField struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// fieldStudy is what was seen of a field that nobody is shown.
type fieldStudy struct {
	alerts   int
	distinct map[uint64]bool
	same     map[string]int // fields shown, and in how many alerts they said the same
	blanks   bool           // some value has a blank in it: text, not an id
}

type searchStudy struct {
	alerts int
	fields map[string]*fieldStudy
	more   bool
}

func (g *globals) redactPropose(ctx context.Context, file string) error {
	d, err := g.openFor(file)
	if err != nil {
		return err
	}
	r, err := g.openRedactor(d)
	if err != nil {
		return err
	}
	studies, seed := map[string]*searchStudy{}, maphash.MakeSeed()
	for s, err := range g.samples(ctx, d, file) {
		if err != nil {
			return err
		}
		if studies[s.Alert.SearchName] == nil {
			studies[s.Alert.SearchName] = &searchStudy{fields: map[string]*fieldStudy{}}
		}
		studies[s.Alert.SearchName].add(&s.Alert, r.View(&s.Alert, d.Fields), seed)
	}
	found := 0
	for _, name := range sortedNames(studies) {
		p := studies[name].proposal(name)
		if len(p.Fields)+len(p.Irrelevant)+len(p.Secret) == 0 {
			continue
		}
		found++
		if g.format == formatJSON {
			err = g.json(p)
		} else {
			err = g.printProposal(&p)
		}
		if err != nil {
			return err
		}
	}
	g.note("%s; of %d of them there are fields that nobody is shown", things(len(studies), "search", "searches"), found)
	return nil
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s *searchStudy) add(a *winnow.Alert, v *redact.View, seed maphash.Seed) {
	s.alerts++
	shown := map[uint64][]string{}
	hash := func(values []string) uint64 { return maphash.String(seed, strings.Join(values, "\x00")) }
	for _, f := range v.Fields {
		if values, ok := a.Fields[f.Name]; ok {
			h := hash(values)
			shown[h] = append(shown[h], f.Name)
		}
	}
	for _, name := range v.Withheld {
		f := s.fields[name]
		if f == nil {
			if len(s.fields) == proposeFields {
				s.more = true
				continue
			}
			f = &fieldStudy{distinct: map[uint64]bool{}, same: map[string]int{}}
			s.fields[name] = f
		}
		h := hash(a.Fields[name])
		f.alerts++
		f.distinct[h] = true
		f.blanks = f.blanks || slices.ContainsFunc(a.Fields[name], func(v string) bool { return strings.Contains(v, " ") })
		for _, other := range shown[h] {
			f.same[other]++
		}
	}
}

func (s *searchStudy) proposal(name string) proposal {
	p := proposal{Search: name, Alerts: s.alerts, Fields: []proposedField{}, Irrelevant: []proposedField{}, Secret: []string{}, More: s.more}
	for _, field := range sortedNames(s.fields) {
		f := s.fields[field]
		if redact.SecretName(field) {
			p.Secret = append(p.Secret, field)
			continue
		}
		if why := f.irrelevant(); why != "" {
			p.Irrelevant = append(p.Irrelevant, proposedField{field, why})
			continue
		}
		p.Fields = append(p.Fields, proposedField{field, fmt.Sprintf("in %d of %d alerts, %s", f.alerts, s.alerts, things(len(f.distinct), "value", "values"))})
	}
	return p
}

// irrelevant says why a field looks as if it told nothing, or "".
func (f *fieldStudy) irrelevant() string {
	if f.alerts < proposeAlerts {
		return ""
	}
	for _, other := range sortedNames(f.same) {
		if f.same[other] == f.alerts {
			return "always the same as " + other
		}
	}
	switch {
	case len(f.distinct) == 1:
		return "one value in all alerts"
	case len(f.distinct) == f.alerts && !f.blanks:
		return "another value in every alert, like an id"
	}
	return ""
}

// printProposal writes a stanza for local/winnow.conf.
func (g *globals) printProposal(p *proposal) error {
	name, ok := stanzaName(p.Search)
	if !ok {
		g.note("warning: the name of search %q cannot stand in a .conf file: no stanza is drafted", plain(p.Search))
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# from %s; look at each line before you use it\n[redact:%s]\n", things(p.Alerts, "alert", "alerts"), name)
	if p.Alerts < proposeAlerts {
		fmt.Fprintf(&b, "# too few to say what is irrelevant: that takes %d\n", proposeAlerts)
	}
	fields := explain(&b, "may leave too", p.Fields)
	irrelevant := explain(&b, "nobody needs to see", p.Irrelevant)
	for _, name := range p.Secret {
		fmt.Fprintf(&b, "# %s never leaves, as its name says secret: name it irrelevant if it is\n", globName(name))
	}
	if p.More {
		fmt.Fprintf(&b, "# there are more than %d fields: use * for those alike\n", proposeFields)
	}
	if fields != "" {
		fmt.Fprintf(&b, "fields = %s\n", fields)
	}
	if irrelevant != "" {
		fmt.Fprintf(&b, "irrelevant = %s\n", irrelevant)
	}
	_, err := io.WriteString(g.out, b.String()+"\n")
	return err
}

func explain(b *strings.Builder, head string, fields []proposedField) string {
	if len(fields) == 0 {
		return ""
	}
	names := make([]string, len(fields))
	fmt.Fprintf(b, "# %s:\n", head)
	for i, f := range fields {
		names[i] = globName(f.Name)
		why := f.Why
		if other, same := strings.CutPrefix(why, "always the same as "); same {
			why = "always the same as " + globName(other)
		}
		fmt.Fprintf(b, "#   %s: %s\n", names[i], why)
	}
	return strings.Join(names, ", ")
}

// globName writes a field's name as a glob that matches it. What a .conf file or a list could take for something
// else becomes ?: names can be the keys of an attacker's JSON.
func globName(name string) string {
	glob := []byte(name)
	for i, b := range glob {
		letter := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
		if !letter && strings.IndexByte("_.:{}@/-", b) < 0 {
			glob[i] = '?'
		}
	}
	return string(glob)
}

// stanzaName refuses names of searches that would end the stanza's line, or its name.
func stanzaName(name string) (string, bool) {
	bad := func(r rune) bool { return control(r) || r == ']' || r == '[' }
	return name, name != "" && name == strings.TrimSpace(name) && !strings.ContainsFunc(name, bad)
}
