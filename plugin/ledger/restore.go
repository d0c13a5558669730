package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Restored says what a restore changed.
type Restored struct {
	Version int       `json:"version"` // of the backup's schema
	Alerts  int       `json:"alerts"`  // that it holds
	Newest  time.Time `json:"newest"`  // when the last of them was received; zero: none

	Aside    string    `json:"aside"`    // where the ledger lies that was there, "" for none
	Compared bool      `json:"compared"` // it could be read
	Missing  int       `json:"missing"`  // alerts that it has and the backup has not
	Changed  int       `json:"changed"`  // alerts that have changed since the backup
	First    time.Time `json:"first"`    // when the first and the last of the missing were received
	Last     time.Time `json:"last"`
}

// Restore puts a checked copy of a backup in the place of a ledger, which it moves aside. Nobody may have
// the ledger open: the caller holds the worker's lock. What was booked for models since the backup stays
// booked. After a crash in between, the old ledger or the new one is in place.
func Restore(ctx context.Context, backup, path string, now time.Time) (r Restored, err error) {
	if err := exists(backup); err != nil {
		return r, fmt.Errorf("restore: %s does not exist", backup)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".tmp-ledger-*") // 0600
	if err != nil {
		return r, fmt.Errorf("restore: %w", err)
	}
	defer func() { err = errors.Join(err, removeIfThere(temp.Name())) }()
	if err := temp.Close(); err != nil {
		return r, fmt.Errorf("restore: %w", err)
	}
	if err := r.take(ctx, backup, temp.Name()); err != nil {
		return r, fmt.Errorf("restore %s: %w", backup, err)
	}
	if _, err := os.Lstat(path); err == nil {
		r.Aside = path + ".aside-" + now.UTC().Format("20060102T150405.000")
		r.Compared = r.compare(ctx, path, temp.Name()) == nil // a damaged ledger is why it is restored
		if err := moveAside(ctx, path, r.Aside); err != nil {
			return r, fmt.Errorf("restore: move the present ledger aside: %w", err)
		}
	}
	if err := publish(temp.Name(), path); err != nil {
		return r, fmt.Errorf("restore: %w", err)
	}
	return r, nil
}

// take checks a backup and copies it.
func (r *Restored) take(ctx context.Context, backup, to string) error {
	b, err := open(ctx, backup, append([]string{"_pragma=query_only(ON)"}, common...))
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	if err := b.whole(ctx); err != nil {
		return err
	}
	if r.Version, err = b.version(ctx); err != nil {
		return err
	}
	switch {
	case r.Version == 0:
		return errors.New("it is no ledger")
	case r.Version > len(migrations):
		return fmt.Errorf("schema version %d is newer than this program (%d): upgrade winnow", r.Version, len(migrations))
	}
	var newest int64
	err = b.conn.QueryRowContext(ctx, "SELECT count(*), coalesce(max(received), 0) FROM alerts").Scan(&r.Alerts, &newest)
	if err != nil {
		return err
	}
	r.Newest = timeOf(newest)
	if _, err := b.conn.ExecContext(ctx, "PRAGMA query_only = OFF"); err != nil { // the copy is written
		return err
	}
	if err := b.vacuumInto(ctx, to); err != nil {
		return err
	}
	return checkCopy(ctx, to, b)
}

// whole runs SQLite's full check, indexes and all.
func (l *Ledger) whole(ctx context.Context) error {
	var answer string
	if err := l.conn.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return fmt.Errorf("it is damaged: %s", answer)
	}
	return nil
}

// compare counts what the present ledger has and the backup has not, and carries over what is booked.
func (r *Restored) compare(ctx context.Context, path, backup string) error {
	l, err := open(ctx, path, booksSettings)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	if _, err := l.conn.ExecContext(ctx, "ATTACH ? AS backup", backup); err != nil {
		return err
	}
	var first, last int64
	err = l.conn.QueryRowContext(ctx, `SELECT count(*), coalesce(min(received), 0), coalesce(max(received), 0) FROM main.alerts a
 WHERE NOT EXISTS (SELECT 1 FROM backup.alerts b WHERE b.id = a.id)`).Scan(&r.Missing, &first, &last)
	if err != nil {
		return err
	}
	r.First, r.Last = timeOf(first), timeOf(last)
	err = l.conn.QueryRowContext(ctx, "SELECT count(*) FROM main.alerts a JOIN backup.alerts b ON b.id = a.id WHERE b.seq <> a.seq").Scan(&r.Changed)
	if err != nil {
		return err
	}
	if _, err := l.conn.ExecContext(ctx, `INSERT INTO backup.spent (day, booked) SELECT day, booked FROM main.spent WHERE true
 ON CONFLICT (day) DO UPDATE SET booked = max(booked, excluded.booked)`); err != nil && r.Version >= versionOfSpent {
		return err
	}
	return nil
}

// versionOfSpent is the first schema that books by day.
const versionOfSpent = 4

// moveAside leaves nothing of the present ledger that could be taken for a part of the new one: first its
// journal goes into the file, or aside, and then the file gets a second name.
func moveAside(ctx context.Context, path, aside string) error {
	if l, err := open(ctx, path, booksSettings); err == nil {
		_, _ = l.conn.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)") // of a damaged ledger as far as it goes
		_ = l.Close()
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := os.Link(path, aside); err != nil {
		return os.Rename(path, aside) // a file system without second names
	}
	return syncFolder(filepath.Dir(path))
}
