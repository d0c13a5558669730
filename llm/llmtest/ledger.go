package llmtest

import (
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/prices"
)

// Entry is one request as the server remembers it.
type Entry struct {
	At        time.Time
	API       API
	Model     string
	Kind      string
	CustomID  string
	Batch     bool
	RequestID string
	Status    int // 0: the connection broke before a status
	Problem   string
	Fault     FaultKind

	Billed   bool
	Usage    prices.Usage   // what the model used; zero when it did not work
	Told     *prices.Usage  // what the answer says of it; nil: nothing
	Price    winnow.NanoUSD // of Usage; 0 when not billed or without a price
	Unpriced bool           // the table has no price for the model
	Body     []byte         // of the request
}

// Entries returns the ledger so far, in the order in which requests were settled.
func (s *Server) Entries() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.entries)
}

// Billed returns the sum of what was billed, and the number of requests that were.
func (s *Server) Billed() (sum winnow.NanoUSD, calls int) {
	for _, e := range s.Entries() {
		if e.Billed {
			sum += e.Price
			calls++
		}
	}
	return sum, calls
}

func (s *Server) record(e Entry) {
	e.At = s.o.Now()
	if e.Billed && s.o.Price != nil {
		price, ok := s.o.Price(e.Model, e.At)
		e.Unpriced = !ok
		if e.Batch {
			price, _ = price.At(prices.TierBatch)
		}
		if ok {
			e.Price = price.Cost(e.Usage)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, e)
}
