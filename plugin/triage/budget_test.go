package triage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
)

// spend books dollars for a search, whatever the limits.
func (r *rig) spend(search string, dollars float64) {
	r.t.Helper()
	_, err := r.ledger.Reserve(r.t.Context(), ledger.Charge{
		AlertID: "A", Search: search, Severity: winnow.SeverityLow, Model: "m", Source: "large", Reserve: winnow.Dollars(dollars), At: r.at,
	}, ledger.Limits{})
	r.ok(err)
}

// warnings looks how budgets stand and returns what was told since the last time.
func (r *rig) warnings(w *Worker, seen *int) (out []string) {
	r.t.Helper()
	w.watched = time.Time{}
	r.ok(w.watchBudget(r.t.Context()))
	text, err := os.ReadFile(r.state.Path("status.ndjson"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	r.ok(err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, line := range lines[*seen:] {
		var s state.Status
		r.ok(json.Unmarshal([]byte(line), &s))
		if s.Event == "budget_warning" {
			out = append(out, strings.TrimSuffix(s.Budget.Scope+":"+s.Budget.Name, ":")+" "+s.Budget.Period+" "+s.Budget.Warning)
		}
	}
	*seen = len(lines)
	return out
}

func TestPeopleAreToldOfBudgetsOnce(t *testing.T) {
	r := newRig(t, "budget.day=100", "budget.month=10000", "search:VPN.budget_day=10", "search:None.budget_day=0")
	seen := 0
	for _, step := range []struct {
		at     string
		search string
		spend  float64
		do     func()
		want   []string
	}{
		{at: "2026-03-02 07:00", search: "Other", spend: 40}, // 137 until midnight; but nobody is awake
		{at: "2026-03-02 08:00", want: []string{"total day forecast"}},
		{at: "2026-03-02 09:00", search: "Other", spend: 15, want: []string{"total day 50%"}},
		{at: "2026-03-02 09:10", do: r.restart},
		{at: "2026-03-02 10:00", search: "VPN", spend: 9, want: []string{"search:VPN day 80%", "search:VPN day forecast"}},
		{at: "2026-03-02 11:00", search: "VPN", spend: 33, want: []string{"total day 95%", "search:VPN day 95%"}},
		{at: "2026-03-02 12:00", do: func() { r.raise(ledger.Total, 100) }}, // 97 of 200
		{at: "2026-03-02 17:00", search: "Other", spend: 4, want: []string{"total day 50%"}},
		{at: "2026-03-03 08:30"}, // a new day; the raise is over
		{at: "2026-03-03 09:00", search: "Other", spend: 51, want: []string{"total day 50%", "total day forecast"}},
		{at: "2026-03-03 09:30"},
	} {
		at, err := time.Parse("2006-01-02 15:04", step.at)
		r.ok(err)
		r.at = at
		if step.spend > 0 {
			r.spend(step.search, step.spend)
		}
		if step.do != nil {
			step.do()
		}
		if diff := cmp.Diff(step.want, r.warnings(r.worker(), &seen)); diff != "" {
			t.Errorf("%s: told (-want +got):\n%s", step.at, diff)
		}
	}
}

func (r *rig) raise(scope ledger.Scope, dollars float64) {
	r.t.Helper()
	r.update(func(t *ledger.Tx) error {
		return r.engine.RaiseBudget(t, BudgetRaise{
			Command: CommandBudget, Scope: scope.String(), NanoUSD: winnow.Dollars(dollars), At: r.at, Until: r.at.Add(6 * time.Hour), Actor: "ann", Reason: "a wave",
		})
	})
}

// A worker that looks every turn looks once a minute.
func TestBudgetsAreLookedAtOnceAMinute(t *testing.T) {
	r := newRig(t, "budget.day=100")
	w := r.worker()
	r.ok(w.watchBudget(t.Context()))
	r.spend("Other", 60)
	seen := 0
	r.at = r.at.Add(watchEvery - time.Second)
	r.ok(w.watchBudget(t.Context()))
	if _, err := os.Stat(r.state.Path("status.ndjson")); err == nil {
		t.Error("it looked again before a minute was over")
	}
	r.at = r.at.Add(time.Second)
	if got := r.warnings(w, &seen); len(got) != 2 {
		t.Errorf("told %v", got)
	}
}

func TestRaisesOfBudgetsAreChecked(t *testing.T) {
	r := newRig(t, "budget.day=100", "team:red.budget_month=5")
	good := BudgetRaise{
		Command: CommandBudget, Scope: "total", NanoUSD: 5e9, At: r.at, Until: r.at.Add(time.Hour), Actor: "ann", Reason: "a wave",
	}
	for name, c := range map[string]struct {
		change func(*BudgetRaise)
		want   string // "" when it is taken
	}{
		"as it is":             {func(*BudgetRaise) {}, ""},
		"of a team":            {func(b *BudgetRaise) { b.Scope = "team:red" }, ""},
		"without a limit":      {func(b *BudgetRaise) { b.Scope = "team:blue" }, "sets no limit"},
		"of no scope":          {func(b *BudgetRaise) { b.Scope = "rule:x" }, "unknown scope"},
		"by nobody":            {func(b *BudgetRaise) { b.Actor = "" }, "nobody is named"},
		"for no reason":        {func(b *BudgetRaise) { b.Reason = "" }, "--reason is missing"},
		"with a screen's code": {func(b *BudgetRaise) { b.Reason = "a\x1b[2Jb" }, "control characters"},
		"a long story":         {func(b *BudgetRaise) { b.Reason = strings.Repeat("x", 2000) }, "more than 1000 bytes"},
		"below zero":           {func(b *BudgetRaise) { b.NanoUSD = -1 }, "want 0 to a billion"},
		"for ever":             {func(b *BudgetRaise) { b.Until = b.At.AddDate(1, 0, 0) }, "at most 31d"},
		"from the future":      {func(b *BudgetRaise) { b.At = b.At.AddDate(1, 0, 0); b.Until = b.At.Add(time.Hour) }, "more than 31d"},
		"when it is over":      {func(b *BudgetRaise) { b.At = b.At.AddDate(0, 0, -1); b.Until = b.At.Add(time.Hour) }, "its time was over"},
		"to end nothing":       {func(b *BudgetRaise) { b.NanoUSD, b.Scope = 0, "search:x" }, "is not raised"},
		"another command":      {func(b *BudgetRaise) { b.Command = "clock" }, "no command budget"},
	} {
		b := good
		c.change(&b)
		err := r.engine.Update(t.Context(), func(tx *ledger.Tx) error { return r.engine.RaiseBudget(tx, b) })
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrBudgetRefused) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	body, err := good.Encode()
	r.ok(err)
	if got, err := DecodeBudgetRaise(body); err != nil || got != good {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := DecodeBudgetRaise(append(body, body...)); !errors.Is(err, ErrBudgetRefused) {
		t.Errorf("two in one: %v", err)
	}
}

func FuzzDecodeBudgetRaise(f *testing.F) {
	f.Add([]byte(`{"command":"budget","scope":"total","nanousd":5,"at":"2026-03-02T10:00:00Z","until":"2026-03-02T11:00:00Z","actor":"ann","reason":"x"}`))
	f.Add([]byte(`{"command":"budget","scope":"search:\u001b","nanousd":0}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := DecodeBudgetRaise(body)
		if err != nil {
			return
		}
		again, err := b.Encode()
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", b, err)
		}
		if got, err := DecodeBudgetRaise(again); err != nil || got.Scope != b.Scope || got.NanoUSD != b.NanoUSD || !got.Until.Equal(b.Until) {
			t.Errorf("%+v is read as %+v (%v)", b, got, err)
		}
	})
}

// The limits of a charge are those of its own search, team and model.
func TestBooksHoldACallAgainstItsOwnLimits(t *testing.T) {
	r := newRig(t, "budget.day=100", "search:VPN.budget_day=1", "team:red.budget_day=2", "team:unassigned.budget_day=3", "model:offline.budget_month=4")
	b := &Books{Ledger: r.ledger, Settings: r.state.Settings, Now: func() time.Time { return r.at }}
	for want, c := range map[string]llm.Charge{
		"search VPN day":            {Search: "VPN", Team: "blue", Reserve: 1_000_000_001},
		"team red day":              {Search: "Other", Team: "red", Reserve: 2_000_000_001, Severity: winnow.SeverityCritical},
		"team unassigned day":       {Search: "Other", Reserve: 3_000_000_001, Severity: winnow.SeverityCritical},
		"model offline month":       {Search: "Other", Team: "blue", Source: "offline", Reserve: 4_000_000_001, Severity: winnow.SeverityCritical},
		"total  day":                {Search: "Other", Team: "blue", Reserve: 50_000_000_001, Severity: winnow.SeverityLow},
		"search Other search_share": {Search: "Other", Team: "blue", Reserve: 50_000_000_001, Severity: winnow.SeverityCritical},
	} {
		c.AlertID, c.Model = "A", "m"
		_, err := b.Reserve(t.Context(), c)
		limit, ok := errors.AsType[*llm.BudgetError](err)
		if !ok || limit.Scope+" "+limit.Name+" "+limit.Limit != want {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// With when_spent = group one finding stands for all that wait for want of money, and is escalated once.
func TestOneFindingStandsForAllWithoutMoney(t *testing.T) {
	r := newRig(t, "budget.when_spent=group", "gate.place=owner")
	r.model.err = &llm.BudgetError{Limit: "day", Scope: "total", Max: 100, Spent: 100}
	admit := func(n int, search string, s winnow.Severity) {
		for i := range n {
			a := r.alert(fmt.Sprint(search, r.at.Unix(), i), "user", fmt.Sprint("user", i))
			a.SearchName, a.Severity = search, s
			r.admit(Row{Alert: a, Proposal: passes})
		}
		r.turn()
	}
	notables := func() (out []string) {
		for _, d := range r.sent() {
			if d.Kind == ledger.DeliverNotable {
				out = append(out, d.Record.SearchName+" "+string(d.Record.Outcome.State))
			}
		}
		return out
	}
	admit(3, "Port Scan", winnow.SeverityLow)
	admit(4, "VPN", winnow.SeverityMedium)
	admit(1, "Malware", winnow.SeverityCritical)
	want := []string{SearchUnpaid + " escalated", "Malware escalated"} // what is critical has its own
	if diff := cmp.Diff(want, notables()); diff != "" {
		t.Fatalf("notable events (-want +got):\n%s", diff)
	}
	says := func() (rec winnow.Record) {
		r.view(func(tx *ledger.Tx) error {
			u, err := readUnpaid(tx)
			if err != nil {
				return err
			}
			rec, err = tx.Record(u.ID)
			return err
		})
		return rec
	}
	w := r.worker()
	r.at = r.at.Add(time.Minute)
	r.ok(w.listUnpaid(t.Context(), r.at))
	const list = `The most severe first: medium "VPN": 4; low "Port Scan": 3.`
	if rec := says(); rec.Verdict.Case.Why != list || rec.Severity != winnow.SeverityMedium || rec.Outcome.State != winnow.StateEscalated {
		t.Errorf("%+v", rec)
	}
	admit(5, "Port Scan", winnow.SeverityLow)
	r.at = r.at.Add(time.Minute)
	r.ok(w.listUnpaid(t.Context(), r.at))
	if rec := says(); rec.Verdict.Case.Why != list {
		t.Errorf("it tells every minute: %+v", rec.Verdict.Case)
	}
	r.at = r.at.Add(retellAfter)
	r.ok(w.listUnpaid(t.Context(), r.at))
	if rec := says(); !strings.Contains(rec.Verdict.Case.Why, `low "Port Scan": 8`) || !strings.Contains(rec.Verdict.Case.What, "12 alerts wait") {
		t.Errorf("%+v", rec.Verdict.Case)
	}
	first := says().ID
	r.settle(first, winnow.Other, winnow.StateClosed) // somebody has dealt with it
	admit(1, "Port Scan", winnow.SeverityLow)
	if rec := says(); rec.ID == first || rec.Outcome.State != winnow.StateEscalated {
		t.Errorf("nothing stands for what comes after: %+v", rec)
	}
	if n := len(notables()); n != 3 {
		t.Errorf("%d notable events: %v", n, notables())
	}
}

// Nothing closes for want of money, whatever is done then.
func TestPromise2NothingClosesWithoutMoney(t *testing.T) {
	for _, spent := range []string{"offline", "group"} {
		for s := winnow.SeverityUnknown; s <= winnow.SeverityCritical; s++ {
			r := newRig(t, "budget.when_spent="+spent)
			r.model.err = fmt.Errorf("ask: %w", &llm.BudgetError{Limit: "day"})
			a := r.alert("0")
			a.Severity = s
			id := r.admit(Row{Alert: a, Proposal: passes}).ID
			r.turn()
			if rec := r.record(id); rec.Outcome.State == winnow.StateClosed || rec.Outcome.Reason != winnow.ReasonNoBudget {
				t.Errorf("%s, %s: %+v", spent, s, rec.Outcome)
			}
		}
	}
}

// payer is a model that books what it costs before it answers.
type payer struct {
	*script
	books llm.Budget
	price winnow.NanoUSD
}

func (p *payer) Answer(ctx context.Context, q llm.Question) (llm.Answer, error) {
	a := q.Case.Alert
	n, err := p.books.Reserve(ctx, llm.Charge{
		AlertID: a.ID, Search: a.SearchName, Severity: a.Severity, Task: q.Task, Agent: q.Agent, Model: "m", Source: "large", Attempt: 1, Reserve: p.price,
	})
	if err != nil {
		return llm.Answer{}, err
	}
	answer, err := p.script.Answer(ctx, q)
	answer.Usage.Price = p.price
	return answer, errors.Join(err, p.books.Settle(ctx, n, llm.Settlement{State: llm.Settled, Reason: "ok", Price: p.price}))
}
