package allowlist

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

// candidate loads the folder's rules as a backtest does.
func (f *folder) candidate() Candidate {
	f.t.Helper()
	g := f.gate()
	return NewCandidate(g.Rules, g.Escalate)
}

// sampleOf is an alert that a rule on ours covers, changed.
func sampleOf(truth Truth, change ...func(*winnow.Alert)) Sample {
	a := alert()
	for _, c := range change {
		c(a)
	}
	return Sample{Alert: *a, Truth: truth}
}

func each(samples ...Sample) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		for _, s := range samples {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func backtest(t testing.TB, o BacktestOptions, samples ...Sample) *Backtest {
	t.Helper()
	b, err := RunBacktest(t.Context(), each(samples...), o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rowOf is what a test compares of one rule.
func rowOf(b *Backtest, id string) string {
	for i := range b.Rules {
		if r := &b.Rules[i]; r.Rule.ID == id {
			return fmt.Sprintf("covers %d, drops %d, truths %v", r.Covers, r.Drops, r.Truths)
		}
	}
	return "no such rule"
}

func TestBacktestDecidesAsTheGate(t *testing.T) {
	later := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		change func(*winnow.Alert)
		want   string
	}{
		{"covered", func(*winnow.Alert) {}, "covers 1, drops 1, truths [0 1 0 0]"},
		{"another source", func(a *winnow.Alert) { a.Fields["src"] = []string{stranger} }, "covers 0, drops 0, truths [0 0 0 0]"},
		{"one of two sources", func(a *winnow.Alert) { a.Fields["src"] = []string{ownIP, stranger} }, "covers 0, drops 0, truths [0 0 0 0]"},
		{"another search", func(a *winnow.Alert) { a.SearchName = "Malware" }, "covers 0, drops 0, truths [0 0 0 0]"},
		{"above the ceiling", func(a *winnow.Alert) { a.Severity = winnow.SeverityHigh }, "covers 0, drops 0, truths [0 0 0 0]"},
		{"severity unknown", func(a *winnow.Alert) { a.Severity = winnow.SeverityUnknown }, "covers 0, drops 0, truths [0 0 0 0]"},
		{"after the expiry", func(a *winnow.Alert) { a.Received = later }, "covers 0, drops 0, truths [0 0 0 0]"},
		{"escalate beats drop", func(a *winnow.Alert) { a.Fields["process"] = []string{"dumper.exe"} }, "covers 0, drops 0, truths [0 0 0 0]"},
		{"asked for by a person", func(a *winnow.Alert) { a.Adhoc = true }, "covers 0, drops 0, truths [0 0 0 0]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := backtest(t, BacktestOptions{Candidate: newFolder(t, enforced("r")).candidate()}, sampleOf(TruthBenign, tt.change))
			if got := rowOf(b, "r"); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// A rule whose own tests fail drops nothing in the gate, so it drops nothing here.
func TestBacktestLeavesFailingRulesOut(t *testing.T) {
	text := strings.Replace(enforced("r"), "src: 203.0.113.66", "src: 10.8.9.9", 1)
	c := newFolder(t, text).config()
	g, _ := Open(c)
	b := backtest(t, BacktestOptions{Candidate: NewCandidate(g.Rules, g.Escalate)}, sampleOf(TruthBenign))
	if !b.Rules[0].Failing || b.Rules[0].Covers > 0 || b.Dropped > 0 {
		t.Errorf("%+v", b.Rules[0])
	}
}

func TestBacktestCreditsOneRule(t *testing.T) {
	f := newFolder(t, ruleText("shadow-1", ours), enforced("first"), enforced("second"), ruleText("shadow-2", ours))
	b := backtest(t, BacktestOptions{Candidate: f.candidate(), Overlaps: true}, sampleOf(TruthBenign), sampleOf(TruthUndecided))
	for id, want := range map[string]string{
		"shadow-1": "covers 2, drops 0, truths [0 1 0 1]",
		"first":    "covers 2, drops 2, truths [0 1 0 1]",
		"second":   "covers 2, drops 0, truths [0 1 0 1]",
		"shadow-2": "covers 2, drops 0, truths [0 1 0 1]",
	} {
		if got := rowOf(b, id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	if b.Dropped != 2 || b.Shadowed != 0 {
		t.Errorf("%d dropped, %d in shadow", b.Dropped, b.Shadowed)
	}
	rule := b.Rules
	if n := b.Overlaps[Pair{rule[1].Rule, rule[2].Rule}]; n != 2 {
		t.Errorf("%d alerts are covered by both, want 2", n)
	}
}

// Every true positive is listed with all rules that cover it, shadow rules too: taking one rule out
// must not bring up the next.
func TestBacktestListsTruePositives(t *testing.T) {
	f := newFolder(t, enforced("first"), ruleText("shadow", ours))
	b := backtest(t, BacktestOptions{Candidate: f.candidate(), List: 2},
		sampleOf(TruthAttack), sampleOf(TruthBenign), sampleOf(TruthAttack), sampleOf(TruthAttack),
		sampleOf(TruthAttack, func(a *winnow.Alert) { a.Fields["src"] = []string{stranger} }))
	if len(b.Hidden) != 2 || b.HiddenMore != 1 || len(b.Hidden[0].Rules) != 2 {
		t.Errorf("%d listed, %d more, rules %v", len(b.Hidden), b.HiddenMore, b.Hidden[0].Rules)
	}
	if b.Truths != [4]int{0, 1, 4, 0} {
		t.Errorf("truths %v", b.Truths)
	}
}

func TestBacktestSpan(t *testing.T) {
	o := BacktestOptions{Candidate: newFolder(t, enforced("r")).candidate(), Since: now, Until: now.Add(time.Hour)}
	at := func(d time.Duration) Sample {
		return sampleOf(TruthBenign, func(a *winnow.Alert) { a.Time = now.Add(d) })
	}
	if b := backtest(t, o, at(-time.Second), at(0), at(time.Hour-1), at(time.Hour)); b.Alerts != 2 {
		t.Errorf("%d alerts, want the 2 from since up to until", b.Alerts)
	}
}

func TestBacktestCompare(t *testing.T) {
	before := newFolder(t, enforced("gone"), ruleText("promoted", `event.src == "10.9.0.4"`, `mode: shadow`)).candidateAs(t)
	after := newFolder(t, ruleText("promoted", `event.src == "10.9.0.4"`, `mode: enforce`)).candidateAs(t)
	nine := func(a *winnow.Alert) { a.Fields["src"] = []string{"10.9.0.4"} }
	b := backtest(t, BacktestOptions{Candidate: after, Before: &before},
		sampleOf(TruthBenign), sampleOf(TruthAttack), sampleOf(TruthAttack, nine), sampleOf(TruthBenign, nine))
	want := []Change{
		{Rule: "gone", Mode: rules.ModeEnforce, Lost: 2, LostAttacks: 1},
		{Rule: "promoted", Mode: rules.ModeEnforce, Gained: 2, GainedAttacks: 1, GainedSeverity: winnow.SeverityLow},
		{Rule: "promoted", Mode: rules.ModeShadow, Lost: 2, LostAttacks: 1},
	}
	if diff := cmp.Diff(want, b.Changes); diff != "" {
		t.Errorf("changes differ (-want +got):\n%s", diff)
	}
}

// candidateAs takes the rules as they are: their tests are about another address.
func (f *folder) candidateAs(t testing.TB) Candidate {
	t.Helper()
	g, _ := Open(f.config())
	return Candidate{Rules: g.Rules, Escalate: g.Escalate}
}

func TestBacktestStopsAtErrors(t *testing.T) {
	o := BacktestOptions{Candidate: newFolder(t, enforced("r")).candidate()}
	broken := errors.New("disk on fire")
	_, err := RunBacktest(t.Context(), func(yield func(Sample, error) bool) {
		for range 3000 {
			if !yield(sampleOf(TruthBenign), nil) {
				return
			}
		}
		yield(Sample{}, broken)
	}, o)
	if !errors.Is(err, broken) {
		t.Errorf("%v, want the error of the samples", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	endless := func(yield func(Sample, error) bool) {
		for yield(sampleOf(TruthBenign), nil) { //nolint:revive // nothing else to do
		}
	}
	if _, err := RunBacktest(ctx, endless, o); !errors.Is(err, broken) {
		t.Errorf("%v, want the cause of the cancelled context", err)
	}
}

// TestBacktestIsTheGate: over random alerts and rules, what is dropped by enforced rules is what
// the gate itself proposes to drop, and the result is the same at every run.
func TestBacktestIsTheGate(t *testing.T) {
	f := newFolder(t, enforced("a"), ruleText("b", `event.user == "ann"`, "mode: enforce"), ruleText("c", ours),
		ruleText("d", `event.user == "bob"`, "mode: enforce", "max_severity: low"))
	g := f.gate()
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	var samples []Sample
	drops, byRule := 0, map[string]int{}
	for range 5000 {
		s := sampleOf(Truth(rnd.IntN(4)), func(a *winnow.Alert) {
			a.SearchName, a.Severity = pick(travel, travel, "Malware"), winnow.Severity(rnd.IntN(6))
			a.Fields["src"], a.Fields["user"] = []string{pick(ownIP, stranger)}, []string{pick("ann", "bob", "eve")}
			if rnd.IntN(5) == 0 {
				a.Fields["process"] = []string{pick("dumper.exe", "x")}
			}
		})
		if p := g.Propose(&s.Alert); p.Kind == winnow.ProposeDrop {
			drops++
			byRule[p.Rule]++
		}
		samples = append(samples, s)
	}
	o := BacktestOptions{Candidate: f.candidate(), List: 100}
	one, two := backtest(t, o, samples...), backtest(t, o, samples...)
	if one.Dropped != drops || drops == 0 {
		t.Errorf("%d dropped, the gate drops %d", one.Dropped, drops)
	}
	for i := range one.Rules {
		r := &one.Rules[i]
		if r.Rule.Mode == rules.ModeEnforce && r.Drops != byRule[r.Rule.ID] {
			t.Errorf("%s drops %d, in the gate %d", r.Rule.ID, r.Drops, byRule[r.Rule.ID])
		}
		if rowOf(two, r.Rule.ID) != rowOf(one, r.Rule.ID) {
			t.Errorf("%s: %s, then %s", r.Rule.ID, rowOf(one, r.Rule.ID), rowOf(two, r.Rule.ID))
		}
	}
	if len(one.Hidden) != len(two.Hidden) || one.HiddenMore != two.HiddenMore {
		t.Errorf("%d+%d true positives, then %d+%d", len(one.Hidden), one.HiddenMore, len(two.Hidden), two.HiddenMore)
	}
}
