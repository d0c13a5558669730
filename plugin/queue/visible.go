package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
)

const lateOf = `SELECT ` + columns + ` FROM queue WHERE priority = ? AND visible_by > 0 AND visible_by <= ? ORDER BY visible_by LIMIT ?`

// Late returns up to limit alerts that should have been settled by now and that nobody was told of, most severe
// and then longest due first. They may be leased.
func Late(ctx context.Context, db DB, now time.Time, limit int) (out []Item, err error) {
	for p := int(winnow.SeverityCritical); p >= 0 && len(out) < limit; p-- {
		items, err := read(ctx, db, lateOf, p, now.UnixMicro(), limit-len(out))
		if err != nil {
			return nil, fmt.Errorf("queue: late: %w", err)
		}
		out = append(out, items...)
	}
	return out, nil
}

// Told notes that people see an alert, so that it is late no more.
func Told(ctx context.Context, db DB, id string) error {
	if _, err := db.ExecContext(ctx, "UPDATE queue SET visible_by = 0 WHERE id = ?", id); err != nil {
		return fmt.Errorf("queue: told %s: %w", id, err)
	}
	return nil
}

// SetVisible works out anew by when the alerts that nobody was told of must be seen. within says how long after
// it was queued an alert of a search and a priority is.
func SetVisible(ctx context.Context, db DB, within func(search string, priority int) time.Duration) error {
	rows, err := db.QueryContext(ctx, "SELECT priority, search FROM queue_turns")
	if err != nil {
		return fmt.Errorf("queue: set visible: %w", err)
	}
	var all []turn
	for rows.Next() {
		var one turn
		if err := rows.Scan(&one.priority, &one.search); err != nil {
			return errors.Join(fmt.Errorf("queue: set visible: %w", err), rows.Close())
		}
		all = append(all, one)
	}
	for _, one := range all {
		_, err = db.ExecContext(ctx, `UPDATE queue SET visible_by = max(enqueued + ?1, 1)
 WHERE priority = ?2 AND search = ?3 AND visible_by > 0 AND visible_by <> max(enqueued + ?1, 1)`, within(one.search, one.priority).Microseconds(), one.priority, one.search)
		if err != nil {
			return fmt.Errorf("queue: set visible: %w", err)
		}
	}
	return rows.Err()
}

// List returns what waits, most severe and then oldest first. Only narrows it to a cause, "" is for all; a
// limit below 1 is none.
func List(ctx context.Context, db DB, only Cause, limit int) ([]Item, error) {
	if limit < 1 {
		limit = -1
	}
	items, err := read(ctx, db, "SELECT "+columns+" FROM queue WHERE ?1 = '' OR kind = ?1 ORDER BY priority DESC, enqueued, id LIMIT ?2", only, limit)
	if err != nil {
		return nil, fmt.Errorf("queue: list: %w", err)
	}
	return items, nil
}

// Counts says how much waits, and how.
type Counts struct {
	Waiting int // all of it
	Leased  int // somebody works on it
	Later   int // it is to be tried again, and not yet
}

// Count counts what waits.
func Count(ctx context.Context, db DB, now time.Time) (c Counts, err error) {
	rows, err := db.QueryContext(ctx, `SELECT count(*), count(*) FILTER (WHERE leased > ?1), count(*) FILTER (WHERE leased = 0 AND not_before > ?1) FROM queue`, now.UnixMicro())
	if err != nil {
		return c, fmt.Errorf("queue: count: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := rows.Scan(&c.Waiting, &c.Leased, &c.Later); err != nil {
			return c, fmt.Errorf("queue: count: %w", err)
		}
	}
	return c, rows.Err()
}

// MakeReady ends the pause before the next try of one alert, and reports whether it waits at all. One that
// somebody works on stays with them.
func MakeReady(ctx context.Context, db DB, id string) (waits bool, err error) {
	items, err := read(ctx, db, "SELECT "+columns+" FROM queue WHERE id = ?", id)
	if err == nil && len(items) > 0 {
		_, err = db.ExecContext(ctx, "UPDATE queue SET not_before = 0 WHERE id = ? AND leased = 0", id)
	}
	if err != nil {
		return false, fmt.Errorf("queue: make %s ready: %w", id, err)
	}
	return len(items) > 0, nil
}

// MakeAllReady ends the pauses of all alerts that wait for their next try because of a cause, "" is for any, and
// returns how many.
func MakeAllReady(ctx context.Context, db DB, only Cause) (int, error) {
	done, err := db.ExecContext(ctx, "UPDATE queue SET not_before = 0 WHERE leased = 0 AND not_before > 0 AND (?1 = '' OR kind = ?1)", only)
	if err != nil {
		return 0, fmt.Errorf("queue: make ready: %w", err)
	}
	n, err := done.RowsAffected()
	return int(n), err
}
