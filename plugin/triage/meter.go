package triage

import (
	"time"

	"github.com/winnow-soc/winnow"
)

// Meter is told what the worker does; plugin/health counts it. Its methods are called by the worker's one
// goroutine, must not wait, and are told nothing of what an alert says but the name of its search.
type Meter interface {
	// Beat says that something was done, and the heartbeat with it.
	Beat(at time.Time)

	// Turned says that a turn has ended.
	Turned(at time.Time, took time.Duration, failed bool)

	// Holds says how many alerts are being asked about, how many wait for them or for room, and how many
	// verdicts are remembered.
	Holds(aloft, waiting, remembered int)

	// Imported says that a record of the spool is in the ledger.
	Imported(damaged bool)

	// Settled says that an outcome is kept, also that an alert is queued.
	Settled(search string, state winnow.State, reason winnow.Reason, actor string)

	// Tried says that a try has failed, with the cause in a word; see package queue. Of model the try does
	// not count for the alert.
	Tried(cause string)

	// Looked says whether a verdict was remembered for an alert.
	Looked(found bool)

	// Delivered says what became of a try to deliver: err is nil when the sink has taken it, last says that
	// it is not tried again.
	Delivered(sink string, err error, last bool)

	// WentOtherWay says that what a sink has given up goes out through another one.
	WentOtherWay(sink, other string)

	// Late says that an alert was not settled in time, what was done so that people see it, and why it waits.
	Late(did string, why winnow.Reason)

	// BudgetTold says that people were told of a limit of money: the kind of its scope, day or month, and
	// the share that is booked, or forecast.
	BudgetTold(scope, period, warning string)
}

// silent counts nothing.
type silent struct{}

func (silent) Beat(time.Time)                                      {}
func (silent) Turned(time.Time, time.Duration, bool)               {}
func (silent) Holds(int, int, int)                                 {}
func (silent) Imported(bool)                                       {}
func (silent) Settled(string, winnow.State, winnow.Reason, string) {}
func (silent) Tried(string)                                        {}
func (silent) Looked(bool)                                         {}
func (silent) Delivered(string, error, bool)                       {}
func (silent) WentOtherWay(string, string)                         {}
func (silent) Late(string, winnow.Reason)                          {}
func (silent) BudgetTold(string, string, string)                   {}

// kept is an outcome that counts once its transaction is committed.
type kept struct {
	search string
	state  winnow.State
	reason winnow.Reason
	actor  string
}

// count notes an outcome for the meter.
func (e *Engine) count(rec *winnow.Record) {
	o := &rec.Outcome
	e.kept = append(e.kept, kept{rec.SearchName, o.State, o.Reason, o.Actor})
}

// counted tells the meter of what was committed.
func (e *Engine) counted() {
	for _, k := range e.kept {
		e.Meter.Settled(k.search, k.state, k.reason, k.actor)
	}
	e.kept = e.kept[:0]
}
