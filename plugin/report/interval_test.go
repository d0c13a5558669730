package report

import (
	"math"
	"testing"
)

// The exact interval against values from published tables; of no hits in n it is 1 - 0.025^(1/n).
func TestInterval(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{
		{0, 0, 0, 1},
		{0, 1, 0, 0.975},
		{0, 10, 0, 0.30850},
		{1, 10, 0.00253, 0.44502},
		{5, 10, 0.18709, 0.81291},
		{10, 10, 0.69150, 1},
		{0, 100, 0, 0.03622},
		{1, 100, 0.00025, 0.05446},
		{50, 100, 0.39832, 0.60168},
		{1, 1000, 0.0000253, 0.005559},
		{-1, 10, 0, 1},
		{11, 10, 0, 1},
	} {
		low, high := Interval(c.k, c.n)
		if math.Abs(low-c.low) > 6e-6 || math.Abs(high-c.high) > 6e-6 {
			t.Errorf("%d of %d: %.5f to %.5f, want %.5f to %.5f", c.k, c.n, low, high, c.low, c.high)
		}
	}
}

// The bounds are where the exact sums over the binomial distribution say.
func TestIntervalAgainstPlainSums(t *testing.T) {
	for n := 1; n <= 60; n++ {
		for k := 0; k <= n; k++ {
			low, high := Interval(k, n)
			if low > float64(k)/float64(n) || high < float64(k)/float64(n) {
				t.Fatalf("%d of %d: %v to %v does not hold the share itself", k, n, low, high)
			}
			if k > 0 && math.Abs(sum(k, n, n, low)-0.025) > 1e-9 {
				t.Errorf("%d of %d: the upper tail at %v is %v", k, n, low, sum(k, n, n, low))
			}
			if k < n && math.Abs(sum(0, k, n, high)-0.025) > 1e-9 {
				t.Errorf("%d of %d: the lower tail at %v is %v", k, n, high, sum(0, k, n, high))
			}
		}
	}
}

// sum is the chance of from to upto hits in n tries.
func sum(from, upto, n int, p float64) (out float64) {
	for k := from; k <= upto; k++ {
		c := 1.0
		for i := range k {
			c *= float64(n-i) / float64(i+1)
		}
		out += c * math.Pow(p, float64(k)) * math.Pow(1-p, float64(n-k))
	}
	return out
}

func TestIntervalOfLargeNumbers(t *testing.T) {
	low, high := Interval(3, 10_000_000)
	if !(low > 0 && low < 3e-7 && high > 3e-7 && high < 1e-6) {
		t.Errorf("3 of 10 million: %v to %v", low, high)
	}
}
