package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/rules"
)

const debtHelp = `Say which of the content's rules to change or delete, each with its evidence out of the ledger: the
alerts that it holds are decided again, and its counts tell of those past retention.

  expired, expiring  the rule's last day is over, or near (--expiring)
  dead               no alert has met it for --days; a rule that is new counts too
  shadowed           another rule always comes before it
  overlapping        another rule comes before it on half of its alerts or more
  broad              its condition fits nearly anything, or every alert of a search
  untested           no tests, failing tests, or not one of its alerts was ever judged

The exit code is 0 whatever is found.`

type debtFlags struct{ days, expiring int }

func rulesDebtCommand(g *globals) *cobra.Command {
	var f debtFlags
	cmd := withCSV(&cobra.Command{
		Use: "debt", Short: "say which rules to change or delete, and why", Long: debtHelp, Args: cobra.NoArgs,
		Example: `  winnow rules debt
  winnow rules debt --days 90 --format csv`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.rulesDebt(cmd.Context(), &f) },
	})
	cmd.Flags().IntVar(&f.days, "days", 30, "a rule that met no alert for `N` days is dead")
	cmd.Flags().IntVar(&f.expiring, "expiring", 30, "a rule with no more than `N` days left is expiring")
	return cmd
}

func (g *globals) rulesDebt(ctx context.Context, f *debtFlags) error {
	const most = 3650
	for _, flag := range []struct {
		name  string
		value int
	}{{"--days", f.days}, {"--expiring", f.expiring}} {
		if flag.value < 1 || flag.value > most {
			return usage(fmt.Errorf("%s is %d, want 1 to %d", flag.name, flag.value, most))
		}
	}
	const day = 24 * time.Hour
	o := allowlist.DebtOptions{Now: g.now(), Dead: time.Duration(f.days) * day, Expiring: time.Duration(f.expiring) * day}
	if err := g.readLedger(ctx, func(_ *state.Deployment, t *ledger.Tx) error { return readUse(t, &o) }); err != nil {
		return err
	}
	set, problems, err := g.loadRules(nil)
	if err != nil {
		return err
	}
	o.Check = set.Check()
	if o.Past, err = g.pastOf(ctx, set); err != nil {
		return err
	}
	for _, p := range errorsAmong(problems) {
		g.note("warning: %s", plain(p.Error()))
	}
	found := allowlist.FindDebt(o)
	if err := g.printDebt(found, &o); err != nil {
		return err
	}
	if !o.Since.IsZero() && o.Since.After(o.Now.Add(-o.Dead)) {
		g.note("the ledger reaches back to %s only: which rules are dead cannot be told yet", o.Since.Format(time.DateOnly))
	}
	g.note("%s with debt of %s", things(indebted(found), "rule", "rules"), things(len(set.Rules()), "rule", "rules"))
	return nil
}

// readUse reads what the ledger has counted.
func readUse(t *ledger.Tx, o *allowlist.DebtOptions) error {
	counts, err := t.RuleCounts()
	if err != nil {
		return err
	}
	hits, err := t.RuleHits()
	if err != nil {
		return err
	}
	o.Use = map[string]allowlist.RuleUse{}
	for id, last := range hits {
		o.Use[id] = allowlist.RuleUse{Last: last}
	}
	for id, c := range counts {
		o.Use[id] = allowlist.RuleUse{
			Drops: c.Drops, Last: hits[id],
			Judged: c.Canaries[ledger.JudgedBenign] + c.Canaries[ledger.JudgedMalicious] + c.Outside,
		}
	}
	o.Since, err = t.Reach()
	return err
}

// pastOf decides the ledger's alerts again.
func (g *globals) pastOf(ctx context.Context, set *rules.Set) (*allowlist.Backtest, error) {
	d, err := g.open()
	if err != nil {
		return nil, err
	}
	c, err := g.candidate(d, set, d.EscalatePaths())
	if err != nil {
		return nil, err
	}
	b, err := allowlist.RunBacktest(ctx, g.samples(ctx, d, ""), allowlist.BacktestOptions{Candidate: c, Overlaps: true})
	return b, err
}

type debtJSON struct {
	Rule     string             `json:"rule"`
	Mode     rules.Mode         `json:"mode"`
	Owner    string             `json:"owner"`
	File     string             `json:"file"`
	Line     int                `json:"line"`
	Debt     allowlist.DebtKind `json:"debt"`
	Other    string             `json:"other"`
	Evidence string             `json:"evidence"`
	Drops    int                `json:"drops"`
	Last     *time.Time         `json:"last"` // null: it was never named
}

func (g *globals) printDebt(found []allowlist.Debt, o *allowlist.DebtOptions) error {
	t := &grid{head: []string{"RULE", "MODE", "DEBT", "EVIDENCE"}}
	if g.format == formatCSV {
		t.head = []string{"rule", "mode", "debt", "evidence", "owner", "file", "line", "other", "drops", "last"}
	}
	for i := range found {
		row := debtRow(&found[i], o)
		last := ""
		if row.Last != nil {
			last = row.Last.Format(time.RFC3339)
		}
		switch g.format {
		case formatJSON:
			if err := g.json(row); err != nil {
				return err
			}
		case formatCSV:
			t.add(row.Rule, string(row.Mode), string(row.Debt), row.Evidence, row.Owner, row.File, strconv.Itoa(row.Line), row.Other,
				strconv.Itoa(row.Drops), last)
		default:
			t.add(row.Rule, string(row.Mode), string(row.Debt), oneLine(row.Evidence, 120))
		}
	}
	switch {
	case g.format == formatCSV:
		return g.csv(t)
	case g.format == formatTable && len(t.rows) > 0:
		g.text(t)
	}
	return nil
}

func debtRow(d *allowlist.Debt, o *allowlist.DebtOptions) debtJSON {
	r, use := d.Rule, o.Use[d.Rule.ID]
	row := debtJSON{
		Rule: r.ID, Mode: r.Mode, Owner: r.Owner, File: r.Pos.File, Line: r.Pos.Line, Debt: d.Kind, Other: d.Other,
		Evidence: d.Evidence, Drops: use.Drops,
	}
	if last := use.Last.UTC(); !use.Last.IsZero() {
		row.Last = &last
	}
	return row
}

func indebted(found []allowlist.Debt) int {
	seen := map[*rules.Rule]bool{}
	for _, d := range found {
		seen[d.Rule] = true
	}
	return len(seen)
}
