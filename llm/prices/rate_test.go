package prices_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/prices"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]prices.Rate{
		"0": 0, "0.0": 0, "0.075": 75_000_000, "2.5": 2_500_000_000, "15": 15_000_000_000,
		"0.000000001": 1, "0.003625": 3_625_000, "1000000": 1e15,
	} {
		if got, err := prices.ParseRate(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", ".", "1.", ".5", "-1", "+1", "1e3", "0x1", "1_000", "1,5", " 1", "NaN", "Inf", "1.2.3",
		"0.0000000001", "1000000.000000001", "99999999999999999999999", "٣",
	} {
		if got, err := prices.ParseRate(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

func TestRateReadsWhatItWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := prices.Rate(rapid.Int64Range(0, 1e15).Draw(t, "rate"))
		if got, err := prices.ParseRate(want.String()); err != nil || got != want {
			t.Fatalf("%d is written %q and read %d, %v", want, want, got, err)
		}
	})
}

func TestCost(t *testing.T) {
	mini := prices.Price{Rates: prices.Rates{Input: 750_000_000, Cached: 75_000_000, CacheWrite: 937_500_000, Output: 4_500_000_000}}
	for _, c := range []struct {
		name string
		use  prices.Usage
		want winnow.NanoUSD
	}{
		{"nothing", prices.Usage{}, 0},
		{"a million in", prices.Usage{Input: 1_000_000}, 750_000_000},
		{"one token out", prices.Usage{Output: 1}, 4500},
		{"cached is part of input", prices.Usage{Input: 3100, Cached: 2048, Output: 240}, 1052*750 + 2048*75 + 240*4500},
		{"written is part of input", prices.Usage{Input: 100, CacheWrite: 100}, 93_750},
		{"rounded up once", prices.Usage{Input: 1, CacheWrite: 1}, 938},
		{"more cached than input", prices.Usage{Input: 10, Cached: 100}, 7500},
		{"below zero", prices.Usage{Input: -5, Cached: -5, CacheWrite: -5, Output: -5}, 0},
		{"cached below zero is no discount", prices.Usage{Input: 10, Cached: -100}, 7500},
		{"all there is", prices.Usage{Input: math.MaxInt64, Cached: math.MaxInt64, CacheWrite: math.MaxInt64, Output: math.MaxInt64}, math.MaxInt64},
	} {
		if got := mini.Cost(c.use); got != c.want {
			t.Errorf("%s: %d nano-dollars, want %d", c.name, got, c.want)
		}
	}
}

func TestTiersGoByTheInputOfTheCall(t *testing.T) {
	p := prices.Price{
		Rates: prices.Rates{Input: 1e9, Output: 10e9},
		Tiers: []prices.Tier{
			{Above: 500_000, Rates: prices.Rates{Input: 4e9, Cached: 4e9, Output: 40e9}},
			{Above: 200_000, Rates: prices.Rates{Input: 2e9, Cached: 2e9, Output: 20e9}},
		},
	}
	for input, want := range map[int64]winnow.NanoUSD{
		200_000: 200_000*1000 + 10_000, 200_001: 200_001*2000 + 20_000, 500_001: 500_001*4000 + 40_000,
	} {
		if got := p.Cost(prices.Usage{Input: input, Output: 1}); got != want {
			t.Errorf("%d tokens of input: %d, want %d", input, got, want)
		}
	}
	if got := p.Cost(prices.Usage{Cached: 300_000}); got != 300_000*2000 {
		t.Errorf("input that was all cached is not in its tier: %d", got)
	}
}

func TestCostIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string, most int64) int64 { return rapid.Int64Range(0, most).Draw(t, name) }
		rates := prices.Rates{
			Input: prices.Rate(draw("in", 1e15)), Cached: prices.Rate(draw("cached", 1e15)),
			CacheWrite: prices.Rate(draw("write", 1e15)), Output: prices.Rate(draw("out", 1e15)),
		}
		u := prices.Usage{Cached: draw("cached tokens", 1e9), CacheWrite: draw("written", 1e9), Output: draw("output", 1e9)}
		u.Input = u.Cached + u.CacheWrite + draw("plain input", 1e9)
		sum := new(big.Int)
		for _, part := range [][2]int64{
			{u.Input - u.Cached - u.CacheWrite, int64(rates.Input)}, {u.Cached, int64(rates.Cached)},
			{u.CacheWrite, int64(rates.CacheWrite)}, {u.Output, int64(rates.Output)},
		} {
			sum.Add(sum, new(big.Int).Mul(big.NewInt(part[0]), big.NewInt(part[1])))
		}
		want := sum.Add(sum, big.NewInt(999_999)).Div(sum, big.NewInt(1_000_000))
		got := prices.Price{Rates: rates}.Cost(u)
		if want.IsInt64() && int64(got) != want.Int64() || !want.IsInt64() && got != math.MaxInt64 {
			t.Fatalf("cost is %d, want %s", got, want)
		}
	})
}

func TestUsageAdds(t *testing.T) {
	got := prices.Usage{1, 2, 3, 4}.Add(prices.Usage{10, 20, 30, 40})
	if want := (prices.Usage{11, 22, 33, 44}); got != want {
		t.Errorf("sum is %+v, want %+v", got, want)
	}
}
