package rules

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// atomic reads an atom. Inside any, all, none, one and count the parts of the predicate belong to
// the atom around it.
func (c *checker) atomic(n ast.Node) (*cond, error) {
	a := &atom{}
	outer := c.atom == nil
	if outer {
		c.atom = a
	}
	err := c.readAtom(n, a)
	if outer {
		c.atom = nil
	}
	if err != nil {
		return nil, err
	}
	if outer {
		a.demand(c.slots)
	}
	return &cond{op: condAtom, atom: a}, nil
}

func (c *checker) readAtom(n ast.Node, a *atom) error {
	switch n := n.(type) {
	case *ast.BinaryNode:
		a.op = n.Operator
		return c.binary(n, a)
	case *ast.CallNode:
		a.op = callee(n)
		switch a.op {
		case "cidr":
			return c.cidr(n, a)
		case "glob":
			return c.glob(n, a)
		}
	case *ast.BuiltinNode:
		a.op = n.Name
		switch n.Name {
		case "any", "all", "none", "one":
			var err error
			a.left, a.body, err = c.quantifier(n)
			return err
		}
	}
	t, err := c.term(n)
	if err != nil {
		return err
	}
	return fail(n, `compare it, as in event.action == "success"`, "this is %s, not a condition", kindOf(t))
}

func kindOf(t *term) string {
	switch {
	case t.isText():
		return "a text"
	case t.isList():
		return "a list"
	}
	return "a number"
}

func (c *checker) binary(n *ast.BinaryNode, a *atom) error {
	switch n.Operator {
	case "==", "!=", "<", "<=", ">", ">=", "contains", "startsWith", "endsWith":
		return c.compare(n, a)
	case "in":
		return c.in(n, a)
	case "matches":
		return c.matches(n, a)
	case "+", "-", "*":
		return fail(n, "compare it", "this is a number, not a condition")
	}
	return fail(n, "", "operator %s is not in the language", n.Operator)
}

// compare reads the operators that take two texts or two numbers.
func (c *checker) compare(n *ast.BinaryNode, a *atom) (err error) {
	if err := c.notBool(n.Left, n.Right); err != nil {
		return err
	}
	if a.left, err = c.term(n.Left); err != nil {
		return err
	}
	if a.right, err = c.term(n.Right); err != nil {
		return err
	}
	if err := c.sameKind(n, a); err != nil {
		return err
	}
	if a.left.constant() && a.right.constant() {
		return fail(n, "", "both sides are constants")
	}
	if c.eventSlots(a.left) > 0 && c.eventSlots(a.right) > 0 && !c.compareFields {
		return fail(n, "set compare_fields: true if both sides may hold what an attacker chose",
			"two event fields are compared")
	}
	if a.left.kind == termConst && (a.op == "==" || a.op == "!=") {
		a.left, a.right = a.right, a.left
	}
	return nil
}

// notBool catches == true and the precedence trap "not event.a == b".
func (c *checker) notBool(nodes ...ast.Node) error {
	for _, n := range nodes {
		switch n := n.(type) {
		case *ast.BoolNode:
			return fail(n, fmt.Sprintf(`write "%v" for the text, or the condition itself`, n.Value), "true and false are not values of fields")
		case *ast.UnaryNode:
			if n.Operator == "not" || n.Operator == "!" {
				return fail(n, "write not (...) around the comparison", "%s binds to the name after it only", n.Operator)
			}
		}
	}
	return nil
}

func (c *checker) sameKind(n *ast.BinaryNode, a *atom) error {
	l, r := a.left, a.right
	onTexts := a.op != "<" && a.op != "<=" && a.op != ">" && a.op != ">="
	onNumbers := a.op != "contains" && a.op != "startsWith" && a.op != "endsWith"
	if l.isText() && r.isText() && onTexts || l.isNumber() && r.isNumber() && onNumbers {
		return nil
	}
	if l.isList() || r.isList() {
		return fail(n, "write any(values(event.FIELD), # == ...)", "%s does not take a list", a.op)
	}
	if !onTexts {
		return fail(n, "write num(event.FIELD) for the number", "%s compares numbers only", a.op)
	}
	if !onNumbers {
		return fail(n, "", "%s compares texts only", a.op)
	}
	return fail(n, `write num(event.FIELD), or put the number in quotes`, "a text is compared with a number")
}

// eventSlots counts the fields of the event that a term reads.
func (c *checker) eventSlots(t *term) int {
	if t == nil {
		return 0
	}
	n := c.eventSlots(t.a) + c.eventSlots(t.b)
	switch t.kind {
	case termText, termNum, termLen, termAge, termValues:
		if t.elem {
			return n + c.eventSlots(c.over)
		}
		if !c.slots[t.slot].alert {
			n++
		}
	}
	return n
}

// in reads a membership.
func (c *checker) in(n *ast.BinaryNode, a *atom) (err error) {
	if err := c.notBool(n.Left); err != nil {
		return err
	}
	if a.left, err = c.term(n.Left); err != nil {
		return err
	}
	if a.left.constant() || a.left.isList() {
		return fail(n, "write event.FIELD in [...]; for all values of a field any(values(event.FIELD), # == ...)",
			"in wants one value on its left")
	}
	array, ok := n.Right.(*ast.ArrayNode)
	if !ok {
		return c.inList(n, a)
	}
	if len(array.Nodes) == 0 {
		return fail(array, "", "the list is empty")
	}
	for _, node := range array.Nodes {
		if err := c.member(node, a); err != nil {
			return err
		}
	}
	return nil
}

// member adds a constant of in [...].
func (c *checker) member(n ast.Node, a *atom) error {
	t, err := c.term(n)
	if err != nil {
		return err
	}
	switch {
	case t.kind == termConst && a.left.isText():
		a.texts = append(a.texts, t.text)
	case t.kind == termNumber && a.left.isNumber():
		a.numbers = append(a.numbers, t.num)
	case t.constant():
		return fail(n, "", "a text is looked for among numbers, or a number among texts")
	default:
		return fail(n, "", "[...] holds constants only")
	}
	return nil
}

func (c *checker) inList(n *ast.BinaryNode, a *atom) error {
	t, err := c.term(n.Right)
	if err != nil {
		return err
	}
	if t.kind != termList {
		return fail(n.Right, `for all values of a field write any(values(event.FIELD), # == ...)`,
			"in wants [...] or lists.NAME on its right")
	}
	if !a.left.isText() {
		return fail(n, "", "lists hold texts, and the left side is a number")
	}
	a.list = t.list
	return nil
}

// partial reports whether the atom can be unknown for a value that is there.
func (a *atom) partial() bool {
	switch a.op {
	case "cidr", "glob", "matches":
		return true
	case "in":
		return a.list != nil && a.list.Networks()
	}
	return false
}

func (c *checker) matches(n *ast.BinaryNode, a *atom) (err error) {
	if err := c.notBool(n.Left); err != nil {
		return err
	}
	if a.left, err = c.term(n.Left); err != nil {
		return err
	}
	if a.left.kind != termText {
		return fail(n, "", "matches wants a field on its left")
	}
	if a.right, err = c.pattern(n.Right, "matches"); err != nil {
		return err
	}
	text := a.right.text
	if a.re = c.patterns[text]; a.re == nil {
		if a.re, err = newPattern(text); err != nil {
			return fail(n.Right, "", "%v", err)
		}
		c.patterns[text] = a.re
	}
	if !c.unproven && a.re.everything() {
		c.broad = append(c.broad, fieldUse{how: "matches " + strconv.Quote(clip(text)), at: start(n.Right)})
	}
	return nil
}

// pattern reads a text constant.
func (c *checker) pattern(n ast.Node, fn string) (*term, error) {
	t, err := c.term(n)
	if err != nil {
		return nil, err
	}
	if t.kind != termConst {
		return nil, fail(n, "", "%s wants a text constant as its pattern", fn)
	}
	return t, nil
}

func (c *checker) glob(n *ast.CallNode, a *atom) (err error) {
	if err := c.arity(n, "glob", n.Arguments, 2); err != nil {
		return err
	}
	if a.left, err = c.bare(n.Arguments[0], "glob"); err != nil {
		return err
	}
	if a.right, err = c.pattern(n.Arguments[1], "glob"); err != nil {
		return err
	}
	if strings.Trim(a.right.text, "*") == "" {
		c.broad = append(c.broad, fieldUse{how: "glob " + strconv.Quote(clip(a.right.text)), at: start(n.Arguments[1])})
	}
	return nil
}

func (c *checker) cidr(n *ast.CallNode, a *atom) (err error) {
	if err := c.arity(n, "cidr", n.Arguments, 2); err != nil {
		return err
	}
	if a.left, err = c.bare(n.Arguments[0], "cidr"); err != nil {
		return err
	}
	if array, ok := n.Arguments[1].(*ast.ArrayNode); ok {
		if len(array.Nodes) == 0 {
			return fail(array, "", "the list is empty")
		}
		for _, node := range array.Nodes {
			if err := c.network(node, a); err != nil {
				return err
			}
		}
		return nil
	}
	return c.network(n.Arguments[1], a)
}

// network reads a network constant or a list of networks.
func (c *checker) network(n ast.Node, a *atom) error {
	t, err := c.term(n)
	if err != nil {
		return err
	}
	switch {
	case t.kind == termConst:
		p, ok := parseNetwork(t.text)
		if !ok {
			return fail(n, networkHint(t.text), "%q is not a network or an address", t.text)
		}
		if p.Bits() == 0 {
			c.wide = append(c.wide, fieldUse{how: t.text, at: start(n)})
		}
		a.networks = append(a.networks, p)
		return nil
	case t.kind == termList && a.networks == nil:
		// A list that cannot be trusted keeps the rule from matching: its content is not the author's error.
		if t.list.err == nil && !t.list.Networks() {
			return fail(n, "", "lists.%s is not a list of networks: %s", t.list.name, t.list.notNet)
		}
		a.list = t.list
		return nil
	}
	return fail(n, `write "10.0.0.0/8", a list of such texts, or lists.NAME`, "cidr wants networks")
}

func networkHint(text string) string {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("write %q for the network, or %q for the address", p.Masked(), p.Addr())
}

// bare reads the field or # that a function is given.
func (c *checker) bare(n ast.Node, fn string) (*term, error) {
	t, err := c.term(n)
	if err != nil {
		return nil, err
	}
	if t.kind != termText || t.fold != "" {
		return nil, fail(n, "write "+fn+"(event.FIELD)", "%s wants a field", fn)
	}
	return t, nil
}
