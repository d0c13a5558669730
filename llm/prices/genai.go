package prices

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// GenAIProvider is a provider of genai-prices (https://github.com/pydantic/genai-prices), whose files of prices
// are lists of these.
type GenAIProvider struct {
	ID     string       `json:"id"`
	Name   string       `json:"name"`
	Models []GenAIModel `json:"models"`
}

// GenAIModel is a model of one.
type GenAIModel struct {
	ID     string          `json:"id"`
	Match  genAIMatch      `json:"match"`
	Prices json.RawMessage `json:"prices"` // one set of prices, or a list with conditions
}

// genAIMatch says which names mean a model.
type genAIMatch struct {
	Equals     string       `json:"equals"`
	StartsWith string       `json:"starts_with"`
	Contains   string       `json:"contains"`
	Or         []genAIMatch `json:"or"`
}

type genAIPrices struct {
	Constraint struct {
		StartDate string `json:"start_date"`
		StartTime string `json:"start_time"`
	} `json:"constraint"`
	Prices struct {
		Input      genAIAmount `json:"input_mtok"`
		Cached     genAIAmount `json:"cache_read_mtok"`
		CacheWrite genAIAmount `json:"cache_write_mtok"`
		Output     genAIAmount `json:"output_mtok"`
		Requests   genAIAmount `json:"requests_kcount"`
	} `json:"prices"`
}

// genAIAmount is a price as it was written, with what it rises to in larger calls.
type genAIAmount struct {
	base  string
	tiers map[int64]string
}

func (a *genAIAmount) UnmarshalJSON(data []byte) error {
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
func (a genAIAmount) at(above int64) string {
	if p, ok := a.tiers[above]; ok {
		return p
	}
	return a.base
}

// notText are parts of the names of models that do more than read and write text, or are billed
// by more than tokens.
var notText = []string{
	"audio", "realtime", "image", "vision", "-tts", "transcribe", "embed", "search", "live", "computer-use",
	"deep-research", "voxtral", "pixtral", "ft:", ".ft-", ":extended",
}

func isText(model string) bool {
	return !slices.ContainsFunc(notText, func(part string) bool { return strings.Contains(model, part) })
}

// Rows returns the rows of a provider's models that read and write text, in the order of the file.
func (p GenAIProvider) Rows() ([]Row, error) {
	models := slices.DeleteFunc(slices.Clone(p.Models), func(m GenAIModel) bool { return !isText(m.ID) })
	taken := map[string]bool{}
	for _, m := range models {
		taken[strings.ToLower(m.ID)] = true
	}
	var out []Row
	for _, m := range models {
		list, err := m.prices()
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", p.ID, m.ID, err)
		}
		aliases := m.Match.names(taken)
		for _, price := range list {
			price.Model, price.Provider = m.ID, p.ID
			out = append(out, Row{price, aliases})
			aliases = nil
		}
	}
	return out, nil
}

// names returns the other names of a model that are not taken yet, and takes them. A name that a
// pattern ends in the middle of is no name.
func (m genAIMatch) names(taken map[string]bool) []string {
	var out []string
	for _, name := range []string{m.Equals, m.StartsWith, m.Contains} {
		name = strings.ToLower(name)
		if name != "" && isText(name) && !taken[name] && !strings.HasSuffix(name, "-") && !strings.HasSuffix(name, "@") {
			taken[name] = true
			out = append(out, name)
		}
	}
	for _, sub := range m.Or {
		out = append(out, sub.names(taken)...)
	}
	return out
}

// prices returns the price of a model for every date at which it changes; the dearer one where it changes by the
// hour. A model that is not sold by input and output tokens alone has none.
func (m GenAIModel) prices() ([]Price, error) {
	list, err := m.sets()
	if err != nil {
		return nil, err
	}
	dearest := map[string]Price{}
	for _, set := range list {
		p := set.Prices
		if p.Requests.base != "" || zero(p.Input.base) || zero(p.Output.base) {
			return nil, nil
		}
		price, err := set.price()
		if err != nil {
			return nil, err
		}
		if have, ok := dearest[set.Constraint.StartDate]; !ok || price.Rates.Input > have.Rates.Input {
			dearest[set.Constraint.StartDate] = price
		}
	}
	var out []Price
	for _, day := range slices.Sorted(maps.Keys(dearest)) {
		out = append(out, dearest[day])
	}
	return out, nil
}

func (m GenAIModel) sets() ([]genAIPrices, error) {
	if bytes.HasPrefix(bytes.TrimSpace(m.Prices), []byte("[")) {
		var list []genAIPrices
		err := json.Unmarshal(m.Prices, &list)
		return list, err
	}
	var one genAIPrices
	err := json.Unmarshal(m.Prices, &one.Prices)
	return []genAIPrices{one}, err
}

func zero(price string) bool { return strings.Trim(price, "0.") == "" }

func (s genAIPrices) price() (Price, error) {
	var p Price
	if day := s.Constraint.StartDate; day != "" {
		from, err := time.Parse(time.DateOnly, day)
		if err != nil {
			return p, fmt.Errorf("start_date is %q (want a day like 2026-01-31)", day)
		}
		p.From = from
	}
	var err error
	if p.Rates, err = s.rates(0); err != nil {
		return p, err
	}
	starts := map[int64]bool{}
	for _, a := range []genAIAmount{s.Prices.Input, s.Prices.Cached, s.Prices.CacheWrite, s.Prices.Output} {
		for start := range a.tiers {
			starts[start] = true
		}
	}
	for above := range starts {
		rates, failed := s.rates(above)
		p.Tiers = append(p.Tiers, Tier{above, rates})
		err = errors.Join(err, failed)
	}
	return p, errors.Join(err, p.sortTiers())
}

func (s genAIPrices) rates(above int64) (r Rates, err error) {
	input := s.Prices.Input.at(above)
	for _, f := range []struct {
		is genAIAmount
		to *Rate
	}{{s.Prices.Input, &r.Input}, {s.Prices.Cached, &r.Cached}, {s.Prices.CacheWrite, &r.CacheWrite}, {s.Prices.Output, &r.Output}} {
		text := f.is.at(above)
		if text == "" {
			text = input
		}
		rate, failed := parseDecimal(text, 0)
		*f.to, err = rate, errors.Join(err, failed)
	}
	return r, err
}
