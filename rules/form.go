package rules

import "fmt"

// form is a condition in its "is true" form: an and-or tree whose leaves ask whether an atom is
// yes, or whether it is no. An unknown atom is neither, so the tree needs no third value. It is
// made by pushing every not down to the atoms.
type form struct {
	op   formOp
	kids []*form
	atom *atom
	slot int  // of a has leaf
	want bool // leaf: true asks for yes, false for no; literal: its value
}

type formOp uint8

const (
	formLiteral formOp = iota
	formAnd
	formOr
	formHas
	formAtom
)

// rewriteTrue returns the form that holds exactly when c is true.
func rewriteTrue(c *cond) (*form, error) {
	r := rewriter{}
	f := r.rewrite(c, true)
	if r.parts > maxForm {
		return nil, &condError{msg: fmt.Sprintf("condition grows beyond %d parts when it is compiled", maxForm),
			hint: "nest fewer ?:"}
	}
	return f, nil
}

type rewriter struct{ parts int }

// rewrite returns the form that holds exactly when c is true, or false if want is false. It stops
// growing beyond the limit: each ?: doubles what it asks about.
func (r *rewriter) rewrite(c *cond, want bool) *form {
	if r.parts++; r.parts > maxForm {
		return &form{}
	}
	switch c.op {
	case condNot:
		return r.rewrite(c.kids[0], !want)
	case condAnd:
		return r.both(pick(want, formAnd, formOr), c.kids[0], want, c.kids[1], want)
	case condOr:
		return r.both(pick(want, formOr, formAnd), c.kids[0], want, c.kids[1], want)
	case condChoose:
		return &form{op: formOr, kids: []*form{
			r.both(formAnd, c.kids[0], true, c.kids[1], want),
			r.both(formAnd, c.kids[0], false, c.kids[2], want),
		}}
	case condHas:
		return &form{op: formHas, slot: c.slot, want: want}
	case condAtom:
		return &form{op: formAtom, atom: c.atom, want: want}
	}
	return &form{op: formLiteral, want: c.value == want}
}

func (r *rewriter) both(op formOp, a *cond, wantA bool, b *cond, wantB bool) *form {
	return &form{op: op, kids: []*form{r.rewrite(a, wantA), r.rewrite(b, wantB)}}
}

func pick(which bool, a, b formOp) formOp {
	if which {
		return a
	}
	return b
}

// conjuncts splits the ands at the top.
func (f *form) conjuncts(out []*form) []*form {
	if f.op != formAnd {
		return append(out, f)
	}
	for _, k := range f.kids {
		out = k.conjuncts(out)
	}
	return out
}
