package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/llm/prices"
)

func pricesListCommand(g *globals) *cobra.Command {
	var all bool
	cmd := withCSV(&cobra.Command{
		Use: "list [NAME...]", Short: "prices in force: the shipped list, and yours laid over it",
		Long: `Print what models cost, in dollars for a million tokens: input, input read from the provider's cache and
written to it, output; what calls at other service tiers cost of that; from how many tokens of input on a
call costs more; and the file that says so. NAME is (a part of) the name of a model or of a provider.
Without --all only the prices of today are listed.`,
		Example: `  winnow prices list
  winnow prices list gpt-5.4 --format json
  winnow prices list --all --format csv`,
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := g.open()
			if err != nil {
				return err
			}
			table, err := openPrices(d)
			if err != nil {
				return usage(err)
			}
			return g.printPrices(table, args, all)
		},
	})
	cmd.Flags().BoolVar(&all, "all", false, "list past and coming prices too")
	return cmd
}

// pricedModel is a price as it is printed. Rates are dollars for a million tokens in decimal, exactly.
type pricedModel struct {
	Model       string            `json:"model"`
	Provider    string            `json:"provider"`
	Aliases     []string          `json:"aliases"`
	From        string            `json:"valid_from"` // "" for always
	Input       string            `json:"input"`
	Cached      string            `json:"cached"`
	CacheWrite  string            `json:"cache_write"`
	Output      string            `json:"output"`
	Multipliers map[string]string `json:"multipliers"` // of service tiers
	Tiers       []pricedTier      `json:"tiers"`
	File        string            `json:"file"`
	Line        int               `json:"line"`
}

type pricedTier struct {
	Above      int64  `json:"above"`
	Input      string `json:"input"`
	Cached     string `json:"cached"`
	CacheWrite string `json:"cache_write"`
	Output     string `json:"output"`
}

func pricedOf(table *prices.Table, p prices.Price) pricedModel {
	out := pricedModel{
		Model: p.Model, Provider: p.Provider, Aliases: table.Names(p)[1:], Multipliers: map[string]string{}, Tiers: []pricedTier{},
		Input: p.Rates.Input.String(), Cached: p.Rates.Cached.String(), CacheWrite: p.Rates.CacheWrite.String(), Output: p.Rates.Output.String(),
		File: p.File, Line: p.Line,
	}
	if !p.From.IsZero() {
		out.From = p.From.Format(time.DateOnly)
	}
	for name, m := range p.Multipliers {
		out.Multipliers[name] = m.String()
	}
	for _, t := range p.Tiers {
		out.Tiers = append(out.Tiers, pricedTier{t.Above, t.Rates.Input.String(), t.Rates.Cached.String(), t.Rates.CacheWrite.String(), t.Rates.Output.String()})
	}
	return out
}

func (g *globals) printPrices(table *prices.Table, names []string, all bool) error {
	t := &grid{head: []string{"PROVIDER", "MODEL", "FROM", "INPUT", "CACHED", "WRITTEN", "OUTPUT", "SERVICE TIERS", "LONG CALLS", "FILE"}}
	found := 0
	for _, p := range table.All() {
		if !all && !inForce(table, p, g.now()) || !named(table, p, names) {
			continue
		}
		found++
		m := pricedOf(table, p)
		if g.format == formatJSON {
			if err := g.json(m); err != nil {
				return err
			}
			continue
		}
		t.add(m.Provider, plain(m.Model), m.From, m.Input, m.Cached, m.CacheWrite, m.Output, factorsText(p), longCalls(p), plain(filepath.Base(filepath.Dir(m.File))+"/"+filepath.Base(m.File)))
	}
	if found == 0 {
		return failed("no price for %s", plain(strings.Join(names, ", ")))
	}
	switch g.format {
	case formatTable:
		g.text(t)
		g.note("%s, %s; prices of your own go into prices.yaml of the content folder", plain(table.Source), plain(table.Month))
	case formatCSV:
		return g.csv(t)
	}
	return nil
}

// inForce reports whether a price is that of its model at an instant.
func inForce(table *prices.Table, p prices.Price, at time.Time) bool {
	now, ok := table.Price(p.Provider+":"+p.Model, at)
	return ok && now.From.Equal(p.From) && now.Line == p.Line
}

// named reports whether one of the names is a part of one of the model's.
func named(table *prices.Table, p prices.Price, names []string) bool {
	if len(names) == 0 {
		return true
	}
	of := append(table.Names(p), p.Provider, p.Provider+":"+p.Model)
	return slices.ContainsFunc(names, func(name string) bool {
		return slices.ContainsFunc(of, func(known string) bool { return strings.Contains(strings.ToLower(known), strings.ToLower(name)) })
	})
}

func factorsText(p prices.Price) string {
	var parts []string
	for _, name := range p.Multipliers.Names() {
		parts = append(parts, name+" x"+p.Multipliers[name].String())
	}
	return strings.Join(parts, ", ")
}

func longCalls(p prices.Price) string {
	var parts []string
	for _, t := range p.Tiers {
		parts = append(parts, fmt.Sprintf("above %d: %s, %s", t.Above, t.Rates.Input, t.Rates.Output))
	}
	return strings.Join(parts, "; ")
}
