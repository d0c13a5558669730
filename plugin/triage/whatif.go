package triage

import (
	"context"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Course is where an alert would go by the settings, rules and lists of an engine.
type Course struct {
	State  winnow.State // "" when it cannot be told
	Source winnow.Source
	Reason winnow.Reason

	// Unknown says why State is "", for people. Forced is set when the alert goes to a person whatever anybody
	// says of it, so that State holds also where a language model would be asked.
	Unknown string
	Forced  bool

	// Unused is what answers had cost that would not be asked for. NothingUsed is set when none would.
	Unused      winnow.NanoUSD
	NothingUsed bool
}

// Why it cannot be told where an alert would go.
const (
	UnknownAnswers = "what language models answered is not recorded"
	UnknownPanel   = "a question would be put that nobody was asked"
	UnknownFields  = "its fields are past retention"
	UnknownModel   = "a language model would be asked"
)

// AtGate says what escalate list and rules make of an alert at its own time, as alert action and worker do
// between them; drops is set when a rule closes it. Cached verdicts are not asked. What is suspended today is
// suspended. Not safe for concurrent use.
func (e *Engine) AtGate(t *ledger.Tx, a *winnow.Alert) (p winnow.Proposal, drops bool, err error) {
	g := *e.Gate
	g.Cache, g.CacheOff = nil, ""
	rec := winnow.NewRecord(a, g.Propose(a))
	if rec.Proposal.Kind != winnow.ProposeDrop {
		return rec.Proposal, false, nil
	}
	taint, err := e.forgery(t, a)
	if err != nil {
		return rec.Proposal, false, err
	}
	drops = e.dropHolds(a, &rec, taint != nil)
	return rec.Proposal, drops, nil
}

// Unasked reads an alert as if it had just passed the gate with a proposal: nobody has judged it yet.
func (e *Engine) Unasked(t *ledger.Tx, id string, p winnow.Proposal) (*Past, error) {
	entry, err := t.Alert(id)
	if err != nil {
		return nil, err
	}
	rec := winnow.NewRecord(&entry.Alert, p)
	past := &Past{again: Again{ID: id, SearchName: entry.Alert.SearchName}, offline: true}
	return past, past.read(t, e, entry, []winnow.Record{rec})
}

// Course decides an alert on what an analyst says. The analyst must ask nobody: recorded answers and the offline
// analysts. Not safe for concurrent use.
func (e *Engine) Course(ctx context.Context, p *Past, analyst Analyst) (Course, error) {
	if p.answersLost() {
		return Course{Unknown: UnknownAnswers}, nil
	}
	an, err := e.AskAgain(ctx, p, analyst)
	if err != nil {
		return Course{}, err
	}
	used := map[string]bool{}
	for _, c := range an.Calls {
		if c.Failed == llm.NotRecorded {
			return Course{Unknown: UnknownPanel}, nil
		}
		used[string(c.Task)+"/"+c.Agent] = true
	}
	p.work.analysis = an
	if err := e.conclude(p.work); err != nil {
		return Course{}, err
	}
	rec := &p.work.rec
	out := Course{State: rec.Outcome.State, Source: rec.Verdict.Source, Reason: rec.Outcome.Reason, Forced: p.work.forced != "", NothingUsed: true}
	for _, c := range p.Calls() {
		switch {
		case c.Source != winnow.SourceModel:
		case used[string(c.Task)+"/"+c.Agent]:
			out.NothingUsed = false
		default:
			out.Unused += c.Usage.Price
		}
	}
	return out, nil
}

// answersLost reports whether a language model decided, and what it said is not there any more.
func (p *Past) answersLost() bool { return p.offline && strings.HasPrefix(p.actor, "model:") }
