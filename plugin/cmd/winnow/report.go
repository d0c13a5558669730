package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/charmbracelet/colorprofile"
	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/state"
)

func reportCommand(g *globals) *cobra.Command {
	return group("report", "what triage costs and saves, which detection to mend, what rules and agents missed", `  winnow report cost
  winnow report savings
  winnow report bill`,
		reportCostCommand(g), reportSavingsCommand(g), reportBillCommand(g), reportTableCommand(g),
		reportRulesCommand(g), reportClosersCommand(g), reportVotesCommand(g), reportPilotCommand(g), reportWhatIfCommand(g), reportFocusCommand(g), reportWeeklyCommand(g), reportHTMLCommand(g),
	)
}

const reportCostHelp = `Count where alerts ended, from the cheapest gate on, and price it: what was paid for model calls, and
what it would cost to send every alert through all stages of the model that [pipeline] model names, at
the prices of default/prices.yaml. That estimate is an alert's own text (four bytes a token) and the
[stage:NAME] input_tokens and output_tokens of each stage. What was paid is told by model and stage;
calls of which nobody knows what they cost are in it at their worst case, and told apart. CSV is the
funnel alone: a line for where alerts are, and one for where winnow would have brought those that it
left.

The forecast draws the days that are left of this month from the eight weeks before; nine of ten months
end between its bounds if days go on as they were.

With --by, split what was booked: by search, team or severity of the alerts, by stage, agent, model or
tier of service of the calls, by day, or by rule, which is what its canaries cost. The lines add up to
all that was booked, except by rule.`

func reportCostCommand(g *globals) *cobra.Command {
	var span spanFlags
	var by string
	cmd := withCSV(&cobra.Command{
		Use: "cost", Short: "the funnel and the bill", Args: cobra.NoArgs, Long: reportCostHelp,
		Example: `  winnow report cost
  winnow report cost --by search --days 30
  winnow report cost --set pipeline.model=gpt-5.4 --format json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := span.span(g.now())
			if err != nil {
				return err
			}
			if by != "" {
				return g.reportSplit(cmd.Context(), s, by)
			}
			return g.readLedger(cmd.Context(), func(d *state.Deployment, t *ledger.Tx) error {
				c, err := g.cost(d, t, s)
				if err != nil {
					return err
				}
				return g.printCost(&c)
			})
		},
	})
	span.add(cmd)
	cmd.Flags().StringVar(&by, "by", "", "split by `WHAT`: search, rule, stage, agent, model, tier, team, severity, day")
	return cmd
}

func (g *globals) cost(d *state.Deployment, t *ledger.Tx, span ledger.Span) (report.Cost, error) {
	table, err := openPrices(d)
	if err != nil {
		return report.Cost{}, usage(err)
	}
	return report.NewCost(t, span, d.Settings, table, g.now())
}

func (g *globals) printCost(c *report.Cost) error {
	switch g.format {
	case formatJSON:
		return g.json(c)
	case formatCSV:
		t := &grid{head: []string{"funnel", "step", "alerts", "share"}}
		for _, s := range c.Funnel {
			t.add("is", s.Name, fmt.Sprint(s.Alerts), fmt.Sprintf("%.4f", s.Share))
		}
		for _, s := range c.Would {
			t.add("would", s.Name, fmt.Sprint(s.Alerts), fmt.Sprintf("%.4f", s.Share))
		}
		return g.csv(t)
	}
	w := g.styled()
	printFunnel(w, c)
	printBill(w, c)
	printCalls(w, c)
	for i, r := range c.Recalls {
		if i == 0 {
			fmt.Fprintf(w, "%s\n", bold.Render("Of what was paid, for recalls"))
		}
		fmt.Fprintf(w, "  %-42s %10s  %s\n", oneLine(r.Recall, 42), (winnow.NanoUSD(r.Paid) * 1000).String(),
			dim.Render(fmt.Sprintf("%s triaged again, %d of them wait", things(r.Alerts, "alert", "alerts"), r.Waiting)))
	}
	return nil
}

// funnel prints where the alerts ended, for the end of a triage run.
func (g *globals) funnel(t *ledger.Tx, _ *conf.Settings, w io.Writer) error {
	c, err := report.NewCost(t, ledger.Span{}, &conf.Settings{}, nil, g.now())
	if err != nil {
		return err
	}
	fmt.Fprintln(w)
	printFunnel(colorprofile.NewWriter(w, os.Environ()), &c)
	return nil
}

func printFunnel(w io.Writer, c *report.Cost) {
	fmt.Fprintf(w, "%s\n", bold.Render(things(c.Alerts, "alert", "alerts")))
	for _, s := range c.Funnel {
		printStep(w, s)
	}
	if len(c.Would) > 0 {
		fmt.Fprintf(w, "%s\n", bold.Render("of those left as they were, winnow would have"))
		for _, s := range c.Would {
			printStep(w, s)
		}
	}
}

const barWidth = 30

func printStep(w io.Writer, s report.Step) {
	filled := int(s.Share*barWidth + 0.5)
	if filled == 0 && s.Alerts > 0 {
		filled = 1
	}
	bar := strings.Repeat("█", filled) + dim.Render(strings.Repeat("░", barWidth-filled))
	fmt.Fprintf(w, "  %-28s %8d  %5.1f %%  %s\n", s.Name, s.Alerts, 100*s.Share, bar)
}

func printBill(w io.Writer, c *report.Cost) {
	fmt.Fprintln(w)
	if !c.Priced {
		fmt.Fprintf(w, "%s\n", yellow.Render("no bill: default/prices.yaml has no price for model "+plain(c.Model)+" ([pipeline] model)"))
		return
	}
	usd := func(micro int64) string { return (winnow.NanoUSD(micro) * 1000).String() }
	fmt.Fprintf(w, "%s\n", bold.Render("The bill, with "+plain(c.Model)))
	for _, row := range []struct {
		name   string
		amount int64
		note   string
	}{
		{"without winnow: every alert to the model", c.Without, fmt.Sprintf("estimated, %s an alert", usd(c.PerCall))},
		{"with winnow: what nothing cheaper settled", c.With, fmt.Sprintf("estimated, %d of %d alerts", c.Asked, c.Alerts)},
		{"paid for calls that were made", c.Paid, "booked"},
	} {
		fmt.Fprintf(w, "  %-42s %10s  %s\n", row.name, usd(row.amount), dim.Render(row.note))
	}
	if f := c.Forecast; f != nil && f.High > 0 {
		fmt.Fprintf(w, "  %-42s %10s  %s\n", "forecast for "+f.Month, f.End.String(),
			dim.Render(fmt.Sprintf("%s to %s, from %s", f.Low, f.High, things(f.Days, "day", "days"))))
	}
	if c.Without > 0 {
		fmt.Fprintf(w, "  %s\n", green.Render(fmt.Sprintf("saved %s of %s, %.0f %%", usd(c.Saved), usd(c.Without), 100*float64(c.Saved)/float64(c.Without))))
	}
}

// printCalls tells what was booked by model and stage.
func printCalls(w io.Writer, c *report.Cost) {
	usd := func(micro int64) string { return (winnow.NanoUSD(micro) * 1000).String() }
	for i, l := range c.Calls {
		if i == 0 {
			fmt.Fprintf(w, "%s\n", bold.Render("Booked, by model and stage"))
		}
		note := fmt.Sprintf("%s, %d tokens in, %d out", things(l.Attempts, "attempt", "attempts"), l.Input, l.Output)
		if l.Unsettled > 0 {
			note += fmt.Sprintf("; %d unsettled, at their worst case of %s", l.Unsettled, usd(l.Uncertain))
		}
		note += ifAny(l.Unpriced, "; %d without a price")
		fmt.Fprintf(w, "  %-42s %10s  %s\n", oneLine(l.Model+" "+l.Stage, 42), usd(l.Paid), dim.Render(note))
	}
}
