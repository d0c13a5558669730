package ledger

import (
	"context"
	"fmt"
)

// migrate brings the file to the newest schema, in one transaction: whatever happens in between, the file
// holds the old schema or the new. What a ledger held before is kept beside it.
func (l *Ledger) migrate(ctx context.Context) error {
	from, err := l.version(ctx)
	if err != nil {
		return err
	}
	if from > len(migrations) {
		return fmt.Errorf("open ledger %s: schema version %d is newer than this program (%d): upgrade winnow", l.path, from, len(migrations))
	}
	if from == len(migrations) {
		return nil
	}
	if err := l.keepBefore(ctx); err != nil {
		return fmt.Errorf("open ledger %s: migrate to version %d: %w", l.path, len(migrations), err)
	}
	err = l.transact(ctx, "BEGIN IMMEDIATE", func(t *Tx) error {
		if from > 0 {
			if err := t.mendFirst(); err != nil {
				return err
			}
		}
		for v := from; v < len(migrations); v++ {
			if err := t.step(v); err != nil {
				return fmt.Errorf("step %d: %w", v+1, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("open ledger %s: migrate to version %d: %w", l.path, len(migrations), err)
	}
	return nil
}

// step brings a file of version v to the next one.
func (t *Tx) step(v int) error {
	if skip, err := t.mendNinth(v); err != nil {
		return err
	} else if skip {
		_, err := t.l.conn.ExecContext(t.ctx, fmt.Sprintf("PRAGMA user_version = %d", v+1))
		return err
	}
	_, err := t.l.conn.ExecContext(t.ctx, fmt.Sprintf("%s; PRAGMA user_version = %d", migrations[v], v+1))
	switch {
	case err != nil:
	case v == panelsStep:
		err = t.countPanels()
	case v == waitingStep:
		err = t.lineUp()
	}
	return err
}

// The steps, from 0, after which the program reads records: what they say of votes, and of what waits for a person.
const (
	panelsStep  = 14
	waitingStep = 18
)

// mendFirst completes a file that was made before its first version was whole: that grew before there was
// a second one. Nobody knows under which generation the verdicts of such a file were made, so only those
// of people still hold.
func (t *Tx) mendFirst() error {
	var column string
	known, err := t.get("SELECT name FROM pragma_table_info('verdicts') WHERE name = 'gen'", nil, &column)
	if err != nil || known {
		return err
	}
	_, err = t.l.conn.ExecContext(t.ctx, `ALTER TABLE verdicts ADD COLUMN gen BLOB NOT NULL DEFAULT x'';
UPDATE verdicts SET gen = zeroblob(32) WHERE CASE WHEN json_valid(CAST(entry AS TEXT))
 THEN json_extract(CAST(entry AS TEXT), '$.Source') = 'person' ELSE 0 END`)
	return err
}

// mendNinth brings files of the other ninth version to the same end: for a while that version was what the
// eleventh is now. It reports whether a step is done already.
func (t *Tx) mendNinth(v int) (done bool, err error) {
	const disposition, rebuilt = 8, 10 // the steps, from 0
	var name string
	switch v {
	case disposition + 1:
		known, err := t.get("SELECT name FROM pragma_table_info('alerts') WHERE name = 'disposition'", nil, &name)
		if err == nil && !known {
			_, err = t.l.conn.ExecContext(t.ctx, migrations[disposition])
		}
		return false, err
	case rebuilt:
		return t.get("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'rebuilt'", nil, &name)
	}
	return false, nil
}
