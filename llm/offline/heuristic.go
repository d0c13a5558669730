package offline

import (
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

// heuristic is one row of an agent's table.
type heuristic struct {
	name       string
	when       func(v *view) bool
	vote       winnow.VoteKind
	confidence int
	fields     []string // concepts ("src") or fields that the sentence rests on
	reason     string   // {concept} stands for its value
	// factWins leaves the heuristic out when a benign fact of the agent's own kind explains it.
	factWins bool
}

// Limits on how sure an analyst may be that something is harmless.
const (
	safeWithoutFact = 75 // however trusted the fields
	safeUntrusted   = 60 // when an attacker can set one of the fields it rests on
)

// ballot runs a table and returns the strongest opinion: malicious before suspicious before
// safe, then the more confident one. An agent that has nothing to say abstains.
func (v *view) ballot(table []heuristic) llm.Ballot {
	best := llm.Ballot{Vote: winnow.VoteAbstain, Reason: "nothing here speaks to this analyst", Fields: []string{}}
	for i := range table {
		h := &table[i]
		if !v.fires(h) {
			continue
		}
		if b := v.opinion(h); stronger(b, best) {
			best = b
		}
	}
	return best
}

func (v *view) fires(h *heuristic) bool {
	return (!h.factWins || len(v.c.Facts) == 0) && h.when(v)
}

func (v *view) opinion(h *heuristic) llm.Ballot {
	b := llm.Ballot{Vote: h.vote, Confidence: h.confidence, Fields: v.cite(h.fields)}
	if h.vote == winnow.VoteSafe {
		b.Fields, b.Confidence = v.safe(h, b.Fields)
		if len(b.Fields) == 0 {
			return llm.Ballot{Vote: winnow.VoteAbstain}
		}
	}
	b.Reason = v.sentence(h.reason)
	return b
}

// safe limits how sure a SAFE vote is, and cites the fields that prove a fact.
func (v *view) safe(h *heuristic, cited []string) (fields []string, confidence int) {
	confidence = h.confidence
	if len(v.c.Facts) == 0 {
		confidence = min(confidence, safeWithoutFact)
	} else if h.confidence > safeWithoutFact {
		cited = v.factFields()
	}
	if !v.c.AllTrusted(cited) {
		confidence = min(confidence, safeUntrusted)
	}
	return cited, confidence
}

// factFields returns the fields that prove the established facts.
func (v *view) factFields() []string {
	var out []string
	for _, f := range v.c.Facts {
		for _, field := range f.Fields {
			if !slices.Contains(out, field) && len(out) < 8 {
				out = append(out, field)
			}
		}
	}
	return out
}

var rank = map[winnow.VoteKind]int{winnow.VoteSafe: 1, winnow.VoteSuspicious: 2, winnow.VoteMalicious: 3}

func stronger(a, b llm.Ballot) bool {
	if rank[a.Vote] != rank[b.Vote] {
		return rank[a.Vote] > rank[b.Vote]
	}
	return a.Confidence > b.Confidence
}

// cite turns concepts into the names of the fields that the alert has.
func (v *view) cite(concepts []string) []string {
	out := []string{}
	for _, c := range concepts {
		if field, _ := v.get(c); field != "" && !slices.Contains(out, field) {
			out = append(out, field)
		}
	}
	return out
}

// shown is a concept's value as it stands in a sentence; {fact} stands for the benign facts.
func (v *view) shown(concept string) string {
	if concept != "fact" {
		_, value := v.get(concept)
		return quote(value)
	}
	names := make([]string, len(v.c.Facts))
	for i, f := range v.c.Facts {
		names[i] = f.Name
	}
	return strings.Join(names, ", ")
}

// sentence fills the values into a reason, cut to a line.
func (v *view) sentence(text string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		out.WriteString(before)
		concept, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return limit(out.String())
		}
		out.WriteString(v.shown(concept))
		text = after
	}
}
