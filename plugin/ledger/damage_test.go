package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// TestSettingsAreInForce on every kind of connection.
func TestSettingsAreInForce(t *testing.T) {
	w := openNew(t)
	books, err := OpenBooks(t.Context(), w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = books.Close() }()
	reader, err := OpenReadOnly(t.Context(), w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	all := map[string]string{"journal_mode": "wal", "mmap_size": "0", "temp_store": "2", "busy_timeout": "10000", "auto_vacuum": "2"}
	writes := map[string]string{"synchronous": "2", "foreign_keys": "1", "wal_autocheckpoint": "2000", "journal_size_limit": "67108864", "query_only": "0"}
	for name, c := range map[string]struct {
		l    *Ledger
		want []map[string]string
	}{
		"writer": {w, []map[string]string{all, writes, {"cache_size": "-65536"}}},
		"books":  {books, []map[string]string{all, writes}},
		"reader": {reader, []map[string]string{all, {"query_only": "1"}}},
	} {
		for _, settings := range c.want {
			for pragma, want := range settings {
				var got string
				err := c.l.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got)
				if pragma == "mmap_size" && got == "" { // compiled without: there is no such thing
					got = "0"
				}
				if got != want {
					t.Errorf("%s: %s is %s, want %s (%v)", name, pragma, got, want, err)
				}
			}
		}
		if n := c.l.db.Stats().MaxOpenConnections; n != 1 {
			t.Errorf("%s: up to %d connections", name, n)
		}
	}
}

// TestAReaderThatIsStuckDoesNotKeepTheJournal: its transaction ends with its time.
func TestAReaderThatIsStuckDoesNotKeepTheJournal(t *testing.T) {
	w := openNew(t)
	add(t, w, sample(1), winnow.StateQueued)
	r, err := OpenReadOnly(t.Context(), w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	r.readFor = time.Nanosecond // over before anything is read
	if err := r.View(t.Context(), func(tx *Tx) error { return tx.Each(func(Judged) error { return nil }) }); !errors.Is(err, errReadTooLong) {
		t.Errorf("err = %v", err)
	}
	r.readFor = time.Second // time enough to begin
	err = r.View(t.Context(), func(tx *Tx) error {
		return tx.Each(func(Judged) error {
			<-tx.Context().Done()
			add(t, w, sample(2), winnow.StateQueued)
			var busy, pages, done int
			if err := w.conn.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &done); err != nil || busy != 0 {
				t.Errorf("the journal cannot be emptied: busy %d (%v)", busy, err)
			}
			return context.Cause(tx.Context())
		})
	})
	if !errors.Is(err, errReadTooLong) {
		t.Errorf("err = %v", err)
	}
	r.readFor = time.Hour
	view(t, r, func(tx *Tx) error {
		n, err := tx.Count()
		if n != 2 {
			t.Errorf("%d alerts are read afterwards", n)
		}
		return err
	})
}

// TestADamagedLedgerIsSaid: whatever is broken or cut off, nothing panics, and what is found says the way out.
func TestADamagedLedgerIsSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openAt(t, path)
	for i := range 60 {
		e := sample(i)
		e.Alert.Fields["text"] = []string{strings.Repeat("x", 900)}
		add(t, l, e, winnow.StateEscalated)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	found := 0
	for i := range 60 {
		broken := append([]byte{}, whole...)
		switch i % 3 {
		case 0:
			broken = broken[:random.IntN(len(broken)-1)+1]
		case 1:
			at := random.IntN(len(broken) - 4096)
			for j := range 4096 {
				broken[at+j] = byte(random.Uint32())
			}
		case 2:
			copy(broken, "this is not what it was"[:16])
		}
		if damagedIsSaid(t, fmt.Sprint(i), broken) {
			found++
		}
	}
	if found < 30 {
		t.Errorf("only %d of 60 were found", found)
	}
}

func damagedIsSaid(t *testing.T, name string, file []byte) bool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), path)
	if err == nil {
		err = l.Check(t.Context())
		if err == nil {
			err = l.View(t.Context(), func(tx *Tx) error { return tx.Each(func(Judged) error { return nil }) })
		}
		_ = l.Close()
	}
	if err == nil {
		return false
	}
	if isDamage(err) && !strings.Contains(l.explained(err).Error(), "winnow ledger restore") {
		t.Errorf("%s: no way out: %v", name, err)
	}
	if !strings.Contains(err.Error(), "ledger") {
		t.Errorf("%s: %v does not say what is wrong", name, err)
	}
	return true
}

// TestAnEmptiedLedgerIsSaid: SQLite alone would begin a new one, and nobody would know what is gone.
func TestAnEmptiedLedgerIsSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openAt(t, path)
	add(t, l, sample(1), winnow.StateEscalated)
	if err := errors.Join(l.Close(), os.Truncate(path, 0)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := Open(t.Context(), path); !errors.Is(err, ErrDamaged) {
			t.Errorf("err = %v", err)
		}
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("%d files beside it (%v)", len(files), err)
	}
}

func TestADamagedTransactionIsRemembered(t *testing.T) {
	l := openNew(t)
	if l.Damaged() {
		t.Error("a new ledger is damaged")
	}
	if err := l.Update(t.Context(), func(*Tx) error { return ErrDamaged }); !errors.Is(err, ErrDamaged) || !l.Damaged() {
		t.Errorf("err %v, damaged %v", err, l.Damaged())
	}
}

func TestQueueAndRecordsAreCompared(t *testing.T) {
	for name, c := range map[string]struct {
		broken func(*Tx) error
		want   string
	}{
		"as it should be":         {func(*Tx) error { return nil }, ""},
		"queued, not in queue":    {func(tx *Tx) error { return queue.Done(tx.ctx, tx.Conn(), sample(1).Alert.ID) }, "1 alerts are queued by their records, and 0 by the queue"},
		"in queue, not queued":    {func(tx *Tx) error { return tx.exec("UPDATE alerts SET state = 'closed'") }, "waits in the queue, and its record does not say so"},
		"in queue, and not there": {func(tx *Tx) error { return tx.exec("DELETE FROM alerts") }, "waits in the queue, and its record does not say so"},
	} {
		t.Run(name, func(t *testing.T) {
			l := openNew(t)
			add(t, l, sample(1), winnow.StateQueued)
			update(t, l, func(tx *Tx) error {
				err := queue.Push(tx.ctx, tx.Conn(), queue.Item{ID: sample(1).Alert.ID, Enqueued: noon})
				return errors.Join(err, c.broken(tx))
			})
			err := l.Check(t.Context())
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("err = %v, want %q", err, c.want)
			}
		})
	}
}

func TestACopyIsWholeAndOnlyTheOwners(t *testing.T) {
	w := openNew(t)
	add(t, w, sample(1), winnow.StateQueued)
	path := filepath.Join(t.TempDir(), "copy.db")
	err := w.Update(t.Context(), func(*Tx) error { return Backup(t.Context(), w.path, path) }) // while the worker writes
	if err != nil {
		t.Fatal(err)
	}
	_, have := readContents(t, w.path, nil)
	_, copied := readContents(t, path, nil)
	if diff := cmp.Diff(have, copied); diff != "" {
		t.Errorf("-ledger +copy:\n%s", diff)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	if err := Backup(t.Context(), w.path, path); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("over a file: %v", err)
	}
	if err := Backup(t.Context(), w.path, filepath.Join(t.TempDir(), "no", "folder")); err == nil {
		t.Error("into no folder")
	}
	if err := Backup(t.Context(), path+".none", path+".2"); !errors.Is(err, ErrNone) {
		t.Errorf("of no ledger: %v", err)
	}
}
