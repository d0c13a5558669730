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

const reportSavingsHelp = `Say what every rule, the verdict cache and open cases saved: the alerts that nobody was asked about, each at
what an alert of its search costs that does go to the analysts, less what the canaries of the rule cost.
That cost is measured: what was booked for the search, by its alerts that went to the analysts. Where
nothing was booked for a search, that of the other searches counts (elsewhere), and where nothing was
booked at all the list price of [pipeline] model (list), which is an estimate.

WOULD is what would have been saved in shadow and assist. With --entries, the cached verdicts that answered
for most alerts are named too.`

func reportSavingsCommand(g *globals) *cobra.Command {
	var span spanFlags
	var entries int
	cmd := withCSV(&cobra.Command{
		Use: "savings", Short: "which rule paid for itself", Args: cobra.NoArgs, Long: reportSavingsHelp,
		Example: `  winnow report savings
  winnow report savings --month 2026-11 --entries 10
  winnow report savings --format csv > savings.csv`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := span.span(g.now())
			if err != nil {
				return err
			}
			if entries < 0 || entries > 10_000 {
				return usage(fmt.Errorf("--entries is %d, want 0 to 10000", entries))
			}
			return g.reportSavings(cmd.Context(), s, entries)
		},
	})
	span.add(cmd)
	cmd.Flags().IntVar(&entries, "entries", 0, "also name the `N` cached verdicts that saved most; reads every hit")
	return cmd
}

func (g *globals) reportSavings(ctx context.Context, s ledger.Span, entries int) error {
	return g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		units, err := report.SearchUnits(t, s, g.unitPrice(d))
		if err != nil {
			return err
		}
		v, err := report.NewSavings(t, s, units)
		if err == nil && entries > 0 {
			err = v.AddEntries(t, s, units, entries)
		}
		if err != nil {
			return err
		}
		return g.printSavings(v)
	})
}

// savedNames say in the table what kind of thing saved something.
var savedNames = map[string]string{report.SavedByRule: "rule", report.SavedByCache: "cache for", report.SavedByCase: "open cases of", report.SavedByEntry: "verdict on"}

func (g *globals) printSavings(v *report.Savings) error {
	switch g.format {
	case formatJSON:
		return g.json(v)
	case formatCSV:
		t := &grid{head: []string{"kind", "name", "alerts", "would_alerts", "saved_nanousd", "would_nanousd", "canaries", "canary_nanousd", "net_nanousd", "basis"}}
		for _, l := range append(v.Lines, v.Entries...) {
			t.add(l.Kind, l.Name, strconv.Itoa(l.Alerts), strconv.Itoa(l.Would), strconv.FormatInt(int64(l.Saved), 10),
				strconv.FormatInt(int64(l.WouldUSD), 10), strconv.Itoa(l.Canaries), strconv.FormatInt(int64(l.Canary), 10),
				strconv.FormatInt(int64(l.Net), 10), string(l.Basis))
		}
		return g.csv(t)
	}
	w := g.styled()
	if len(v.Lines) == 0 {
		g.note("nothing was saved yet: no rule, cached verdict or open case has kept an alert from the analysts")
		return nil
	}
	answer := fmt.Sprintf("Saved %s net: %s, less %s for canaries.", v.Net, v.Saved, v.Spent)
	if v.Would > 0 {
		answer += fmt.Sprintf(" Shadow and assist would save %s more.", v.Would)
	}
	fmt.Fprintf(w, "%s\n", bold.Render(answer))
	if note := basisNote(v.Basis); note != "" {
		fmt.Fprintln(w, dim.Render(note))
	}
	fmt.Fprintln(w)
	g.text(savingsTable(v.Lines))
	if len(v.Entries) > 0 {
		fmt.Fprintf(w, "\n%s\n", bold.Render("Cached verdicts that answered for most alerts; their savings are in the lines above"))
		g.text(savingsTable(v.Entries))
	}
	return nil
}

// basisNote says what an amount rests on that is not measured.
func basisNote(b report.Basis) string {
	switch b {
	case report.BasisList:
		return "Estimated: nothing was booked, so the list price of [pipeline] model stands in."
	case report.BasisElsewhere:
		return "Measured, but for searches marked elsewhere: the average of the others stands in."
	case report.BasisNone:
		return "Not known: nothing was booked, and [pipeline] model has no price."
	case report.BasisMeasured:
	}
	return ""
}

func savingsTable(lines []report.Saving) *grid {
	t := &grid{
		head: []string{"SAVED BY", "", "ALERTS", "SAVED", "CANARIES", "COST", "NET", "WOULD", "SAVE", "BASIS"},
		num:  map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true},
	}
	for i := range lines {
		l := &lines[i]
		canaries, cost := "-", "-"
		if l.Kind == report.SavedByRule {
			canaries, cost = strconv.Itoa(l.Canaries), l.Canary.String()
		}
		t.add(savedNames[l.Kind], oneLine(l.Name, 36), strconv.Itoa(l.Alerts), l.Saved.String(), canaries, cost, l.Net.String(),
			strconv.Itoa(l.Would), l.WouldUSD.String(), string(l.Basis))
	}
	return t
}
