package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/rules"
)

func rulesTestCommand(g *globals) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use: "test [PATH...]", Short: "run the tests in rule files",
		Long: `Run the tests that rule files carry: each gives an alert and says whether the rule drops it. A test
runs through the allow-list's own decision, with expiry, ceiling and window; a shadow rule is tested
as if it were enforced. --format junit is for the reports of CI. --watch runs them again whenever a
rule file or a value list changes, until Ctrl-C.
Exits with 1 when a test fails; with --watch, Ctrl-C ends with 0.`,
		Example: `  winnow rules test
  winnow rules test --content ./content content/rules/vpn.yaml
  winnow rules test --watch
  winnow rules test --format junit > junit.xml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if watch {
				return g.watchTests(cmd.Context(), args)
			}
			return g.rulesTest(args)
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "run again when a file changes, until Ctrl-C")
	return withFormats(cmd, formatJUnit)
}

func (g *globals) rulesTest(paths []string) error {
	set, problems, err := g.loadRules(paths)
	if err != nil {
		return err
	}
	results := set.Test(allowlist.Decide)
	broken := errorsAmong(problems)
	if err := g.printTests(results, broken); err != nil {
		return err
	}
	bad := 0
	for _, r := range results {
		if !r.OK {
			bad++
		}
	}
	switch {
	case len(broken) > 0:
		return &exitError{exitFailed, fmt.Errorf("%d tests ran, %d failed, and some rules could not be read:\n%w", len(results), bad, details(broken)), nil}
	case bad > 0:
		return failed("%d of %s failed", bad, things(len(results), "test", "tests"))
	}
	g.note("%s of %s passed", things(len(results), "test", "tests"), things(len(set.Rules()), "rule", "rules"))
	return nil
}

// details joins errors with the lines that they are about.
func details(list []*rules.Error) error {
	var errs []error
	for _, p := range list {
		errs = append(errs, errors.New(p.Detail()))
	}
	return errors.Join(errs...)
}

func (g *globals) printTests(results []rules.TestResult, broken []*rules.Error) error {
	switch g.format {
	case formatJUnit:
		return g.junit(results, broken)
	case formatJSON:
		for _, r := range results {
			if err := g.json(r); err != nil {
				return err
			}
		}
		return nil
	}
	t := &grid{head: []string{"", "RULE", "TEST", "WANT", "GOT", "WHY"}}
	for _, r := range results {
		mark := green.Render("ok")
		if !r.OK {
			mark = red.Render("FAIL")
		}
		t.rows = append(t.rows, []string{mark, plain(r.Rule), plain(r.Test), r.Want, r.Got, plain(r.Why)})
	}
	g.text(t)
	return nil
}

// watchEvery is how often files are looked at.
const watchEvery = 300 * time.Millisecond

// watchTests runs the tests now and whenever a file has changed, until the context ends. What is
// wrong with the rules is printed, and the next change is waited for.
func (g *globals) watchTests(ctx context.Context, paths []string) error {
	if g.format == formatJUnit {
		return usage(errors.New("--watch and --format junit do not go together: a report is one document"), "leave --watch out")
	}
	watched, err := g.watchedPaths(paths)
	if err != nil {
		return err
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		before := snapshot(watched)
		if err := g.rulesTest(paths); err != nil {
			g.report(err)
		}
		g.note("waiting for a change (Ctrl-C ends)")
		for same := true; same; {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				same = snapshot(watched) == before
			}
		}
		g.note("\n%s: files have changed", g.now().Format(time.TimeOnly))
	}
	return nil
}

// watchedPaths are the rules, and the lists that they read.
func (g *globals) watchedPaths(paths []string) ([]string, error) {
	if _, _, err := g.loadRules(paths); err != nil {
		return nil, err // a path or an app that is not there: nothing to wait for
	}
	d, err := g.openTools()
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		paths = d.RulePaths()
	}
	return slices.Concat(paths, d.ListPaths()), nil
}
