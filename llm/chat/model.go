package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/llm/redact"
)

// Backend is one language model and what holds for it.
type Backend struct {
	Caller    *Caller
	MaxOutput int64        // tokens of one answer
	Form      Form         // how answers are held to their schema
	Ceiling   redact.Class // the most sensitive data that it may see

	// FlexSeverity is up to which severity alerts are first asked about at the service tier flex, which is slower
	// and cheaper. Unknown: none are; and an alert of unknown severity never is.
	FlexSeverity winnow.Severity
}

// Options are what a Model is made of.
type Options struct {
	Backends []Backend // the first is asked; the others where it is unavailable
	Smaller  *Backend  // asked where there is no money for those; nil: nobody is
	Redactor *redact.Redactor
	Prompts  *Prompts

	Tools      []llm.Tool // for classification; nil for none
	MaxSteps   int        // rounds of look-ups for one question
	ToolTokens int64      // of what look-ups may bring for one question

	// Team returns who pays for an alert's search, "" for nobody; nil: nobody pays for any.
	Team func(*winnow.Alert) string

	// Nonce returns the secret words of a question's fence, at least 24 letters and digits that nobody
	// can foresee; nil or "": random. A batch needs the same ones when it is resumed.
	Nonce func(q llm.Question) string
}

// Model lets language models answer. It implements [llm.Model]. Safe for concurrent use.
type Model struct {
	name string
	o    Options
}

// New checks the options. name is that of the [model:NAME] stanza.
func New(name string, o Options) (*Model, error) {
	switch {
	case len(o.Backends) == 0:
		return nil, fmt.Errorf("model %s: nobody to ask", name)
	case o.Redactor == nil:
		return nil, fmt.Errorf("model %s: no redactor", name)
	case o.Prompts == nil:
		return nil, fmt.Errorf("model %s: no prompts", name)
	}
	all := o.Backends
	if o.Smaller != nil {
		all = append(slices.Clone(all), *o.Smaller)
	}
	for _, b := range all {
		if b.Caller == nil || b.MaxOutput <= 0 {
			return nil, fmt.Errorf("model %s: a backend has no caller, or no limit of output", name)
		}
	}
	for _, t := range o.Tools {
		if err := CheckStrict(t.Parameters()); err != nil {
			return nil, fmt.Errorf("tool %s: parameters: %w", t.Name(), err)
		}
	}
	return &Model{name: name, o: o}, nil
}

// Name returns the name of the [model:NAME] stanza.
func (m *Model) Name() string { return m.name }

// Source is winnow.SourceModel.
func (m *Model) Source() winnow.Source { return winnow.SourceModel }

// Answer asks the first backend that may see the alert and can be asked. A refusal, a filter, an
// answer that stays unusable after one repair, and an alert that no backend may see are
// *llm.DeclinedError; *llm.UnavailableError says that trying later may help, *llm.BudgetError that
// there is no money. Usage counts every attempt, also with an error.
func (m *Model) Answer(ctx context.Context, q llm.Question) (llm.Answer, error) {
	var out llm.Answer
	var last error = &llm.DeclinedError{
		Task: q.Task, Agent: q.Agent, Model: m.name, Reason: winnow.ReasonDataClass,
		Detail: "the search's data class is above the ceiling of every model (see [redact:SEARCH] class and [model:NAME] data_class)",
	}
	class := m.o.Redactor.Class(q.Case.Alert.SearchName)
	for i := range m.o.Backends {
		b := &m.o.Backends[i]
		if !class.Within(b.Ceiling) {
			continue
		}
		t, err := m.newTalk(b, q)
		if err != nil {
			return out, err
		}
		answer, err := t.run(ctx)
		out = t.answer(out.Usage, answer)
		if errors.As(err, new(*llm.BudgetError)) && m.o.Smaller != nil && m.o.Smaller.Caller != b.Caller {
			return m.askSmaller(ctx, q, out, err)
		}
		if err == nil || !elsewhere(err) || ctx.Err() != nil {
			return out, err
		}
		last = sooner(last, err)
	}
	return out, last
}

// askSmaller asks the smaller model, where there is no money for the one that was meant. When it has no answer
// either, that is what is said.
func (m *Model) askSmaller(ctx context.Context, q llm.Question, out llm.Answer, broke error) (llm.Answer, error) {
	if !m.o.Redactor.Class(q.Case.Alert.SearchName).Within(m.o.Smaller.Ceiling) {
		return out, broke
	}
	t, err := m.newTalk(m.o.Smaller, q)
	if err != nil {
		return out, err
	}
	answer, err := t.run(ctx)
	out = t.answer(out.Usage, answer)
	if out.Smaller = err == nil; !out.Smaller {
		return out, broke
	}
	return out, nil
}

// elsewhere reports whether another model may do better. A refusal is no reason to shop around, and
// money is one purse.
func elsewhere(err error) bool {
	if _, ok := errors.AsType[*llm.UnavailableError](err); ok {
		return true
	}
	_, failed := errors.AsType[*Error](err)
	return failed
}

// sooner keeps the error that tells when the next try makes sense, the earliest of all backends.
func sooner(a, b error) error {
	ua, isA := errors.AsType[*llm.UnavailableError](a)
	ub, isB := errors.AsType[*llm.UnavailableError](b)
	if isA && (!isB || !ua.Until.IsZero() && ua.Until.Before(ub.Until)) {
		return a
	}
	return b
}

// newTalk begins the conversation about one question.
func (m *Model) newTalk(b *Backend, q llm.Question) (*talk, error) {
	system, err := m.o.Prompts.Text(q.Task, q.Agent)
	if err != nil {
		return nil, err
	}
	schema, err := SchemaOf(q.Task)
	if err != nil {
		return nil, err
	}
	nonce := ""
	if m.o.Nonce != nil {
		nonce = m.o.Nonce(q)
	}
	a := q.Case.Alert
	t := &talk{
		m: m, b: b, q: q, schema: schema, fence: newFence(nonce), view: m.o.Redactor.View(a, q.Case.Fields),
		prompt: m.o.Prompts.Version(q.Task, q.Agent),
		req:    &Request{System: system, Schema: schema, Form: b.Form, MaxOutput: b.MaxOutput},
	}
	if a.Severity != winnow.SeverityUnknown && a.Severity <= b.FlexSeverity {
		t.req.Tier = prices.TierFlex
	}
	if b.Form == FormJSON || b.Form == FormText {
		t.req.System += "\n\nThe JSON Schema of the answer:\n" + string(schema.JSON)
	}
	t.purpose = Purpose{AlertID: a.ID, Search: a.SearchName, Severity: a.Severity, Task: q.Task, Agent: q.Agent, Prompt: t.prompt}
	if m.o.Team != nil {
		t.purpose.Team = m.o.Team(a)
	}
	for _, f := range t.view.Fields {
		t.purpose.Fields = append(t.purpose.Fields, f.Name)
	}
	if m.usesTools(q.Task) {
		for _, tool := range m.o.Tools {
			t.req.Tools = append(t.req.Tools, ToolSpec{tool.Name(), tool.Description(), tool.Parameters()})
		}
	}
	text, err := t.question()
	t.req.Messages = []Message{{Role: RoleUser, Text: text}}
	return t, err
}

// usesTools reports whether look-ups are offered. Only the large decision is worth their rounds.
func (m *Model) usesTools(task llm.Task) bool {
	return m.o.MaxSteps > 0 && slices.Contains([]llm.Task{llm.TaskClassify, llm.TaskCorrelateClassify}, task)
}

func (t *talk) answer(before llm.Usage, data []byte) llm.Answer {
	before.Add(t.usage)
	return llm.Answer{
		JSON: data, Usage: before, Model: cmp.Or(t.model, t.m.name), Prompt: t.prompt,
		Withheld: t.view.Withheld, Cut: t.view.Cut, Taint: t.taint,
	}
}
