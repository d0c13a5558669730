package ledger

import (
	"context"
	"errors"
	"fmt"

	sqlite "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// ErrDamaged says that the file is not what was written.
var ErrDamaged = errors.New("the ledger is damaged: bring back a backup with `winnow ledger restore FILE`; what was not imported is still in the spool")

// isDamage reports whether SQLite found the file damaged.
func isDamage(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return errors.Is(err, ErrDamaged)
	}
	primary := e.Code() & 0xff
	return primary == lib.SQLITE_CORRUPT || primary == lib.SQLITE_NOTADB
}

// explained adds the way out to an error that says that the file is damaged.
func (l *Ledger) explained(err error) error {
	if !isDamage(err) || errors.Is(err, ErrDamaged) {
		return err
	}
	l.damaged.Store(true)
	return fmt.Errorf("%w (%w)", ErrDamaged, err)
}

// Damaged reports whether a transaction found the file damaged. The worker shows no sign of life from then
// on, so that the alert action closes nothing on what the ledger says.
func (l *Ledger) Damaged() bool { return l.damaged.Load() }

// Check compares tables that must agree, and then runs SQLite's own check of the whole file, whose time
// grows with it: a context bounds it.
func (l *Ledger) Check(ctx context.Context) error {
	if err := l.View(ctx, (*Tx).consistent); err != nil {
		return l.explained(err)
	}
	return l.quickCheck(ctx)
}

func (l *Ledger) quickCheck(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var answer string
	if err := l.conn.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&answer); err != nil {
		return fmt.Errorf("check ledger: %w", l.explained(err))
	}
	if answer != "ok" {
		return fmt.Errorf("check ledger: %s: %w: %s", l.path, ErrDamaged, answer)
	}
	return nil
}

// consistent compares the queue with the alerts, both ways. It looks into indexes: first through the queue,
// and at the number of alerts that are queued, which the tallies know.
func (t *Tx) consistent() error {
	var version int
	if _, err := t.get("PRAGMA user_version", nil, &version); err != nil || version != len(migrations) {
		return err // an old ledger is compared once it is migrated
	}
	var id string
	lost, err := t.get("SELECT q.id FROM queue q LEFT JOIN alerts a ON a.id = q.id WHERE coalesce(a.state, '') <> 'queued' LIMIT 1", nil, &id)
	if err != nil {
		return err
	}
	if lost {
		return fmt.Errorf("check ledger: %s waits in the queue, and its record does not say so", id)
	}
	var queued, waiting int
	if _, err := t.get("SELECT count(*) FROM queue", nil, &waiting); err != nil {
		return err
	}
	if _, err := t.get("SELECT coalesce(sum(alerts), 0) FROM alert_sums WHERE grain = 0 AND state = 'queued'", nil, &queued); err != nil {
		return err
	}
	if queued != waiting {
		return fmt.Errorf("check ledger: %d alerts are queued by their records, and %d by the queue", queued, waiting)
	}
	return nil
}
