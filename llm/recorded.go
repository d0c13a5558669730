package llm

import (
	"context"
	"slices"

	"github.com/winnow-soc/winnow"
)

// Recorded is a language model that answers from earlier calls, so that a decision can be made again
// without asking anybody. What it answers costs nothing. Safe for concurrent use.
type Recorded struct {
	Model string
	Calls []Call
}

// Name is that of the model whose answers they are.
func (r *Recorded) Name() string { return r.Model }

// Source says that the answers are a language model's: the guards hold them to the same limits.
func (r *Recorded) Source() winnow.Source { return winnow.SourceModel }

// NotRecorded is why a call failed that was put to [Recorded] and had not been made before.
const NotRecorded = "no answer to this question is recorded"

// Answer returns what was answered then, or how the question went wrong.
func (r *Recorded) Answer(_ context.Context, q Question) (Answer, error) {
	c := findCall(r.Calls, q.Task, q.Agent)
	if c == nil {
		return Answer{}, &recordedError{text: NotRecorded}
	}
	a := c.Answer
	a.Usage = Usage{}
	switch {
	case c.Declined == winnow.ReasonNoBudget:
		return a, &recordedError{c.Failed, &BudgetError{}}
	case c.Declined != "":
		return a, &recordedError{c.Failed, &DeclinedError{Task: q.Task, Agent: q.Agent, Model: r.Model, Reason: c.Declined}}
	case c.Failed != "":
		return a, &recordedError{text: c.Failed}
	}
	return a, nil
}

// recordedError is a failure that happened before, in the words of then.
type recordedError struct {
	text  string
	cause error
}

func (e *recordedError) Error() string { return e.text }

func (e *recordedError) Unwrap() error { return e.cause }

func findCall(calls []Call, task Task, agent string) *Call {
	for i := range calls {
		if calls[i].Task == task && calls[i].Agent == agent {
			return &calls[i]
		}
	}
	return nil
}

// Recorded returns a pipeline that decides as p does, with the answers that language models gave in calls.
// What the offline analysts were asked then, and everything when no language model was asked at all, is put
// to offline again. A question that nobody was asked then has no answer: its call fails with [NotRecorded].
func (p *Pipeline) Recorded(calls []Call, offline Model) *Pipeline {
	paid := slices.DeleteFunc(slices.Clone(calls), func(c Call) bool { return c.Source != winnow.SourceModel })
	q := p.replace(func(task Task, agent string, m Model) Model {
		c := findCall(calls, task, agent)
		if c == nil && task == TaskClassify {
			c = findCall(calls, TaskCorrelateClassify, agent)
		}
		if len(paid) == 0 || c != nil && c.Source != winnow.SourceModel || c == nil && m.Source() != winnow.SourceModel {
			return offline
		}
		model := m.Name()
		if c != nil {
			model = c.Model
		}
		return &Recorded{Model: model, Calls: paid}
	})
	q.o.Combine = findCall(paid, TaskCorrelateClassify, "") != nil
	return q
}

func (p *Pipeline) replace(with func(Task, string, Model) Model) *Pipeline {
	o := p.o
	o.Enrich, o.Correlate = with(TaskEnrich, "", o.Enrich), with(TaskCorrelate, "", o.Correlate)
	o.Classify, o.Panel.Coordinator = with(TaskClassify, "", o.Classify), with(TaskCoordinate, "", o.Panel.Coordinator)
	o.Panel.Agents = slices.Clone(o.Panel.Agents)
	for i := range o.Panel.Agents {
		a := &o.Panel.Agents[i]
		a.Model = with(TaskVote, a.Name, a.Model)
	}
	return &Pipeline{o: o}
}
