package report

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// outcomes are one alert of every kind, with the step where it belongs and whether analysts were
// asked about it.
var outcomes = []struct {
	source winnow.Source
	state  winnow.State
	would  winnow.State
	reason winnow.Reason
	step   string
	would2 string
	asked  bool
}{
	{winnow.SourceRule, winnow.StateClosed, "", winnow.ReasonRule, "closed by an allow-list rule", "", false},
	{winnow.SourceRule, winnow.StateClosed, "", winnow.ReasonCanary, "closed by an allow-list rule", "", true},
	{winnow.SourceCache, winnow.StateClosed, "", winnow.ReasonCached, "closed from the verdict cache", "", false},
	{winnow.SourceOffline, winnow.StateClosed, "", winnow.ReasonVerdict, "closed by offline analysts", "", true},
	{winnow.SourceModel, winnow.StateClosed, "", winnow.ReasonVerdict, "closed by a model", "", true},
	{winnow.SourcePerson, winnow.StateClosed, "", winnow.ReasonPerson, "closed by a person", "", true},
	{winnow.SourceModel, winnow.StateInReview, "", winnow.ReasonOpenCase, "joined an open case", "", false},
	{winnow.SourceOffline, winnow.StateInReview, "", winnow.ReasonUndecidable, "waits in the review queue", "", true},
	{winnow.SourceOffline, winnow.StateEscalated, "", winnow.ReasonMalicious, "escalated, ready to page", "", true},
	{winnow.SourceNone, winnow.StateEscalated, "", "gave_up:analyst", "escalated, ready to page", "", true},
	{winnow.SourceNone, winnow.StateLeft, winnow.StateLeft, winnow.ReasonOwn, "left as it was", "", false},
	{winnow.SourceRule, winnow.StateLeft, winnow.StateClosed, winnow.ReasonRule, "left as it was", "closed by an allow-list rule", false},
	{winnow.SourceOffline, winnow.StateLeft, winnow.StateEscalated, winnow.ReasonMalicious, "left as it was", "escalated, ready to page", true},
	{winnow.SourceNone, winnow.StateQueued, "", winnow.ReasonQueued, "queued", "", false},
}

// TestEveryOutcomeHasOneStep: each alert is counted in one row of the funnel, and only those that
// analysts saw are on the bill.
func TestEveryOutcomeHasOneStep(t *testing.T) {
	for _, o := range outcomes {
		y := &ledger.Tally{Source: o.source, State: o.state, Would: o.would, Reason: o.reason, Alerts: 1}
		f := funnel{}
		f.add(y)
		is, would := f.steps(1)
		if diff := cmp.Diff([]Step{{o.step, 1, 1}}, is); diff != "" {
			t.Errorf("%+v: funnel differs (-want +got):\n%s", y, diff)
		}
		if o.would2 == "" && len(would) > 0 || o.would2 != "" && (len(would) != 1 || would[0].Name != o.would2) {
			t.Errorf("%+v: would be in %v, want %q", y, would, o.would2)
		}
		if got := asked(y); got != o.asked {
			t.Errorf("%+v: asked = %v, want %v", y, got, o.asked)
		}
	}
}

// newLedger holds one alert of every kind, each of which has cost 3 micro-dollars.
func newLedger(t *testing.T) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	err = l.Update(t.Context(), func(tx *ledger.Tx) error {
		for i, o := range outcomes {
			a := winnow.Alert{ID: fmt.Sprintf("%02d", i), Key: winnow.Key{RID: fmt.Sprint(i)}, SearchName: "S", Received: noon}
			r := winnow.NewRecord(&a, winnow.Proposal{})
			r.Verdict.Source, r.Cost.MicroUSD = o.source, 3
			r.Outcome = winnow.Outcome{State: o.state, Would: o.would, Reason: o.reason}
			if err := tx.Add(ledger.Entry{Alert: a}, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newCost(t *testing.T, l *ledger.Ledger, model string, table *prices.Table) (c Cost) {
	t.Helper()
	s := &conf.Settings{Stages: map[string]conf.Stage{"enrich": {InputTokens: 1000, OutputTokens: 100}, "classify": {InputTokens: 2000, OutputTokens: 300}}}
	s.Pipeline.Model = model
	err := l.View(t.Context(), func(tx *ledger.Tx) (err error) {
		c, err = NewCost(tx, ledger.Span{}, s, table, noon)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func shippedPrices(t *testing.T) *prices.Table {
	t.Helper()
	path := filepath.Join("..", "..", "packaging", "app", "default", "prices.yaml")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	table, err := prices.Read(path, f)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestBillAddsUp(t *testing.T) {
	table := shippedPrices(t)
	c := newCost(t, newLedger(t), "gpt-5.4-mini", table)
	price, ok := table.Price("gpt-5.4-mini", noon)
	if !ok || !c.Priced {
		t.Fatal("no price")
	}
	total := 0
	for _, s := range c.Funnel {
		total += s.Alerts
	}
	if n := len(outcomes); c.Alerts != n || total != n || c.Paid != int64(3*n) || c.Asked != 8 {
		t.Errorf("%d alerts, %d in the funnel, %d asked, paid %d", c.Alerts, total, c.Asked, c.Paid)
	}
	// Two calls an alert, with the fixed tokens of the stages and at least none of its own.
	least := price.Cost(prices.Usage{Input: 3000, Output: 400}).Micro()
	if c.PerCall < least || c.PerCall > least*11/10 {
		t.Errorf("an alert costs %d, want little more than %d", c.PerCall, least)
	}
	if c.Saved != c.Without-c.With || c.With <= 0 || c.Without < c.With {
		t.Errorf("without %d, with %d, saved %d", c.Without, c.With, c.Saved)
	}
	near := func(a, b int64) bool { return max(a-b, b-a) <= int64(c.Alerts) } // each is rounded up by itself
	if !near(c.Without, c.PerCall*int64(c.Alerts)) || !near(c.With, c.PerCall*int64(c.Asked)) {
		t.Errorf("without %d, with %d do not follow from %d an alert", c.Without, c.With, c.PerCall)
	}
}

// TestNoPriceIsNoBill: estimates that cannot be made are missing, never zero that looks like free.
func TestNoPriceIsNoBill(t *testing.T) {
	l := newLedger(t)
	for name, c := range map[string]Cost{
		"unknown model": newCost(t, l, "no-such-model", shippedPrices(t)),
		"no table":      newCost(t, l, "gpt-5.4-mini", nil),
	} {
		if c.Priced || c.Without+c.With+c.Saved+c.PerCall != 0 || c.Alerts != len(outcomes) || len(c.Funnel) == 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
