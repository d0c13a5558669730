package chat

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/prices"
)

// maker is a provider with random faults and a ledger of its own: what it bills.
type maker struct {
	mu     sync.Mutex
	random *rand.Rand
	billed winnow.NanoUSD
	silent winnow.NanoUSD // of it, billed without telling
	lost   int            // answers cut on their way
}

func (m *maker) Complete(ctx context.Context, r *Request) (*Reply, error) {
	m.mu.Lock()
	fault, think := m.random.IntN(12), time.Duration(m.random.IntN(4000))*time.Millisecond
	u := prices.Usage{Input: 1 + m.random.Int64N(int64(weigh(r).bytes)), Output: 1 + m.random.Int64N(r.MaxOutput)}
	u.Cached = m.random.Int64N(u.Input)
	m.mu.Unlock()
	switch fault {
	case 0:
		return nil, &Error{Kind: KindRate, Status: 429, After: think}
	case 1:
		return nil, &Error{Kind: KindServer, Status: 500}
	case 2:
		return nil, &Error{Kind: KindNetwork}
	case 3:
		return nil, &Error{Kind: KindRequest, Status: 400}
	case 4:
		think *= 15 // longer than an attempt may take, and not than late answers may
	}
	select {
	case <-time.After(think):
	case <-ctx.Done():
		return nil, &Error{Kind: KindNetwork, Sent: true}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	price := testPrice.Cost(u)
	m.billed += price
	reply := &Reply{Text: "{}", Stop: StopEnd, Usage: u, Model: "small", Limits: silent}
	switch fault {
	case 5:
		m.lost, m.silent = m.lost+1, m.silent+price
		return nil, &Error{Kind: KindNetwork, Sent: true} // billed, and cut on the way back
	case 6:
		m.lost, m.silent = m.lost+1, m.silent+price
		reply.Usage, reply.NoUsage = prices.Usage{}, true
	}
	return reply, nil
}

// TestBooksEqualTheBill calls from many goroutines, some of which go away, a provider that fails in
// every way. What is booked is what is billed, to the nano-dollar, but for attempts whose usage nobody
// told: those are marked, and booked at no less.
func TestBooksEqualTheBill(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			m := &maker{random: rand.New(rand.NewPCG(seed, 1))}
			b := &books{}
			c := newTestCaller(t, CallerOptions{Provider: m, Budget: b, Attempts: 4, Timeout: 10 * time.Second, Limit: Limit{Concurrency: 8, RequestsPerMinute: 6000}})
			var mu sync.Mutex
			var used winnow.NanoUSD
			var g sync.WaitGroup
			for i := range 60 {
				g.Go(func() {
					ctx, cancel := context.WithTimeoutCause(t.Context(), time.Duration(i*500)*time.Millisecond+time.Millisecond, errGone)
					defer cancel()
					_, usage, err := c.Call(ctx, Purpose{}, hello())
					if e, ok := errors.AsType[*Error](err); err != nil && !ok && !errors.Is(err, errGone) && isUnavailable(err) == nil {
						t.Error(err, e)
					}
					mu.Lock()
					used += usage.Price
					mu.Unlock()
				})
			}
			g.Wait()
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
			total, unsure := b.booked()
			if total-unsure != m.billed-m.silent {
				t.Errorf("seed %d: booked for certain %d, billed and told %d", seed, total-unsure, m.billed-m.silent)
			}
			if total < m.billed || used < m.billed {
				t.Errorf("seed %d: booked %d, used %d, billed %d", seed, total, used, m.billed)
			}
			unsettled := 0
			for _, s := range b.all() {
				if s.State == llm.Unsettled {
					unsettled++
				}
			}
			if unsettled != m.lost || len(b.all()) != len(b.charges) {
				t.Errorf("seed %d: %d unsettled, %d lost; %d settled of %d", seed, unsettled, m.lost, len(b.all()), len(b.charges))
			}
		})
	}
}

// BenchmarkCall is what a call costs beside its provider: limits, breaker, weighing 12 KB, two bookings.
func BenchmarkCall(b *testing.B) {
	p := &scripted{do: func(context.Context, int) (*Reply, error) { return fine(), nil }}
	c, err := NewCaller(CallerOptions{Name: "main", Model: "small", Provider: p, Price: onlySmall, Budget: &books{}, Timeout: time.Minute, Now: time.Now, Limit: Limit{Concurrency: 8}})
	if err != nil {
		b.Fatal(err)
	}
	r := hello()
	r.System = strings.Repeat("Judge the alert. ", 700)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := c.Call(b.Context(), Purpose{}, r); err != nil {
				b.Error(err)
			}
		}
	})
}
