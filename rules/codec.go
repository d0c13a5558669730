package rules

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
)

// writeCondition writes a checked condition, so that it can be taken up again without reading its
// text. It reports false for what it cannot write.
func writeCondition(cond *condition) (out []byte, ok bool) {
	c := codec{slots: cond.slots}
	root := cond.root
	c.condition(&root)
	return c.out, !c.bad
}

// readCondition takes up a condition that writeCondition wrote. Its lists are those of today: it
// reports false, as for bytes of any other origin, when one of them no longer serves, and the text
// must then be read to say why.
func readCondition(in string, lists *Lists) (*condition, bool) {
	c := codec{reading: true, in: in, opts: Options{Lists: lists}}
	var root *cond
	c.condition(&root)
	if c.bad || c.in != "" {
		return nil, false
	}
	return &condition{root: root, slots: c.slots, lists: c.used}, true
}

// codec goes through a condition and writes each part, or reads it: one way for both, so that what
// is read is what was written. Nothing that it reads makes it fail in any other way than by setting
// bad. What an atom demands is not written but worked out anew, since it hangs on the lists; nor is
// what only people are told of a condition.
type codec struct {
	reading bool
	out     []byte
	in      string
	bad     bool
	parts   int  // conditions and terms so far
	inside  bool // of a quantifier's predicate

	opts  Options
	files []string // that rules stand in

	slots    []slot
	used     []*List
	patterns []*pattern // the same expression is often asked of several fields
}

// maxDepth is more than the checker lets a condition have, with its terms.
const maxDepth = 4 * maxNodes

var (
	atomOps = []string{
		"==", "!=", "<", "<=", ">", ">=", "in", "contains", "startsWith", "endsWith", "matches", "cidr", "glob",
		"any", "all", "none", "one",
	}
	arithOps = []string{"", "+", "-", "*", "neg"}
	foldOps  = []string{"", "lower", "upper"}
)

// count stops before what was not written by winnow is too deep for the stack.
func (c *codec) count() {
	if c.parts++; c.reading && c.parts > maxDepth {
		c.bad, c.in = true, ""
	}
}

func (c *codec) condition(root **cond) {
	each(c, &c.slots, func(s *slot) {
		c.text(&s.name)
		c.flag(&s.alert)
		c.flag(&s.single)
	})
	c.cond(root)
}

func (c *codec) cond(p **cond) {
	n := part(c, p)
	c.count()
	number(c, &n.op)
	switch n.op {
	case condLiteral:
		c.flag(&n.value)
	case condAnd, condOr:
		c.kids(n, 2)
	case condNot:
		c.kids(n, 1)
	case condChoose:
		c.kids(n, 3)
	case condHas:
		c.slot(&n.slot)
		c.bad = c.bad || c.inside
	case condAtom:
		c.atom(&n.atom)
		if c.reading && !c.bad && !c.inside {
			n.atom.demand(c.slots)
		}
	default:
		c.bad = true
	}
}

func (c *codec) kids(n *cond, count int) {
	if c.reading {
		n.kids = make([]*cond, count)
	}
	for i := range n.kids {
		c.cond(&n.kids[i])
	}
}

func (c *codec) atom(p **atom) {
	a := part(c, p)
	c.word(&a.op, atomOps)
	c.term(&a.left)
	optional(c, &a.right, c.term)
	each(c, &a.texts, c.text)
	each(c, &a.numbers, c.float)
	optional(c, &a.re, c.pattern)
	optional(c, &a.list, c.list)
	each(c, &a.networks, c.network)
	optional(c, &a.body, c.predicate)
	c.bad = c.bad || !a.whole()
}

// predicate is the condition of a quantifier, which holds no other quantifier.
func (c *codec) predicate(p **cond) {
	c.bad = c.bad || c.inside
	c.inside = true
	c.cond(p)
	c.inside = false
}

// whole reports whether an atom has the operands that its operator takes, which the checker sees to.
func (a *atom) whole() bool {
	onText := a.left.kind == termText
	switch a.op {
	case "in":
		return a.texts != nil && onText || a.numbers != nil && a.left.isNumber() || a.list != nil && onText
	case "matches":
		return a.re != nil && onText
	case "cidr":
		return (a.list != nil && (a.list.err != nil || a.list.Networks()) || a.networks != nil) && onText
	case "glob":
		return a.right != nil && a.right.kind == termConst && onText
	case "any", "all", "none", "one":
		return a.body != nil && a.left.loops()
	}
	return a.right != nil && (a.left.isText() && a.right.isText() || a.left.isNumber() && a.right.isNumber())
}

// loops reports whether a quantifier may go over the term.
func (t *term) loops() bool {
	return t.kind == termValues || t.kind == termList && len(t.list.values) <= maxListLoop
}

func (c *codec) term(p **term) {
	t := part(c, p)
	c.count()
	number(c, &t.kind)
	switch t.kind {
	case termText, termNum, termLen, termAge:
		c.word(&t.fold, foldOps)
		if c.flag(&t.elem); !t.elem {
			c.slot(&t.slot)
		}
		c.bad = c.bad || t.elem && !c.inside || t.kind == termAge && timeSlot(c.slots) < 0
	case termTime, termValues:
		c.slot(&t.slot)
	case termConst:
		c.text(&t.text)
	case termNumber:
		c.float(&t.num)
	case termArith:
		c.word(&t.op, arithOps)
		c.term(&t.a)
		optional(c, &t.b, c.term)
		c.bad = c.bad || !t.a.isNumber() || (t.op == "neg") != (t.b == nil) || t.b != nil && !t.b.isNumber()
	case termCount:
		c.term(&t.a)
		optional(c, &t.body, c.predicate)
		c.bad = c.bad || !t.a.isList() || t.body != nil && !t.a.loops()
	case termList:
		c.list(&t.list)
	default:
		c.bad = true
	}
}

func (c *codec) slot(i *int) {
	number(c, i)
	c.bad = c.bad || *i < 0 || *i >= len(c.slots)
}

// list writes the name of a list, and finds the list of that name.
func (c *codec) list(p **List) {
	name := ""
	if !c.reading {
		name = (*p).name
	}
	if c.text(&name); !c.reading {
		return
	}
	l := c.opts.Lists.get(name)
	if *p = l; l == nil {
		*p, c.bad = &List{}, true
	} else if !slices.Contains(c.used, l) {
		c.used = append(c.used, l)
	}
}

// pattern writes an expression with its needles: they take long to work out.
func (c *codec) pattern(p **pattern) {
	n := part(c, p)
	c.text(&n.text)
	each(c, &n.parts, func(part *needles) {
		each(c, (*[][]byte)(part), func(needle *[]byte) {
			text := string(*needle)
			c.text(&text)
			*needle = []byte(text)
		})
	})
	if !c.reading {
		return
	}
	if i := slices.IndexFunc(c.patterns, func(other *pattern) bool { return other.text == n.text }); i >= 0 {
		*p = c.patterns[i]
		return
	}
	c.patterns = append(c.patterns, n)
}

func (c *codec) network(p *netip.Prefix) {
	text := p.String()
	if c.text(&text); c.reading {
		network, ok := parseNetwork(text)
		*p, c.bad = network, c.bad || !ok
	}
}

// part returns what p points to, made first when it is read.
func part[T any](c *codec, p **T) *T {
	if c.reading {
		*p = new(T)
	}
	return *p
}

func optional[T any](c *codec, p **T, f func(**T)) {
	there := *p != nil
	if c.flag(&there); there {
		f(p)
	}
}

func each[T any](c *codec, list *[]T, f func(*T)) {
	n := len(*list)
	if number(c, &n); c.reading && n > 0 && n <= len(c.in) {
		*list = make([]T, n)
	}
	for i := range *list {
		f(&(*list)[i])
	}
	c.bad = c.bad || n != len(*list)
}

func number[T ~int | ~uint8 | ~uint32](c *codec, v *T) {
	if !c.reading {
		c.out = binary.AppendUvarint(c.out, uint64(*v))
		return
	}
	n, size := uvarint(c.in)
	if size <= 0 || n > math.MaxInt32 || uint64(T(n)) != n {
		c.bad, c.in, n, size = true, "", 0, 0
	}
	*v, c.in = T(n), c.in[size:]
}

func (c *codec) flag(v *bool) {
	n := 0
	if *v {
		n = 1
	}
	number(c, &n)
	*v = n == 1
	c.bad = c.bad || n > 1
}

func (c *codec) text(v *string) {
	n := len(*v)
	if number(c, &n); !c.reading {
		c.out = append(c.out, *v...)
		return
	}
	if n > len(c.in) {
		c.bad, n = true, 0
	}
	*v, c.in = c.in[:n], c.in[n:]
}

func (c *codec) float(v *float64) {
	text := ""
	if !c.reading {
		text = string(binary.BigEndian.AppendUint64(nil, math.Float64bits(*v)))
	}
	c.text(&text)
	if c.bad = c.bad || len(text) != 8; !c.bad {
		*v = math.Float64frombits(binary.BigEndian.Uint64([]byte(text)))
	}
}

// word writes one of a few words as its place among them.
func (c *codec) word(v *string, words []string) {
	i := slices.Index(words, *v)
	if !c.reading && i < 0 {
		c.bad = true
		return
	}
	if number(c, &i); i >= len(words) || i < 0 {
		c.bad = true
		return
	}
	*v = words[i]
}

// uvarint is [binary.Uvarint] of a text.
func uvarint(s string) (v uint64, size int) {
	for i := range min(len(s), binary.MaxVarintLen64) {
		b := s[i]
		if i == binary.MaxVarintLen64-1 && b > 1 {
			return 0, -1
		}
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}
