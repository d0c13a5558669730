package review_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// blindLedger holds S, closed by a rule and sampled, D that was closed on its verdict, and W that really waits.
func blindLedger(t *testing.T) *ledger.Ledger {
	t.Helper()
	l := newLedger(t,
		alert{id: "S", state: winnow.StateClosed, disposition: winnow.BenignPositive, key: 1, source: winnow.SourceRule},
		alert{id: "D", state: winnow.StateClosed, disposition: winnow.BenignPositive, key: 2, source: winnow.SourceCache, derived: "S"},
		alert{id: "W", state: winnow.StateInReview, key: 1, source: winnow.SourceOffline},
	)
	err := l.Update(t.Context(), func(tx *ledger.Tx) error {
		rec, err := tx.Record("S")
		if err != nil {
			return err
		}
		rec.Proposal = winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule}
		rec.Verdict = winnow.Verdict{Source: winnow.SourceOffline, Case: winnow.Case{What: "Port Scan"}}
		rec.Outcome = winnow.Outcome{State: winnow.StateInReview, Reason: winnow.ReasonUndecidable, Actor: "offline", Time: noon}
		return tx.AddSample("S", winnow.SourceRule, noon, ledger.Blind{Record: rec})
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestSampleWaitsUnmarkedAmongCases(t *testing.T) {
	l := blindLedger(t)
	p := queueOf(t, l, review.Filter{}, "")
	states := map[string]winnow.State{}
	for _, g := range p.Groups {
		states[g.First.ID] = g.First.Outcome.State
		if g.Size != 1 || g.Urgent {
			t.Errorf("group %+v", g)
		}
	}
	if len(states) != 2 || states["S"] != winnow.StateInReview || states["W"] != winnow.StateInReview {
		t.Errorf("the queue is %v", states)
	}
	s := review.Site{Now: noon.Add(time.Hour)}
	sampled, real := readCase(t, l, s, "S"), readCase(t, l, s, "W")
	for _, c := range []*review.Case{sampled, real} {
		if !c.Waits || c.Group.Size != 1 || c.Outcome.Actor == "rule" || len(c.Choices) != 3 {
			t.Errorf("case %+v", c)
		}
		for _, choice := range c.Choices {
			if choice.Recalls != 0 || strings.Contains(choice.Says, "triage") {
				t.Errorf("%s tells of what was closed: %+v", c.ID, choice)
			}
		}
	}
	text, err := json.Marshal(sampled)
	if err != nil {
		t.Fatal(err)
	}
	for _, tell := range []string{`"state":"closed","reason"`, `"source":"rule"`, `"sample`} {
		if strings.Contains(string(text), tell) {
			t.Errorf("the case tells %s: %s", tell, text)
		}
	}
}

// TestDecisionOnASampleIsOnItsClose: what the person decides holds for the alert itself, and for nobody else's.
func TestDecisionOnASampleIsOnItsClose(t *testing.T) {
	l := blindLedger(t)
	if _, err := apply(t, l, &fakeEngine{}, review.Decision{Action: review.Approve, ID: "S"}); !errors.Is(err, review.ErrRefused) {
		t.Errorf("approve of what nobody could tell: %v", err)
	}
	done, err := apply(t, l, &fakeEngine{}, review.Decision{Action: review.Correct, ID: "S", Disposition: winnow.TruePositive})
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Settled) != 1 || done.Settled[0] != "S" || len(done.Recalled) != 1 || done.Recalled[0] != "D" {
		t.Errorf("it did %+v", done)
	}
	if got := states(t, l); got["S"] != winnow.StateEscalated || got["W"] != winnow.StateInReview || got["D"] != winnow.StateQueued {
		t.Errorf("states %v", got)
	}
	if p := queueOf(t, l, review.Filter{}, ""); len(p.Groups) != 1 || p.Groups[0].First.ID != "W" {
		t.Errorf("the queue is %+v", p.Groups)
	}
	if c := readCase(t, l, review.Site{Now: noon}, "S"); c.Outcome.State != winnow.StateEscalated {
		t.Errorf("judged, and still veiled: %+v", c.Outcome)
	}
}
