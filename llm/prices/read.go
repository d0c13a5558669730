package prices

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
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
	if len(doc.Models) == 0 {
		return nil, fmt.Errorf("%s: no models", name)
	}
	t := &Table{Source: doc.Source, Month: doc.Month}
	for i, m := range doc.Models {
		if m.Model.text == "" {
			return nil, fmt.Errorf("%s: model %d of the list has no name", name, i+1)
		}
		if err := t.add(m); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, m.Model.line, err)
		}
	}
	return t, nil
}

// fileDoc is prices.yaml as it is written.
type fileDoc struct {
	Source string
	Month  string
	Models []modelDoc
}

type modelDoc struct {
	Model     textNode
	Provider  string
	Aliases   []string
	ValidFrom string   `yaml:"valid_from"`
	Rates     ratesDoc `yaml:",inline"`
	Tiers     []tierDoc
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

func (t *Table) add(m modelDoc) error {
	price, err := m.price()
	if err != nil {
		return fmt.Errorf("model %q: %w", m.Model.text, err)
	}
	p := t.provider(m.Provider)
	if p == nil {
		p = &provider{name: m.Provider, models: map[string][]Price{}}
		t.providers = append(t.providers, p)
	}
	if err := p.add(price, m.Aliases); err != nil {
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
	if p.Provider == "" || p.Provider != strings.ToLower(p.Provider) || strings.Contains(p.Provider, ":") {
		return p, fmt.Errorf("provider is %q (want a name in lower case, like openai)", p.Provider)
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
	for _, doc := range m.Tiers {
		t := Tier{Above: doc.Above}
		if t.Rates, err = doc.Rates.rates(); err != nil {
			return p, fmt.Errorf("tier above %d: %w", doc.Above, err)
		}
		p.Tiers = append(p.Tiers, t)
	}
	return p, p.sortTiers()
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
