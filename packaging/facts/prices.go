package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-soc/winnow/llm/prices"
)

// providers are those that are taken over, in the order in which a name that several of them sell
// is looked up: who makes a model comes before who serves it.
var providers = []string{"openai", "anthropic", "google", "mistral", "deepseek", "x-ai", "cohere", "groq", "azure"}

// notText are parts of the names of models that do more than read and write text, or are billed
// by more than tokens.
var notText = []string{
	"audio", "realtime", "image", "vision", "-tts", "transcribe", "embed", "search", "live", "computer-use",
	"deep-research", "voxtral", "pixtral", "ft:", ".ft-", ":extended",
}

type sourceProvider struct {
	ID     string        `json:"id"`
	Name   string        `json:"name"`
	Models []sourceModel `json:"models"`
}

type sourceModel struct {
	ID     string          `json:"id"`
	Match  match           `json:"match"`
	Prices json.RawMessage `json:"prices"` // one set of prices, or a list with conditions
}

// match says which names mean a model.
type match struct {
	Equals     string  `json:"equals"`
	StartsWith string  `json:"starts_with"`
	Contains   string  `json:"contains"`
	Or         []match `json:"or"`
}

type sourcePrices struct {
	Constraint struct {
		StartDate string `json:"start_date"`
		StartTime string `json:"start_time"`
	} `json:"constraint"`
	Prices struct {
		Input      amount `json:"input_mtok"`
		Cached     amount `json:"cache_read_mtok"`
		CacheWrite amount `json:"cache_write_mtok"`
		Output     amount `json:"output_mtok"`
		Requests   amount `json:"requests_kcount"`
	} `json:"prices"`
}

// amount is a price as it was written, with what it rises to in larger calls.
type amount struct {
	base  string
	tiers map[int64]string
}

func (a *amount) UnmarshalJSON(data []byte) error {
	var number json.Number
	if json.Unmarshal(data, &number) == nil {
		a.base = number.String()
		return nil
	}
	var tiered struct {
		Base  json.Number
		Tiers []struct {
			Start int64
			Price json.Number
		}
	}
	if err := json.Unmarshal(data, &tiered); err != nil {
		return err
	}
	a.base, a.tiers = tiered.Base.String(), map[int64]string{}
	for _, t := range tiered.Tiers {
		a.tiers[t.Start] = t.Price.String()
	}
	return nil
}

// at returns the price in calls above so many tokens.
func (a amount) at(above int64) string {
	if p, ok := a.tiers[above]; ok {
		return p
	}
	return a.base
}

func priceList(path string) (file, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return file{}, err
	}
	var source []sourceProvider
	if err := json.Unmarshal(data, &source); err != nil {
		return file{}, fmt.Errorf("%s: %w", path, err)
	}
	content, err := pricesYAML(source)
	if err != nil {
		return file{}, fmt.Errorf("%s: %w", path, err)
	}
	table, err := prices.Read("prices.yaml", bytes.NewReader(content))
	if err != nil {
		return file{}, fmt.Errorf("%s: %w", path, err)
	}
	return file{"prices.yaml", content, fmt.Sprintf("%d prices of %d providers", len(table.All()), len(providers))}, nil
}

const pricesHead = `# What models cost, in US dollars for a million tokens: list prices without discounts. Made by
# packaging/facts from genai-prices (https://github.com/pydantic/genai-prices), MIT License,
# Copyright (c) Pydantic Services Inc. 2025 to present; do not edit.
#
# A model in two rows has a new price from valid_from on. A tier holds for the whole of a call with
# more input than that. Prices that change by the hour are the dearer ones. Models that are not here
# have no price: their calls are counted as unpriced, never as free.
`

func pricesYAML(source []sourceProvider) ([]byte, error) {
	var buf bytes.Buffer
	buf.WriteString(pricesHead)
	fmt.Fprintf(&buf, "source: genai-prices\nmonth: %q\nmodels:\n", pricesMonth)
	for _, id := range providers {
		i := slices.IndexFunc(source, func(p sourceProvider) bool { return p.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("provider %q is not there", id)
		}
		fmt.Fprintf(&buf, "  # %s\n", source[i].Name)
		if err := source[i].write(&buf); err != nil {
			return nil, err
		}
	}
	return buf.Bytes(), nil
}

func (p sourceProvider) write(buf *bytes.Buffer) error {
	models := slices.DeleteFunc(slices.Clone(p.Models), func(m sourceModel) bool { return !text(m.ID) })
	taken := map[string]bool{}
	for _, m := range models {
		taken[strings.ToLower(m.ID)] = true
	}
	for _, m := range models {
		rows, err := m.rows()
		if err != nil {
			return fmt.Errorf("%s %s: %w", p.ID, m.ID, err)
		}
		aliases := m.Match.names(taken)
		for _, r := range rows {
			fmt.Fprintf(buf, "  - {model: %s, provider: %s%s%s}\n", strconv.Quote(m.ID), p.ID, quoteList(aliases), r)
			aliases = nil
		}
	}
	return nil
}

func text(model string) bool {
	return !slices.ContainsFunc(notText, func(part string) bool { return strings.Contains(model, part) })
}

// names returns the other names of a model that are not taken yet, and takes them. A name that a
// pattern ends in the middle of is no name.
func (m match) names(taken map[string]bool) []string {
	var out []string
	for _, name := range []string{m.Equals, m.StartsWith, m.Contains} {
		name = strings.ToLower(name)
		if name != "" && text(name) && !taken[name] && !strings.HasSuffix(name, "-") && !strings.HasSuffix(name, "@") {
			taken[name] = true
			out = append(out, name)
		}
	}
	for _, sub := range m.Or {
		out = append(out, sub.names(taken)...)
	}
	return out
}

func quoteList(names []string) string {
	if len(names) == 0 {
		return ""
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = strconv.Quote(n)
	}
	return ", aliases: [" + strings.Join(quoted, ", ") + "]"
}

// rows returns the end of a row for every date at which the price of a model changes. A model
// that is not sold by input and output tokens alone has none.
func (m sourceModel) rows() ([]string, error) {
	list, err := m.priceSets()
	if err != nil {
		return nil, err
	}
	dearest := map[string]sourcePrices{}
	for _, set := range list {
		p := set.Prices
		if p.Requests.base != "" || zero(p.Input.base) || zero(p.Output.base) {
			return nil, nil
		}
		day := set.Constraint.StartDate
		have, ok := dearest[day]
		if more, err := dearer(set, have); err != nil {
			return nil, err
		} else if !ok || more {
			dearest[day] = set
		}
	}
	var out []string
	for _, day := range sortedKeys(dearest) {
		from := ""
		if day != "" {
			from = ", valid_from: " + day
		}
		out = append(out, from+dearest[day].row())
	}
	return out, nil
}

func (m sourceModel) priceSets() ([]sourcePrices, error) {
	if bytes.HasPrefix(bytes.TrimSpace(m.Prices), []byte("[")) {
		var list []sourcePrices
		if err := json.Unmarshal(m.Prices, &list); err != nil {
			return nil, err
		}
		return list, nil
	}
	var one sourcePrices
	err := json.Unmarshal(m.Prices, &one.Prices)
	return []sourcePrices{one}, err
}

func zero(price string) bool { return strings.Trim(price, "0.") == "" }

func dearer(a, b sourcePrices) (bool, error) {
	if b.Prices.Input.base == "" {
		return true, nil
	}
	x, err1 := prices.ParseRate(a.Prices.Input.base)
	y, err2 := prices.ParseRate(b.Prices.Input.base)
	return x > y, errors.Join(err1, err2)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}

// row writes the prices and tiers of a model.
func (s sourcePrices) row() string {
	starts := map[int64]bool{}
	for _, a := range []amount{s.Prices.Input, s.Prices.Cached, s.Prices.CacheWrite, s.Prices.Output} {
		for start := range a.tiers {
			starts[start] = true
		}
	}
	out := s.rates(0)
	var tiers []string
	for _, above := range sortedKeys(starts) {
		tiers = append(tiers, fmt.Sprintf("{above: %d%s}", above, s.rates(above)))
	}
	if len(tiers) > 0 {
		out += ", tiers: [" + strings.Join(tiers, ", ") + "]"
	}
	return out
}

func (s sourcePrices) rates(above int64) string {
	var out strings.Builder
	for _, f := range []struct {
		name string
		is   amount
	}{{"input", s.Prices.Input}, {"cached", s.Prices.Cached}, {"cache_write", s.Prices.CacheWrite}, {"output", s.Prices.Output}} {
		if p := f.is.at(above); p != "" {
			out.WriteString(", " + f.name + ": " + p)
		}
	}
	return out.String()
}
