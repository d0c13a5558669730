package chat

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/prices"
)

// scripted is a provider that answers as the test says: the n-th request, from 1.
type scripted struct {
	mu sync.Mutex
	n  int
	at []time.Time
	do func(ctx context.Context, n int) (*Reply, error)
}

func (s *scripted) Complete(ctx context.Context, _ *Request) (*Reply, error) {
	s.mu.Lock()
	s.n++
	n := s.n
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	return s.do(ctx, n)
}

func (s *scripted) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// books is a budget in memory.
type books struct {
	mu      sync.Mutex
	charges []llm.Charge
	settled map[llm.Booking]llm.Settlement
	refuse  error
	lose    error // what Settle returns
}

func (b *books) Reserve(_ context.Context, c llm.Charge) (llm.Booking, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return 0, b.refuse
	}
	b.charges = append(b.charges, c)
	return llm.Booking(len(b.charges)), nil
}

func (b *books) Settle(_ context.Context, n llm.Booking, s llm.Settlement) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lose != nil {
		return b.lose
	}
	if old, twice := b.settled[n]; twice && old.State != llm.Unsettled {
		if old.Took, s.Took = 0, 0; old != s {
			panic("settled twice, and differently")
		}
		return nil // the first counts, as in the ledger
	}
	if b.settled == nil {
		b.settled = map[llm.Booking]llm.Settlement{}
	}
	b.settled[n] = s
	return nil
}

// all returns the settlements by booking.
func (b *books) all() map[llm.Booking]llm.Settlement {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.settled)
}

// booked is what the books say was spent, and how much of it is not certain.
func (b *books) booked() (total, unsure winnow.NanoUSD) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, c := range b.charges {
		s, ok := b.settled[llm.Booking(i+1)]
		switch {
		case !ok || s.State == llm.Unsettled:
			total, unsure = total+c.Reserve, unsure+c.Reserve
		case s.State == llm.Settled:
			total += s.Price
		}
	}
	return total, unsure
}

var testPrice = prices.Price{
	Model: "small", Rates: prices.Rates{Input: 750_000_000, Cached: 75_000_000, CacheWrite: 937_500_000, Output: 4_500_000_000},
	Tiers:       []prices.Tier{{Above: 2000, Rates: prices.Rates{Input: 1_500_000_000, Cached: 150_000_000, CacheWrite: 2e9, Output: 9e9}}},
	Multipliers: prices.Multipliers{"batch": 500_000},
}

func onlySmall(model string, _ time.Time) (prices.Price, bool) { return testPrice, model == "small" }

func newTestCaller(t *testing.T, o CallerOptions) *Caller {
	t.Helper()
	if o.Price == nil {
		o.Price = onlySmall
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	o.Name, o.Now = "main", time.Now
	if o.Model == "" {
		o.Model = "small"
	}
	c, err := NewCaller(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.WithoutCancel(t.Context())); err != nil && !errors.Is(err, errDisk) {
			t.Error(err)
		}
	})
	return c
}

var errDisk = errors.New("disk full")

func hello() *Request {
	return &Request{System: "You judge alerts.", Messages: []Message{{Role: RoleUser, Text: "hello"}}, MaxOutput: 100}
}

// silent is a reply that says nothing of limits.
var silent = Limits{-1, -1, -1, -1, -1, -1}

func fine() *Reply {
	return &Reply{Text: "{}", Stop: StopEnd, Usage: prices.Usage{Input: 40, Cached: 10, Output: 20}, Model: "small", Limits: silent}
}

// isUnavailable returns the error that says to come again later, or nil.
func isUnavailable(err error) *llm.UnavailableError {
	u, _ := errors.AsType[*llm.UnavailableError](err)
	return u
}
