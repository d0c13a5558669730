package triage

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Decision is what was decided of an alert, or would be.
type Decision struct {
	Disposition winnow.Disposition `json:"disposition"`
	Confidence  int                `json:"confidence"`
	State       winnow.State       `json:"state"` // of a run that changes nothing: what it would have done
	Reason      winnow.Reason      `json:"reason"`
	Objections  []string           `json:"objections"` // guard and reason, sorted; the offline analysts' are not recorded
	Facts       []string           `json:"facts"`
}

// Again is a decision and the same decision made again.
type Again struct {
	ID         string   `json:"id"`
	SearchName string   `json:"search_name"`
	Recorded   Decision `json:"recorded"`
	Now        Decision `json:"now"`
	Differs    []string `json:"differs"` // names of what is not the same
	Changed    []string `json:"changed"` // what the decision rested on, and is not the same: version, configuration, rules, gate, facts
	Missing    []string `json:"missing"` // questions that were not asked then, and would be now
	Skipped    string   `json:"skipped"` // why there is nothing to decide again

	// Toward is "closed" or "person" when the alert would go on to another state, "" when it would not.
	// Failed is why a language model gave no answer, "" when all did.
	Toward string `json:"toward"`
	Failed string `json:"failed"`

	Cost winnow.Cost `json:"cost"` // of asking anew; 0 for recorded answers
}

// Unexplained reports whether the same program decides differently on the same inputs.
func (a *Again) Unexplained() bool { return len(a.Differs) > 0 && len(a.Changed) == 0 }

// Past is a decision of analysts, read from the ledger to be made again.
type Past struct {
	again   Again
	work    *work
	answers Answers
	offline bool   // no language model was asked
	actor   string // who decided
	at      time.Time
}

// Skipped reports whether there is nothing to decide again, and what to say of it.
func (p *Past) Skipped() (Again, bool) { return p.again, p.again.Skipped != "" }

// Calls are the answers that the decision was made on, none when no language model was asked.
func (p *Past) Calls() []llm.Call { return p.answers.calls() }

// Past reads the last decision on an alert that analysts made, with the answers of language models.
func (e *Engine) Past(t *ledger.Tx, id string) (*Past, error) {
	entry, err := t.Alert(id)
	if err != nil {
		return nil, err
	}
	records, err := t.History(id)
	if err != nil {
		return nil, err
	}
	current, err := t.Record(id)
	if err != nil {
		return nil, err
	}
	records = append(records, current)
	seq, body, err := t.Answers(id)
	if err != nil {
		return nil, err
	}
	p := &Past{again: Again{ID: id, SearchName: current.SearchName, Differs: []string{}, Changed: []string{}, Missing: []string{}}}
	i := lastAnalysis(records, int(seq)-1)
	if i < 0 {
		p.again.Skipped = "no analyst decided it: " + string(current.Outcome.State) + " (" + string(current.Outcome.Reason) + ")"
		return p, nil
	}
	p.actor = records[i].Outcome.Actor
	if p.offline = body == nil || i != int(seq)-1; !p.offline {
		if p.answers, err = ReadAnswers(body); err != nil {
			return nil, fmt.Errorf("alert %s: %w", id, err)
		}
	}
	if records[i].Outcome.Reason == winnow.ReasonOpenCase {
		p.again.Skipped = "it repeats an alert that was open"
		return p, nil
	}
	return p, p.read(t, e, entry, records[:i+1])
}

// lastAnalysis returns the place of the last record that rests on an analysis; -1 for none. answered is the
// place of the one with recorded answers.
func lastAnalysis(records []winnow.Record, answered int) int {
	for i, r := range slices.Backward(records) {
		o := &r.Outcome
		if i == answered || o.Actor == string(winnow.SourceOffline) || strings.HasPrefix(o.Actor, "model:") {
			return i
		}
	}
	return -1
}

func (p *Past) read(t *ledger.Tx, e *Engine, entry ledger.Entry, records []winnow.Record) (err error) {
	last := len(records) - 1
	rec := records[last]
	p.at = rec.Outcome.Time
	p.again.Recorded = decisionOf(&rec, p.answers.Objections)
	entry.Links = ledger.Links{}
	w := &work{entry: entry, rec: rec}
	w.rec.Verdict, w.rec.Outcome = winnow.Verdict{}, winnow.Outcome{}
	if w.taint, err = e.forgery(t, &entry.Alert); err != nil {
		return err
	}
	w.forced, w.detail = e.forced(&w.entry.Alert, &w.rec)
	w.raise = w.taint != nil || unread(rec.Proposal) || spokenFor(records[:last])
	p.work = w
	return nil
}

// Anew reads what a language model is told of the past, as it stands today: recorded answers need none of it.
func (e *Engine) Anew(t *ledger.Tx, p *Past) (err error) {
	p.work.past, err = e.past(t, &p.work.entry.Alert)
	return err
}

// AskAgain puts the alert to an analyst again, by what people had decided when it was
// decided. Safe for concurrent use for several alerts; must not be called inside a transaction.
func (e *Engine) AskAgain(ctx context.Context, p *Past, analyst Analyst) (llm.Analysis, error) {
	in := e.question(p.work)
	in.Verdicts = e.peopleBefore(p.at)
	return analyst.Analyse(ctx, in)
}

// Again makes a decision again on what an analyst says, by today's guards, policy, lists and facts. It
// changes nothing. Not safe for concurrent use.
func (e *Engine) Again(p *Past, an llm.Analysis) (Again, error) {
	w, out := p.work, p.again
	w.analysis = an
	if err := e.conclude(w); err != nil {
		return out, err
	}
	out.Cost, out.Failed = an.Cost, unanswered(&an)
	out.Now = decisionOf(&w.rec, storeObjections(an.Objections))
	for _, c := range an.Calls {
		if c.Failed == llm.NotRecorded {
			out.Missing = append(out.Missing, strings.TrimSuffix(string(c.Task)+"/"+c.Agent, "/"))
		}
	}
	out.compare(p.offline)
	out.Toward = toward(out.Recorded.State, out.Now.State)
	out.changed(p, e.inputs())
	return out, nil
}

// unanswered returns why a language model gave no answer, so that nothing is known of what it would say.
func unanswered(an *llm.Analysis) string {
	if an.Failed != nil {
		return an.Failed.Error()
	}
	for _, c := range an.Calls {
		if c.Declined == winnow.ReasonNoBudget {
			return c.Failed
		}
	}
	return ""
}

// toward says where an alert would go on its way from closed over review to a page.
func toward(before, now winnow.State) string {
	rank := map[winnow.State]int{winnow.StateClosed: 1, winnow.StateInReview: 2, winnow.StateEscalated: 3}
	switch was, is := rank[before], rank[now]; {
	case was == 0 || is == 0 || was == is:
		return ""
	case is < was:
		return "closed"
	}
	return "person"
}

func decisionOf(r *winnow.Record, objections []storedObjection) Decision {
	d := Decision{
		Disposition: r.Verdict.Disposition, Confidence: r.Verdict.Confidence, State: r.Outcome.State, Reason: r.Outcome.Reason,
		Objections: []string{}, Facts: append([]string{}, r.Verdict.Facts...),
	}
	if d.State == winnow.StateLeft && r.Outcome.Would != "" {
		d.State = r.Outcome.Would
	}
	for _, o := range objections {
		text := strings.TrimSpace(o.Guard + " " + string(o.Reason))
		if !slices.Contains(d.Objections, text) {
			d.Objections = append(d.Objections, text)
		}
	}
	slices.Sort(d.Objections)
	return d
}

// compare names what differs.
func (a *Again) compare(offline bool) {
	r, n := &a.Recorded, &a.Now
	for _, c := range []struct {
		name string
		same bool
	}{
		{"disposition", r.Disposition == n.Disposition},
		{"confidence", r.Confidence == n.Confidence},
		{"state", r.State == n.State},
		{"reason", r.Reason == n.Reason},
		{"objections", offline || slices.Equal(r.Objections, n.Objections)},
	} {
		if !c.same {
			a.Differs = append(a.Differs, c.name)
		}
	}
}

// changed names the inputs that are not what they were. Of a decision without recorded answers they are not
// known.
func (a *Again) changed(p *Past, now Inputs) {
	then := p.answers.Inputs
	for _, c := range []struct {
		name string
		same bool
	}{
		{"not recorded", !p.offline},
		{"version", p.offline || then.Version == now.Version},
		{"configuration", p.offline || then.Configuration == now.Configuration},
		{"rules", p.offline || then.Rules == now.Rules},
		{"gate", p.offline || then.Gate == now.Gate},
		{"facts", slices.Equal(a.Recorded.Facts, a.Now.Facts)},
	} {
		if !c.same {
			a.Changed = append(a.Changed, c.name)
		}
	}
}
