package prices

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Row is one row of a price list: a price, with the multipliers that are the model's own, and the other names of
// its model.
type Row struct {
	Price
	Aliases []string
}

// YAML writes a row as price lists have it. Names are quoted: they may be anything.
func (r Row) YAML() string {
	var out strings.Builder
	fmt.Fprintf(&out, "  - {model: %s, provider: %s", strconv.Quote(r.Model), r.Provider)
	if len(r.Aliases) > 0 {
		quoted := make([]string, len(r.Aliases))
		for i, name := range r.Aliases {
			quoted[i] = strconv.Quote(name)
		}
		fmt.Fprintf(&out, ", aliases: [%s]", strings.Join(quoted, ", "))
	}
	if !r.From.IsZero() {
		out.WriteString(", valid_from: " + r.From.Format(time.DateOnly))
	}
	out.WriteString(r.Rates.yaml() + r.Multipliers.yaml())
	tiers := slices.SortedFunc(slices.Values(r.Tiers), func(a, b Tier) int { return cmp.Compare(a.Above, b.Above) })
	for i, t := range tiers {
		out.WriteString(map[bool]string{true: ", tiers: [", false: ", "}[i == 0])
		fmt.Fprintf(&out, "{above: %d%s}", t.Above, t.Rates.yaml())
	}
	if len(tiers) > 0 {
		out.WriteString("]")
	}
	return out.String() + "}\n"
}

// yaml writes rates; what costs as much as input is left out, as it is read back.
func (r Rates) yaml() string {
	out := ", input: " + r.Input.String()
	if r.Cached != r.Input {
		out += ", cached: " + r.Cached.String()
	}
	if r.CacheWrite != r.Input {
		out += ", cache_write: " + r.CacheWrite.String()
	}
	return out + ", output: " + r.Output.String()
}

func (m Multipliers) yaml() string {
	if len(m) == 0 {
		return ""
	}
	var parts []string
	for _, name := range m.Names() {
		parts = append(parts, name+": "+m[name].String())
	}
	return ", multipliers: {" + strings.Join(parts, ", ") + "}"
}

// YAML writes what holds for a provider.
func (p Provider) YAML() string {
	return fmt.Sprintf("  - {provider: %s%s, source: %s, date: %s}\n", p.Name, p.Multipliers.yaml(), strconv.Quote(p.Source), p.Date)
}

// NewTable makes a table of rows. Their multipliers are the models' own.
func NewTable(source, month string, rows []Row) (*Table, error) {
	t := &Table{Source: source, Month: month}
	for _, r := range rows {
		r.own = r.Multipliers
		if err := providerName(r.Provider); err != nil {
			return nil, err
		}
		if r.Model == "" {
			return nil, fmt.Errorf("a model of %s has no name", r.Provider)
		}
		if err := t.provide(r.Provider).add(r.Price, r.Aliases); err != nil {
			return nil, fmt.Errorf("model %q: %w", r.Model, err)
		}
	}
	t.multiply()
	return t, nil
}

// Rows returns the rows of a table, as they would be written: the multipliers are the models' own.
func (t *Table) Rows() []Row {
	aliases := map[string][]string{}
	var out []Row
	for _, p := range t.All() {
		r := Row{Price: p}
		r.Multipliers = p.own
		if id := p.Provider + ":" + p.key(); aliases[id] == nil {
			aliases[id] = t.Names(p)
			r.Aliases = aliases[id][1:]
		}
		out = append(out, r)
	}
	return out
}

// Same reports whether two prices are the same, whatever they are called.
func (p Price) Same(q Price) bool {
	return p.Rates == q.Rates && slices.Equal(p.Tiers, q.Tiers) && maps.Equal(p.Multipliers, q.Multipliers)
}
