package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/rules"
)

func rulesCommand(g *globals) *cobra.Command {
	return group("rules", "check and test allow-list rules", `  winnow rules check
  winnow rules test --content ./content content/rules/vpn.yaml`,
		&cobra.Command{
			Use: "check [PATH...]", Short: "find what is wrong with rule files",
			Long: `Read rule files or folders of them (default: the content's rules) and say everything that is wrong,
with file, line, column and the way out. The value lists that rules read are those of the content.
Exits with 1 when there are errors; warnings do not count.`,
			Example: `  winnow rules check
  winnow rules check --content ./content --format json`,
			RunE: func(_ *cobra.Command, args []string) error { return g.rulesCheck(args) },
		},
		&cobra.Command{
			Use: "test [PATH...]", Short: "run the tests in rule files",
			Long: `Run the tests that rule files carry: each gives an alert and says whether the rule drops it. A test
runs through the allow-list's own decision, with expiry, ceiling and window; a shadow rule is tested
as if it were enforced. Exits with 1 when a test fails.`,
			Example: `  winnow rules test
  winnow rules test --content ./content content/rules/vpn.yaml`,
			RunE: func(_ *cobra.Command, args []string) error { return g.rulesTest(args) },
		},
		rulesExplainCommand(g),
		rulesBacktestCommand(g),
	)
}

// loadRules reads the rules at the paths, or of the content, with the content's lists.
func (g *globals) loadRules(paths []string) (*rules.Set, []*rules.Error, error) {
	d, err := g.openTools()
	if err != nil {
		return nil, nil, err
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return nil, nil, usage(err)
		}
	}
	if len(paths) == 0 {
		paths = d.RulePaths()
	}
	lists, err := loadLists(d)
	problems := rules.Errors(err)
	set, err := rules.Load(rules.Options{Fields: d.Fields, Lists: lists, Now: g.now()}, paths...)
	if set == nil {
		return nil, nil, err
	}
	problems = append(problems, rules.Errors(err)...)
	if len(set.Rules()) == 0 && len(problems) == 0 {
		return nil, nil, usage(fmt.Errorf("no rules found in %s", orContent(paths)),
			"name a rule file or a folder of them, or the folder above it with --content DIR")
	}
	return set, problems, nil
}

func orContent(paths []string) string {
	if len(paths) == 0 {
		return "the content (there is none)"
	}
	return fmt.Sprint(paths)
}

// openTools opens the configuration for commands that need no state.
func (g *globals) openTools() (*state.Deployment, error) {
	if g.state == "" && g.getenv("WINNOW_STATE") == "" && g.getenv("SPLUNK_HOME") == "" && g.getenv("SPLUNK_DB") == "" {
		g.state = "." // named, never made: these commands write nothing
	}
	return g.open()
}

func loadLists(d *state.Deployment) (*rules.Lists, error) {
	return rules.LoadLists(rules.ListOptions{Folders: d.ListPaths(), Shrink: d.Settings.Gate.ListShrink})
}

func (g *globals) rulesCheck(paths []string) error {
	set, problems, err := g.loadRules(paths)
	if err != nil {
		return err
	}
	problems = append(problems, set.Check()...)
	slices.SortStableFunc(problems, func(a, b *rules.Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	problems = slices.CompactFunc(problems, func(a, b *rules.Error) bool { return a.Error() == b.Error() })
	return g.printProblems(problems, len(set.Rules()))
}

func (g *globals) printProblems(problems []*rules.Error, count int) error {
	wrong := 0
	for _, p := range problems {
		if !p.Warning {
			wrong++
		}
	}
	w := g.styled()
	for _, p := range problems {
		if g.format == formatJSON {
			if err := g.json(problemJSON(p)); err != nil {
				return err
			}
			continue
		}
		label := red.Render("error")
		if p.Warning {
			label = yellow.Render("warning")
		}
		fmt.Fprintf(w, "%s: %s\n\n", label, plain(p.Detail()))
	}
	warnings := things(len(problems)-wrong, "warning", "warnings")
	if wrong > 0 {
		return failed("%s and %s; %s good", things(wrong, "error", "errors"), warnings, things(count, "rule is", "rules are"))
	}
	g.note("%s good, %s", things(count, "rule is", "rules are"), warnings)
	return nil
}

func problemJSON(p *rules.Error) any {
	level := "error"
	if p.Warning {
		level = "warning"
	}
	return struct {
		Level   string `json:"level"`
		File    string `json:"file"`
		Line    int    `json:"line"`
		Column  int    `json:"column"`
		Rule    string `json:"rule"`
		Message string `json:"message"`
		Hint    string `json:"hint"`
	}{level, p.File, p.Line, p.Column, p.Rule, p.Message, p.Hint}
}

func (g *globals) rulesTest(paths []string) error {
	set, problems, err := g.loadRules(paths)
	if err != nil {
		return err
	}
	results := set.Test(allowlist.Decide)
	bad := 0
	t := &grid{head: []string{"", "RULE", "TEST", "WANT", "GOT", "WHY"}}
	for _, r := range results {
		mark := green.Render("ok")
		if !r.OK {
			bad++
			mark = red.Render("FAIL")
		}
		if g.format == formatJSON {
			if err := g.json(r); err != nil {
				return err
			}
		}
		t.rows = append(t.rows, []string{mark, plain(r.Rule), plain(r.Test), r.Want, r.Got, plain(r.Why)})
	}
	if g.format == formatTable {
		g.text(t)
	}
	var broken []error
	for _, p := range problems {
		if !p.Warning {
			broken = append(broken, errors.New(p.Detail()))
		}
	}
	switch {
	case len(broken) > 0:
		return &exitError{exitFailed, fmt.Errorf("%d tests ran, %d failed, and some rules could not be read:\n%w", len(results), bad, errors.Join(broken...)), nil}
	case bad > 0:
		return failed("%d of %s failed", bad, things(len(results), "test", "tests"))
	}
	g.note("%s of %s passed", things(len(results), "test", "tests"), things(len(set.Rules()), "rule", "rules"))
	return nil
}
