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
	Tokens   int64          // of input and output, likewise
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
	Limit string // "day", "month", "search_share", or "unpriced": a model without a price while a limit is set
	Scope string // "total" or "": everything; else "search", "team" or "model"
	Name  string // of the search, team or model

	Max   winnow.NanoUSD // with what it is raised by; of search_share, what the search may book now
	Spent winnow.NanoUSD // booked so far, without the call
	Kept  winnow.NanoUSD // of what is left, kept for alerts that are more severe

	MaxCount, Count int64 // of "calls" and "tokens" a day: the limit, and what of it is used
}

// Error names the limit, what is booked and the way out.
func (e *BudgetError) Error() string {
	switch e.Limit {
	case "unpriced":
		return "the model has no price in prices.yaml, and a budget is set: add its price, give it calls_per_day and tokens_per_day, or choose another model"
	case "calls", "tokens":
		return fmt.Sprintf("[model:%.80s] %s_per_day is %d, of which %d are used: raise it, or wait for the next day", e.Name, e.Limit, e.MaxCount, e.Count)
	case "search_share":
		return fmt.Sprintf("search %.80q has booked %s of the %s that [budget] search_share gives one search of what is left of the day for this severity: "+
			"wait for the next day, or raise it", e.Name, e.Spent, e.Max)
	}
	key, scope := "[budget] "+e.Limit, ""
	if e.Scope != "" && e.Scope != "total" {
		key = fmt.Sprintf("[%s:%.80s] budget_%s", e.Scope, e.Name, e.Limit)
		scope = fmt.Sprintf(" --scope %q", fmt.Sprintf("%s:%.80s", e.Scope, e.Name))
	}
	kept := ""
	if e.Kept > 0 {
		kept = fmt.Sprintf(" and %s kept for more severe alerts", e.Kept)
	}
	return fmt.Sprintf("%s is %s, of which %s is booked%s: `winnow budget raise DOLLARS --for TIME%s`, or wait for the next %s",
		key, e.Max, e.Spent, kept, scope, e.Limit)
}
