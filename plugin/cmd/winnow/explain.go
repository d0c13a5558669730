package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/intake"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/rules"
)

// explainFlags are the flags of `winnow rules explain`.
type explainFlags struct {
	file, rule string
	nr         int
}

func rulesExplainCommand(g *globals) *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use: "explain --alert FILE [PATH...]", Short: "say why a rule does, or does not, drop an alert",
		Long: `Show the condition of a rule as a tree, with the value of each part for an alert: true, false, or
unknown and why; parts that were not needed are skipped. Below it stands what the allow-list makes of
it: scope, mode, expiry, ceiling, window, lists, suspension, canary and the escalate list.

The alert comes from a file of any kind that "winnow triage" reads, or from standard input for "-": the
first in it, or number N. Without --rule all rules in scope of its search are shown: those that match
whole, the others with the first part that failed. Rules are those of the paths (default: the content's).`,
		Example: `  winnow rules explain --alert alerts.ndjson
  winnow rules explain --alert results.csv.gz --nr 3 --rule vpn-egress-travel
  winnow rules explain --alert alerts.ndjson --content ./content --format json | jq .decision`,
		RunE: func(cmd *cobra.Command, args []string) error { return g.rulesExplain(cmd.Context(), f, args) },
	}
	cmd.Flags().StringVar(&f.file, "alert", "", "the `FILE` with the alert, - for standard input")
	cmd.Flags().StringVar(&f.rule, "rule", "", "explain the rule of this `ID` alone, also out of its scope")
	cmd.Flags().IntVar(&f.nr, "nr", 1, "the alert's number `N` in the file, from 1")
	return cmd
}

// explanation is what `rules explain` prints as JSON.
type explanation struct {
	File     string             `json:"file"`
	Nr       int                `json:"nr"`
	Of       int                `json:"of"`
	Alert    explainedAlert     `json:"alert"`
	Decision allowlist.Decision `json:"decision"`
	Rules    []allowlist.Ruling `json:"rules"`
}

type explainedAlert struct {
	SearchName string          `json:"search_name"`
	SID        string          `json:"sid"`
	RID        string          `json:"rid"`
	Severity   winnow.Severity `json:"severity"`
	Time       time.Time       `json:"time"`
	Received   time.Time       `json:"received"`
	Warnings   []string        `json:"warnings"`
}

func (g *globals) rulesExplain(ctx context.Context, f explainFlags, paths []string) error {
	switch {
	case f.file == "":
		return usage(errors.New("no alert is given"), "name a file of alerts with --alert FILE, or - for standard input")
	case f.nr < 1:
		return usage(fmt.Errorf("--nr is %d: alerts count from 1", f.nr))
	}
	d, err := g.openTools()
	if err != nil {
		return err
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return usage(err)
		}
	}
	gate, err := g.openToExplain(d, paths)
	if err != nil {
		return err
	}
	alert, of, err := g.pickAlert(ctx, d, f, gate.Keys)
	if err != nil {
		return err
	}
	list := gate.Rules.For(alert.SearchName)
	decision := gate.Decide(alert, gate.Explain(alert, list...))
	if f.rule != "" {
		r := gate.Rules.Find(f.rule)
		if r == nil {
			return usage(fmt.Errorf("no rule %q in %s, or it is broken", f.rule, orContent(orRulePaths(d, paths))),
				"`winnow rules check` reads the same rules and says what is wrong with them")
		}
		list = []*rules.Rule{r}
	}
	out := explanation{
		File: f.file, Nr: f.nr, Of: of, Decision: decision, Rules: gate.Explain(alert, list...),
		Alert: explainedAlert{alert.SearchName, alert.Key.SID, alert.Key.RID, alert.Severity, alert.Time, alert.Received, orEmpty(alert.Warnings)},
	}
	if g.format == formatJSON {
		return g.json(out)
	}
	g.printExplanation(&out, f.rule != "")
	return nil
}

func orRulePaths(d *state.Deployment, paths []string) []string {
	if len(paths) > 0 {
		return paths
	}
	return d.RulePaths()
}

// openToExplain opens the gate as the worker would. What is out of order is told, and counts.
func (g *globals) openToExplain(d *state.Deployment, paths []string) (*allowlist.Gate, error) {
	keys, err := d.Keys()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	gate, err := alertaction.OpenRules(d, keys, g.now(), orRulePaths(d, paths))
	if err != nil {
		for _, e := range flatten(err) {
			g.note("warning: %s", plain(e.Error()))
		}
	}
	gate.Approvals, _, _ = g.checkApprovals(d, gate.Rules, false) //nolint:errcheck // an approval that is missing is shown as such
	if len(gate.Rules.Rules()) == 0 && err == nil {
		return nil, usage(fmt.Errorf("no rules found in %s", orContent(orRulePaths(d, paths))),
			"name a rule file or a folder of them, or the folder above it with --content DIR")
	}
	return gate, nil
}

// pickAlert reads the file to its end, and returns the alert that is wanted and how many there are.
func (g *globals) pickAlert(ctx context.Context, d *state.Deployment, f explainFlags, keys *winnow.Keys) (found *winnow.Alert, of int, err error) {
	if err := checkFiles([]string{f.file}); err != nil {
		return nil, 0, usage(err)
	}
	in, modified, _, err := openAlerts(g, f.file)
	if err != nil {
		return nil, 0, usage(err)
	}
	defer func() { _ = in.Close() }()
	opts := intake.Options{
		Keys: keys, Now: modified,
		Severity: func(search string) winnow.Severity { return d.Settings.Search(search).Severity },
	}
	for item, err := range intake.Open(ctx, f.file, in, opts) {
		var bad *intake.LineError
		if err != nil && !errors.As(err, &bad) {
			return nil, 0, err
		}
		if of++; of == f.nr {
			if bad != nil {
				return nil, 0, usage(fmt.Errorf("alert %d cannot be read: %w", of, err))
			}
			found = &item.Alert
		}
	}
	switch {
	case of == 0:
		return nil, 0, usage(fmt.Errorf("%s holds no alert", f.file))
	case found == nil:
		return nil, 0, usage(fmt.Errorf("%s holds %s, and --nr asks for number %d", f.file, things(of, "alert", "alerts"), f.nr))
	}
	return found, of, nil
}
