package prices

import (
	"slices"
)

// Lay returns the list with another laid over it: where both know a model of a provider, by its own name or by
// an alias, that of over counts, with all its rows, and other names of the model lead to it. Multipliers of a
// provider are laid over each other by tier. Neither list is changed. Source and month are those of t, unless t
// has no models.
func (t *Table) Lay(over *Table) *Table {
	out := &Table{Source: t.Source, Month: t.Month}
	if len(t.providers) == 0 {
		out.Source, out.Month = over.Source, over.Month
	}
	for _, p := range t.providers {
		out.providers = append(out.providers, p.clone())
	}
	for _, p := range over.providers {
		out.provide(p.Name).lay(p)
	}
	out.multiply()
	return out
}

// clone copies what multiply writes to. All names of one model go on sharing their rows.
func (p *provider) clone() *provider {
	out := &provider{Provider: p.Provider, models: map[string][]Price{}}
	rows := map[string][]Price{}
	for name, list := range p.models {
		key := list[0].key()
		if rows[key] == nil {
			rows[key] = slices.Clone(list)
		}
		out.models[name] = rows[key]
	}
	return out
}

func (p *provider) lay(over *provider) {
	if len(over.Multipliers) > 0 {
		merged := p.Multipliers.over(over.Multipliers)
		p.Provider = over.Provider
		p.Multipliers = merged
	}
	for name, list := range over.clone().models {
		before := p.models[name]
		p.models[name] = list
		if len(before) == 0 || name != list[0].key() || before[0].key() != name {
			continue
		}
		for other, rows := range p.models {
			if rows[0].key() == name && over.models[other] == nil {
				p.models[other] = list
			}
		}
	}
}

// Shadow is a name that leads elsewhere once a list is laid over another.
type Shadow struct {
	Name   string // of a model, or an alias of one
	Before Price  // what it led to
	Now    Price
}

// Shadows returns what laying over over t hides, in the order of over: models that t has too, and aliases of t
// that become models or aliases of another. Of a model with several rows it is the newest.
func (t *Table) Shadows(over *Table) []Shadow {
	var out []Shadow
	for _, p := range over.providers {
		before := t.provider(p.Name)
		if before == nil {
			continue
		}
		start := len(out)
		for name, list := range p.models {
			if was := before.models[name]; len(was) > 0 {
				out = append(out, Shadow{name, was[0], list[0]})
			}
		}
		slices.SortFunc(out[start:], func(a, b Shadow) int { return compareShadows(a, b) })
	}
	return out
}

func compareShadows(a, b Shadow) int {
	switch {
	case a.Now.Line != b.Now.Line:
		return a.Now.Line - b.Now.Line
	case a.Name < b.Name:
		return -1
	}
	return 1
}
