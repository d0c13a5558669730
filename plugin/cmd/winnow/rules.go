package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/rules"
)

func rulesCommand(g *globals) *cobra.Command {
	return group("rules", "check and test allow-list rules", `  winnow rules check
  winnow rules test --content ./content content/rules/vpn.yaml`,
		rulesCheckCommand(g),
		rulesTestCommand(g),
		rulesExplainCommand(g),
		rulesBacktestCommand(g),
		rulesRecallCommand(g), rulesResumeCommand(g), rulesApproveCommand(g),
		rulesSchemaCommand(g),
		rulesSuggestCommand(g),
		rulesBuildCommand(g),
		rulesDebtCommand(g),
		rulesImportCommand(g),
		rulesFmtCommand(g),
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

// openTools opens the configuration for commands that need no state, but use one that is there:
// outside of an installation, for content that is not the installation's, and where its state is
// not ours, they do without.
func (g *globals) openTools() (*state.Deployment, error) {
	named := g.state != "" || g.getenv("WINNOW_STATE") != ""
	if named || g.content == "" {
		if d, err := g.open(); err == nil || named {
			return d, err
		}
	}
	without := *g
	without.state = "." // named, never made: these commands write nothing
	return without.open()
}

func loadLists(d *state.Deployment) (*rules.Lists, error) {
	return rules.LoadLists(rules.ListOptions{Folders: d.ListPaths(), Shrink: d.Settings.Gate.ListShrink})
}
