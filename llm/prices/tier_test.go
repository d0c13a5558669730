package prices_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/prices"
)

const tiered = `source: x
month: 2026-11
providers:
  - {provider: openai, multipliers: {batch: 0.5, flex: 0.5, priority: 2}, source: "https://example.com", date: 2026-11-23}
  - {provider: nobody, multipliers: {batch: 0.25}}
models:
  - {model: plain, provider: openai, input: 1, cached: 0.1, output: 10, tiers: [{above: 1000, input: 2, output: 20}]}
  - {model: own, provider: openai, aliases: [mine], input: 1, output: 10, multipliers: {priority: 2.5, ultrafast: 6}}
  - {model: local, provider: ours, input: 1, output: 1}
`

func TestServiceTiers(t *testing.T) {
	table := readTable(t, tiered)
	use := prices.Usage{Input: 100, Cached: 50, Output: 10} // plain: 50 + 5 + 100 microdollars
	for _, c := range []struct {
		model, tier string
		want        winnow.NanoUSD
		known       bool
	}{
		{"plain", "", 155_000, true}, {"plain", "default", 155_000, true}, {"plain", "flex", 77_500, true}, {"plain", "batch", 77_500, true},
		{"plain", "priority", 310_000, true}, {"plain", "scale", 310_000, false}, {"plain", "auto", 310_000, false},
		{"mine", "flex", 100_000, true}, {"mine", "priority", 500_000, true}, {"mine", "ultrafast", 1_200_000, true}, {"mine", "scale", 1_200_000, false},
		{"local", "default", 110_000, true}, {"local", "flex", 110_000, false}, {"local", "priority", 110_000, false},
	} {
		p, ok := table.Price(c.model, day("2026-11-23"))
		at, known := p.At(c.tier)
		if got := at.Cost(use); !ok || got != c.want || known != c.known {
			t.Errorf("%s at %q costs %d, known %v; want %d, %v", c.model, c.tier, got, known, c.want, c.known)
		}
	}
	p, _ := table.Price("plain", day("2026-11-23"))
	if flex, _ := p.At("flex"); flex.Cost(prices.Usage{Input: 1001}) != 1001*1000 {
		t.Error("the multiplier leaves tiers of size alone")
	}
	for asked, want := range map[string]string{"": "2", "auto": "2", "scale": "2", "priority": "2", "default": "1", "flex": "1", "batch": "1"} {
		if got := p.Worst(asked).Rates.Input.String(); got != want {
			t.Errorf("who asks for %q pays %s at worst, want %s", asked, got, want)
		}
	}
	for asked, want := range map[string]string{"": "1", "auto": "1", "flex": "1", "priority": "2", "scale": "2"} {
		if got := p.Unsaid(asked).Rates.Input.String(); got != want {
			t.Errorf("who asked for %q and is not told pays %s, want %s", asked, got, want)
		}
	}
}

func TestNamesOfServiceTiers(t *testing.T) {
	for name, want := range map[string]string{
		"standard": "default", "Standard": "default", "on_demand": "default", "standard_only": "default", "default": "default",
		"fast": "priority", "PRIORITY": "priority", "flex": "flex", "": "", "auto": "auto",
	} {
		if got := prices.ServiceTier(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

func TestProvidersOfAList(t *testing.T) {
	got := readTable(t, tiered).Providers()
	if len(got) != 2 || got[0].Name != "openai" || got[0].Multipliers["flex"].String() != "0.5" || got[0].Source != "https://example.com" ||
		got[0].Date != "2026-11-23" || got[0].Line != 4 || got[1].Name != "nobody" {
		t.Errorf("%+v", got)
	}
}

func TestMultipliersAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := prices.Multiplier(rapid.Int64Range(1, 1e9).Draw(t, "m"))
		if got, err := prices.ParseMultiplier(m.String()); err != nil || got != m {
			t.Fatalf("%d is written %q and read %d, %v", m, m, got, err)
		}
		p := prices.Price{Rates: prices.Rates{Output: prices.Rate(rapid.Int64Range(0, 1e15).Draw(t, "rate"))}, Multipliers: prices.Multipliers{"x": m}}
		at, _ := p.At("x")
		exact := float64(p.Rates.Output) * float64(m) / 1e6
		if got := float64(at.Rates.Output); got < exact-exact/1e12-1 || got > exact+exact/1e12+1 {
			t.Fatalf("%s times %s is %s", p.Rates.Output, m, at.Rates.Output)
		}
	})
}

func TestBadServiceTiers(t *testing.T) {
	const head = "source: x\nmonth: y\nproviders:\n"
	for _, c := range []struct{ text, want string }{
		{head + "  - {multipliers: {batch: 0.5}}\n", "prices.yaml: provider 1 of the list has no name"},
		{head + "  - {provider: OpenAI, multipliers: {batch: 0.5}}\n", `prices.yaml:4: provider "OpenAI": provider is "OpenAI" (want a name in lower case, like openai)`},
		{head + "  - {provider: p, multipliers: {batch: 0.5}}\n  - {provider: p}\n", `prices.yaml:5: provider "p": is there twice, the first time in line 4`},
		{head + "  - {provider: p, multipliers: {batch: 0}}\n", `prices.yaml:4: provider "p": multipliers: batch: is 0: no service tier is free`},
		{head + "  - {provider: p, multipliers: {batch: -1}}\n", `prices.yaml:4: provider "p": multipliers: batch: "-1" is not a factor like 0.5`},
		{head + "  - {provider: p, multipliers: {batch: 50%}}\n", `prices.yaml:4: provider "p": multipliers: batch: "50%" is not a factor like 0.5`},
		{head + "  - {provider: p, multipliers: {batch: 0.0000001}}\n", `prices.yaml:4: provider "p": multipliers: batch: "0.0000001" has more than 6 decimals`},
		{head + "  - {provider: p, multipliers: {batch: 1001}}\n", `prices.yaml:4: provider "p": multipliers: batch: "1001" is over 1000 times the price`},
		{head + "  - {provider: p, multipliers: {default: 0.5}}\n", `prices.yaml:4: provider "p": multipliers: "default" is the price itself`},
		{head + "  - {provider: p, multipliers: {fast: 2}}\n", `prices.yaml:4: provider "p": multipliers: "fast" (want "priority")`},
		{head + "  - {provider: p, date: soon, multipliers: {batch: 2}}\n", `prices.yaml:4: provider "p": date is "soon" (want a day like 2026-01-31)`},
		{"source: x\nmodels:\n  - {model: a, provider: p, input: 1, output: 1, multipliers: {flex: [1]}}\n", "prices.yaml:3: found a list or map, want a single value"},
		{"source: x\nmodels:\n  - {model: a, provider: p, input: 1, output: 1, multipliers: {flex: cheap}}\n", `prices.yaml:3: model "a": multipliers: flex: "cheap" is not a factor like 0.5`},
	} {
		_, err := prices.Read("prices.yaml", strings.NewReader(c.text))
		if err == nil || err.Error() != c.want {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}
