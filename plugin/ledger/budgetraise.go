package ledger

import (
	"errors"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
)

// Raise is what a person adds to the limits of a scope for a time: to that of the day and that of the month. It ends
// by itself; what it was spent on stays booked.
type Raise struct {
	Scope

	Amount winnow.NanoUSD
	At     time.Time
	Until  time.Time
	Actor  string
	Reason string
}

// In reports whether the raise counts at a time. One that begins in the future does not: a clock that was set back
// must not make it last longer.
func (r *Raise) In(at time.Time) bool { return !at.Before(r.At) && at.Before(r.Until) }

// ErrNoRaise says that there is nothing to end.
var ErrNoRaise = errors.New("the budget is not raised")

// SetRaise puts a raise in the place of the one that the scope has, and audits it. Where nothing can be audited it
// returns ErrUnaudited: more is spent by it. What was told of limits of the scope may be told again, because they are
// others now.
func (t *Tx) SetRaise(r Raise) error {
	switch {
	case r.Amount <= 0 || r.Amount > maxRaise:
		return fmt.Errorf("ledger: raise by %s: want more than nothing, and at most %s", r.Amount, maxRaise)
	case !r.At.Before(r.Until):
		return errors.New("ledger: a raise ends after it begins")
	}
	until := r.Until.UTC()
	err := t.Note(audit.KindBudget, micro(r.At), audit.Budget{
		Actor: r.Actor, NanoUSD: int64(r.Amount), Reason: r.Reason, Scope: r.String(), Until: &until,
	})
	if err != nil {
		return err
	}
	err = t.exec("INSERT OR REPLACE INTO budget_raises (scope, name, amount, at, until, actor, reason) VALUES (?,?,?,?,?,?,?)",
		string(r.Kind), r.Name, r.Amount, micro(r.At), micro(r.Until), r.Actor, r.Reason)
	if err != nil {
		return err
	}
	t.sums.raises = nil
	return t.exec("DELETE FROM budget_told WHERE scope = ? AND name = ?", string(r.Kind), r.Name)
}

// maxRaise is the most that a limit can be raised by: a billion dollars.
const maxRaise winnow.NanoUSD = 1e18

// EndRaise ends the raise of a scope before its time, and audits that as far as it can be. It returns ErrNoRaise when
// there is none that counts.
func (t *Tx) EndRaise(scope Scope, actor, reason string, at time.Time) error {
	raises, err := t.readRaises()
	if err != nil {
		return err
	}
	was, ok := raises[scope]
	if !ok || !was.In(at) {
		return fmt.Errorf("%w: %.80q", ErrNoRaise, scope)
	}
	err = t.note(audit.KindBudget, "", micro(at), audit.Budget{Actor: actor, Reason: reason, Scope: scope.String()})
	if err != nil {
		return err
	}
	t.sums.raises = nil
	return t.exec("DELETE FROM budget_raises WHERE scope = ? AND name = ?", string(scope.Kind), scope.Name)
}

// Raises returns the raises that count at a time.
func (t *Tx) Raises(at time.Time) (out []Raise, err error) {
	err = t.eachRaise(func(r Raise) {
		if r.In(at) {
			out = append(out, r)
		}
	})
	return out, err
}

// raised is by how much the limits of a scope are raised at a time.
func (t *Tx) raised(scope Scope, at time.Time) (winnow.NanoUSD, error) {
	raises, err := t.readRaises()
	if r, ok := raises[scope]; ok && r.In(at) {
		return r.Amount, err
	}
	return 0, err
}

func (t *Tx) readRaises() (map[Scope]Raise, error) {
	if t.sums.raises != nil {
		return t.sums.raises, nil
	}
	all := map[Scope]Raise{}
	if err := t.eachRaise(func(r Raise) { all[r.Scope] = r }); err != nil {
		return nil, err
	}
	t.sums.raises = all
	return all, nil
}

func (t *Tx) eachRaise(f func(Raise)) error {
	return t.each("SELECT scope, name, amount, at, until, actor, reason FROM budget_raises ORDER BY at, scope, name", nil,
		func(scan func(...any) error) error {
			var r Raise
			var at, until int64
			if err := scan(&r.Kind, &r.Name, &r.Amount, &at, &until, &r.Actor, &r.Reason); err != nil {
				return err
			}
			r.At, r.Until = timeOf(at), timeOf(until)
			f(r)
			return nil
		})
}

// ScopeBounds are the limits of a scope.
type ScopeBounds struct {
	Scope
	Bounds
}

// BudgetState is a limit, or what is booked where there is none, at one moment.
type BudgetState struct {
	Scope
	Sum

	Period   Period
	From, To time.Time
	Limit    *winnow.NanoUSD // with what it is raised by; nil: none
	Raised   winnow.NanoUSD
	Expected winnow.NanoUSD // booked at the end, at the present rate; see [Tx.expected]
}

// Left is what may still be booked by an alert of the highest severity, 0 without a limit.
func (b *BudgetState) Left() winnow.NanoUSD {
	if b.Limit == nil {
		return 0
	}
	return max(*b.Limit-b.Booked, 0)
}

// LeftFor is what may still be booked by an alert of a severity, where shares are kept for critical and high ones.
func (b *BudgetState) LeftFor(severity winnow.Severity, critical, high Share) winnow.NanoUSD {
	if b.Limit == nil || b.Kind == ScopeSearch {
		return b.Left()
	}
	l := Limits{Critical: critical, High: high}
	return max(b.Left()-l.kept(*b.Limit, b.Sum, severity), 0)
}

// Used is the part of the limit that is booked: 0 without one, 1 of a limit of nothing.
func (b *BudgetState) Used() float64 {
	switch {
	case b.Limit == nil:
		return 0
	case *b.Limit <= 0:
		return 1
	}
	return float64(b.Booked) / float64(*b.Limit)
}

// Budgets returns how the limits stand. What is booked for everything is always among it.
func (t *Tx) Budgets(limits []ScopeBounds, now time.Time) (out []BudgetState, err error) {
	if err := t.keepSums(); err != nil {
		return nil, err
	}
	for _, l := range limits {
		for _, p := range periods {
			bound := l.of(p)
			if bound == nil && l.Scope != Total {
				continue
			}
			one, err := t.budget(l.Scope, p, bound, now)
			if err != nil {
				return nil, err
			}
			out = append(out, one)
		}
	}
	return out, nil
}

func (t *Tx) budget(scope Scope, p Period, bound *winnow.NanoUSD, now time.Time) (b BudgetState, err error) {
	b = BudgetState{Scope: scope, Period: p}
	b.From, b.To = p.Span(now)
	if b.Sum, err = t.sum(scope, p, b.From); err != nil {
		return b, err
	}
	if bound != nil {
		if b.Raised, err = t.raised(scope, now); err != nil {
			return b, err
		}
		limit := plus(max(*bound, 0), b.Raised)
		b.Limit = &limit
	}
	b.Expected, err = t.expected(&b, now)
	return b, err
}

// Of a day that is younger than this nobody can say what it will cost.
const rateAfter = 2 * time.Hour

// rateDays are the whole days whose mean is the present rate of a month.
const rateDays = 7

// expected is what will be booked when the period ends, if it goes on as it does: a day at the rate since it began, once
// two hours are over, a month at the mean of the last seven whole days, as far as there are days on which something
// was booked. Until either can be said it is what is booked.
func (t *Tx) expected(b *BudgetState, now time.Time) (winnow.NanoUSD, error) {
	today, _ := PeriodDay.Span(now)
	if b.Period == PeriodDay {
		return grown(b.Booked, b.Booked, now.Sub(today), b.To.Sub(now)), nil
	}
	days, sum := 0, winnow.NanoUSD(0)
	for n := rateDays; n > 0; n-- {
		day, err := t.readSum(b.Scope, micro(today.AddDate(0, 0, -n)), micro(today.AddDate(0, 0, 1-n)))
		if err != nil {
			return 0, err
		}
		if sum = plus(sum, day.Booked); sum > 0 {
			days++
		}
	}
	if days > 0 {
		return grown(b.Booked, sum, time.Duration(days)*24*time.Hour, b.To.Sub(now)), nil
	}
	day, err := t.sum(b.Scope, PeriodDay, today)
	return grown(b.Booked, day.Booked, now.Sub(today), b.To.Sub(now)), err
}

// grown adds to what is booked what comes in the time that is left, at the rate of an amount in a time.
func grown(booked, amount winnow.NanoUSD, in, left time.Duration) winnow.NanoUSD {
	if in < rateAfter {
		return booked
	}
	more := float64(amount) / in.Seconds() * left.Seconds()
	return plus(booked, winnow.NanoUSD(min(more, float64(maxRaise))))
}

// toldFor is how long it is remembered what was told of budgets.
const toldFor = 62 * 24 * time.Hour

// Told notes that something was told of a budget, in the period that begins then. It reports whether that is new.
func (t *Tx) Told(scope Scope, p Period, from time.Time, what string, now time.Time) (first bool, err error) {
	var one int
	first, err = t.get(`INSERT INTO budget_told (scope, name, period, start, what, at) VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING RETURNING 1`,
		[]any{string(scope.Kind), scope.Name, string(p), micro(from), what, micro(now)}, &one)
	if err != nil || !first {
		return false, err
	}
	return true, t.exec("DELETE FROM budget_told WHERE start < ?", micro(now.Add(-toldFor)))
}

// WasTold reports whether something was told already, see [Tx.Told].
func (t *Tx) WasTold(scope Scope, p Period, from time.Time, what string) (bool, error) {
	var one int
	return t.get("SELECT 1 FROM budget_told WHERE scope = ? AND name = ? AND period = ? AND start = ? AND what = ?",
		[]any{string(scope.Kind), scope.Name, string(p), micro(from), what}, &one)
}
