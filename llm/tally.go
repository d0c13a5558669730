package llm

import (
	"github.com/winnow-soc/winnow"
)

// quorum is the number of votes, abstentions aside, that a benign decision needs.
const quorum = 2

// count is what the votes add up to.
type count struct {
	judgement
	split                bool // somebody said SAFE and somebody did not
	maliciousFromTrusted bool
}

// tally adds the votes up: each counts its confidence times the agent's weight. Ties, too few
// votes and mere suspicion leave the case undetermined, which is for a person.
func tally(c *Case, agents []Agent) count {
	var safe, suspicious, malicious side
	out := count{}
	for i, v := range c.Votes {
		w := agents[i].Weight
		switch v.Vote {
		case winnow.VoteSafe:
			safe.add(v, w)
		case winnow.VoteSuspicious:
			suspicious.add(v, w)
		case winnow.VoteMalicious:
			malicious.add(v, w)
			out.maliciousFromTrusted = out.maliciousFromTrusted || c.AllTrusted(v.Fields)
		}
	}
	concern := suspicious.sum + malicious.sum
	total := safe.sum + concern
	out.split = safe.votes > 0 && suspicious.votes+malicious.votes > 0
	switch {
	case total == 0:
	case malicious.sum > 0 && concern > safe.sum && malicious.sum >= suspicious.sum:
		out.disposition, out.confidence = winnow.TruePositive, malicious.confidence(total)
	case safe.sum > concern && safe.votes >= quorum && !out.maliciousFromTrusted:
		out.disposition, out.confidence = winnow.BenignPositive, safe.confidence(total)
	}
	return out
}

// side adds up the votes of one kind.
type side struct {
	votes       int
	sum, weight float64
}

func (s *side) add(v winnow.Vote, weight float64) {
	s.votes++
	s.sum += weight * float64(v.Confidence)
	s.weight += weight
}

// confidence is the side's own mean, lowered by its share of all that was said.
func (s *side) confidence(total float64) int {
	if s.weight == 0 || total == 0 {
		return 0
	}
	return int(s.sum / s.weight * s.sum / total)
}

// cautious joins the count of votes with the coordinator's view: the coordinator may raise what
// the votes say, never lower it. Its words are kept, for they are what a person reads.
func cautious(votes, coordinator judgement) judgement {
	out := votes
	switch a, b := concern(votes.disposition), concern(coordinator.disposition); {
	case b > a:
		out = coordinator
	case b == a:
		out.confidence = min(votes.confidence, coordinator.confidence)
	}
	out.words = coordinator.words
	return out
}

// combine joins the classification with the panel's decision; split tells that one called the
// alert real and the other benign.
func combine(class, panel judgement) (out judgement, split bool) {
	out = panel
	a, b := concern(class.disposition), concern(panel.disposition)
	switch {
	case a == 2 && b == 0:
		out.disposition, out.confidence, split = winnow.Undetermined, 0, true
	case a == 2 && b == 1:
		out.disposition, out.confidence = class.disposition, class.confidence
	case a == 2 && b == 2:
		out.confidence = max(class.confidence, panel.confidence)
	case a == 0 && b == 0:
		out.confidence = min(class.confidence, panel.confidence)
		out.disposition = class.disposition // the finer word: a false positive, say
	}
	if out.words == (winnow.Case{}) {
		out.words = class.words
	}
	return out, split
}

// concern orders dispositions: benign, nobody knows, real.
func concern(d winnow.Disposition) int {
	switch {
	case d.Benign():
		return 0
	case d == winnow.TruePositive:
		return 2
	}
	return 1
}
