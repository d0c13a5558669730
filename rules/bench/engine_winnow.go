package main

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

// winnowDialect writes conditions as winnow reads them. It needs no guards.
func winnowText(c *cond) string {
	switch c.op {
	case "":
		return winnowAtom(c.atom)
	case "not":
		return "not (" + winnowText(c.kids[0]) + ")"
	}
	sign := map[string]string{"and": " && ", "or": " || "}[c.op]
	parts := make([]string, len(c.kids))
	for i, k := range c.kids {
		parts[i] = winnowText(k)
		if k.op == "and" || k.op == "or" {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, sign)
}

func winnowAtom(a atom) string {
	field := fieldRef("event", a.field)
	switch a.test {
	case testHas:
		return "has(" + field + ")"
	case testLess:
		return "num(" + field + ") < " + strconv.FormatFloat(a.num, 'f', -1, 64)
	case testList:
		return field + " in lists." + a.list
	case testNetworks:
		return "cidr(" + field + ", lists." + a.list + ")"
	case testCIDR:
		if len(a.values) > 1 {
			return "cidr(" + field + ", [" + quoteAll(a.values) + "])"
		}
		return "cidr(" + field + ", " + quote(a.values[0]) + ")"
	case testLower:
		field = "lower(" + field + ")"
	}
	return textAtom(a, field)
}

// textAtom writes the tests that expr and winnow write alike.
func textAtom(a atom, field string) string {
	sign := map[string]string{
		testPrefix: " startsWith ", testSuffix: " endsWith ", testContains: " contains ", testMatches: " matches ",
	}[a.test]
	switch {
	case sign != "":
		return either(a.values, func(v string) string { return field + sign + quote(v) })
	case len(a.values) > 1:
		return field + " in [" + quoteAll(a.values) + "]"
	}
	return field + " == " + quote(a.values[0])
}

// now is the clock of the rule files: the benchmark does not depend on the day it runs.
var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// perFile is how many rules stand in a file.
const perFile = 1000

// writeRules writes the rules with owner, reason, expiry and tests, as the loader asks for them.
func writeRules(folder string, all []*rule) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for n, part := range slices.Collect(slices.Chunk(all, perFile)) {
		var b strings.Builder
		b.WriteString("rules:\n")
		for _, r := range part {
			if err := writeRule(&b, r); err != nil {
				return err
			}
		}
		path := filepath.Join(folder, fmt.Sprintf("rules-%04d.yaml", n))
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func writeRule(b *strings.Builder, r *rule) error {
	scope := "global: true"
	if r.search != "" {
		scope = "search_name: [" + quote(r.search) + "]"
	}
	hit, err := json.Marshal(r.hit)
	if err != nil {
		return err
	}
	when := strings.ReplaceAll(winnowText(r.when), "'", "''")
	_, err = fmt.Fprintf(b, `  - id: %s
    description: A rule of the benchmark
    owner: detection@corp.example
    reason: Known job of the operations team
    expires: 2027-03-31
    %s
    when: '%s'
    mode: enforce
    tests:
      - {name: what is meant, alert: %s, want: drop}
      - {name: what is not, alert: {unrelated: field}, want: pass}
`, r.id, scope, when, hit)
	return err
}

// winnowSet is winnow as it is used.
type winnowSet struct {
	set    *rules.Set
	alerts []*winnow.Alert
	index  map[*rules.Rule]int32
}

func (e *winnowSet) load(w *world) error {
	var err error
	e.set, err = rules.Load(rules.Options{Lists: w.winnow, Now: now}, w.folder)
	if err != nil {
		return err
	}
	e.set.Index()
	if n := len(e.set.Rules()); n != len(w.rules) {
		return fmt.Errorf("winnow read %d of %d rules", n, len(w.rules))
	}
	e.index = make(map[*rules.Rule]int32, len(w.rules))
	for i, r := range e.set.Rules() {
		if r.ID != w.rules[i].id {
			return fmt.Errorf("rule %d is %s, want %s", i, r.ID, w.rules[i].id)
		}
		e.index[r] = int32(i)
	}
	return nil
}

func (e *winnowSet) prepare(alerts []row) error {
	e.alerts = make([]*winnow.Alert, len(alerts))
	for i, a := range alerts {
		e.alerts[i] = a.winnow()
	}
	return nil
}

func (a row) winnow() *winnow.Alert {
	out := &winnow.Alert{SearchName: a.search, Severity: winnow.SeverityLow, Time: now, Received: now, Fields: winnow.Fields{}}
	for _, name := range slices.Sorted(maps.Keys(a.fields)) {
		out.Fields.Add(name, a.fields[name])
	}
	return out
}

func (e *winnowSet) match(alert int, to []int32) ([]int32, error) {
	for r, err := range e.set.Matching(e.alerts[alert]) {
		if err != nil {
			return to, fmt.Errorf("rule %s: %w", r.ID, err)
		}
		to = append(to, e.index[r])
	}
	return to, nil
}

// each asks every rule in scope.
func each(set *rules.Set, a *winnow.Alert) iter.Seq2[*rules.Rule, error] {
	return func(yield func(*rules.Rule, error) bool) {
		for _, r := range set.For(a.SearchName) {
			if ok, err := r.Match(a); (ok || err != nil) && !yield(r, err) {
				return
			}
		}
	}
}

// winnowLoop is the same set without the index.
type winnowLoop struct{ winnowSet }

func (e *winnowLoop) match(alert int, to []int32) ([]int32, error) {
	for r, err := range each(e.set, e.alerts[alert]) {
		if err != nil {
			return to, fmt.Errorf("rule %s: %w", r.ID, err)
		}
		to = append(to, e.index[r])
	}
	return to, nil
}

// readLists writes the lists as files and has winnow read them. Asking each for something makes its
// table.
func readLists(made *listSet, folder string) (*rules.Lists, error) {
	if err := made.write(folder); err != nil {
		return nil, err
	}
	lists, err := rules.LoadLists(rules.ListOptions{Folders: []string{folder}})
	if err != nil {
		return nil, err
	}
	for _, name := range lists.Names() {
		if _, err := lists.Contains(name, "x"); err != nil {
			return nil, err
		}
	}
	return lists, nil
}
