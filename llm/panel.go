package llm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/winnow-soc/winnow"
)

// Panel is a group of agents that vote blind, and a coordinator that sums up. It is asked only
// where classification left a doubt.
type Panel struct {
	Agents      []Agent
	Coordinator Model
	Always      bool // ask the panel about every alert
	Low, High   int  // the disputed band: classifications this sure, bounds included, are put to the vote
}

// Agent is one member of the panel.
type Agent struct {
	Name   string
	Model  Model
	Weight float64 // above 0; a vote counts weight times its confidence
}

// Ballot is one agent's answer.
type Ballot struct {
	Vote       winnow.VoteKind `json:"vote"`
	Confidence int             `json:"confidence"` // 0 to 100
	Reason     string          `json:"reason"`
	Fields     []string        `json:"fields"` // fields of the alert that the reason cites
}

// Resolution is the coordinator's answer: it can be more cautious than the count of votes, and
// puts the case into words.
type Resolution struct {
	Disposition DispositionName `json:"disposition"`
	Confidence  int             `json:"confidence"` // 0 to 100
	Case        winnow.Case     `json:"case"`
}

func (p *Panel) valid() error {
	if len(p.Agents) < quorum {
		return fmt.Errorf("panel has %d agents, want at least %d", len(p.Agents), quorum)
	}
	names := map[string]bool{}
	for _, a := range p.Agents {
		if a.Name == "" || names[a.Name] {
			return fmt.Errorf("panel: agent name %q is empty or used twice", a.Name)
		}
		names[a.Name] = true
		if a.Model == nil {
			return fmt.Errorf("panel: agent %s has no model", a.Name)
		}
		if !(a.Weight > 0 && a.Weight <= 100) {
			return fmt.Errorf("panel: weight of agent %s is %v, want above 0 and at most 100", a.Name, a.Weight)
		}
	}
	if p.Low < 0 || p.High > 100 || p.Low > p.High {
		return errors.New("panel: disputed band is not within 0 to 100")
	}
	return nil
}

// disputed reports whether a classification is put to the vote.
func (p *Panel) disputed(j judgement) bool {
	if j.disposition == winnow.Undetermined || j.disposition == winnow.Other {
		return true
	}
	return p.Always || (j.confidence >= p.Low && j.confidence <= p.High)
}

func (b *Ballot) check(k *checker) {
	switch b.Vote {
	case winnow.VoteAbstain, winnow.VoteSafe, winnow.VoteSuspicious, winnow.VoteMalicious:
	default:
		k.fail("vote is %.40q, want SAFE, SUSPICIOUS, MALICIOUS or ABSTAIN", b.Vote)
	}
	k.within("confidence", b.Confidence, 0, 100)
	k.text("reason", &b.Reason, maxTextRunes)
	k.atMost("fields", len(b.Fields), maxItems)
	for _, f := range b.Fields {
		k.field("vote", f)
	}
	if b.Vote == winnow.VoteSafe && len(b.Fields) == 0 {
		k.fail("a SAFE vote cites no field")
	}
}

func (s *Resolution) check(k *checker) {
	k.disposition(s.Disposition)
	k.within("confidence", s.Confidence, 0, 100)
	k.threeLines(&s.Case)
}

// panel is the last stage.
func (r *run) panel(ctx context.Context) (settled bool, err error) {
	if err := r.vote(ctx); err != nil {
		return true, err
	}
	count := tally(&r.c, r.p.o.Panel.Agents)
	var sum Resolution
	if err := ask(ctx, r, r.p.o.Panel.Coordinator, Question{Task: TaskCoordinate, Case: &r.c}, &sum); err != nil {
		return true, err
	}
	r.decided(r.p.o.Panel.Coordinator)
	if count.maliciousFromTrusted {
		r.object("G8", winnow.ReasonMalicious, "a malicious vote rests on data that an attacker cannot set")
	}
	verdict := cautious(count.judgement, judgement{sum.Disposition.Disposition(), sum.Confidence, sum.Case})
	r.judgement, r.split = combine(r.judgement, verdict)
	r.split = r.split || count.split
	return true, nil
}

// vote asks the agents: first those that are free, then, while their votes leave the decision open, those of
// paid models, all at once. None sees another's vote. A vote of the wrong form abstains, as does an agent
// that gives no answer: then nothing is closed, for what it would have said is not known.
func (r *run) vote(ctx context.Context) error {
	agents := r.p.o.Panel.Agents
	seats := make([]seat, len(agents))
	blind := r.c.blind()
	var paid []int
	for i, a := range agents {
		if a.Model.Source() == winnow.SourceModel {
			paid = append(paid, i)
			continue
		}
		seats[i].fill(ctx, r, a, blind) // waits for nothing, so a goroutine costs more than it saves
	}
	var wg sync.WaitGroup
	if r.panelDecided(seats, paid) {
		for _, i := range paid {
			seats[i].vote = winnow.Vote{Agent: agents[i].Name, Vote: winnow.VoteAbstain, Reason: winnow.VoteNotAsked}
		}
	} else {
		for _, i := range paid {
			wg.Go(func() { seats[i].fill(ctx, r, agents[i], blind) })
		}
	}
	wg.Wait()
	for i := range seats {
		r.takeSeat(&seats[i], agents[i])
	}
	return r.enoughVotes(seats)
}

// panelDecided reports whether the votes of the free agents leave the paid ones nothing to decide.
func (r *run) panelDecided(seats []seat, paid []int) bool {
	agents := r.p.o.Panel.Agents
	var votes sums
	waiting := 0.0
	for i := range seats {
		if slices.Contains(paid, i) {
			waiting += agents[i].Weight
			continue
		}
		votes.add(&r.c, seats[i].vote, agents[i].Weight)
	}
	return votes.decided(waiting, len(paid))
}

// takeSeat takes up what became of one agent's vote.
func (r *run) takeSeat(s *seat, a Agent) {
	r.calls = append(r.calls, s.run.calls...)
	r.note(&Answer{Withheld: s.run.withheld, Cut: s.run.c.Cut, Taint: s.run.c.Taint})
	r.objections = append(r.objections, s.run.objections...)
	if s.err != nil {
		reason := winnow.ReasonUndecidable
		if _, broke := errors.AsType[*BudgetError](s.err); broke {
			reason = winnow.ReasonNoBudget
		}
		r.object("G8", reason, "the vote of "+a.Name+" is missing: "+s.err.Error())
	}
	r.c.Votes = append(r.c.Votes, s.vote)
	if s.asked {
		r.decided(a.Model)
	}
}

// enoughVotes fails the panel when so many agents gave no answer that the others make no quorum, and none of
// them voiced concern. Then another try may help, and no person is asked for what an outage left open.
func (r *run) enoughVotes(seats []seat) error {
	answered, concern := 0, false
	var failed error
	for i := range seats {
		if seats[i].err == nil {
			answered++
		}
		concern = concern || seats[i].vote.Vote == winnow.VoteSuspicious || seats[i].vote.Vote == winnow.VoteMalicious
		failed = errors.Join(failed, seats[i].err)
	}
	if answered >= quorum || concern {
		return nil
	}
	return failed
}

// seat is where one agent's answer lands, apart from the others.
type seat struct {
	run   run
	vote  winnow.Vote
	asked bool
	err   error
}

func (s *seat) fill(ctx context.Context, r *run, a Agent, blind *Case) {
	s.run.p, s.asked = r.p, true
	b := Ballot{Vote: winnow.VoteAbstain}
	s.err = s.ask(ctx, a, blind, &b)
	if s.err != nil {
		b = Ballot{Vote: winnow.VoteAbstain, Reason: clip(winnow.VoteMissing+s.err.Error(), maxTextRunes)}
	}
	s.vote = winnow.Vote{Agent: a.Name, Vote: b.Vote, Confidence: b.Confidence, Reason: b.Reason, Fields: b.Fields}
}

// errSeatPanicked stands for a panic: what was panicked with may be text of the alert.
var errSeatPanicked = errors.New("the agent panicked")

// ask asks the agent. Paid agents vote in goroutines of their own, where a panic would end the program:
// it is a missing answer.
func (s *seat) ask(ctx context.Context, a Agent, blind *Case, b *Ballot) (err error) {
	defer func() {
		if recover() != nil {
			err = errSeatPanicked
		}
	}()
	return ask(ctx, &s.run, a.Model, Question{Task: TaskVote, Agent: a.Name, Case: blind}, b)
}
