package ledger

import (
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// Gauges is what the ledger holds at one moment. Reading it looks at what waits and at roll-ups, not at
// what is done, so it takes no longer as the ledger grows.
type Gauges struct {
	Alerts []StateGauge
	Queue  []QueueGauge
	Outbox []OutboxGauge
}

// StateGauge is how many alerts the ledger holds in one state.
type StateGauge struct {
	State  winnow.State
	Source winnow.Source // of the verdict, "" for none
	Alerts int
}

// QueueGauge is what waits for triage with one priority.
type QueueGauge struct {
	Priority int
	Alerts   int
	Oldest   time.Time // when the oldest was queued
}

// OutboxGauge is what a sink has not taken.
type OutboxGauge struct {
	Sink    string
	Failed  bool // given up: it stays for people to see
	Waiting int
	Oldest  time.Time // when the oldest alert that is to be told of was received; zero when that is not known
}

// Gauges returns what the ledger holds.
func (t *Tx) Gauges() (g Gauges, err error) {
	// Of the roll-ups, which have a row for each search, rule and outcome, and not for each alert.
	err = t.each("SELECT state, source, sum(alerts) FROM alert_sums WHERE grain = 0 GROUP BY state, source HAVING sum(alerts) > 0 ORDER BY state, source", nil,
		func(scan func(...any) error) error {
			var a StateGauge
			err := scan(&a.State, &a.Source, &a.Alerts)
			g.Alerts = append(g.Alerts, a)
			return err
		})
	if err != nil {
		return g, err
	}
	err = t.each("SELECT priority, count(*), min(enqueued) FROM queue GROUP BY priority ORDER BY priority", nil,
		func(scan func(...any) error) error {
			var q QueueGauge
			var oldest int64
			err := scan(&q.Priority, &q.Alerts, &oldest)
			q.Oldest = timeOf(oldest)
			g.Queue = append(g.Queue, q)
			return err
		})
	if err != nil {
		return g, err
	}
	err = t.each("SELECT sink, not_before = ?, count(*), min(id) FROM outbox WHERE done = 0 GROUP BY 1, 2 ORDER BY 1, 2", []any{maxTime},
		func(scan func(...any) error) error {
			var o OutboxGauge
			var id string
			err := scan(&o.Sink, &o.Failed, &o.Waiting, &id)
			o.Oldest = timeOfID(id)
			g.Outbox = append(g.Outbox, o)
			return err
		})
	if err != nil {
		return g, err
	}
	return g, nil
}

// timeOfID returns the time in an ID, which is a ULID; zero for anything else.
func timeOfID(id string) time.Time {
	const digits, stamp = "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 10
	if len(id) != 26 {
		return time.Time{}
	}
	var ms int64
	for _, c := range []byte(id[:stamp]) {
		n := strings.IndexByte(digits, c)
		if n < 0 {
			return time.Time{}
		}
		ms = ms<<5 | int64(n)
	}
	return time.UnixMilli(ms).UTC()
}
