package triage

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// limitsOf are the limits for a call about an alert of a search and a team, put to a [model:NAME].
func limitsOf(s *conf.Settings, search, team, model string) ledger.Limits {
	if s == nil {
		return ledger.Limits{}
	}
	if team == "" {
		team = ledger.NoTeam
	}
	b, of, t, m := &s.Budget, s.Search(search), s.Teams[team], s.Models[model]
	return ledger.Limits{
		Day: b.Day, Month: b.Month, Search: ledger.Bounds{Day: of.BudgetDay, Month: of.BudgetMonth},
		Team: ledger.Bounds{Day: t.BudgetDay, Month: t.BudgetMonth}, Model: ledger.Bounds{Day: m.BudgetDay, Month: m.BudgetMonth},
		PerDay:   ledger.CallLimits{Calls: m.CallsPerDay, Tokens: m.TokensPerDay},
		Critical: ledger.ShareOf(b.ReserveCritical), High: ledger.ShareOf(b.ReserveHigh), SearchShare: ledger.ShareOf(b.SearchShare),
	}
}

// Budgets are all limits of the settings, that of everything first. A scope without one is left out, but for
// everything.
func Budgets(s *conf.Settings) []ledger.ScopeBounds {
	out := []ledger.ScopeBounds{{Scope: ledger.Total, Bounds: ledger.Bounds{Day: s.Budget.Day, Month: s.Budget.Month}}}
	add := func(kind ledger.ScopeKind, name string, day, month *winnow.NanoUSD) {
		if day != nil || month != nil {
			out = append(out, ledger.ScopeBounds{Scope: ledger.Scope{Kind: kind, Name: name}, Bounds: ledger.Bounds{Day: day, Month: month}})
		}
	}
	for name, v := range s.Searches {
		add(ledger.ScopeSearch, name, v.BudgetDay, v.BudgetMonth)
	}
	for name, v := range s.Teams {
		add(ledger.ScopeTeam, name, v.BudgetDay, v.BudgetMonth)
	}
	for name, v := range s.Models {
		add(ledger.ScopeModel, name, v.BudgetDay, v.BudgetMonth)
	}
	slices.SortFunc(out[1:], func(a, b ledger.ScopeBounds) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// Limited reports whether the settings limit a scope.
func Limited(s *conf.Settings, scope ledger.Scope) bool {
	return slices.ContainsFunc(Budgets(s), func(b ledger.ScopeBounds) bool {
		return b.Scope == scope && (b.Day != nil || b.Month != nil)
	})
}

// CommandBudget is the name of the spool command that a [BudgetRaise] is.
const CommandBudget = "budget"

// ErrBudgetRefused is wrapped by errors that say why a change of a budget can never be carried out.
var ErrBudgetRefused = errors.New("the budget is not changed")

// BudgetRaise adds to the limits of a scope for a time, or ends that.
type BudgetRaise struct {
	Command string         `json:"command"` // "budget"
	Scope   string         `json:"scope"`
	NanoUSD winnow.NanoUSD `json:"nanousd"` // 0 ends the raise
	At      time.Time      `json:"at"`
	Until   time.Time      `json:"until"` // with 0: as At
	Actor   string         `json:"actor"`
	Reason  string         `json:"reason"`
}

// Bounds of a raise: what is meant to last longer belongs into local/winnow.conf.
const (
	MaxRaiseTime = 31 * 24 * time.Hour
	maxRaiseText = 1000 // bytes of who and why
)

// Encode returns the body of the spool command.
func (b BudgetRaise) Encode() ([]byte, error) {
	b.Command = CommandBudget
	if _, err := b.check(); err != nil {
		return nil, err
	}
	return json.Marshal(b)
}

// DecodeBudgetRaise reads the body of a spool command: one raise, whole and with nothing else.
func DecodeBudgetRaise(body []byte) (b BudgetRaise, err error) {
	if err := DecodeCommand(body, &b); err != nil {
		return BudgetRaise{}, fmt.Errorf("%w: %w", ErrBudgetRefused, err)
	}
	_, err = b.check()
	return b, err
}

func (b *BudgetRaise) check() (scope ledger.Scope, err error) {
	bad := func(format string, args ...any) (ledger.Scope, error) {
		return scope, fmt.Errorf("%w: %s", ErrBudgetRefused, fmt.Sprintf(format, args...))
	}
	if scope, err = ledger.ParseScope(b.Scope); err != nil {
		return bad("%v", err)
	}
	odd := func(text string) bool {
		return len(text) > maxRaiseText || strings.ContainsFunc(text, unicode.IsControl)
	}
	lasts := b.Until.Sub(b.At)
	switch {
	case b.Command != CommandBudget:
		return bad("it is no command %s", CommandBudget)
	case b.Actor == "":
		return bad("nobody is named who changes it: give --by NAME")
	case odd(b.Actor), odd(b.Reason), odd(b.Scope):
		return bad("who, why or what holds control characters, or more than %d bytes", maxRaiseText)
	case b.NanoUSD < 0 || b.NanoUSD > 1e18:
		return bad("an amount of %d nano-dollars: want 0 to a billion dollars", b.NanoUSD)
	case b.At.IsZero():
		return bad("it has no time")
	case b.NanoUSD > 0 && b.Reason == "":
		return bad("--reason is missing: say why, for the record")
	case b.NanoUSD > 0 && (lasts <= 0 || lasts > MaxRaiseTime):
		return bad("it lasts %s, want more than nothing and at most 31d", lasts)
	}
	return scope, nil
}

// RaiseBudget carries a raise out, or ends one, and audits it. Errors that wrap ErrBudgetRefused say that it never can
// be.
func (e *Engine) RaiseBudget(t *ledger.Tx, b BudgetRaise) error {
	scope, err := b.check()
	if err != nil {
		return err
	}
	now := e.Now()
	switch {
	case b.NanoUSD == 0:
		err = t.EndRaise(scope, b.Actor, b.Reason, now)
	case !Limited(e.Settings, scope):
		return fmt.Errorf("%w: winnow.conf sets no limit for %.80q", ErrBudgetRefused, scope)
	case b.Until.Sub(now) > MaxRaiseTime+time.Hour: // clocks differ a little
		return fmt.Errorf("%w: it would last until %s, more than 31d", ErrBudgetRefused, b.Until.UTC().Format(time.RFC3339))
	case !now.Before(b.Until):
		return fmt.Errorf("%w: its time was over at %s", ErrBudgetRefused, b.Until.UTC().Format(time.RFC3339))
	default:
		err = t.SetRaise(ledger.Raise{Scope: scope, Amount: b.NanoUSD, At: now, Until: b.Until, Actor: b.Actor, Reason: b.Reason})
	}
	if errors.Is(err, ledger.ErrNoRaise) || errors.Is(err, ledger.ErrUnaudited) {
		return fmt.Errorf("%w: %w", ErrBudgetRefused, err)
	}
	return err
}
