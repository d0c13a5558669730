package rules

import "net/netip"

// cond is a condition as its author wrote it: connectives over atoms.
type cond struct {
	op    condOp
	kids  []*cond
	value bool // literal
	slot  int  // has
	atom  *atom
}

type condOp uint8

const (
	condLiteral condOp = iota
	condAnd
	condOr
	condNot
	condChoose // kids: condition, then, else
	condHas
	condAtom
)

// atom is the smallest part that is true, false or unknown as a whole. It is unknown when a field
// read anywhere in it is missing, or when a value does not fit a function it is given to.
type atom struct {
	op          string
	left, right *term
	texts       []string       // in ["a", "b"]
	numbers     []float64      // in [1, 2]
	re          *pattern       // matches
	list        *List          // in lists.l, cidr(x, lists.l)
	networks    []netip.Prefix // cidr(x, "10.0.0.0/8")
	body        *cond          // of any, all, none, one over left

	slots  []int // everything read in it, each once
	fits   []fit
	values bool // all values of a field are read in it, which fails when they are too many
}

// fit demands that a value fits the function it is given to.
type fit struct {
	base *term
	over *term // the list whose elements are meant, when base is #
	ok   func(string) bool
	long bool // the demand is on its length only
}

// simple reports whether the atom asks one text about constants only, so that a Go function of
// that text answers it.
func (a *atom) simple() bool {
	if a.left == nil || a.left.kind != termText {
		return false
	}
	switch a.op {
	case "in", "cidr", "glob", "matches":
		return true
	case "==", "!=", "contains", "startsWith", "endsWith":
		return a.right.kind == termConst
	}
	return false
}

// term is a text, a number or a list of texts.
type term struct {
	kind termKind
	slot int    // termText, termNum, termLen, termAge, termValues
	elem bool   // # instead of a slot
	fold string // lower, upper or ""
	text string
	num  float64
	op   string // termArith: + - * or neg
	a, b *term
	list *List
	body *cond   // of count; nil for len of a list
	most float64 // numbers: a bound of the magnitude
}

type termKind uint8

const (
	termText   termKind = iota // event.f, alert.f or #, with fold
	termConst                  // a text
	termNumber                 // a number
	termNum                    // num(text)
	termLen                    // len(text), in characters
	termAge                    // age(text)
	termTime                   // alert.time in seconds since 1970
	termArith
	termCount  // count(list, body), or len(list)
	termValues // values(event.f)
	termList   // lists.l
)

func (t *term) isText() bool   { return t.kind == termText || t.kind == termConst }
func (t *term) isList() bool   { return t.kind == termValues || t.kind == termList }
func (t *term) isNumber() bool { return !t.isText() && !t.isList() }
func (t *term) constant() bool { return t.kind == termConst || t.kind == termNumber }
