package main

import "github.com/winnow-soc/winnow/rules"

// engine is what is measured: one way to say which rules are true of an alert.
type engine interface {
	// load makes the engine ready to answer for the rules.
	load(w *world) error
	// prepare turns the alerts into the engine's own form, which is not part of the time measured.
	prepare(alerts []row) error
	// match appends the indexes of the rules that are true of an alert, in any order.
	match(alert int, to []int32) ([]int32, error)
}

// world is one rule set, as all the engines get it.
type world struct {
	rules  []*rule
	lists  *listSet
	winnow *rules.Lists // the same lists
	folder string       // holds the rules as files
}

// kind is an engine by its name in the output.
type kind struct {
	name, about string
	make        func() engine
}

var kinds = []kind{
	{indexed, "winnow: rules.Set.Matching", func() engine { return new(winnowSet) }},
	{winnowEach, "winnow without the index: For and Match, rule after rule", func() engine { return new(winnowLoop) }},
	{exprLoop, "expr-lang/expr, a program for each rule, one after the other", func() engine { return new(exprEngine) }},
	{celLoop, "cel-go, a program for each rule, one after the other", func() engine { return new(celEngine) }},
	{opaSet, "OPA, one partial set of all rules, prepared once, with its rule index", func() engine { return new(opaEngine) }},
}

// Names of the engines.
const (
	indexed    = "indexed"
	winnowEach = "winnow_loop"
	exprLoop   = "expr_loop"
	celLoop    = "cel_loop"
	opaSet     = "opa"
)
