package winnow

import "fmt"

// NanoUSD is an amount of money in billionths of a US dollar, exact for every published token
// price. int64 holds nine billion dollars.
type NanoUSD int64

// Dollars converts whole and fractional dollars. It is for prices read from text, not for sums.
func Dollars(d float64) NanoUSD {
	if d < 0 {
		return NanoUSD(d*1e9 - 0.5)
	}
	return NanoUSD(d*1e9 + 0.5)
}

// Micro rounds up to millionths of a dollar, the unit of records: a cost is never shown as less
// than it was.
func (n NanoUSD) Micro() int64 {
	if n <= 0 {
		return int64(n) / 1000
	}
	return (int64(n) + 999) / 1000
}

// String writes dollars with as many decimals as the amount needs to be seen.
func (n NanoUSD) String() string {
	d := float64(n) / 1e9
	switch {
	case n == 0:
		return "$0"
	case d < 0.01 && d > -0.01:
		return fmt.Sprintf("$%.6f", d)
	case d < 1 && d > -1:
		return fmt.Sprintf("$%.4f", d)
	}
	return fmt.Sprintf("$%.2f", d)
}

// Cost is what the analysis of one alert has cost so far.
type Cost struct {
	MicroUSD     int64 `json:"microusd"`
	Calls        int   `json:"calls"`
	InputTokens  int64 `json:"input_tokens"`
	CachedTokens int64 `json:"cached_tokens"` // of the input tokens, those read from the provider's cache
	OutputTokens int64 `json:"output_tokens"`
	Unpriced     int   `json:"unpriced"` // calls whose model has no price: their money is not in MicroUSD
}
