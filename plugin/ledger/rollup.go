package ledger

import (
	"github.com/winnow-soc/winnow"
)

// What alerts and calls add up to is kept beside them, so that a report over years of alerts reads a few
// thousand rows. A transaction gathers what it changes and writes it once, before it ends.
type counts struct {
	alerts map[tally]amount
	calls  map[callGroup]callAmount
}

// tally names alerts that are counted together.
type tally struct {
	day      int64 // of UTC on which they were received
	search   string
	rule     string
	proposal winnow.ProposalKind
	source   winnow.Source
	state    winnow.State
	would    winnow.State
	reason   winnow.Reason
}

func tallyOf(search string, received int64, r *winnow.Record) tally {
	return tally{
		dayOf(received), search, r.Proposal.Rule, r.Proposal.Kind, r.Verdict.Source, r.Outcome.State, r.Outcome.Would, r.Outcome.Reason,
	}
}

// amount is what such alerts add up to.
type amount struct{ alerts, cost, bytes int64 }

// callGroup names calls that are counted together.
type callGroup struct {
	model, task, agent string
	state              CallState
	replay             bool
}

type callAmount struct {
	attempts, unpriced, input, output int64
	booked                            winnow.NanoUSD
}

func (a callAmount) times(n int64) callAmount {
	return callAmount{n * a.attempts, n * a.unpriced, n * a.input, n * a.output, winnow.NanoUSD(n) * a.booked}
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
	sum := t.counts.alerts[g]
	t.counts.alerts[g] = amount{sum.alerts + a.alerts, sum.cost + a.cost, sum.bytes + a.bytes}
}

// countedCall does so for calls.
func (t *Tx) countedCall(g callGroup, a callAmount) {
	if t.counts.calls == nil {
		t.counts.calls = map[callGroup]callAmount{}
	}
	sum := t.counts.calls[g]
	t.counts.calls[g] = callAmount{
		sum.attempts + a.attempts, sum.unpriced + a.unpriced, sum.input + a.input, sum.output + a.output, sum.booked + a.booked,
	}
}

// recount moves an alert to where it is counted once r is its record. It is called before the change;
// without a record the alert leaves.
func (t *Tx) recount(id string, r *winnow.Record) error {
	var g tally
	a := amount{alerts: 1}
	var received int64
	found, err := t.get("SELECT received, search_name, rule, proposal, source, state, would, reason, cost, bytes FROM alerts WHERE id = ?", []any{id},
		&received, &g.search, &g.rule, &g.proposal, &g.source, &g.state, &g.would, &g.reason, &a.cost, &a.bytes)
	if err != nil || !found {
		return err
	}
	g.day = dayOf(received)
	t.counted(g, amount{-1, -a.cost, -a.bytes})
	if r != nil {
		t.counted(tallyOf(g.search, received, r), amount{1, r.Cost.MicroUSD, a.bytes})
	}
	return nil
}

// eachCallGroup adds up the calls for which a condition holds.
func (t *Tx) eachCallGroup(where string, args []any, f func(callGroup, callAmount)) error {
	return t.each(`SELECT model, task, agent, state, replay, count(*), sum(unpriced), sum(input), sum(output), sum(booked)
 FROM calls WHERE `+where+" GROUP BY model, task, agent, state, replay", args, func(scan func(...any) error) error {
		var g callGroup
		var a callAmount
		if err := scan(&g.model, &g.task, &g.agent, &g.state, &g.replay, &a.attempts, &a.unpriced, &a.input, &a.output, &a.booked); err != nil {
			return err
		}
		f(g, a)
		return nil
	})
}

// keepCounts writes what was gathered. It is called before the transaction ends, and before tallies are
// read in it.
func (t *Tx) keepCounts() error {
	days := t.counts.alerts
	totals := map[tally]amount{}
	for g, a := range days {
		if a == (amount{}) {
			continue
		}
		if err := t.keepDay(g, a); err != nil {
			return err
		}
		g.day = 0
		sum := totals[g]
		totals[g] = amount{sum.alerts + a.alerts, sum.cost + a.cost, sum.bytes + a.bytes}
	}
	for g, a := range totals {
		if err := t.keepTotal(g, a); err != nil {
			return err
		}
	}
	for g, a := range t.counts.calls {
		if err := t.keepCalls(g, a); err != nil {
			return err
		}
	}
	t.counts = counts{}
	return nil
}

func (t *Tx) keepDay(g tally, a amount) error {
	key := []any{g.day, g.search, g.rule, g.proposal, g.source, g.state, g.would, g.reason}
	err := t.exec(`INSERT INTO tally_days (day, search_name, rule, proposal, source, state, would, reason, alerts, cost, bytes)
 VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET
 alerts = alerts + excluded.alerts, cost = cost + excluded.cost, bytes = bytes + excluded.bytes`, append(key, a.alerts, a.cost, a.bytes)...)
	if err != nil || a.alerts >= 0 {
		return err
	}
	return t.exec(`DELETE FROM tally_days WHERE day = ? AND search_name = ? AND rule = ? AND proposal = ? AND source = ? AND state = ?
 AND would = ? AND reason = ? AND alerts <= 0`, key...)
}

func (t *Tx) keepTotal(g tally, a amount) error {
	key := []any{g.search, g.rule, g.proposal, g.source, g.state, g.would, g.reason}
	err := t.exec(`INSERT INTO tallies (search_name, rule, proposal, source, state, would, reason, alerts, cost, bytes)
 VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET
 alerts = alerts + excluded.alerts, cost = cost + excluded.cost, bytes = bytes + excluded.bytes`, append(key, a.alerts, a.cost, a.bytes)...)
	if err != nil || a.alerts >= 0 {
		return err
	}
	return t.exec(`DELETE FROM tallies WHERE search_name = ? AND rule = ? AND proposal = ? AND source = ? AND state = ?
 AND would = ? AND reason = ? AND alerts <= 0`, key...)
}

func (t *Tx) keepCalls(g callGroup, a callAmount) error {
	if a == (callAmount{}) {
		return nil
	}
	key := []any{g.model, g.task, g.agent, string(g.state), g.replay}
	var was callAmount
	_, err := t.get(`SELECT attempts, unpriced, input, output, booked FROM call_tallies
 WHERE model = ? AND task = ? AND agent = ? AND state = ? AND replay = ?`, key, &was.attempts, &was.unpriced, &was.input, &was.output, &was.booked)
	if err != nil {
		return err
	}
	if was.attempts+a.attempts <= 0 {
		return t.exec("DELETE FROM call_tallies WHERE model = ? AND task = ? AND agent = ? AND state = ? AND replay = ?", key...)
	}
	return t.exec(`INSERT OR REPLACE INTO call_tallies (model, task, agent, state, replay, attempts, unpriced, input, output, booked)
 VALUES (?,?,?,?,?,?,?,?,?,?)`, append(key, was.attempts+a.attempts, was.unpriced+a.unpriced, was.input+a.input, was.output+a.output,
		plus(was.booked, a.booked))...)
}
