package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/state"
)

// oldPrices is how long after its month a list is mentioned: providers change prices several times a year.
const oldPrices = 120 * 24 * time.Hour

func pricesCheckCommand(g *globals) *cobra.Command {
	return withCSV(&cobra.Command{
		Use: "check", Short: "look for models without a price, and for prices that are hardly right", Args: cobra.NoArgs,
		Long: `Read the shipped price list and yours, and tell by file and line: models of winnow.conf without a price,
prices that are hardly right (output cheaper than input, a discount that is none, the price of one token in
the place of a million), how old the list is, and which of the shipped prices yours hide. The first two are
errors, exit code 1; the others are warnings. A file that cannot be read is exit code 2.`,
		Example: `  winnow prices check
  winnow prices check --content ./content --format json`,
		RunE: func(*cobra.Command, []string) error {
			d, err := g.open()
			if err != nil {
				return err
			}
			c, err := g.checkPrices(d)
			if err != nil {
				return usage(err)
			}
			return g.printPriceFindings(c)
		},
	})
}

// priceFinding is one thing to look at.
type priceFinding struct {
	Level   string `json:"level"` // error or warning
	File    string `json:"file"`
	Line    int    `json:"line"`
	Model   string `json:"model"`
	Message string `json:"message"`
}

type priceCheck struct {
	models   int
	findings []priceFinding
}

func (c *priceCheck) add(level, file string, line int, model, format string, args ...any) {
	c.findings = append(c.findings, priceFinding{level, file, line, model, fmt.Sprintf(format, args...)})
}

func (g *globals) checkPrices(d *state.Deployment) (*priceCheck, error) {
	table, err := openPrices(d)
	if err != nil {
		return nil, err
	}
	c := &priceCheck{models: len(table.All())}
	if err := g.checkConfigured(c, d, table); err != nil {
		return nil, err
	}
	for _, f := range table.Suspicious() {
		c.add("error", f.File, f.Line, f.Model, "%s", f.Message)
	}
	paths := d.PricePaths()
	if age, ok := table.Age(g.now()); !ok {
		c.add("warning", paths[0], 1, "", "month is %q, which says nothing of its age (want one like 2026-08)", table.Month)
	} else if age > oldPrices && len(paths) == 1 {
		c.add("warning", paths[0], 1, "", "prices are those of %s, %d days ago: look at what you pay, and see `winnow prices import`", table.Month, int(age.Hours()/24))
	}
	return c, c.shadows(paths)
}

// checkConfigured looks for a price of every model that winnow.conf names.
func (g *globals) checkConfigured(c *priceCheck, d *state.Deployment, table *prices.Table) error {
	file, err := conf.Load(d.App, "winnow", g.set)
	if err != nil {
		return err
	}
	now := g.now()
	for _, name := range sortedNames(d.Settings.Models) {
		m := d.Settings.Models[name]
		if m.Provider == conf.ProviderOffline {
			continue
		}
		if _, ok := modelPrice(table, m, m.Model, now); !ok {
			at, _ := file.Lookup("model:"+name, "model")
			if m.CallsPerDay > 0 && m.TokensPerDay > 0 {
				c.add("warning", at.File, at.Line, m.Model, "[model:%s] has no price: its calls are counted as unpriced, within its own limits", name)
				continue
			}
			c.add("error", at.File, at.Line, m.Model, "[model:%s] has no price: its calls are counted as unpriced, and refused while a budget is set, unless it has calls_per_day and tokens_per_day", name)
		}
	}
	if p := d.Settings.Pipeline.Model; p != "" {
		if _, ok := table.Price(p, now); !ok {
			at, _ := file.Lookup("pipeline", "model")
			c.add("error", at.File, at.Line, p, "[pipeline] model has no price: reports have no bill")
		}
	}
	return nil
}

// modelPrice finds the price of a model as its provider sells it, else as anybody does.
func modelPrice(table *prices.Table, m conf.Model, model string, at time.Time) (prices.Price, bool) {
	if p, ok := table.Price(string(m.Provider)+":"+model, at); ok {
		return p, true
	}
	return table.Price(model, at)
}

// shadows tells what each list hides of those below it.
func (c *priceCheck) shadows(paths []string) error {
	var below *prices.Table
	for i, path := range paths {
		list, err := readPrices(path)
		if err != nil {
			return err
		}
		if i == 0 {
			below = list
			continue
		}
		laid := below.Lay(list)
		for _, s := range below.Shadows(list) {
			s.Now, _ = laid.Price(s.Now.Provider+":"+s.Now.Model, s.Now.From)
			c.shadow(s)
		}
		below = laid
	}
	return nil
}

func (c *priceCheck) shadow(s prices.Shadow) {
	at := fmt.Sprintf("%s:%d", s.Before.File, s.Before.Line)
	f := s.Now
	switch own := strings.EqualFold(s.Before.Model, f.Model); {
	case !own:
		c.add("warning", f.File, f.Line, f.Model, "%q meant %s until now (%s)", s.Name, s.Before.Model, at)
	case !strings.EqualFold(s.Name, f.Model): // another name of the same model
	case s.Before.Same(f):
		c.add("warning", f.File, f.Line, f.Model, "says what %s says too: it can go", at)
	default:
		c.add("warning", f.File, f.Line, f.Model, "hides %s: input %s, was %s; output %s, was %s",
			at, f.Rates.Input, s.Before.Rates.Input, f.Rates.Output, s.Before.Rates.Output)
	}
}

func (g *globals) printPriceFindings(c *priceCheck) error {
	wrong := 0
	t := &grid{head: []string{"level", "file", "line", "model", "message"}}
	for _, f := range c.findings {
		if f.Level == "error" {
			wrong++
		}
		if g.format == formatJSON {
			if err := g.json(f); err != nil {
				return err
			}
		}
		t.add(f.Level, plain(f.File), fmt.Sprint(f.Line), plain(f.Model), plain(f.Message))
	}
	switch g.format {
	case formatCSV:
		if err := g.csv(t); err != nil {
			return err
		}
	case formatTable:
		for _, f := range c.findings {
			fmt.Fprintf(g.out, "%s:%d: %s: %s: %s\n", plain(f.File), f.Line, f.Level, plain(f.Model), plain(f.Message))
		}
	}
	if wrong > 0 {
		return failed("%s wrong with prices", things(wrong, "thing is", "things are"))
	}
	g.note("%s, nothing wrong", things(c.models, "price", "prices"))
	return nil
}
