package main

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
)

// exprDialect writes conditions as a user of expr would: a missing field is the empty text, so what
// is asked in the negative asks first whether the field is there.
func exprDialect() dialect { return dialect{atom: exprAtom, and: " && ", or: " || "} }

func exprText(r *rule) string {
	text := exprDialect().text(r.when, true)
	if r.search == "" {
		return text
	}
	if r.when.op == "or" {
		text = "(" + text + ")"
	}
	return "search_name == " + quote(r.search) + " && " + text
}

func exprAtom(a atom, positive bool) string {
	field := fieldRef("event", a.field)
	there := field + ` != ""`
	var text string
	switch a.test {
	case testHas:
		if positive {
			return there
		}
		return field + ` == ""`
	case testLess:
		sign := " < "
		if !positive {
			sign = " >= "
		}
		return "(" + there + " && float(" + field + ")" + sign + strconv.FormatFloat(a.num, 'f', -1, 64) + ")"
	case testList:
		text = "in_list(" + field + ", " + quote(a.list) + ")"
	case testNetworks:
		text, there = "in_networks("+field+", "+quote(a.list)+")", "is_ip("+field+")"
	case testCIDR:
		text = either(a.values, func(v string) string { return "cidr(" + field + ", Network(" + quote(v) + "))" })
		there = "is_ip(" + field + ")"
	case testLower:
		text = textAtom(a, "lower("+field+")")
	default:
		text = textAtom(a, field)
	}
	if positive {
		return text
	}
	return "(" + there + " && not (" + text + "))"
}

// exprEnv is what conditions read.
type exprEnv struct {
	Event      event  `expr:"event"`
	SearchName string `expr:"search_name"`
}

// Network reads a constant network.
func (exprEnv) Network(text string) netip.Prefix { return netip.MustParsePrefix(text) }

type exprEngine struct {
	programs []*vm.Program
	envs     []exprEnv
	vm       vm.VM
}

func (e *exprEngine) load(w *world) error {
	options := exprOptions(w.lists)
	for _, r := range w.rules {
		p, err := expr.Compile(exprText(r), options...)
		if err != nil {
			return fmt.Errorf("rule %s: %w", r.id, err)
		}
		e.programs = append(e.programs, p)
	}
	return nil
}

// exprOptions are the functions that expr does not have. Constant networks are read once, when a
// condition is compiled.
func exprOptions(lists *listSet) []expr.Option {
	return []expr.Option{
		expr.Env(exprEnv{}),
		expr.AsBool(),
		expr.ConstExpr("Network"),
		expr.Function("cidr", func(p ...any) (any, error) { return inPrefix(p[0].(string), p[1].(netip.Prefix)), nil }, inPrefix),
		expr.Function("is_ip", func(p ...any) (any, error) { return isAddress(p[0].(string)), nil }, isAddress),
		expr.Function("in_list", func(p ...any) (any, error) { return lists.hasText(p[0].(string), p[1].(string)), nil }, lists.hasText),
		expr.Function("in_networks", func(p ...any) (any, error) { return lists.hasAddress(p[0].(string), p[1].(string)), nil }, lists.hasAddress),
	}
}

func inPrefix(value string, network netip.Prefix) bool {
	ip, err := netip.ParseAddr(value)
	return err == nil && ip.Zone() == "" && network.Contains(ip.Unmap())
}

func (e *exprEngine) prepare(alerts []row) error {
	for _, a := range alerts {
		e.envs = append(e.envs, exprEnv{Event: a.fields, SearchName: a.search})
	}
	return nil
}

func (e *exprEngine) match(alert int, to []int32) ([]int32, error) {
	env := e.envs[alert]
	for i, p := range e.programs {
		out, err := e.vm.Run(p, env)
		if err != nil {
			continue // a condition that fails is not true
		}
		if out == true {
			to = append(to, int32(i))
		}
	}
	return to, nil
}
