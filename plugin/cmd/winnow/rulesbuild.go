package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/rules"
)

func rulesBuildCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "build", Short: "publish the rules for the alert action", Args: cobra.NoArgs,
		Long: `Check rules, lists and escalate list of the content as the worker does, run the rules' tests, and
publish a snapshot in the state folder: the alert action reads a few pages of it instead of all rule
files, however many there are. The worker does the same whenever a file changes; this command is for
a state folder that no worker has seen yet. Publishes nothing, and exits with 1, when anything is
out of order.`,
		Example: `  winnow rules build
  winnow rules build --state ./state --format json`,
		RunE: func(*cobra.Command, []string) error { return g.rulesBuild() },
	}
}

func (g *globals) rulesBuild() error {
	d, err := g.open()
	if err != nil {
		return err
	}
	if err := d.Init(); err != nil {
		return err
	}
	keys, err := d.Keys()
	if err != nil {
		return err
	}
	gate, err := alertaction.OpenAllowlist(d, keys, g.now())
	if err != nil {
		return &exitError{exitFailed, errors.Join(flatten(err)...), []string{"nothing was published; mend this first"}}
	}
	generation, err := rules.WriteSnapshot(d.State, gate.Rules, gate.Escalate, gate.Failing)
	if err != nil {
		return err
	}
	if g.format == formatJSON {
		return g.json(struct {
			Generation string `json:"generation"`
			Rules      int    `json:"rules"`
			Escalate   int    `json:"escalate"`
			Version    string `json:"version"`
		}{generation, len(gate.Rules.Rules()), len(gate.Escalate.Entries()), gate.Rules.Version()})
	}
	g.note("published %s and %s as rules.%s", things(len(gate.Rules.Rules()), "rule", "rules"),
		things(len(gate.Escalate.Entries()), "escalate entry", "escalate entries"), generation)
	return nil
}
