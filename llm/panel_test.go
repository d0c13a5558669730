package llm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

// voter is one agent's brain: it gives one vote, and counts how often it was asked for it.
type voter struct {
	source winnow.Source
	vote   string
	err    error

	mu    sync.Mutex
	asked int
}

func (v *voter) Name() string { return "voter" }

func (v *voter) Source() winnow.Source { return v.source }

func (v *voter) Answer(context.Context, Question) (Answer, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	return Answer{JSON: []byte(v.vote), Usage: Usage{Calls: 1}}, v.err
}

func ballot(kind winnow.VoteKind, confidence int, field string) string {
	return fmt.Sprintf(`{"vote":%q,"confidence":%d,"reason":"because","fields":[%q]}`, kind, confidence, field)
}

// panelOf returns a pipeline that puts every alert to these voters; everything else is benign.
func panelOf(t testing.TB, voters []*voter, weights []float64) *Pipeline {
	s := benignScript(winnow.SourceOffline)
	return newTest(t, s, func(o *Options) {
		o.Panel.Always, o.Panel.Agents = true, nil
		for i, v := range voters {
			o.Panel.Agents = append(o.Panel.Agents, Agent{Name: fmt.Sprint("agent", i), Model: v, Weight: weights[i]})
		}
	})
}

func generous(tb testing.TB) Input {
	tb.Helper()
	in := travel(tb)
	in.Policy.Confidence, in.Policy.OfflineMaxSeverity = 1, winnow.SeverityCritical
	return in
}

func TestPaidAgentsAreAskedWhileTheDecisionIsOpen(t *testing.T) {
	safe, odd, bad := ballot(winnow.VoteSafe, 100, "src"), ballot(winnow.VoteSuspicious, 100, "message"), ballot(winnow.VoteMalicious, 100, "message")
	tests := []struct {
		name  string
		free  []string
		asked bool
	}{
		{"all safe: a malicious vote must be able to come", []string{safe, safe, safe, safe}, true},
		{"one is concerned", []string{odd, safe, safe}, true},
		{"nobody speaks", []string{ballot(winnow.VoteAbstain, 0, "src")}, true},
		{"two are sure that it is real", []string{bad, bad}, false},
		{"two find it odd: it is for a person, and one vote does not make it real", []string{odd, odd}, false},
		{"real by as much as the one vote can weigh", []string{bad}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			paid := &voter{source: winnow.SourceModel, vote: safe}
			voters, weights := []*voter{paid}, []float64{1}
			for _, v := range tt.free {
				voters, weights = append(voters, &voter{source: winnow.SourceOffline, vote: v}), append(weights, 1)
			}
			got, err := panelOf(t, voters, weights).Analyse(t.Context(), generous(t))
			if err != nil {
				t.Fatal(err)
			}
			if (paid.asked == 1) != tt.asked {
				t.Errorf("asked %d times, want asked %v: %v", paid.asked, tt.asked, got.Verdict.Votes)
			}
			if v := got.Verdict.Votes[0]; !tt.asked && (v.Vote != winnow.VoteAbstain || v.Reason != winnow.VoteNotAsked || got.Closable()) {
				t.Errorf("vote %v, closable %v", v, got.Closable())
			}
		})
	}
}

// Whatever the agents, their weights and their votes: asking all of them at once gives the same decision of
// the panel, and closes neither more nor less, than asking the free ones first.
func TestEarlyStopChangesNoDecision(t *testing.T) {
	stopped := 0
	property := func(rt *rapid.T) {
		n := rapid.IntRange(2, 6).Draw(rt, "agents")
		var early, all []*voter
		var weights []float64
		for range n {
			source := rapid.SampledFrom([]winnow.Source{winnow.SourceOffline, winnow.SourceModel}).Draw(rt, "source")
			kind := rapid.SampledFrom([]winnow.VoteKind{winnow.VoteAbstain, winnow.VoteSafe, winnow.VoteSafe, winnow.VoteSuspicious, winnow.VoteMalicious}).Draw(rt, "vote")
			text := ballot(kind, rapid.IntRange(0, 100).Draw(rt, "confidence"), rapid.SampledFrom([]string{"src", "message"}).Draw(rt, "field"))
			early = append(early, &voter{source: source, vote: text})
			all = append(all, &voter{source: winnow.SourceOffline, vote: text}) // the free ones are all asked
			weights = append(weights, float64(rapid.IntRange(1, 400).Draw(rt, "weight"))/100)
		}
		got, err := panelOf(t, early, weights).Analyse(t.Context(), generous(t))
		want, wantErr := panelOf(t, all, weights).Analyse(t.Context(), generous(t))
		if err != nil || wantErr != nil {
			rt.Fatal(err, wantErr)
		}
		if got.Closable() != want.Closable() || got.Verdict.Disposition != want.Verdict.Disposition {
			rt.Fatalf("closable %v, %s; asking all: %v, %s", got.Closable(), got.Verdict.Disposition, want.Closable(), want.Verdict.Disposition)
		}
		for i, v := range early {
			if v.asked > 0 {
				continue
			}
			stopped++
			if got.Closable() || got.Verdict.Votes[i].Reason != winnow.VoteNotAsked {
				rt.Fatalf("agent %d was not asked: closable %v, %v", i, got.Closable(), got.Verdict.Votes)
			}
			if !concerned(got.Verdict.Votes) {
				rt.Fatalf("stopped without a voice of concern: %v", got.Verdict.Votes)
			}
		}
	}
	for range 50 { // a short run draws few panels
		if rapid.Check(t, property); stopped > 0 || t.Failed() {
			return
		}
	}
	t.Error("no panel was ever stopped early")
}

func concerned(votes []winnow.Vote) bool {
	for _, v := range votes {
		if v.Vote == winnow.VoteSuspicious || v.Vote == winnow.VoteMalicious {
			return true
		}
	}
	return false
}

func TestAMissingVoteClosesNothing(t *testing.T) {
	safe := ballot(winnow.VoteSafe, 100, "src")
	down := &UnavailableError{Model: "voter", Cause: errors.New("the line is dead\nhonestly")}
	voters := []*voter{
		{source: winnow.SourceOffline, vote: safe}, {source: winnow.SourceOffline, vote: safe},
		{source: winnow.SourceModel, vote: safe, err: down},
	}
	got, err := panelOf(t, voters, []float64{1, 1, 1}).Analyse(t.Context(), generous(t))
	if err != nil || got.Failed != nil {
		t.Fatal(err, got.Failed)
	}
	v := got.Verdict.Votes[2]
	if got.Closable() || !got.Objected(winnow.ReasonUndecidable) || v.Vote != winnow.VoteAbstain ||
		v.Reason != "no answer: vote: ask voter: model voter is unavailable: the line is dead honestly" {
		t.Errorf("closable %v, %q, %v", got.Closable(), v.Reason, got.Objections)
	}
	// without a quorum the alert waits for another try
	voters[0].err = down
	got, err = panelOf(t, voters, []float64{1, 1, 1}).Analyse(t.Context(), generous(t))
	if err != nil || got.Failed == nil || got.Closable() {
		t.Errorf("failed %v, closable %v, %v", got.Failed, got.Closable(), err)
	}
	if unavailable, ok := errors.AsType[*UnavailableError](got.Failed); !ok {
		t.Errorf("%v does not tell that a model is unavailable (%v)", got.Failed, unavailable)
	}
}
