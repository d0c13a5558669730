// Package report turns the ledger into numbers for the people who pay for triage.
package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Step is one row of the funnel: how many alerts ended there.
type Step struct {
	Name   string  `json:"step"`
	Alerts int     `json:"alerts"`
	Share  float64 `json:"share"` // of all alerts, 0 to 1
}

// Cost is the funnel and the bill. Money is micro-dollars.
type Cost struct {
	Alerts int    `json:"alerts"`
	Funnel []Step `json:"funnel"`

	// Would is the funnel of what winnow would have done, for the alerts that it left.
	Would []Step `json:"would"`

	Model   string `json:"model"`             // whose price the estimates use
	Priced  bool   `json:"priced"`            // false: the model has no price, so the estimates are missing, not zero
	Asked   int    `json:"asked"`             // alerts that went to the analysts
	Paid    int64  `json:"paid"`              // booked for calls that were made
	PerCall int64  `json:"per_alert_without"` // estimate for one alert through all stages of that model
	Without int64  `json:"without"`           // estimate for every alert through all stages
	With    int64  `json:"with"`              // estimate for the alerts that rules, cache and open cases did not settle
	Saved   int64  `json:"saved"`             // without less with

	// Calls is what was booked by model and stage. Amounts are rounded up here for each line, in records for
	// each alert, so sums may differ by a millionth of a dollar for each.
	Calls []CallLine `json:"calls"`

	// Forecast is for the end of the month in which the report was made; nil where too little is known.
	Forecast *Forecast `json:"forecast,omitempty"`

	// Recalls are the budget lines of what people had triaged again: part of Paid.
	Recalls []RecallLine `json:"recalls,omitempty"`
}

// RecallLine is what one recall has cost so far.
type RecallLine struct {
	Recall  string `json:"recall"` // recall:ID
	Alerts  int    `json:"alerts"`
	Waiting int    `json:"waiting"` // for triage
	Paid    int64  `json:"paid"`
}

// CallLine is what was booked for one stage or agent with one model.
type CallLine struct {
	Model     string `json:"model"` // as it is billed
	Stage     string `json:"stage"` // a task, or task/agent; with "replay:" ahead for what `winnow replay` asked
	Attempts  int    `json:"attempts"`
	Input     int64  `json:"input_tokens"`
	Output    int64  `json:"output_tokens"`
	Paid      int64  `json:"paid"`
	Unpriced  int    `json:"unpriced"`       // attempts without a price
	Unsettled int    `json:"unsettled"`      // attempts of which nobody knows what they cost
	Uncertain int64  `json:"unsettled_paid"` // their part of paid, at their worst case
}

// bytesPerToken is the usual measure for English text and JSON; providers publish about four.
const bytesPerToken = 4

// NewCost reads the funnel of the alerts that were received in a span and prices it; calls count by when they were
// booked. The estimate for one alert is its own text and the
// fixed prompt and answer of each stage ([stage:NAME] input_tokens, output_tokens) at the price
// that [pipeline] model has at the given time. Without a table there is only the funnel.
func NewCost(t *ledger.Tx, span ledger.Span, s *conf.Settings, table *prices.Table, at time.Time) (Cost, error) {
	c := Cost{Model: s.Pipeline.Model}
	f := funnel{}
	var bytes int64
	err := t.Tallies(span, func(y *ledger.Tally) {
		f.add(y)
		c.Alerts += y.Alerts
		c.Paid += y.MicroUSD
		bytes += y.Bytes
		if asked(y) {
			c.Asked += y.Alerts
		}
	})
	if err != nil {
		return c, fmt.Errorf("report cost: %w", err)
	}
	c.Funnel, c.Would = f.steps(c.Alerts)
	if err := errors.Join(c.recalls(t), c.calls(t, span)); err != nil {
		return c, err
	}
	if table == nil {
		return c, nil
	}
	if forecast, ok, err := NewForecast(t, at); err != nil {
		return c, err
	} else if ok {
		c.Forecast = &forecast
	}
	unit, ok := PerAlert(s, table, at, bytes/max(int64(c.Alerts), 1))
	if c.Priced = ok; !ok || c.Alerts == 0 {
		return c, nil
	}
	c.PerCall = unit.Micro()
	c.Without = (unit * winnow.NanoUSD(c.Alerts)).Micro()
	c.With = (unit * winnow.NanoUSD(c.Asked)).Micro()
	c.Saved = c.Without - c.With
	return c, nil
}

// PerAlert estimates, as [NewCost] does, what one alert with this many bytes of text costs when it
// goes through all stages. ok is false when the model has no price: that is unknown, not nothing.
func PerAlert(s *conf.Settings, table *prices.Table, at time.Time, bytes int64) (cost winnow.NanoUSD, ok bool) {
	price, ok := table.Price(s.Pipeline.Model, at)
	if !ok {
		return 0, false
	}
	return unitCost(price, s.Stages, bytes/bytesPerToken), true
}

// StagePrices estimates, as [NewCost] does, what each stage costs for one alert with this many bytes of text; nil
// when the model has no price.
func StagePrices(s *conf.Settings, table *prices.Table, at time.Time, bytes int64) map[string]winnow.NanoUSD {
	price, ok := table.Price(s.Pipeline.Model, at)
	if !ok {
		return nil
	}
	out := map[string]winnow.NanoUSD{}
	for name, st := range s.Stages {
		out[name] = unitCost(price, map[string]conf.Stage{name: st}, bytes/bytesPerToken)
	}
	return out
}

func (c *Cost) recalls(t *ledger.Tx) error {
	costs, err := t.RecallCosts()
	if err != nil {
		return fmt.Errorf("report cost: %w", err)
	}
	for _, r := range costs {
		c.Recalls = append(c.Recalls, RecallLine{"recall:" + r.Target, r.Alerts, r.Waiting, r.MicroUSD})
	}
	return nil
}

// calls adds up what was booked by model and stage, the dearest first.
func (c *Cost) calls(t *ledger.Tx, span ledger.Span) error {
	type line struct {
		CallLine
		paid, uncertain winnow.NanoUSD
	}
	lines := map[[2]string]*line{}
	err := t.Spendings(span, func(s *ledger.Spending) {
		key := [2]string{s.Model, stageName(s)}
		l := lines[key]
		if l == nil {
			l = &line{CallLine: CallLine{Model: key[0], Stage: key[1]}}
			lines[key] = l
		}
		l.Attempts, l.Input, l.Output, l.Unpriced = l.Attempts+s.Attempts, l.Input+s.Input, l.Output+s.Output, l.Unpriced+s.Unpriced
		l.paid += s.Booked
		if s.State == ledger.CallUnsettled || s.State == ledger.CallReserved {
			l.Unsettled, l.uncertain = l.Unsettled+s.Attempts, l.uncertain+s.Booked
		}
	})
	if err != nil {
		return fmt.Errorf("report cost: %w", err)
	}
	c.Calls = []CallLine{}
	for _, l := range lines {
		l.Paid, l.Uncertain = l.paid.Micro(), l.uncertain.Micro()
		c.Calls = append(c.Calls, l.CallLine)
	}
	slices.SortFunc(c.Calls, func(a, b CallLine) int {
		return cmp.Or(cmp.Compare(b.Paid, a.Paid), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Stage, b.Stage))
	})
	return nil
}

func stageName(s *ledger.Spending) string {
	name := s.Task
	if s.Agent != "" {
		name += "/" + s.Agent
	}
	if s.Replay {
		name = "replay:" + name
	}
	return name
}

func unitCost(p prices.Price, stages map[string]conf.Stage, alertTokens int64) (sum winnow.NanoUSD) {
	for _, st := range stages {
		sum += p.Cost(prices.Usage{Input: st.InputTokens + alertTokens, Output: st.OutputTokens})
	}
	return sum
}

// asked reports whether the alerts went to the analysts: nothing cheaper settled them.
func asked(y *ledger.Tally) bool {
	switch {
	case y.Reason == winnow.ReasonOpenCase, y.Reason == winnow.ReasonOwn, y.State == winnow.StateQueued:
		return false
	case y.Source == winnow.SourceRule && y.Reason != winnow.ReasonCanary, y.Source == winnow.SourceCache:
		return false
	}
	return true
}

// stepNames are the rows of the funnel, from the cheapest gate on.
var stepNames = []string{
	"closed by an allow-list rule", "closed from the verdict cache", "closed by offline analysts", "closed by a model",
	"closed by a person", "joined an open case", "waits in the review queue", "escalated, ready to page", "left as it was", "queued",
}

type funnel struct{ is, would [10]int }

func (f *funnel) add(y *ledger.Tally) {
	f.is[stepOf(y, y.State)] += y.Alerts
	if y.State == winnow.StateLeft && y.Would != winnow.StateLeft {
		f.would[stepOf(y, y.Would)] += y.Alerts
	}
}

func stepOf(y *ledger.Tally, state winnow.State) int {
	switch {
	case state == winnow.StateQueued:
		return 9
	case state == winnow.StateLeft:
		return 8
	case y.Reason == winnow.ReasonOpenCase:
		return 5
	case state == winnow.StateInReview:
		return 6
	case state == winnow.StateEscalated:
		return 7
	}
	switch y.Source {
	case winnow.SourceRule:
		return 0
	case winnow.SourceCache:
		return 1
	case winnow.SourceModel:
		return 3
	case winnow.SourcePerson:
		return 4
	case winnow.SourceOffline, winnow.SourceNone:
	}
	return 2
}

func (f *funnel) steps(total int) (is, would []Step) {
	is, would = []Step{}, []Step{}
	for i, name := range stepNames {
		if f.is[i] > 0 {
			is = append(is, Step{name, f.is[i], share(f.is[i], total)})
		}
		if f.would[i] > 0 {
			would = append(would, Step{name, f.would[i], share(f.would[i], total)})
		}
	}
	return is, would
}

func share(n, total int) float64 {
	if total == 0 {
		return 0
	}
	return float64(n) / float64(total)
}
