package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Keep says from when on things stay.
type Keep struct {
	Records time.Time // settled alerts that were received before go
	Fields  time.Time // what rules closed and was received before stays without its fields
	Facts   time.Time // precedents from before go
	Now     time.Time
}

// Pruned says what was removed.
type Pruned struct {
	Alerts int
	Bare   int  // alerts that lost their fields
	More   bool // there is more to remove
}

// Prune removes what is past retention and what nobody needs any more, up to limit alerts at once: alerts
// with their history, reviews and deliveries; of what a rule dropped the number stays; precedents older than
// facts; and verdicts that have expired. Alerts that are queued, in review, or have deliveries waiting stay.
func (t *Tx) Prune(k Keep, limit int) (p Pruned, err error) {
	ids, err := t.ids(`SELECT id FROM alerts WHERE received < ? AND state NOT IN ('queued', 'in_review')
 AND id NOT IN (SELECT id FROM outbox WHERE done = 0) ORDER BY received LIMIT ?`, micro(k.Records), limit)
	if err != nil {
		return p, err
	}
	if err := t.noteRemoved(ids, k.Now); err != nil {
		return p, err
	}
	for _, id := range ids {
		if err := t.remove(id); err != nil {
			return p, err
		}
	}
	if p.Bare, err = t.bare(k.Fields, k.Now, limit); err != nil {
		return p, err
	}
	for query, before := range map[string]time.Time{
		"DELETE FROM outbox WHERE id = '' AND done > 0 AND done < ?": k.Records,
		"DELETE FROM precedents WHERE at < ?":                        k.Facts,
		"DELETE FROM imports WHERE at < ?":                           k.Records,
		"DELETE FROM verdicts WHERE expires < ?":                     k.Now.Add(-verdictGrace),
	} {
		if err := t.exec(query, micro(before)); err != nil {
			return p, err
		}
	}
	if err := t.pruneReconciled(k.Records); err != nil {
		return p, err
	}
	entities, err := t.pruneEntities(k.Now, limit*maxEntities)
	p.Alerts = len(ids)
	p.More = len(ids) == limit || p.Bare == limit || entities
	return p, err
}

// noteRemoved tells the audit chain which alerts go: the oldest first.
func (t *Tx) noteRemoved(ids []string, now time.Time) error {
	var newest int64
	if len(ids) > 0 {
		if _, err := t.get("SELECT received FROM alerts WHERE id = ?", []any{ids[len(ids)-1]}, &newest); err != nil {
			return err
		}
	}
	return t.notePruned(len(ids), newest, now)
}

// remove takes an alert out of every table.
func (t *Tx) remove(id string) error {
	if err := t.rememberDrop(id); err != nil {
		return err
	}
	if err := errors.Join(t.leaveCounts(id), t.forgetPanel(id), t.leaveLine(id), t.forgetSample(id)); err != nil {
		return err
	}
	for _, query := range []string{
		"DELETE FROM history WHERE id = ?", "DELETE FROM reviews WHERE id = ?", "DELETE FROM outbox WHERE id = ?",
		"DELETE FROM cases WHERE id = ?", "DELETE FROM calls WHERE alert = ?", "DELETE FROM answers WHERE id = ?",
		"DELETE FROM action_votes WHERE action IN (SELECT id FROM actions WHERE alert = ?)", "DELETE FROM actions WHERE alert = ?",
		"DELETE FROM recalled WHERE id = ?", "DELETE FROM pages WHERE id = ?", "DELETE FROM alerts WHERE id = ?",
	} {
		if err := t.exec(query, id); err != nil {
			return err
		}
	}
	return nil
}

// dropOf is the row that counts a drop.
const dropOf = `SELECT rule, coalesce(json_extract(record, '$.proposal.ruleset'), ''), received - received % ?, 1 FROM alerts
 WHERE id = ? AND source = 'rule' AND state = 'closed'`

// verdictGrace is how long a verdict stays after it has expired: an alert received while it was
// valid may still be on its way through the queue.
const verdictGrace = 24 * time.Hour

// rememberDrop counts an alert that a rule closed, before it is removed: what can no longer be
// recalled must at least be known.
func (t *Tx) rememberDrop(id string) error {
	err := t.exec("INSERT INTO dropped (rule, ruleset, day, alerts) "+dropOf+" ON CONFLICT (rule, ruleset, day) DO UPDATE SET alerts = alerts + 1", microDay, id)
	if err != nil {
		return err
	}
	return t.exec(`UPDATE bared SET alerts = max(alerts - 1, 0) WHERE (rule, ruleset, day) IN (SELECT rule, coalesce(json_extract(record, '$.proposal.ruleset'), ''),
 received - received % ? FROM alerts WHERE id = ? AND bare <> 0)`, microDay, id)
}

// microDay is a day in the file's unit.
const microDay = int64(24 * time.Hour / time.Microsecond)

// leaveCounts takes an alert and its calls out of the tallies.
func (t *Tx) leaveCounts(id string) error {
	if err := t.recount(id, nil); err != nil {
		return err
	}
	return t.eachCallGroup("alert = ?", []any{id}, func(g callGroup, a callAmount) { t.countedCall(g, a.minus()) })
}

// Size returns how many bytes of the file are in use, and how many are free within it.
func (l *Ledger) Size(ctx context.Context) (used, free int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var pages, unused, size int64
	err = l.conn.QueryRowContext(ctx, "SELECT (SELECT page_count FROM pragma_page_count), (SELECT freelist_count FROM pragma_freelist_count), (SELECT page_size FROM pragma_page_size)").
		Scan(&pages, &unused, &size)
	if err != nil {
		return 0, 0, fmt.Errorf("ledger: size: %w", err)
	}
	return (pages - unused) * size, unused * size, nil
}

// Shrink gives up to that many free pages back to the file system, where the file can: one that was made before
// schema version 9 uses them again instead.
func (l *Ledger) Shrink(ctx context.Context, pages int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", pages)); err != nil {
		return fmt.Errorf("ledger: give pages back: %w", err)
	}
	return nil
}

// Newest returns when the newest alert was received or the last entry of the audit chain written, whichever
// is later; the zero time when there is neither.
func (t *Tx) Newest() (time.Time, error) {
	var at int64
	_, err := t.get("SELECT max((SELECT coalesce(max(received), 0) FROM alerts), coalesce((SELECT at FROM audit_head), 0))", nil, &at)
	return timeOf(at), err
}
