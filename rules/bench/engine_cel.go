package main

import (
	"fmt"
	"net/netip"
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	celext "cel.dev/cel-go/ext"
)

// celDialect writes conditions as a user of CEL would. CEL has errors where winnow has unknown, and
// they go through && and || alike, but has() in front is cheaper than an error.
func celDialect() dialect { return dialect{atom: celAtom, and: " && ", or: " || "} }

func celText(r *rule) string {
	text := celDialect().text(r.when, true)
	if r.search == "" {
		return text
	}
	return "search_name == " + quote(r.search) + " && (" + text + ")"
}

func celAtom(a atom, positive bool) string {
	field := fieldRef("event", a.field)
	there := celHas(a.field)
	var text string
	switch a.test {
	case testHas:
		if positive {
			return there
		}
		return "!" + there
	case testLess:
		text = "double(" + field + ") < " + strconv.FormatFloat(a.num, 'f', 1, 64)
	case testList:
		text = "in_list(" + field + ", " + quote(a.list) + ")"
	case testNetworks:
		text = "in_networks(" + field + ", " + quote(a.list) + ")"
	case testCIDR:
		text = either(a.values, func(v string) string { return "in_network(" + field + ", " + quote(v) + ")" })
	case testLower:
		text = celTextAtom(a, field+".lowerAscii()")
	default:
		text = celTextAtom(a, field)
	}
	if !positive {
		text = "!(" + text + ")"
		if a.test == testCIDR || a.test == testNetworks {
			text = "is_ip(" + field + ") && " + text
		}
	}
	return "(" + there + " && " + text + ")"
}

func celHas(field string) string {
	if isWord(field) {
		return "has(event." + field + ")"
	}
	return "(" + quote(field) + " in event)"
}

func celTextAtom(a atom, field string) string {
	method := map[string]string{
		testPrefix: "startsWith", testSuffix: "endsWith", testContains: "contains", testMatches: "matches",
	}[a.test]
	switch {
	case method != "":
		return either(a.values, func(v string) string { return field + "." + method + "(" + quote(v) + ")" })
	case len(a.values) > 1:
		return field + " in [" + quoteAll(a.values) + "]"
	}
	return field + " == " + quote(a.values[0])
}

type celEngine struct {
	programs    []cel.Program
	activations []map[string]any
}

func (e *celEngine) load(w *world) error {
	env, err := cel.NewEnv(append(celFunctions(w), celext.Strings(),
		cel.Variable("event", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("search_name", cel.StringType))...)
	if err != nil {
		return err
	}
	for _, r := range w.rules {
		tree, issues := env.Compile(celText(r))
		if issues.Err() != nil {
			return fmt.Errorf("rule %s: %w", r.id, issues.Err())
		}
		p, err := env.Program(tree, cel.EvalOptions(cel.OptOptimize))
		if err != nil {
			return fmt.Errorf("rule %s: %w", r.id, err)
		}
		e.programs = append(e.programs, p)
	}
	return nil
}

// celFunctions are the functions that CEL does not have. Each constant network is read once.
func celFunctions(w *world) []cel.EnvOption {
	networks := map[string]netip.Prefix{}
	for _, r := range w.rules {
		r.when.leaves(true, func(a atom, _ bool) {
			if a.test == testCIDR {
				for _, v := range a.values {
					networks[v] = netip.MustParsePrefix(v)
				}
			}
		})
	}
	text := cel.StringType
	two := func(name string, f func(a, b string) bool) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_text", []*cel.Type{text, text}, cel.BoolType,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val {
				return types.Bool(f(string(a.(types.String)), string(b.(types.String))))
			})))
	}
	return []cel.EnvOption{
		two("in_list", w.lists.hasText),
		two("in_networks", w.lists.hasAddress),
		two("in_network", func(value, network string) bool { return inPrefix(value, networks[network]) }),
		cel.Function("is_ip", cel.Overload("is_ip_text", []*cel.Type{text}, cel.BoolType,
			cel.UnaryBinding(func(a ref.Val) ref.Val { return types.Bool(isAddress(string(a.(types.String)))) }))),
	}
}

func (e *celEngine) prepare(alerts []row) error {
	for _, a := range alerts {
		fields := types.NewStringStringMap(types.DefaultTypeAdapter, a.fields)
		e.activations = append(e.activations, map[string]any{"event": fields, "search_name": types.String(a.search)})
	}
	return nil
}

func (e *celEngine) match(alert int, to []int32) ([]int32, error) {
	in, err := cel.NewActivation(e.activations[alert])
	if err != nil {
		return to, err
	}
	for i, p := range e.programs {
		out, _, err := p.Eval(in)
		if err != nil {
			continue // a condition that fails is not true
		}
		if out == types.True {
			to = append(to, int32(i))
		}
	}
	return to, nil
}
