// Package queue is the durable queue of alerts that wait for triage. It lives in the ledger's
// SQLite file, so that an alert enters and leaves it in the same transaction as its outcome
// changes: an alert is queued exactly as long as its outcome is.
//
// An alert is ready, or becomes it at the time in the column not_before: when the lease of whoever holds it
// runs out, or when it is to be tried again. What is handed out first is in lease.go, what is not
// settled in time in visible.go.
package queue

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
)

// DB is the connection inside a transaction of the ledger.
type DB interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Item is one alert that waits.
type Item struct {
	ID        string
	Search    string
	Priority  int
	Enqueued  time.Time
	Attempts  int
	Failure             // of the last try, zero before the first
	Due       time.Time // when it is handed out at the earliest, zero: it is ready
	Leased    bool      // somebody holds it, until Due
	VisibleBy time.Time // when people must see it if it is not settled by then, zero: they do
}

// Cause is what kept an alert from its outcome, as in gave_up:CAUSE.
type Cause string

// The causes.
const (
	CauseModel   Cause = "model"   // models could not be asked
	CauseAnalyst Cause = "analyst" // an analyst gave no answer
	CauseWorker  Cause = "worker"  // the worker ended before there was an answer
	CausePanic   Cause = "panic"   // winnow itself failed over it
	CauseLedger  Cause = "ledger"  // what is kept of the alert cannot be read
)

// ParseCause reads the word.
func ParseCause(text string) (Cause, error) {
	switch c := Cause(text); c {
	case CauseModel, CauseAnalyst, CauseWorker, CausePanic, CauseLedger:
		return c, nil
	}
	return "", fmt.Errorf("unknown cause %q (want model, analyst, worker, panic or ledger)", text)
}

// Failure says why a try failed.
type Failure struct {
	Cause  Cause
	Detail string // for people
}

// Priority orders the queue: the more severe first. An unknown severity may be anything, so it
// waits no longer than a high one.
func Priority(s winnow.Severity) int {
	if s == winnow.SeverityUnknown {
		return int(winnow.SeverityHigh)
	}
	return int(s)
}

const columns = "id, search, priority, enqueued, attempts, kind, cause, not_before, leased, visible_by"

// Push puts an alert into the queue. An alert that is queued already stays where it is.
func Push(ctx context.Context, db DB, it Item) error {
	_, err := db.ExecContext(ctx, `INSERT OR IGNORE INTO queue (id, priority, search, enqueued, leased, attempts, kind, cause, not_before, visible_by)
 VALUES (?,?,?,?,0,?,?,?,0,?)`, it.ID, it.Priority, it.Search, it.Enqueued.UnixMicro(), it.Attempts, it.Cause, it.Detail, micro(it.VisibleBy))
	if err == nil {
		_, err = db.ExecContext(ctx, "INSERT OR IGNORE INTO queue_turns (priority, search, turn) VALUES (?,?,0)", it.Priority, it.Search)
	}
	if err != nil {
		return fmt.Errorf("queue: push %s: %w", it.ID, err)
	}
	return nil
}

// Extend hides leased alerts for longer: whoever holds them is alive and not done.
func Extend(ctx context.Context, db DB, ids []string, until time.Time) error {
	for _, id := range ids {
		_, err := db.ExecContext(ctx, "UPDATE queue SET leased = ?, not_before = ? WHERE id = ? AND leased > 0", until.UnixMicro(), until.UnixMicro(), id)
		if err != nil {
			return fmt.Errorf("queue: extend %s: %w", id, err)
		}
	}
	return nil
}

// Release takes back all leases. The one worker calls it when it starts: whoever held them is gone. It also
// forgets the turns of searches that nothing waits of.
func Release(ctx context.Context, db DB) error {
	_, err := db.ExecContext(ctx, "UPDATE queue SET leased = 0, not_before = 0 WHERE leased > 0")
	if err == nil {
		_, err = db.ExecContext(ctx, `DELETE FROM queue_turns WHERE NOT EXISTS (
 SELECT 1 FROM queue WHERE queue.priority = queue_turns.priority AND queue.search = queue_turns.search)`)
	}
	if err != nil {
		return fmt.Errorf("queue: release: %w", err)
	}
	return nil
}

// Done takes a settled alert out of the queue.
func Done(ctx context.Context, db DB, id string) error {
	if _, err := db.ExecContext(ctx, "DELETE FROM queue WHERE id = ?", id); err != nil {
		return fmt.Errorf("queue: done %s: %w", id, err)
	}
	return nil
}

// Retry gives an alert back with what failed, due again at the given time.
func Retry(ctx context.Context, db DB, id string, why Failure, at time.Time) error {
	_, err := db.ExecContext(ctx, "UPDATE queue SET leased = 0, not_before = ?, kind = ?, cause = ? WHERE id = ?", micro(at), why.Cause, why.Detail, id)
	if err != nil {
		return fmt.Errorf("queue: retry %s: %w", id, err)
	}
	return nil
}

// Return gives an alert back as if it had not been handed out: that it could not be dealt with says
// nothing about the alert, so the try does not count. It is due again at the given time.
func Return(ctx context.Context, db DB, id string, why Failure, at time.Time) error {
	_, err := db.ExecContext(ctx, "UPDATE queue SET leased = 0, not_before = ?, kind = ?, cause = ?, attempts = max(attempts - 1, 0) WHERE id = ?",
		micro(at), why.Cause, why.Detail, id)
	if err != nil {
		return fmt.Errorf("queue: return %s: %w", id, err)
	}
	return nil
}

// Uncount takes back the try that handing an alert out has counted, and leaves it leased; Recount
// counts it after all. A worker that holds an alert and has not begun with it is not a try.
func Uncount(ctx context.Context, db DB, id string) error { return count(ctx, db, id, -1) }

// Recount counts a try that [Uncount] took back.
func Recount(ctx context.Context, db DB, id string) error { return count(ctx, db, id, 1) }

func count(ctx context.Context, db DB, id string, by int) error {
	if _, err := db.ExecContext(ctx, "UPDATE queue SET attempts = max(attempts + ?, 0) WHERE id = ?", by, id); err != nil {
		return fmt.Errorf("queue: count %s: %w", id, err)
	}
	return nil
}

// Shift moves all times by as much as the clock has jumped, so that nothing waits longer or shorter for it.
func Shift(ctx context.Context, db DB, by time.Duration) error {
	us := by.Microseconds()
	_, err := db.ExecContext(ctx, `UPDATE queue SET enqueued = enqueued + ?1, not_before = iif(not_before > 0, max(not_before + ?1, 1), 0),
 leased = iif(leased > 0, max(leased + ?1, 1), 0), visible_by = iif(visible_by > 0, max(visible_by + ?1, 1), 0)`, us)
	if err != nil {
		return fmt.Errorf("queue: shift: %w", err)
	}
	return nil
}

// Bound pulls what lies in a future that nobody has set back to the present: the clock was set back while no
// worker ran. Nothing waits longer than longest for its next try.
func Bound(ctx context.Context, db DB, now time.Time, longest time.Duration) error {
	end := now.Add(longest).UnixMicro()
	_, err := db.ExecContext(ctx, "UPDATE queue SET not_before = min(not_before, ?1), enqueued = min(enqueued, ?2) WHERE not_before > ?1 OR enqueued > ?2", end, now.UnixMicro())
	if err != nil {
		return fmt.Errorf("queue: bound: %w", err)
	}
	return nil
}

// micro is a time in the file's unit; the zero time, and any that would look like it, is 0.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.UnixMicro(), 1)
}

func timeOf(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func read(ctx context.Context, db DB, query string, args ...any) ([]Item, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []Item
	for rows.Next() {
		var it Item
		var enqueued, due, leased, visible int64
		if err := rows.Scan(&it.ID, &it.Search, &it.Priority, &enqueued, &it.Attempts, &it.Cause, &it.Detail, &due, &leased, &visible); err != nil {
			return nil, err
		}
		it.Enqueued, it.Due, it.Leased, it.VisibleBy = time.UnixMicro(enqueued).UTC(), timeOf(due), leased > 0, timeOf(visible)
		out = append(out, it)
	}
	return out, rows.Err()
}
