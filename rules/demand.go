package rules

import "slices"

// eventTime is the slot that age(...) reads beside its own.
var eventTime = slot{name: "time", alert: true}

// timeSlot returns where eventTime is among the slots, or -1.
func timeSlot(slots []slot) int {
	return slices.IndexFunc(slots, func(s slot) bool { return s.name == eventTime.name && s.alert })
}

// demand works out what an atom needs to be more than unknown: the slots that are read anywhere in
// it, and the values that must fit the functions they are given to.
func (a *atom) demand(slots []slot) {
	a.slots, a.fits = nil, nil
	d := demands{atom: a, slots: slots}
	d.part(a, nil)
}

// demands goes through the parts of an atom. over is the list whose elements # means.
type demands struct {
	atom  *atom
	slots []slot
}

func (d *demands) part(a *atom, over *term) {
	d.term(a.left, over)
	d.term(a.right, over)
	d.cond(a.body, a.left)
	// The atom itself is unknown of its own when its one text does not fit; a part of it is not.
	if a != d.atom && a.simple() && a.partial() {
		test := a.test()
		d.fit(fit{base: a.left, ok: func(v string) bool { return test(v) != unknown }, long: a.long()}, over)
	}
}

func (d *demands) cond(c *cond, over *term) {
	if c == nil {
		return
	}
	if c.atom != nil {
		d.part(c.atom, over)
	}
	for _, kid := range c.kids {
		d.cond(kid, over)
	}
}

func (d *demands) term(t *term, over *term) {
	if t == nil {
		return
	}
	switch t.kind {
	case termText, termLen, termTime:
		d.read(t)
	case termValues:
		d.read(t)
		d.atom.values = true
	case termNum:
		d.read(t)
		d.fit(fit{base: t, ok: isDecimal}, over)
	case termAge:
		d.read(t)
		d.slot(timeSlot(d.slots))
		d.fit(fit{base: t}, over)
	case termConst, termNumber, termArith, termCount, termList:
	}
	d.term(t.a, over)
	d.term(t.b, over)
	d.cond(t.body, t.a)
}

func (d *demands) read(t *term) {
	if !t.elem {
		d.slot(t.slot)
	}
}

func (d *demands) slot(i int) {
	if !slices.Contains(d.atom.slots, i) {
		d.atom.slots = append(d.atom.slots, i)
	}
}

func (d *demands) fit(f fit, over *term) {
	if f.base.elem {
		f.over = over
	}
	d.atom.fits = append(d.atom.fits, f)
}

func isDecimal(v string) bool {
	_, ok := plainDecimal(v)
	return ok
}
