package rules

import (
	"fmt"
	"sync"

	"github.com/expr-lang/expr/vm"

	"github.com/winnow-soc/winnow"
)

// program is a compiled condition: Go functions for what they can answer, expr's VM for the rest.
// Safe for concurrent use.
type program struct {
	slots  []slot
	guards []boolFunc
	rest   *form // what the guards do not say; nil when they say it all
	err    error // why the condition has no program

	once sync.Once
	code *vm.Program
	bad  error // why rest could not be compiled
}

func compile(c *condition) *program {
	p := &program{slots: c.slots}
	f, err := rewriteTrue(c.root)
	if err != nil {
		p.err = err
		return p
	}
	for _, part := range f.conjuncts(nil) {
		if fn, ok := part.native(); ok {
			p.guards = append(p.guards, fn)
			continue
		}
		if part.op == formAtom && part.atom.doubt() == nil {
			p.guards = append(p.guards, part.atom.guard()) // it is in rest as well, and cheaper here
		}
		if p.rest == nil {
			p.rest = part
		} else {
			p.rest = &form{op: formAnd, kids: []*form{p.rest, part}}
		}
	}
	return p
}

// vmCode compiles what the guards leave over, when they first do.
func (p *program) vmCode() (*vm.Program, error) {
	p.once.Do(func() { p.code, p.bad = compileForm(p.rest) })
	return p.code, p.bad
}

// eval answers for the current pick.
func (p *program) eval(fr *frame) (bool, error) {
	for _, g := range p.guards {
		if !g(fr) {
			return false, nil
		}
	}
	if p.rest == nil {
		return true, nil
	}
	code, err := p.vmCode()
	if err != nil {
		return false, err
	}
	out, err := fr.vm.Run(code, fr)
	if err == nil {
		err = fr.err
	}
	if err != nil {
		return false, fmt.Errorf("condition failed: %w", err)
	}
	holds, ok := out.(bool)
	if !ok {
		return false, fmt.Errorf("condition returned %T", out)
	}
	return holds, nil
}

// every reports whether the condition is true for every way to pick one value for each field. An
// error and more ways than can be tried are no match.
func (p *program) every(a *winnow.Alert) (bool, error) {
	if p.err != nil {
		return false, p.err
	}
	fr := open(p.slots, a)
	defer fr.close()
	if holds, err := p.eval(fr); !holds {
		return false, err
	}
	if !fr.loadAll() {
		return false, nil
	}
	for fr.ways > 1 && fr.next() {
		if holds, err := p.eval(fr); !holds {
			return false, err
		}
	}
	return true, nil
}

// any reports whether the condition is true for some way to pick, or may be: an error, more ways
// than can be tried and more text than can be looked at count as true.
func (p *program) any(a *winnow.Alert) bool { return p.anyWithin(a, maxDoubtBudget) }

func (p *program) anyWithin(a *winnow.Alert, budget int) bool {
	if p.err != nil {
		return true
	}
	fr := open(p.slots, a)
	defer fr.close()
	fr.doubt, fr.budget = true, budget
	if holds, err := p.eval(fr); holds || err != nil {
		return true
	}
	if !fr.loadAll() {
		return true
	}
	for fr.ways > 1 && fr.next() {
		if holds, err := p.eval(fr); holds || err != nil {
			return true
		}
	}
	return false
}
