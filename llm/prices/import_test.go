package prices_test

import (
	"os"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow/llm/prices"
)

const liteLLM = `{"sample_spec": {"mode": "chat", "litellm_provider": "one of", "input_cost_per_token": 1, "output_cost_per_token": 1},
 "a": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1.5E-05,
   "cache_read_input_token_cost": 2.5e-07, "cache_creation_input_token_cost": null,
   "input_cost_per_token_above_272k_tokens": 5e-06, "output_cost_per_token_above_272k_tokens": 2.25e-05,
   "input_cost_per_token_flex": 1.25e-06, "output_cost_per_token_flex": 7.5e-06, "cache_read_input_token_cost_flex": 1.3e-07,
   "input_cost_per_token_priority": 5e-06, "output_cost_per_token_priority": 3e-05, "input_cost_per_token_batches": 1.25e-06},
 "groq/b": {"litellm_provider": "groq", "mode": "chat", "input_cost_per_token": "7.500000000000001e-08", "output_cost_per_token": 0.0000003},
 "gemini/c": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 1e-07, "output_cost_per_token": 4e-07},
 "c": {"litellm_provider": "vertex_ai-language-models", "mode": "chat", "input_cost_per_token": 2e-07, "output_cost_per_token": 4e-07},
 "a-image": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06},
 "embed": {"litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06},
 "free": {"litellm_provider": "ours", "mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0},
 "note": "not a model", "no price": {"litellm_provider": "openai", "mode": "chat"}}`

func TestImport(t *testing.T) {
	in, err := prices.Import("litellm.json", []byte(liteLLM))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, r := range in.Rows {
		got.WriteString(r.YAML())
	}
	want := `  - {model: "a", provider: openai, input: 2.5, cached: 0.25, output: 15, multipliers: {flex: 0.52, priority: 2}, tiers: [{above: 272000, input: 5, cached: 0.25, output: 22.5}]}
  - {model: "c", provider: google, input: 0.2, output: 0.4}
  - {model: "b", provider: groq, input: 0.075, output: 0.3}
`
	if in.Source != "LiteLLM" || got.String() != want {
		t.Errorf("%s:\n%s\nwant\n%s", in.Source, got.String(), want)
	}
	if _, err := prices.NewTable("x", "2026-11", in.Rows); err != nil {
		t.Error(err)
	}
}

func TestImportOfPublicData(t *testing.T) {
	const path = "../../../shared/data/genai_prices_slim.json"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("the public data is not there: %v", err)
	}
	in, err := prices.Import(path, data)
	if err != nil || len(in.Rows) < 500 || in.Source != "genai-prices" {
		t.Fatalf("%d rows of %q, %v", len(in.Rows), in.Source, err)
	}
	table, err := prices.NewTable(in.Source, "2026-08", in.Rows)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := table.Price("openai:gpt-5.4-mini", day("2026-08-15")); !ok || p.Rates.Output.String() != "4.5" {
		t.Errorf("gpt-5.4-mini costs %+v, %v", p.Rates, ok)
	}
}

func TestBadImports(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "f.json: is neither LiteLLM's",
		"models: []":             "f.json: is neither LiteLLM's",
		"{":                      "f.json: unexpected end",
		"[{]":                    "f.json: invalid character",
		"[]":                     "f.json: no model with a price in it",
		"{}":                     "f.json: no model with a price in it",
		`[{"models": 3}]`:        "f.json: json: cannot unmarshal",
		strings.Repeat(" ", 9e6): "f.json: larger than 8 MiB",
		`{"a": {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": "x", "output_cost_per_token": 1}}`:                                 `f.json: "a": input_cost_per_token: "x" is not dollars`,
		`{"a": {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": 1e99, "output_cost_per_token": 1}}`:                                `f.json: "a": input_cost_per_token: "1e99" is not dollars`,
		`{"a": {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": 100, "output_cost_per_token": 1}}`:                                 `f.json: "a": input_cost_per_token: "100" is over a million dollars`,
		`{"a": {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": -1e-6, "output_cost_per_token": 1}}`:                               `f.json: "a": input_cost_per_token: "-1e-6" is not dollars`,
		`[{"id": "p", "models": [{"id": "m", "prices": {"input_mtok": "cheap", "output_mtok": 1}}]}]`:                                               `f.json: p m: `,
		`[{"id": "p", "models": [{"id": "m", "prices": [{"constraint": {"start_date": "soon"}, "prices": {"input_mtok": 1, "output_mtok": 1}}]}]}]`: `f.json: p m: start_date is "soon"`,
	} {
		if _, err := prices.Import("f.json", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.80s: %v, want %s", text, err, want)
		}
	}
}

// FuzzImport checks that what is imported can be written, read, and gives the same prices.
func FuzzImport(f *testing.F) {
	f.Add([]byte(liteLLM))
	f.Add([]byte(`[{"id": "p", "models": [{"id": "m", "match": {"equals": "n"}, "prices": {"input_mtok": {"base": 1, "tiers": [{"start": 5, "price": 2}]}, "output_mtok": 3}}]}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := prices.Import("f.json", data)
		if err != nil {
			return
		}
		table, err := prices.NewTable(in.Source, "2026-11", in.Rows)
		if err != nil {
			return // names that no list may have
		}
		text := "models:\n"
		for _, r := range table.Rows() {
			text += r.YAML()
		}
		again, err := prices.Read("prices.yaml", strings.NewReader(text))
		if err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
		for _, p := range table.All() {
			got, ok := again.Price(p.Provider+":"+p.Model, p.From)
			if !ok || got.Rates != p.Rates {
				t.Fatalf("%+v became %+v, %v:\n%s", p, got, ok, text)
			}
		}
	})
}
