package triage

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

func TestBooksAreABudget(t *testing.T) {
	r := newRig(t)
	r.at = time.Date(2026, 3, 31, 23, 59, 59, 0, time.UTC)
	var budget llm.Budget = &Books{
		Ledger: r.ledger, Now: func() time.Time { return r.at },
		Settings: &conf.Settings{Budget: conf.Budget{Day: new(winnow.NanoUSD(100)), Month: new(winnow.NanoUSD(150))}},
	}
	ctx := t.Context()
	n, err := budget.Reserve(ctx, llm.Charge{AlertID: "A", Model: "m", Reserve: 100})
	r.ok(err)
	_, err = budget.Reserve(ctx, llm.Charge{AlertID: "A", Model: "m", Reserve: 1})
	if limit, ok := errors.AsType[*llm.BudgetError](err); !ok || *limit != (llm.BudgetError{Limit: "day", Scope: "total", Max: 100, Spent: 100}) {
		t.Errorf("over the day's limit: %v", err)
	}
	_, err = budget.Reserve(ctx, llm.Charge{AlertID: "A", Model: "m", Unpriced: true})
	if limit, ok := errors.AsType[*llm.BudgetError](err); !ok || limit.Limit != "unpriced" {
		t.Errorf("without a price: %v", err)
	}
	r.at = r.at.Add(time.Second) // the next day, of the next month
	_, err = budget.Reserve(ctx, llm.Charge{AlertID: "A", Model: "m", Reserve: 100})
	r.ok(err)
	if err := budget.Settle(ctx, n, llm.Settlement{State: "paid"}); err == nil {
		t.Error("an unknown state was taken")
	}
	r.ok(budget.Settle(ctx, n, llm.Settlement{State: llm.Released, Reason: "rate"}))
	r.ok(r.ledger.Flush(ctx))
	r.view(func(tx *ledger.Tx) error {
		calls, err := tx.Calls("A")
		if len(calls) != 2 || calls[0].State != ledger.CallReleased || calls[0].BookedNano != 0 || calls[1].State != ledger.CallReserved {
			t.Errorf("calls %+v", calls)
		}
		return err
	})
}

// Without money an alert goes to a person: it is never closed, and never tried for ever.
func TestWithoutMoneyAPersonDecides(t *testing.T) {
	for severity, state := range map[winnow.Severity]winnow.State{
		winnow.SeverityInformational: winnow.StateInReview, winnow.SeverityMedium: winnow.StateInReview, winnow.SeverityCritical: winnow.StateEscalated,
	} {
		t.Run(severity.String(), func(t *testing.T) {
			r := newRig(t)
			r.model.err = &llm.BudgetError{Limit: "day", Max: 100, Spent: 100}
			a := r.alert("0")
			a.Severity = severity
			id := r.admit(Row{Alert: a, Proposal: passes}).ID
			r.turn()
			rec := r.record(id)
			want(t, rec, state, winnow.ReasonNoBudget)
			if rec.Verdict.Disposition != winnow.Undetermined || rec.Cost != (winnow.Cost{}) || r.model.questions() != 1 {
				t.Errorf("%d questions, %+v", r.model.questions(), rec)
			}
			if len(r.queued()) != 0 {
				t.Error("it still waits for a try")
			}
		})
	}
}

// Whatever way an alert takes to its outcome, its record says what was booked: failed tries too.
func TestFailedTriesCost(t *testing.T) {
	r := newRig(t).paid()
	tries := 0
	r.broken = analystFunc(func(in llm.Input) (llm.Analysis, error) {
		tries++
		n, err := r.books.Reserve(context.Background(), llm.Charge{AlertID: in.Alert.ID, Model: "m", Reserve: 5_000_000})
		if err == nil && tries == 1 {
			err = r.books.Settle(context.Background(), n, llm.Settlement{State: llm.Settled, Price: 1_000_000, InputTokens: 10})
		}
		return llm.Analysis{}, errors.Join(err, errNoAnswer)
	})
	id := r.admit(Row{Alert: r.alert("0"), Proposal: passes}).ID
	for i := range r.state.Settings.Worker.MaxAttempts {
		r.turn()
		wantCost := winnow.Cost{MicroUSD: 1000 + 5000*int64(i), Calls: i + 1, InputTokens: 10}
		if got := r.record(id).Cost; got != wantCost {
			t.Errorf("after %d tries the record says %+v, want %+v", i+1, got, wantCost)
		}
		r.at = r.at.Add(time.Hour)
	}
	want(t, r.record(id), winnow.StateEscalated, winnow.ReasonGaveUp+":analyst")
}
