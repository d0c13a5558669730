package rules

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

// Limits of a condition. expr's VM has no step limit, so these are what keeps evaluation bounded.
const (
	maxConditionBytes = 16 << 10  // of text, checked before parsing: deep nesting would overflow the parser's stack
	maxNodes          = 1000      // as written
	maxForm           = 5000      // after rewriting
	maxRegexpProgram  = 500       // instructions
	maxMatchBytes     = 32 << 10  // of a value that matches or glob looks at
	maxDoubtBytes     = 256 << 10 // the same in the escalate list, where a longer one matches
	maxDoubtBudget    = 8 << 20   // of values over maxMatchBytes that one entry looks at for one alert, all picks together
	maxPicks          = 256       // ways to pick one value for each field
	maxElements       = 4096      // values of one field that values(...) reads
	maxListLoop       = 10_000    // values of a list that any, all, none, one and count go through
)

// condition is a checked condition. It compiles on first use and is safe for concurrent use.
type condition struct {
	root   *cond
	slots  []slot
	lists  []*List
	vendor []fieldUse // fields that neither fields.csv nor the rule's tests know
	smells []fieldUse // readings of fields that rules check may warn about
	wide   []fieldUse // constant networks that hold every address
	broad  []fieldUse // patterns that fit every text

	once     sync.Once
	compiled *program
}

// slot is a place in a frame: a value that the condition reads.
type slot struct {
	name   string
	alert  bool // alert.name, else event.name
	single bool // read as a single value: counts as a pick
}

// fieldUse is a field and where it is written, as an offset in characters.
type fieldUse struct {
	field, how string
	at         int
}

// condError is an error at an offset, in characters, of a condition's text.
type condError struct {
	at        int
	msg, hint string
}

func (e *condError) Error() string {
	if e.hint == "" {
		return e.msg
	}
	return e.msg + " (" + e.hint + ")"
}

// parseCondition reads and checks a condition. Every error is a *condError.
func parseCondition(text string, v vocabulary) (*condition, error) {
	tree, err := parseText(text)
	if err != nil {
		return nil, err
	}
	c := &checker{vocabulary: v, index: map[slot]int{}, chained: map[ast.Node]bool{}, patterns: map[string]*pattern{}}
	if err := c.count(tree); err != nil {
		return nil, err
	}
	root, err := c.condition(tree)
	if err != nil {
		return nil, err
	}
	if _, err := rewriteTrue(root); err != nil {
		return nil, err
	}
	return &condition{root: root, slots: c.slots, lists: c.lists, vendor: c.vendor, smells: c.smells, wide: c.wide, broad: c.broad}, nil
}

func parseText(text string) (ast.Node, error) {
	if len(text) > maxConditionBytes {
		return nil, &condError{msg: fmt.Sprintf("condition is longer than %d KiB", maxConditionBytes>>10)}
	}
	tree, err := parser.Parse(text)
	if err == nil {
		return tree.Node, nil
	}
	var e *file.Error
	if !errors.As(err, &e) {
		return nil, &condError{msg: err.Error()}
	}
	return nil, &condError{at: e.From, msg: plainSyntax(e.Message), hint: syntaxHint(e.Message)}
}

// program compiles the condition once.
func (c *condition) program() *program {
	c.once.Do(func() { c.compiled = compile(c) })
	return c.compiled
}

func (c *condition) listError() error {
	for _, l := range c.lists {
		if l.err != nil {
			return l.err
		}
	}
	return nil
}

func (c *condition) fieldNames() []string {
	names := map[string]bool{}
	for _, s := range c.slots {
		if !s.alert {
			names[s.name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (c *condition) listNames() []string {
	var names []string
	for _, l := range c.lists {
		names = append(names, l.name)
	}
	return names
}
