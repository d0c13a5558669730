package prices

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxFile is more than any price list needs.
const maxFile = 8 << 20

// Read reads a price list. name is used in errors, which tell the line where they can.
func Read(name string, r io.Reader) (*Table, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: larger than %d MiB", name, maxFile>>20)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var doc fileDoc
	if err := dec.Decode(&doc); err != nil {
		return nil, yamlError(name, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one document", name)
	}
	if len(doc.Models) == 0 && len(doc.Providers) == 0 {
		return nil, fmt.Errorf("%s: no models", name)
	}
	t := &Table{Source: doc.Source, Month: doc.Month}
	for i, m := range doc.Models {
		if m.Model.text == "" {
			return nil, fmt.Errorf("%s: model %d of the list has no name", name, i+1)
		}
		if err := t.add(name, m); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, m.Model.line, err)
		}
	}
	for i, p := range doc.Providers {
		if p.Provider.text == "" {
			return nil, fmt.Errorf("%s: provider %d of the list has no name", name, i+1)
		}
		if err := t.addProvider(name, p); err != nil {
			return nil, fmt.Errorf("%s:%d: provider %q: %w", name, p.Provider.line, p.Provider.text, err)
		}
	}
	t.multiply()
	return t, nil
}

// fileDoc is prices.yaml as it is written.
type fileDoc struct {
	Source    string
	Month     string
	Providers []providerDoc
	Models    []modelDoc
}

type providerDoc struct {
	Provider    textNode
	Multipliers map[string]textNode
	Source      string
	Date        string
}

type modelDoc struct {
	Model       textNode
	Provider    string
	Aliases     []string
	ValidFrom   string   `yaml:"valid_from"`
	Rates       ratesDoc `yaml:",inline"`
	Multipliers map[string]textNode
	Tiers       []tierDoc
}

type ratesDoc struct {
	Input      *textNode
	Cached     *textNode
	CacheWrite *textNode `yaml:"cache_write"`
	Output     *textNode
}

type tierDoc struct {
	Above int64
	Rates ratesDoc `yaml:",inline"`
}

// textNode is a value as it was written, so that a price is never read as a binary fraction.
type textNode struct {
	text string
	line int
}

func (n *textNode) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: found a list or map, want a single value", node.Line)
	}
	n.text, n.line = node.Value, node.Line
	return nil
}

// yamlError puts the line that the YAML library names where editors look for it.
func yamlError(name string, err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: empty file", name)
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if _, first, ok := strings.Cut(text, "unmarshal errors:\n"); ok {
		text, _, _ = strings.Cut(strings.TrimSpace(first), "\n")
	}
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if line, message, ok := strings.Cut(rest, ": "); ok {
			return fmt.Errorf("%s:%s: %s", name, line, message)
		}
	}
	return fmt.Errorf("%s: %s", name, text)
}

func (t *Table) addProvider(file string, doc providerDoc) error {
	if err := providerName(doc.Provider.text); err != nil {
		return err
	}
	if doc.Date != "" {
		if _, err := time.Parse(time.DateOnly, doc.Date); err != nil {
			return fmt.Errorf("date is %q (want a day like 2026-01-31)", doc.Date)
		}
	}
	p := t.provide(doc.Provider.text)
	if p.Line > 0 {
		return fmt.Errorf("is there twice, the first time in line %d", p.Line)
	}
	m, err := multipliers(doc.Multipliers)
	p.Multipliers, p.Source, p.Date, p.File, p.Line = m, doc.Source, doc.Date, file, doc.Provider.line
	return err
}

// provide returns the provider of that name, and makes it where there is none.
func (t *Table) provide(name string) *provider {
	p := t.provider(name)
	if p == nil {
		p = &provider{Provider: Provider{Name: name}, models: map[string][]Price{}}
		t.providers = append(t.providers, p)
	}
	return p
}

// multiply gives every price the multipliers that hold for it.
func (t *Table) multiply() {
	for _, p := range t.providers {
		for _, list := range p.models {
			for i := range list {
				list[i].Multipliers = p.Multipliers.over(list[i].own)
			}
		}
	}
}

func (t *Table) add(file string, m modelDoc) error {
	price, err := m.price()
	if err != nil {
		return fmt.Errorf("model %q: %w", m.Model.text, err)
	}
	price.File, price.Line = file, m.Model.line
	if err := t.provide(m.Provider).add(price, m.Aliases); err != nil {
		return fmt.Errorf("model %q: %w", m.Model.text, err)
	}
	return nil
}

// add enters a price under all names of its model: its own, those that earlier rows for it gave,
// and aliases.
func (p *provider) add(price Price, aliases []string) error {
	name := strings.ToLower(price.Model)
	list := p.models[name]
	if len(list) > 0 && list[0].key() != name {
		return fmt.Errorf("is already an alias of %q", list[0].Model)
	}
	if slices.ContainsFunc(list, func(q Price) bool { return q.From.Equal(price.From) }) {
		return errors.New("has two prices from the same day on")
	}
	names := map[string]bool{name: true}
	for known, prices := range p.models {
		if prices[0].key() == name {
			names[known] = true
		}
	}
	for _, alias := range aliases {
		alias = strings.ToLower(alias)
		if other := p.models[alias]; len(other) > 0 && other[0].key() != name {
			return fmt.Errorf("alias %q is also %q", alias, other[0].Model)
		}
		names[alias] = true
	}
	list = append(list, price)
	slices.SortFunc(list, func(a, b Price) int { return b.From.Compare(a.From) })
	for n := range names {
		p.models[n] = list
	}
	return nil
}

// key is the name under which the table keeps a model.
func (p Price) key() string { return strings.ToLower(p.Model) }

func (m modelDoc) price() (Price, error) {
	p := Price{Model: m.Model.text, Provider: m.Provider}
	if err := providerName(p.Provider); err != nil {
		return p, err
	}
	if m.ValidFrom != "" {
		from, err := time.Parse(time.DateOnly, m.ValidFrom)
		if err != nil {
			return p, fmt.Errorf("valid_from is %q (want a day like 2026-01-31)", m.ValidFrom)
		}
		p.From = from
	}
	var err error
	if p.Rates, err = m.Rates.rates(); err != nil {
		return p, err
	}
	if p.own, err = multipliers(m.Multipliers); err != nil {
		return p, err
	}
	for _, doc := range m.Tiers {
		t := Tier{Above: doc.Above}
		if t.Rates, err = doc.Rates.rates(); err != nil {
			return p, fmt.Errorf("tier above %d: %w", doc.Above, err)
		}
		p.Tiers = append(p.Tiers, t)
	}
	return p, p.sortTiers()
}

func providerName(name string) error {
	if name == "" || name != strings.ToLower(name) || strings.Contains(name, ":") {
		return fmt.Errorf("provider is %q (want a name in lower case, like openai)", name)
	}
	return nil
}

// multipliers reads factors by the names of their tiers.
func multipliers(doc map[string]textNode) (Multipliers, error) {
	if len(doc) == 0 {
		return nil, nil
	}
	out := Multipliers{}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		tier := ServiceTier(name)
		switch {
		case tier == TierStandard, tier == "", tier == "auto":
			return nil, fmt.Errorf("multipliers: %q is the price itself", name)
		case tier != name:
			return nil, fmt.Errorf("multipliers: %q (want %q)", name, tier)
		}
		m, err := ParseMultiplier(doc[name].text)
		if err != nil {
			return nil, fmt.Errorf("multipliers: %s: %w", name, err)
		}
		out[name] = m
	}
	return out, nil
}

func (p *Price) sortTiers() error {
	slices.SortFunc(p.Tiers, func(a, b Tier) int { return cmp.Compare(b.Above, a.Above) })
	for i, t := range p.Tiers {
		if t.Above <= 0 {
			return fmt.Errorf("tier above %d (want a number of tokens above 0)", t.Above)
		}
		if i > 0 && p.Tiers[i-1].Above == t.Above {
			return fmt.Errorf("two tiers above %d", t.Above)
		}
	}
	return nil
}

func (d ratesDoc) rates() (Rates, error) {
	var r Rates
	if d.Input == nil || d.Output == nil {
		return r, errors.New("has no input or no output price (leave the model out if it is not known)")
	}
	for _, f := range []struct {
		name string
		from *textNode
		to   *Rate
	}{{"input", d.Input, &r.Input}, {"cached", d.Cached, &r.Cached}, {"cache_write", d.CacheWrite, &r.CacheWrite}, {"output", d.Output, &r.Output}} {
		if f.from == nil {
			f.from = d.Input
		}
		rate, err := ParseRate(f.from.text)
		if err != nil {
			return r, fmt.Errorf("%s: %w", f.name, err)
		}
		*f.to = rate
	}
	return r, nil
}
