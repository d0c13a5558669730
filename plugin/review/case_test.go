package review_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// site is a deployment in which a person's verdict counts as a fact for the user.
func site() review.Site {
	return review.Site{
		Now: noon.Add(time.Hour), FactTTL: 30 * 24 * time.Hour, CacheTTL: 24 * time.Hour,
		Facts: func(a *winnow.Alert) [][]winnow.Evidence {
			return [][]winnow.Evidence{{{Field: "user", Value: a.Fields["user"][0]}}}
		},
		Technique: func(id string) (string, []string, bool) {
			return "Valid Accounts", []string{"initial-access"}, id == "T1078.004"
		},
	}
}

// caseLedger holds an alert B that waits with its repeat C, an earlier one A that a person decided, and D that
// was closed on B's verdict.
func caseLedger(t *testing.T, verdict winnow.Verdict) *ledger.Ledger {
	t.Helper()
	l := newLedger(t)
	err := l.Update(t.Context(), func(tx *ledger.Tx) error {
		for i, a := range []alert{
			{id: "A", state: winnow.StateClosed, disposition: winnow.BenignPositive, key: 1, source: winnow.SourcePerson},
			{id: "B", state: winnow.StateInReview, key: 2}, {id: "C", state: winnow.StateInReview, key: 2},
			{id: "D", state: winnow.StateClosed, key: 3, derived: "B", source: winnow.SourceCache},
		} {
			e := ledger.Entry{Alert: winnow.Alert{
				ID: a.id, Key: winnow.Key{Host: "h", SID: "s", RID: fmt.Sprint(i)}, SearchName: "Sign-in", Severity: winnow.SeverityMedium,
				Time: noon, Received: noon.Add(time.Duration(i) * time.Minute), Fields: winnow.Fields{"user": {"ann"}, "src": {"10.8.0.4", "192.0.2.1"}},
			}, Key: cache.Key{a.key}, Links: ledger.Links{Derived: a.derived}}
			r := winnow.NewRecord(&e.Alert, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonShadowRule, Rule: "vpn"})
			r.Outcome.State, r.Outcome.Reason, r.Verdict.Disposition, r.Verdict.Source = a.state, winnow.ReasonNoFact, a.disposition, a.source
			if a.id == "B" {
				r.Verdict, e.Advice = verdict, []byte(`[{"kind":"block","field":"src","target":"192.0.2.1","reason":"it scans"}]`)
			}
			if err := tx.Add(e, r); err != nil {
				return err
			}
		}
		return tx.AddReview(ledger.Review{ID: "A", Action: "correct", Disposition: winnow.BenignPositive, Actor: "eve", Reason: "on a trip", At: noon})
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func readCase(t *testing.T, l *ledger.Ledger, s review.Site, id string) (c *review.Case) {
	t.Helper()
	err := l.View(t.Context(), func(tx *ledger.Tx) (err error) {
		c, err = review.ReadCase(tx, s, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func benignVerdict() winnow.Verdict {
	return winnow.Verdict{
		Disposition: winnow.BenignPositive, Stated: 90, Confidence: 88, Source: winnow.SourceModel, Techniques: []string{"T1078.004", "T9999"},
		Evidence: []winnow.Evidence{{Field: "user", Value: "ann"}, {Field: "src", Value: "203.0.113.7"}},
		Case:     winnow.Case{What: "Sign-in", Why: "from two places", FirstResponse: "ask ann"},
		Votes:    []winnow.Vote{{Agent: "network", Vote: winnow.VoteSafe, Confidence: 90, Fields: []string{"src"}}},
	}
}

func TestCaseHoldsAllThatADecisionNeeds(t *testing.T) {
	l := caseLedger(t, benignVerdict())
	c := readCase(t, l, site(), "B")
	if !c.Waits || c.Seq != 1 || c.Lines.Why != "from two places" || c.Group.Size != 2 || !slices.Equal(c.Group.Members, []string{"B", "C"}) {
		t.Errorf("case %+v", c)
	}
	wantFields := []review.Field{
		{Name: "src", Values: []string{"10.8.0.4", "192.0.2.1"}, Control: "attacker", CitedBy: []string{"verdict", "network"}},
		{Name: "user", Values: []string{"ann"}, Control: "attacker", CitedBy: []string{"verdict"}},
	}
	if diff := cmp.Diff(wantFields, c.Fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	wantEvidence := []review.Evidence{
		{Field: "user", Value: "ann", Control: "attacker", Raw: []string{"ann"}, Agrees: true},
		{Field: "src", Value: "203.0.113.7", Control: "attacker", Raw: []string{"10.8.0.4", "192.0.2.1"}},
	}
	if diff := cmp.Diff(wantEvidence, c.Evidence); diff != "" {
		t.Errorf("evidence (-want +got):\n%s", diff)
	}
	wantTechniques := []review.Technique{
		{ID: "T1078.004", Name: "Valid Accounts", Tactics: []string{"initial-access"}, URL: "https://attack.mitre.org/techniques/T1078/004/"},
		{ID: "T9999", Tactics: []string{}},
	}
	if diff := cmp.Diff(wantTechniques, c.Techniques); diff != "" {
		t.Errorf("techniques (-want +got):\n%s", diff)
	}
	if len(c.Similar) != 1 || c.Similar[0].ID != "A" || c.Similar[0].By != "eve" || c.Similar[0].Reason != "on a trip" || len(c.Similar[0].Shares) != 3 {
		t.Errorf("similar %+v", c.Similar)
	}
	if len(c.Entities) != 3 || c.Entities[0].Alerts != 1 || c.Entities[0].Counts[0].Disposition != winnow.BenignPositive {
		t.Errorf("entities %+v", c.Entities)
	}
	if len(c.Advice) != 1 || c.Advice[0].Target != "192.0.2.1" {
		t.Errorf("advice %+v", c.Advice)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"evidence", "fields", "warnings", "techniques", "recommendations", "entities", "similar", "gates", "calls", "history", "reviews", "deliveries"} {
		if strings.Contains(string(text), `"`+name+`":null`) {
			t.Errorf("%s is null", name)
		}
	}
}

// TestChoicesSayWhatApplyDoes: what a decision is said to do is what it does.
func TestChoicesSayWhatApplyDoes(t *testing.T) {
	want := map[string]string{
		"approve":                `closes 2 alerts as BenignPositive; becomes a benign fact for search "Sign-in" and user=ann until 2026-12-20; closes repeats until 2026-11-21T13:00:00Z`,
		"reject":                 "escalates 2 alerts; sends 1 alert closed on its verdict back to triage",
		"correct BenignPositive": `closes 2 alerts as BenignPositive; becomes a benign fact for search "Sign-in" and user=ann until 2026-12-20; closes repeats until 2026-11-21T13:00:00Z`,
		"correct TruePositive":   "escalates 2 alerts as TruePositive; sends 1 alert closed on its verdict back to triage",
	}
	for _, choice := range readCase(t, caseLedger(t, benignVerdict()), site(), "B").Choices {
		name := string(choice.Action)
		if choice.Action == review.Correct {
			name += " " + choice.Disposition.String()
		}
		t.Run(name, func(t *testing.T) {
			if choice.Says != want[name] {
				t.Errorf("it says %q, want %q", choice.Says, want[name])
			}
			delete(want, name)
			l := caseLedger(t, benignVerdict())
			e := &fakeEngine{}
			done, err := apply(t, l, e, review.Decision{Action: choice.Action, ID: "B", Disposition: choice.Disposition})
			if err != nil {
				t.Fatal(err)
			}
			if len(done.Settled) != choice.Settles || len(done.Recalled) != choice.Recalls || (len(e.precedents) > 0) != (choice.Fact != nil) {
				t.Errorf("it says %+v and does %+v, facts %v", choice, done, e.precedents)
			}
			if rec, _ := record(t, l, "B"); rec.Outcome.State != choice.State {
				t.Errorf("state %s, said %s", rec.Outcome.State, choice.State)
			}
		})
	}
	if len(want) > 0 {
		t.Errorf("missing choices: %v", want)
	}
}

func TestNothingIsKeptOfATaintedAlert(t *testing.T) {
	v := benignVerdict()
	v.Taint = []string{"instruction:src"}
	for _, choice := range readCase(t, caseLedger(t, v), site(), "B").Choices {
		if choice.Fact != nil || choice.Repeats != nil {
			t.Errorf("%s: %+v", choice.Action, choice)
		}
	}
}

func TestCaseOfNoAlert(t *testing.T) {
	l := newLedger(t)
	err := l.View(t.Context(), func(tx *ledger.Tx) error {
		_, err := review.ReadCase(tx, review.Site{}, "NONE")
		return err
	})
	if !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("err = %v", err)
	}
}

func TestGatesTellEveryWay(t *testing.T) {
	for _, c := range []struct {
		name   string
		kind   winnow.ProposalKind
		reason winnow.Reason
		source winnow.Source
		state  winnow.State
		out    winnow.Reason
		want   string // gates that did more than pass
	}{
		{"closed by a rule", winnow.ProposeDrop, winnow.ReasonRule, winnow.SourceRule, winnow.StateClosed, winnow.ReasonRule, "rules:closed cache:not_asked analysts:not_asked outcome:settled"},
		{"closed by a model", winnow.ProposePass, winnow.ReasonNoRule, winnow.SourceModel, winnow.StateClosed, winnow.ReasonVerdict, "analysts:nothing guards:closed outcome:settled"},
		{"no fact", winnow.ProposePass, winnow.ReasonNoRule, winnow.SourceModel, winnow.StateInReview, winnow.ReasonNoFact, "analysts:nothing guards:raised outcome:settled"},
		{"escalate list", winnow.ProposeEscalate, winnow.ReasonEscalateList, winnow.SourceOffline, winnow.StateEscalated, winnow.ReasonEscalateList, "escalate_list:raised rules:not_asked analysts:nothing guards:raised outcome:settled"},
		{"a reason of another version", winnow.ProposePass, "new_one:x", winnow.SourceNone, winnow.StateInReview, "odd", "analysts:nothing guards:raised outcome:settled"},
		{"a person", winnow.ProposePass, winnow.ReasonNoRule, winnow.SourcePerson, winnow.StateClosed, winnow.ReasonPerson, "person:settled outcome:settled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t)
			e := ledger.Entry{Alert: winnow.Alert{ID: "A", Time: noon, Received: noon}}
			r := winnow.NewRecord(&e.Alert, winnow.Proposal{Kind: c.kind, Reason: c.reason, Rule: ""})
			r.Verdict.Source, r.Outcome.State, r.Outcome.Reason = c.source, c.state, c.out
			if err := l.Update(t.Context(), func(tx *ledger.Tx) error { return tx.Add(e, r) }); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range readCase(t, l, review.Site{}, "A").Gates {
				if g.Did != review.DidPass {
					got = append(got, g.Gate+":"+string(g.Did))
				}
				if g.Why == "" || !strings.HasSuffix(g.Why, ".") {
					t.Errorf("gate %s says %q", g.Gate, g.Why)
				}
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("gates %q, want %q", text, c.want)
			}
		})
	}
}
