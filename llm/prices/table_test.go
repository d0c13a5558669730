package prices_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/llm/prices"
)

const list = `source: a price list
month: 2026-08
models:
  - {model: Mini, provider: openai, aliases: [little, mini-high], input: 0.75, cached: 0.075, output: 4.5}
  - {model: big, provider: openai, input: 10, output: 40}
  - {model: big, provider: openai, valid_from: 2025-06-10, input: 2, cache_write: 2.5, output: 8,
     tiers: [{above: 100000, input: 3, output: 9}, {above: 200000, input: 4, cached: 0.4, output: 12}]}
  - {model: new, provider: openai, valid_from: 2026-09-01, input: 1, output: 1}
  - {model: big, provider: azure, aliases: [openai/big, azure-only], input: 7, output: 7}
  - {model: local:8b, provider: own, input: 0, output: 0}
`

func readTable(t testing.TB, text string) *prices.Table {
	t.Helper()
	table, err := prices.Read("prices.yaml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func day(text string) time.Time {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return at
}

func TestPriceOfAModel(t *testing.T) {
	table := readTable(t, list)
	for _, c := range []struct {
		model, at       string
		provider, input string // "" when there is no price
	}{
		{"mini", "2026-08-01", "openai", "0.75"},
		{"MINI", "2026-08-01", "openai", "0.75"},
		{"little", "2026-08-01", "openai", "0.75"},
		{"openai:little", "2026-08-01", "openai", "0.75"},
		{"mini-2026-03-17", "2026-08-01", "openai", "0.75"},
		{"mini-20260317", "2026-08-01", "openai", "0.75"},
		{"mini@20260317", "2026-08-01", "openai", "0.75"},
		{"mini-001", "2026-08-01", "openai", "0.75"},
		{"mini-latest", "2026-08-01", "openai", "0.75"},
		{"big", "2025-06-09", "openai", "10"},
		{"big", "2025-06-10", "openai", "2"},
		{"azure:big", "2025-06-09", "azure", "7"},
		{"openai/big", "2026-08-01", "azure", "7"},
		{"azure-only", "2026-08-01", "azure", "7"},
		{"new", "2026-08-31", "", ""},
		{"new", "2026-09-01", "openai", "1"},
		{"local:8b", "2026-08-01", "own", "0"},
		{"own:local:8b", "2026-08-01", "own", "0"},
		{"mini-pro", "2026-08-01", "", ""},
		{"mini-2", "2026-08-01", "", ""},
		{"mini2", "2026-08-01", "", ""},
		{"min", "2026-08-01", "", ""},
		{"-latest", "2026-08-01", "", ""},
		{"-001", "2026-08-01", "", ""},
		{"", "2026-08-01", "", ""},
		{"openai:", "2026-08-01", "", ""},
		{"openai:azure-only", "2026-08-01", "", ""},
		{"nobody:mini", "2026-08-01", "", ""},
	} {
		p, ok := table.Price(c.model, day(c.at))
		if ok != (c.provider != "") || ok && (p.Provider != c.provider || p.Rates.Input.String() != c.input) {
			t.Errorf("%q on %s: %s at %s, %v; want %s at %s", c.model, c.at, p.Provider, p.Rates.Input, ok, c.provider, c.input)
		}
	}
}

func TestWhatIsNotGivenCostsWhatInputCosts(t *testing.T) {
	table := readTable(t, list)
	p, _ := table.Price("mini", day("2026-08-01"))
	if p.Rates.CacheWrite != p.Rates.Input || p.Rates.Cached.String() != "0.075" {
		t.Errorf("rates are %+v", p.Rates)
	}
	p, _ = table.Price("big", day("2026-08-01"))
	if p.Rates.Cached != p.Rates.Input || p.Rates.CacheWrite.String() != "2.5" {
		t.Errorf("rates are %+v", p.Rates)
	}
	if len(p.Tiers) != 2 || p.Tiers[0].Above != 200_000 || p.Tiers[1].Rates.Cached.String() != "3" {
		t.Errorf("tiers are %+v, want the highest first and input's price for what is not given", p.Tiers)
	}
}

func TestAllListsEveryPrice(t *testing.T) {
	table := readTable(t, list)
	var got []string
	for _, p := range table.All() {
		got = append(got, p.Provider+":"+p.Model+"="+p.Rates.Input.String())
	}
	want := "openai:Mini=0.75 openai:big=2 openai:big=10 openai:new=1 azure:big=7 own:local:8b=0"
	if strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if table.Source != "a price list" || table.Month != "2026-08" {
		t.Errorf("source %q, month %q", table.Source, table.Month)
	}
}

func TestBadListsAreRefusedWithTheirLine(t *testing.T) {
	const head = "source: x\nmonth: y\nmodels:\n"
	for _, c := range []struct{ text, want string }{
		{"", "prices.yaml: empty file"},
		{"source: x\n", "prices.yaml: no models"},
		{head + "  - {model: a, provider: p, input: 1, output: 1}\n---\nsource: y\n", "prices.yaml: more than one document"},
		{head + "  - {model: a, provider: p, input: 1, output: 1, inptu: 2}\n", "prices.yaml:4: field inptu not found in type prices.modelDoc"},
		{head + "  - {model: a, provider: p, output: 1}\n", `prices.yaml:4: model "a": has no input or no output price (leave the model out if it is not known)`},
		{head + "  - {model: a, provider: p, input: 1}\n", `prices.yaml:4: model "a": has no input or no output price (leave the model out if it is not known)`},
		{head + "  - {model: a, provider: p, input: -1, output: 1}\n", `prices.yaml:4: model "a": input: "-1" is not dollars like 0.075`},
		{head + "  - {model: a, provider: p, input: 1, output: 1, cached: cheap}\n", `prices.yaml:4: model "a": cached: "cheap" is not dollars like 0.075`},
		{head + "  - model: a\n    provider: p\n    input: [1]\n    output: 1\n", "prices.yaml:6: found a list or map, want a single value"},
		{head + "  - {provider: p, input: 1, output: 1}\n", "prices.yaml: model 1 of the list has no name"},
		{head + "  - {model: a, input: 1, output: 1}\n", `prices.yaml:4: model "a": provider is "" (want a name in lower case, like openai)`},
		{head + "  - {model: a, provider: OpenAI, input: 1, output: 1}\n", `prices.yaml:4: model "a": provider is "OpenAI" (want a name in lower case, like openai)`},
		{head + "  - {model: a, provider: p, valid_from: soon, input: 1, output: 1}\n", `prices.yaml:4: model "a": valid_from is "soon" (want a day like 2026-01-31)`},
		{head + "  - {model: a, provider: p, input: 1, output: 1}\n  - {model: A, provider: p, input: 2, output: 1}\n", `prices.yaml:5: model "A": has two prices from the same day on`},
		{head + "  - {model: a, provider: p, aliases: [b], input: 1, output: 1}\n  - {model: b, provider: p, input: 2, output: 1}\n", `prices.yaml:5: model "b": is already an alias of "a"`},
		{head + "  - {model: a, provider: p, input: 1, output: 1}\n  - {model: b, provider: p, aliases: [a], input: 2, output: 1}\n", `prices.yaml:5: model "b": alias "a" is also "a"`},
		{head + "  - {model: a, provider: p, input: 1, output: 1, tiers: [{above: 0, input: 1, output: 1}]}\n", `prices.yaml:4: model "a": tier above 0 (want a number of tokens above 0)`},
		{head + "  - {model: a, provider: p, input: 1, output: 1, tiers: [{above: 5, input: 1, output: 1}, {above: 5, input: 1, output: 1}]}\n", `prices.yaml:4: model "a": two tiers above 5`},
		{head + "  - {model: a, provider: p, input: 1, output: 1, tiers: [{above: 5, input: 1}]}\n", `prices.yaml:4: model "a": tier above 5: has no input or no output price (leave the model out if it is not known)`},
		{head + "  - {model: a, provider: p, input: 1, output: 1, tiers: [{above: many, input: 1, output: 1}]}\n", "prices.yaml:4: cannot unmarshal !!str `many` into int64"},
		{"models: [\n", "prices.yaml:"},
		{strings.Repeat("# a comment\n", 1<<20), "prices.yaml: larger than 8 MiB"},
	} {
		_, err := prices.Read("prices.yaml", strings.NewReader(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%.200q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestShippedPrices(t *testing.T) {
	f, err := os.Open("../../packaging/app/default/prices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	table, err := prices.Read("prices.yaml", f)
	if err != nil {
		t.Fatal(err)
	}
	at := day("2026-08-15")
	p, ok := table.Price("gpt-5.4-mini", at)
	if !ok || p.Rates.Input.String() != "0.75" || p.Rates.Cached.String() != "0.075" || p.Rates.Output.String() != "4.5" {
		t.Errorf("gpt-5.4-mini costs %+v, %v", p, ok)
	}
	for _, model := range []string{
		"openai:gpt-5.4", "anthropic:claude-sonnet-4-5-20250929", "claude-haiku-4-5", "gemini-2.5-pro-001", "groq:openai/gpt-oss-20b",
	} {
		if _, ok := table.Price(model, at); !ok {
			t.Errorf("%s has no price", model)
		}
	}
	for _, p := range table.All() {
		if p.Rates.Input <= 0 || p.Rates.Output <= 0 || p.Rates.Cached > p.Rates.Input {
			t.Errorf("%s:%s costs %+v", p.Provider, p.Model, p.Rates)
		}
	}
}

// FuzzRead checks that a list that is read has a price for each of its models under its own name,
// and that no call has a negative cost or one below that of a smaller call.
func FuzzRead(f *testing.F) {
	f.Add(list)
	f.Add("models: [{model: a, provider: p, input: 0.1, output: 1e3}]")
	f.Add("models: &m [{model: a, provider: p, input: 1, output: 1}, *m]")
	f.Fuzz(func(t *testing.T, text string) {
		table, err := prices.Read("prices.yaml", strings.NewReader(text))
		if err != nil {
			if table != nil || !strings.HasPrefix(err.Error(), "prices.yaml:") {
				t.Fatalf("error %q with table %v", err, table)
			}
			return
		}
		for _, p := range table.All() {
			got, ok := table.Price(p.Provider+":"+p.Model, p.From)
			if !ok || got.Provider != p.Provider || !got.From.Equal(p.From) {
				t.Fatalf("%+v is not found under its own name: %+v, %v", p, got, ok)
			}
			small, large := p.Rates, prices.Usage{Input: 1000, Cached: 10, Output: 50}
			if c := (prices.Price{Rates: small}).Cost(large); c < 0 || c < (prices.Price{Rates: small}).Cost(prices.Usage{Input: 900, Cached: 10, Output: 50}) {
				t.Fatalf("%+v: cost %d", p, c)
			}
		}
	})
}
