package triage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Books books calls to models in the ledger, within [budget]: it is the llm.Budget of a deployment.
// Models must be asked outside of transactions, because each reserve is one. Safe for concurrent use.
type Books struct {
	Ledger   *ledger.Ledger
	Settings *conf.Settings // nil: there are no limits
	Now      func() time.Time

	// Replay books calls as those of `winnow replay`: they count against the limits, and are no cost of
	// the alert.
	Replay bool
}

// Reserve books the worst case of one attempt, durably.
func (b *Books) Reserve(ctx context.Context, c llm.Charge) (llm.Booking, error) {
	crash.Point("model.before-reserve")
	n, err := b.Ledger.Reserve(ctx, ledger.Charge{
		AlertID: c.AlertID, Search: c.Search, Team: c.Team, Severity: c.Severity, Task: string(c.Task), Agent: c.Agent,
		Model: c.Model, Source: c.Source, Prompt: c.Prompt, Attempt: c.Attempt, Replay: b.Replay,
		Reserve: c.Reserve, Tokens: c.Tokens, Unpriced: c.Unpriced, Fields: c.Fields, Bytes: c.Bytes, SHA256: c.SHA256, At: b.Now(),
	}, limitsOf(b.Settings, c.Search, c.Team, c.Source))
	if limit, ok := errors.AsType[*ledger.LimitError](err); ok {
		return 0, &llm.BudgetError{
			Limit: limit.Limit, Scope: string(limit.Scope.Kind), Name: limit.Scope.Name, Max: limit.Max, Spent: limit.Spent, Kept: limit.Kept,
			MaxCount: limit.MaxCount, Count: limit.Count,
		}
	}
	if err != nil {
		return 0, fmt.Errorf("book a call to %s: %w", c.Model, err)
	}
	crash.Point("model.reserved")
	return llm.Booking(n), nil
}

// Settle replaces the reserve by what the attempt cost.
func (b *Books) Settle(ctx context.Context, n llm.Booking, s llm.Settlement) error {
	crash.Point("model.replied")
	defer crash.Point("model.settled")
	states := map[llm.SettlementState]ledger.CallState{
		llm.Settled: ledger.CallSettled, llm.Released: ledger.CallReleased, llm.Unsettled: ledger.CallUnsettled,
	}
	state, ok := states[s.State]
	if !ok {
		return fmt.Errorf("settle call %d: unknown state %q", n, s.State)
	}
	return b.Ledger.Settle(ctx, int64(n), ledger.Settlement{
		State: state, Reason: s.Reason, InputTokens: s.InputTokens, CachedTokens: s.CachedTokens,
		CacheWriteTokens: s.CacheWriteTokens, OutputTokens: s.OutputTokens, Price: s.Price, Model: s.Model, Tier: s.Tier, Took: s.Took,
	})
}
