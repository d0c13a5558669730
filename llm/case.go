package llm

import (
	"slices"

	"github.com/winnow-soc/winnow"
)

// Case is everything known of one alert while it is analysed. Each stage fills its own part and
// reads the earlier ones. Models get it read only.
type Case struct {
	Alert  *winnow.Alert
	Fields *winnow.FieldTable
	Lists  Lists // nil when there are none

	Facts []Fact   // benign facts established by code
	Taint []string // signs that the alert's text tries to steer its reader
	Cut   []string // fields too long to be read in full

	Past       []Past            // what was decided on alerts with its entities
	Known      []Known           // what is known locally of its values
	Base       Base              // what no language model can lower
	Candidates []AttackTechnique // the techniques that a language model may pick from

	Enrichment     Enrichment
	Correlation    Correlation
	Classification Classification
	Votes          []winnow.Vote // empty while the panel votes: agents do not see each other
}

// Trusted reports whether the alert has the field and an attacker cannot set it.
func (c *Case) Trusted(field string) bool {
	return len(c.Alert.Fields[field]) > 0 && c.control(field) != winnow.ControlAttacker
}

func (c *Case) control(field string) winnow.Control {
	if c.Fields == nil {
		return winnow.ControlAttacker
	}
	return c.Fields.Lookup(c.Alert.SearchName, field).Control
}

// AllTrusted reports whether at least one field is named and an attacker can set none of them.
func (c *Case) AllTrusted(fields []string) bool {
	return len(fields) > 0 && !slices.ContainsFunc(fields, func(f string) bool { return !c.Trusted(f) })
}

// Listed reports whether every value of a trusted field is in the list. A field that is absent
// or attacker-set, and a list that is missing or unreadable, say no.
func (c *Case) Listed(list, field string) bool {
	return c.Trusted(field) && c.everyListed(list, field)
}

func (c *Case) everyListed(list, field string) bool {
	if c.Lists == nil {
		return false
	}
	for _, v := range c.Alert.Fields[field] {
		if in, err := c.Lists.Contains(list, v); err != nil || !in {
			return false
		}
	}
	return true
}

// Fact is a benign fact (guard G2) and the fields of the alert that prove it. An attacker can set
// none of them.
type Fact struct {
	Name   string // like "list:vpn_egress"
	Fields []string
}

func (c *Case) factNames() []string {
	names := make([]string, len(c.Facts))
	for i, f := range c.Facts {
		names[i] = f.Name
	}
	return names
}

// holds reports whether the alert's field has the value, to the letter.
func (c *Case) holds(e winnow.Evidence) bool {
	return slices.Contains(c.Alert.Fields[e.Field], e.Value)
}

// blind returns a copy without votes, so that an agent judges on its own.
func (c *Case) blind() *Case {
	b := *c
	b.Votes = nil
	return &b
}
