package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/llm/offline"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/state"
)

const reportWhatIfHelp = `Decide the alerts of the last days again under other settings, and show what that costs against the attacks
that it misses. No model is asked and nothing is changed: what language models answered is taken from the
ledger; rules, lists, guards and policy are asked again, and so are the offline analysts.

  --set STANZA.KEY=VALUE  another threshold; may be given again
  --rules DIR             the rules in DIR, or a content folder with rules/ and lists/
  --canary 5%             another share of drops that is triaged all the same
  --model NAME            another model's prices for the tokens that were counted; its answers are not known
  --sweep KEY=70..95:5    one row for each value, or KEY=low,medium for values that are no numbers

Dollars are what was booked for calls that would be made all the same (measured), and for alerts that would
go to a language model in addition the measured cost of one alert of that search, or else of list prices
(estimated, ~). What cannot be told without asking anybody is counted as such, and is in no other row.

A missed attack is an alert that a person called a true positive and that is closed; the interval is the
exact one of 95 % (Clopper and Pearson). Hours are what goes to people, times --minutes. All numbers are
of the days that are looked at. Decisions that people made since are left out on both sides.`

type whatIfFlags struct {
	lookBack

	rules, canary, model, sweep string
	list                        int
}

func reportWhatIfCommand(g *globals) *cobra.Command {
	var f whatIfFlags
	cmd := withCSV(&cobra.Command{
		Use: "whatif", Short: "cost against missed attacks, under other settings", Args: cobra.NoArgs, Long: reportWhatIfHelp,
		Example: `  winnow report whatif --set policy.confidence=70
  winnow report whatif --sweep policy.confidence=70..95:5
  winnow report whatif --rules ./content/rules --days 7
  winnow report whatif --model gpt-5.4-mini --format json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.reportWhatIf(cmd.Context(), &f) },
	})
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.rules, "rules", "", "try the rules of folder `DIR`")
	fl.StringVar(&f.canary, "canary", "", "try another `SHARE` of drops that is triaged all the same")
	fl.StringVar(&f.model, "model", "", "try the prices of model `NAME`, of winnow.conf or prices.yaml")
	fl.StringVar(&f.sweep, "sweep", "", "try a `KEY=FROM..TO:STEP` or KEY=A,B,C, a row for each value")
	fl.IntVar(&f.list, "list", 10, "name at most `N` attacks that would be missed in addition; the rest is counted")
	return cmd
}

// changes returns the settings to compare with the present one.
func (f *whatIfFlags) changes(sets []string) ([]change, error) {
	base := change{sets: slices.Clone(sets), rules: f.rules, model: f.model}
	if f.canary != "" {
		if _, err := parseShare("--canary", f.canary); err != nil {
			return nil, err
		}
		base.sets = append(base.sets, "gate.canary="+f.canary)
	}
	names := slices.Clone(base.sets)
	if f.rules != "" {
		names = append(names, "--rules "+f.rules)
	}
	if f.model != "" {
		names = append(names, "--model "+f.model)
	}
	base.name = strings.Join(names, " ")
	out := []change{base}
	if f.sweep != "" {
		s, err := parseSweep(f.sweep)
		if err != nil {
			return nil, usage(err)
		}
		out = nil
		for _, v := range s.values {
			one := base
			one.name, one.sets = s.key+"="+v, append(slices.Clone(base.sets), s.key+"="+v)
			out = append(out, one)
		}
	}
	for _, set := range out[0].sets {
		if err := checkSet(set); err != nil {
			return nil, err
		}
	}
	if out[0].name == "" {
		return nil, usage(errors.New("nothing to compare with: say what would be otherwise"),
			"try --set policy.confidence=70, --sweep policy.confidence=70..95:5, --rules DIR, --canary 5% or --model NAME")
	}
	return out, nil
}

func (g *globals) reportWhatIf(ctx context.Context, f *whatIfFlags) error {
	since, until, err := f.span(g.now())
	if err != nil {
		return err
	}
	if f.list < 0 || f.list > 100_000 {
		return usage(fmt.Errorf("--list is %d, want 0 to 100000", f.list))
	}
	changes, err := f.changes(g.set)
	if err != nil {
		return err
	}
	r, err := g.openWhatIf(ctx, nil, changes)
	if err != nil {
		return err
	}
	r.counter = report.NewWhatIf(f.minutes, f.list, names(changes))
	if err := errors.Join(r.run(ctx, since, until), r.ledger.Close()); err != nil {
		return err
	}
	return g.printWhatIf(r.counter.Result(until), f)
}

func names(changes []change) []string {
	out := make([]string, len(changes))
	for i := range changes {
		out[i] = changes[i].name
	}
	return out
}

// openWhatIf opens the ledger for reading, and the present setting and the others over it. present are the
// overrides of the present one: for what-if none, since --set says there what would be otherwise.
func (g *globals) openWhatIf(ctx context.Context, present []string, changes []change) (*whatIf, error) {
	as := *g
	as.set = present
	d, err := as.open()
	if err != nil {
		return nil, err
	}
	w := &whatIf{g: g}
	if w.offline, err = offlineModel(d); err != nil {
		return nil, err
	}
	if w.ledger, err = ledger.OpenReadOnly(ctx, d.Path("ledger.db")); err != nil {
		return nil, err
	}
	if w.present, err = as.openSetting(ctx, w.ledger, change{}); err != nil {
		return nil, errors.Join(err, w.ledger.Close())
	}
	for _, c := range changes {
		s, err := as.openSetting(ctx, w.ledger, c)
		if err != nil {
			return nil, errors.Join(err, w.ledger.Close())
		}
		w.others = append(w.others, s)
	}
	return w, nil
}

// offlineModel is the built-in analysts.
func offlineModel(d *state.Deployment) (*offline.Model, error) {
	catalogue, err := readCatalogue(d.Default("attack.csv"))
	if err != nil {
		return nil, usage(err)
	}
	return offline.New(catalogue), nil
}
