// Package queue is the durable queue of alerts that wait for triage. It lives in the ledger's
// SQLite file, so that an alert enters and leaves it in the same transaction as its outcome
// changes: an alert is queued exactly as long as its outcome is.
package queue

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
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
	ID       string    `json:"id"`
	Search   string    `json:"search_name"`
	Priority int       `json:"priority"`
	Enqueued time.Time `json:"enqueued"`
	Attempts int       `json:"attempts"`
	Cause    string    `json:"cause"` // why the last try failed, "" before the first
}

// Priority orders the queue: the more severe first. An unknown severity may be anything, so it
// waits no longer than a high one.
func Priority(s winnow.Severity) int {
	if s == winnow.SeverityUnknown {
		return int(winnow.SeverityHigh)
	}
	return int(s)
}

// Push puts an alert into the queue. An alert that is queued already stays where it is.
func Push(ctx context.Context, db DB, it Item) error {
	_, err := db.ExecContext(ctx, `INSERT OR IGNORE INTO queue (id, priority, search, enqueued, not_before, leased, attempts, cause)
 VALUES (?,?,?,?,0,0,?,?)`, it.ID, it.Priority, it.Search, it.Enqueued.UnixMicro(), it.Attempts, it.Cause)
	if err != nil {
		return fmt.Errorf("queue: push %s: %w", it.ID, err)
	}
	return nil
}

// Lease hands out up to limit alerts that are due and were queued at or after since, most severe and
// then oldest first, and hides them until the given time. A worker that dies loses its leases then,
// never the alerts. The zero since is for all.
func Lease(ctx context.Context, db DB, now, until, since time.Time, limit int) ([]Item, error) {
	from := int64(math.MinInt64)
	if !since.IsZero() {
		from = since.UnixMicro()
	}
	items, err := read(ctx, db, `UPDATE queue SET leased = ?, attempts = attempts + 1 WHERE id IN (
 SELECT id FROM queue WHERE leased <= ? AND not_before <= ? AND enqueued >= ? ORDER BY priority DESC, enqueued, id LIMIT ?)
 RETURNING id, search, priority, enqueued, attempts, cause`, until.UnixMicro(), now.UnixMicro(), now.UnixMicro(), from, limit)
	if err != nil {
		return nil, fmt.Errorf("queue: lease: %w", err)
	}
	return items, nil
}

// LeaseBacklog does the same for alerts that were queued before the given time, most severe and then
// newest first: after an outage what happens now matters more than what nobody can stop any more.
func LeaseBacklog(ctx context.Context, db DB, now, until, before time.Time, limit int) ([]Item, error) {
	var out []Item
	// One severity at a time, so that the index gives the order and a long backlog is not sorted.
	for p := int(winnow.SeverityCritical); p >= 0 && len(out) < limit; p-- {
		items, err := read(ctx, db, `UPDATE queue SET leased = ?, attempts = attempts + 1 WHERE id IN (
 SELECT id FROM queue WHERE priority = ? AND leased <= ? AND not_before <= ? AND enqueued < ? ORDER BY enqueued DESC, id DESC LIMIT ?)
 RETURNING id, search, priority, enqueued, attempts, cause`,
			until.UnixMicro(), p, now.UnixMicro(), now.UnixMicro(), before.UnixMicro(), limit-len(out))
		if err != nil {
			return nil, fmt.Errorf("queue: lease backlog: %w", err)
		}
		slices.Reverse(items)
		out = append(out, items...)
	}
	return out, nil
}

// Extend hides leased alerts for longer: whoever holds them is alive and not done.
func Extend(ctx context.Context, db DB, ids []string, until time.Time) error {
	for _, id := range ids {
		if _, err := db.ExecContext(ctx, "UPDATE queue SET leased = ? WHERE id = ? AND leased > 0", until.UnixMicro(), id); err != nil {
			return fmt.Errorf("queue: extend %s: %w", id, err)
		}
	}
	return nil
}

// Release takes back all leases. The one worker calls it when it starts: whoever held them is gone.
func Release(ctx context.Context, db DB) error {
	if _, err := db.ExecContext(ctx, "UPDATE queue SET leased = 0 WHERE leased > 0"); err != nil {
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

// Retry gives an alert back with the cause of the failure, due again at the given time.
func Retry(ctx context.Context, db DB, id, cause string, at time.Time) error {
	_, err := db.ExecContext(ctx, "UPDATE queue SET leased = 0, not_before = ?, cause = ? WHERE id = ?", at.UnixMicro(), cause, id)
	if err != nil {
		return fmt.Errorf("queue: retry %s: %w", id, err)
	}
	return nil
}

// Return gives an alert back as if it had not been handed out: that it could not be dealt with says
// nothing about the alert, so the try does not count. It is due again at the given time.
func Return(ctx context.Context, db DB, id, cause string, at time.Time) error {
	_, err := db.ExecContext(ctx, "UPDATE queue SET leased = 0, not_before = ?, cause = ?, attempts = max(attempts - 1, 0) WHERE id = ?",
		at.UnixMicro(), cause, id)
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

// List returns what waits, in the order in which it will be handed out.
func List(ctx context.Context, db DB, limit int) ([]Item, error) {
	items, err := read(ctx, db, `SELECT id, search, priority, enqueued, attempts, cause FROM queue
 ORDER BY priority DESC, enqueued, id LIMIT ?`, limit)
	if err != nil {
		return nil, fmt.Errorf("queue: list: %w", err)
	}
	return items, nil
}

// Len returns how many alerts wait.
func Len(ctx context.Context, db DB) (n int, err error) {
	rows, err := db.QueryContext(ctx, "SELECT count(*) FROM queue")
	if err != nil {
		return 0, fmt.Errorf("queue: count: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return 0, fmt.Errorf("queue: count: %w", err)
		}
	}
	return n, rows.Err()
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
		var enqueued int64
		if err := rows.Scan(&it.ID, &it.Search, &it.Priority, &enqueued, &it.Attempts, &it.Cause); err != nil {
			return nil, err
		}
		it.Enqueued = time.UnixMicro(enqueued).UTC()
		out = append(out, it)
	}
	slices.SortStableFunc(out, func(a, b Item) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), a.Enqueued.Compare(b.Enqueued), cmp.Compare(a.ID, b.ID))
	})
	return out, rows.Err()
}
