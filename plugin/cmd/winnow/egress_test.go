package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/state"
)

type fakeBudget struct {
	refuse  error
	settled []llm.Settlement
}

func (b *fakeBudget) Reserve(context.Context, llm.Charge) (llm.Booking, error) { return 7, b.refuse }

func (b *fakeBudget) Settle(_ context.Context, _ llm.Booking, s llm.Settlement) error {
	b.settled = append(b.settled, s)
	return nil
}

func TestEgress(t *testing.T) {
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	charge := llm.Charge{AlertID: "01J0", Search: "S", Task: llm.TaskClassify, Model: "m", Fields: []string{"src"}, Bytes: 9, SHA256: "sha256:x", Reserve: 5}
	told := state.Egress{Time: at, AlertID: "01J0", Search: "S", Task: "classify", Model: "m", Fields: []string{"src"}, Bytes: 9, SHA256: "sha256:x"}
	full, broke := errors.New("disk full"), &llm.BudgetError{Limit: "day"}
	for _, c := range []struct {
		name    string
		next    *fakeBudget
		cannot  error
		events  []state.Egress
		err     error
		settled []llm.Settlement
	}{
		{name: "sent", next: &fakeBudget{}, events: []state.Egress{told}},
		{name: "nothing is booked", events: []state.Egress{told}},
		{name: "no money", next: &fakeBudget{refuse: broke}, err: broke},
		{name: "no event", next: &fakeBudget{}, cannot: full, err: full, settled: []llm.Settlement{{State: llm.Released, Reason: "no_event"}}},
		{name: "no event, nothing is booked", cannot: full, err: full},
	} {
		var events []state.Egress
		b := &egressBudget{now: func() time.Time { return at }, report: func(e state.Egress) error {
			if c.cannot == nil {
				events = append(events, e)
			}
			return c.cannot
		}}
		if c.next != nil {
			b.next = c.next
		}
		booking, err := b.Reserve(t.Context(), charge)
		if !errors.Is(err, c.err) || (err == nil && c.next != nil && booking != 7) {
			t.Errorf("%s: booking %d, %v", c.name, booking, err)
		}
		if diff := cmp.Diff(c.events, events); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if c.next != nil {
			if diff := cmp.Diff(c.settled, c.next.settled); diff != "" {
				t.Errorf("%s: %s", c.name, diff)
			}
		}
	}
}

func TestEgressOfManyCallsAtOnce(t *testing.T) {
	d := &state.Deployment{State: t.TempDir()}
	b := &egressBudget{now: time.Now, report: d.ReportEgress}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := b.Reserve(t.Context(), llm.Charge{AlertID: "01J0"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	data, err := os.ReadFile(d.Path("egress.ndjson"))
	if got := strings.Count(string(data), "\n"); err != nil || got != 50 {
		t.Errorf("%d events, %v", got, err)
	}
}
