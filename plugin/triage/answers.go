package triage

import (
	"encoding/json"
	"fmt"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Inputs name what a decision rested on beside the alert and the answers of models: where they are the
// same, the same program decides the same.
type Inputs struct {
	Version       string `json:"version"`       // of the program
	Configuration string `json:"configuration"` // policy, stages, models, prompts, field table and facts
	Rules         string `json:"rules"`         // rules, lists and escalate list
	Gate          string `json:"gate"`          // why nothing could be closed, "" when something could
}

func (e *Engine) inputs() Inputs {
	in := Inputs{Version: e.Version, Configuration: fmt.Sprintf("%x", e.Generation[:8]), Gate: string(e.Gate.Blind)}
	in.Rules = e.Gate.Rules.Version() + " " + e.Gate.Escalate.Version()
	return in
}

// Answers are what models said for one decision, as the ledger keeps it: apart from the types of package
// llm, so that old ones stay readable.
type Answers struct {
	Inputs     Inputs            `json:"inputs"`
	Objections []storedObjection `json:"objections"`
	Calls      []storedCall      `json:"calls"`
}

type storedObjection struct {
	Guard  string        `json:"guard,omitempty"`
	Reason winnow.Reason `json:"reason"`
	Detail string        `json:"detail,omitempty"`
}

type storedCall struct {
	Task     llm.Task      `json:"task"`
	Agent    string        `json:"agent,omitempty"`
	Model    string        `json:"model"`
	Source   winnow.Source `json:"source"`
	Prompt   string        `json:"prompt,omitempty"`
	Answer   string        `json:"answer,omitempty"` // as it came, so it need not be JSON; nothing of offline analysts
	Failed   string        `json:"failed,omitempty"`
	Declined winnow.Reason `json:"declined,omitempty"`
	Withheld []string      `json:"withheld,omitempty"`
	Cut      []string      `json:"cut,omitempty"`
	Taint    []string      `json:"taint,omitempty"`
	Smaller  bool          `json:"smaller,omitempty"` // for want of money, see llm.Answer
	Usage    storedUsage   `json:"usage"`
}

type storedUsage struct {
	Calls    int   `json:"calls"`
	Input    int64 `json:"input"`
	Cached   int64 `json:"cached"`
	Output   int64 `json:"output"`
	Nano     int64 `json:"nanousd"`
	Unpriced int   `json:"unpriced"`
}

// keepAnswers keeps what language models said for the decision that is the alert's current record. What the
// offline analysts say can be asked again.
func (e *Engine) keepAnswers(t *ledger.Tx, id string, an *llm.Analysis) error {
	kept := Answers{Inputs: e.inputs(), Objections: storeObjections(an.Objections)}
	paid := false
	for i := range an.Calls {
		c := &an.Calls[i]
		s := storedCall{Task: c.Task, Agent: c.Agent, Model: c.Model, Source: c.Source}
		if c.Source == winnow.SourceModel {
			paid = true
			a, u := &c.Answer, &c.Usage
			s.Prompt, s.Answer, s.Failed, s.Declined = a.Prompt, string(a.JSON), c.Failed, c.Declined
			s.Withheld, s.Cut, s.Taint, s.Smaller = a.Withheld, a.Cut, a.Taint, a.Smaller
			s.Usage = storedUsage{u.Calls, u.InputTokens, u.CachedTokens, u.OutputTokens, int64(u.Price), u.Unpriced}
		}
		kept.Calls = append(kept.Calls, s)
	}
	if !paid {
		return nil
	}
	body, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("triage %s: encode answers: %w", id, err)
	}
	return t.PutAnswers(id, body)
}

func storeObjections(list []llm.Objection) []storedObjection {
	out := make([]storedObjection, len(list))
	for i, o := range list {
		out[i] = storedObjection(o)
	}
	return out
}

// ReadAnswers reads what the ledger keeps.
func ReadAnswers(body []byte) (a Answers, err error) {
	if err := json.Unmarshal(body, &a); err != nil {
		return a, fmt.Errorf("read the recorded answers: %w", err)
	}
	return a, nil
}

// calls returns the answers as the calls that they were.
func (a *Answers) calls() []llm.Call {
	out := make([]llm.Call, len(a.Calls))
	for i := range a.Calls {
		s := &a.Calls[i]
		u := llm.Usage{
			Calls: s.Usage.Calls, InputTokens: s.Usage.Input, CachedTokens: s.Usage.Cached, OutputTokens: s.Usage.Output,
			Price: winnow.NanoUSD(s.Usage.Nano), Unpriced: s.Usage.Unpriced,
		}
		out[i] = llm.Call{
			Task: s.Task, Agent: s.Agent, Model: s.Model, Source: s.Source, Failed: s.Failed, Declined: s.Declined, Usage: u,
			Answer: llm.Answer{
				JSON: []byte(s.Answer), Usage: u, Model: s.Model, Prompt: s.Prompt, Withheld: s.Withheld, Cut: s.Cut, Taint: s.Taint,
				Smaller: s.Smaller,
			},
		}
	}
	return out
}
