package ledger

import (
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
)

// Span is time in whole days of UTC, from the start of one until before the start of another. The zero Span
// is all of it. Sums are kept by day, by month and in all: a span that begins or ends within a month reads
// the rows of those days.
type Span struct{ From, To time.Time }

// days returns the start of the first day and that of the day after the last.
func (s Span) days() (from, to int64) { return dayOf(micro(s.From)), dayOf(micro(s.To)) }

// piece is a part of a span that rows of one grain make up.
type piece struct {
	grain    grain
	from, to int64
}

// pieces are the rows to read: months where they are whole, and days beside them.
func (s Span) pieces() []piece {
	if s == (Span{}) {
		return []piece{{grainAll, 0, 1}}
	}
	from, to := s.days()
	first := monthStart(timeOf(from))
	if dayOf(micro(first)) < from {
		first = first.AddDate(0, 1, 0)
	}
	last := monthStart(timeOf(to))
	if !first.Before(last) {
		return []piece{{grainDay, from, to}}
	}
	out := []piece{{grainDay, from, micro(first)}, {grainMonth, micro(first), micro(last)}, {grainDay, micro(last), to}}
	return slices.DeleteFunc(out, func(p piece) bool { return p.from >= p.to })
}

func monthStart(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// eachOf runs a query over sums for every piece: it has to end in conditions, to which those of the piece
// are added, and then in tail.
func (t *Tx) eachOf(s Span, query, tail string, f func(scan func(...any) error) error) error {
	if err := t.keepCounts(); err != nil {
		return err
	}
	for _, p := range s.pieces() {
		if err := t.each(query+" WHERE grain = ? AND start >= ? AND start < ? "+tail, []any{int(p.grain), p.from, p.to}, f); err != nil {
			return err
		}
	}
	return nil
}

// Tally counts alerts that share a search, a rule and an outcome.
type Tally struct {
	SearchName  string
	Team        string // that the search belonged to, "" for none
	Severity    winnow.Severity
	Rule        string // the rule or escalate entry of the proposal, "" for none
	Proposal    winnow.ProposalKind
	Source      winnow.Source
	State       winnow.State
	Would       winnow.State
	Reason      winnow.Reason
	Disposition winnow.Disposition
	Alerts      int
	MicroUSD    int64
	Bytes       int64 // of the alerts' own text, to tell what a model would have been sent
}

// Tallies calls f with groups of the current records of alerts that were received in the span. A group may
// come in parts.
func (t *Tx) Tallies(s Span, f func(*Tally)) error {
	return t.eachOf(s, `SELECT search_name, team, severity, rule, proposal, source, state, would, reason, disposition, alerts, cost, bytes
 FROM alert_sums`, "", func(scan func(...any) error) error {
		var y Tally
		var disposition string
		err := scan(&y.SearchName, &y.Team, &y.Severity, &y.Rule, &y.Proposal, &y.Source, &y.State, &y.Would, &y.Reason, &disposition,
			&y.Alerts, &y.MicroUSD, &y.Bytes)
		if err != nil {
			return err
		}
		y.Disposition, _ = winnow.ParseDisposition(disposition) // what is no disposition any more is undetermined
		f(&y)
		return nil
	})
}

// DayTally counts the alerts of a day that ended in the same way.
type DayTally struct {
	Day      time.Time // its start, in UTC
	Source   winnow.Source
	State    winnow.State
	Would    winnow.State
	Reason   winnow.Reason
	Alerts   int
	MicroUSD int64
}

// DayTallies calls f with the alerts of every day of the span, the days in order.
func (t *Tx) DayTallies(s Span, f func(DayTally)) error {
	if err := t.keepCounts(); err != nil {
		return err
	}
	from, to := s.days()
	if s == (Span{}) {
		to = maxTime
	}
	return t.each(`SELECT start, source, state, would, reason, alerts, cost FROM alert_sums
 WHERE grain = ? AND start >= ? AND start < ? ORDER BY start, source, state, would, reason`,
		[]any{int(grainDays), from, to}, func(scan func(...any) error) error {
			var d DayTally
			var day int64
			if err := scan(&day, &d.Source, &d.State, &d.Would, &d.Reason, &d.Alerts, &d.MicroUSD); err != nil {
				return err
			}
			d.Day = timeOf(day)
			f(d)
			return nil
		})
}

// CacheHit is how often a cached verdict closed an alert.
type CacheHit struct {
	ID         string // of the alert that the verdict was made for
	SearchName string
	Alerts     int
	Bytes      int64
}

// CacheHits returns the cached verdicts that closed most alerts of the span, at most limit. It reads every alert
// that one closed.
func (t *Tx) CacheHits(s Span, limit int) (out []CacheHit, err error) {
	from, to := s.days()
	if s == (Span{}) {
		to = maxTime
	}
	err = t.each(`SELECT derived, search_name, count(*), sum(bytes) FROM alerts WHERE derived <> '' AND state = 'closed' AND source = 'cache'
 AND received >= ? AND received < ? GROUP BY derived, search_name ORDER BY 3 DESC, 1 LIMIT ?`, []any{from, to, limit},
		func(scan func(...any) error) error {
			var h CacheHit
			err := scan(&h.ID, &h.SearchName, &h.Alerts, &h.Bytes)
			out = append(out, h)
			return err
		})
	return out, err
}

// FirstWith returns the newest alert with a state and a source of its verdict, "" when there is none.
func (t *Tx) FirstWith(state winnow.State, source winnow.Source) (id string, err error) {
	_, err = t.get("SELECT id FROM alerts WHERE state = ? AND source = ? ORDER BY id DESC LIMIT 1", []any{state, source}, &id)
	return id, err
}
