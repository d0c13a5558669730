package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/state"
)

// egressBudget makes an event of everything that is about to leave for a model, before it leaves: what cannot be
// told is not sent. Every caller of a model gets one around its budget:
//
//	Budget: &egressBudget{next: ledger, report: d.ReportEgress, now: g.now}
//
// Safe for concurrent use, as report must be.
type egressBudget struct {
	next   llm.Budget // nil books nothing
	report func(state.Egress) error
	now    func() time.Time
}

// Reserve books first, so that what the budget refuses is no event.
func (b *egressBudget) Reserve(ctx context.Context, c llm.Charge) (llm.Booking, error) {
	var booking llm.Booking
	if b.next != nil {
		var err error
		if booking, err = b.next.Reserve(ctx, c); err != nil {
			return booking, err
		}
	}
	if err := b.tell(c); err != nil {
		err = fmt.Errorf("write egress.ndjson: %w; nothing leaves without an event", err)
		return 0, errors.Join(err, b.Settle(ctx, booking, llm.Settlement{State: llm.Released, Reason: "no_event"}))
	}
	return booking, nil
}

func (b *egressBudget) tell(c llm.Charge) error {
	return b.report(state.Egress{
		Time: b.now(), AlertID: c.AlertID, Search: c.Search, Team: c.Team, Task: string(c.Task), Agent: c.Agent, Model: c.Model,
		Source: c.Source, Prompt: c.Prompt, Attempt: c.Attempt, Fields: c.Fields, Bytes: c.Bytes, SHA256: c.SHA256,
	})
}

// Settle is the budget's own.
func (b *egressBudget) Settle(ctx context.Context, booking llm.Booking, s llm.Settlement) error {
	if b.next == nil {
		return nil
	}
	return b.next.Settle(ctx, booking, s)
}
