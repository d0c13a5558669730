package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/health"
)

const healthHelp = `Ask the worker of this state folder how it fares, over its socket or the address of [worker] listen:
whether its loop turns, and whether ledger, spool, disk and clock are as it needs them.

Exits with 0 when all is well, with 1 when something is not, and with 3 when no worker answers.`

func healthCommand(g *globals) *cobra.Command {
	var metrics, live bool
	cmd := &cobra.Command{
		Use: "health", Short: "ask the worker how it fares", Long: healthHelp, Args: cobra.NoArgs,
		Example: `  winnow health
  winnow health --metrics                     # what Prometheus reads`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if metrics && live {
				return usage(errors.New("--metrics and --live ask different things: give one of them"))
			}
			if metrics {
				return g.printMetrics(cmd.Context())
			}
			path := "/readyz"
			if live {
				path = "/healthz"
			}
			return g.printChecks(cmd.Context(), path)
		},
	}
	cmd.Flags().BoolVar(&metrics, "metrics", false, "print the metrics, in Prometheus' text format")
	cmd.Flags().BoolVar(&live, "live", false, "ask only whether the worker's loop turns")
	return cmd
}

func (g *globals) printMetrics(ctx context.Context) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	body, err := health.Ask(ctx, healthPlace(d), "/metrics")
	if err != nil {
		return unanswered(err)
	}
	_, err = g.out.Write(body)
	return err
}

func (g *globals) printChecks(ctx context.Context, path string) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	checks, err := health.AskChecks(ctx, healthPlace(d), path)
	if err != nil {
		return unanswered(err)
	}
	t := &grid{head: []string{"", "CHECK", "WHAT"}}
	for _, c := range checks {
		mark := green.Render("ok")
		if !c.OK {
			mark = red.Render("error")
		}
		if g.format == formatJSON {
			if err := g.json(c); err != nil {
				return err
			}
		}
		t.rows = append(t.rows, []string{mark, plain(c.Check), plain(c.Detail)})
	}
	if g.format == formatTable {
		g.text(t)
	}
	if bad := slices.IndexFunc(checks, func(c health.Check) bool { return !c.OK }); bad >= 0 {
		return failed("the worker is not well: %s: %s", plain(checks[bad].Check), plain(checks[bad].Detail))
	}
	return nil
}

// unanswered says what to do when nobody answers.
func unanswered(err error) error {
	if errors.Is(err, health.ErrSilent) || errors.Is(err, health.ErrNoPlace) {
		return &exitError{exitCannot, err, []string{"see that the input winnow://worker runs, and `winnow doctor`"}}
	}
	return err
}
