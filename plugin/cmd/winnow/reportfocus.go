package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/report/focus"
	"github.com/winnow-soc/winnow/plugin/state"
)

const reportFocusHelp = `Write what was booked in a month as a Cost and Usage dataset of FOCUS 1.3, the FinOps Open Cost and Usage
Specification, for the tools that read the bills of clouds: a CSV line for each day, search, team, severity,
model, stage, agent, service tier and sampled rule. Search, stage, agent, rule, team and cost centre are in
columns that begin with x_, team and cost centre also in Tags. Every line is an estimate (x_IsEstimate):
winnow's own books, not the provider's invoice, so InvoiceId is empty. Calls whose usage nobody knows are
Adjustments at their worst case; a model without a price costs 0, and x_UnpricedAttempts counts them.

With --check, hold a file of any maker against the specification instead: exit code 1 when it breaks a MUST.`

func reportFocusCommand(g *globals) *cobra.Command {
	var month, out, check, account string
	cmd := withCSV(&cobra.Command{
		Use: "focus", Short: "the bill of a month in FOCUS 1.3, or the check of such a file", Args: cobra.NoArgs, Long: reportFocusHelp,
		Example: `  winnow report focus --month 2026-11 --out november.csv
  winnow report focus --check november.csv`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case check != "" && (out != "" || month != "" || account != ""):
				return usage(errors.New("--check reads a file: it goes with none of --month, --out and --account"))
			case check != "":
				return g.focusCheck(check)
			case out == "":
				return usage(errors.New("--out says which file to write, - for standard output"))
			}
			first, err := g.monthOf(month)
			if err != nil {
				return err
			}
			return g.focusWrite(cmd.Context(), first, out, account)
		},
	})
	f := cmd.Flags()
	f.StringVar(&month, "month", "", "the `MONTH` of UTC, like 2026-11 (default: this month)")
	f.StringVar(&out, "out", "", "write `FILE`; - is standard output")
	f.StringVar(&account, "account", "", "the provider's `ID` of the account that pays (default: winnow: and the name of the [model:NAME])")
	f.StringVar(&check, "check", "", "check `FILE`")
	return cmd
}

// monthOf reads a month, "" being this one.
func (g *globals) monthOf(month string) (time.Time, error) {
	if month == "" {
		return g.now().UTC(), nil
	}
	first, err := time.Parse("2006-01", month)
	if err != nil {
		return first, usage(fmt.Errorf("--month %q is no month like 2026-11", month))
	}
	return first, nil
}

func (g *globals) focusWrite(ctx context.Context, month time.Time, out, account string) error {
	var b bytes.Buffer
	var lines []focus.Line
	err := g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		table, err := readTeams(d)
		if err != nil {
			return usage(err)
		}
		lines, err = report.NewCharges(t, d.Settings, table, month, account)
		return err
	})
	if err != nil {
		return err
	}
	if err := focus.Write(&b, month, lines, func(s string) string { return defused(plain(s)) }); err != nil {
		return err
	}
	var booked winnow.NanoUSD
	unpriced := 0
	for i := range lines {
		booked, unpriced = booked+lines[i].Booked, unpriced+lines[i].Unpriced
	}
	if err := g.writeOut(out, b.Bytes()); err != nil {
		return err
	}
	g.note("%s, %s: an estimate, winnow's own books", things(len(lines), "line", "lines"), booked)
	if unpriced > 0 {
		g.note("%s no price: what they cost is missing", things(unpriced, "call has", "calls have"))
	}
	return nil
}

// writeOut writes a result into a file that only its owner reads, or to standard output for "-".
func (g *globals) writeOut(path string, body []byte) error {
	if path == "-" {
		_, err := g.out.Write(body)
		return err
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return usage(fmt.Errorf("--out %s is a folder: name a file", path))
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return usage(fmt.Errorf("--out %s: there is no folder %s", path, filepath.Dir(path)))
	}
	return state.WriteFile(path, body)
}

func (g *globals) focusCheck(path string) error {
	f, err := os.Open(path) //nolint:gosec // the file that the user names
	if err != nil {
		return usage(fmt.Errorf("check: %w", err))
	}
	defer func() { _ = f.Close() }()
	problems, err := focus.Check(f)
	if err != nil {
		return usage(fmt.Errorf("check %s: %w", path, err))
	}
	broken := 0
	table := &grid{head: []string{"LINE", "COLUMN", "PROBLEM"}, num: map[int]bool{0: true}}
	for _, p := range problems {
		if !p.Should {
			broken++
		}
		table.add(fmt.Sprint(p.Line), oneLine(p.Column, 60), oneLine(p.Message, 200))
		if g.format == formatJSON {
			if err := g.json(p); err != nil {
				return err
			}
		}
	}
	switch {
	case g.format == formatCSV:
		err = g.csv(table)
	case g.format == formatTable && len(problems) > 0:
		g.text(table)
	}
	if err == nil && broken > 0 {
		return failed("%s breaks FOCUS %s in %s", path, focus.Version, things(broken, "place", "places"))
	}
	g.note("%s keeps to FOCUS %s", path, focus.Version)
	return err
}
