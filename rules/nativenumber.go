package rules

import (
	"slices"
	"unicode/utf8"
)

// numberTest returns the function of an atom that compares one number of the alert with constants,
// false for any other atom.
func (a *atom) numberTest() (func(*frame) truth, bool) {
	if a.left == nil {
		return nil, false
	}
	if read, ok := a.left.reader(); ok {
		holds, ok := a.compareWith()
		return numberTest(read, holds), ok
	}
	return nil, false
}

func numberTest(read func(*frame) (float64, bool), holds func(float64) bool) func(*frame) truth {
	return func(fr *frame) truth {
		n, ok := read(fr)
		if !ok {
			return unknown
		}
		return truthOf(holds(n))
	}
}

// compareWith returns what an atom asks of the number on its left.
func (a *atom) compareWith() (func(float64) bool, bool) {
	if a.op == "in" && a.numbers != nil {
		numbers := a.numbers
		return func(n float64) bool { return slices.Contains(numbers, n) }, true
	}
	if a.right == nil || a.right.kind != termNumber {
		return nil, false
	}
	c := a.right.num
	switch a.op {
	case "==":
		return func(n float64) bool { return n == c }, true
	case "!=":
		return func(n float64) bool { return n != c }, true
	case "<":
		return func(n float64) bool { return n < c }, true
	case "<=":
		return func(n float64) bool { return n <= c }, true
	case ">":
		return func(n float64) bool { return n > c }, true
	case ">=":
		return func(n float64) bool { return n >= c }, true
	}
	return nil, false
}

// reader returns the function that reads a number of the alert; it reports false for a value that
// is missing or is no number.
func (t *term) reader() (func(*frame) (float64, bool), bool) {
	if t.elem {
		return nil, false
	}
	slot := t.slot
	switch t.kind {
	case termNum:
		return func(fr *frame) (float64, bool) { return plainDecimal(fr.text(slot)) }, true
	case termLen:
		return func(fr *frame) (float64, bool) {
			v := fr.text(slot)
			return float64(utf8.RuneCountInString(v)), v != ""
		}, true
	case termAge:
		return func(fr *frame) (float64, bool) {
			if fr.alert.Time.IsZero() {
				return 0, false
			}
			return age(fr.text(slot), fr.time())
		}, true
	}
	return nil, false
}
