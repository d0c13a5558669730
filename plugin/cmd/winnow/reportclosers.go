package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/state"
)

const reportClosersHelp = `Say of every closer (rules, cache, built-in analysts, models) what it closed, and how often a person who
judged a sample of that blind found an attack: its misses. The sample is [review] sample of the closes; it
waits among the cases of "winnow review list", and nothing there tells which they are. The rate is misses
of judged samples, with the exact 95 % interval (Clopper and Pearson). Samples that nobody could judge,
or that still wait, count neither way.`

func reportClosersCommand(g *globals) *cobra.Command {
	return withCSV(&cobra.Command{
		Use: "closers", Short: "what each closer closed, and what it missed", Args: cobra.NoArgs, Long: reportClosersHelp,
		Example: `  winnow report closers
  winnow report closers --format json | jq 'select(.misses > 0)'`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.reportClosers(cmd.Context()) },
	})
}

func (g *globals) reportClosers(ctx context.Context) error {
	return g.readLedger(ctx, func(_ *state.Deployment, t *ledger.Tx) error {
		list, err := report.NewClosers(t)
		if err != nil {
			return err
		}
		table := &grid{
			head: []string{"CLOSER", "CLOSES", "SAMPLED", "JUDGED", "WAITING", "UNKNOWN", "MISSES", "RATE", "95 % FROM", "TO"},
			num:  map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true},
		}
		for _, c := range list {
			if g.format == formatJSON {
				if err := g.json(c); err != nil {
					return err
				}
			}
			rate, low, high := "-", "-", "-"
			if c.MissRate != nil {
				rate, low, high = percent(*c.MissRate), percent(c.Low), percent(c.High)
			}
			table.add(string(c.Closer), fmt.Sprint(c.Closes), fmt.Sprint(c.Sampled), fmt.Sprint(c.Judged), fmt.Sprint(c.Waiting),
				fmt.Sprint(c.Unknown), fmt.Sprint(c.Misses), rate, low, high)
		}
		switch g.format {
		case formatCSV:
			return g.csv(table)
		case formatTable:
			g.text(table)
		}
		return nil
	})
}
