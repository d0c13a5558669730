package report

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

func cast(kinds ...winnow.VoteKind) []winnow.Vote {
	names := []string{"a", "b", "c"}
	var out []winnow.Vote
	for i, k := range kinds {
		out = append(out, winnow.Vote{Agent: names[i], Vote: k})
	}
	return out
}

func TestVotes(t *testing.T) {
	const safe, odd, bad, silent = winnow.VoteSafe, winnow.VoteSuspicious, winnow.VoteMalicious, winnow.VoteAbstain
	always := func(s string) func(string) string { return func(string) string { return s } }
	c := newVotes()
	// a and b are both needed for the close; c says nothing
	c.add(ballots{Panels: 1, Votes: cast(safe, safe, silent), Label: LabelBenign, Decide: func(w string) string {
		if w == "a" || w == "b" {
			return "undecided"
		}
		return "benign"
	}})
	unasked := cast(bad, silent, silent)
	unasked[1].Reason, unasked[2].Reason = winnow.VoteNotAsked, winnow.VoteMissing+"late"
	// c alone keeps an attack from being closed
	c.add(ballots{Panels: 1, Votes: cast(safe, safe, odd), Label: LabelAttack, Decide: func(w string) string {
		if w == "c" {
			return "benign"
		}
		return "undecided"
	}})
	c.add(ballots{Panels: 1, Votes: unasked, Weak: true, Decide: always("real")})
	c.add(ballots{Panels: 1, Votes: cast(odd, safe, safe), Label: LabelBenign, Decide: always("undecided")})
	c.pay(ledger.VoteCost{Agent: "b", NanoUSD: 8000, Calls: 3})
	c.pay(ledger.VoteCost{Agent: "c", Calls: 1, Unpriced: 1})
	got := c.result()
	want := &Votes{
		Panels: 4,
		Agents: []Agent{
			{
				Name: "a", Panels: 4, Safe: 2, Suspicious: 1, Malicious: 1, Changed: 1, ToClose: 1, Labelled: 3, Weak: 1, Errors: 2, ErrorRate: new(2.0 / 3),
				MicroUSD: new(int64(0)), PerChanged: new(int64(0)),
			},
			{
				Name: "b", Panels: 4, Safe: 3, NotAsked: 1, Changed: 1, ToClose: 1, Labelled: 3, Errors: 1, ErrorRate: new(1.0 / 3),
				Calls: 3, MicroUSD: new(int64(8)), PerChanged: new(int64(8)),
			},
			{
				Name: "c", Panels: 4, Safe: 1, Suspicious: 1, Abstained: 1, Missing: 1, Changed: 1, AgainstClose: 1, Labelled: 2, ErrorRate: new(0.0),
				Calls: 1, Unpriced: 1,
			},
		},
		Pairs: []VotePair{
			{A: "a", B: "b", Labelled: 3, BothWrong: 1, OnlyA: 1, BothRight: 1, Phi: new(0.5), Together: 3, Agreed: 2, Agreement: new(2.0 / 3)},
			{A: "a", B: "c", Labelled: 2, OnlyA: 2, Together: 2, Agreement: new(0.0)},
			{A: "b", B: "c", Labelled: 2, OnlyA: 1, BothRight: 1, Together: 2, Agreed: 1, Agreement: new(0.5)},
		},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Agent{}), cmpopts.EquateApprox(0, 1e-9)); d != "" {
		t.Error(d)
	}
}

// TestPanelsThatVotedAlikeCountAsManyTimes as one after the other.
func TestPanelsThatVotedAlikeCountAsManyTimes(t *testing.T) {
	panel := ledger.Panel{SearchName: "S", Label: ledger.PanelBenign, Panels: 3, Votes: []ledger.PanelVote{
		{Agent: "a", Vote: winnow.VoteMalicious, Confidence: 80, Fields: []string{"src"}}, {Agent: "b", Vote: winnow.VoteSafe, Confidence: 90},
		{Agent: "c", NotAsked: true, Vote: winnow.VoteAbstain}, {Agent: "d", Missing: true, Vote: winnow.VoteAbstain},
	}}
	decide := func(a *winnow.Alert, votes []winnow.Vote) string {
		if a.SearchName != "S" || len(a.Fields["src"]) != 1 {
			t.Errorf("the alert is %+v", a)
		}
		return votes[0].Agent
	}
	once, alone := newVotes(), newVotes()
	once.add(ballotsOf(&panel, decide))
	panel.Panels = 1
	for range 3 {
		alone.add(ballotsOf(&panel, decide))
	}
	want, got := alone.result(), once.result()
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Agent{})); d != "" || got.Panels != 3 || got.Agents[2].NotAsked != 3 || got.Agents[3].Missing != 3 {
		t.Errorf("%s%+v", d, got)
	}
}

func TestPhi(t *testing.T) {
	for _, tt := range []struct {
		pair VotePair
		want float64
	}{
		{VotePair{BothWrong: 5, BothRight: 5}, 1},
		{VotePair{OnlyA: 5, OnlyB: 5}, -1},
		{VotePair{BothWrong: 1, OnlyA: 1, OnlyB: 1, BothRight: 1}, 0},
		{VotePair{BothWrong: 5}, math.NaN()},
		{VotePair{}, math.NaN()},
	} {
		got := phi(&tt.pair)
		if (got == nil) != math.IsNaN(tt.want) || got != nil && math.Abs(*got-tt.want) > 1e-12 {
			t.Errorf("%+v: %v, want %v", tt.pair, got, tt.want)
		}
	}
	if v := newVotes().result(); v.Agents == nil || v.Pairs == nil {
		t.Error("lists of nothing are null")
	}
}
