package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver named "sqlite"

	"github.com/winnow-soc/winnow/plugin/audit"
	"github.com/winnow-soc/winnow/plugin/crash"
)

// Ledger is the open file. Safe for concurrent use: transactions run one at a time over one
// connection, whose prepared statements live as long as the ledger.
type Ledger struct {
	db       *sql.DB
	conn     *sql.Conn
	path     string
	readOnly bool
	readFor  time.Duration // how long a read transaction may take; 0: any time
	damaged  atomic.Bool   // see Damaged

	mu    sync.Mutex // held for the length of a transaction
	stmts map[string]*sql.Stmt

	calls  calls
	perDay callDay // read and written in transactions
	audit  auditor
}

// ErrNone is returned by readers when there is no ledger yet: nothing has been triaged.
var ErrNone = errors.New("no ledger yet")

// ErrNotFound is returned when no alert has the given ID.
var ErrNotFound = errors.New("no such alert")

// Open opens the ledger for its one writer and makes or migrates it. Commits are synced to disk
// (WAL with synchronous=FULL): a spool record may be deleted once its import is committed. Calls that a
// writer before this one reserved and did not settle are unsettled from now on.
func Open(ctx context.Context, path string) (*Ledger, error) {
	if err := createPrivate(ctx, path); err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", path, err)
	}
	l, err := open(ctx, path, writerSettings)
	if err != nil {
		return nil, err
	}
	if err := l.durable(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := l.migrate(ctx); err != nil {
		return nil, errors.Join(l.explained(err), l.Close())
	}
	if err := l.Update(ctx, (*Tx).abandon); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", path, l.explained(err)), l.Close())
	}
	l.RecheckAudit(ctx)
	return l, nil
}

// OpenBooks opens the ledger for booking calls beside its one writer: only Reserve, Settle and View may be
// used, and transactions of the two wait for each other. It returns ErrNone when there is none.
func OpenBooks(ctx context.Context, path string) (*Ledger, error) {
	if err := exists(path); err != nil {
		return nil, err
	}
	l, err := open(ctx, path, booksSettings)
	if err != nil {
		return nil, err
	}
	if err := l.checkVersion(ctx); err != nil {
		return nil, errors.Join(l.explained(err), l.Close())
	}
	return l, nil
}

func exists(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s does not exist (run `winnow worker` or `winnow triage --state DIR FILE` first)", ErrNone, path)
	}
	return nil
}

// OpenReadOnly opens the ledger for reports and exports. It returns ErrNone when there is none.
func OpenReadOnly(ctx context.Context, path string) (*Ledger, error) {
	if err := exists(path); err != nil {
		return nil, err
	}
	l, err := open(ctx, path, readerSettings)
	if err != nil {
		return nil, err
	}
	l.readOnly, l.readFor = true, readLimit
	if err := l.checkVersion(ctx); err != nil {
		return nil, errors.Join(l.explained(err), l.Close())
	}
	return l, nil
}

func open(ctx context.Context, path string, params []string) (*Ledger, error) {
	dsn := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String() + "?" + strings.Join(params, "&")
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	l := &Ledger{db: db, path: path, stmts: map[string]*sql.Stmt{}}
	if l.conn, err = db.Conn(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", path, l.explained(err)), db.Close())
	}
	return l, nil
}

// createPrivate makes the file before SQLite does, so that it and its journals are 0600. It gets its name with
// its first page in it: SQLite takes an empty file for a new ledger, and here it is one that has lost everything.
func createPrivate(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Size() == 0:
		return fmt.Errorf("it is empty: %w", ErrDamaged)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".tmp-ledger-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = removeIfThere(temp.Name()) }()
	l, err := open(ctx, temp.Name(), writerSettings)
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err := errors.Join(l.durable(ctx), l.conn.Close(), l.db.Close()); err != nil {
		return err
	}
	return publish(temp.Name(), path)
}

// Close brings what is settled to disk and closes the file.
func (l *Ledger) Close() error {
	err := l.Flush(context.Background())
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.stmts {
		_ = s.Close()
	}
	return errors.Join(err, l.conn.Close(), l.db.Close())
}

// Tx is one transaction. Its methods must not be used after the function given to Update or View
// has returned, nor by several goroutines.
type Tx struct {
	ctx context.Context //nolint:containedctx // a Tx lives no longer than the call that made it
	l   *Ledger

	counts  counts        // not yet in the tables of tallies
	sums    sums          // of what is booked, likewise
	audited []audit.Entry // what happened in it, without numbers yet
	head    auditHead     // of the chain, once they have some
}

// Context returns the context of the transaction.
func (t *Tx) Context() context.Context { return t.ctx }

// Conn returns the connection inside the transaction, for the queue that shares the file.
func (t *Tx) Conn() *sql.Conn { return t.l.conn }

// Update runs f in one transaction, committed and on disk when Update returns nil. Any error of f
// leaves everything as it was. Settlements of calls that wait for a transaction go into it first, and
// the audit entries of what f did last: when they cannot be written, nothing has happened, and
// [Ledger.Unaudited] says so from then on.
func (l *Ledger) Update(ctx context.Context, f func(*Tx) error) error {
	var undo func()
	err := l.transact(ctx, "BEGIN IMMEDIATE", func(t *Tx) (err error) {
		if undo, err = t.settleWaiting(); err != nil {
			return err
		}
		if err := f(t); err != nil {
			return err
		}
		if err := errors.Join(t.keepCounts(), t.keepSums()); err != nil {
			return err
		}
		return t.writeAudit()
	})
	if err != nil && undo != nil {
		undo()
	}
	return err
}

// View runs f in one read transaction: it sees one state of the ledger. A reader beside the worker has an
// hour for it.
func (l *Ledger) View(ctx context.Context, f func(*Tx) error) error {
	if l.readFor <= 0 {
		return l.transact(ctx, "BEGIN", f)
	}
	limited, cancel := context.WithTimeoutCause(ctx, l.readFor, errReadTooLong)
	defer cancel()
	defer l.endWith(limited)()
	err := l.transact(limited, "BEGIN", f)
	if err != nil && !errors.Is(err, errReadTooLong) && errors.Is(context.Cause(limited), errReadTooLong) {
		err = fmt.Errorf("%w (%w)", errReadTooLong, err) // wherever in the transaction the time was over
	}
	return err
}

func (l *Ledger) transact(ctx context.Context, begin string, f func(*Tx) error) error {
	err := l.transaction(ctx, begin, f)
	if isDamage(err) {
		l.damaged.Store(true)
	}
	return err
}

func (l *Ledger) transaction(ctx context.Context, begin string, f func(*Tx) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	done := false
	defer func() {
		if !done {
			_, _ = l.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		}
	}()
	if _, err := l.conn.ExecContext(ctx, begin); err != nil { // it may have begun all the same, when ctx ended
		return fmt.Errorf("ledger: begin: %w", err)
	}
	t := &Tx{ctx: ctx, l: l}
	if err := f(t); err != nil {
		return err
	}
	crash.Point("ledger.before-commit")
	// Not to be interrupted: the driver may report the end of ctx when the commit has taken effect.
	if _, err := l.conn.ExecContext(context.WithoutCancel(ctx), "COMMIT"); err != nil {
		return fmt.Errorf("ledger: commit: %w", err)
	}
	done = true
	crash.Point("ledger.after-commit")
	l.audit.committed(t.head)
	return nil
}

// stmt returns the prepared form of a query, kept for the life of the ledger.
func (t *Tx) stmt(query string) (*sql.Stmt, error) {
	if s := t.l.stmts[query]; s != nil {
		return s, nil
	}
	s, err := t.l.conn.PrepareContext(context.WithoutCancel(t.ctx), query)
	if err != nil {
		return nil, fmt.Errorf("ledger: prepare: %w", err)
	}
	t.l.stmts[query] = s
	return s, nil
}

func (t *Tx) exec(query string, args ...any) error {
	s, err := t.stmt(query)
	if err != nil {
		return err
	}
	if _, err := s.ExecContext(t.ctx, args...); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// get reads one row; found is false when there is none.
func (t *Tx) get(query string, args []any, dest ...any) (found bool, err error) {
	s, err := t.stmt(query)
	if err != nil {
		return false, err
	}
	err = s.QueryRowContext(t.ctx, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ledger: %w", err)
	}
	return true, nil
}

// each calls f for every row of a query.
func (t *Tx) each(query string, args []any, f func(scan func(...any) error) error) error {
	s, err := t.stmt(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(t.ctx, args...)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}
