package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// How connections are set. What the writer commits must survive a loss of power, so its journal is synced at
// every commit. The journal is emptied into the file every 2,000 pages (8 MB), and cut to 64 MB after it grew
// because somebody read for long. Files mapped into memory turn a damaged disk into a crash, so none is; and
// what SQLite sorts stays in memory, not in files outside the state folder. Freed pages can be given back
// (see Shrink) where the file was made with that in mind.
var (
	common = []string{"_pragma=busy_timeout(10000)", "_pragma=mmap_size(0)", "_pragma=temp_store(MEMORY)"}

	booksSettings = append([]string{
		"_pragma=synchronous(FULL)", "_pragma=foreign_keys(ON)", "_pragma=wal_autocheckpoint(2000)", "_pragma=journal_size_limit(67108864)",
	}, common...)

	writerSettings = append([]string{"_pragma=auto_vacuum(INCREMENTAL)", "_pragma=journal_mode(WAL)", "_pragma=cache_size(-65536)"}, booksSettings...)

	readerSettings = append([]string{"mode=ro", "_pragma=query_only(ON)"}, common...)
)

// durable makes sure of what a spool record's removal rests on.
func (l *Ledger) durable(ctx context.Context) error {
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2"} {
		var is string
		if err := l.conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&is); err != nil {
			return fmt.Errorf("open ledger %s: %w", l.path, l.explained(err))
		}
		if !strings.EqualFold(is, want) {
			return fmt.Errorf("open ledger %s: %s is %s, not %s: the state folder must be on a local disk that can be written", l.path, pragma, is, want)
		}
	}
	return nil
}

// readLimit is how long a reader may look at one state of the ledger. For that time the writer's journal
// cannot be emptied, and grows; a report that somebody left open in a pager must not fill the disk.
const readLimit = time.Hour

var errReadTooLong = errors.New("ledger: read for too long: the worker's journal cannot be emptied meanwhile; write the output to a file")

// endWith ends the read transaction with the context, also while whoever reads is stuck elsewhere.
func (l *Ledger) endWith(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		_, _ = l.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	})
	return func() {
		if !cancel() {
			<-done
		}
	}
}
