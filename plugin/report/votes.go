package report

import (
	"cmp"
	"math"
	"slices"

	"github.com/winnow-soc/winnow"
)

// Ballots are the votes of one panel on one alert.
type Ballots struct {
	Votes    []winnow.Vote
	NotAsked map[string]bool // agents that were not asked, because the votes before had settled it
	Missing  map[string]bool // agents that gave no answer
	Label    Label           // by word of a person
	Weak     bool            // a person said something of it among many at once, which is no label to go by

	// Decide tells what the votes add up to when one agent is left out, "" for none.
	Decide func(without string) string

	// Paid is what is booked for the votes of agents.
	Paid map[string]VoteCost
}

// VoteCost is what is booked for votes. Unpriced calls are not in it.
type VoteCost struct {
	NanoUSD  winnow.NanoUSD
	Calls    int
	Unpriced int
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

// VoteCounter adds panels up. Not safe for concurrent use.
type VoteCounter struct {
	panels int
	agents map[string]*Agent
	pairs  map[[2]string]*VotePair
}

// NewVotes starts a count.
func NewVotes() *VoteCounter {
	return &VoteCounter{agents: map[string]*Agent{}, pairs: map[[2]string]*VotePair{}}
}

// Add takes one panel in.
func (c *VoteCounter) Add(b Ballots) {
	c.panels++
	decided := b.Decide("")
	for i, v := range b.Votes {
		a := c.agent(v.Agent)
		a.Panels++
		a.count(v, b.NotAsked[v.Agent], b.Missing[v.Agent])
		a.change(decided, b.Decide(v.Agent))
		if wrong, known := wrongVote(v, b.Label); known {
			a.Labelled++
			a.Errors += one(wrong)
		} else if voted(v) {
			a.Weak += one(b.Weak && b.Label != LabelAttack && b.Label != LabelBenign)
		}
		for _, w := range b.Votes[i+1:] {
			c.pair(v, w, b.Label)
		}
	}
	for name, paid := range b.Paid {
		a := c.agent(name)
		a.paid, a.Calls, a.Unpriced = a.paid+paid.NanoUSD, a.Calls+paid.Calls, a.Unpriced+paid.Unpriced
	}
}

func (c *VoteCounter) agent(name string) *Agent {
	a := c.agents[name]
	if a == nil {
		a = &Agent{Name: name}
		c.agents[name] = a
	}
	return a
}

func (a *Agent) count(v winnow.Vote, notAsked, missing bool) {
	switch {
	case notAsked:
		a.NotAsked++
	case missing:
		a.Missing++
	case v.Vote == winnow.VoteSafe:
		a.Safe++
	case v.Vote == winnow.VoteSuspicious:
		a.Suspicious++
	case v.Vote == winnow.VoteMalicious:
		a.Malicious++
	default:
		a.Abstained++
	}
}

func (a *Agent) change(with, without string) {
	if with == without {
		return
	}
	a.Changed++
	a.ToClose += one(with == BenignDecision)
	a.AgainstClose += one(without == BenignDecision)
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

func (c *VoteCounter) pair(v, w winnow.Vote, l Label) {
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
	p.Together++
	p.Agreed += one((v.Vote == winnow.VoteSafe) == (w.Vote == winnow.VoteSafe))
	wrongA, known := wrongVote(v, l)
	wrongB, _ := wrongVote(w, l)
	switch {
	case !known:
		return
	case wrongA && wrongB:
		p.BothWrong++
	case wrongA:
		p.OnlyA++
	case wrongB:
		p.OnlyB++
	default:
		p.BothRight++
	}
	p.Labelled++
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// Result returns the sums.
func (c *VoteCounter) Result() *Votes {
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
