package main

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// cond is a condition that every engine's text is written from: a connective over kids, or an atom.
type cond struct {
	op   string // "and", "or", "not", "" for an atom
	kids []*cond

	atom
}

// atom asks one field about constants. With several values it is true when one of them fits.
type atom struct {
	field  string
	test   string // one of the tests below
	values []string
	list   string  // of testList and testNetworks
	num    float64 // of testLess

	example string // a text that testMatches is true of, where one is known
}

// What an atom can ask.
const (
	testEquals   = "equals"
	testLower    = "lower" // equals, of the field in small letters
	testPrefix   = "prefix"
	testSuffix   = "suffix"
	testContains = "contains"
	testMatches  = "matches"
	testCIDR     = "cidr"
	testList     = "list"     // the text is in a list
	testNetworks = "networks" // the address is in a list of networks
	testLess     = "less"     // the number is below
	testHas      = "has"
)

func is(field, test string, values ...string) *cond {
	return &cond{atom: atom{field: field, test: test, values: values}}
}

func equals(field string, values ...string) *cond { return is(field, testEquals, values...) }

func inList(field, test, list string) *cond {
	return &cond{atom: atom{field: field, test: test, list: list}}
}

func less(field string, n float64) *cond {
	return &cond{atom: atom{field: field, test: testLess, num: n}}
}

func and(kids ...*cond) *cond { return join("and", kids) }
func or(kids ...*cond) *cond  { return join("or", kids) }
func not(kid *cond) *cond     { return &cond{op: "not", kids: []*cond{kid}} }

func join(op string, kids []*cond) *cond {
	if len(kids) == 1 {
		return kids[0]
	}
	return &cond{op: op, kids: kids}
}

// truth has three values, as in winnow: an atom about a field that is missing is neither yes nor no.
type truth int8

const (
	no truth = iota - 1
	unknown
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// event is an alert as the other engines see it: one value a field.
type event map[string]string

// eval is a plain evaluator, written apart from all engines. It chooses which made-up alerts are
// kept, and the tests hold the engines against it.
func (c *cond) eval(e event, lists *listSet) truth {
	switch c.op {
	case "and":
		out := yes
		for _, k := range c.kids {
			out = min(out, k.eval(e, lists))
		}
		return out
	case "or":
		out := no
		for _, k := range c.kids {
			out = max(out, k.eval(e, lists))
		}
		return out
	case "not":
		return -c.kids[0].eval(e, lists)
	}
	return c.atom.eval(e, lists)
}

func (a atom) eval(e event, lists *listSet) truth {
	value, there := e[a.field]
	if a.test == testHas {
		return truthOf(there)
	}
	if !there {
		return unknown
	}
	switch a.test {
	case testList:
		return truthOf(lists.hasText(value, a.list))
	case testNetworks:
		if !isAddress(value) {
			return unknown
		}
		return truthOf(lists.hasAddress(value, a.list))
	case testLess:
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return unknown
		}
		return truthOf(n < a.num)
	case testCIDR:
		if !isAddress(value) {
			return unknown
		}
	}
	return truthOf(slices.ContainsFunc(a.values, func(want string) bool { return a.fits(value, want) }))
}

func (a atom) fits(value, want string) bool {
	switch a.test {
	case testEquals:
		return value == want
	case testLower:
		return strings.ToLower(value) == want
	case testPrefix:
		return strings.HasPrefix(value, want)
	case testSuffix:
		return strings.HasSuffix(value, want)
	case testContains:
		return strings.Contains(value, want)
	case testMatches:
		return regexp.MustCompile(want).MatchString(value)
	case testCIDR:
		return netip.MustParsePrefix(want).Contains(netip.MustParseAddr(value).Unmap())
	}
	panic("no such test: " + a.test)
}

// leaves calls visit for every atom, with false for those under a not.
func (c *cond) leaves(positive bool, visit func(a atom, positive bool)) {
	switch c.op {
	case "":
		visit(c.atom, positive)
	case "not":
		c.kids[0].leaves(!positive, visit)
	default:
		for _, k := range c.kids {
			k.leaves(positive, visit)
		}
	}
}

// dialect writes conditions in the language of an engine that has no third truth value: each not is
// pushed down to the atoms, and atom adds the guards that keep a missing field from answering.
type dialect struct {
	atom    func(a atom, positive bool) string
	and, or string
}

func (d dialect) text(c *cond, positive bool) string {
	switch c.op {
	case "":
		return d.atom(c.atom, positive)
	case "not":
		return d.text(c.kids[0], !positive)
	}
	sign := d.or
	if (c.op == "and") == positive {
		sign = d.and
	}
	parts := make([]string, len(c.kids))
	for i, k := range c.kids {
		parts[i] = d.text(k, positive)
		if k.op != "" && k.op != "not" {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, sign)
}

// quote writes a text constant; all the engines read this form. Rules with control characters are
// not made.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

func quoteAll(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = quote(v)
	}
	return strings.Join(out, ", ")
}

// isWord reports whether a field can be written after a dot.
func isWord(text string) bool {
	return wordPattern.MatchString(text)
}

var wordPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// fieldRef writes how a field is read: event.user, or event["odd name"].
func fieldRef(root, field string) string {
	if isWord(field) {
		return root + "." + field
	}
	return root + "[" + quote(field) + "]"
}

// either joins one text for each value with ||, in parentheses when there are several.
func either(values []string, one func(v string) string) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = one(v)
	}
	return wrap(parts, " || ")
}

func wrap(parts []string, sign string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	return "(" + strings.Join(parts, sign) + ")"
}
