package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// ballots are the votes of panels that voted alike.
type ballots struct {
	Votes  []winnow.Vote
	Label  Label // by word of a person
	Weak   bool  // a person said something of them among many at once, which is no label to go by
	Panels int   // alerts on which they did

	// Decide tells what the votes add up to when one agent is left out, "" for none.
	Decide func(without string) string
}

// BenignDecision is what Decide says of panels whose votes let an alert be closed.
const BenignDecision = "benign"

// Votes is what the panel's agents are worth.
type Votes struct {
	Panels int        `json:"panels"` // alerts that were put to the vote
	Agents []Agent    `json:"agents"` // by name
	Pairs  []VotePair `json:"pairs"`
}

// Agent is what one agent said, and what came of it.
type Agent struct {
	Name       string `json:"agent"`
	Panels     int    `json:"panels"` // in which it had a seat
	Safe       int    `json:"safe"`
	Suspicious int    `json:"suspicious"`
	Malicious  int    `json:"malicious"`
	Abstained  int    `json:"abstained"` // by its own will
	NotAsked   int    `json:"not_asked"`
	Missing    int    `json:"missing"` // it gave no answer

	Changed      int `json:"changed"`       // panels whose decision is another without it
	ToClose      int `json:"to_close"`      // of these, those that are benign with it alone
	AgainstClose int `json:"against_close"` // and those that are benign without it

	Labelled  int      `json:"labelled"` // votes on alerts whose truth a person knows
	Weak      int      `json:"weak"`     // votes on alerts that have weak labels alone: in no other count
	Errors    int      `json:"errors"`   // SAFE on an attack, or concern about a benign alert
	ErrorRate *float64 `json:"error_rate"`

	Calls      int    `json:"calls"`
	Unpriced   int    `json:"unpriced"`
	MicroUSD   *int64 `json:"microusd"`             // null: some calls have no price
	PerChanged *int64 `json:"microusd_per_changed"` // null: not known, or nothing was changed

	paid winnow.NanoUSD
}

// VotePair is how two agents hang together. Phi correlates their errors on alerts whose truth a person knows:
// 1 when they err together, 0 when independently, null when one of them errs always or never.
type VotePair struct {
	A string `json:"a"`
	B string `json:"b"`

	Labelled  int      `json:"labelled"` // alerts on which both voted and the truth is known
	BothWrong int      `json:"both_wrong"`
	OnlyA     int      `json:"only_a_wrong"`
	OnlyB     int      `json:"only_b_wrong"`
	BothRight int      `json:"both_right"`
	Phi       *float64 `json:"phi"`

	Together  int      `json:"together"` // alerts on which both voted
	Agreed    int      `json:"agreed"`   // both said SAFE, or both were concerned
	Agreement *float64 `json:"agreement"`
}

// voteCounter adds panels up.
type voteCounter struct {
	panels int
	agents map[string]*Agent
	pairs  map[[2]string]*VotePair
}

// NewVotes adds up what the panels said of all alerts of the ledger, and what their votes cost. decide tells what
// votes on an alert add up to; of the alert it is given the search, and the fields that votes cite.
func NewVotes(t *ledger.Tx, decide func(*winnow.Alert, []winnow.Vote) string) (*Votes, error) {
	c := newVotes()
	err := t.Panels(func(p ledger.Panel) error {
		c.add(ballotsOf(&p, decide))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("report votes: %w", err)
	}
	paid, err := t.VoteCosts()
	if err != nil {
		return nil, fmt.Errorf("report votes: %w", err)
	}
	for _, p := range paid {
		c.pay(p)
	}
	return c.result(), nil
}

// ballotsOf makes votes of what the ledger kept of them.
func ballotsOf(p *ledger.Panel, decide func(*winnow.Alert, []winnow.Vote) string) ballots {
	a := winnow.Alert{SearchName: p.SearchName, Fields: winnow.Fields{}}
	votes := make([]winnow.Vote, len(p.Votes))
	for i, v := range p.Votes {
		votes[i] = winnow.Vote{Agent: v.Agent, Vote: v.Vote, Confidence: v.Confidence, Fields: v.Fields}
		switch {
		case v.NotAsked:
			votes[i].Reason = winnow.VoteNotAsked
		case v.Missing:
			votes[i].Reason = winnow.VoteMissing
		}
		for _, f := range v.Fields {
			a.Fields[f] = []string{"cited"}
		}
	}
	b := ballots{Votes: votes, Panels: p.Panels, Label: LabelUnknown}
	switch p.Label {
	case ledger.PanelAttack:
		b.Label = LabelAttack
	case ledger.PanelBenign:
		b.Label = LabelBenign
	case ledger.PanelWeak:
		b.Weak = true
	}
	b.Decide = func(without string) string {
		return decide(&a, slices.DeleteFunc(slices.Clone(votes), func(v winnow.Vote) bool { return v.Agent == without }))
	}
	return b
}

func newVotes() *voteCounter {
	return &voteCounter{agents: map[string]*Agent{}, pairs: map[[2]string]*VotePair{}}
}

// add takes panels in.
func (c *voteCounter) add(b ballots) {
	n := b.Panels
	c.panels += n
	decided := b.Decide("")
	for i, v := range b.Votes {
		a := c.agent(v.Agent)
		a.Panels += n
		*a.kind(v) += n
		a.change(decided, b.Decide(v.Agent), n)
		if wrong, known := wrongVote(v, b.Label); known {
			a.Labelled += n
			a.Errors += n * one(wrong)
		} else if voted(v) {
			a.Weak += n * one(b.Weak)
		}
		for _, w := range b.Votes[i+1:] {
			c.pair(v, w, b.Label, n)
		}
	}
}

// pay adds what is booked for votes of an agent.
func (c *voteCounter) pay(p ledger.VoteCost) {
	a := c.agent(p.Agent)
	a.paid, a.Calls, a.Unpriced = a.paid+p.NanoUSD, a.Calls+p.Calls, a.Unpriced+p.Unpriced
}

func (c *voteCounter) agent(name string) *Agent {
	a := c.agents[name]
	if a == nil {
		a = &Agent{Name: name}
		c.agents[name] = a
	}
	return a
}

// kind is where votes like this one are counted.
func (a *Agent) kind(v winnow.Vote) *int {
	switch {
	case v.NotAsked():
		return &a.NotAsked
	case v.Missing():
		return &a.Missing
	case v.Vote == winnow.VoteSafe:
		return &a.Safe
	case v.Vote == winnow.VoteSuspicious:
		return &a.Suspicious
	case v.Vote == winnow.VoteMalicious:
		return &a.Malicious
	}
	return &a.Abstained
}

func (a *Agent) change(with, without string, n int) {
	if with == without {
		return
	}
	a.Changed += n
	a.ToClose += n * one(with == BenignDecision)
	a.AgainstClose += n * one(without == BenignDecision)
}

// wrongVote compares a vote with what a person says of the alert. Who abstains is not wrong.
func wrongVote(v winnow.Vote, l Label) (wrong, known bool) {
	safe := v.Vote == winnow.VoteSafe
	if !voted(v) || l != LabelAttack && l != LabelBenign {
		return false, false
	}
	return safe != (l == LabelBenign), true
}

func voted(v winnow.Vote) bool {
	return v.Vote == winnow.VoteSafe || v.Vote == winnow.VoteSuspicious || v.Vote == winnow.VoteMalicious
}

func (c *voteCounter) pair(v, w winnow.Vote, l Label, n int) {
	if v.Agent > w.Agent {
		v, w = w, v
	}
	if v.Agent == w.Agent {
		return
	}
	key := [2]string{v.Agent, w.Agent}
	p := c.pairs[key]
	if p == nil {
		p = &VotePair{A: v.Agent, B: w.Agent}
		c.pairs[key] = p
	}
	if !voted(v) || !voted(w) {
		return
	}
	p.Together += n
	p.Agreed += n * one((v.Vote == winnow.VoteSafe) == (w.Vote == winnow.VoteSafe))
	wrongA, known := wrongVote(v, l)
	wrongB, _ := wrongVote(w, l)
	switch {
	case !known:
		return
	case wrongA && wrongB:
		p.BothWrong += n
	case wrongA:
		p.OnlyA += n
	case wrongB:
		p.OnlyB += n
	default:
		p.BothRight += n
	}
	p.Labelled += n
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// result returns the sums.
func (c *voteCounter) result() *Votes {
	out := &Votes{Panels: c.panels, Agents: []Agent{}, Pairs: []VotePair{}}
	for _, a := range c.agents {
		a.ErrorRate = shareOf(a.Errors, a.Labelled)
		a.MicroUSD, a.PerChanged = nil, nil
		if a.Unpriced == 0 {
			micro := a.paid.Micro()
			a.MicroUSD = &micro
			if a.Changed > 0 {
				per := (a.paid / winnow.NanoUSD(a.Changed)).Micro()
				a.PerChanged = &per
			}
		}
		out.Agents = append(out.Agents, *a)
	}
	for _, p := range c.pairs {
		p.Phi, p.Agreement = phi(p), shareOf(p.Agreed, p.Together)
		out.Pairs = append(out.Pairs, *p)
	}
	slices.SortFunc(out.Agents, func(a, b Agent) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(out.Pairs, func(a, b VotePair) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) })
	return out
}

// phi is the correlation of two yes-or-no series, nil where one of them never varies.
func phi(p *VotePair) *float64 {
	both, onlyA, onlyB, none := float64(p.BothWrong), float64(p.OnlyA), float64(p.OnlyB), float64(p.BothRight)
	below := (both + onlyA) * (onlyB + none) * (both + onlyB) * (onlyA + none)
	if below <= 0 {
		return nil
	}
	r := (both*none - onlyA*onlyB) / math.Sqrt(below)
	return &r
}
