package chat

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// callAll makes n calls at once and returns their errors.
func callAll(ctx context.Context, c *Caller, n int) []error {
	errs := make([]error, n)
	var g sync.WaitGroup
	for i := range n {
		g.Go(func() { _, _, errs[i] = c.Call(ctx, Purpose{}, hello()) })
	}
	g.Wait()
	return errs
}

func TestConcurrencyIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var now, most int
		p := &scripted{do: func(context.Context, int) (*Reply, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return fine(), nil
		}}
		c := newTestCaller(t, CallerOptions{Provider: p, Limit: Limit{Concurrency: 3}})
		start := time.Now()
		if err := errors.Join(callAll(t.Context(), c, 10)...); err != nil {
			t.Fatal(err)
		}
		if most != 3 || time.Since(start) != 4*time.Second {
			t.Errorf("%d at once, %v", most, time.Since(start))
		}
	})
}

// TestNeverMoreThanTheLimitInAMinute draws limits and looks at every minute of what is sent.
func TestNeverMoreThanTheLimitInAMinute(t *testing.T) {
	for _, perMinute := range []int64{1, 2, 7, 60, 250} {
		synctest.Test(t, func(t *testing.T) {
			p := &scripted{do: func(context.Context, int) (*Reply, error) { return fine(), nil }}
			c := newTestCaller(t, CallerOptions{Provider: p, Limit: Limit{RequestsPerMinute: perMinute}})
			n := int(perMinute*2) + 3
			start := time.Now()
			if err := errors.Join(callAll(t.Context(), c, n)...); err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(p.at, time.Time.Compare)
			for i := range p.at {
				if j := i + int(perMinute); j < len(p.at) && p.at[j].Sub(p.at[i]) < time.Minute-time.Microsecond {
					t.Fatalf("%d a minute: %d within %v", perMinute, perMinute+1, p.at[j].Sub(p.at[i]))
				}
			}
			if took := time.Since(start); took > 4*time.Minute {
				t.Errorf("%d a minute: %d took %v", perMinute, n, took)
			}
		})
	}
}

func TestTokensPerMinuteAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{do: func(context.Context, int) (*Reply, error) { return fine(), nil }}
		each := weigh(hello()).guess
		c := newTestCaller(t, CallerOptions{Provider: p, Limit: Limit{TokensPerMinute: 4 * each}})
		if err := errors.Join(callAll(t.Context(), c, 12)...); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(p.at, time.Time.Compare)
		for i := range p.at {
			if j := i + 4; j < len(p.at) && p.at[j].Sub(p.at[i]) < 55*time.Second {
				t.Errorf("5 requests of %d tokens within %v, at a limit of %d", each, p.at[j].Sub(p.at[i]), 4*each)
			}
		}
	})
}

func TestRequestLargerThanTheLimitWaitsAndIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{do: func(context.Context, int) (*Reply, error) { return fine(), nil }}
		c := newTestCaller(t, CallerOptions{Provider: p, Limit: Limit{TokensPerMinute: 10}})
		if _, _, err := c.Call(t.Context(), Purpose{}, hello()); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, _, err := c.Call(ctx, Purpose{}, hello())
		if u := isUnavailable(err); u == nil || !u.Until.After(time.Now().Add(time.Minute)) {
			t.Errorf("a wait over the deadline: %v", err)
		}
	})
}

func TestHeadersAreHeeded(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits Limits
		wait   time.Duration // before the second request
	}{
		{"nothing said", silent, 0},
		{"nobody filled it in", Limits{}, 0},
		{"some left", Limits{Requests: 5, Tokens: 5000, RequestsReset: time.Minute, TokensReset: time.Minute}, 0},
		{"no request left", Limits{Requests: 0, RequestsReset: 12 * time.Second, Tokens: -1}, 12 * time.Second},
		{"no token left", Limits{Requests: -1, Tokens: 0, TokensReset: 9 * time.Second}, 9 * time.Second},
		{"too few tokens left", Limits{Requests: 3, RequestsReset: time.Second, Tokens: 20, TokensReset: 8 * time.Second}, 8 * time.Second},
		{"nobody says how long", Limits{Requests: 0, RequestsReset: -1, Tokens: -1}, time.Second},
		{"for ever", Limits{Requests: 0, RequestsReset: 1 << 62, Tokens: -1}, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &scripted{do: func(context.Context, int) (*Reply, error) { r := fine(); r.Limits = tt.limits; return r, nil }}
				c := newTestCaller(t, CallerOptions{Provider: p})
				for range 2 {
					if _, _, err := c.Call(t.Context(), Purpose{}, hello()); err != nil {
						t.Fatal(err)
					}
				}
				if wait := p.at[1].Sub(p.at[0]); wait != tt.wait {
					t.Errorf("waited %v, want %v", wait, tt.wait)
				}
			})
		})
	}
}

func TestWhatIsLeftIsNotPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{}
		p.do = func(_ context.Context, n int) (*Reply, error) {
			r := fine()
			if n == 1 {
				r.Limits = Limits{Requests: 4, RequestsReset: 20 * time.Second, Tokens: -1}
			}
			return r, nil
		}
		c := newTestCaller(t, CallerOptions{Provider: p})
		start := time.Now()
		if err := errors.Join(callAll(t.Context(), c, 1)...); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(callAll(t.Context(), c, 9)...); err != nil {
			t.Fatal(err)
		}
		early := 0
		for _, at := range p.at[1:] {
			if at.Sub(start) < 20*time.Second {
				early++
			}
		}
		if early != 4 {
			t.Errorf("%d requests before the window began anew, 4 were left", early)
		}
	})
}

func TestTooManyRequestsHoldsTheWholeCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{do: func(_ context.Context, n int) (*Reply, error) {
			if n == 1 {
				return nil, &Error{Kind: KindRate, Status: 429, After: 40 * time.Second}
			}
			return fine(), nil
		}}
		c := newTestCaller(t, CallerOptions{Provider: p, Attempts: 2})
		start := time.Now()
		var g sync.WaitGroup
		g.Go(func() {
			if _, _, err := c.Call(t.Context(), Purpose{}, hello()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		g.Go(func() {
			if _, _, err := c.Call(t.Context(), Purpose{}, hello()); err != nil {
				t.Error(err)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, _, err := c.Call(ctx, Purpose{}, hello())
		if u := isUnavailable(err); u == nil || !u.Until.Equal(start.Add(40*time.Second)) || time.Since(start) != 0 {
			t.Errorf("a call with a deadline before that: %v", err)
		}
		g.Wait()
		for _, at := range p.at[1:] {
			if at.Sub(start) < 40*time.Second {
				t.Errorf("sent after %v", at.Sub(start))
			}
		}
	})
}

func TestWaitsEndWithTheCause(t *testing.T) {
	for name, prepare := range map[string]func(*Caller){
		"slot":   func(c *Caller) { c.slots <- struct{}{} },
		"pause":  func(c *Caller) { c.gate.pause(time.Minute) },
		"window": func(c *Caller) { c.gate.told(Limits{Requests: 0, RequestsReset: time.Minute, Tokens: -1}) },
		"own":    func(c *Caller) { c.gate.requests.ReserveN(time.Now(), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &scripted{do: func(context.Context, int) (*Reply, error) { return fine(), nil }}
				b := &books{}
				c := newTestCaller(t, CallerOptions{Provider: p, Budget: b, Limit: Limit{Concurrency: 1, RequestsPerMinute: 1}})
				prepare(c)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(errGone) })
				_, _, err := c.Call(ctx, Purpose{}, hello())
				if !errors.Is(err, errGone) || p.calls() != 0 || len(b.charges) != 0 {
					t.Errorf("%d calls, %d charges, %v", p.calls(), len(b.charges), err)
				}
			})
		})
	}
}

func TestBreakerOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		p := &scripted{}
		p.do = func(context.Context, int) (*Reply, error) {
			if down {
				return nil, &Error{Kind: KindServer, Status: 500}
			}
			return fine(), nil
		}
		c := newTestCaller(t, CallerOptions{Provider: p})
		for range breakerFailures - 1 {
			if _, _, err := c.Call(t.Context(), Purpose{}, hello()); isUnavailable(err) != nil {
				t.Fatalf("one call does not say that the provider is down: %v", err)
			}
		}
		for range 3 {
			_, _, err := c.Call(t.Context(), Purpose{}, hello())
			if u := isUnavailable(err); u == nil || !u.Until.Equal(time.Now().Add(breakerPause)) {
				t.Fatalf("error is %v", err)
			}
		}
		if p.calls() != breakerFailures {
			t.Errorf("%d calls were sent", p.calls())
		}
		time.Sleep(breakerPause + time.Second)
		down = false
		if _, _, err := c.Call(t.Context(), Purpose{}, hello()); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
}

func TestBreakerStaysClosed(t *testing.T) {
	for _, kind := range []Kind{KindRequest, KindPolicy, KindRate} {
		synctest.Test(t, func(t *testing.T) {
			p := &scripted{do: func(context.Context, int) (*Reply, error) { return nil, &Error{Kind: kind, Status: 400} }}
			c := newTestCaller(t, CallerOptions{Provider: p})
			for range 3 * breakerFailures {
				_, _, _ = c.Call(t.Context(), Purpose{}, hello())
			}
			if p.calls() != 3*breakerFailures {
				t.Errorf("%s: %d calls were sent", kind, p.calls())
			}
		})
	}
}

func TestGateNeverSticks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) Limits {
			n := func(name string) int64 { return rapid.Int64Range(-1, 300).Draw(rt, name) }
			return Limits{
				Requests: n("requests"), Tokens: n("tokens"),
				RequestsReset: time.Duration(n("reset")) * time.Second, TokensReset: time.Duration(n("reset")) * time.Second,
			}
		}), 1, 8).Draw(rt, "limits")
		synctest.Test(t, func(t *testing.T) {
			p := &scripted{do: func(_ context.Context, n int) (*Reply, error) {
				r := fine()
				r.Limits = limits[n%len(limits)]
				return r, nil
			}}
			c := newTestCaller(t, CallerOptions{Provider: p, Limit: Limit{Concurrency: 2}})
			if err := errors.Join(callAll(t.Context(), c, 12)...); err != nil {
				t.Error(err)
			}
		})
	})
}
