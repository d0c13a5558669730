package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/report/page"
	"github.com/winnow-soc/winnow/plugin/state"
)

const reportHTMLHelp = `Write one HTML page that can be mailed and printed: the bill in one sentence, cost by day, the month and its
forecast against the budget, where the money went, who it was for, which rule pays for itself, which
detection to mend first, where alerts ended, and what samples say was missed. It says what is measured and
what is estimated. The page has no scripts and fetches nothing.`

func reportHTMLCommand(g *globals) *cobra.Command {
	var out string
	var days, minutes int
	var hourly float64
	cmd := &cobra.Command{
		Use: "html", Short: "the whole report as one page that can be mailed", Args: cobra.NoArgs, Long: reportHTMLHelp,
		Example: `  winnow report html --out report.html
  winnow report html --days 90 --out quarter.html`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return usage(errors.New("--out says which file to write, - for standard output"))
			}
			switch {
			case days < 1 || days > maxPageDays:
				return usage(fmt.Errorf("--days is %d, want 1 to %d", days, maxPageDays))
			case minutes < 0 || minutes > 24*60:
				return usage(fmt.Errorf("--minutes is %d, want 0 to 1440", minutes))
			case !(hourly >= 0 && hourly <= 10_000):
				return usage(fmt.Errorf("--hourly is %g, want dollars, 0 to 10000", hourly))
			}
			return g.reportHTML(cmd.Context(), days, out, report.BillOptions{Minutes: minutes, Hourly: winnow.Dollars(hourly)})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "write `FILE`; - is standard output")
	cmd.Flags().IntVar(&days, "days", 30, "the last `N` days, today among them")
	cmd.Flags().IntVar(&minutes, "minutes", 10, "a person spends `N` minutes on one alert: an assumption of yours")
	cmd.Flags().Float64Var(&hourly, "hourly", 60, "an hour of a person costs so many `DOLLARS`: an assumption of yours")
	return cmd
}

// maxPageDays is ten years.
const maxPageDays = 3660

func (g *globals) reportHTML(ctx context.Context, days int, out string, people report.BillOptions) error {
	var d *page.Data
	err := g.readLedger(ctx, func(dep *state.Deployment, t *ledger.Tx) (err error) {
		d, err = g.newPage(dep, t, days, people)
		return err
	})
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := page.Write(&b, d); err != nil {
		return err
	}
	if err := g.writeOut(out, b.Bytes()); err != nil {
		return err
	}
	g.note("%s, %s paid: open it in a browser, mail it, or print it", things(d.Alerts, "alert", "alerts"), d.Paid)
	return nil
}

func (g *globals) newPage(d *state.Deployment, t *ledger.Tx, days int, people report.BillOptions) (*page.Data, error) {
	table, err := openPrices(d)
	if err != nil {
		return nil, usage(err)
	}
	pays, err := readTeams(d)
	if err != nil {
		return nil, usage(err)
	}
	known, err := g.knownRules(d)
	if err != nil {
		return nil, err
	}
	to := g.now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	return report.NewPage(t, &report.PageOptions{
		Span: ledger.Span{From: to.AddDate(0, 0, -days), To: to}, Settings: d.Settings, Prices: table, Teams: pays, Known: known,
		Bill: people, Now: g.now(), Version: version(),
	})
}
