package ledger

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
)

// tryCall reserves a call of so many tokens at most, and returns why it is refused.
func tryCall(t *testing.T, l *Ledger, source string, at time.Time, tokens int64, limits Limits) (n int64, refused *LimitError) {
	t.Helper()
	c := charge("A", at, 0)
	c.Source, c.Unpriced, c.Tokens, c.Bytes = source, true, tokens, 10
	n, err := l.Reserve(t.Context(), c, limits)
	if err != nil && !errors.As(err, &refused) {
		t.Fatal(err)
	}
	return n, refused
}

func used(t *testing.T, l *Ledger, n int64, state CallState, input, output int64) {
	t.Helper()
	if err := l.Settle(t.Context(), n, Settlement{State: state, InputTokens: input, OutputTokens: output}); err != nil {
		t.Fatal(err)
	}
}

func TestAModelWithoutAPriceHasItsOwnLimits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openAt(t, path)
	budget := Limits{Day: usd(1e9)}
	if _, refused := tryCall(t, l, "local", noon, 100, budget); refused == nil || refused.Limit != "unpriced" {
		t.Errorf("without limits of its own: %v", refused)
	}
	budget.PerDay = CallLimits{Calls: 3}
	if _, refused := tryCall(t, l, "local", noon, 100, budget); refused == nil || refused.Limit != "unpriced" {
		t.Errorf("with one of the two: %v", refused)
	}
	budget.PerDay.Tokens = 1000
	first, refused := tryCall(t, l, "local", noon, 400, budget)
	if refused != nil {
		t.Fatal(refused)
	}
	if _, refused := tryCall(t, l, "local", noon, 700, budget); refused == nil || refused.Limit != "tokens" || refused.Count != 400 || refused.MaxCount != 1000 {
		t.Errorf("beyond its tokens: %+v", refused)
	}
	used(t, l, first, CallSettled, 100, 50)
	second, refused := tryCall(t, l, "local", noon, 700, budget)
	if refused != nil {
		t.Error(refused)
	}
	used(t, l, second, CallReleased, 0, 0)
	if _, refused := tryCall(t, l, "other", noon, 1000, budget); refused != nil {
		t.Errorf("another model: %v", refused)
	}
	third, refused := tryCall(t, l, "local", noon, 600, budget) // stays on its way
	if refused != nil || third == 0 {
		t.Error(refused)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openAt(t, path) // 150 tokens, and a call of which nobody knows: 10 bytes, and 290 beside
	if _, refused := tryCall(t, l, "local", noon, 600, budget); refused == nil || refused.Limit != "tokens" || refused.Count != 150+10+590 {
		t.Errorf("after a restart: %+v", refused)
	}
	if n, refused := tryCall(t, l, "local", noon, 250, budget); refused != nil {
		t.Error(refused)
	} else {
		used(t, l, n, CallSettled, 1, 1)
	}
	if _, refused := tryCall(t, l, "local", noon, 10, budget); refused == nil || refused.Limit != "calls" || refused.Count != 3 || refused.Scope.String() != "model:local" {
		t.Errorf("beyond its calls: %+v", refused)
	}
	if _, refused := tryCall(t, l, "local", noon.Add(12*time.Hour), 1000, budget); refused != nil {
		t.Errorf("the next day: %v", refused)
	}
	if _, refused := tryCall(t, l, "local", noon, 10, budget); refused == nil || refused.Count != 3 {
		t.Errorf("with the clock set back: %+v", refused)
	}
}

// TestLimitsOfCallsHoldWithoutABudget: they are limits of their own, for priced models too.
func TestLimitsOfCallsHoldWithoutABudget(t *testing.T) {
	l := openNew(t)
	limits := Limits{PerDay: CallLimits{Calls: 2}}
	for i := range 3 {
		c := charge("A", noon, winnow.NanoUSD(5))
		_, err := l.Reserve(t.Context(), c, limits)
		if refused, ok := errors.AsType[*LimitError](err); ok != (i == 2) || ok && refused.Limit != "calls" {
			t.Errorf("call %d: %v", i, err)
		}
	}
}
