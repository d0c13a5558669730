package rules

import (
	"net/netip"
	"slices"
	"strings"
)

// A textTest says what an atom is for one text. The empty text stands for a missing value.
type textTest func(value string) truth

// test returns the function that answers a simple atom. matches and glob of a value too long to
// look at are unknown.
func (a *atom) test() textTest {
	inner, fold, long := a.bareTest(), a.left.fold, a.long()
	return func(v string) truth {
		if v == "" {
			return unknown
		}
		if fold != "" {
			v = foldText(fold, v)
		}
		if long && len(v) > maxMatchBytes {
			return unknown
		}
		return inner(v)
	}
}

// long reports whether the atom's cost grows so much with its value that there is a longest one.
func (a *atom) long() bool { return a.op == "matches" || a.op == "glob" }

// bareTest is test for a value that is there, however long.
func (a *atom) bareTest() textTest {
	switch a.op {
	case "==":
		want := a.right.text
		return func(v string) truth { return truthOf(v == want) }
	case "!=":
		want := a.right.text
		return func(v string) truth { return truthOf(v != want) }
	case "contains":
		part := a.right.text
		return func(v string) truth { return truthOf(strings.Contains(v, part)) }
	case "startsWith":
		part := a.right.text
		return func(v string) truth { return truthOf(strings.HasPrefix(v, part)) }
	case "endsWith":
		part := a.right.text
		return func(v string) truth { return truthOf(strings.HasSuffix(v, part)) }
	case "glob":
		pattern := a.right.text
		return func(v string) truth { return truthOf(matchGlob(pattern, v)) }
	case "matches":
		re := a.re
		return func(v string) truth { return truthOf(re.match(v)) }
	case "cidr":
		return a.cidrTest()
	}
	return a.inTest()
}

func (a *atom) cidrTest() textTest {
	if a.list != nil {
		return a.list.cidr
	}
	networks := a.networks
	return func(v string) truth {
		ip, ok := parseAddr(v)
		if !ok {
			return unknown
		}
		return truthOf(slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(ip) }))
	}
}

// manyTexts is from how many constants on a map is faster than looking at each.
const manyTexts = 8

func (a *atom) inTest() textTest {
	if a.list != nil {
		return a.list.find
	}
	texts := a.texts
	if len(texts) < manyTexts {
		return func(v string) truth { return truthOf(slices.Contains(texts, v)) }
	}
	set := make(map[string]struct{}, len(texts))
	for _, t := range texts {
		set[t] = struct{}{}
	}
	return func(v string) truth {
		_, ok := set[v]
		return truthOf(ok)
	}
}

// A boolFunc answers a part of a form for the alert and the pick in a frame.
type boolFunc func(*frame) bool

// native returns the Go function of a form whose atoms are all simple, or compare one number with
// a constant. The other forms go to expr's VM.
func (f *form) native() (boolFunc, bool) {
	switch f.op {
	case formAnd, formOr:
		kids := make([]boolFunc, len(f.kids))
		for i, k := range f.kids {
			fn, ok := k.native()
			if !ok {
				return nil, false
			}
			kids[i] = fn
		}
		return connectNative(f.op, kids), true
	case formHas:
		slot, want := f.slot, f.want
		return func(fr *frame) bool { return fr.present(slot) == want }, true
	case formLiteral:
		want := f.want
		return func(*frame) bool { return want }, true
	}
	if test, ok := f.atom.numberTest(); ok {
		want := truthOf(f.want)
		return func(fr *frame) bool { return test(fr) == want }, true
	}
	if !f.atom.simple() {
		return nil, false
	}
	slot, test, want := f.atom.left.slot, f.atom.test(), truthOf(f.want)
	if f.atom.long() {
		return f.atom.doubting(test, want), true
	}
	return func(fr *frame) bool { return test(fr.text(slot)) == want }, true
}

// doubting answers a matches or glob about the alert. Where doubt goes to a person, longer values
// are looked at, and one that is too long even so is both: what is asked of it holds.
func (a *atom) doubting(test textTest, want truth) boolFunc {
	slot, fold, whole := a.left.slot, a.left.fold, a.bareTest()
	return func(fr *frame) bool {
		v := fr.text(slot)
		if !fr.doubt || v == "" {
			return test(v) == want
		}
		v = foldText(fold, v)
		return !fr.mayLook(len(v)) || whole(v) == want
	}
}

func connectNative(op formOp, kids []boolFunc) boolFunc {
	stop := op == formOr
	return func(fr *frame) bool {
		for _, k := range kids {
			if k(fr) == stop {
				return stop
			}
		}
		return !stop
	}
}

// guard returns the function that says whether an atom has a value at all: every field in it is
// there, and every value fits the function it is given to.
func (a *atom) guard() boolFunc {
	return func(fr *frame) bool {
		for _, s := range a.slots {
			if !fr.present(s) {
				return false
			}
		}
		for i := range a.fits {
			if f := &a.fits[i]; (!f.long || !fr.doubt) && !f.holds(fr) {
				return false
			}
		}
		return true
	}
}

// doubt returns the function that says whether, where doubt goes to a person, an atom of several
// parts holds because a value is too long to look at; nil when it looks at no such value.
func (a *atom) doubt() boolFunc {
	if !slices.ContainsFunc(a.fits, func(f fit) bool { return f.long }) {
		return nil
	}
	return func(fr *frame) bool {
		return fr.doubt && slices.ContainsFunc(a.fits, func(f fit) bool { return f.long && f.tooLong(fr) })
	}
}

func (f *fit) tooLong(fr *frame) bool {
	long := func(v string) bool { return v != "" && !fr.mayLook(len(foldText(f.base.fold, v))) }
	if f.over == nil {
		return long(fr.text(f.base.slot))
	}
	return slices.ContainsFunc(fr.elements(f.over), long)
}

func (f *fit) holds(fr *frame) bool {
	check := f.ok
	if f.base.kind == termAge {
		check = func(v string) bool { _, ok := age(v, fr.time()); return ok }
	}
	if f.over == nil {
		return check(fr.text(f.base.slot))
	}
	for _, v := range fr.elements(f.over) {
		if !check(v) {
			return false
		}
	}
	return true
}
