package report

import "math"

// Interval returns the bounds between which a share lies with 95 % confidence, when k of n that were
// looked at had it: Clopper and Pearson's exact interval, which never promises too much, also for the
// few canaries of a young rule. Of none nothing is known: 0 to 1.
func Interval(k, n int) (low, high float64) {
	if n <= 0 || k < 0 || k > n {
		return 0, 1
	}
	const tail = 0.025
	low, high = 0, 1
	if k > 0 {
		low = solve(func(p float64) bool { return atLeast(k, n, p) < tail })
	}
	if k < n {
		high = solve(func(p float64) bool { return 1-atLeast(k+1, n, p) > tail })
	}
	return low, high
}

// solve returns where a condition on 0 to 1 that holds at first ceases to hold.
func solve(holds func(float64) bool) float64 {
	low, high := 0.0, 1.0
	for range 60 {
		if mid := (low + high) / 2; holds(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

// atLeast is the chance of k or more hits in n tries that each hit with p, for 0 < k <= n: the
// regularized incomplete beta function of k and n-k+1.
func atLeast(k, n int, p float64) float64 {
	a, b := float64(k), float64(n-k+1)
	if p <= 0 {
		return 0
	}
	if p >= 1 {
		return 1
	}
	if p > (a+1)/(a+b+2) { // the fraction converges on the other side
		return 1 - betaFraction(b, a, 1-p)
	}
	return betaFraction(a, b, p)
}

// betaFraction is the regularized incomplete beta function by its continued fraction, evaluated from
// the front (Lentz's method), for x below its mean.
func betaFraction(a, b, x float64) float64 {
	const tiny = 1e-300
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab-la-lb+a*math.Log(x)+b*math.Log1p(-x)) / a
	guard := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/guard(1-(a+b)*x/(a+1))
	f := d
	for i := 1; i <= 10_000; i++ {
		m := float64(i)
		for _, t := range [2]float64{
			m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m)),
			-(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1)),
		} {
			d = 1 / guard(1+t*d)
			c = guard(1 + t/c)
			f *= c * d
		}
		if math.Abs(c*d-1) < 1e-14 {
			break
		}
	}
	return front * f
}

// Wilson returns the bounds between which a share lies with 95 % confidence by Wilson's score interval, when
// k of n had it: narrower than [Interval] and good for many. Of none nothing is known: 0 to 1.
func Wilson(k, n int) (low, high float64) {
	if n <= 0 || k < 0 || k > n {
		return 0, 1
	}
	const z = 1.959963984540054
	share, count := float64(k)/float64(n), float64(n)
	middle := share + z*z/(2*count)
	spread := z * math.Sqrt(share*(1-share)/count+z*z/(4*count*count))
	whole := 1 + z*z/count
	return max((middle-spread)/whole, 0), min((middle+spread)/whole, 1)
}
