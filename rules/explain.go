package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"github.com/winnow-soc/winnow"
)

// Value is what a part of a condition comes to.
type Value string

// The values of a part. A part is skipped when the answer was known without it.
const (
	ValueTrue    Value = "true"
	ValueFalse   Value = "false"
	ValueUnknown Value = "unknown"
	ValueError   Value = "error"
	ValueSkipped Value = "skipped"
)

// Part is a part of a condition and what it comes to.
type Part struct {
	Kind   string  `json:"kind"` // and, or, not, choose, has, atom or literal
	Text   string  `json:"text"` // as its author wrote it
	Line   int     `json:"line"` // in the rule file, from 1; 0 when the file cannot be read any more
	Column int     `json:"column"`
	Value  Value   `json:"value"`
	Reason string  `json:"reason"` // what was read, or why the value is unknown
	Parts  []*Part `json:"parts"`

	at, end int // of Text in the condition, in characters
}

// Pick is the value of a field with several, for which a condition was evaluated.
type Pick struct {
	Field string `json:"field"`
	Value string `json:"value"`
	Of    int    `json:"of"` // number of different values
}

// Explanation says how a rule's condition came to match an alert, or not to.
type Explanation struct {
	Rule    string `json:"rule"`
	Matches bool   `json:"matches"` // what [Rule.Match] says
	Why     string `json:"why"`     // in a sentence
	Ways    int    `json:"ways"`    // to pick one value for each field; 0 when there are too many to try
	Picks   []Pick `json:"picks"`   // for which Root was evaluated: the first that fails, if any does
	Root    *Part  `json:"root"`
	Failed  *Part  `json:"failed"` // the first part for want of which the condition is not true, or nil
}

// Explainer explains rules. It remembers the files that it has read to find the lines of parts in.
// Not safe for concurrent use.
type Explainer struct {
	files map[string]*whenFile
}

// Explain evaluates the rule's condition as its author wrote it, part by part. It looks at the
// condition only, as [Rule.Match] does, and comes to the same answer.
func (x *Explainer) Explain(r *Rule, a *winnow.Alert) Explanation {
	out := explain(r.When, r.read(), a)
	out.Rule = r.ID
	if locate := x.locator(r); locate != nil && out.Root != nil {
		out.Root.place(locate)
	}
	return out
}

func (p *Part) place(locate func(at int) (line, column int)) {
	p.Line, p.Column = locate(p.at)
	for _, kid := range p.Parts {
		kid.place(locate)
	}
}

// explain explains a condition and the text it was read from.
func explain(text string, c *condition, a *winnow.Alert) Explanation {
	out := Explanation{Picks: []Pick{}}
	tree, err := parseText(text)
	if err == nil && c.root == nil {
		err = errors.New("the condition cannot be read")
	}
	if err == nil {
		err = c.program().err
	}
	if err != nil {
		out.Why = err.Error()
		return out
	}
	e := &evaluation{written: newWritten(text), fr: open(c.slots, a), codes: map[*atom]*vm.Program{}}
	defer e.fr.close()
	if err := c.listError(); err != nil {
		out.Root = e.distrusted(c.root, tree).tidy()
		out.Root.Value, out.Root.Reason = ValueUnknown, "a rule over a list that cannot be trusted matches nothing"
		out.Failed, out.Why = out.Root.blame(), err.Error()
		return out
	}
	e.every(c.root, tree, &out)
	return out
}

// every evaluates the condition for one way to pick values after the other, up to the first for
// which it is not true.
func (e *evaluation) every(root *cond, tree ast.Node, out *Explanation) {
	out.Root = e.part(root, tree, true)
	few := e.fr.loadAll()
	if few {
		out.Ways = e.fr.ways
	}
	for out.Root.Value == ValueTrue && few && e.fr.ways > 1 && e.fr.next() {
		out.Root = e.part(root, tree, true)
	}
	out.Picks = e.picks()
	out.Root.tidy()
	switch {
	case out.Root.Value != ValueTrue:
		out.Failed = out.Root.blame()
		out.Why = sentence(out.Failed)
		if slices.ContainsFunc(out.Picks, func(p Pick) bool { return strings.Contains(out.Failed.Text, p.Field) }) {
			out.Why += "; every value of a field must satisfy"
		}
	case !few:
		out.Why = fmt.Sprintf("its fields have more than %d ways to pick one value for each, too many to try", maxPicks)
	default:
		out.Matches = true
		out.Why = "the condition is true"
		if out.Ways > 1 {
			out.Why = fmt.Sprintf("the condition is true for each of %d ways to pick one value for each field", out.Ways)
		}
	}
}

func sentence(p *Part) string {
	text := fmt.Sprintf("%s is %s", clip(p.Text), p.Value)
	if because := p.Because(); because != "" {
		text += ": " + because
	}
	return text
}

// Because returns the part's reason or, of a connective, those of what failed below it.
func (p *Part) Because() string {
	if len(p.Parts) == 0 {
		return p.Reason
	}
	var reasons []string
	for _, kid := range p.Parts {
		if kid.Value == ValueTrue && p.Kind != "not" {
			continue
		}
		if r := kid.Because(); r != "" && !slices.Contains(reasons, r) {
			reasons = append(reasons, r)
		}
	}
	return strings.Join(reasons, "; ")
}

// blame returns the first part for want of which this one is not true, or nil when it is.
func (p *Part) blame() *Part {
	if p.Value == ValueTrue || p.Value == ValueSkipped {
		return nil
	}
	switch p.Kind {
	case "and", "choose":
		for _, kid := range p.Parts {
			// The condition of a choice may be false, and the choice true all the same.
			if p.Kind == "choose" && kid == p.Parts[0] && kid.Value == ValueFalse {
				continue
			}
			if found := kid.blame(); found != nil {
				return found
			}
		}
	}
	return p
}

// evaluation walks a condition as its author wrote it. It stops where the compiled program stops:
// want is the answer that the program looks for, true at the top and the other under each not, and
// what can no longer be that answer is not gone into.
type evaluation struct {
	written
	fr    *frame
	codes map[*atom]*vm.Program // of the atoms that Go functions cannot answer
}

func (e *evaluation) part(c *cond, n ast.Node, want bool) *Part {
	p := e.shallow(c, n)
	kids := nodesOf(c, n)
	switch c.op {
	case condLiteral:
		p.Value = valueOf(truthOf(c.value))
	case condHas:
		p.Value, p.Reason = e.has(c.slot)
	case condAtom:
		p.Value, p.Reason = e.atom(c.atom)
	case condNot:
		p.Parts[0] = e.part(c.kids[0], kids[0], !want)
		p.Value = opposite(p.Parts[0].Value)
	case condAnd:
		e.connect(p, c, kids, want, ValueFalse)
	case condOr:
		e.connect(p, c, kids, want, ValueTrue)
	case condChoose:
		e.choose(p, c, kids, want)
	}
	for i, kid := range kids {
		if p.Parts[i] == nil {
			p.Parts[i] = e.skipped(c.kids[i], kid)
		}
	}
	return p
}

// connect evaluates an and or an or. decisive is the value of a side that settles it.
func (e *evaluation) connect(p *Part, c *cond, kids []ast.Node, want bool, decisive Value) {
	left := e.part(c.kids[0], kids[0], want)
	p.Parts[0], p.Value = left, left.Value
	hopeless := left.Value == ValueUnknown && want == (c.op == condAnd)
	if left.Value == decisive || left.Value == ValueError || hopeless {
		return
	}
	right := e.part(c.kids[1], kids[1], want)
	p.Parts[1] = right
	if left.Value != ValueUnknown || right.Value == decisive || right.Value == ValueError {
		p.Value = right.Value
	}
}

// choose evaluates c ? a : b. The program asks whether c is true, and, unless that and a already give
// what is wanted, whether it is false: so that both questions may run into an error.
func (e *evaluation) choose(p *Part, c *cond, kids []ast.Node, want bool) {
	asked := e.part(c.kids[0], kids[0], true)
	p.Parts[0] = asked
	if asked.Value == ValueTrue {
		p.Parts[1] = e.part(c.kids[1], kids[1], want)
		p.Value = p.Parts[1].Value
		if p.Value == valueOf(truthOf(want)) || p.Value == ValueError {
			return
		}
	}
	if asked.Value != ValueError {
		asked = e.part(c.kids[0], kids[0], false)
	}
	switch asked.Value {
	case ValueError:
		p.Parts[0], p.Value = asked, ValueError
	case ValueFalse:
		p.Parts[0] = asked
		p.Parts[2] = e.part(c.kids[2], kids[2], want)
		p.Value = p.Parts[2].Value
	case ValueUnknown:
		if p.Parts[0].Value != ValueTrue {
			p.Parts[0], p.Value = asked, ValueUnknown
		}
	case ValueTrue, ValueSkipped:
		if p.Parts[0].Value != ValueTrue {
			p.Value = ValueUnknown
		}
	}
}

// atom returns the value of an atom, and what it came from.
func (e *evaluation) atom(a *atom) (Value, string) {
	value := e.valueOfAtom(a)
	switch value {
	case ValueUnknown:
		return value, e.whyUnknown(a)
	case ValueError:
		return value, e.fr.err.Error()
	}
	return value, e.readings(a)
}

func (e *evaluation) valueOfAtom(a *atom) Value {
	if a.simple() {
		return valueOf(a.test()(e.fr.text(a.left.slot)))
	}
	defined := a.guard()(e.fr)
	if e.fr.err != nil {
		return ValueError
	}
	if !defined {
		return ValueUnknown
	}
	code, err := e.code(a)
	if err == nil {
		var out any
		if out, err = e.fr.vm.Run(code, e.fr); err == nil && e.fr.err == nil {
			holds, ok := out.(bool)
			if ok {
				return valueOf(truthOf(holds))
			}
			err = fmt.Errorf("condition returned %T", out)
		}
	}
	if e.fr.err == nil {
		e.fr.err = err
	}
	return ValueError
}

func (e *evaluation) code(a *atom) (*vm.Program, error) {
	if code := e.codes[a]; code != nil {
		return code, nil
	}
	code, err := compileForm(&form{op: formAtom, atom: a, want: true})
	if err == nil {
		e.codes[a] = code
	}
	return code, err
}

// distrusted returns the parts of a condition of which nothing was evaluated, because of the lists
// that are named where they are read.
func (e *evaluation) distrusted(c *cond, n ast.Node) *Part {
	p := e.shallow(c, n)
	for i, kid := range nodesOf(c, n) {
		p.Parts[i] = e.distrusted(c.kids[i], kid)
	}
	if c.op == condAtom {
		if l := c.atom.badList(); l != nil {
			p.Value, p.Reason = ValueUnknown, l.err.Error()
		}
	}
	if c.op == condNot && p.Parts[0].Reason != "" {
		p.Value = ValueUnknown
	}
	return p
}

// shallow returns a part that is not evaluated yet, with room for those below it.
func (e *evaluation) shallow(c *cond, n ast.Node) *Part {
	at, end := e.span(n)
	return &Part{Kind: c.op.name(), Text: e.cut(at, end), Value: ValueSkipped, Parts: make([]*Part, len(c.kids)), at: at, end: end}
}

// skipped returns a part, with all below it, that is not evaluated.
func (e *evaluation) skipped(c *cond, n ast.Node) *Part {
	p := e.shallow(c, n)
	for i, kid := range nodesOf(c, n) {
		p.Parts[i] = e.skipped(c.kids[i], kid)
	}
	return p
}

// tidy makes one part of "a not in b", which is parsed as not (a in b), and one of a && b && c.
func (p *Part) tidy() *Part {
	var parts []*Part
	for _, kid := range p.Parts {
		kid.tidy()
		if kid.Kind == p.Kind && (p.Kind == "and" || p.Kind == "or") {
			parts = append(parts, kid.Parts...)
		} else {
			parts = append(parts, kid)
		}
	}
	if parts != nil {
		p.Parts = parts
	}
	if p.Kind == "not" && p.Parts[0].at == p.at && p.Parts[0].end == p.end {
		kid := p.Parts[0]
		p.Kind, p.Reason, p.Parts = kid.Kind, kid.Reason, kid.Parts
	}
	return p
}
