package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
)

// Charge is one attempt of one call to a model, before it is sent.
type Charge struct {
	AlertID, Search, Team string
	Severity              winnow.Severity // of the alert
	Task, Agent           string
	Model                 string // as it is billed
	Source                string // name of the [model:NAME]
	Prompt                string // version of the prompt
	Attempt               int
	Replay                bool // asked for by a person, to see what would change: no cost of the alert

	Reserve  winnow.NanoUSD // worst case
	Tokens   int64          // of input and output, likewise
	Unpriced bool

	Fields []string // that leave the building: names, no values
	Bytes  int
	SHA256 string

	At time.Time
}

// CallState says how sure the price of an attempt is.
type CallState string

// The states. All but released are booked.
const (
	CallReserved  CallState = "reserved"  // may be on its way: booked at its worst case
	CallSettled   CallState = "settled"   // the provider told the usage
	CallReleased  CallState = "released"  // it cost nothing
	CallUnsettled CallState = "unsettled" // sent, usage unknown: booked at its worst case
)

// Settlement is what became of an attempt.
type Settlement struct {
	State  CallState
	Reason string

	InputTokens, CachedTokens, CacheWriteTokens, OutputTokens int64

	Price winnow.NanoUSD
	Model string // as the provider calls it in the answer
	Tier  string
	Took  time.Duration
}

// calls is what is on its way into the table of calls.
type calls struct {
	commit sync.Mutex // held by who commits what waits

	mu      sync.Mutex
	waiting []*reserve
	settled []settled // go into the next transaction, whoever makes it
}

type reserve struct {
	charge Charge
	limits Limits
	n      int64
	err    error
	done   bool
}

type settled struct {
	n int64
	s Settlement
}

// maxUnsynced is how many settlements wait for the next transaction at most.
const maxUnsynced = 256

// Reserve books the worst case of an attempt and returns its number. When it returns the booking is on
// disk, so the call may be sent. It must not be called inside a transaction: it makes one of its own,
// together with every other Reserve that waits by then. A *LimitError books nothing.
func (l *Ledger) Reserve(ctx context.Context, c Charge, limits Limits) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, context.Cause(ctx)
	}
	if c.Reserve < 0 {
		return 0, fmt.Errorf("ledger: reserve %d nano-dollars: below zero", c.Reserve)
	}
	r := &reserve{charge: c, limits: limits}
	k := &l.calls
	k.mu.Lock()
	k.waiting = append(k.waiting, r)
	k.mu.Unlock()
	k.commit.Lock()
	defer k.commit.Unlock()
	if !r.done { // else whoever held the lock before has taken it along
		l.commitReserves(ctx)
	}
	return r.n, r.err
}

// commitReserves books all that wait in one transaction. One that was given up meanwhile is no reason
// to fail the others.
func (l *Ledger) commitReserves(ctx context.Context) {
	l.calls.mu.Lock()
	batch := l.calls.waiting
	l.calls.waiting = nil
	l.calls.mu.Unlock()
	err := l.Update(context.WithoutCancel(ctx), func(t *Tx) error {
		for _, r := range batch {
			if err := t.reserve(r); err != nil {
				return err
			}
		}
		return nil
	})
	for _, r := range batch {
		if err != nil {
			r.n, r.err = 0, err
		}
		r.done = true
	}
}

// Settle replaces a reserve by what the attempt cost. The settlement goes to disk with the next
// transaction or Close: if it is lost the reserve stays, which is never too little. The first settlement of a
// booking counts, but for one that says "unsettled": a later one may know better.
func (l *Ledger) Settle(ctx context.Context, n int64, s Settlement) error {
	if l.readOnly {
		return fmt.Errorf("ledger: settle call %d: opened read-only", n)
	}
	switch s.State {
	case CallSettled, CallReleased, CallUnsettled:
	case CallReserved:
		fallthrough
	default:
		return fmt.Errorf("ledger: settle call %d as %q: want settled, released or unsettled", n, s.State)
	}
	l.calls.mu.Lock()
	l.calls.settled = append(l.calls.settled, settled{n, s})
	full := len(l.calls.settled) >= maxUnsynced
	l.calls.mu.Unlock()
	if full {
		return l.Flush(context.WithoutCancel(ctx))
	}
	return nil
}

// Flush brings settlements that wait for the next transaction to disk.
func (l *Ledger) Flush(ctx context.Context) error {
	l.calls.mu.Lock()
	n := len(l.calls.settled)
	l.calls.mu.Unlock()
	if n == 0 {
		return nil
	}
	return l.Update(ctx, func(*Tx) error { return nil })
}

// settleWaiting takes settlements into a transaction. undo puts them back when it fails.
func (t *Tx) settleWaiting() (undo func(), err error) {
	k := &t.l.calls
	k.mu.Lock()
	batch := k.settled
	k.settled = nil
	k.mu.Unlock()
	undo = func() {
		k.mu.Lock()
		k.settled = append(batch, k.settled...)
		k.mu.Unlock()
	}
	touched := map[string]bool{}
	for _, s := range batch {
		id, err := t.settle(s.n, s.s)
		if err != nil {
			return undo, err
		}
		touched[id] = id != ""
	}
	for id, changed := range touched {
		if changed {
			if err := t.rebook(id, false); err != nil {
				return undo, err
			}
		}
	}
	return undo, nil
}

// bookable keeps sums inside an int64, whatever a price list says: no call costs a hundred million dollars.
func bookable(n winnow.NanoUSD) winnow.NanoUSD { return min(max(n, 0), 1e17) }

// reserve books one charge. A limit that it would pass is r's error, not the transaction's.
func (t *Tx) reserve(r *reserve) error {
	c := &r.charge
	booked := bookable(c.Reserve)
	if err := t.within(r, booked); err != nil || r.err != nil {
		return err
	}
	fields, err := json.Marshal(c.Fields)
	if err != nil {
		return fmt.Errorf("ledger: encode fields of a call: %w", err)
	}
	if c.Fields == nil {
		fields = []byte("[]")
	}
	_, err = t.get(`INSERT INTO calls (alert, search, team, severity, task, agent, model, source, prompt, attempt, replay, reserve, booked, unpriced,
 state, reason, at, fields, bytes, sha256) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,'',?,?,?,?) RETURNING n`,
		[]any{
			c.AlertID, c.Search, c.Team, c.Severity, c.Task, c.Agent, c.Model, c.Source, c.Prompt, c.Attempt, c.Replay, booked, booked, c.Unpriced,
			CallReserved, micro(c.At), string(fields), c.Bytes, c.SHA256,
		}, &r.n)
	if err != nil {
		return err
	}
	t.l.perDay.asked(r.n, c.Tokens)
	t.countedCall(callGroup{
		day: dayOf(micro(c.At)), search: c.Search, team: c.Team, severity: c.Severity, model: c.Model, task: c.Task, agent: c.Agent,
		state: CallReserved, replay: c.Replay,
	}, callAmount{attempts: 1, unpriced: one(c.Unpriced), booked: booked})
	if err := t.spend(micro(c.At), c.scopes(), c.Severity, booked); err != nil {
		return err
	}
	return t.rebook(c.AlertID, false)
}

func plus(a, b winnow.NanoUSD) winnow.NanoUSD {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// dayOf is the start of a day in UTC, in the file's unit.
func dayOf(us int64) int64 { return us - us%microDay }

// settle writes one settlement. It returns the alert whose booked cost has changed, if one has.
func (t *Tx) settle(n int64, s Settlement) (changed string, err error) {
	var id string
	var at int64
	var g callGroup
	was := callAmount{attempts: 1}
	var source string
	found, err := t.get(`SELECT alert, at, search, team, severity, source, model, task, agent, state, replay, tier,
 unpriced, input, cached, cache_write, output, booked FROM calls WHERE n = ? AND state IN ('reserved', 'unsettled')`, []any{n},
		&id, &at, &g.search, &g.team, &g.severity, &source, &g.model, &g.task, &g.agent, &g.state, &g.replay, &g.tier,
		&was.unpriced, &was.input, &was.cached, &was.cacheWrite, &was.output, &was.booked)
	if err != nil || !found {
		return "", err // settled already, or past retention
	}
	before := was.booked
	booked := before
	g.day = dayOf(at)
	switch s.State {
	case CallSettled:
		booked = bookable(s.Price)
	case CallReleased:
		booked = 0
	case CallReserved, CallUnsettled: // stays booked, at what was told where that is more
		booked = max(booked, bookable(s.Price))
	}
	t.countedCall(g, was.minus())
	g.state, g.tier = s.State, s.Tier
	t.countedCall(g, callAmount{
		1, was.unpriced, max(s.InputTokens, 0), max(s.CachedTokens, 0), max(s.CacheWriteTokens, 0), max(s.OutputTokens, 0), booked,
	})
	err = t.exec(`UPDATE calls SET booked=?, state=?, reason=?, input=?, cached=?, cache_write=?, output=?, answered=?, tier=?, took=? WHERE n=?`,
		booked, s.State, s.Reason, max(s.InputTokens, 0), max(s.CachedTokens, 0), max(s.CacheWriteTokens, 0), max(s.OutputTokens, 0),
		s.Model, s.Tier, s.Took.Microseconds(), n)
	if err != nil || booked == before {
		return id, err
	}
	return id, t.spend(at, scopesOf(g.search, g.team, source), g.severity, booked-before)
}

// abandon marks the reserves of a worker that died: nobody knows whether those calls were billed.
func (t *Tx) abandon() error {
	err := t.eachCallGroup("state = 'reserved'", nil, func(g callGroup, a callAmount) {
		t.countedCall(g, a.minus())
		g.state = CallUnsettled
		t.countedCall(g, a)
	})
	if err != nil {
		return err
	}
	return t.exec("UPDATE calls SET state = 'unsettled', reason = 'worker_died' WHERE state = 'reserved'")
}

// FirstSpent returns the first day of UTC on which anything was booked, the zero time when nothing ever was.
func (t *Tx) FirstSpent() (time.Time, error) {
	var day int64
	_, err := t.get("SELECT coalesce(min(day), 0) FROM spent", nil, &day)
	return timeOf(day), err
}
