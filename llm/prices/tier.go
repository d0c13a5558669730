package prices

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// Service tiers that price lists name. Others are named as their provider does, in lower case.
const (
	TierStandard = "default" // what the rates themselves are of
	TierBatch    = "batch"
	TierFlex     = "flex"
	TierPriority = "priority"
)

// ServiceTier returns the name that price lists have for a provider's service tier: "standard" and "on_demand"
// are the default, "fast" is OpenAI's newer name of priority. "" and "auto" name no tier, and stay.
func ServiceTier(name string) string {
	switch name = strings.ToLower(name); name {
	case "standard", "standard_only", "on_demand":
		return TierStandard
	case "fast":
		return TierPriority
	}
	return name
}

// Multiplier is what a service tier costs of the standard price, in millionths.
type Multiplier int64

// Multipliers are those of service tiers, by name. They are not changed once read.
type Multipliers map[string]Multiplier

const (
	one Multiplier = 1_000_000

	maxMultiplier = 1000
	tierDigits    = 6 // decimals that a Multiplier can hold
)

// ParseMultiplier reads a factor from decimal text like "0.5". 0, a sign, an exponent, more than six decimals and
// more than a thousand are errors: no tier is free.
func ParseMultiplier(text string) (Multiplier, error) {
	rate, err := ParseRate(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a factor like 0.5", text)
	}
	const step = Rate(1e9 / one)
	switch {
	case rate == 0:
		return 0, errors.New("is 0: no service tier is free")
	case rate%step != 0:
		return 0, fmt.Errorf("%q has more than %d decimals", text, tierDigits)
	case rate > maxMultiplier*1e9:
		return 0, fmt.Errorf("%q is over %d times the price", text, maxMultiplier)
	}
	return Multiplier(rate / step), nil
}

// String returns the factor in decimal, as short as can be.
func (m Multiplier) String() string { return (Rate(m) * Rate(1e9/one)).String() }

// Names returns the tiers in order.
func (m Multipliers) Names() []string { return slices.Sorted(maps.Keys(m)) }

// over is m with those of more laid over it.
func (m Multipliers) over(more Multipliers) Multipliers {
	if len(more) == 0 {
		return m
	}
	out := maps.Clone(m)
	if out == nil {
		out = Multipliers{}
	}
	maps.Copy(out, more)
	return out
}

// factor is what a tier costs of the standard price, and false when nobody says.
func (p Price) factor(tier string) (Multiplier, bool) {
	if tier == "" || tier == TierStandard {
		return one, true
	}
	m, ok := p.Multipliers[tier]
	return m, ok
}

// dearest is the factor of the dearest tier that is known.
func (p Price) dearest() Multiplier {
	most := one
	for _, m := range p.Multipliers {
		most = max(most, m)
	}
	return most
}

// At returns the price at a service tier as [ServiceTier] names it. known is false when nobody says what that
// tier costs: then it is the price of the dearest tier that is known.
func (p Price) At(tier string) (at Price, known bool) {
	m, known := p.factor(tier)
	if !known {
		m = p.dearest()
	}
	return p.times(m), known
}

// Worst returns the dearest price that a call can be billed at which asked for a service tier: it may be served
// at the standard one all the same. Who asks for none, or for "auto", leaves it to an account that may have any.
func (p Price) Worst(asked string) Price {
	m, known := p.factor(asked)
	if asked == "" || !known { // "auto" is never known
		m = p.dearest()
	}
	return p.times(max(m, one))
}

// Unsaid returns the price of a call that asked for a service tier, when the answer does not say at which one it
// was served: never one with a discount.
func (p Price) Unsaid(asked string) Price {
	m, known := p.factor(asked)
	if !known && asked != "auto" {
		m = p.dearest()
	}
	return p.times(max(m, one))
}

// times is the price with every rate multiplied, rounded up.
func (p Price) times(m Multiplier) Price {
	if m == one {
		return p
	}
	p.Multipliers = nil // it is at its tier
	p.Rates = p.Rates.times(m)
	p.Tiers = slices.Clone(p.Tiers)
	for i := range p.Tiers {
		p.Tiers[i].Rates = p.Tiers[i].Rates.times(m)
	}
	return p
}

func (r Rates) times(m Multiplier) Rates {
	return Rates{r.Input.times(m), r.Cached.times(m), r.CacheWrite.times(m), r.Output.times(m)}
}

func (r Rate) times(m Multiplier) Rate {
	hi, lo := bits.Mul64(uint64(r), uint64(m))
	if hi >= uint64(one) {
		return math.MaxInt64
	}
	q, rest := bits.Div64(hi, lo, uint64(one))
	if rest > 0 {
		q++
	}
	return Rate(min(q, math.MaxInt64))
}
