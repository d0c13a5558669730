package rules

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/expr-lang/expr/ast"

	"github.com/winnow-soc/winnow"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// author writes random conditions, more deeply nested and more oddly mixed than a person would.
type author struct {
	*rand.Rand
	elem bool // inside of any, all, none, one, count
}

func (w *author) oneOf(texts ...string) string { return texts[w.IntN(len(texts))] }

var meaningFields = []string{"user", "src", "n", "t", "cmd.line", "host"}

func (w *author) field() string { return "event." + w.oneOf(meaningFields...) }

func (w *author) base() string {
	if w.elem && w.IntN(2) == 0 {
		return "#"
	}
	return w.field()
}

func (w *author) text() string {
	switch w.IntN(8) {
	case 0:
		return "lower(" + w.base() + ")"
	case 1:
		return "upper(" + w.base() + ")"
	case 2:
		return w.oneOf("alert.search_name", "alert.severity")
	}
	return w.base()
}

func (w *author) constant() string {
	return strconv.Quote(w.oneOf("ann", "ANN", "bob", "a", "10.8.0.4", "203.0.113.9", "5", "x y", "low", "Search"))
}

func (w *author) number(depth int) string {
	switch k := w.IntN(9); {
	case k < 2:
		return w.oneOf("0", "1", "5", "-2", "2.5", "100", "1793000000")
	case k < 4:
		return "num(" + w.base() + ")"
	case k == 4:
		return "len(" + w.base() + ")"
	case k == 5:
		return "age(" + w.base() + ")"
	case k == 6 && !w.elem:
		return w.oneOf("len(values("+w.field()+"))", "len(lists.nets)", w.quantifier("count", depth))
	case k == 7:
		return "alert.time"
	case depth > 0:
		return "(" + w.number(depth-1) + w.oneOf(" + ", " - ", " * ") + w.number(depth-1) + ")"
	}
	return w.oneOf("3", "num("+w.base()+")")
}

func (w *author) quantifier(name string, depth int) string {
	over := w.oneOf("values("+w.field()+")", "values("+w.field()+")", "lists.names", "lists.nets")
	w.elem = true
	body := w.cond(min(depth, 2))
	w.elem = false
	return name + "(" + over + ", " + body + ")"
}

func (w *author) atom(depth int) string {
	switch w.IntN(14) {
	case 0, 1:
		return w.text() + w.oneOf(" == ", " != ") + w.constant()
	case 2:
		return w.text() + w.oneOf(" contains ", " startsWith ", " endsWith ", " not contains ", " not startsWith ") + w.constant()
	case 3:
		return w.text() + w.oneOf(" matches ", " not matches ") + w.oneOf(`"^[a-z]+$"`, `"[0-9]"`, `"(?i)ann|x"`, `"(?i)ask"`, `"Ann|bob"`)
	case 4:
		return w.text() + w.oneOf(" in ", " not in ") + w.oneOf(`["ann", "5"]`, `["a", "b", "c", "d", "e", "f", "g", "h", "bob"]`)
	case 5:
		return w.text() + w.oneOf(" in ", " not in ") + w.oneOf("lists.names", "lists.nets")
	case 6, 7:
		return "cidr(" + w.base() + ", " + w.oneOf(`"10.0.0.0/8"`, `"::/0"`, `"203.0.113.9"`, "lists.nets") + ")"
	case 8:
		return "glob(" + w.base() + ", " + w.oneOf(`"a*"`, `"*"`, `"?nn"`, `"10.*.4"`) + ")"
	case 9:
		return w.text() + w.oneOf(" == ", " != ", " contains ") + w.text()
	case 10:
		return w.number(2) + " in [5, 1, 0]"
	case 11:
		if !w.elem {
			return w.quantifier(w.oneOf("any", "all", "none", "one"), depth)
		}
	}
	return w.number(2) + w.oneOf(" < ", " <= ", " > ", " >= ", " == ", " != ") + w.number(2)
}

func (w *author) cond(depth int) string {
	if depth == 0 {
		return w.atom(0)
	}
	switch w.IntN(12) {
	case 0, 1, 2:
		return "(" + w.cond(depth-1) + w.oneOf(" && ", " and ") + w.cond(depth-1) + ")"
	case 3, 4:
		return "(" + w.cond(depth-1) + w.oneOf(" || ", " or ") + w.cond(depth-1) + ")"
	case 5, 6:
		return w.oneOf("not ", "!") + "(" + w.cond(depth-1) + ")"
	case 7:
		return "(" + w.cond(depth-1) + " ? " + w.cond(depth-1) + " : " + w.cond(depth-1) + ")"
	case 8:
		if !w.elem {
			return w.oneOf("", "not ") + "has(" + w.field() + ")"
		}
	case 9:
		if w.IntN(4) == 0 {
			return w.oneOf("true", "false")
		}
	}
	return w.atom(depth - 1)
}

var meaningValues = []string{
	"ann", "ANN", "bob", "a", "x y", "10.8.0.4", "::ffff:10.8.0.4", "203.0.113.9", "2001:db8::1", "fe80::1%eth0", "garbage",
	"5", "-2", "2.5", "+5", "1e3", "0x10", "1234567890123456", "1792999000", "2026-11-01T00:00:00Z", "2099-01-01T00:00:00Z", "low", "Ann\n", "é", "\xff", "a\u017f\u212a", "ASK", "",
}

// longValues are too long for matches and glob: for a rule, and for the escalate list too.
var longValues = []string{strings.Repeat("ann ", 10<<10), strings.Repeat("X", 40<<10), strings.Repeat("bob ", 65<<10)}

// alert makes a random alert: fields missing, empty, single and with several values.
func (w *author) alert() *winnow.Alert {
	a := &winnow.Alert{SearchName: w.oneOf("Search", ""), Severity: winnow.Severity(w.IntN(4)), Fields: winnow.Fields{}}
	if w.IntN(8) > 0 {
		a.Time = time.Unix(1793500000, 0)
	}
	for _, f := range meaningFields {
		n := w.oneOf("0", "1", "1", "1", "2", "3")
		if w.IntN(60) == 0 {
			n = "300"
		}
		count, _ := strconv.Atoi(n)
		for i := range count {
			v := w.oneOf(meaningValues...)
			if count < 300 && w.IntN(60) == 0 {
				v = w.oneOf(longValues...)
			}
			if count == 300 && i > 3 {
				v = fmt.Sprint("v", i)
			}
			a.Fields[f] = append(a.Fields[f], v) // not Add: an empty value must do no harm either
		}
	}
	return a
}

// meaning is what the tests below share: lists on disk, and the same lists for the reference.
func meaningLists(t testing.TB) (vocabulary, map[string][]string) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "names.txt"), "ann\nbob\n5\n")
	write(t, filepath.Join(dir, "nets.csv"), "net\n10.8.0.0/16\n203.0.113.9\n2001:db8::/32\n")
	lists, err := LoadLists(ListOptions{Folders: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{}
	for _, f := range meaningFields {
		tested[f] = true
	}
	plain := map[string][]string{
		"names": {"ann", "bob", "5"},
		"nets":  {"10.8.0.0/16", "203.0.113.9", "2001:db8::/32"},
	}
	return vocabulary{lists: lists, tested: tested, compareFields: true}, plain
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// eachPair runs fn over random pairs of a condition and an alert until fn says stop. Every second
// condition is one that was written as bytes and read again.
func eachPair(t *testing.T, pairs int, seed uint64, fn func(text string, tree ast.Node, c *condition, a *winnow.Alert) (goOn bool)) (done int) {
	v, _ := meaningLists(t)
	w := &author{Rand: newRand(seed)}
	for done < pairs {
		text := w.cond(w.IntN(5))
		c, err := parseCondition(text, v)
		if err != nil {
			if refusable(err.Error()) {
				continue
			}
			t.Fatalf("%s\n%v", text, err)
		}
		if done/60%2 == 1 {
			c = writtenAndRead(t, text, c, v.lists)
		}
		if err := c.program().err; err != nil {
			t.Fatalf("%s\n%v", text, err)
		}
		tree := refParse(text)
		for range 60 {
			done++
			if !fn(text, tree, c, w.alert()) {
				return done
			}
		}
	}
	return done
}

// refusable names the errors that random conditions may run into.
func refusable(msg string) bool {
	for _, part := range []string{"constants", "in wants one value", "parts", "both sides", "grow beyond"} {
		if strings.Contains(msg, part) {
			return true
		}
	}
	return false
}

// What is compiled means what the page says, for every shape of condition and alert. Set
// WINNOW_MEANING_PAIRS for more pairs.
func TestMeaning(t *testing.T) {
	pairs := 50_000
	if testing.Short() {
		pairs = 20_000
	}
	if n, err := strconv.Atoi(os.Getenv("WINNOW_MEANING_PAIRS")); err == nil {
		pairs = n
	}
	_, lists := meaningLists(t)
	matched := 0
	done := eachPair(t, pairs, uint64(pairs), func(text string, tree ast.Node, c *condition, a *winnow.Alert) bool {
		got, err := c.program().every(a)
		if err != nil {
			t.Fatalf("%s\n%v", text, err)
		}
		if got {
			matched++
		}
		every, some := refMatch(tree, lists, a)
		if got != every {
			t.Errorf("%s\nalert %q\nmatches %v, want %v", text, a.Fields, got, every)
		}
		if got := c.program().anyWithin(a, math.MaxInt); got != some {
			t.Errorf("%s\nalert %q\nescalates %v, want %v", text, a.Fields, got, some)
		}
		return !t.Failed()
	})
	if matched < done/20 {
		t.Errorf("only %d of %d pairs match: the test asks too little", matched, done)
	}
	t.Logf("%d pairs, %d match", done, matched)
}

// twoValues evaluates a condition wrongly: not turns what is not true, unknown too, into true.
func twoValues(c *cond, fr *frame) bool {
	switch c.op {
	case condNot:
		return !twoValues(c.kids[0], fr)
	case condAnd:
		return twoValues(c.kids[0], fr) && twoValues(c.kids[1], fr)
	case condOr:
		return twoValues(c.kids[0], fr) || twoValues(c.kids[1], fr)
	case condChoose:
		if twoValues(c.kids[0], fr) {
			return twoValues(c.kids[1], fr)
		}
		return twoValues(c.kids[2], fr)
	case condHas:
		return fr.present(c.slot)
	case condAtom:
		return leafHolds(&form{op: formAtom, atom: c.atom, want: true}, fr)
	}
	return c.value
}

// leafHolds evaluates a leaf as the program does.
func leafHolds(f *form, fr *frame) bool {
	if fn, ok := f.native(); ok {
		return fn(fr)
	}
	code, err := compileForm(f)
	if err != nil {
		return false
	}
	out, _ := fr.vm.Run(code, fr)
	holds, _ := out.(bool)
	return holds
}

// mutated evaluates a form with one kind of leaf replaced.
func mutated(f *form, fr *frame, leaf func(f *form, fr *frame) bool) bool {
	switch f.op {
	case formAnd:
		return mutated(f.kids[0], fr, leaf) && mutated(f.kids[1], fr, leaf)
	case formOr:
		return mutated(f.kids[0], fr, leaf) || mutated(f.kids[1], fr, leaf)
	case formAtom:
		return leaf(f, fr)
	}
	fn, _ := f.native()
	return fn(fr)
}

// inFrame makes a matcher of alerts without several values in a field.
func inFrame(eval func(c *condition, fr *frame) bool) func(c *condition, a *winnow.Alert) bool {
	return func(c *condition, a *winnow.Alert) bool {
		fr := open(c.slots, a)
		defer fr.close()
		return eval(c, fr)
	}
}

func withLeaf(leaf func(f *form, fr *frame) bool) func(c *condition, a *winnow.Alert) bool {
	return inFrame(func(c *condition, fr *frame) bool {
		f, err := rewriteTrue(c.root)
		return err == nil && mutated(f, fr, leaf)
	})
}

// A comparison that finds nothing proves nothing: each of these mistakes must be found, and soon.
// Each changes one thing; "none" changes nothing, and must not be found.
func TestMeaningFindsMutants(t *testing.T) {
	_, lists := meaningLists(t)
	mutants := map[string]func(c *condition, a *winnow.Alert) bool{
		"none":                 withLeaf(leafHolds),
		"two values under not": inFrame(func(c *condition, fr *frame) bool { return twoValues(c.root, fr) }),
		"no presence guard": withLeaf(func(f *form, fr *frame) bool {
			if f.atom.simple() && fr.text(f.atom.left.slot) == "" {
				return f.atom.bareTest()("") == truthOf(f.want)
			}
			return leafHolds(f, fr)
		}),
		"no guard before the VM": withLeaf(func(f *form, fr *frame) bool {
			if f.atom.simple() {
				return leafHolds(f, fr)
			}
			g := *f.atom
			g.slots, g.fits = nil, nil
			return leafHolds(&form{op: formAtom, atom: &g, want: f.want}, fr)
		}),
		"empty text as a key": withLeaf(func(f *form, fr *frame) bool {
			if f.atom.simple() && f.atom.op == "in" && fr.text(f.atom.left.slot) == "" {
				return f.want
			}
			return leafHolds(f, fr)
		}),
		"any instead of every": func(c *condition, a *winnow.Alert) bool { return c.program().any(a) },
		"first value only": inFrame(func(c *condition, fr *frame) bool {
			holds, _ := c.program().eval(fr)
			return holds
		}),
	}
	for name, match := range mutants {
		t.Run(name, func(t *testing.T) {
			several := strings.HasPrefix(name, "any") || strings.HasPrefix(name, "first")
			found := false
			tried := eachPair(t, 10_000, 7, func(_ string, tree ast.Node, c *condition, a *winnow.Alert) bool {
				if !several {
					for f, values := range a.Fields {
						a.Fields[f] = values[:1]
					}
				}
				every, _ := refMatch(tree, lists, a)
				found = match(c, a) != every
				return !found
			})
			if found != (name != "none") {
				t.Fatalf("found: %v, after %d pairs", found, tried)
			}
			t.Logf("found: %v, after %d pairs", found, tried)
		})
	}
}
