package llm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/winnow-soc/winnow"
)

// Options say which models a pipeline asks, and what it knows. All but Facts, Knowledge, Calibration,
// First and Combine are required.
type Options struct {
	Enrich, Correlate, Classify Model
	Panel                       Panel
	Catalogue                   *Catalogue
	Facts                       *Facts // nil: there are no benign facts, so nothing can be closed that needs one

	// Calibration says what a stated confidence is worth; nil: nobody has measured it.
	Calibration *Calibration

	// Knowledge is what is known locally of an alert's values. nil: nothing.
	Knowledge Knowledge

	// First is asked before the models: analysts that cost nothing. What they may close needs no model.
	First *Pipeline

	// Combine puts correlation and classification into one call of Classify, where that is a language model.
	Combine bool
}

// Policy holds the numbers that the guards compare with. The zero value closes nothing.
type Policy struct {
	Confidence         int             // least calibrated confidence of a close, 1 to 100
	TrustUncalibrated  bool            // take a model's stated confidence as it is
	RequireFact        bool            // false waives the benign fact up to severity low
	OfflineMaxSeverity winnow.Severity // offline analysts close nothing above it
	AllowProse         bool            // models may close alerts in which others wrote sentences
}

// Input is one alert and what holds for it.
type Input struct {
	Alert    *winnow.Alert
	Fields   *winnow.FieldTable // nil: every field is attacker-set
	Lists    Lists              // nil: there are no lists
	Verdicts PersonVerdicts     // nil: no person decided anything
	Policy   Policy
	Taint    []string // signs of taint that the caller found
	Past     []Past   // what was decided on alerts with its entities
}

// Pipeline runs alerts through the stages, the panel and the guards. Safe for concurrent use.
type Pipeline struct {
	o Options

	unscanned bool // for tests: G4 sees nothing
}

// New checks the options.
func New(o Options) (*Pipeline, error) {
	for _, s := range []struct {
		task  Task
		model Model
	}{{TaskEnrich, o.Enrich}, {TaskCorrelate, o.Correlate}, {TaskClassify, o.Classify}, {TaskCoordinate, o.Panel.Coordinator}} {
		if s.model == nil {
			return nil, fmt.Errorf("pipeline: no model for stage %s", s.task)
		}
	}
	if o.Catalogue == nil {
		return nil, errors.New("pipeline: no ATT&CK catalogue")
	}
	if err := o.Panel.valid(); err != nil {
		return nil, fmt.Errorf("pipeline: %w", err)
	}
	return &Pipeline{o: o}, nil
}

// run is one alert on its way through.
type run struct {
	p          *Pipeline
	in         Input
	c          Case
	judgement  judgement
	split      bool // the panel did not agree
	source     winnow.Source
	author     string // whose confidence it is: of those who decided the last model, else the last analyst
	byModel    bool   // author is a language model
	calls      []Call
	objections []Objection
	prose      []string // fields in which others wrote sentences
	withheld   []string // fields that a model which was asked did not see
	failed     error
	broke      bool // there was no money to ask on
}

// judgement is what is believed so far.
type judgement struct {
	disposition winnow.Disposition
	confidence  int
	words       winnow.Case
}

// stage runs one step. It is settled when the later steps have nothing to add.
type stage func(*run, context.Context) (settled bool, err error)

// stages is the way of every alert, in order.
var stages = []stage{(*run).enrich, (*run).correlate, (*run).classify, (*run).panel}

// Analyse judges the alert. A model that fails or answers nonsense leads to an Undetermined
// analysis with objections, not to an error: those are for a missing alert and a cancelled
// context, when nothing can be said yet.
func (p *Pipeline) Analyse(ctx context.Context, in Input) (Analysis, error) {
	if in.Alert == nil {
		return Analysis{}, errors.New("analyse: no alert")
	}
	var first Analysis
	if p.o.First != nil {
		var err error
		if first, err = p.o.First.Analyse(ctx, in); err != nil || first.Closable() {
			return first, err
		}
	}
	r := &run{p: p, in: in, c: Case{Alert: in.Alert, Fields: in.Fields, Lists: in.Lists}}
	r.observe(ctx)
	for _, s := range stages {
		settled, err := s(r, ctx)
		if ctx.Err() != nil {
			return Analysis{}, fmt.Errorf("analyse alert %s: %w", in.Alert.ID, context.Cause(ctx))
		}
		if err != nil {
			r.fail(err)
			break
		}
		if settled {
			break
		}
	}
	if r.broke && first.judged && r.judgement.disposition != winnow.TruePositive {
		return r.unpaid(first), nil
	}
	r.guard()
	return r.analysis(), nil
}

// observe notes what code can tell before anybody is asked.
func (r *run) observe(ctx context.Context) {
	if !r.p.unscanned {
		s := scan(r.in.Alert, r.in.Fields)
		r.c.Taint, r.c.Cut, r.prose = s.taint, s.cut, s.prose
	}
	r.c.Taint = append(r.c.Taint, r.in.Taint...)
	r.c.Facts = r.p.o.Facts.Find(r.in)
	r.know(ctx)
}

// fail records that a model gave no answer: nothing is believed of the alert then. Without money for a
// call the analysis ends there, and is not tried again: what was believed real by then stays so.
func (r *run) fail(err error) {
	if _, broke := errors.AsType[*BudgetError](err); broke {
		r.broke = true
		r.object("", winnow.ReasonNoBudget, err.Error())
		if r.judgement.disposition == winnow.TruePositive {
			return
		}
	} else {
		r.failed = err
		r.object("", winnow.ReasonUndecidable, err.Error())
	}
	r.judgement.disposition, r.judgement.confidence = winnow.Undetermined, 0
}

// unpaid leaves the verdict to the analysts that cost nothing, who have looked already. They closed nothing, and
// nothing closes now: what is missing is what they could not tell.
func (r *run) unpaid(first Analysis) Analysis {
	var used Usage
	for _, c := range r.calls {
		used.Add(c.Usage)
	}
	first.Objections = slices.Concat(first.Objections, r.objections)
	first.Verdict.Taint = union(first.Verdict.Taint, r.c.Taint)
	first.Calls, first.Cost = r.calls, used.cost()
	return first
}

// decided notes whose word the verdict rests on. One offline analyst among models makes it an
// offline verdict, which closes less. It is called right after the question was put.
func (r *run) decided(m Model) {
	model := m.Source() == winnow.SourceModel
	if model || !r.byModel {
		r.author, r.byModel = r.calls[len(r.calls)-1].Model, model
	}
	switch {
	case r.source == winnow.SourceOffline || m.Source() != winnow.SourceModel:
		r.source = winnow.SourceOffline
	default:
		r.source = winnow.SourceModel
	}
}

// note takes up what the guards must know of how an answer was made.
func (r *run) note(a *Answer) {
	r.withheld = union(r.withheld, a.Withheld)
	r.c.Cut = union(r.c.Cut, a.Cut)
	r.c.Taint = union(r.c.Taint, a.Taint)
	if a.Smaller && !slices.ContainsFunc(r.objections, func(o Objection) bool { return o.Reason == winnow.ReasonNoBudget }) {
		r.object("", winnow.ReasonNoBudget, "a smaller model answered: there is no money for the one that was meant")
	}
}

func union(list, more []string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// declined returns the reason of a failure that another try would not mend, "" for others.
func declined(err error) winnow.Reason {
	if d, ok := errors.AsType[*DeclinedError](err); ok {
		return d.Reason
	}
	if _, ok := errors.AsType[*BudgetError](err); ok {
		return winnow.ReasonNoBudget
	}
	return ""
}

// ask puts one question and decodes the answer into out. An answer of another form is an
// objection and leaves out as it was; the error is for no answer at all.
func ask[T any, P answer[T]](ctx context.Context, r *run, m Model, q Question, out P) error {
	q.Check = func(data []byte) error {
		var v T
		return decode(q, m, data, r.p.o.Catalogue, P(&v))
	}
	reply, err := m.Answer(ctx, q)
	call := Call{Task: q.Task, Agent: q.Agent, Model: cmp.Or(reply.Model, m.Name()), Usage: reply.Usage, Answer: reply, Source: m.Source()}
	if err != nil {
		call.Failed, call.Declined = err.Error(), declined(err)
	}
	r.calls = append(r.calls, call)
	r.note(&reply)
	if declined, ok := errors.AsType[*DeclinedError](err); ok {
		r.object("G3", declined.Reason, err.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: ask %s: %w", q.Task, m.Name(), err)
	}
	if err := decode(q, m, reply.JSON, r.p.o.Catalogue, out); err != nil {
		r.object("G3", winnow.ReasonBadAnswer, err.Error())
	}
	return nil
}
