package offline

import (
	"fmt"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

// coordinate sums the votes up. It can only be more cautious than their count, so it looks for
// reasons to be.
func coordinate(v *view) llm.Resolution {
	var safe, suspicious, malicious side
	sides := map[winnow.VoteKind]*side{
		winnow.VoteSafe: &safe, winnow.VoteSuspicious: &suspicious, winnow.VoteMalicious: &malicious,
	}
	for _, vote := range v.c.Votes {
		if s := sides[vote.Vote]; s != nil {
			s.add(vote)
		}
	}
	r := llm.Resolution{Disposition: "Undetermined", Case: winnow.Case{What: v.headline()}}
	switch {
	case malicious.votes > 0 && safe.votes == 0:
		r.Disposition, r.Confidence = "TruePositive", malicious.best.Confidence
		r.Case.Why = says(malicious.best)
		r.Case.FirstResponse = "isolate what is affected, keep the evidence, and look for the same elsewhere"
	case malicious.votes > 0:
		r.Case.Why = says(malicious.best) + "; " + says(safe.best)
		r.Case.FirstResponse = "decide between the two: the analysts contradict each other"
	case suspicious.votes > 0:
		r.Case.Why = says(suspicious.best)
		r.Case.FirstResponse = "ask the owner whether this was expected, and look at what followed"
	case safe.votes >= 2:
		r.Disposition, r.Confidence = "BenignPositive", safe.least
		r.Case.Why = fmt.Sprintf("%d analysts see nothing bad: %s", safe.votes, says(safe.best))
		r.Case.FirstResponse = "none, unless what explains it is wrong"
	default:
		r.Case.Why = "the analysts have too little to go on"
		r.Case.FirstResponse = "ask the owner of the account or the host whether this was intended; if not, isolate and keep the evidence"
	}
	r.Case.Why = limit(r.Case.Why)
	return r
}

// side gathers the votes of one kind.
type side struct {
	votes int
	least int // confidence
	best  winnow.Vote
}

func (s *side) add(v winnow.Vote) {
	if s.votes == 0 || v.Confidence < s.least {
		s.least = v.Confidence
	}
	if s.votes == 0 || v.Confidence > s.best.Confidence {
		s.best = v
	}
	s.votes++
}

func says(v winnow.Vote) string {
	return strings.ReplaceAll(v.Agent, "_", " ") + ": " + v.Reason
}
