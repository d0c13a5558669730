package queue

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
)

// The more severe alerts come first. Within one severity searches take turns: each gets the same share of what
// is handed out, what one does not use goes to the others, and the search that was served longest ago is
// served first. So one alert of a quiet search does not wait behind a million of a noisy one.
//
// The index queue_order gives every order here; what waits is never sorted, and what is not ready is
// never looked at.

const (
	freshSearches = `SELECT search FROM queue_turns AS t WHERE priority = ? AND EXISTS (SELECT 1 FROM queue AS q
 WHERE q.priority = t.priority AND q.search = t.search AND q.not_before = 0 AND q.enqueued >= ?) ORDER BY turn, search LIMIT ?`
	backlogSearches = `SELECT search FROM queue_turns AS t WHERE priority = ? AND EXISTS (SELECT 1 FROM queue AS q
 WHERE q.priority = t.priority AND q.search = t.search AND q.not_before = 0 AND q.enqueued < ?) ORDER BY turn, search LIMIT ?`

	freshOf   = `SELECT id FROM queue WHERE priority = ? AND search = ? AND not_before = 0 AND enqueued >= ? ORDER BY enqueued, id LIMIT ?`
	backlogOf = `SELECT id FROM queue WHERE priority = ? AND search = ? AND not_before = 0 AND enqueued < ? ORDER BY enqueued DESC, id DESC LIMIT ?`

	dueSearches = `SELECT priority, search FROM queue_turns AS t WHERE EXISTS (SELECT 1 FROM queue AS q
 WHERE q.priority = t.priority AND q.search = t.search AND q.not_before > 0 AND q.not_before <= ?)`
	dueOf = `SELECT id FROM queue WHERE priority = ? AND search = ? AND not_before > 0 AND not_before <= ? ORDER BY not_before LIMIT ?`
)

// Lease hands out up to limit alerts that are due and were queued at or after since, most severe and
// then oldest first, and hides them until the given time. A worker that dies loses its leases then,
// never the alerts. The zero since is for all.
func Lease(ctx context.Context, db DB, now, until, since time.Time, limit int) ([]Item, error) {
	from := int64(math.MinInt64)
	if !since.IsZero() {
		from = since.UnixMicro()
	}
	l := lessor{ctx: ctx, db: db, until: until, edge: from, searches: freshSearches, of: freshOf, oldest: 1}
	items, err := l.lease(now, limit)
	if err != nil {
		return nil, fmt.Errorf("queue: lease: %w", err)
	}
	return items, nil
}

// LeaseBacklog does the same for alerts that were queued before the given time, most severe and then
// newest first: after an outage what happens now matters more than what nobody can stop any more.
func LeaseBacklog(ctx context.Context, db DB, now, until, before time.Time, limit int) ([]Item, error) {
	l := lessor{ctx: ctx, db: db, until: until, edge: before.UnixMicro(), searches: backlogSearches, of: backlogOf, oldest: -1}
	items, err := l.lease(now, limit)
	if err != nil {
		return nil, fmt.Errorf("queue: lease backlog: %w", err)
	}
	return items, nil
}

// GiveBack returns the alerts of a lease behind the first ones, for which there was no room, as if they had not
// been handed out: they are ready, and searches of which none was begun with have not had their turn. The
// order is that of the lease.
func GiveBack(ctx context.Context, db DB, leased []Item, begun int) error {
	for _, it := range leased[begun:] {
		if _, err := db.ExecContext(ctx, "UPDATE queue SET leased = 0, not_before = 0 WHERE id = ?", it.ID); err != nil {
			return fmt.Errorf("queue: give back %s: %w", it.ID, err)
		}
	}
	var had, front []turn // had: in the order of the last alert of theirs that was begun with
	for i, it := range leased {
		one := turn{it.Priority, it.Search}
		switch served := slices.Index(had, one); {
		case i < begun && served >= 0:
			had = append(slices.Delete(had, served, served+1), one)
		case i < begun:
			had = append(had, one)
		case served < 0 && !slices.Contains(front, one):
			front = append(front, one)
		}
	}
	for _, one := range had {
		if err := one.served(ctx, db); err != nil {
			return fmt.Errorf("queue: give back: %w", err)
		}
	}
	for _, one := range slices.Backward(front) {
		_, err := db.ExecContext(ctx, `UPDATE queue_turns SET turn = (SELECT min(turn) FROM queue_turns WHERE priority = ?1) - 1
 WHERE priority = ?1 AND search = ?2`, one.priority, one.search)
		if err != nil {
			return fmt.Errorf("queue: give back: %w", err)
		}
	}
	return nil
}

// turn names a search's place among those of one priority.
type turn struct {
	priority int
	search   string
}

// served notes that a search has had its turn: it is behind all others now.
func (o turn) served(ctx context.Context, db DB) error {
	_, err := db.ExecContext(ctx, `UPDATE queue_turns SET turn = (SELECT max(turn) FROM queue_turns WHERE priority = ?1) + 1
 WHERE priority = ?1 AND search = ?2`, o.priority, o.search)
	return err
}

// lessor is one lease on its way.
type lessor struct {
	ctx          context.Context //nolint:containedctx // a lessor lives no longer than the call that made it
	db           DB
	until        time.Time
	edge         int64  // between backlog and what is fresh
	searches, of string // queries
	oldest       int    // 1: the oldest first, -1: the newest
}

func (l *lessor) lease(now time.Time, limit int) (out []Item, err error) {
	if err := l.ready(now); err != nil {
		return nil, err
	}
	for p := int(winnow.SeverityCritical); p >= 0 && len(out) < limit; p-- {
		items, err := l.severity(p, limit-len(out))
		if err != nil {
			return nil, err
		}
		out = append(out, items...)
	}
	return out, nil
}

// readyBatch is how many alerts become ready in one lease, of all searches together: far more than are
// handed out, and no more than a transaction should change.
const readyBatch = 1000

// ready makes ready what is due: tries after a pause, and alerts whose lease has run out. Each search gets the
// same share here too.
func (l *lessor) ready(now time.Time) error {
	var due []turn
	rows, err := l.db.QueryContext(l.ctx, dueSearches, now.UnixMicro())
	if err != nil {
		return err
	}
	for rows.Next() {
		var one turn
		if err := rows.Scan(&one.priority, &one.search); err != nil {
			_ = rows.Close()
			return err
		}
		due = append(due, one)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, one := range due {
		_, err := l.db.ExecContext(l.ctx, "UPDATE queue SET not_before = 0, leased = 0 WHERE id IN ("+dueOf+")",
			one.priority, one.search, now.UnixMicro(), max(readyBatch/len(due), 1))
		if err != nil {
			return err
		}
	}
	return nil
}

// severity hands out alerts of one priority: in rounds, each search the same share of what is left.
func (l *lessor) severity(p, room int) ([]Item, error) {
	all, err := l.waiting(p, room)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	taken := map[string][]Item{}
	var served []string // in the order of the last time
	for round := all; room > 0 && len(round) > 0; {
		share := max(room/len(round), 1)
		var more []string
		for _, search := range round {
			if room == 0 {
				break
			}
			items, err := l.take(p, search, min(share, room))
			if err != nil {
				return nil, err
			}
			if room -= len(items); len(items) > 0 {
				taken[search] = append(taken[search], items...)
				served = append(slices.DeleteFunc(served, func(s string) bool { return s == search }), search)
			}
			if len(items) == share {
				more = append(more, search)
			}
		}
		round = more
	}
	for _, search := range served {
		if err := (turn{p, search}).served(l.ctx, l.db); err != nil {
			return nil, err
		}
	}
	return interleave(all, taken), nil
}

// waiting returns the searches that have alerts ready, the one served longest ago first.
func (l *lessor) waiting(p, limit int) (out []string, err error) {
	rows, err := l.db.QueryContext(l.ctx, l.searches, p, l.edge, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

func (l *lessor) take(p int, search string, limit int) ([]Item, error) {
	items, err := read(l.ctx, l.db, "UPDATE queue SET leased = ?1, not_before = ?1, attempts = attempts + 1 WHERE id IN ("+l.of+") RETURNING "+columns,
		micro(l.until), p, search, l.edge, limit)
	slices.SortFunc(items, func(a, b Item) int {
		return l.oldest * cmp.Or(a.Enqueued.Compare(b.Enqueued), cmp.Compare(a.ID, b.ID))
	})
	return items, err
}

// interleave puts one alert of each search after one of each, so that whoever has room for only some of them
// is fair as well.
func interleave(searches []string, taken map[string][]Item) (out []Item) {
	for i := 0; ; i++ {
		before := len(out)
		for _, search := range searches {
			if items := taken[search]; i < len(items) {
				out = append(out, items[i])
			}
		}
		if len(out) == before {
			return out
		}
	}
}
