package llm

import (
	"context"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
)

// Model answers questions about a case: the offline analysts, or a language model. It must be
// safe for concurrent use, and must not change the case.
type Model interface {
	// Name is the name under which calls are booked: "offline", or a model's own name.
	Name() string
	// Source is winnow.SourceOffline or winnow.SourceModel. It decides which limits hold.
	Source() winnow.Source
	// Answer returns JSON of the form that the task asks for. An error means that there is no
	// answer; an answer of another form is the guards' business, not the model's.
	Answer(ctx context.Context, q Question) (Answer, error)
}

// Task is what a question asks for, and with it the form of the answer.
type Task string

// The tasks.
const (
	TaskEnrich     Task = "enrich"     // answered with [Enrichment]
	TaskCorrelate  Task = "correlate"  // answered with [Correlation]
	TaskClassify   Task = "classify"   // answered with [Classification]
	TaskVote       Task = "vote"       // answered with [Ballot]
	TaskCoordinate Task = "coordinate" // answered with [Resolution]

	// TaskCorrelateClassify is both in one call, answered with [Judgement].
	TaskCorrelateClassify Task = "correlate_classify"
)

// Question is one call: a task, the panel's agent it is put to (for votes), and all that is
// known of the case so far. The case is read only.
type Question struct {
	Task  Task
	Agent string
	Case  *Case

	// Check holds an answer against the agreed form, as the pipeline will, so that a model can be asked
	// to mend it. It changes nothing. Nil: nobody checks before the end.
	Check func(answer []byte) error
}

// Answer is what came back: JSON that nobody has checked yet, what it cost, and what the guards
// must know of how it was made. Offline analysts see every field and fill in JSON only.
type Answer struct {
	JSON   []byte
	Usage  Usage  // of every attempt, repair and step that led here, failed ones too
	Model  string // who answered in the end, where that is not [Model.Name]: a fallback
	Prompt string // version of the prompt, like "sha256:..."; "" for none

	// Smaller tells that another model was asked than the one that was meant, because there was no money for that:
	// nothing closes on its word.
	Smaller bool `json:",omitempty"`

	Withheld []string // fields that were not shown, neither volatile nor irrelevant (G5)
	Cut      []string // fields whose values were cut (G5)
	Taint    []string // signs found in the answer or in what tools brought: the tripwire, say (G4, G5)
}

// Usage counts what answers cost. It is zero for offline analysts.
type Usage struct {
	Calls        int
	InputTokens  int64
	CachedTokens int64 // of the input tokens
	OutputTokens int64
	Price        winnow.NanoUSD
	Unpriced     int // calls whose model has no price; they are not in Price
}

// Add adds what another call used.
func (u *Usage) Add(v Usage) {
	u.Calls += v.Calls
	u.InputTokens += v.InputTokens
	u.CachedTokens += v.CachedTokens
	u.OutputTokens += v.OutputTokens
	u.Price += v.Price
	u.Unpriced += v.Unpriced
}

func (u Usage) cost() winnow.Cost {
	return winnow.Cost{
		MicroUSD: u.Price.Micro(), Calls: u.Calls, InputTokens: u.InputTokens,
		CachedTokens: u.CachedTokens, OutputTokens: u.OutputTokens, Unpriced: u.Unpriced,
	}
}

// Call is one question put to one model, for the ledger, and the answer with which the decision can
// be replayed.
type Call struct {
	Task   Task   `json:"task"`
	Agent  string `json:"agent"` // "" outside the panel
	Model  string `json:"model"`
	Usage  Usage  `json:"usage"`
	Answer Answer `json:"answer"`
	Failed string `json:"failed"` // why there was no answer, "" when there was one

	Source   winnow.Source `json:"source"`   // of the model
	Declined winnow.Reason `json:"declined"` // that Failed has, when asking again would not help
}

// UnavailableError says that a model cannot be asked now, and that this is nothing about the alert:
// the provider is down, or its limits are reached. The alert waits, and no try of it is counted.
type UnavailableError struct {
	Model string
	Until time.Time // earliest time at which another try makes sense; zero: unknown
	Cause error
}

// Error names the model and the cause. It carries no text of an alert.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("model %s is unavailable: %v", e.Model, e.Cause)
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Cause }

// DeclinedError says that a model gave no usable answer, and that asking again would not help: it
// refused, its answer was cut or empty, or the alert may not be sent to it. The alert goes to a person.
type DeclinedError struct {
	Task   Task
	Agent  string
	Model  string
	Reason winnow.Reason
	Detail string // never text of the alert or of the answer
}

// Error names the task, the model and the reason.
func (e *DeclinedError) Error() string {
	return fmt.Sprintf("%s answer of %s: %s: %s", e.Task, who(e.Model, e.Agent), e.Reason, e.Detail)
}

func who(model, agent string) string {
	if agent != "" {
		return model + "/" + agent
	}
	return model
}

// AnswerError says that an answer was not of the agreed form (guard G3). The answer is not used.
type AnswerError struct {
	Task    Task
	Agent   string
	Model   string
	Problem string
}

// Error names the task, the model and the first thing wrong with the answer.
func (e *AnswerError) Error() string {
	return fmt.Sprintf("%s answer of %s: %s", e.Task, who(e.Model, e.Agent), e.Problem)
}

// Lists looks values up in named value lists. An error (no such list, a list not to be trusted)
// means that nothing is known: it never makes a fact. Safe for concurrent use.
type Lists interface {
	Contains(list, value string) (bool, error)
}

// PersonVerdicts knows what people decided before. Safe for concurrent use.
type PersonVerdicts interface {
	// Benign reports whether a person judged an alert of the search with exactly these entities
	// benign, and has not taken it back. Entities are sorted by field, then value.
	Benign(searchName string, entities []winnow.Evidence) (bool, error)
}
