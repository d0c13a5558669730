package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// checker turns an author's syntax tree into a cond, and refuses everything that is not in the
// language. All errors an author can make come from here.
type checker struct {
	vocabulary
	slots  []slot
	index  map[slot]int
	lists  []*List
	vendor []fieldUse
	smells []fieldUse
	wide   []fieldUse // networks that hold every address
	broad  []fieldUse // patterns that fit every text

	atom    *atom // the atom being read, nil between atoms
	over    *term // the list whose elements # means, nil outside of any, all, none, one and count
	negated bool  // under an odd number of not
	chained map[ast.Node]bool

	patterns map[string]*pattern // the same expression is often asked of several fields
}

func fail(n ast.Node, hint, format string, args ...any) error {
	return &condError{at: start(n), msg: fmt.Sprintf(format, args...), hint: hint}
}

// start returns the offset of the first character of a node; some nodes carry the place of their
// operator or their last part.
func start(n ast.Node) int {
	switch n := n.(type) {
	case *ast.BinaryNode:
		return start(n.Left)
	case *ast.MemberNode:
		return start(n.Node)
	case *ast.ChainNode:
		return start(n.Node)
	case *ast.SliceNode:
		return start(n.Node)
	case *ast.ConditionalNode:
		return start(n.Cond)
	case *ast.CallNode:
		return start(n.Callee)
	case *ast.UnaryNode:
		// "a not in b" carries the place of "in"; "not a" and "!a" that of the operator.
		return min(n.Location().From, start(n.Node))
	case nil:
		return 0
	}
	return n.Location().From
}

// nodeCounter is a visitor that counts, and remembers nodes that appear twice: a < b < c and
// a ?: b share theirs.
type nodeCounter struct {
	nodes int
	seen  map[ast.Node]bool
	twice ast.Node
}

func (v *nodeCounter) Visit(n *ast.Node) {
	v.nodes++
	if v.seen[*n] && v.twice == nil {
		v.twice = *n
	}
	v.seen[*n] = true
}

func (c *checker) count(n ast.Node) error {
	v := &nodeCounter{seen: c.chained}
	ast.Walk(&n, v)
	if v.nodes > maxNodes {
		return &condError{msg: fmt.Sprintf("condition has %d parts, more than %d", v.nodes, maxNodes),
			hint: "put values in a list, or split the rule"}
	}
	if v.twice != nil {
		return fail(v.twice, "write a < b && b < c", "comparisons cannot be chained, and ?: needs a middle part")
	}
	return nil
}

// condition reads a part that is true or false.
func (c *checker) condition(n ast.Node) (*cond, error) {
	switch n := n.(type) {
	case *ast.BoolNode:
		return &cond{op: condLiteral, value: n.Value}, nil
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			return c.not(n)
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "&&", "and":
			return c.connect(condAnd, n.Left, n.Right)
		case "||", "or":
			return c.connect(condOr, n.Left, n.Right)
		}
	case *ast.ConditionalNode:
		if !n.Ternary {
			return nil, fail(n, "write condition ? a : b", "if is not in the language")
		}
		return c.connect(condChoose, n.Cond, n.Exp1, n.Exp2)
	case *ast.CallNode:
		if callee(n) == "has" {
			return c.has(n)
		}
	}
	return c.atomic(n)
}

func (c *checker) not(n *ast.UnaryNode) (*cond, error) {
	c.negated = !c.negated
	kid, err := c.condition(n.Node)
	c.negated = !c.negated
	if err != nil {
		return nil, err
	}
	return &cond{op: condNot, kids: []*cond{kid}}, nil
}

func (c *checker) connect(op condOp, nodes ...ast.Node) (*cond, error) {
	out := &cond{op: op}
	for _, n := range nodes {
		kid, err := c.condition(n)
		if err != nil {
			return nil, err
		}
		out.kids = append(out.kids, kid)
	}
	return out, nil
}

func (c *checker) has(n *ast.CallNode) (*cond, error) {
	if c.over != nil {
		return nil, fail(n, "write has(...) && any(...)", "has cannot stand inside any, all, none, one or count")
	}
	m, err := c.fieldArgument(n, "has", n.Arguments, 1)
	if err != nil {
		return nil, err
	}
	name, at, err := c.eventField(m)
	if err != nil {
		return nil, err
	}
	if c.negated {
		c.smells = append(c.smells, fieldUse{field: name, how: "not has", at: at})
	}
	return &cond{op: condHas, slot: c.slotOf(slot{name: name})}, nil
}

// fieldArgument returns the first of want arguments, which must be written as a field.
func (c *checker) fieldArgument(n ast.Node, fn string, args []ast.Node, want int) (*ast.MemberNode, error) {
	if err := c.arity(n, fn, args, want); err != nil {
		return nil, err
	}
	m, ok := args[0].(*ast.MemberNode)
	if !ok {
		return nil, fail(args[0], "write "+fn+"(event.FIELD)", "%s wants a field", fn)
	}
	return m, nil
}

func (c *checker) arity(n ast.Node, fn string, args []ast.Node, want int) error {
	if len(args) != want {
		return fail(n, "", "%s wants %d argument(s), has %d", fn, want, len(args))
	}
	if want > 0 && start(args[0]) < start(n) {
		return fail(args[0], "write "+fn+"(...)", "| is not in the language")
	}
	return nil
}

// slotOf returns the index of a slot. Reading a field as a single value anywhere makes it one.
func (c *checker) slotOf(s slot) int {
	key := slot{name: s.name, alert: s.alert}
	i, ok := c.index[key]
	if !ok {
		i = len(c.slots)
		c.index[key] = i
		c.slots = append(c.slots, key)
	}
	c.slots[i].single = c.slots[i].single || s.single
	return i
}

// eventField returns the name after "event." and its place.
func (c *checker) eventField(m *ast.MemberNode) (name string, at int, err error) {
	root, name, err := c.path(m)
	if err != nil {
		return "", 0, err
	}
	if root != "event" {
		return "", 0, fail(m, "write event.FIELD", "%s.%s is not a field of the event", root, name)
	}
	if name == "" {
		return "", 0, fail(m, "", "the field name is empty")
	}
	at = start(m)
	if !c.knows(name) {
		if near := c.near(name); near != "" {
			return "", 0, fail(m, didYouMean(EventName(near)), "unknown field %q", EventName(name))
		}
		c.vendor = append(c.vendor, fieldUse{field: name, at: at})
	}
	return name, at, nil
}

// path splits event.a.b into "event" and "a.b".
func (c *checker) path(m *ast.MemberNode) (root, name string, err error) {
	var parts []string
	for {
		p, ok := m.Property.(*ast.StringNode)
		if !ok {
			return "", "", fail(m, `write event["name"]`, "a name in [...] must be a text constant")
		}
		if m.Optional {
			return "", "", fail(m, "write event.FIELD: a missing field is unknown", "?. is not in the language")
		}
		parts = append(parts, p.Value)
		switch n := m.Node.(type) {
		case *ast.MemberNode:
			m = n
			continue
		case *ast.IdentifierNode:
			slices.Reverse(parts)
			name = strings.Join(parts, ".")
			return n.Value, name, c.knownRoot(n)
		case *ast.PointerNode:
			return "", "", fail(n, "write #", "an element has no parts")
		}
		return "", "", fail(m.Node, "write event.FIELD", "only event, alert and lists have parts")
	}
}

var roots = []string{"event", "alert", "lists"}

func (c *checker) knownRoot(n *ast.IdentifierNode) error {
	if slices.Contains(roots, n.Value) {
		return nil
	}
	hint := didYouMean(nearest(n.Value, slices.Values(roots)))
	if hint == "" {
		hint = "write event.FIELD"
	}
	return fail(n, hint, "unknown name %q", n.Value)
}

// callee returns the name of a called function, "" for anything else.
func callee(n *ast.CallNode) string {
	if id, ok := n.Callee.(*ast.IdentifierNode); ok {
		return id.Value
	}
	return ""
}
