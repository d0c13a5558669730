package prices_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/llm/prices"
)

const contract = `source: our contract
month: 2026-12
providers:
  - {provider: openai, multipliers: {flex: 0.4}}
models:
  - {model: PLAIN, provider: openai, input: 0.5, output: 5}
  - {model: mine, provider: openai, input: 7, output: 70}
  - {model: new, provider: ours, aliases: [local], input: 3, output: 3}
  - {model: first, provider: theirs, input: 1, output: 1}
`

func TestOneListIsLaidOverAnother(t *testing.T) {
	shipped, ours := readTable(t, tiered), readTable(t, contract)
	before := fmt.Sprint(shipped.All(), ours.All())
	laid := shipped.Lay(ours)
	for _, c := range []struct{ model, want string }{
		{"plain", "0.5 flex 0.4 batch 0.5"}, {"plain-2026-01-01", "0.5 flex 0.4 batch 0.5"}, {"own", "1 flex 0.4 batch 0.5"}, {"mine", "7 flex 0.4 batch 0.5"},
		{"ours:local", "3 flex 0 batch 0"}, {"new", "3 flex 0 batch 0"}, {"first", "1 flex 0 batch 0"},
	} {
		p, _ := laid.Price(c.model, day("2026-11-23"))
		if got := fmt.Sprintf("%s flex %s batch %s", p.Rates.Input, p.Multipliers["flex"], p.Multipliers["batch"]); got != c.want {
			t.Errorf("%s: %s, want %s", c.model, got, c.want)
		}
	}
	if p, _ := laid.Price("own", day("2026-11-23")); p.Multipliers["priority"].String() != "2.5" {
		t.Errorf("a model's own multiplier is %s", p.Multipliers["priority"])
	}
	if laid.Source != "x" || laid.Month != "2026-11" {
		t.Errorf("source %q, month %q", laid.Source, laid.Month)
	}
	if after := fmt.Sprint(shipped.All(), ours.All()); after != before {
		t.Errorf("the lists themselves were changed:\n%s\n%s", before, after)
	}
	var got []string
	for _, s := range shipped.Shadows(ours) {
		got = append(got, fmt.Sprintf("%s: %s is now %s in line %d", s.Name, s.Before.Model, s.Now.Model, s.Now.Line))
	}
	want := []string{"plain: plain is now PLAIN in line 6", "mine: own is now mine in line 7", "local: local is now new in line 8"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if all := laid.All(); len(all) != 5 {
		t.Errorf("%d prices: %+v", len(all), all)
	}
}

func TestAliasesFollowTheirModel(t *testing.T) {
	laid := readTable(t, list).Lay(readTable(t, "models:\n  - {model: mini, provider: openai, input: 9, output: 9}\n"))
	for _, name := range []string{"mini", "little", "mini-high", "openai:little"} {
		if p, _ := laid.Price(name, day("2026-11-23")); p.Rates.Input.String() != "9" {
			t.Errorf("%s costs %s", name, p.Rates.Input)
		}
	}
	if got := laid.Names(laid.All()[0]); cmp.Diff([]string{"big"}, got) != "" {
		t.Errorf("names are %q", got)
	}
}

// TestRowsAreReadAsTheyAreWritten writes the rows of lists, and reads them back.
func TestRowsAreReadAsTheyAreWritten(t *testing.T) {
	for _, text := range []string{list, tiered, contract} {
		table := readTable(t, text)
		var out bytes.Buffer
		out.WriteString("providers:\n")
		for _, p := range table.Providers() {
			if p.Date == "" {
				p.Date = "2026-01-01"
			}
			out.WriteString(p.YAML())
		}
		out.WriteString("models:\n")
		for _, r := range table.Rows() {
			out.WriteString(r.YAML())
		}
		written := out.String()
		if !strings.Contains(written, "provider: o") {
			written = strings.TrimPrefix(written, "providers:\n")
		}
		again := readTable(t, written)
		if len(again.All()) != len(table.All()) {
			t.Fatalf("%d prices became %d:\n%s", len(table.All()), len(again.All()), written)
		}
		for _, p := range table.All() {
			got, ok := again.Price(p.Provider+":"+p.Model, p.From)
			if !ok || !got.Same(p) || !got.From.Equal(p.From) || cmp.Diff(table.Names(p), again.Names(got)) != "" {
				t.Errorf("%+v became %+v", p, got)
			}
		}
	}
}

func TestWhatIsHardlyRight(t *testing.T) {
	table := readTable(t, `month: 2026-08
models:
  - {model: free, provider: p, input: 0, output: 0}
  - {model: fine, provider: p, input: 1, output: 1, multipliers: {batch: 0.5, priority: 2}, tiers: [{above: 5, input: 1, output: 2}]}
  - {model: swapped, provider: p, input: 4, output: 1}
  - {model: half-free, provider: p, input: 0, output: 1}
  - {model: cache, provider: p, input: 1, cached: 2, output: 3}
  - {model: cents, provider: p, input: 75, output: 4500}
  - {model: token, provider: p, input: 0.00000075, output: 0.0000045}
  - {model: tier, provider: p, input: 2, output: 3, tiers: [{above: 5, input: 1, output: 3}]}
  - {model: multi, provider: p, input: 2, output: 3, multipliers: {flex: 1.5, priority: 0.5}}
`)
	var got []string
	for _, f := range table.Suspicious() {
		got = append(got, fmt.Sprintf("%s:%d %s: %s", f.File, f.Line, f.Model, f.Message))
	}
	want := []string{
		"prices.yaml:7 cache: cached input (2) costs more than input (1)",
		"prices.yaml:8 cents: output costs 4500 dollars for a million tokens: is that in cents?",
		"prices.yaml:6 half-free: input costs nothing, and output does",
		"prices.yaml:6 half-free: cached input (0) costs more than input (0)",
		"prices.yaml:11 multi: flex costs 1.5 times the price, which is no discount",
		"prices.yaml:11 multi: priority costs 0.5 times the price, which is a discount",
		"prices.yaml:5 swapped: output (1) costs less than input (4): are they the wrong way round?",
		"prices.yaml:10 tier: calls with more than 5 tokens of input cost less than smaller ones",
		"prices.yaml:9 token: input costs 0.00000075 dollars for a million tokens: is that the price of one token, or of a thousand?",
	}
	want = append(want[:3], want[4:]...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if age, ok := table.Age(day("2026-09-11")); !ok || age.Hours() != 240 {
		t.Errorf("it is %v old, %v", age, ok)
	}
	if _, ok := (&prices.Table{Month: "lately"}).Age(day("2026-09-11")); ok {
		t.Error("a list without a month has an age")
	}
}
