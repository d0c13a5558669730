package rules

import (
	"fmt"
	"slices"
	"strings"
)

func valueOf(t truth) Value {
	switch t {
	case yes:
		return ValueTrue
	case no:
		return ValueFalse
	case unknown:
	}
	return ValueUnknown
}

func opposite(v Value) Value {
	switch v {
	case ValueTrue:
		return ValueFalse
	case ValueFalse:
		return ValueTrue
	case ValueUnknown, ValueError, ValueSkipped:
	}
	return v
}

func (s *slot) written() string {
	if s.alert {
		return "alert." + s.name
	}
	return EventName(s.name)
}

func (e *evaluation) has(i int) (Value, string) {
	if e.fr.present(i) {
		return ValueTrue, e.reading(i, nil)
	}
	return ValueFalse, e.fr.slots[i].written() + " is missing"
}

// whyUnknown says which field an atom misses, or which value does not fit its function. It follows
// the order in which the atom's own guard asks.
func (e *evaluation) whyUnknown(a *atom) string {
	for _, i := range a.slots {
		if !e.fr.present(i) {
			return e.fr.slots[i].written() + " is missing"
		}
	}
	if a.simple() {
		return e.fr.slots[a.left.slot].written() + " is " + misfit(a, a.left, e.fr.text(a.left.slot))
	}
	for i := range a.fits {
		f := &a.fits[i]
		if f.holds(e.fr) {
			continue
		}
		if f.over == nil {
			return e.fr.slots[f.base.slot].written() + " is " + f.misfit(e.fr.text(f.base.slot))
		}
		for _, v := range e.fr.elements(f.over) {
			if !f.fitsOne(e.fr, v) {
				return e.overName(f.over) + " holds " + f.misfit(v)
			}
		}
	}
	return "a value does not fit"
}

func (f *fit) fitsOne(fr *frame, v string) bool {
	if f.base.kind == termAge {
		_, ok := age(v, fr.time())
		return ok
	}
	return f.ok(v)
}

func (e *evaluation) overName(over *term) string {
	if over.list != nil {
		return "lists." + over.list.name
	}
	return e.fr.slots[over.slot].written()
}

// misfit says what a value is not.
func (f *fit) misfit(v string) string {
	switch {
	case f.base.kind == termNum:
		return quoted(v) + ", which is no plain decimal number of at most 15 digits"
	case f.base.kind == termAge:
		return quoted(v) + ", which is no time, or one after the alert's own"
	case f.long:
		return tooLongText(v)
	}
	return quoted(v) + ", which is no address"
}

func misfit(a *atom, t *term, v string) string {
	switch {
	case a.long() && len(foldText(t.fold, v)) > maxMatchBytes:
		return tooLongText(v)
	case a.op == "in":
		return quoted(v) + ", which is neither in lists." + a.list.name + " nor an address"
	}
	return quoted(v) + ", which is no address"
}

func tooLongText(v string) string {
	return fmt.Sprintf("%s, which has %d bytes: matches and glob look at %d at most", quoted(v), len(v), maxMatchBytes)
}

// readings says what an atom read.
func (e *evaluation) readings(a *atom) string {
	var parts []string
	for _, i := range a.slots {
		parts = append(parts, e.reading(i, a))
	}
	return strings.Join(parts, ", ")
}

// maxShown is how many values of a field a reason shows.
const maxShown = 5

// reading says what a slot holds: the value picked, or all values where all are read.
func (e *evaluation) reading(i int, a *atom) string {
	s := &e.fr.slots[i]
	name := s.written()
	if s.alert && s.name == "time" {
		return fmt.Sprintf("%s is %s", name, e.fr.alert.Time.UTC().Format("2006-01-02T15:04:05Z"))
	}
	values := distinct(e.fr.alert.Fields[s.name], maxShown)
	if s.alert || s.single && !a.readsAll(i) || len(values) <= 1 {
		return name + " is " + quoted(e.fr.text(i))
	}
	var all []string
	for _, v := range values[:min(len(values), maxShown)] {
		all = append(all, quoted(v))
	}
	if len(values) > maxShown {
		all = append(all, "...")
	}
	return name + " holds " + strings.Join(all, ", ")
}

// readsAll reports whether an atom reads values(...) of a slot.
func (a *atom) readsAll(i int) bool {
	if a == nil {
		return false
	}
	all := func(t *term) bool { return t.readsAll(i) }
	return all(a.left) || all(a.right)
}

func (t *term) readsAll(i int) bool {
	return t != nil && (t.kind == termValues && t.slot == i || t.a.readsAll(i) || t.b.readsAll(i))
}

// quoted shows a value of an alert: in quotes, with what a terminal might obey escaped, and short.
func quoted(v string) string { return fmt.Sprintf("%q", clip(v)) }

// badList returns the list that cannot be trusted among those that an atom reads, or nil.
func (a *atom) badList() *List {
	lists := []*List{a.list, a.left.badList(), a.right.badList(), a.body.badList()}
	i := slices.IndexFunc(lists, func(l *List) bool { return l != nil && l.err != nil })
	if i < 0 {
		return nil
	}
	return lists[i]
}

func (t *term) badList() *List {
	if t == nil {
		return nil
	}
	for _, l := range []*List{t.list, t.a.badList(), t.b.badList(), t.body.badList()} {
		if l != nil && l.err != nil {
			return l
		}
	}
	return nil
}

func (c *cond) badList() *List {
	if c == nil {
		return nil
	}
	if c.atom != nil {
		return c.atom.badList()
	}
	for _, kid := range c.kids {
		if l := kid.badList(); l != nil {
			return l
		}
	}
	return nil
}

// picks returns the values that stand for fields with several.
func (e *evaluation) picks() []Pick {
	out := []Pick{}
	for i, values := range e.fr.picks {
		if len(values) > 1 {
			out = append(out, Pick{Field: e.fr.slots[i].name, Value: e.fr.vals[i], Of: len(values)})
		}
	}
	return out
}
