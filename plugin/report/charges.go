package report

import (
	"fmt"
	"net/url"
	"time"

	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report/focus"
	"github.com/winnow-soc/winnow/plugin/teams"
)

// NewCharges returns what was booked in a month of UTC as lines of a bill: one for each day, search, team, severity,
// model, stage, agent, service tier and sampled rule. Calls whose usage nobody knows have lines of their own. Their
// sum is what was booked, to the nano-dollar. account names who pays, "" for the name of the [model:NAME].
func NewCharges(t *ledger.Tx, s *conf.Settings, table *teams.Table, month time.Time, account string) ([]focus.Line, error) {
	first := monthOf(month)
	var out []focus.Line
	places := map[focus.Line]int{}
	err := t.Charges(ledger.Span{From: first, To: first.AddDate(0, 1, 0)}, func(c *ledger.ChargeLine) {
		if c.State == ledger.CallReleased && c.Booked == 0 {
			return // it cost nothing, and used nothing
		}
		key := focus.Line{
			Day: c.Day, Search: c.Search, Team: c.Team, Centre: table.CostCentre(c.Team), Severity: c.Severity.String(), Rule: c.Rule,
			Stage: c.Task, Agent: c.Agent, Model: c.Model, Provider: providerOf(s, c), Account: account, Tier: c.Tier, Replay: c.Replay,
			WorstCase: c.State == ledger.CallReserved || c.State == ledger.CallUnsettled,
		}
		if account == "" {
			key.Account = "winnow:" + c.Source
		}
		at, ok := places[key]
		if !ok {
			at = len(out)
			places[key] = at
			out = append(out, key)
		}
		l := &out[at]
		l.Attempts, l.Unpriced = l.Attempts+c.Attempts, l.Unpriced+c.Unpriced
		l.Input, l.Cached, l.CacheWrite, l.Output = l.Input+c.Input, l.Cached+c.Cached, l.CacheWrite+c.CacheWrite, l.Output+c.Output
		l.Booked += c.Booked
	})
	if err != nil {
		return nil, fmt.Errorf("report focus: %w", err)
	}
	return out, nil
}

func monthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// providerOf names who sells a call: the provider, or the server that speaks its interface. Of a [model:NAME] that is
// not there any more only the name of the model is known.
func providerOf(s *conf.Settings, c *ledger.ChargeLine) string {
	m, ok := s.Models[c.Source]
	if u, err := url.Parse(m.BaseURL); ok && m.BaseURL != "" && err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	switch m.Provider {
	case conf.ProviderOpenAI:
		return "OpenAI"
	case conf.ProviderAnthropic:
		return "Anthropic"
	case conf.ProviderOffline:
	}
	return "provider of " + c.Model
}
