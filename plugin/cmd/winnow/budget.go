package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

const budgetRaiseHelp = `Add to a limit of winnow.conf for a time: to that of the day and that of the month, as far as there are both.
It ends by itself, or with 0 in place of the amount, or with ` + "`winnow budget lower`" + `. Another raise of the same
scope takes its place. Who raised what, until when and why is in the audit chain. What is spent meanwhile
stays booked.`

type budgetFlags struct {
	scope, lasts, reason, by string
}

func budgetCommand(g *globals) *cobra.Command {
	var f budgetFlags
	show := withCSV(&cobra.Command{
		Use: "show", Short: "what is booked, what is left, and what is raised", Args: cobra.NoArgs,
		Long: `Show every limit of winnow.conf with what is booked of it: [budget] day and month, and budget_day and
budget_month of [search:NAME], [team:NAME] and [model:NAME]. Days and months are of UTC. LOW is what an alert
of severity medium or less may still book, HIGH one of severity high or unknown, LEFT a critical one: shares
of every limit are kept for them. EXPECTED is what will be booked at the end, at the present rate.`,
		Example: `  winnow budget show
  winnow budget show --format json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.budgetShow(cmd.Context()) },
	})
	raise := &cobra.Command{
		Use: "raise DOLLARS", Short: "raise a limit for a time", Long: budgetRaiseHelp, Args: cobra.ExactArgs(1),
		Example: `  winnow budget raise 50 --for 6h --reason "phishing wave"
  winnow budget raise 5.50 --for 2d --scope "search:Impossible Travel" --reason "new sensor"
  winnow budget raise 0`,
		RunE: func(cmd *cobra.Command, args []string) error { return g.budgetRaise(cmd.Context(), args[0], &f) },
	}
	raise.Flags().StringVar(&f.lasts, "for", "", "how long: a `TIME` like 6h, a whole number and m, h or d, at most 30d")
	lower := &cobra.Command{
		Use: "lower", Short: "end a raise before its time", Args: cobra.NoArgs,
		Example: `  winnow budget lower
  winnow budget lower --scope team:identity`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.budgetRaise(cmd.Context(), "0", &f) },
	}
	for _, c := range []*cobra.Command{raise, lower} {
		c.Flags().StringVar(&f.scope, "scope", "total", "the `SCOPE` of the limits: total, search:NAME, team:NAME or model:NAME")
		c.Flags().StringVar(&f.reason, "reason", "", "the `TEXT` that says why, for the record")
		c.Flags().StringVar(&f.by, "by", "", "the `NAME` of who changes it (default: whoever runs this)")
	}
	return group("budget", "what models may cost, and what is left of it", `  winnow budget show
  winnow budget raise 50 --for 6h --reason "phishing wave"`, show, raise, lower)
}

// budgetShown is what `budget show` prints as JSON. Amounts are micro-dollars.
type budgetShown struct {
	Time      time.Time      `json:"time"`
	WhenSpent conf.WhenSpent `json:"when_spent"`
	Budgets   []budgetLimit  `json:"budgets"`
	Raises    []budgetRaised `json:"raises"`
}

type budgetLimit struct {
	ledger.Scope
	Period   ledger.Period `json:"period"`
	From     time.Time     `json:"from"`
	To       time.Time     `json:"to"`
	Limit    *int64        `json:"limit_microusd"` // with what it is raised by; null: none
	Raised   int64         `json:"raised_microusd"`
	Booked   int64         `json:"booked_microusd"`
	High     int64         `json:"booked_high_microusd"` // of it, for alerts of severity high and unknown
	Critical int64         `json:"booked_critical_microusd"`
	Left     *int64        `json:"left_microusd"`      // for an alert of severity critical
	LeftHigh *int64        `json:"left_high_microusd"` // high or unknown
	LeftLow  *int64        `json:"left_low_microusd"`  // medium or less
	Expected int64         `json:"expected_microusd"`  // at the end, at the present rate
}

type budgetRaised struct {
	ledger.Scope
	Amount int64     `json:"amount_microusd"`
	At     time.Time `json:"time"`
	Until  time.Time `json:"until"`
	Actor  string    `json:"actor"`
	Reason string    `json:"reason"`
}

func (g *globals) budgetShow(ctx context.Context) error {
	out := budgetShown{Time: g.now().UTC()}
	err := g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		b := &d.Settings.Budget
		out.WhenSpent = b.WhenSpent
		states, err := t.Budgets(triage.Budgets(d.Settings), out.Time)
		if err != nil {
			return err
		}
		for i := range states {
			out.Budgets = append(out.Budgets, shownLimit(&states[i], ledger.ShareOf(b.ReserveCritical), ledger.ShareOf(b.ReserveHigh)))
		}
		raises, err := t.Raises(out.Time)
		for _, r := range raises {
			out.Raises = append(out.Raises, budgetRaised{r.Scope, r.Amount.Micro(), r.At, r.Until, r.Actor, r.Reason})
		}
		return err
	})
	if err != nil {
		return err
	}
	return g.printBudget(&out)
}

func shownLimit(b *ledger.BudgetState, critical, high ledger.Share) budgetLimit {
	out := budgetLimit{
		Scope: b.Scope, Period: b.Period, From: b.From, To: b.To, Raised: b.Raised.Micro(), Booked: b.Booked.Micro(), High: b.High.Micro(),
		Critical: b.Critical.Micro(), Expected: b.Expected.Micro(),
	}
	if b.Limit == nil {
		return out
	}
	// Rounded down: what is left is never shown as more than it is.
	left := func(s winnow.Severity) *int64 { return new(int64(b.LeftFor(s, critical, high)) / 1000) }
	out.Limit, out.Left = new(int64(*b.Limit)/1000), left(winnow.SeverityCritical)
	out.LeftHigh, out.LeftLow = left(winnow.SeverityHigh), left(winnow.SeverityLow)
	return out
}

func (g *globals) printBudget(b *budgetShown) error {
	if g.format == formatJSON {
		b.Budgets, b.Raises = orEmpty(b.Budgets), orEmpty(b.Raises)
		return g.json(b)
	}
	usd := func(micro int64) string { return (winnow.NanoUSD(micro) * 1000).String() }
	or := func(micro *int64) string {
		if micro == nil {
			return "-"
		}
		return usd(*micro)
	}
	table := &grid{
		head: []string{"SCOPE", "NAME", "PERIOD", "LIMIT", "RAISED", "BOOKED", "LOW", "HIGH", "LEFT", "EXPECTED"},
		num:  map[int]bool{3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true},
	}
	for i := range b.Budgets {
		l := &b.Budgets[i]
		table.add(string(l.Kind), orDash(oneLine(l.Name, 40)), string(l.Period), or(l.Limit), usd(l.Raised), usd(l.Booked), or(l.LeftLow),
			or(l.LeftHigh), or(l.Left), usd(l.Expected))
	}
	if g.format == formatCSV {
		return g.csv(table)
	}
	g.text(table)
	for _, r := range b.Raises {
		g.print("%s is raised by %s until %s, by %s: %s", oneLine(r.String(), 60), usd(r.Amount), r.Until.UTC().Format(time.RFC3339),
			oneLine(r.Actor, 60), oneLine(r.Reason, 200))
	}
	return nil
}

// budgetRaise hands a raise, or with 0 its end, to the worker, or carries it out when none runs.
func (g *globals) budgetRaise(ctx context.Context, amount string, f *budgetFlags) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	b, scope, err := g.newRaise(d, amount, f)
	if err != nil {
		return err
	}
	body, err := b.Encode()
	if err != nil {
		return usage(err)
	}
	if err := g.mayRaise(ctx, d, scope, b.NanoUSD); err != nil {
		return err
	}
	done := false
	err = g.handOver(ctx, d, body, func(e *decider) error {
		done = true
		return e.engine.Update(ctx, func(t *ledger.Tx) error { return e.engine.RaiseBudget(t, b) })
	})
	switch {
	case errors.Is(err, ledger.ErrUnaudited):
		return err
	case errors.Is(err, triage.ErrBudgetRefused):
		return usage(err)
	case err != nil:
		return err
	case !done:
		g.note("handed to the worker; `winnow budget show` says whether it was taken")
	case b.NanoUSD == 0:
		g.print("the budget of %s is not raised any more", oneLine(b.Scope, 60))
	default:
		g.print("the budget of %s is raised by %s until %s", oneLine(b.Scope, 60), b.NanoUSD, b.Until.UTC().Format(time.RFC3339))
	}
	return nil
}

// newRaise reads what the flags say.
func (g *globals) newRaise(d *state.Deployment, amount string, f *budgetFlags) (b triage.BudgetRaise, scope ledger.Scope, err error) {
	n, err := conf.ParseDollars(amount)
	if err != nil {
		return b, scope, usage(err)
	}
	if scope, err = ledger.ParseScope(f.scope); err != nil {
		return b, scope, usage(fmt.Errorf("--scope: %w", err))
	}
	now := g.now().UTC()
	b = triage.BudgetRaise{
		Command: triage.CommandBudget, Scope: scope.String(), NanoUSD: n, At: now, Until: now, Actor: cmp.Or(f.by, userName()), Reason: f.reason,
	}
	if n == 0 {
		if f.lasts != "" {
			return b, scope, usage(errors.New("--for with an amount of 0, which ends the raise: leave one of them out"))
		}
		return b, scope, nil
	}
	lasts, err := parseLasts(f.lasts)
	if err != nil {
		return b, scope, err
	}
	b.Until = now.Add(lasts)
	if !triage.Limited(d.Settings, scope) {
		return b, scope, usage(fmt.Errorf("winnow.conf sets no limit for %s, so there is none to raise", oneLine(scope.String(), 80)),
			"`winnow budget show` lists those that there are")
	}
	return b, scope, nil
}

// mayRaise finds out now what the worker would refuse later.
func (g *globals) mayRaise(ctx context.Context, d *state.Deployment, scope ledger.Scope, amount winnow.NanoUSD) error {
	l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db"))
	if err != nil {
		return err
	}
	raised := false
	err = l.View(ctx, func(t *ledger.Tx) error {
		raises, err := t.Raises(g.now())
		for _, r := range raises {
			raised = raised || r.Scope == scope
		}
		return err
	})
	if err = errors.Join(err, l.Close()); err == nil && amount == 0 && !raised {
		err = usage(fmt.Errorf("the budget of %s is not raised", oneLine(scope.String(), 80)), "`winnow budget show` lists what is")
	}
	return err
}

// applyBudget carries a raise out for the worker.
func applyBudget(t *ledger.Tx, engine *triage.Engine, body []byte, log *slog.Logger) error {
	b, err := triage.DecodeBudgetRaise(body)
	if err == nil {
		err = engine.RaiseBudget(t, b)
	}
	if errors.Is(err, triage.ErrBudgetRefused) {
		log.Error("raise of a budget refused", "scope", b.Scope, "err", err)
		return nil
	}
	if err == nil {
		log.Warn("a budget was changed by a person's word", "scope", b.Scope, "by", b.Actor, "dollars", b.NanoUSD.String(), "until", b.Until)
	}
	return err
}

// budgets looks how limits of money stand.
func (x *diagnosis) budgets(t *ledger.Tx) error {
	now := x.g.now()
	states, err := t.Budgets(triage.Budgets(x.d.Settings), now)
	if err != nil {
		return err
	}
	for i := range states {
		b := &states[i]
		if b.Limit != nil && b.Used() >= budgetMentioned {
			x.warn("budget", "`winnow budget raise`, or let people decide: nothing closes for want of money", "%s of the %s that %s may cost this %s is booked",
				b.Booked, *b.Limit, oneLine(b.String(), 60), b.Period)
		}
	}
	raises, err := t.Raises(now)
	for _, r := range raises {
		x.warn("budget", "`winnow budget lower` ends it", "%s is raised by %s until %s, by %s", oneLine(r.String(), 60), r.Amount,
			r.Until.UTC().Format(time.RFC3339), oneLine(r.Actor, 60))
	}
	return err
}

// budgetMentioned is the part of a limit from which on doctor mentions it.
const budgetMentioned = 0.9
