package prices

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/winnow-soc/winnow"
)

// Rate is what a million tokens cost, in nano-dollars: every published price is a whole number of
// them, so that sums are exact.
type Rate int64

const (
	rateDigits = 9         // decimals of a dollar that a Rate can hold
	maxRate    = 1_000_000 // dollars for a million tokens
	million    = 1_000_000
)

// ParseRate reads dollars for a million tokens from decimal text like "0.075". More decimals than
// a nano-dollar has, a sign, an exponent or an amount over a million dollars are errors.
func ParseRate(text string) (Rate, error) {
	whole, fraction, point := strings.Cut(text, ".")
	if !digits(whole) || point && !digits(fraction) {
		return 0, fmt.Errorf("%q is not dollars like 0.075", text)
	}
	if len(fraction) > rateDigits {
		return 0, fmt.Errorf("%q has more than %d decimals", text, rateDigits)
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", rateDigits-len(fraction)), 10, 64)
	if err != nil || n > maxRate*1e9 {
		return 0, fmt.Errorf("%q is over a million dollars for a million tokens", text)
	}
	return Rate(n), nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// String returns the dollars for a million tokens in decimal, as short as can be.
func (r Rate) String() string {
	s := fmt.Sprintf("%d.%09d", r/1e9, r%1e9)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// Rates are the prices of the kinds of tokens.
type Rates struct {
	Input      Rate // input that no cache holds
	Cached     Rate // input read from the provider's cache
	CacheWrite Rate // input written to the provider's cache
	Output     Rate
}

// Usage is what one call used, in tokens. Cached and CacheWrite are parts of Input, whatever the
// provider's own way to count.
type Usage struct {
	Input      int64
	Cached     int64
	CacheWrite int64
	Output     int64
}

// Add returns the sum. Price calls one by one, and add their costs, not their usages: a model's
// tiers go by the size of one call.
func (u Usage) Add(v Usage) Usage {
	return Usage{u.Input + v.Input, u.Cached + v.Cached, u.CacheWrite + v.CacheWrite, u.Output + v.Output}
}

// clean makes every number one that can be priced: none negative, and the parts no larger than
// the whole. It never makes a call cheaper.
func (u Usage) clean() Usage {
	u.Cached, u.CacheWrite, u.Output = max(u.Cached, 0), max(u.CacheWrite, 0), max(u.Output, 0)
	parts := u.Cached + u.CacheWrite
	if parts < 0 {
		parts = math.MaxInt64
		u.CacheWrite = parts - u.Cached
	}
	u.Input = max(u.Input, parts)
	return u
}

// cost adds up exactly and rounds up to a nano-dollar once. What does not fit is the largest
// amount there is.
func (r Rates) cost(u Usage) winnow.NanoUSD {
	var s sum
	s.add(u.Input-u.Cached-u.CacheWrite, r.Input)
	s.add(u.Cached, r.Cached)
	s.add(u.CacheWrite, r.CacheWrite)
	s.add(u.Output, r.Output)
	return s.perMillion()
}

// sum is a sum of tokens times rates in 128 bits.
type sum struct{ hi, lo uint64 }

func (s *sum) add(tokens int64, rate Rate) {
	hi, lo := bits.Mul64(uint64(tokens), uint64(rate))
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	s.hi, _ = bits.Add64(s.hi, hi, carry)
}

func (s *sum) perMillion() winnow.NanoUSD {
	if s.hi >= million {
		return math.MaxInt64
	}
	q, rest := bits.Div64(s.hi, s.lo, million)
	if rest > 0 {
		q++
	}
	return winnow.NanoUSD(min(q, math.MaxInt64))
}
