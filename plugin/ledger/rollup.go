package ledger

import (
	"github.com/winnow-soc/winnow"
)

// What alerts and calls add up to is kept beside them, by day, by month and in all, so that a report over
// years of alerts reads a few thousand rows. A transaction gathers what it changes and writes it once, before
// it ends.
type counts struct {
	alerts map[tally]amount
	calls  map[callGroup]callAmount
}

// tally names alerts that are counted together.
type tally struct {
	day         int64 // of UTC on which they were received
	search      string
	team        string
	severity    winnow.Severity
	rule        string
	proposal    winnow.ProposalKind
	source      winnow.Source
	state       winnow.State
	would       winnow.State
	reason      winnow.Reason
	disposition string
}

// tallyOf names where an alert with this record is counted.
func tallyOf(e *Entry, r *winnow.Record) tally {
	a := &e.Alert
	return tally{day: dayOf(micro(a.Received)), search: a.SearchName, team: e.Team, severity: a.Severity}.as(r)
}

// as is the same alert with another record.
func (g tally) as(r *winnow.Record) tally {
	g.rule, g.proposal, g.source = r.Proposal.Rule, r.Proposal.Kind, r.Verdict.Source
	g.state, g.would, g.reason = r.Outcome.State, r.Outcome.Would, r.Outcome.Reason
	g.disposition = r.Verdict.Disposition.String()
	return g
}

// amount is what such alerts add up to.
type amount struct{ alerts, cost, bytes int64 }

func (a amount) plus(b amount) amount {
	return amount{a.alerts + b.alerts, a.cost + b.cost, a.bytes + b.bytes}
}

// callGroup names calls that are counted together.
type callGroup struct {
	day                int64 // of UTC on which they were booked
	search, team       string
	severity           winnow.Severity
	model, task, agent string
	state              CallState
	replay             bool
	tier               string
}

type callAmount struct {
	attempts, unpriced, input, cached, cacheWrite, output int64
	booked                                                winnow.NanoUSD
}

func (a callAmount) plus(b callAmount) callAmount {
	return callAmount{
		a.attempts + b.attempts, a.unpriced + b.unpriced, a.input + b.input, a.cached + b.cached, a.cacheWrite + b.cacheWrite,
		a.output + b.output, plus(a.booked, b.booked),
	}
}

func (a callAmount) minus() callAmount {
	return callAmount{-a.attempts, -a.unpriced, -a.input, -a.cached, -a.cacheWrite, -a.output, -a.booked}
}

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// counted adds to what alerts add up to.
func (t *Tx) counted(g tally, a amount) {
	if t.counts.alerts == nil {
		t.counts.alerts = map[tally]amount{}
	}
	t.counts.alerts[g] = t.counts.alerts[g].plus(a)
}

// countedCall does so for calls.
func (t *Tx) countedCall(g callGroup, a callAmount) {
	if t.counts.calls == nil {
		t.counts.calls = map[callGroup]callAmount{}
	}
	t.counts.calls[g] = t.counts.calls[g].plus(a)
}

// recount moves an alert to where it is counted once r is its record. It is called before the change;
// without a record the alert leaves.
func (t *Tx) recount(id string, r *winnow.Record) error {
	var g tally
	a := amount{alerts: 1}
	var received int64
	found, err := t.get(`SELECT received, search_name, team, severity, rule, proposal, source, state, would, reason, disposition, cost, bytes
 FROM alerts WHERE id = ?`, []any{id},
		&received, &g.search, &g.team, &g.severity, &g.rule, &g.proposal, &g.source, &g.state, &g.would, &g.reason, &g.disposition, &a.cost, &a.bytes)
	if err != nil || !found {
		return err
	}
	g.day = dayOf(received)
	t.counted(g, amount{-1, -a.cost, -a.bytes})
	if r != nil {
		t.counted(g.as(r), amount{1, r.Cost.MicroUSD, a.bytes})
	}
	return nil
}

// eachCallGroup adds up the calls for which a condition holds.
func (t *Tx) eachCallGroup(where string, args []any, f func(callGroup, callAmount)) error {
	const names = "search, team, severity, model, task, agent, state, replay, tier"
	return t.each(`SELECT at - at % 86400000000 AS day, `+names+`, count(*), sum(unpriced), sum(input), sum(cached), sum(cache_write),
 sum(output), sum(booked) FROM calls WHERE `+where+" GROUP BY day, "+names, args, func(scan func(...any) error) error {
		var g callGroup
		var a callAmount
		err := scan(&g.day, &g.search, &g.team, &g.severity, &g.model, &g.task, &g.agent, &g.state, &g.replay, &g.tier,
			&a.attempts, &a.unpriced, &a.input, &a.cached, &a.cacheWrite, &a.output, &a.booked)
		if err != nil {
			return err
		}
		f(g, a)
		return nil
	})
}

// A grain is the time that a row of sums is about.
type grain int

const (
	grainAll grain = iota // start is 0
	grainMonth
	grainDay
	grainDays // a day too, of all searches, teams, severities and rules: for what happened day by day
)

// period is the time of one row of sums.
type period struct {
	grain grain
	start int64
}

// sumPeriods are where what happened on a day is counted.
func sumPeriods(day int64) []period {
	return []period{{grainAll, 0}, {grainMonth, micro(monthStart(timeOf(day)))}, {grainDay, day}, {grainDays, day}}
}

// on is what alerts are counted as in a period.
func (g tally) on(p period) alertSum {
	g.day = 0
	if p.grain == grainDays {
		g = tally{source: g.source, state: g.state, would: g.would, reason: g.reason}
	}
	return alertSum{p, g}
}

// on is what calls are counted as in a period.
func (g callGroup) on(p period) callSum {
	g.day = 0
	if p.grain == grainDays {
		g = callGroup{model: g.model, task: g.task, agent: g.agent, state: g.state, replay: g.replay}
	}
	return callSum{p, g}
}

// keepCounts writes what was gathered. It is called before the transaction ends, and before sums are
// read in it.
func (t *Tx) keepCounts() error {
	alerts, calls := map[alertSum]amount{}, map[callSum]callAmount{}
	for g, a := range t.counts.alerts {
		for _, p := range sumPeriods(g.day) {
			key := g.on(p)
			alerts[key] = alerts[key].plus(a)
		}
	}
	for g, a := range t.counts.calls {
		for _, p := range sumPeriods(g.day) {
			key := g.on(p)
			calls[key] = calls[key].plus(a)
		}
	}
	for key, a := range alerts {
		if err := t.keepAlerts(key, a); err != nil {
			return err
		}
	}
	for key, a := range calls {
		if err := t.keepCalls(key, a); err != nil {
			return err
		}
	}
	t.counts = counts{}
	return nil
}

// alertSum is a row of alert_sums; callSum is one of call_sums.
type alertSum struct {
	period
	tally
}

type callSum struct {
	period
	callGroup
}

func (t *Tx) keepAlerts(k alertSum, a amount) error {
	if a == (amount{}) {
		return nil
	}
	key := []any{
		int(k.grain), k.start, k.search, k.team, k.severity, k.rule, k.proposal, k.source, k.state, k.would, k.reason, k.disposition,
	}
	err := t.exec(`INSERT INTO alert_sums (grain, start, search_name, team, severity, rule, proposal, source, state, would, reason, disposition,
 alerts, cost, bytes) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET
 alerts = alerts + excluded.alerts, cost = cost + excluded.cost, bytes = bytes + excluded.bytes`, append(key, a.alerts, a.cost, a.bytes)...)
	if err != nil || a.alerts >= 0 {
		return err
	}
	return t.exec(`DELETE FROM alert_sums WHERE grain = ? AND start = ? AND search_name = ? AND team = ? AND severity = ? AND rule = ?
 AND proposal = ? AND source = ? AND state = ? AND would = ? AND reason = ? AND disposition = ? AND alerts <= 0`, key...)
}

// keepCalls adds up money so that a sum which no int64 can hold stays at the most it can.
func (t *Tx) keepCalls(k callSum, a callAmount) error {
	if a == (callAmount{}) {
		return nil
	}
	key := []any{
		int(k.grain), k.start, k.search, k.team, k.severity, k.model, k.task, k.agent, string(k.state), k.replay, k.tier,
	}
	err := t.exec(`INSERT INTO call_sums (grain, start, search, team, severity, model, task, agent, state, replay, tier,
 attempts, unpriced, input, cached, cache_write, output, booked) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET
 attempts = attempts + excluded.attempts, unpriced = unpriced + excluded.unpriced, input = input + excluded.input,
 cached = cached + excluded.cached, cache_write = cache_write + excluded.cache_write, output = output + excluded.output,
 booked = CASE WHEN booked > 9223372036854775807 - excluded.booked THEN 9223372036854775807 ELSE booked + excluded.booked END`,
		append(key, a.attempts, a.unpriced, a.input, a.cached, a.cacheWrite, a.output, a.booked)...)
	if err != nil || a.attempts >= 0 {
		return err
	}
	return t.exec(`DELETE FROM call_sums WHERE grain = ? AND start = ? AND search = ? AND team = ? AND severity = ? AND model = ?
 AND task = ? AND agent = ? AND state = ? AND replay = ? AND tier = ? AND attempts <= 0`, key...)
}
