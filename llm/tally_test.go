package llm

import (
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
)

func TestTally(t *testing.T) {
	type votes []winnow.Vote
	vote := func(kind winnow.VoteKind, confidence int, fields ...string) winnow.Vote {
		return winnow.Vote{Vote: kind, Confidence: confidence, Fields: fields}
	}
	abstain := vote(winnow.VoteAbstain, 0)
	tests := []struct {
		name       string
		votes      votes
		want       winnow.Disposition
		confidence int
		split      bool
	}{
		{"nobody speaks", votes{abstain, abstain, abstain}, winnow.Undetermined, 0, false},
		{"one safe is no quorum", votes{vote(winnow.VoteSafe, 99, "src"), abstain, abstain}, winnow.Undetermined, 0, false},
		{"two safe", votes{vote(winnow.VoteSafe, 90, "src"), vote(winnow.VoteSafe, 80, "src"), abstain}, winnow.BenignPositive, 85, false},
		{"safe of no confidence", votes{vote(winnow.VoteSafe, 0, "src"), vote(winnow.VoteSafe, 0, "src"), abstain}, winnow.Undetermined, 0, false},
		{"one malicious is enough", votes{vote(winnow.VoteMalicious, 80, "message"), abstain, abstain}, winnow.TruePositive, 80, false},
		{"suspicion goes to a person", votes{vote(winnow.VoteSuspicious, 90, "src"), abstain, abstain}, winnow.Undetermined, 0, false},
		{"tie", votes{vote(winnow.VoteSafe, 80, "src"), vote(winnow.VoteMalicious, 80, "message"), abstain}, winnow.Undetermined, 0, true},
		{"untrusted malicious outvoted", votes{vote(winnow.VoteSafe, 90, "src"), vote(winnow.VoteSafe, 90, "src"), vote(winnow.VoteMalicious, 60, "message")}, winnow.BenignPositive, 67, true},
		{"trusted malicious is never outvoted", votes{vote(winnow.VoteSafe, 99, "src"), vote(winnow.VoteSafe, 99, "src"), vote(winnow.VoteMalicious, 10, "dest")}, winnow.Undetermined, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &Case{
				Alert:  &winnow.Alert{Fields: winnow.Fields{"src": {"10.0.0.1"}, "dest": {"web-1"}, "message": {"hi"}}},
				Fields: mustFields(t), Votes: tt.votes,
			}
			got := tally(c, []Agent{{Weight: 1}, {Weight: 1}, {Weight: 1}})
			if got.disposition != tt.want || got.confidence != tt.confidence || got.split != tt.split {
				t.Errorf("%s at %d, split %v", got.disposition, got.confidence, got.split)
			}
		})
	}
}

func TestWeightsCount(t *testing.T) {
	c := &Case{
		Alert:  &winnow.Alert{Fields: winnow.Fields{"message": {"hi"}}},
		Fields: mustFields(t),
		Votes: []winnow.Vote{
			{Vote: winnow.VoteSafe, Confidence: 90, Fields: []string{"message"}},
			{Vote: winnow.VoteSafe, Confidence: 90, Fields: []string{"message"}},
			{Vote: winnow.VoteMalicious, Confidence: 90, Fields: []string{"message"}},
		},
	}
	if got := tally(c, []Agent{{Weight: 1}, {Weight: 1}, {Weight: 5}}); got.disposition != winnow.TruePositive {
		t.Errorf("the heavy vote lost: %s", got.disposition)
	}
}

func TestPanelOnDisputedCases(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*script)
		want    winnow.Disposition
		objects winnow.Reason // "" for closable
	}{
		{"unanimous", func(*script) {}, winnow.BenignPositive, ""},
		{"coordinator doubts", func(s *script) {
			s.answers["coordinate"] = strings.Replace(s.answers["coordinate"], "BenignPositive", "Undetermined", 1)
		}, winnow.Undetermined, winnow.ReasonUndecidable},
		{"coordinator cannot lower", func(s *script) {
			s.answers["vote/network"] = `{"vote":"MALICIOUS","confidence":99,"reason":"bad","fields":["message"]}`
			s.answers["vote/identity"] = s.answers["vote/intel"]
		}, winnow.TruePositive, winnow.ReasonMalicious},
		{"malicious from trusted data", func(s *script) {
			s.answers["vote/intel"] = `{"vote":"MALICIOUS","confidence":5,"reason":"bad","fields":["src"]}`
		}, winnow.Undetermined, winnow.ReasonMalicious},
		{"one dissents", func(s *script) {
			s.answers["vote/intel"] = `{"vote":"SUSPICIOUS","confidence":5,"reason":"odd","fields":["message"]}`
		}, winnow.BenignPositive, winnow.ReasonSplitVote},
		{"a vote is no vote", func(s *script) { s.answers["vote/intel"] = `{"vote":"FINE"}` }, winnow.BenignPositive, winnow.ReasonBadAnswer},
		{"safe without a field", func(s *script) {
			s.answers["vote/intel"] = `{"vote":"SAFE","confidence":90,"reason":"sure","fields":[]}`
		}, winnow.BenignPositive, winnow.ReasonBadAnswer},
		{"an agent fails", func(s *script) { s.errs = map[string]error{"vote/intel": errNoList} }, winnow.BenignPositive, winnow.ReasonUndecidable},
		{"two agents fail", func(s *script) {
			s.errs = map[string]error{"vote/intel": errNoList, "vote/network": errNoList}
		}, winnow.Undetermined, winnow.ReasonUndecidable},
		{"two agents fail, one is concerned", func(s *script) {
			s.errs = map[string]error{"vote/intel": errNoList, "vote/network": errNoList}
			s.answers["vote/identity"] = `{"vote":"MALICIOUS","confidence":90,"reason":"bad","fields":["message"]}`
		}, winnow.TruePositive, winnow.ReasonUndecidable},
		{"the coordinator fails", func(s *script) { s.errs = map[string]error{"coordinate": errNoList} }, winnow.Undetermined, winnow.ReasonUndecidable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := benignScript(winnow.SourceModel)
			s.answers["classify"] = strings.Replace(s.answers["classify"], `"BenignPositive","confidence":95`, `"Undetermined","confidence":50`, 1)
			tt.change(s)
			got, err := newTest(t, s, nil).Analyse(t.Context(), travel(t))
			if err != nil {
				t.Fatal(err)
			}
			if got.Verdict.Disposition != tt.want || len(got.Verdict.Votes) != 3 {
				t.Errorf("%s, votes %v", got.Verdict.Disposition, got.Verdict.Votes)
			}
			if got.Closable() != (tt.objects == "") || (tt.objects != "" && !got.Objected(tt.objects)) {
				t.Errorf("closable %v, objections %v", got.Closable(), got.Objections)
			}
		})
	}
}

func TestCombine(t *testing.T) {
	tests := []struct {
		class, panel, want winnow.Disposition
		split              bool
	}{
		{winnow.FalsePositiveLogic, winnow.BenignPositive, winnow.FalsePositiveLogic, false},
		{winnow.BenignPositive, winnow.TruePositive, winnow.TruePositive, false},
		{winnow.BenignPositive, winnow.Undetermined, winnow.Undetermined, false},
		{winnow.TruePositive, winnow.BenignPositive, winnow.Undetermined, true},
		{winnow.TruePositive, winnow.Undetermined, winnow.TruePositive, false},
		{winnow.TruePositive, winnow.TruePositive, winnow.TruePositive, false},
		{winnow.Other, winnow.BenignPositive, winnow.BenignPositive, false},
	}
	for _, tt := range tests {
		got, split := combine(judgement{disposition: tt.class}, judgement{disposition: tt.panel})
		if got.disposition != tt.want || split != tt.split {
			t.Errorf("%s and %s: %s, split %v", tt.class, tt.panel, got.disposition, split)
		}
	}
}

func TestDecide(t *testing.T) {
	a := &winnow.Alert{Fields: winnow.Fields{"src": {"10.0.0.1"}, "message": {"hi"}}}
	vote := func(agent string, kind winnow.VoteKind, field string) winnow.Vote {
		return winnow.Vote{Agent: agent, Vote: kind, Confidence: 90, Fields: []string{field}}
	}
	missing := winnow.Vote{Agent: "c", Vote: winnow.VoteAbstain, Reason: winnow.VoteMissing + "the line is dead"}
	weights := map[string]float64{"a": 1, "b": 1, "c": 1, "gone": 0}
	for _, tt := range []struct {
		name  string
		votes []winnow.Vote
		want  Decision
	}{
		{"nobody", nil, DecideUndecided},
		{"two safe", []winnow.Vote{vote("a", winnow.VoteSafe, "src"), vote("b", winnow.VoteSafe, "src")}, DecideBenign},
		{"one safe", []winnow.Vote{vote("a", winnow.VoteSafe, "src"), vote("gone", winnow.VoteSafe, "src"), vote("new", winnow.VoteSafe, "src")}, DecideUndecided},
		{"a missing vote closes nothing", []winnow.Vote{vote("a", winnow.VoteSafe, "src"), vote("b", winnow.VoteSafe, "src"), missing}, DecideUndecided},
		{"a split closes nothing", []winnow.Vote{vote("a", winnow.VoteSafe, "src"), vote("b", winnow.VoteSafe, "src"), vote("c", winnow.VoteSuspicious, "message")}, DecideUndecided},
		{"real", []winnow.Vote{vote("a", winnow.VoteMalicious, "message"), missing}, DecideReal},
	} {
		if got := Decide(a, mustFields(t), weights, tt.votes); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
