package ledger

import (
	"time"

	"github.com/winnow-soc/winnow"
)

// ChargeLine is what was booked on one day for calls that share everything a bill is split by.
type ChargeLine struct {
	Day                time.Time // its start, in UTC
	Search, Team       string
	Severity           winnow.Severity
	Rule               string // of whose drops the alerts are samples, "" for other alerts
	Model, Source      string // as it is billed; the name of the [model:NAME]
	Task, Agent, Tier  string
	State              CallState
	Replay             bool
	Attempts, Unpriced int
	Input, Cached      int64 // tokens
	CacheWrite, Output int64
	Booked             winnow.NanoUSD
}

// Charges calls f with what was booked in a span of days, in an order that is always the same. Unlike
// [Tx.Spendings] it reads every call of the ledger, and knows of each which rule's sample it was for.
func (t *Tx) Charges(s Span, f func(*ChargeLine)) error {
	from, to := s.days()
	return t.each(`SELECT c.at - c.at % 86400000000 AS day, c.search, c.team, c.severity, coalesce(k.rule, '') AS rule, c.model, c.source, c.task, c.agent,
 c.tier, c.state, c.replay, count(*), sum(c.unpriced), sum(c.input), sum(c.cached), sum(c.cache_write), sum(c.output),
 CAST(min(total(c.booked), 9e18) AS INTEGER)
 FROM calls c LEFT JOIN canaries k ON k.id = c.alert WHERE c.at >= ? AND c.at < ?
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12`, []any{from, to},
		func(scan func(...any) error) error {
			var l ChargeLine
			var day int64
			err := scan(&day, &l.Search, &l.Team, &l.Severity, &l.Rule, &l.Model, &l.Source, &l.Task, &l.Agent, &l.Tier, &l.State, &l.Replay,
				&l.Attempts, &l.Unpriced, &l.Input, &l.Cached, &l.CacheWrite, &l.Output, &l.Booked)
			if err != nil {
				return err
			}
			l.Day = timeOf(day)
			f(&l)
			return nil
		})
}

// SampleSpending is what was booked for samples of a rule's drops.
type SampleSpending struct {
	Rule, Search, Team, Task string
	Attempts                 int
	Booked                   winnow.NanoUSD
}

// sampledBefore is how long before a span an alert may have been received whose calls fall into it: longer than any
// waits for triage, but one that people recall.
const sampledBefore = 90 * microDay

// SampleSpendings calls f with what was booked in a span of days for drops that were triaged all the same: a part of
// what [Tx.Spendings] tells, without replays.
func (t *Tx) SampleSpendings(s Span, f func(*SampleSpending)) error {
	from, to := s.days()
	return t.each(`SELECT k.rule, c.search, c.team, c.task, count(*), CAST(min(total(c.booked), 9e18) AS INTEGER)
 FROM canaries k CROSS JOIN calls c ON c.alert = k.id WHERE k.at >= ? AND c.at >= ? AND c.at < ? AND c.replay = 0
 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`, []any{from - sampledBefore, from, to}, func(scan func(...any) error) error {
		var l SampleSpending
		err := scan(&l.Rule, &l.Search, &l.Team, &l.Task, &l.Attempts, &l.Booked)
		if err == nil {
			f(&l)
		}
		return err
	})
}
