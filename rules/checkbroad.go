package rules

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
)

// everyWay reports whether every way in which the form can be true has a leaf that holds.
func (f *form) everyWay(holds func(*form) bool) bool {
	kid := func(k *form) bool { return k.everyWay(holds) }
	switch f.op {
	case formAnd:
		return slices.ContainsFunc(f.kids, kid)
	case formOr:
		return !slices.ContainsFunc(f.kids, func(k *form) bool { return !kid(k) })
	case formLiteral:
		return !f.want // what is false is no way
	}
	return holds(f)
}

// leaves counts the leaves.
func (f *form) leaves() int {
	if len(f.kids) == 0 {
		return 1
	}
	n := 0
	for _, k := range f.kids {
		n += k.leaves()
	}
	return n
}

// readEvent returns the fields of the event that a leaf reads.
func (f *form) readEvent(slots []slot) (fields []string) {
	at := []int{f.slot}
	switch f.op {
	case formAtom:
		at = f.atom.slots
	case formHas:
	default:
		return nil
	}
	for _, i := range at {
		if !slots[i].alert {
			fields = append(fields, slots[i].name)
		}
	}
	return fields
}

// anchor reports whether a leaf rests on what an attacker cannot set: it says something of the
// values of fields of the event, and an attacker sets none of them. What comes with the search is
// no anchor: it is the same for every alert that the attacker makes the search fire.
func anchor(slots []slot, attacker func(string) bool) func(*form) bool {
	return func(f *form) bool {
		fields := f.readEvent(slots)
		return len(fields) > 0 && f.op == formAtom && !f.atom.broad() && !slices.ContainsFunc(fields, attacker)
	}
}

// loose returns the attacker-set fields of the ways to be true that have no anchor.
func (f *form) loose(slots []slot, attacker func(string) bool) (fields []string) {
	if f.everyWay(anchor(slots, attacker)) {
		return nil
	}
	for _, k := range f.kids {
		fields = append(fields, k.loose(slots, attacker)...)
	}
	for _, name := range f.readEvent(slots) {
		if attacker(name) {
			fields = append(fields, name)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

const trustHint = "add a condition on a field that an attacker cannot set, on both sides of ||; fields.csv says which are"

// checkTrust looks for ways to match that rest on attacker-set fields alone. Searches that the rule
// names count as errors; those that only the field table names and a glob or global reaches are
// warnings, because the author may not know of them.
func (c *checking) checkTrust(r *Rule) {
	f, err := rewriteTrue(r.read().root)
	if err != nil || c.fields == nil {
		return // without a table nothing is known
	}
	everywhere := r.Global || slices.ContainsFunc(r.Searches, isGlob)
	if everywhere && c.trusts(r, f, "", false) {
		return
	}
	for _, search := range r.Searches {
		if !isGlob(search) && c.trusts(r, f, search, false) {
			return
		}
	}
	for _, search := range c.fields.Searches() {
		if everywhere && r.InScope(search) && !slices.Contains(r.Searches, search) && c.trusts(r, f, search, true) {
			return
		}
	}
}

// trusts says what is wrong for one search, "" being any, and reports whether something is.
func (c *checking) trusts(r *Rule, f *form, search string, warning bool) bool {
	attacker := func(field string) bool {
		return c.fields.Lookup(search, field).Control == winnow.ControlAttacker
	}
	fields := f.loose(r.read().slots, attacker)
	if len(fields) == 0 {
		return false
	}
	for i := range fields {
		fields[i] = EventName(fields[i])
	}
	what := "the rule rests"
	if slices.ContainsFunc(r.Fields(), func(name string) bool { return !attacker(name) }) {
		what = "one way to match rests"
	}
	where := ""
	if search != "" && (warning || len(r.Searches) > 1) {
		where = "in the alerts of " + search + " "
	}
	e := c.at(r, fieldUse{}, r.finding(trustHint, "%s%s on what an attacker may set alone: %s", where, what, strings.Join(fields, ", ")))
	if warning {
		c.warn("attacker-set", e)
	} else {
		c.fail("attacker-set", e)
	}
	return true
}

// narrows reports whether a leaf asks for a value, so that it tells some alerts from the rest.
// Presence, negations, patterns that fit everything and what comes with the search do not.
func narrows(slots []slot, within bool) func(*form) bool {
	return func(f *form) bool {
		if f.op != formAtom || !within && len(f.readEvent(slots)) == 0 {
			return false
		}
		a, want := f.atom, f.want
		switch a.op {
		case "!=", "none":
			return !want
		case "any", "all", "one":
			body := (&rewriter{}).rewrite(a.body, true)
			return want && body.everyWay(narrows(slots, true))
		}
		return want && !a.broad()
	}
}

// broad reports whether the atom holds of every value: a pattern that fits every text, or a network
// of every address.
func (a *atom) broad() bool {
	switch a.op {
	case "glob":
		return strings.Trim(a.right.text, "*") == ""
	case "matches":
		return a.re.everything()
	case "in", "cidr":
		wide := slices.ContainsFunc(a.networks, func(p netip.Prefix) bool { return p.Bits() == 0 })
		return wide || a.list != nil && a.list.everything() != ""
	}
	return false
}

// manySteps is how many steps a condition may take for one alert before that is worth a word. An
// equality is one.
const manySteps = 2000

// checkBreadth looks for conditions that hold of more than their author has in mind, or that cost
// more.
func (c *checking) checkBreadth(r *Rule) {
	cond := r.read()
	f, err := rewriteTrue(cond.root)
	if err != nil || cond.root.op == condLiteral {
		return
	}
	switch {
	case !f.everyWay(narrows(cond.slots, false)):
		c.warn("broad", c.at(r, fieldUse{}, r.finding(
			"ask for the user, host, network or signature that is benign; has, not and != only leave things out",
			"the condition can be true without asking for any value")))
	case r.Global && f.leaves() == 1:
		c.warn("broad", c.at(r, fieldUse{}, r.finding("name the searches in search_name, or say more in when",
			"a single part decides for every search there is and will be")))
	}
	if n := cond.root.steps(); n > manySteps {
		c.warn("slow", c.at(r, fieldUse{}, r.finding("in lists.NAME and cidr(event.FIELD, lists.NAME) look a value up in one step",
			"the condition may take %d steps for one alert", n)))
	}
}

// steps estimates what a condition costs for one alert: lists are gone through value by value, and
// a field is taken to have a handful of values.
func (c *cond) steps() int {
	n := 1
	for _, k := range c.kids {
		n += k.steps()
	}
	if a := c.atom; a != nil {
		n += a.left.steps() + a.right.steps()
		if a.body != nil {
			n += a.left.elements() * a.body.steps()
		}
	}
	return n
}

func (t *term) steps() int {
	if t == nil {
		return 0
	}
	n := t.a.steps() + t.b.steps()
	if t.body != nil {
		n += t.a.elements() * t.body.steps()
	}
	return n
}

// handful is how many values a field is taken to have.
const handful = 8

func (t *term) elements() int {
	if t != nil && t.kind == termList {
		return t.list.Len()
	}
	return handful
}
