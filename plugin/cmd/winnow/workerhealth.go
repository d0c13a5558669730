package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/plugin/health"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// deliveryReason is the word that counts for why a delivery failed.
func deliveryReason(err error) string {
	if errors.Is(err, triage.ErrHeld) {
		return "held"
	}
	if _, ok := errors.AsType[*triage.PanicError](err); ok {
		return "panic"
	}
	if e, ok := errors.AsType[*splunk.Error](err); ok {
		return string(e.Code)
	}
	return "other"
}

// healthPlace is where the worker of a deployment answers.
func healthPlace(d *state.Deployment) health.Place {
	return health.Place{Socket: d.Path("worker.sock"), Address: d.Settings.Worker.Listen}
}

// serveHealth answers for a worker until stop is called. That it cannot is no reason not to work.
func (g *globals) serveHealth(d *state.Deployment, p *parts, sinks []triage.Sink, log *slog.Logger) (stop func()) {
	if g.metrics == nil {
		return func() {}
	}
	g.metrics.Use(health.Source{
		Deployment: d, Now: g.now, Ledger: p.ledger, Breakers: p.models.breakers, Reconciled: reconciledUntil, Ahead: triage.ClockAhead,
		Awaited: func() map[string]int { return receiptsOf(sinks) },
		Budgets: func(t *ledger.Tx, now time.Time) ([]ledger.BudgetState, error) {
			return t.Budgets(triage.Budgets(d.Settings), now)
		},
	})
	cannot := func(err error) { log.Error("health and metrics are not answered", "err", err) }
	stop, err := health.Serve(g.metrics, healthPlace(d), cannot)
	if err != nil {
		cannot(err)
		return func() {}
	}
	return stop
}

// receiptsOf says of each sink that asks for receipts how many it waits for.
func receiptsOf(sinks []triage.Sink) map[string]int {
	out := map[string]int{}
	for _, s := range sinks {
		if a, ok := s.(splunk.Awaiter); ok {
			out[s.Name()] = a.Awaited()
		}
	}
	return out
}

// reconciledUntil returns how far what Splunk fired was compared with what is here.
func reconciledUntil(t *ledger.Tx) (time.Time, error) {
	s, _, err := triage.ReadReconcileState(t)
	return s.Until, err
}

// breakers says which models are left alone for a while.
func (m *models) breakers() map[string]bool {
	out := make(map[string]bool, len(m.callers))
	for name, c := range m.callers {
		out[name] = c.LeftAlone()
	}
	return out
}

// measure shows the content that is in force.
func (r *refresher) measure(gate *allowlist.Gate, problems error) {
	if r.metrics == nil {
		return
	}
	c := health.Content{
		Rules: len(gate.Rules.Rules()), Errors: len(flatten(problems)), Broken: gate.RulesErr != nil,
		GateOff: gate.Blind == winnow.ReasonGateOff, Mode: r.parts.Mode.Name != "", Run: r.parts.Settings.Gate.Run, At: r.now(),
	}
	for _, name := range gate.Lists.Names() {
		if _, err := gate.Lists.Get(name); err != nil {
			c.BadLists++
		} else {
			c.Lists++
		}
	}
	if gate.Suspensions != nil {
		c.Rule, c.Verdicts = len(gate.Suspensions.Rules), len(gate.Suspensions.Verdicts)
	}
	r.metrics.Loaded(c)
}

// countedBudget counts the attempts of calls that go through a budget. Safe for concurrent use.
type countedBudget struct {
	next    llm.Budget
	metrics *health.Metrics

	mu   sync.Mutex
	open map[llm.Booking]health.Attempt
}

func newCountedBudget(next llm.Budget, m *health.Metrics) *countedBudget {
	return &countedBudget{next: next, metrics: m, open: map[llm.Booking]health.Attempt{}}
}

// Reserve counts what the budget refuses.
func (b *countedBudget) Reserve(ctx context.Context, c llm.Charge) (llm.Booking, error) {
	a := health.Attempt{Model: c.Source, Kind: string(c.Task), Unpriced: c.Unpriced}
	booking, err := b.next.Reserve(ctx, c)
	if err != nil {
		a.Outcome, a.Unpriced = "not_booked", false
		if limit, ok := errors.AsType[*llm.BudgetError](err); ok {
			a.Outcome = "no_budget"
			b.metrics.Refused(limit.Scope, limit.Limit, c.Severity)
		}
		b.metrics.Attempted(a)
		return booking, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[booking] = a
	return booking, nil
}

// Settle counts what became of the attempt.
func (b *countedBudget) Settle(ctx context.Context, booking llm.Booking, s llm.Settlement) error {
	b.mu.Lock()
	a, ok := b.open[booking]
	delete(b.open, booking)
	b.mu.Unlock()
	if ok {
		a.Outcome, a.Booked = string(s.State), s.Price
		a.Input, a.Cached, a.CacheWrite, a.Output = s.InputTokens, s.CachedTokens, s.CacheWriteTokens, s.OutputTokens
		a.Tier, a.Tierless = s.Tier, strings.Contains(s.Reason, chat.ReasonUnknownTier)
		b.metrics.Attempted(a)
	}
	return b.next.Settle(ctx, booking, s)
}
