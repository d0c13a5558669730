package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/state"
)

const reportTableHelp = `Fill the table that budgets for language models are usually made with, for --alerts a day: so much for a
look-up, so much for a verdict, times alerts. FLAT is such a table as it is in use: $0.0003 and $0.006
an alert, and nothing for the panel, for whoever sums it up, and for second tries. EVERY ALERT is what
was measured here if every alert went to the models, WINNOW what it is with rules, cache and open cases
before them. Where nothing was booked yet the list price of [pipeline] model stands in.`

func reportTableCommand(g *globals) *cobra.Command {
	var span spanFlags
	var alerts int
	cmd := withCSV(&cobra.Command{
		Use: "table", Short: "what so many alerts a day would cost", Args: cobra.NoArgs, Long: reportTableHelp,
		Example: `  winnow report table
  winnow report table --alerts 200000 --days 30`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := span.span(g.now())
			if err != nil {
				return err
			}
			if alerts < 1 || alerts > 1_000_000_000 {
				return usage(fmt.Errorf("--alerts is %d, want 1 to 1000000000", alerts))
			}
			return g.reportTable(cmd.Context(), s, alerts)
		},
	})
	span.add(cmd)
	cmd.Flags().IntVar(&alerts, "alerts", 50_000, "so many alerts `N` a day")
	return cmd
}

func (g *globals) reportTable(ctx context.Context, s ledger.Span, alerts int) error {
	return g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		prices, err := openPrices(d)
		if err != nil {
			return usage(err)
		}
		v, err := report.NewVolume(t, s, alerts, report.StagePrices(d.Settings, prices, g.now(), 0))
		if err != nil {
			return err
		}
		return g.printVolume(v)
	})
}

func (g *globals) printVolume(v *report.Volume) error {
	switch g.format {
	case formatJSON:
		return g.json(v)
	case formatCSV:
		t := &grid{head: []string{"stage", "flat_nanousd", "unit_nanousd", "attempts_per_asked", "everything_day_nanousd", "winnow_day_nanousd"}}
		for _, l := range v.Lines {
			t.add(l.Stage, strconv.FormatInt(int64(l.Flat), 10), strconv.FormatInt(int64(l.Unit), 10), fmt.Sprintf("%.4f", l.PerAlert),
				strconv.FormatInt(int64(l.Everything), 10), strconv.FormatInt(int64(l.Winnow), 10))
		}
		return g.csv(t)
	}
	w := g.styled()
	fmt.Fprintf(w, "%s\n", bold.Render(fmt.Sprintf("%d alerts a day, of which %.1f %% go to the analysts", v.AlertsADay, 100*v.Asked)))
	if note := basisNote(v.Basis); note != "" {
		fmt.Fprintln(w, dim.Render(note))
	}
	fmt.Fprintln(w)
	t := &grid{
		head: []string{"STAGE", "FLAT, AN ALERT", "A CALL", "CALLS AN ALERT", "EVERY ALERT, A DAY", "WINNOW, A DAY"},
		num:  map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true},
	}
	for _, l := range v.Lines {
		t.add(l.Stage, orDash(dollarsOr(l.Flat)), l.Unit.String(), fmt.Sprintf("%.2f", l.PerAlert), l.Everything.String(), l.Winnow.String())
	}
	t.add("a month", v.Flat.String(), "", "", v.Everything.String(), v.Winnow.String())
	g.text(t)
	return nil
}
