package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	opatypes "github.com/open-policy-agent/opa/v1/types"
)

// regoRule writes a rule as a member of one partial set, which OPA indexes as a whole. What OPA's
// index can use is written so that it can: equality, membership, starts and ends of texts. An
// alternative is a body of its own, as in Rego it is; a missing field makes a body undefined.
func regoRule(r *rule) string {
	var b strings.Builder
	for _, body := range bodies(r.when, true) {
		fmt.Fprintf(&b, "match contains %s if {\n", quote(r.id))
		if r.search != "" {
			fmt.Fprintf(&b, "\tinput.search_name == %s\n", quote(r.search))
		}
		// What goes through several values comes last, so that the rest is asked once.
		slices.SortStableFunc(body, func(a, b leaf) int { return a.loops() - b.loops() })
		for i, l := range body {
			for _, line := range regoLines(l, i) {
				b.WriteString("\t" + line + "\n")
			}
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// leaf is an atom or its opposite.
type leaf struct {
	atom
	positive bool
}

func (l leaf) loops() int {
	if l.positive && len(l.values) > 1 && (l.test == testContains || l.test == testCIDR || l.test == testMatches) {
		return 1
	}
	return 0
}

// bodies returns the ways to make a condition true, each a list of what must all hold.
func bodies(c *cond, positive bool) [][]leaf {
	switch {
	case c.op == "":
		return [][]leaf{{{c.atom, positive}}}
	case c.op == "not":
		return bodies(c.kids[0], !positive)
	case (c.op == "or") == positive:
		var out [][]leaf
		for _, k := range c.kids {
			out = append(out, bodies(k, positive)...)
		}
		return out
	}
	out := [][]leaf{nil}
	for _, k := range c.kids {
		var next [][]leaf
		for _, head := range out {
			for _, tail := range bodies(k, positive) {
				next = append(next, slices.Concat(head, tail))
			}
		}
		out = next
	}
	return out
}

// regoLines writes the i-th part of a body.
func regoLines(l leaf, i int) []string {
	a, field := l.atom, fieldRef("input.event", l.field)
	if !l.positive {
		return regoNot(a, field)
	}
	several := len(a.values) > 1
	switch a.test {
	case testHas:
		return []string{field}
	case testEquals:
		if several {
			return []string{field + " in {" + quoteAll(a.values) + "}"}
		}
		return []string{field + " == " + quote(a.values[0])}
	case testPrefix, testSuffix:
		name := map[string]string{testPrefix: "prefix", testSuffix: "suffix"}[a.test]
		if several {
			return []string{"strings.any_" + name + "_match(" + field + ", {" + quoteAll(a.values) + "})"}
		}
	}
	if several {
		v := "v" + strconv.Itoa(i)
		return []string{"some " + v + " in [" + quoteAll(a.values) + "]", regoCall(a, field, v)}
	}
	value := ""
	if len(a.values) > 0 {
		value = quote(a.values[0])
	}
	return []string{regoCall(a, field, value)}
}

// regoNot says that no value fits. "== false" is undefined where the field is missing or its value
// does not fit the function.
func regoNot(a atom, field string) []string {
	switch a.test {
	case testHas:
		return []string{"not " + field}
	case testLess:
		return []string{"to_number(" + field + ") >= " + strconv.FormatFloat(a.num, 'f', -1, 64)}
	case testList, testNetworks:
		return []string{regoCall(a, field, "") + " == false"}
	}
	var out []string
	for _, v := range a.values {
		switch a.test {
		case testEquals:
			out = append(out, field+" != "+quote(v))
		case testLower:
			out = append(out, "lower("+field+") != "+quote(v))
		default:
			out = append(out, regoCall(a, field, quote(v))+" == false")
		}
	}
	return out
}

func regoCall(a atom, field, value string) string {
	switch a.test {
	case testLower:
		return "lower(" + field + ") == " + value
	case testPrefix:
		return "startswith(" + field + ", " + value + ")"
	case testSuffix:
		return "endswith(" + field + ", " + value + ")"
	case testContains:
		return "contains(" + field + ", " + value + ")"
	case testMatches:
		return "regex.match(" + value + ", " + field + ")"
	case testCIDR:
		return "net.cidr_contains(" + value + ", " + field + ")"
	case testLess:
		return "to_number(" + field + ") < " + strconv.FormatFloat(a.num, 'f', -1, 64)
	case testList:
		return "in_list(" + field + ", " + quote(a.list) + ")"
	}
	return "in_networks(" + field + ", " + quote(a.list) + ")"
}

type opaEngine struct {
	query  rego.PreparedEvalQuery
	inputs []ast.Value
	index  map[string]int32
}

func (e *opaEngine) load(w *world) error {
	var module strings.Builder
	module.WriteString("package bench\n\n")
	e.index = make(map[string]int32, len(w.rules))
	for i, r := range w.rules {
		e.index[r.id] = int32(i)
		module.WriteString(regoRule(r))
	}
	options := append(opaFunctions(w.lists), rego.Query("data.bench.match"), rego.Module("bench.rego", module.String()))
	var err error
	e.query, err = rego.New(options...).PrepareForEval(context.Background())
	return err
}

// opaFunctions are the lists, for which Rego has no table of networks.
func opaFunctions(lists *listSet) []func(*rego.Rego) {
	two := func(name string, fits func(string) bool, f func(a, b string) bool) func(*rego.Rego) {
		decl := &rego.Function{Name: name, Decl: opatypes.NewFunction(opatypes.Args(opatypes.S, opatypes.S), opatypes.B), Memoize: false}
		return rego.Function2(decl, func(_ rego.BuiltinContext, a, b *ast.Term) (*ast.Term, error) {
			value, ok := a.Value.(ast.String)
			if !ok || !fits(string(value)) {
				return nil, nil //nolint:nilnil // undefined
			}
			return ast.InternedTerm(f(string(value), string(b.Value.(ast.String)))), nil
		})
	}
	anything := func(string) bool { return true }
	return []func(*rego.Rego){two("in_list", anything, lists.hasText), two("in_networks", isAddress, lists.hasAddress)}
}

func (e *opaEngine) prepare(alerts []row) error {
	for _, a := range alerts {
		v, err := ast.InterfaceToValue(map[string]any{"event": map[string]string(a.fields), "search_name": a.search})
		if err != nil {
			return err
		}
		e.inputs = append(e.inputs, v)
	}
	return nil
}

func (e *opaEngine) match(alert int, to []int32) ([]int32, error) {
	results, err := e.query.Eval(context.Background(), rego.EvalParsedInput(e.inputs[alert]))
	if err != nil {
		return to, err
	}
	if len(results) != 1 {
		return to, fmt.Errorf("OPA gave %d results, want 1", len(results))
	}
	ids, ok := results[0].Expressions[0].Value.([]any)
	if !ok {
		return to, fmt.Errorf("OPA gave %T, want a set", results[0].Expressions[0].Value)
	}
	for _, id := range ids {
		to = append(to, e.index[id.(string)])
	}
	return to, nil
}
