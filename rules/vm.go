package rules

import (
	"fmt"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	typecheck "github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// compileForm builds a syntax tree of a form and compiles it with expr. Every value that it reads
// comes from a Go function given the frame; expr's own environment stays empty. The tree is checked
// again, by expr's checker, so that a slip of ours is an error and not a wrong answer.
func compileForm(f *form) (*vm.Program, error) {
	tree := &parser.Tree{Node: formNode(f), Source: file.NewSource("")}
	config := &conf.Config{Expect: reflect.Bool, ShortCircuit: true}
	if _, err := typecheck.Check(tree, config); err != nil {
		return nil, fmt.Errorf("check compiled condition: %w", err)
	}
	code, err := compiler.Compile(tree, config)
	if err != nil {
		return nil, fmt.Errorf("compile condition: %w", err)
	}
	return code, nil
}

type fastFunc = func(args ...any) any

var (
	boolType  = reflect.TypeFor[bool]()
	textType  = reflect.TypeFor[string]()
	floatType = reflect.TypeFor[float64]()
	textsType = reflect.TypeFor[[]string]()
	fastType  = reflect.TypeFor[fastFunc]()
)

// call is a node that calls fn with the frame.
func call(result reflect.Type, fn func(*frame) any) ast.Node {
	return callWith(result, &ast.IdentifierNode{Value: "$env"}, func(args ...any) any {
		fr, ok := args[0].(*frame)
		if !ok {
			panic("no frame")
		}
		return fn(fr)
	})
}

// callText is a node that calls fn with a text.
func callText(result reflect.Type, arg ast.Node, fn func(string) any) ast.Node {
	return callWith(result, arg, func(args ...any) any {
		text, ok := args[0].(string)
		if !ok {
			panic("not a text")
		}
		return fn(text)
	})
}

func callWith(result reflect.Type, arg ast.Node, fn fastFunc) ast.Node {
	callee := &ast.ConstantNode{Value: fn}
	callee.SetType(fastType)
	n := &ast.CallNode{Callee: callee, Arguments: []ast.Node{arg}}
	n.SetType(result)
	return n
}

func formNode(f *form) ast.Node {
	if fn, ok := f.native(); ok {
		return call(boolType, func(fr *frame) any { return fn(fr) })
	}
	switch f.op {
	case formAnd:
		return both("&&", formNode(f.kids[0]), formNode(f.kids[1]))
	case formOr:
		return both("||", formNode(f.kids[0]), formNode(f.kids[1]))
	}
	guard := f.atom.guard()
	plain := plainAtom(f.atom)
	if !f.want {
		plain = &ast.UnaryNode{Operator: "!", Node: plain}
	}
	leaf := both("&&", call(boolType, func(fr *frame) any { return guard(fr) }), plain)
	if doubt := f.atom.doubt(); doubt != nil {
		leaf = both("||", call(boolType, func(fr *frame) any { return doubt(fr) }), leaf)
	}
	return leaf
}

func both(op string, a, b ast.Node) ast.Node {
	return &ast.BinaryNode{Operator: op, Left: a, Right: b}
}

// plainCond is a predicate of any, all, none, one or count. The guard of the atom around it has
// seen to it that nothing in it is unknown.
func plainCond(c *cond) ast.Node {
	switch c.op {
	case condLiteral:
		return &ast.BoolNode{Value: c.value}
	case condNot:
		return &ast.UnaryNode{Operator: "!", Node: plainCond(c.kids[0])}
	case condAnd:
		return both("&&", plainCond(c.kids[0]), plainCond(c.kids[1]))
	case condOr:
		return both("||", plainCond(c.kids[0]), plainCond(c.kids[1]))
	case condChoose:
		return &ast.ConditionalNode{Ternary: true, Cond: plainCond(c.kids[0]), Exp1: plainCond(c.kids[1]), Exp2: plainCond(c.kids[2])}
	}
	return plainAtom(c.atom)
}

// plainAtom is an atom whose guard holds.
func plainAtom(a *atom) ast.Node {
	switch {
	case a.body != nil:
		return quantifierNode(a.op, a.left, a.body)
	case a.op == "in" && a.numbers != nil:
		numbers := a.numbers
		return callWith(boolType, termNode(a.left), func(args ...any) any { return slices.Contains(numbers, asFloat(args[0])) })
	case a.simple():
		test, fold := a.bareTest(), a.left.fold
		if a.left.elem {
			return callText(boolType, &ast.PointerNode{}, func(v string) any { return test(foldText(fold, v)) == yes })
		}
		slot := a.left.slot
		return call(boolType, func(fr *frame) any { return test(foldText(fold, fr.text(slot))) == yes })
	}
	return both(a.op, termNode(a.left), termNode(a.right))
}

func quantifierNode(op string, over *term, body *cond) ast.Node {
	return &ast.BuiltinNode{Name: op, Arguments: []ast.Node{termNode(over), &ast.PredicateNode{Node: plainCond(body)}}}
}

// asFloat takes the numbers of the VM, which are float64 but for count's.
func asFloat(v any) float64 {
	switch n := v.(type) {
	case float64:
		return n
	case int:
		return float64(n)
	}
	panic("not a number")
}

func termNode(t *term) ast.Node {
	switch t.kind {
	case termConst:
		return &ast.StringNode{Value: t.text}
	case termNumber:
		return &ast.FloatNode{Value: t.num}
	case termTime:
		return call(floatType, func(fr *frame) any { return fr.time() })
	case termArith:
		return arithNode(t)
	case termCount:
		return countNode(t)
	case termValues:
		return call(textsType, func(fr *frame) any { return fr.elements(t) })
	case termList:
		n := &ast.ConstantNode{Value: t.list.values}
		n.SetType(textsType)
		return n
	}
	return textNode(t)
}

func arithNode(t *term) ast.Node {
	if t.op == "neg" {
		return both("*", &ast.FloatNode{Value: -1}, termNode(t.a))
	}
	return both(t.op, termNode(t.a), termNode(t.b))
}

func countNode(t *term) ast.Node {
	if t.body != nil {
		return quantifierNode("count", t.a, t.body)
	}
	over := t.a
	return call(floatType, func(fr *frame) any { return float64(len(fr.elements(over))) })
}

// textNode reads the text of a slot or of #, as it is or through a function.
func textNode(t *term) ast.Node {
	result, fn := textFunc(t)
	if !t.elem {
		slot := t.slot
		return call(result, func(fr *frame) any { return fn(fr, fr.text(slot)) })
	}
	if t.kind == termText && t.fold == "" {
		return &ast.PointerNode{}
	}
	if t.kind == termAge {
		return both("-", call(floatType, func(fr *frame) any { return fr.time() }),
			callText(floatType, &ast.PointerNode{}, func(v string) any { s, _ := parseTime(v); return s }))
	}
	return callText(result, &ast.PointerNode{}, func(v string) any { return fn(nil, v) })
}

func textFunc(t *term) (reflect.Type, func(fr *frame, v string) any) {
	switch t.kind {
	case termNum:
		return floatType, func(_ *frame, v string) any { n, _ := plainDecimal(v); return n }
	case termLen:
		return floatType, func(_ *frame, v string) any { return float64(utf8.RuneCountInString(v)) }
	case termAge:
		return floatType, func(fr *frame, v string) any { n, _ := age(v, fr.time()); return n }
	}
	fold := t.fold
	return textType, func(_ *frame, v string) any { return foldText(fold, v) }
}
