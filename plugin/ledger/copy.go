package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Backup writes a whole copy of a ledger as it is now to a new file, synced, checked and mode 0600; the
// worker may go on meanwhile. It refuses to write over a file. Nothing is at the path unless it returns nil.
func Backup(ctx context.Context, ledger, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("back up the ledger: %s exists: name another file", to)
	}
	if err := exists(ledger); err != nil {
		return err
	}
	l, err := open(ctx, ledger, booksSettings)
	if err != nil {
		return err
	}
	return errors.Join(l.copyOver(ctx, to), l.Close())
}

func (l *Ledger) copyOver(ctx context.Context, path string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".tmp-ledger-*") // 0600
	if err != nil {
		return fmt.Errorf("copy ledger: %w", err)
	}
	err = temp.Close()
	if err == nil {
		err = l.vacuumInto(ctx, temp.Name())
	}
	if err == nil {
		err = checkCopy(ctx, temp.Name(), l)
	}
	if err == nil {
		err = publish(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("copy ledger to %s: %w", path, errors.Join(err, removeIfThere(temp.Name())))
	}
	return nil
}

// vacuumInto copies the ledger into an empty file.
func (l *Ledger) vacuumInto(ctx context.Context, path string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.room(ctx, path); err != nil {
		return err
	}
	var mode int
	if err := l.conn.QueryRowContext(ctx, "PRAGMA auto_vacuum").Scan(&mode); err != nil {
		return err
	}
	if mode == 0 { // the copy of an old ledger can give pages back
		if _, err := l.conn.ExecContext(ctx, "PRAGMA auto_vacuum = INCREMENTAL"); err != nil {
			return err
		}
	}
	_, err := l.conn.ExecContext(ctx, "VACUUM INTO ?", path)
	return err
}

// room refuses what would fill the disk: then nobody could store alerts any more.
func (l *Ledger) room(ctx context.Context, path string) error {
	var pages, unused, size int64
	for name, n := range map[string]*int64{"page_count": &pages, "freelist_count": &unused, "page_size": &size} {
		if err := l.conn.QueryRowContext(ctx, "PRAGMA "+name).Scan(n); err != nil {
			return err
		}
	}
	free, known := freeSpace(filepath.Dir(path))
	if need := (pages-unused)*size + spare; known && free < need {
		return fmt.Errorf("%d MB are free in %s, and %d are needed: make room first", free>>20, filepath.Dir(path), need>>20)
	}
	return nil
}

// spare is what stays free beside a copy.
const spare = 16 << 20

// checkCopy holds a copy against damage and against the version that was copied.
func checkCopy(ctx context.Context, path string, of *Ledger) error {
	want, err := of.version(ctx)
	if err != nil {
		return err
	}
	c, err := open(ctx, path, readerSettings)
	if err != nil {
		return err
	}
	got, err := c.version(ctx)
	if err == nil && got != want {
		err = fmt.Errorf("the copy has schema version %d, not %d", got, want)
	}
	return errors.Join(err, c.quickCheck(ctx), c.Close())
}

// publish brings a finished file to disk and to its name.
func publish(temp, path string) error {
	f, err := os.OpenFile(temp, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// keptCopies is how many copies from before a migration stay.
const keptCopies = 2

// keepBefore copies a ledger that holds anything beside it, before it is migrated.
func (l *Ledger) keepBefore(ctx context.Context) error {
	holds, err := l.holdsAnything(ctx)
	if err != nil || !holds {
		return err
	}
	path := fmt.Sprintf("%s.before-v%d", l.path, len(migrations))
	if err := l.copyOver(ctx, path); err != nil {
		return fmt.Errorf("no migration without a copy: %w", err)
	}
	return l.forgetCopies()
}

// holdsAnything reports whether there is a row in any table.
func (l *Ledger) holdsAnything(ctx context.Context) (holds bool, err error) {
	err = l.View(ctx, func(t *Tx) error {
		var tables []string
		tables, err := t.ids("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
		for _, name := range tables {
			var one int
			if holds, err = t.get(`SELECT 1 FROM "`+name+`" LIMIT 1`, nil, &one); holds || err != nil {
				return err
			}
		}
		return err
	})
	return holds, err
}

// forgetCopies removes all but the newest copies.
func (l *Ledger) forgetCopies() error {
	files, err := os.ReadDir(filepath.Dir(l.path))
	if err != nil {
		return err
	}
	var versions []int
	prefix := filepath.Base(l.path) + ".before-v"
	for _, f := range files {
		if text, ok := strings.CutPrefix(f.Name(), prefix); ok {
			if v, err := strconv.Atoi(text); err == nil && strconv.Itoa(v) == text {
				versions = append(versions, v)
			}
		}
	}
	slices.Sort(versions)
	for _, v := range versions[:max(len(versions)-keptCopies, 0)] {
		if err := os.Remove(l.path + ".before-v" + strconv.Itoa(v)); err != nil {
			return err
		}
	}
	return nil
}
