package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/rules"
)

const reportRulesHelp = `Say of every rule what it dropped, how many of its drops were triaged all the same (canaries), how many
of those were judged, and how many a person confirmed to be attacks: its misses. The rate is misses of
judged canaries, with the exact 95 % interval (Clopper and Pearson). Canaries that nobody could judge, or
that still wait for a person, count neither way. One confirmed miss suspends a rule; so does a recall.`

func reportRulesCommand(g *globals) *cobra.Command {
	return withCSV(&cobra.Command{
		Use: "rules", Short: "what each rule dropped, and what it missed", Args: cobra.NoArgs, Long: reportRulesHelp,
		Example: `  winnow report rules
  winnow report rules --format csv > rules.csv`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.reportRules(cmd.Context()) },
	})
}

func (g *globals) reportRules(ctx context.Context) error {
	return g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		known, err := g.knownRules(d)
		if err != nil {
			return err
		}
		list, err := report.NewRules(t, known)
		if err != nil {
			return err
		}
		return g.printRules(list)
	})
}

// knownRules is what rule files and suspensions say.
func (g *globals) knownRules(d *state.Deployment) (map[string]report.Known, error) {
	known := map[string]report.Known{}
	lists, _ := loadLists(d) // `rules check` says what is wrong with them
	set, err := rules.Load(rules.Options{Fields: d.Fields, Lists: lists, Now: g.now()}, d.RulePaths()...)
	if set == nil {
		return nil, err
	}
	if err != nil {
		g.note("some rules could not be read: see `winnow rules check`")
	}
	for _, r := range set.Rules() {
		known[r.ID] = report.Known{Mode: string(r.Mode), Owner: r.Owner}
	}
	s, err := allowlist.ReadSuspensions(d.Path("suspensions.json"))
	if err != nil {
		g.note("nothing is dropped: %s", plain(err.Error()))
		return known, nil
	}
	for id, why := range s.Rules {
		k, found := known[id]
		if !found {
			k.Mode = "gone"
		}
		k.Suspended, k.By, k.Why = why.At, why.By, why.Reason
		known[id] = k
	}
	return known, nil
}

func (g *globals) printRules(list []report.Rule) error {
	table := &grid{
		head: []string{"RULE", "MODE", "DROPS", "WOULD", "CANARIES", "JUDGED", "MISSES", "RATE", "95 % FROM", "TO", "SUSPENDED"},
		num:  map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true},
	}
	for _, r := range list {
		if g.format == formatJSON {
			if err := g.json(r); err != nil {
				return err
			}
		}
		rate, low, high := "-", "-", "-"
		if r.MissRate != nil {
			rate, low, high = percent(*r.MissRate), percent(r.Low), percent(r.High)
		}
		table.add(r.ID, r.Mode, fmt.Sprint(r.Drops), fmt.Sprint(r.Would), fmt.Sprint(r.Canaries), fmt.Sprint(r.Judged),
			misses(&r), rate, low, high, suspendedText(&r))
	}
	switch {
	case g.format == formatCSV:
		return g.csv(table)
	case g.format == formatTable && len(list) == 0:
		g.note("no rules, and no drops")
	case g.format == formatTable:
		g.text(table)
	}
	return nil
}

// misses are those of the sample, and those that were found without it.
func misses(r *report.Rule) string {
	text := fmt.Sprint(r.Misses)
	if r.Outside > 0 {
		text += fmt.Sprintf("+%d", r.Outside)
	}
	return text
}

func percent(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }

func suspendedText(r *report.Rule) string {
	if r.Suspended == nil {
		return ""
	}
	text := fmt.Sprintf("%s by %s: %s", r.Suspended.UTC().Format(time.DateTime), r.By, r.Why)
	if r.Reverted > 0 {
		text += fmt.Sprintf(" (%s taken back; the rule stays suspended)", things(r.Reverted, "confirmation was", "confirmations were"))
	}
	return oneLine(text, 200)
}
