package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/state"
)

const reportBillHelp = `Say of every detection, which is a search, what it cost, what share of its alerts was nothing, and what one
true positive cost. The first is the one to mend first: into it went most for alerts that nobody found or
believes to be attacks.

PAID is booked. PEOPLE is the alerts that came before a person, at --minutes and --hourly, which are
assumptions of yours. FALSE is the share of alerts that were no attack: by what people said where they
judged ten or more, else with what winnow believes of the others (~). Benign positives count: nobody had
to act. NOISE is what went into alerts that were not attacks. A TRUE POSITIVE costs both together, by how
many there were.`

func reportBillCommand(g *globals) *cobra.Command {
	var span spanFlags
	var minutes int
	var hourly float64
	cmd := withCSV(&cobra.Command{
		Use: "bill", Short: "which detection to mend first", Args: cobra.NoArgs, Long: reportBillHelp,
		Example: `  winnow report bill
  winnow report bill --days 30 --minutes 15 --hourly 80
  winnow report bill --format csv > bill.csv`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := span.span(g.now())
			switch {
			case err != nil:
				return err
			case minutes < 0 || minutes > 24*60:
				return usage(fmt.Errorf("--minutes is %d, want 0 to 1440", minutes))
			case !(hourly >= 0 && hourly <= 10_000):
				return usage(fmt.Errorf("--hourly is %g, want dollars, 0 to 10000", hourly))
			}
			return g.reportBill(cmd.Context(), s, report.BillOptions{Minutes: minutes, Hourly: winnow.Dollars(hourly)})
		},
	})
	span.add(cmd)
	cmd.Flags().IntVar(&minutes, "minutes", 10, "a person spends `N` minutes on one alert: an assumption of yours")
	cmd.Flags().Float64Var(&hourly, "hourly", 60, "an hour of a person costs so many `DOLLARS`: an assumption of yours")
	return cmd
}

func (g *globals) reportBill(ctx context.Context, s ledger.Span, o report.BillOptions) error {
	return g.readLedger(ctx, func(_ *state.Deployment, t *ledger.Tx) error {
		b, err := report.NewBill(t, s, o)
		if err != nil {
			return err
		}
		return g.printDetections(b)
	})
}

func (g *globals) printDetections(b *report.Bill) error {
	switch g.format {
	case formatJSON:
		return g.json(b)
	case formatCSV:
		return g.csv(billCSV(b))
	}
	if len(b.Detections) == 0 {
		g.note("no alert was received")
		return nil
	}
	w := g.styled()
	printBillAnswer(w, b)
	t := &grid{
		head: []string{"DETECTION", "ALERTS", "ASKED", "PEOPLE", "PAID", "PEOPLE COST", "TRUE", "FALSE", "NOISE", "A TRUE POSITIVE"},
		num:  map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true},
	}
	for i := range b.Detections {
		d := &b.Detections[i]
		is := d.TruePositive
		if !d.Judged {
			is += d.BelievedTrue
		}
		t.add(oneLine(cmp.Or(d.Search, report.NoSearch), 36), strconv.Itoa(d.Alerts), strconv.Itoa(d.Asked), strconv.Itoa(d.People), d.Paid.String(),
			d.PeopleUSD.String(), strconv.Itoa(is), falseShare(d), d.Noise.String(), orDash(dollarsOr(d.PerTrue)))
	}
	g.text(t)
	fmt.Fprintf(w, "\n%s\n", dim.Render(fmt.Sprintf("People: %d minutes an alert at %s an hour (--minutes, --hourly). ~ what winnow believes is in it.", b.Minutes, b.Hourly)))
	return nil
}

// printBillAnswer says what is asked first.
func printBillAnswer(w io.Writer, b *report.Bill) {
	d := &b.Detections[0]
	if d.Noise <= 0 {
		fmt.Fprintf(w, "%s\n\n", bold.Render("Nothing was spent on alerts that were no attack."))
		return
	}
	fmt.Fprintf(w, "%s\n", bold.Render("Mend first: "+oneLine(cmp.Or(d.Search, report.NoSearch), 80)+"."))
	fmt.Fprintf(w, "%s of its %s went into alerts that nobody found or believes to be attacks.\n\n", d.Noise, d.Paid+d.PeopleUSD)
}

func falseShare(d *report.Detection) string {
	if d.TruePositive+d.FalsePositive+d.BelievedTrue+d.BelievedFalse == 0 {
		return "-"
	}
	text := fmt.Sprintf("%.0f %%", 100*d.Share)
	if !d.Judged {
		text = "~" + text
	}
	return text
}

func dollarsOr(n winnow.NanoUSD) string {
	if n == 0 {
		return ""
	}
	return n.String()
}

func billCSV(b *report.Bill) *grid {
	t := &grid{head: []string{
		"search_name", "team", "alerts", "asked", "people", "true_positives", "false_positives", "believed_true", "believed_false", "undetermined",
		"paid_nanousd", "people_nanousd", "false_share", "judged", "per_true_positive_nanousd", "noise_nanousd",
	}}
	for i := range b.Detections {
		d := &b.Detections[i]
		t.add(d.Search, d.Team, strconv.Itoa(d.Alerts), strconv.Itoa(d.Asked), strconv.Itoa(d.People), strconv.Itoa(d.TruePositive),
			strconv.Itoa(d.FalsePositive), strconv.Itoa(d.BelievedTrue), strconv.Itoa(d.BelievedFalse), strconv.Itoa(d.Undetermined),
			strconv.FormatInt(int64(d.Paid), 10), strconv.FormatInt(int64(d.PeopleUSD), 10), fmt.Sprintf("%.4f", d.Share),
			strconv.FormatBool(d.Judged), strconv.FormatInt(int64(d.PerTrue), 10), strconv.FormatInt(int64(d.Noise), 10))
	}
	return t
}
