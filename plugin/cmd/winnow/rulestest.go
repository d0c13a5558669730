package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/allowlist"
)

func rulesTestCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "test [PATH...]", Short: "run the tests in rule files",
		Long: `Run the tests that rule files carry: each gives an alert and says whether the rule drops it. A test
runs through the allow-list's own decision, with expiry, ceiling and window; a shadow rule is tested
as if it were enforced. Exits with 1 when a test fails.`,
		Example: `  winnow rules test
  winnow rules test --content ./content content/rules/vpn.yaml`,
		RunE: func(_ *cobra.Command, args []string) error { return g.rulesTest(args) },
	}
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
