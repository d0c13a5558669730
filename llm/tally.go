package llm

import "github.com/winnow-soc/winnow"

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
	var s sums
	for i, v := range c.Votes {
		s.add(c, v, agents[i].Weight)
	}
	return s.count()
}

// sums are the votes of each side.
type sums struct {
	safe, suspicious, malicious side
	maliciousFromTrusted        bool
}

func (s *sums) add(c *Case, v winnow.Vote, weight float64) {
	switch v.Vote {
	case winnow.VoteSafe:
		s.safe.add(v, weight)
	case winnow.VoteSuspicious:
		s.suspicious.add(v, weight)
	case winnow.VoteMalicious:
		s.malicious.add(v, weight)
		s.maliciousFromTrusted = s.maliciousFromTrusted || c.AllTrusted(v.Fields)
	}
}

func (s *sums) concern() float64 { return s.suspicious.sum + s.malicious.sum }

func (s *sums) count() count {
	concern := s.concern()
	total := s.safe.sum + concern
	out := count{maliciousFromTrusted: s.maliciousFromTrusted}
	out.split = s.safe.votes > 0 && s.suspicious.votes+s.malicious.votes > 0
	switch {
	case total == 0:
	case s.malicious.sum > 0 && concern > s.safe.sum && s.malicious.sum >= s.suspicious.sum:
		out.disposition, out.confidence = winnow.TruePositive, s.malicious.confidence(total)
	case s.safe.sum > concern && s.safe.votes >= quorum && !s.maliciousFromTrusted:
		out.disposition, out.confidence = winnow.BenignPositive, s.safe.confidence(total)
	}
	return out
}

// decided reports whether the votes so far settle what the panel believes, whatever agents of this weight
// that have not voted yet would say, and it is nothing that closes. A benign decision is never settled early:
// a malicious vote must always be able to come.
func (s *sums) decided(waiting float64, agents int) bool {
	rest, concern := waiting*100, s.concern() // confidence is at most 100
	if s.malicious.sum > 0 && concern > s.safe.sum+rest && s.malicious.sum >= s.suspicious.sum+rest {
		return true // real
	}
	mayBeReal := concern+rest > s.safe.sum && s.malicious.sum+rest >= s.suspicious.sum
	mayBeBenign := s.safe.sum+rest > concern && s.safe.votes+agents >= quorum && !s.maliciousFromTrusted
	return !mayBeReal && !mayBeBenign
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

// Decision is what votes add up to.
type Decision string

// The decisions.
const (
	DecideBenign    Decision = "benign"    // agreed: by the votes, nothing speaks against a close
	DecideReal      Decision = "real"      // believed real
	DecideUndecided Decision = "undecided" // for a person
)

// Decide adds recorded votes up as the panel did: by what weight each agent has now, and whether an attacker
// can set the fields that it cited. Agents without a weight are left out.
func Decide(a *winnow.Alert, fields *winnow.FieldTable, weights map[string]float64, votes []winnow.Vote) Decision {
	c := &Case{Alert: a, Fields: fields}
	var s sums
	missing := false
	for _, v := range votes {
		if w := weights[v.Agent]; w > 0 {
			s.add(c, v, w)
			missing = missing || v.Missing()
		}
	}
	switch n := s.count(); {
	case n.disposition == winnow.TruePositive:
		return DecideReal
	case n.disposition.Benign() && !n.split && !missing:
		return DecideBenign
	}
	return DecideUndecided
}
