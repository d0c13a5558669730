package winnow

import (
	"fmt"
	"strings"
)

// Source says who or what a verdict comes from.
type Source string

// The sources. An empty source means that nobody has judged the alert yet.
const (
	SourceNone    Source = ""
	SourceRule    Source = "rule"
	SourceCache   Source = "cache"
	SourceOffline Source = "offline"
	SourceModel   Source = "model"
	SourcePerson  Source = "person"
)

// Verdict is what is believed of an alert. What was done about it is the [Outcome].
type Verdict struct {
	Disposition Disposition `json:"disposition"`
	Stated      int         `json:"stated"`     // confidence as the analyst stated it, 0 to 100
	Confidence  int         `json:"confidence"` // calibrated, 0 to 100: the number that policy compares
	Severity    Severity    `json:"severity"`
	Techniques  []string    `json:"techniques"` // ATT&CK technique ids, active ones only
	Source      Source      `json:"source"`
	Evidence    []Evidence  `json:"evidence"`
	Facts       []string    `json:"facts"` // benign facts that code established, like "list:vpn_egress"
	Case        Case        `json:"case"`
	Votes       []Vote      `json:"votes"`
	Taint       []string    `json:"taint"` // why the alert's own text is suspect; a tainted alert is never closed
}

// Evidence is a field and a value, checked to exist in the alert.
type Evidence struct {
	Field string `json:"field"`
	Value string `json:"value"`
}

// Case is what a person reads first: three lines.
type Case struct {
	What          string `json:"what"`
	Why           string `json:"why"`
	FirstResponse string `json:"first_response"`
}

// VoteKind is an analyst's opinion. The zero value abstains.
type VoteKind string

// The votes.
const (
	VoteAbstain    VoteKind = "ABSTAIN"
	VoteSafe       VoteKind = "SAFE"
	VoteSuspicious VoteKind = "SUSPICIOUS"
	VoteMalicious  VoteKind = "MALICIOUS"
)

// Vote is one analyst's opinion with what it rests on.
type Vote struct {
	Agent      string   `json:"agent"`
	Vote       VoteKind `json:"vote"`
	Confidence int      `json:"confidence"` // 0 to 100
	Reason     string   `json:"reason"`
	Fields     []string `json:"fields"` // names of the fields the reason cites
}

// CountVotes says how many votes there are of each of some kinds, in their order: "1 MALICIOUS, 2 SAFE". Kinds
// that nobody voted are left out; it is "" when that is all of them.
func CountVotes(votes []Vote, kinds ...VoteKind) string {
	var said []string
	for _, kind := range kinds {
		n := 0
		for i := range votes {
			if votes[i].Vote == kind {
				n++
			}
		}
		if n > 0 {
			said = append(said, fmt.Sprintf("%d %s", n, kind))
		}
	}
	return strings.Join(said, ", ")
}

// Reasons of votes that winnow itself writes.
const (
	// VoteNotAsked is that of a vote that was not asked for: those before it had settled that a person
	// looks, and what the panel believes.
	VoteNotAsked = "not asked: the votes before it had settled the decision"

	// VoteMissing begins that of a vote that an agent could not give.
	VoteMissing = "no answer: "
)

// NotAsked reports whether the vote was not asked for.
func (v Vote) NotAsked() bool { return v.Vote == VoteAbstain && v.Reason == VoteNotAsked }

// Missing reports whether the agent was asked and gave no answer.
func (v Vote) Missing() bool {
	return v.Vote == VoteAbstain && strings.HasPrefix(v.Reason, VoteMissing)
}
