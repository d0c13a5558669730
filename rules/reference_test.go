package rules

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"github.com/winnow-soc/winnow"
)

// reference is the meaning of conditions written a second time, slowly and from the page: it walks
// the author's own tree in three values and shares no code with the checker, the rewriting and the
// compiler.
type reference struct {
	lists map[string][]string
	alert *winnow.Alert
	pick  map[string]string // event fields read as single values
	elem  string            // #

	person bool // as the escalate list reads it, where doubt goes to a person
}

// refMatch says whether a condition is true for every pick, and whether it is true for some.
func refMatch(tree ast.Node, lists map[string][]string, a *winnow.Alert) (every, some bool) {
	long := false
	for _, values := range a.Fields {
		long = long || slices.ContainsFunc(values, func(v string) bool { return len(v) > 16384 })
	}
	picks := []map[string]string{{}}
	for _, field := range singles(tree, nil) {
		var values []string
		for _, v := range a.Fields[field] {
			if v != "" && !refContains(values, v) {
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			continue
		}
		var more []map[string]string
		for _, p := range picks {
			for _, v := range values {
				q := maps.Clone(p)
				q[field] = v
				more = append(more, q)
			}
		}
		if picks = more; len(picks) > 256 {
			return false, true
		}
	}
	every = true
	for _, p := range picks {
		holds := (&reference{lists: lists, alert: a, pick: p}).cond(tree) == "true"
		every, some = every && holds, some || holds
		if !some && long {
			some = refIs((&reference{lists: lists, alert: a, pick: p, person: true}).cond(tree), "true")
		}
		if some && !every {
			break
		}
	}
	return every, some
}

func refParse(text string) ast.Node {
	tree, err := parser.Parse(text)
	if err != nil {
		panic(err)
	}
	return tree.Node
}

var refPatterns = map[string]*regexp.Regexp{}

func refRegexp(pattern string) *regexp.Regexp {
	if refPatterns[pattern] == nil {
		refPatterns[pattern] = regexp.MustCompile(pattern)
	}
	return refPatterns[pattern]
}

func refContains(list []string, v string) bool {
	return slices.Contains(list, v)
}

// dotted returns "event.a.b" of a chain of names.
func dotted(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MemberNode:
		return dotted(n.Node) + "." + n.Property.(*ast.StringNode).Value
	case *ast.IdentifierNode:
		return n.Value
	}
	return "?"
}

// kids are the nodes right below one.
func kids(n ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.UnaryNode:
		return []ast.Node{n.Node}
	case *ast.BinaryNode:
		return []ast.Node{n.Left, n.Right}
	case *ast.ConditionalNode:
		return []ast.Node{n.Cond, n.Exp1, n.Exp2}
	case *ast.CallNode:
		return n.Arguments
	case *ast.BuiltinNode:
		return n.Arguments
	case *ast.PredicateNode:
		return []ast.Node{n.Node}
	}
	return nil
}

// singles lists the event fields read as single values.
func singles(n ast.Node, out []string) []string {
	switch n := n.(type) {
	case *ast.MemberNode:
		if name, ok := strings.CutPrefix(dotted(n), "event."); ok && !refContains(out, name) {
			out = append(out, name)
		}
		return out
	case *ast.BuiltinNode:
		if n.Name == "values" {
			return out
		}
	case *ast.CallNode:
		if refName(n) == "has" {
			return out
		}
	}
	for _, k := range kids(n) {
		out = singles(k, out)
	}
	return out
}

func refName(n *ast.CallNode) string { return n.Callee.(*ast.IdentifierNode).Value }

func refNot(v string) string {
	switch v {
	case "true":
		return "false"
	case "false":
		return "true"
	}
	return v
}

// cond is Kleene's logic, with "both" beside it for what a person has to look at: it is true and
// it is false, whatever is asked of it.
func (r *reference) cond(n ast.Node) string {
	switch n := n.(type) {
	case *ast.BoolNode:
		return strconv.FormatBool(n.Value)
	case *ast.UnaryNode:
		return refNot(r.cond(n.Node))
	case *ast.ConditionalNode:
		switch r.cond(n.Cond) {
		case "true":
			return r.cond(n.Exp1)
		case "false":
			return r.cond(n.Exp2)
		case "both":
			return refJoin(r.cond(n.Exp1), r.cond(n.Exp2))
		}
		return "unknown"
	case *ast.BinaryNode:
		switch n.Operator {
		case "&&", "and":
			return refNot(r.or(refNot(r.cond(n.Left)), refNot(r.cond(n.Right))))
		case "||", "or":
			return r.or(r.cond(n.Left), r.cond(n.Right))
		}
	case *ast.CallNode:
		if refName(n) == "has" {
			return strconv.FormatBool(r.list(n.Arguments[0]) != nil)
		}
	}
	if r.person && r.tooLong(n, nil) {
		return "both"
	}
	if !r.defined(n, nil) {
		return "unknown"
	}
	return strconv.FormatBool(r.plain(n))
}

func (r *reference) or(a, b string) string {
	return refValue(refIs(a, "true") || refIs(b, "true"), refIs(a, "false") && refIs(b, "false"))
}

func refIs(v, what string) bool { return v == what || v == "both" }

func refJoin(a, b string) string {
	return refValue(refIs(a, "true") || refIs(b, "true"), refIs(a, "false") || refIs(b, "false"))
}

func refValue(isTrue, isFalse bool) string {
	switch {
	case isTrue && isFalse:
		return "both"
	case isTrue:
		return "true"
	case isFalse:
		return "false"
	}
	return "unknown"
}

// tooLong walks everything in an atom for a value that matches and glob do not look at even where
// doubt goes to a person.
func (r *reference) tooLong(n ast.Node, over []string) bool {
	switch n := n.(type) {
	case *ast.BuiltinNode:
		if len(n.Arguments) == 2 {
			return r.tooLong(n.Arguments[0], over) || r.tooLong(n.Arguments[1], r.list(n.Arguments[0]))
		}
	case *ast.CallNode:
		if refName(n) == "glob" {
			return !r.fits("look", n.Arguments[0], "", over)
		}
	case *ast.BinaryNode:
		if n.Operator == "matches" {
			return !r.fits("look", n.Left, "", over)
		}
	}
	for _, k := range kids(n) {
		if r.tooLong(k, over) {
			return true
		}
	}
	return false
}

// defined walks everything in an atom: each field must be there, and each value must fit the
// function it goes into, for # every element of the list.
func (r *reference) defined(n ast.Node, over []string) bool {
	switch n := n.(type) {
	case *ast.MemberNode:
		name := dotted(n)
		if strings.HasPrefix(name, "lists.") {
			return true
		}
		if field, ok := strings.CutPrefix(name, "event."); ok {
			return r.list(&ast.MemberNode{Node: &ast.IdentifierNode{Value: "event"}, Property: &ast.StringNode{Value: field}}) != nil
		}
		return r.alertValue(name) != ""
	case *ast.BuiltinNode:
		if n.Name == "len" || n.Name == "values" || n.Name == "lower" || n.Name == "upper" {
			break
		}
		return r.defined(n.Arguments[0], over) && r.defined(n.Arguments[1], r.list(n.Arguments[0]))
	case *ast.CallNode:
		if refName(n) == "age" && r.alert.Time.IsZero() {
			return false
		}
		if !r.fits(refName(n), n.Arguments[0], "", over) {
			return false
		}
		if refName(n) == "cidr" || refName(n) == "glob" {
			return r.defined(n.Arguments[0], over)
		}
	case *ast.BinaryNode:
		if n.Operator == "matches" && !r.fits("matches", n.Left, "", over) {
			return false
		}
		if m, ok := n.Right.(*ast.MemberNode); ok && n.Operator == "in" {
			if list := strings.TrimPrefix(dotted(m), "lists."); !r.fits("in", n.Left, list, over) {
				return false
			}
		}
	}
	for _, k := range kids(n) {
		if !r.defined(k, over) {
			return false
		}
	}
	return true
}

// fits asks whether what is written as arg fits a function.
func (r *reference) fits(fn string, arg ast.Node, list string, over []string) bool {
	values := []string{}
	switch a := arg.(type) {
	case *ast.PointerNode:
		values = over
	case *ast.BuiltinNode: // lower or upper
		if _, elem := a.Arguments[0].(*ast.PointerNode); elem {
			for _, v := range over {
				values = append(values, r.fold(a.Name, v))
			}
		} else if v := r.textOf(a.Arguments[0]); v != "" {
			values = append(values, r.fold(a.Name, v))
		}
	default:
		if v := r.textOf(arg); v != "" {
			values = append(values, v)
		}
	}
	for _, v := range values {
		if !r.fit(fn, v, list) {
			return false
		}
	}
	return true
}

var refDecimal = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

func (r *reference) fit(fn, v, list string) bool {
	switch fn {
	case "cidr":
		ip, err := netip.ParseAddr(v)
		return err == nil && ip.Zone() == ""
	case "num":
		return refDecimal.MatchString(v) && len(strings.NewReplacer("-", "", ".", "").Replace(v)) <= 15
	case "age":
		t, ok := refTime(v)
		return ok && t <= refSeconds(r.alert.Time)
	case "glob", "matches":
		return r.person || len(v) <= 32768
	case "look":
		return len(v) <= 262144
	case "in":
		if !refNetworks(r.lists[list]) || refContains(r.lists[list], v) {
			return true
		}
		return r.fit("cidr", v, "")
	}
	return true
}

func refSeconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

func refTime(v string) (float64, bool) {
	if refDecimal.MatchString(v) {
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil && f >= 0 && f <= 253402300799 && len(strings.NewReplacer("-", "", ".", "").Replace(v)) <= 15
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil || t.Year() < 1970 {
		return 0, false
	}
	return refSeconds(t), true
}

func refNetworks(values []string) bool {
	for _, v := range values {
		_, e1 := netip.ParsePrefix(v)
		_, e2 := netip.ParseAddr(v)
		if e1 != nil && e2 != nil {
			return false
		}
	}
	return len(values) > 0
}

func refInNetwork(v string, networks []string) bool {
	ip, err := netip.ParseAddr(v)
	if err != nil {
		return false
	}
	for _, n := range networks {
		if p, err := netip.ParsePrefix(n); err == nil && p.Contains(ip.Unmap()) {
			return true
		}
		if a, err := netip.ParseAddr(n); err == nil && a.Unmap() == ip.Unmap() {
			return true
		}
	}
	return false
}

// alertValue is what alert.NAME holds, "" when missing.
func (r *reference) alertValue(name string) string {
	switch name {
	case "alert.search_name":
		return r.alert.SearchName
	case "alert.severity":
		if s := r.alert.Severity.String(); s != "unknown" {
			return s
		}
	case "alert.time":
		if !r.alert.Time.IsZero() {
			return "there"
		}
	}
	return ""
}

// textOf is the text of a field, # or constant.
func (r *reference) textOf(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.PointerNode:
		return r.elem
	case *ast.BuiltinNode:
		return r.fold(n.Name, r.textOf(n.Arguments[0]))
	case *ast.MemberNode:
		if field, ok := strings.CutPrefix(dotted(n), "event."); ok {
			return r.pick[field]
		}
		return r.alertValue(dotted(n))
	}
	panic("no text")
}

func (r *reference) fold(name, v string) string {
	if name == "lower" {
		return strings.ToLower(v)
	}
	return strings.ToUpper(v)
}

// list is what a list holds, nil when the field is missing.
func (r *reference) list(n ast.Node) []string {
	if b, ok := n.(*ast.BuiltinNode); ok && b.Name == "values" {
		n = b.Arguments[0]
	}
	name := dotted(n)
	if l, ok := strings.CutPrefix(name, "lists."); ok {
		return r.lists[l]
	}
	var out []string
	for _, v := range r.alert.Fields[strings.TrimPrefix(name, "event.")] {
		if v != "" {
			out = append(out, v)
		}
	}
	return out
}

// plain is an atom that is defined.
func (r *reference) plain(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BoolNode:
		return n.Value
	case *ast.UnaryNode:
		return !r.plain(n.Node)
	case *ast.ConditionalNode:
		if r.plain(n.Cond) {
			return r.plain(n.Exp1)
		}
		return r.plain(n.Exp2)
	case *ast.PredicateNode:
		return r.plain(n.Node)
	case *ast.BuiltinNode:
		trues, all := r.countTrue(n)
		switch n.Name {
		case "any":
			return trues > 0
		case "all":
			return trues == all
		case "none":
			return trues == 0
		case "one":
			return trues == 1
		}
	case *ast.CallNode:
		v := r.textOf(n.Arguments[0])
		if refName(n) == "glob" {
			return refGlob(n.Arguments[1].(*ast.StringNode).Value, v)
		}
		if s, ok := n.Arguments[1].(*ast.StringNode); ok {
			return refInNetwork(v, []string{s.Value})
		}
		return refInNetwork(v, r.list(n.Arguments[1]))
	case *ast.BinaryNode:
		return r.binary(n)
	}
	panic("no condition")
}

func (r *reference) countTrue(n *ast.BuiltinNode) (trues, all int) {
	for _, v := range r.list(n.Arguments[0]) {
		in := *r
		in.elem = v
		if in.plain(n.Arguments[1]) {
			trues++
		}
		all++
	}
	return trues, all
}

func refGlob(pattern, v string) bool {
	re := regexp.QuoteMeta(pattern)
	re = strings.ReplaceAll(strings.ReplaceAll(re, `\*`, `.*`), `\?`, `.`)
	return refRegexp(`(?s)^` + re + `$`).MatchString(v)
}

func (r *reference) binary(n *ast.BinaryNode) bool {
	switch n.Operator {
	case "&&", "and":
		return r.plain(n.Left) && r.plain(n.Right)
	case "||", "or":
		return r.plain(n.Left) || r.plain(n.Right)
	case "contains":
		return strings.Contains(r.textOf(n.Left), r.textOf(n.Right))
	case "startsWith":
		return strings.HasPrefix(r.textOf(n.Left), r.textOf(n.Right))
	case "endsWith":
		return strings.HasSuffix(r.textOf(n.Left), r.textOf(n.Right))
	case "matches":
		return refRegexp(r.textOf(n.Right)).MatchString(r.textOf(n.Left))
	case "in":
		return r.member(n)
	}
	if !refIsNumber(n.Left) {
		return (r.textOf(n.Left) == r.textOf(n.Right)) == (n.Operator == "==")
	}
	a, b := r.number(n.Left), r.number(n.Right)
	return map[string]bool{"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[n.Operator]
}

func (r *reference) member(n *ast.BinaryNode) bool {
	if array, ok := n.Right.(*ast.ArrayNode); ok {
		for _, k := range array.Nodes {
			if refIsNumber(k) && r.number(k) == r.number(n.Left) || !refIsNumber(k) && r.textOf(k) == r.textOf(n.Left) {
				return true
			}
		}
		return false
	}
	list, v := r.list(n.Right), r.textOf(n.Left)
	return refContains(list, v) || refNetworks(list) && refInNetwork(v, list)
}

func refIsNumber(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BinaryNode, *ast.UnaryNode, *ast.CallNode:
		return true
	case *ast.BuiltinNode:
		return n.Name == "len" || n.Name == "count"
	case *ast.MemberNode:
		return dotted(n) == "alert.time"
	}
	return false
}

func (r *reference) number(n ast.Node) float64 {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return float64(n.Value)
	case *ast.FloatNode:
		return n.Value
	case *ast.UnaryNode:
		return -r.number(n.Node)
	case *ast.MemberNode:
		return refSeconds(r.alert.Time)
	case *ast.BinaryNode:
		a, b := r.number(n.Left), r.number(n.Right)
		return map[string]float64{"+": a + b, "-": a - b, "*": a * b}[n.Operator]
	case *ast.CallNode:
		v := r.textOf(n.Arguments[0])
		if refName(n) == "age" {
			t, _ := refTime(v)
			return refSeconds(r.alert.Time) - t
		}
		f, _ := strconv.ParseFloat(v, 64)
		return f
	case *ast.BuiltinNode:
		if n.Name == "count" {
			trues, _ := r.countTrue(n)
			return float64(trues)
		}
		if _, ok := n.Arguments[0].(*ast.BuiltinNode); ok || strings.HasPrefix(dotted(n.Arguments[0]), "lists.") {
			return float64(len(r.list(n.Arguments[0])))
		}
		return float64(utf8.RuneCountInString(r.textOf(n.Arguments[0])))
	}
	panic("no number")
}
