// Package prices knows what models cost. A [Table] is read from prices.yaml:
//
//	source: where the prices come from
//	month: 2026-08
//	providers:
//	  - {provider: openai, multipliers: {batch: 0.5, flex: 0.5, priority: 2},
//	     source: https://example.com/pricing, date: 2026-11-23}
//	models:
//	  - {model: some-model, provider: openai, aliases: [other-name], valid_from: 2026-01-01,
//	     input: 2.5, cached: 0.25, cache_write: 2.5, output: 15, multipliers: {priority: 2.5},
//	     tiers: [{above: 272000, input: 5, cached: 0.5, output: 22.5}]}
//
// Prices are dollars for a million tokens. cached and cache_write are those of input when they
// are not given. A tier holds for the whole of a call whose input is above so many tokens. A
// model may have several rows with different valid_from, the first day (UTC) at the new price.
// multipliers say what a call at a service tier costs of that; a model's go before its provider's.
//
// A model that is not in the table has no price. That is not the same as costing nothing.
//
// [Table.Lay] lays one list over another, model by model.
package prices

import (
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// Table is a price list. Safe for concurrent use once read.
type Table struct {
	Source string // who collected the prices
	Month  string // when, like "2026-08"

	providers []*provider
}

// provider is what one company sells.
type provider struct {
	Provider
	models map[string][]Price // by lower-case model name and alias; the newest price first
}

// Provider is what holds for all models of one company.
type Provider struct {
	Name        string
	Multipliers Multipliers // of service tiers
	Source      string      // where they are published
	Date        string      // when they were looked up, like "2026-11-23"

	File string // where the list says so
	Line int
}

// Price is what a model costs from one day on.
type Price struct {
	Model    string
	Provider string
	From     time.Time // the first instant at this price; zero: always
	Rates    Rates
	Tiers    []Tier // the highest first

	Multipliers Multipliers // of service tiers, those of the provider included

	File string // where the list has it
	Line int

	own Multipliers // without those of the provider
}

// Tier is the price of calls with much input.
type Tier struct {
	Above int64 // tokens of input
	Rates Rates
}

// Cost returns the price of one call, rounded up to a nano-dollar. Counts that cannot be (below
// zero, more cached than there was input) are read in the way that costs most.
func (p Price) Cost(u Usage) winnow.NanoUSD {
	u = u.clean()
	for _, t := range p.Tiers {
		if u.Input > t.Above {
			return t.Rates.cost(u)
		}
	}
	return p.Rates.cost(u)
}

// Price returns what a model costs at an instant, and false when nobody knows. The model may be
// named with its provider, like "openai:gpt-5.4-mini"; without, the first provider in the table
// that has it counts. Case does not matter. A name with a date or version after it, like
// gpt-5.4-mini-2026-03-17, is found under the name; any other ending is another model.
func (t *Table) Price(model string, at time.Time) (Price, bool) {
	model = strings.ToLower(model)
	if name, rest, ok := strings.Cut(model, ":"); ok {
		if p := t.provider(name); p != nil {
			return p.price(rest, at)
		}
	}
	for _, p := range t.providers {
		if price, ok := p.price(model, at); ok {
			return price, true
		}
	}
	return Price{}, false
}

// All returns every price in the order of the table's providers, then by model, the newest first.
func (t *Table) All() []Price {
	var out []Price
	for _, p := range t.providers {
		start := len(out)
		for name, list := range p.models {
			if name == list[0].key() {
				out = append(out, list...)
			}
		}
		slices.SortStableFunc(out[start:], func(a, b Price) int { return strings.Compare(a.Model, b.Model) })
	}
	return out
}

// Providers returns what holds for all models of a company, for those of which the list says something, in the
// order of the table.
func (t *Table) Providers() []Provider {
	var out []Provider
	for _, p := range t.providers {
		if len(p.Multipliers) > 0 {
			out = append(out, p.Provider)
		}
	}
	return out
}

// Sells reports whether the list has models of a provider.
func (t *Table) Sells(provider string) bool {
	p := t.provider(provider)
	return p != nil && len(p.models) > 0
}

// Names returns all names of a model, its own first, then its aliases in order.
func (t *Table) Names(p Price) []string {
	of := t.provider(p.Provider)
	if of == nil {
		return nil
	}
	out := []string{}
	for name, list := range of.models {
		if list[0].key() == p.key() && name != p.key() {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return append([]string{p.Model}, out...)
}

func (t *Table) provider(name string) *provider {
	for _, p := range t.providers {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func (p *provider) price(model string, at time.Time) (Price, bool) {
	list, ok := p.models[model]
	if !ok {
		list = p.models[withoutVersion(model)]
	}
	for _, price := range list {
		if !at.Before(price.From) {
			return price, true
		}
	}
	return Price{}, false
}

// withoutVersion takes "-2026-03-17", "-20260317", "@20260317", "-001", "-latest" off a name.
func withoutVersion(model string) string {
	if name, ok := strings.CutSuffix(model, "-latest"); ok {
		return name
	}
	for _, version := range []string{"-0000-00-00", "-00000000", "@00000000", "-000", "@000"} {
		if at := len(model) - len(version); at > 0 && shape(model[at:]) == version {
			return model[:at]
		}
	}
	return model
}

// shape writes a 0 for every digit.
func shape(s string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return '0'
		}
		return r
	}, s)
}
