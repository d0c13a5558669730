package ledger

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
)

// Call is one attempt of one call as it is booked.
type Call struct {
	N           int64     `json:"booking"`
	At          time.Time `json:"time"`
	Search      string    `json:"search_name"`
	Team        string    `json:"team"`
	Severity    string    `json:"severity"`
	Task        string    `json:"task"`
	Agent       string    `json:"agent"`
	Model       string    `json:"model"`    // as it is billed
	Answered    string    `json:"answered"` // as the provider calls it in the answer
	Source      string    `json:"source"`   // name of the [model:NAME]
	Prompt      string    `json:"prompt"`
	Attempt     int       `json:"attempt"`
	Replay      bool      `json:"replay"`
	Tier        string    `json:"tier"`
	State       CallState `json:"state"`
	Reason      string    `json:"reason"`
	ReserveNano int64     `json:"reserve_nanousd"`
	BookedNano  int64     `json:"booked_nanousd"`
	Unpriced    bool      `json:"unpriced"`
	Input       int64     `json:"input_tokens"`
	Cached      int64     `json:"cached_tokens"`
	CacheWrite  int64     `json:"cache_write_tokens"`
	Output      int64     `json:"output_tokens"`
	TookMicros  int64     `json:"took_us"`
	Fields      []string  `json:"fields"` // that left the building
	Bytes       int       `json:"bytes"`
	SHA256      string    `json:"sha256"`
}

const callColumns = `n, at, search, team, severity, task, agent, model, answered, source, prompt, attempt, replay, tier, state, reason,
 reserve, booked, unpriced, input, cached, cache_write, output, took, fields, bytes, sha256`

// Calls returns every attempt that was made for an alert, in the order of their bookings.
func (t *Tx) Calls(id string) ([]Call, error) {
	return t.callList("SELECT "+callColumns+" FROM calls WHERE alert = ? ORDER BY n", id)
}

func (t *Tx) callList(query string, args ...any) (out []Call, err error) {
	err = t.each(query, args, func(scan func(...any) error) error {
		var c Call
		var at int64
		var severity winnow.Severity
		var fields string
		err := scan(&c.N, &at, &c.Search, &c.Team, &severity, &c.Task, &c.Agent, &c.Model, &c.Answered, &c.Source, &c.Prompt, &c.Attempt, &c.Replay,
			&c.Tier, &c.State, &c.Reason, &c.ReserveNano, &c.BookedNano, &c.Unpriced, &c.Input, &c.Cached, &c.CacheWrite, &c.Output,
			&c.TookMicros, &fields, &c.Bytes, &c.SHA256)
		if err != nil {
			return err
		}
		c.At, c.Severity = timeOf(at), severity.String()
		if err := json.Unmarshal([]byte(fields), &c.Fields); err != nil {
			return fmt.Errorf("ledger: decode fields of call %d: %w", c.N, err)
		}
		out = append(out, c)
		return nil
	})
	return out, err
}

// CostOf returns what is booked for an alert: every attempt of every try, also of those that failed, and
// reserves. What was asked for a replay is not of the alert. Released attempts cost nothing and count nothing.
func (t *Tx) CostOf(id string) (c winnow.Cost, err error) {
	var booked winnow.NanoUSD
	_, err = t.get(`SELECT coalesce(sum(booked), 0), count(*), coalesce(sum(input), 0), coalesce(sum(cached), 0), coalesce(sum(output), 0),
 coalesce(sum(unpriced), 0) FROM calls WHERE alert = ? AND replay = 0 AND state <> 'released'`, []any{id},
		&booked, &c.Calls, &c.InputTokens, &c.CachedTokens, &c.OutputTokens, &c.Unpriced)
	c.MicroUSD = booked.Micro()
	return c, err
}

// Rebook brings the cost in an alert's current record up to what is booked, without a change in its history:
// the outcome is the same. For alerts whose analysis has to be tried again.
func (t *Tx) Rebook(id string) error { return t.rebook(id, true) }

// rebook leaves alerts that wait for triage alone unless they are meant too: while calls are made for
// them, that would be a write for every call.
func (t *Tx) rebook(id string, queued bool) error {
	var state winnow.State
	found, err := t.get("SELECT state FROM alerts WHERE id = ?", []any{id}, &state)
	if err != nil || !found || state == winnow.StateQueued && !queued {
		return err
	}
	r, err := t.Record(id)
	if err != nil {
		return nil //nolint:nilerr // a record that cannot be read must not keep other calls from being booked
	}
	cost, err := t.CostOf(id)
	if err != nil || cost == r.Cost {
		return err
	}
	r.Cost = cost
	body, err := encodeRecord(&r)
	if err != nil {
		return err
	}
	if err := t.recount(id, &r); err != nil {
		return err
	}
	return t.exec("UPDATE alerts SET record = ?, cost = ? WHERE id = ?", body, cost.MicroUSD, id)
}

// Spending is what was booked for calls that share all of these.
type Spending struct {
	Search   string
	Team     string // "" for none
	Severity winnow.Severity
	Model    string // as it is billed
	Task     string
	Agent    string
	State    CallState
	Replay   bool
	Tier     string // that the provider billed, "" when it did not say

	Attempts, Unpriced                int
	Input, Cached, CacheWrite, Output int64 // tokens
	Booked                            winnow.NanoUSD
}

// Spendings calls f with groups of what was booked in the span, for the alerts that the ledger still holds and
// for replays. A group may come in parts.
func (t *Tx) Spendings(s Span, f func(*Spending)) error {
	return t.eachOf(s, `SELECT search, team, severity, model, task, agent, state, replay, tier,
 attempts, unpriced, input, cached, cache_write, output, booked FROM call_sums`, "",
		func(scan func(...any) error) error {
			var s Spending
			err := scan(&s.Search, &s.Team, &s.Severity, &s.Model, &s.Task, &s.Agent, &s.State, &s.Replay, &s.Tier,
				&s.Attempts, &s.Unpriced, &s.Input, &s.Cached, &s.CacheWrite, &s.Output, &s.Booked)
			if err != nil {
				return err
			}
			f(&s)
			return nil
		})
}

// DaySpending is what was booked on one day for one model and stage.
type DaySpending struct {
	Day                time.Time // its start, in UTC
	Model, Task, Agent string
	Replay             bool
	Attempts           int
	Booked             winnow.NanoUSD
}

// DaySpendings calls f with what was booked on every day of the span, the days in order.
func (t *Tx) DaySpendings(s Span, f func(DaySpending)) error {
	if err := t.keepCounts(); err != nil {
		return err
	}
	from, to := s.days()
	if s == (Span{}) {
		to = maxTime
	}
	return t.each(`SELECT start, model, task, agent, replay, sum(attempts), CAST(min(total(booked), 9e18) AS INTEGER) FROM call_sums
 WHERE grain = ? AND start >= ? AND start < ? GROUP BY start, model, task, agent, replay ORDER BY start, model, task, agent, replay`,
		[]any{int(grainDays), from, to}, func(scan func(...any) error) error {
			var d DaySpending
			var day int64
			if err := scan(&day, &d.Model, &d.Task, &d.Agent, &d.Replay, &d.Attempts, &d.Booked); err != nil {
				return err
			}
			d.Day = timeOf(day)
			f(d)
			return nil
		})
}
