package winnow

import (
	"fmt"
	"time"
)

// State is what was done about an alert. Every stored alert has exactly one current state.
type State string

// The states.
const (
	StateQueued    State = "queued"    // stored, not yet settled
	StateClosed    State = "closed"    // proven benign, nobody looks
	StateEscalated State = "escalated" // believed real or high-risk: notable and page
	StateInReview  State = "in_review" // undecided: waits for a person, no page
	StateLeft      State = "left"      // winnow changed nothing; Would says what it would have done
)

// Settled reports whether the state ends the work on an alert until a person asks again.
func (s State) Settled() bool { return s != StateQueued && s != "" }

// Reasons of outcomes, beside the reasons of proposals that carry over.
const (
	ReasonQueued      Reason = "queued"        // waits for triage
	ReasonVerdict     Reason = "verdict"       // a verdict that passed every guard
	ReasonMalicious   Reason = "malicious"     // believed real
	ReasonHighRisk    Reason = "high_risk"     // a word, asset or technique that always goes to a person
	ReasonUndecidable Reason = "undetermined"  // the analysts could not tell
	ReasonNoFact      Reason = "no_fact"       // believed benign, but code found no benign fact
	ReasonConfidence  Reason = "confidence"    // believed benign, below the confidence that policy wants
	ReasonSplitVote   Reason = "split_vote"    // the panel did not agree
	ReasonTaint       Reason = "taint"         // the alert's text tries to steer whoever reads it
	ReasonBadAnswer   Reason = "bad_answer"    // an analyst's answer was not of the agreed form
	ReasonEvidence    Reason = "evidence"      // cited evidence is not in the alert
	ReasonProse       Reason = "prose"         // believed benign by a model, but others wrote sentences into it
	ReasonUnseen      Reason = "unseen"        // believed benign by a model that did not see the alert in full
	ReasonRefused     Reason = "model_refused" // the model would not answer
	ReasonFiltered    Reason = "model_filter"  // the provider's content filter took question or answer
	ReasonAnswerCut   Reason = "answer_cut"    // the answer was longer than the model may write
	ReasonNoAnswer    Reason = "empty_answer"  // the answer was empty
	ReasonToolLoop    Reason = "tool_loop"     // the model asked for look-ups and did not come to an answer
	ReasonDataClass   Reason = "data_class"    // no configured model may see data of this class
	ReasonNoBudget    Reason = "no_budget"     // no money was left to ask a model
	ReasonOpenCase    Reason = "open_case"     // repeats an alert whose case is still open
	ReasonOffline     Reason = "offline_limit" // above the severity that offline analysts may close
	ReasonPerson      Reason = "person"        // a person decided
	ReasonOwn         Reason = "own"           // winnow's own event came back
	ReasonGaveUp      Reason = "gave_up"       // every try failed
	ReasonNoModel     Reason = "no_model"      // waits, and is not triaged yet: models could not be asked
	ReasonTryFailed   Reason = "try_failed"    // waits, and is not triaged yet: a try failed
	ReasonRecall      Reason = "recall"        // what closed it was recalled
	ReasonAction      Reason = "action"        // a response action was not decided in time, or did not come off
	ReasonRuleMiss    Reason = "rule_miss"     // a rule that dropped an attack was suspended: winnow's own finding
	ReasonUnaudited   Reason = "unaudited"     // it would have closed, and the audit chain cannot be written
	ReasonRaiseOnly   Reason = "raise_only"    // believed benign, but it may only be raised: not read in good order, or spoken for by a person
)

// Run says how much winnow may change. The zero value is RunShadow.
type Run uint8

// The runs, from the most cautious on.
const (
	RunShadow  Run = iota // propose and log; change nothing in Splunk
	RunAssist             // write verdicts and notes; close nothing
	RunEnforce            // close what is proven benign
)

var runNames = [...]string{"shadow", "assist", "enforce"}

// String returns the word used in winnow.conf.
func (r Run) String() string {
	if int(r) < len(runNames) {
		return runNames[r]
	}
	return runNames[RunShadow]
}

// ParseRun reads the word used in winnow.conf.
func ParseRun(text string) (Run, error) {
	for i, name := range runNames {
		if name == text {
			return Run(i), nil
		}
	}
	return RunShadow, fmt.Errorf("unknown run %q (want shadow, assist or enforce)", text)
}

// MarshalText writes the word used in winnow.conf.
func (r Run) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the word used in winnow.conf.
func (r *Run) UnmarshalText(text []byte) error {
	v, err := ParseRun(string(text))
	if err != nil {
		return err
	}
	*r = v
	return nil
}

// Place says who writes the notable event of an alert.
type Place string

// The places.
const (
	PlaceBeside Place = "beside" // Enterprise Security wrote it: find it and update it
	PlaceOwner  Place = "owner"  // winnow writes it, for what survives
)

// ParsePlace reads the word used in winnow.conf.
func ParsePlace(text string) (Place, error) {
	switch p := Place(text); p {
	case PlaceBeside, PlaceOwner:
		return p, nil
	}
	return PlaceBeside, fmt.Errorf("unknown place %q (want beside or owner)", text)
}

// Outcome is what was done about an alert, by whom and when.
type Outcome struct {
	State  State     `json:"state"`
	Reason Reason    `json:"reason"`
	Actor  string    `json:"actor"` // "rule:ID", "cache", "offline", "model:NAME", "person:NAME" or "winnow"
	Run    Run       `json:"run"`
	Would  State     `json:"would"` // with StateLeft: what winnow would have done
	Time   time.Time `json:"time"`

	// Unaudited is set when the audit chain could not tell of it: it happened all the same, because it
	// raised the alert, or left it as it was.
	Unaudited bool `json:"unaudited"`
}
