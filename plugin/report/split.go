package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/teams"
)

// By is what a bill is split by.
type By string

// What a bill can be split by.
const (
	BySearch   By = "search"
	ByRule     By = "rule" // what rules let be sampled: canaries
	ByStage    By = "stage"
	ByAgent    By = "agent"
	ByModel    By = "model"
	ByTier     By = "tier" // of service, as the provider billed it
	ByTeam     By = "team"
	BySeverity By = "severity"
	ByDay      By = "day"
)

// Splits are all of them, in the order in which people are told of them.
var Splits = []By{BySearch, ByRule, ByStage, ByAgent, ByModel, ByTier, ByTeam, BySeverity, ByDay}

// ParseBy reads one.
func ParseBy(text string) (By, error) {
	if by := By(text); slices.Contains(Splits, by) {
		return by, nil
	}
	var names []string
	for _, by := range Splits {
		names = append(names, string(by))
	}
	return "", fmt.Errorf("--by is %q, want %s", text, strings.Join(names, ", "))
}

// Replays is the line of what people asked with `winnow replay`: no search, rule or agent has cost that.
const Replays = "(replays)"

// NoSearch is the line of alerts whose search has no name: one that was not saved.
const NoSearch = "(no name)"

// SplitLine is the part of one search, rule, stage, ... in the bill.
type SplitLine struct {
	Name      string         `json:"name"`
	Alerts    int            `json:"alerts"` // received in the span; 0 where calls are split: a stage, agent, model or tier
	Asked     int            `json:"asked"`  // of these, that went to the analysts
	Attempts  int            `json:"attempts"`
	Input     int64          `json:"input_tokens"`
	Cached    int64          `json:"cached_tokens"`
	Output    int64          `json:"output_tokens"`
	Paid      winnow.NanoUSD `json:"paid_nanousd"`
	Unpriced  int            `json:"unpriced"`
	Uncertain winnow.NanoUSD `json:"unsettled_nanousd"` // part of paid: at its worst case, because nobody knows
}

// Split is a bill, split. The lines add up to the total, to the nano-dollar, but for the split by rule: that is of
// what alerts cost which a rule sampled.
type Split struct {
	By    By             `json:"by"`
	Lines []SplitLine    `json:"lines"`
	Total winnow.NanoUSD `json:"total_nanousd"`
}

// NewSplit splits what was booked in a span. Alerts count on the day on which they were received, calls on the
// day on which they were booked.
func NewSplit(t *ledger.Tx, s ledger.Span, by By) (*Split, error) {
	p := splitting{by: by, lines: map[string]*SplitLine{}}
	var err error
	switch by {
	case ByDay:
		err = p.days(t, s)
	case ByRule:
		err = p.rules(t, s)
	case BySearch, ByStage, ByAgent, ByModel, ByTier, ByTeam, BySeverity:
		err = p.groups(t, s)
	default:
		_, err = ParseBy(string(by))
	}
	if err != nil {
		return nil, fmt.Errorf("report cost by %s: %w", by, err)
	}
	out := &Split{By: by, Lines: []SplitLine{}}
	for _, l := range p.lines {
		out.Lines = append(out.Lines, *l)
		out.Total += l.Paid
	}
	slices.SortFunc(out.Lines, func(a, b SplitLine) int {
		if by == ByDay {
			return cmp.Compare(a.Name, b.Name)
		}
		return cmp.Or(cmp.Compare(b.Paid, a.Paid), cmp.Compare(b.Alerts, a.Alerts), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

type splitting struct {
	by    By
	lines map[string]*SplitLine
}

func (p *splitting) line(name string) *SplitLine {
	l := p.lines[name]
	if l == nil {
		l = &SplitLine{Name: name}
		p.lines[name] = l
	}
	return l
}

func (p *splitting) groups(t *ledger.Tx, s ledger.Span) error {
	err := t.Spendings(s, func(c *ledger.Spending) { p.line(p.callName(c)).add(c) })
	if err != nil {
		return err
	}
	return t.Tallies(s, func(y *ledger.Tally) {
		name, ok := p.alertName(y)
		if !ok {
			return
		}
		l := p.line(name)
		l.Alerts += y.Alerts
		if asked(y) {
			l.Asked += y.Alerts
		}
	})
}

func (l *SplitLine) add(c *ledger.Spending) {
	l.Attempts, l.Input, l.Cached, l.Output = l.Attempts+c.Attempts, l.Input+c.Input, l.Cached+c.Cached, l.Output+c.Output
	l.Paid, l.Unpriced = l.Paid+c.Booked, l.Unpriced+c.Unpriced
	if c.State == ledger.CallUnsettled || c.State == ledger.CallReserved {
		l.Uncertain += c.Booked
	}
}

// callName is the line that a call belongs to.
func (p *splitting) callName(c *ledger.Spending) string {
	switch p.by {
	case ByModel:
		return c.Model
	case ByTier:
		return cmp.Or(c.Tier, "not told")
	case ByStage:
		return stageName(c)
	case ByTeam, BySearch, ByAgent, BySeverity, ByRule, ByDay:
	}
	if c.Replay {
		return Replays
	}
	switch p.by {
	case ByTeam:
		return cmp.Or(c.Team, teams.Unassigned)
	case ByAgent:
		return cmp.Or(c.Agent, "(stages)")
	case BySeverity:
		return c.Severity.String()
	case BySearch, ByRule, ByDay, ByModel, ByTier, ByStage:
	}
	return cmp.Or(c.Search, NoSearch)
}

// alertName is the line that alerts belong to, where alerts are split.
func (p *splitting) alertName(y *ledger.Tally) (name string, ok bool) {
	switch p.by {
	case BySearch:
		return cmp.Or(y.SearchName, NoSearch), true
	case ByTeam:
		return cmp.Or(y.Team, teams.Unassigned), true
	case BySeverity:
		return y.Severity.String(), true
	case ByRule, ByStage, ByAgent, ByModel, ByTier, ByDay:
	}
	return "", false
}

// rules splits what alerts cost that a rule would have dropped and let be sampled.
func (p *splitting) rules(t *ledger.Tx, s ledger.Span) error {
	return t.Tallies(s, func(y *ledger.Tally) {
		if y.Rule == "" || y.Proposal == winnow.ProposeEscalate {
			return
		}
		l := p.line(y.Rule)
		l.Alerts += y.Alerts
		if asked(y) {
			l.Asked += y.Alerts
		}
		l.Paid += winnow.NanoUSD(y.MicroUSD) * 1000
	})
}

func (p *splitting) days(t *ledger.Tx, s ledger.Span) error {
	err := t.DaySpendings(s, func(d ledger.DaySpending) {
		l := p.line(d.Day.Format("2006-01-02"))
		l.Attempts, l.Paid = l.Attempts+d.Attempts, l.Paid+d.Booked
	})
	if err != nil {
		return err
	}
	return t.DayTallies(s, func(d ledger.DayTally) {
		l := p.line(d.Day.Format("2006-01-02"))
		l.Alerts += d.Alerts
		if asked(&ledger.Tally{Source: d.Source, State: d.State, Would: d.Would, Reason: d.Reason}) {
			l.Asked += d.Alerts
		}
	})
}
