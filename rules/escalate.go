package rules

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/winnow-soc/winnow"
)

// Escalate is a list of conditions whose alerts always go to a person. It is immutable and safe
// for concurrent use.
type Escalate struct {
	entries   []*Entry
	version   string
	signature string // of its files when they were read
	lists     *Lists

	asked atomic.Int32
	index atomic.Pointer[index]
}

// Entry is one condition of the escalate list.
type Entry struct {
	ID, Description string
	When            string
	Techniques      []string // ATT&CK ids
	Tests           []Test
	Pos             Position

	loaded
}

var entryKeys = []string{"id", "description", "techniques", "when", "tests"}

// LoadEscalate reads escalate files, or folders of them. Like [Load] it returns what is good
// together with an error for the rest; a caller that gets an error must not drop anything, since
// what is missing may be what would have stopped the drop.
func LoadEscalate(opts Options, paths ...string) (*Escalate, error) {
	if opts.Now.IsZero() {
		return nil, errors.New("load escalate list: no time is set")
	}
	e := &Escalate{signature: opts.signature(paths), lists: opts.Lists}
	var errs []*Error
	e.version, errs = readFiles(opts, paths, func(r *ruleReader) { e.entries = append(e.entries, r.entries()...) })
	return e, join(errs)
}

// Version names the content of the escalate files and lists, like [Set.Version].
func (e *Escalate) Version() string {
	if e == nil {
		return ""
	}
	return e.version
}

// Entries returns all entries in order. The slice must not be changed.
func (e *Escalate) Entries() []*Entry {
	if e == nil {
		return nil
	}
	return e.entries
}

// Match returns the first entry whose condition is true for any way to pick one value of each
// field. Doubt goes to the person: a condition that fails while it runs, or has more ways to pick
// than can be tried, matches. A missing field is unknown, as everywhere.
func (e *Escalate) Match(a *winnow.Alert) (id string, ok bool) {
	if e == nil {
		return "", false
	}
	if entry := e.first(a); entry != nil {
		return entry.ID, true
	}
	return "", false
}

func (e *Escalate) first(a *winnow.Alert) *Entry {
	if x := e.indexed(); x != nil && !doubtful(a) {
		return e.matchAmong(x, a)
	}
	for _, entry := range e.entries {
		if entry.Match(a) {
			return entry
		}
	}
	return nil
}

// Match reports whether the entry sends the alert to a person.
func (e *Entry) Match(a *winnow.Alert) bool {
	c := e.cond
	if e.later != nil {
		var err error
		if c, err = e.later.of(a); c == nil {
			return err != nil
		}
		if c.listError() != nil {
			return true
		}
	}
	return c.program().any(a)
}

// Test runs the tests of all entries.
func (e *Escalate) Test() []TestResult {
	var out []TestResult
	for _, entry := range e.Entries() {
		for _, t := range entry.Tests {
			got := "pass"
			if entry.Match(t.Alert) {
				got = "escalate"
			}
			out = append(out, t.result(entry.ID, got, "condition", nil))
		}
	}
	return out
}

func (r *ruleReader) entries() []*Entry {
	root, ok := r.root()
	if !ok {
		return nil
	}
	pairs, ok := r.mapping(root, "an escalate file", []string{"escalate"})
	if !ok || len(pairs) == 0 {
		return nil
	}
	items, ok := r.sequence(pairs[0].value, "escalate")
	if !ok {
		return nil
	}
	var out []*Entry
	for _, n := range items {
		if entry := r.entry(n); entry != nil {
			out = append(out, entry)
		}
	}
	return out
}

func (r *ruleReader) entry(n *yaml.Node) *Entry {
	r.document.rule = ""
	before := len(r.errs)
	pairs, ok := r.mapping(n, "an entry", entryKeys)
	if !ok && pairs == nil {
		return nil
	}
	rule := &Rule{Pos: Position{File: r.file, Line: n.Line, Column: n.Column}}
	r.readID(pairs, rule)
	out := &Entry{ID: rule.ID, Pos: rule.Pos}
	for _, p := range pairs {
		switch p.key.Value {
		case "description":
			out.Description, _ = r.text(p)
		case "techniques":
			out.Techniques = r.techniques(p)
		case "tests":
			out.Tests = r.tests(p, "escalate", r.fillEntryTest)
		}
	}
	for _, key := range []string{"id", "when", "tests"} {
		if find(pairs, key) == nil && (key != "tests" || !r.opts.Unproven) {
			r.fail(n, "", "%s is missing", key)
		}
	}
	rule.Tests = out.Tests
	r.readWhen(pairs, rule)
	out.When, out.loaded = rule.When, rule.loaded
	if out.cond != nil && out.cond.listError() != nil {
		r.fail(n, "", "%v", out.cond.listError())
	}
	if len(r.errs) > before || out.cond == nil && out.later == nil {
		return nil
	}
	r.seen[out.ID] = out.Pos
	return out
}

func (r *ruleReader) fillEntryTest(t *Test) {
	if t.Alert.SearchName == "" {
		t.Alert.SearchName = "any search"
	}
	if t.Alert.Time.IsZero() {
		t.Alert.Time = r.opts.Now.Add(-time.Hour)
		t.Alert.Received = t.Alert.Time
	}
}

// techniques reads ATT&CK ids.
func (r *ruleReader) techniques(p pair) []string {
	if p.value.Kind == yaml.SequenceNode && len(p.value.Content) == 0 {
		return nil
	}
	ids, _ := r.texts(p)
	for _, id := range ids {
		if !isTechnique(id) {
			r.fail(p.value, "", "techniques: %q is not an ATT&CK id like T1003 or T1003.001", clip(id))
		}
	}
	return slices.Clip(ids)
}

func isTechnique(id string) bool {
	main, sub, dotted := strings.Cut(strings.TrimPrefix(id, "T"), ".")
	return strings.HasPrefix(id, "T") && len(main) == 4 && allDigits(main) && (!dotted || len(sub) == 3 && allDigits(sub))
}
