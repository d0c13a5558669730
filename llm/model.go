package llm

import (
	"context"
	"fmt"

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
)

// Question is one call: a task, the panel's agent it is put to (for votes), and all that is
// known of the case so far. The case is read only.
type Question struct {
	Task  Task
	Agent string
	Case  *Case
}

// Answer is what came back: JSON that nobody has checked yet, and what the call used.
type Answer struct {
	JSON  []byte
	Usage Usage
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

func (u *Usage) add(v Usage) {
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

// Call is one question put to one model, for the ledger.
type Call struct {
	Task  Task
	Agent string // "" outside the panel
	Model string
	Usage Usage
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
	who := e.Model
	if e.Agent != "" {
		who += "/" + e.Agent
	}
	return fmt.Sprintf("%s answer of %s: %s", e.Task, who, e.Problem)
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
