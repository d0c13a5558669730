package triage

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
)

// watchEvery is how often the worker looks how budgets stand.
const watchEvery = time.Minute

// forecastWarning is what a limit is told of that will not last. The others are shares.
const forecastWarning = "forecast"

// budgetWarning is something that people have to be told of a limit.
type budgetWarning struct {
	ledger.BudgetState

	what []string // what it says, the last of which is told: who hears of 95% need not hear of 50% after
	from time.Time
}

// watchBudget tells people when much of a limit is booked, and when it will not last. It is a few point reads
// while there is nothing to tell.
func (w *Worker) watchBudget(ctx context.Context) error {
	now := w.Engine.Now()
	if now.Sub(w.watched).Abs() < watchEvery {
		return nil
	}
	w.watched = now
	var all []budgetWarning
	err := w.Engine.Ledger.View(ctx, func(t *ledger.Tx) error {
		states, err := t.Budgets(Budgets(w.Engine.Settings), now)
		for i := range states {
			for _, one := range w.Engine.budgetWarnings(&states[i], now) {
				told, err := t.WasTold(one.Scope, one.Period, one.from, one.last())
				if err != nil {
					return err
				}
				if !told {
					all = append(all, one)
				}
			}
		}
		return err
	})
	if err == nil && len(all) > 0 {
		err = w.Engine.Update(ctx, func(t *ledger.Tx) error { return w.tellBudgets(t, all, now) })
	}
	if err == nil {
		err = w.listUnpaid(ctx, now)
	}
	if err != nil {
		return fmt.Errorf("look how budgets stand: %w", err)
	}
	return nil
}

// budgetWarnings are what there is to say of a limit: the shares that are booked, and that it will not last, which
// is said once a day and while people are awake.
func (e *Engine) budgetWarnings(b *ledger.BudgetState, now time.Time) (out []budgetWarning) {
	if b.Limit == nil || *b.Limit <= 0 {
		return nil
	}
	c := &e.Settings.Budget
	shares := budgetWarning{BudgetState: *b, from: b.From}
	for _, at := range c.WarnAt {
		if b.Used() >= at {
			shares.what = append(shares.what, strconv.FormatFloat(at*100, 'g', 6, 64)+"%")
		}
	}
	if len(shares.what) > 0 {
		out = append(out, shares)
	}
	if b.Expected > *b.Limit && b.Booked <= *b.Limit && c.AwakeTz != nil && c.Awake.Contain(now.In(c.AwakeTz)) {
		today, _ := ledger.PeriodDay.Span(now)
		out = append(out, budgetWarning{*b, []string{forecastWarning}, today})
	}
	return out
}

func (b *budgetWarning) last() string { return b.what[len(b.what)-1] }

// tellBudgets writes the events, and notes that they are written: one that dies in between tells twice, and never
// not at all.
func (w *Worker) tellBudgets(t *ledger.Tx, all []budgetWarning, now time.Time) error {
	for i := range all {
		one := &all[i]
		first := false
		for _, what := range one.what {
			var err error
			if first, err = t.Told(one.Scope, one.Period, one.from, what, now); err != nil {
				return err
			}
		}
		if !first {
			continue
		}
		crash.Point("budget.before-warning")
		if err := w.State.Report(one.status(now)); err != nil {
			return fmt.Errorf("write status.ndjson: %w", err)
		}
		crash.Point("budget.after-warning")
		w.Engine.Meter.BudgetTold(string(one.Kind), string(one.Period), one.last())
		w.Log.Warn("much of a budget is booked", "warning", one.last(), "scope", one.String(), "period", string(one.Period),
			"limit", one.Limit.String(), "booked", one.Booked.String(), "expected", one.Expected.String())
	}
	return nil
}

func (b *budgetWarning) status(now time.Time) state.Status {
	return state.Status{Time: now, Event: "budget_warning", Level: "warning", Budget: &state.BudgetWarning{
		Warning: b.last(), Scope: string(b.Kind), Name: b.Name, Period: string(b.Period), From: b.From,
		Limit: b.Limit.Micro(), Booked: b.Booked.Micro(), Expected: b.Expected.Micro(),
	}}
}
