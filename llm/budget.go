package llm

import (
	"context"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
)

// Budget books what calls to paid models cost. The worst case is reserved before a call is sent, and
// settled from the usage after it: what is booked is never less than what is billed. Safe for
// concurrent use.
type Budget interface {
	// Reserve books the worst case of one attempt, durably: when it returns the call may be sent. It
	// returns a *BudgetError when a limit would be passed, or when the model has no price while one is set.
	Reserve(ctx context.Context, c Charge) (Booking, error)
	// Settle replaces the reserve by what the attempt cost. An attempt that is never settled stays booked at
	// its reserve.
	Settle(ctx context.Context, b Booking, s Settlement) error
}

// Booking is the number of one reserve.
type Booking int64

// Charge is one attempt of one call, before it is sent.
type Charge struct {
	AlertID  string
	Search   string
	Team     string // who pays for the search, "" for nobody
	Severity winnow.Severity
	Task     Task
	Agent    string
	Model    string // as it is billed
	Source   string // name of the [model:NAME]
	Prompt   string // version of the prompt
	Attempt  int    // from 1, over all attempts for one question

	Reserve  winnow.NanoUSD // worst case; 0 with Unpriced
	Unpriced bool           // the model has no price

	// What leaves the building: names of fields, bytes of the request, and a hash of it. No values.
	Fields []string
	Bytes  int
	SHA256 string
}

// Settlement is what became of one attempt.
type Settlement struct {
	State  SettlementState
	Reason string // "ok", or why there was no answer: see chat.Kind

	InputTokens, CachedTokens, CacheWriteTokens, OutputTokens int64

	Price winnow.NanoUSD
	Model string // as the provider calls it in the answer, "" when it does not say
	Tier  string // service tier that was billed, "" when the provider does not say
	Took  time.Duration
}

// SettlementState says how sure the price of an attempt is.
type SettlementState string

// The states. A reserve without a settlement is unsettled too.
const (
	Settled   SettlementState = "settled"   // the provider told the usage
	Released  SettlementState = "released"  // never sent, or refused without being billed: it cost nothing
	Unsettled SettlementState = "unsettled" // sent, and the usage is not known: booked at the reserve
)

// BudgetError says that a call may not be made.
type BudgetError struct {
	Limit string // "day", "month", or "unpriced": a model without a price while a limit is set
	Max   winnow.NanoUSD
	Spent winnow.NanoUSD // booked so far, without the call
}

// Error names the limit and the way out.
func (e *BudgetError) Error() string {
	if e.Limit == "unpriced" {
		return "the model has no price in prices.yaml, and [budget] sets a limit: add its price, or choose another model"
	}
	return fmt.Sprintf("[budget] %s is %s, of which %s is booked: raise it, or wait for the next %s", e.Limit, e.Max, e.Spent, e.Limit)
}
