package rules

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
)

// term reads a text, a number or a list.
func (c *checker) term(n ast.Node) (*term, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return c.text(n)
	case *ast.IntegerNode:
		return c.number(n, float64(n.Value))
	case *ast.FloatNode:
		return c.number(n, n.Value)
	case *ast.MemberNode:
		return c.named(n)
	case *ast.PointerNode:
		return c.element(n)
	case *ast.UnaryNode:
		return c.negative(n)
	case *ast.BinaryNode:
		return c.arithmetic(n)
	case *ast.CallNode:
		return c.call(n)
	case *ast.BuiltinNode:
		return c.builtin(n)
	case *ast.IdentifierNode:
		return nil, c.identifier(n)
	case *ast.ChainNode:
		return nil, fail(n, "write event.FIELD: a missing field is unknown", "?. is not in the language")
	case *ast.ArrayNode:
		return nil, fail(n, `write event.FIELD in ["a", "b"]`, "a list in brackets stands only after in, or in cidr")
	case *ast.BoolNode, *ast.ConditionalNode:
		return nil, fail(n, "write c ? event.a == x : event.b == x", "a condition stands where a value is wanted")
	}
	return nil, fail(n, "", "%s is not in the language", construct(n))
}

// construct names a part of expr's language that conditions do not have.
func construct(n ast.Node) string {
	switch n.(type) {
	case *ast.NilNode:
		return "nil"
	case *ast.SliceNode:
		return "[a:b]"
	case *ast.VariableDeclaratorNode:
		return "let"
	case *ast.SequenceNode:
		return ";"
	case *ast.MapNode:
		return "{...}"
	case *ast.BytesNode:
		return `b"..."`
	}
	return "this"
}

func (c *checker) text(n *ast.StringNode) (*term, error) {
	switch {
	case n.Value == "":
		return nil, fail(n, "write has(event.FIELD) or not has(event.FIELD)", "an empty text never appears in an alert")
	case !utf8.ValidString(n.Value):
		return nil, fail(n, "", "the text is not UTF-8")
	}
	return &term{kind: termConst, text: n.Value}, nil
}

// maxExact is the largest number up to which a float64 holds every whole number.
const maxExact = 1 << 53

func (c *checker) number(n ast.Node, v float64) (*term, error) {
	if math.Abs(v) > maxExact || v != v {
		return nil, fail(n, "compare long numbers as text, in quotes", "the number is too large to be exact")
	}
	return &term{kind: termNumber, num: v, most: math.Abs(v)}, nil
}

func (c *checker) identifier(n *ast.IdentifierNode) error {
	if slices.Contains(roots, n.Value) {
		return fail(n, "write "+n.Value+".NAME", "%s alone is not a value", n.Value)
	}
	if slices.Contains(functions, n.Value) {
		return fail(n, "write "+n.Value+"(...)", "%s is a function", n.Value)
	}
	if c.knows(n.Value) {
		return fail(n, didYouMean(EventName(n.Value)), "unknown name %q", n.Value)
	}
	return c.unknownName(n)
}

func (c *checker) unknownName(n *ast.IdentifierNode) error {
	if n.Value == "$env" {
		return fail(n, "write event.FIELD", "$env is not in the language")
	}
	if err := c.knownRoot(n); err != nil {
		return err
	}
	return nil
}

// named reads event.f, alert.f and lists.l.
func (c *checker) named(m *ast.MemberNode) (*term, error) {
	root, name, err := c.path(m)
	if err != nil {
		return nil, err
	}
	switch root {
	case "event":
		if name, _, err = c.eventField(m); err != nil {
			return nil, err
		}
		return &term{kind: termText, slot: c.slotOf(slot{name: name, single: true})}, nil
	case "alert":
		return c.alertField(m, name)
	}
	l := c.vocabulary.lists.get(name)
	if l == nil {
		e := unknownList(c.vocabulary.lists, name)
		return nil, fail(m, e.Hint, "%s", e.Message)
	}
	if !slices.Contains(c.lists, l) {
		c.lists = append(c.lists, l)
	}
	return &term{kind: termList, list: l}, nil
}

func (c *checker) alertField(m *ast.MemberNode, name string) (*term, error) {
	if !slices.Contains(alertFields, name) {
		hint := didYouMean("alert." + nearest(name, slices.Values(alertFields)))
		if strings.HasSuffix(hint, `alert."?`) {
			hint = "alert has " + strings.Join(alertFields, ", ") + "; fields of the row are event.FIELD"
		}
		return nil, fail(m, hint, "unknown name %q", "alert."+name)
	}
	t := &term{kind: termText, slot: c.slotOf(slot{name: name, alert: true})}
	if name == "time" {
		t.kind, t.most = termTime, 1e12
	}
	return t, nil
}

func (c *checker) element(n *ast.PointerNode) (*term, error) {
	if n.Name != "" {
		return nil, fail(n, "write #", "#%s is not in the language", n.Name)
	}
	return &term{kind: termText, elem: true}, nil
}

func (c *checker) negative(n *ast.UnaryNode) (*term, error) {
	if n.Operator != "-" {
		return nil, fail(n, "", "operator %s does not stand here", n.Operator)
	}
	t, err := c.term(n.Node)
	if err != nil {
		return nil, err
	}
	switch {
	case !t.isNumber():
		return nil, fail(n, "write -num(event.FIELD)", "- wants a number")
	case t.kind == termNumber:
		return &term{kind: termNumber, num: -t.num, most: t.most}, nil
	}
	return &term{kind: termArith, op: "neg", a: t, most: t.most}, nil
}

// maxMagnitude keeps every calculation finite, so that no comparison ever sees an infinity.
const maxMagnitude = 1e300

func (c *checker) arithmetic(n *ast.BinaryNode) (*term, error) {
	switch n.Operator {
	case "+", "-", "*":
	case "==", "!=", "<", "<=", ">", ">=", "in", "contains", "startsWith", "endsWith", "matches", "&&", "||", "and", "or":
		return nil, fail(n, "", "a condition stands where a value is wanted")
	case "??":
		return nil, fail(n, "a missing field is unknown; ask with has(event.FIELD)", "operator ?? is not in the language")
	default:
		return nil, fail(n, "", "operator %s is not in the language", n.Operator)
	}
	a, err := c.term(n.Left)
	if err != nil {
		return nil, err
	}
	b, err := c.term(n.Right)
	if err != nil {
		return nil, err
	}
	if !a.isNumber() || !b.isNumber() {
		return nil, fail(n, "write num(event.FIELD) for the number; texts cannot be joined", "%s wants two numbers", n.Operator)
	}
	t := &term{kind: termArith, op: n.Operator, a: a, b: b, most: a.most + b.most}
	if n.Operator == "*" {
		t.most = a.most * b.most
	}
	if t.most > maxMagnitude {
		return nil, fail(n, "", "the result can grow beyond what a number holds")
	}
	if a.kind == termNumber && b.kind == termNumber {
		return &term{kind: termNumber, num: calculate(n.Operator, a.num, b.num), most: t.most}, nil
	}
	return t, nil
}

func calculate(op string, a, b float64) float64 {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	}
	return a * b
}

func (c *checker) call(n *ast.CallNode) (*term, error) {
	name := callee(n)
	switch name {
	case "num":
		return c.domain(n, "num", termNum, 1e15)
	case "age":
		t, err := c.domain(n, "age", termAge, 1e13)
		if err == nil {
			c.slotOf(eventTime)
		}
		return t, err
	case "has", "cidr", "glob":
		return nil, fail(n, "", "%s is a condition, and stands where a value is wanted", name)
	case "":
		return nil, fail(n, "", "only the functions of the language can be called")
	}
	return nil, fail(n, functionHint(name), "unknown function %q", name)
}

// domain reads a function that takes only some texts.
func (c *checker) domain(n *ast.CallNode, fn string, kind termKind, most float64) (*term, error) {
	if err := c.arity(n, fn, n.Arguments, 1); err != nil {
		return nil, err
	}
	base, err := c.bare(n.Arguments[0], fn)
	if err != nil {
		return nil, err
	}
	if c.atom == nil {
		return nil, fail(n, "compare it", "this is a number, not a condition")
	}
	return &term{kind: kind, slot: base.slot, elem: base.elem, most: most}, nil
}

func (c *checker) builtin(n *ast.BuiltinNode) (*term, error) {
	switch n.Name {
	case "lower", "upper":
		return c.fold(n)
	case "len":
		return c.length(n)
	case "values":
		return c.values(n)
	case "count":
		over, body, err := c.quantifier(n)
		if err != nil {
			return nil, err
		}
		return &term{kind: termCount, a: over, body: body, most: maxExact}, nil
	case "any", "all", "none", "one":
		return nil, fail(n, "", "%s is a condition, and stands where a value is wanted", n.Name)
	}
	return nil, fail(n, functionHint(n.Name), "unknown function %q", n.Name)
}

func (c *checker) fold(n *ast.BuiltinNode) (*term, error) {
	if err := c.arity(n, n.Name, n.Arguments, 1); err != nil {
		return nil, err
	}
	t, err := c.term(n.Arguments[0])
	if err != nil {
		return nil, err
	}
	switch {
	case t.kind == termConst:
		return &term{kind: termConst, text: foldText(n.Name, t.text)}, nil
	case t.kind == termText && t.fold == "":
		t.fold = n.Name
		return t, nil
	}
	return nil, fail(n, "write "+n.Name+"(event.FIELD)", "%s wants a field", n.Name)
}

func foldText(fold, text string) string {
	switch fold {
	case "lower":
		return strings.ToLower(text)
	case "upper":
		return strings.ToUpper(text)
	}
	return text
}

func (c *checker) length(n *ast.BuiltinNode) (*term, error) {
	if err := c.arity(n, "len", n.Arguments, 1); err != nil {
		return nil, err
	}
	t, err := c.term(n.Arguments[0])
	if err != nil {
		return nil, err
	}
	switch {
	case t.isList():
		return &term{kind: termCount, a: t, most: maxExact}, nil
	case t.kind == termText && t.fold == "":
		return &term{kind: termLen, slot: t.slot, elem: t.elem, most: maxExact}, nil
	}
	return nil, fail(n, "write len(event.FIELD)", "len wants a field, values(...) or lists.NAME")
}

func (c *checker) values(n *ast.BuiltinNode) (*term, error) {
	m, err := c.fieldArgument(n, "values", n.Arguments, 1)
	if err != nil {
		return nil, err
	}
	name, _, err := c.eventField(m)
	if err != nil {
		return nil, err
	}
	return &term{kind: termValues, slot: c.slotOf(slot{name: name})}, nil
}

// quantifier reads the list and the predicate of any, all, none, one and count.
func (c *checker) quantifier(n *ast.BuiltinNode) (over *term, body *cond, err error) {
	if c.over != nil {
		return nil, nil, fail(n, "", "%s cannot stand inside another one", n.Name)
	}
	if err := c.arity(n, n.Name, n.Arguments, 2); err != nil {
		return nil, nil, err
	}
	if over, err = c.term(n.Arguments[0]); err != nil {
		return nil, nil, err
	}
	if err := c.loop(n, over); err != nil {
		return nil, nil, err
	}
	pred, ok := n.Arguments[1].(*ast.PredicateNode)
	if !ok {
		return nil, nil, fail(n, "", "%s wants a condition about #", n.Name)
	}
	c.over = over
	body, err = c.condition(pred.Node)
	c.over = nil
	return over, body, err
}

// loop checks what a quantifier goes through.
func (c *checker) loop(n *ast.BuiltinNode, over *term) error {
	if !over.isList() {
		return fail(n.Arguments[0], "write "+n.Name+"(values(event.FIELD), ...)",
			"%s goes over values(event.FIELD) or lists.NAME", n.Name)
	}
	if over.list != nil && len(over.list.values) > maxListLoop {
		return fail(n.Arguments[0], "ask with in or cidr",
			"lists.%s has %d values, too many to go through for every alert (limit %d)",
			over.list.name, len(over.list.values), maxListLoop)
	}
	lax := n.Name == "any" && !c.negated || n.Name == "none" && c.negated
	if lax && over.kind == termValues {
		c.smells = append(c.smells, fieldUse{field: c.slots[over.slot].name, how: "any", at: start(n)})
	}
	return nil
}
