package conf

import (
	"fmt"
	"net/netip"
	"strings"
)

// Redact is [redact]: what of an alert may leave for a model.
type Redact struct {
	Allow    Allow
	Networks []netip.Prefix // addresses of ours beside the private ones
	Domains  []string       // domains of ours, with all below them
	Class    Class          // of searches that say nothing
}

// Allow is the base of what may leave.
type Allow string

// The values.
const (
	AllowCIM Allow = "cim" // fields of the Common Information Model
	AllowAll Allow = "all" // every field but those whose names say secret
)

// Class says how freely data may be passed on: the class of a search's alerts, and the highest class that a model
// may be sent. See llm/redact.
type Class string

// The classes, from harmless to most in need of protection.
const (
	ClassPublic       Class = "public"
	ClassInternal     Class = "internal"
	ClassConfidential Class = "confidential"
	ClassRestricted   Class = "restricted"
)

// RedactSearch is [redact:SEARCH]: what differs for the alerts of one saved search.
type RedactSearch struct {
	Fields     []string // globs on names of fields that may leave too
	Irrelevant []string // globs on names of fields that nobody needs to see
	Class      Class
}

// RedactOf resolves what may leave for one saved search.
func (s *Settings) RedactOf(search string) RedactSearch {
	if v, ok := s.redacted[search]; ok {
		return v
	}
	return RedactSearch{Class: s.Redact.Class}
}

func (r *Redact) keys() []key {
	return []key{
		{name: "allow", set: oneOf(&r.Allow, AllowCIM, AllowAll)},
		{name: "networks", set: networks(&r.Networks)},
		{name: "domains", set: domains(&r.Domains)},
		{name: "class", set: class(&r.Class)},
	}
}

func (r *RedactSearch) keys() []key {
	return []key{
		{name: "fields", set: list(&r.Fields), optional: true},
		{name: "irrelevant", set: list(&r.Irrelevant), optional: true},
		{name: "class", set: class(&r.Class), optional: true},
	}
}

func class(to *Class) func(string) error {
	return oneOf(to, ClassPublic, ClassInternal, ClassConfidential, ClassRestricted)
}

func (r *reader) redacted(stanza, name string) {
	v := RedactSearch{Class: r.s.Redact.Class}
	r.fill(stanza, v.keys())
	r.s.redacted[name] = v
}

// networks takes addresses and networks.
func networks(to *[]netip.Prefix) func(string) error {
	return func(s string) error {
		var names []string
		if err := list(&names)(s); err != nil {
			return err
		}
		found := []netip.Prefix{}
		for _, name := range names {
			p, err := netip.ParsePrefix(name)
			if a, alone := netip.ParseAddr(name); alone == nil {
				p, err = netip.PrefixFrom(a, a.BitLen()), nil
			}
			if err != nil {
				return fmt.Errorf("%q is not a network (want one like 203.0.113.0/24)", name)
			}
			found = append(found, p.Masked())
		}
		*to = found
		return nil
	}
}

// domains takes names of domains; what lies below them is meant too.
func domains(to *[]string) func(string) error {
	return func(s string) error {
		var names []string
		if err := list(&names)(s); err != nil {
			return err
		}
		for i, name := range names {
			if strings.ContainsAny(name, "*/@:\\ \t") || strings.Trim(name, ".") == "" {
				return fmt.Errorf("%q is not a domain (want one like corp.example, which stands for all below it too)", name)
			}
			names[i] = strings.ToLower(strings.Trim(name, "."))
		}
		*to = names
		return nil
	}
}
