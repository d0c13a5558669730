package ledger

import (
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// schemas are ledgers of every schema that there ever was, as SQL.
func schemas(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "schema", "*.sql"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%d ledgers of old schemas (%v)", len(files), err)
	}
	return files
}

// oldLedger makes a ledger of an old schema.
func oldLedger(t *testing.T, file string) (path string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "ledger.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	withDB(t, path, func(db *sql.DB) {
		if _, err := db.Exec("PRAGMA journal_mode=WAL;\n" + string(text)); err != nil {
			t.Fatal(err)
		}
	})
	return path
}

func withDB(t *testing.T, path string, f func(*sql.DB)) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	f(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// contents are the rows of every table, as text, by the names of their columns.
type contents map[string][]string

// read returns the rows of these tables and columns, or of all.
func readContents(t *testing.T, path string, of contents) (columns, rows contents) {
	t.Helper()
	columns, rows = contents{}, contents{}
	withDB(t, path, func(db *sql.DB) {
		tables := queryTexts(t, db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
		for _, table := range tables {
			columns[table] = queryTexts(t, db, "SELECT name FROM pragma_table_info('"+table+"')")
			want := columns[table]
			if of != nil {
				if want = of[table]; want == nil {
					continue
				}
			}
			quoted := "quote(" + strings.Join(want, ") || ', ' || quote(") + ")"
			rows[table] = queryTexts(t, db, "SELECT "+quoted+" FROM "+table)
			slices.Sort(rows[table])
		}
	})
	return columns, rows
}

func queryTexts(t *testing.T, db *sql.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		out = append(out, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEveryOldLedgerBecomesANewOne: no row is lost, nothing of what was kept changes, and what the ledger
// was before lies beside it.
func TestEveryOldLedgerBecomesANewOne(t *testing.T) {
	fresh := filepath.Join(t.TempDir(), "ledger.db")
	if err := openAt(t, fresh).Close(); err != nil {
		t.Fatal(err)
	}
	newest, _ := readContents(t, fresh, nil)
	for _, file := range schemas(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			path := oldLedger(t, file)
			columns, before := readContents(t, path, nil)
			kept := maps.Clone(before)
			for _, sums := range []string{"tallies", "tally_days", "call_tallies", "alert_sums", "call_sums"} { // made anew: see checkRollups
				delete(columns, sums)
				delete(kept, sums)
			}
			l := openAt(t, path)
			if err := l.Check(t.Context()); err != nil {
				t.Error(err)
			}
			checkRollups(t, l)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			_, after := readContents(t, path, columns)
			if diff := cmp.Diff(kept, after); diff != "" {
				t.Errorf("rows differ (-before +after):\n%s", diff)
			}
			now, _ := readContents(t, path, nil)
			if diff := cmp.Diff(sorted(newest), sorted(now)); diff != "" {
				t.Errorf("the schema is another than that of a new ledger (-new +migrated):\n%s", diff)
			}
			copied := fmt.Sprintf("%s.before-v%d", path, len(migrations))
			if _, kept := readContents(t, copied, nil); !cmp.Equal(before, kept) {
				t.Errorf("the copy differs (-before +copy):\n%s", cmp.Diff(before, kept))
			}
			if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the copy: %v %v", info.Mode(), err)
			}
		})
	}
}

func sorted(c contents) contents {
	out := contents{}
	for table, columns := range c {
		out[table] = slices.Sorted(slices.Values(columns))
	}
	return out
}

// TestEverySchemaHasALedger: whoever adds a step adds a ledger from before it.
func TestEverySchemaHasALedger(t *testing.T) {
	for v := 1; v < len(migrations); v++ {
		if !slices.ContainsFunc(schemas(t), func(file string) bool { return strings.HasPrefix(filepath.Base(file), fmt.Sprintf("v%d-", v)) }) {
			t.Errorf("testdata/schema has no ledger of version %d", v)
		}
	}
}

// TestAnIndexIsThereAfterEveryMigration holds what queries rest on against a new ledger's.
func TestAnIndexIsThereAfterEveryMigration(t *testing.T) {
	indexes := func(path string) (out []string) {
		withDB(t, path, func(db *sql.DB) {
			out = queryTexts(t, db, "SELECT name || ' ' || replace(replace(sql, '\"', ''), '_new', '') FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name")
		})
		return out
	}
	fresh := filepath.Join(t.TempDir(), "ledger.db")
	if err := openAt(t, fresh).Close(); err != nil {
		t.Fatal(err)
	}
	for _, file := range schemas(t) {
		path := oldLedger(t, file)
		if err := openAt(t, path).Close(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(indexes(fresh), indexes(path)); diff != "" {
			t.Errorf("%s: indexes differ (-new +migrated):\n%s", file, diff)
		}
	}
}

// TestAMigrationThatFailsChangesNothing: the last step is broken, and the ledger is as it was.
func TestAMigrationThatFailsChangesNothing(t *testing.T) {
	path := oldLedger(t, schemas(t)[0])
	columns, before := readContents(t, path, nil)
	whole := migrations
	migrations = append(slices.Clone(whole), "CREATE TABLE more (a); SELECT no_such_function()")
	_, err := Open(t.Context(), path)
	migrations = whole
	if err == nil || !strings.Contains(err.Error(), "no_such_function") {
		t.Fatalf("err = %v", err)
	}
	now, after := readContents(t, path, nil)
	if diff := cmp.Diff(columns, now); diff != "" || !cmp.Equal(before, after) {
		t.Errorf("changed (-before +after):\n%s%s", diff, cmp.Diff(before, after))
	}
}

// TestACrashInTheMiddleOfAMigrationLeavesTheOld: the files as they are just before the commit.
func TestACrashInTheMiddleOfAMigrationLeavesTheOld(t *testing.T) {
	path := oldLedger(t, schemas(t)[0])
	_, before := readContents(t, path, nil)
	crashed := filepath.Join(t.TempDir(), "ledger.db")
	l, err := open(t.Context(), path, []string{"_pragma=cache_size(2)"}) // so that pages are written before the commit
	if err != nil {
		t.Fatal(err)
	}
	err = l.transact(t.Context(), "BEGIN IMMEDIATE", func(tx *Tx) error {
		if err := tx.mendFirst(); err != nil {
			return err
		}
		for v := 1; v < len(migrations); v++ {
			if err := tx.step(v); err != nil {
				return err
			}
		}
		for _, file := range sidecars(t, path) {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if strings.HasSuffix(file, "-shm") {
				continue
			}
			if err := os.WriteFile(crashed+strings.TrimPrefix(file, path), data, 0o600); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, after := readContents(t, crashed, nil); !cmp.Equal(before, after) {
		t.Errorf("a crash changed the ledger:\n%s", cmp.Diff(before, after))
	}
	if err := openAt(t, crashed).Close(); err != nil {
		t.Error(err)
	}
}

func TestTheNewestTwoCopiesStay(t *testing.T) {
	path := oldLedger(t, schemas(t)[3])
	for _, name := range []string{"2", "3", "04", "x", "1.keep"} {
		if err := os.WriteFile(path+".before-v"+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	openAt(t, path)
	var left []string
	for _, file := range sidecars(t, path) {
		if name, ok := strings.CutPrefix(file, path+".before-v"); ok {
			left = append(left, name)
		}
	}
	want := []string{"04", "1.keep", "3", fmt.Sprint(len(migrations)), "x"}
	slices.Sort(want)
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
}

func TestNoCopyOfALedgerThatHoldsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	openAt(t, path)
	if files, _ := filepath.Glob(path + ".before*"); len(files) > 0 {
		t.Errorf("copies of nothing: %v", files)
	}
}

// TestNoMigrationWithoutACopy: where it cannot be written the ledger stays as it is.
func TestNoMigrationWithoutACopy(t *testing.T) {
	path := oldLedger(t, schemas(t)[2])
	_, before := readContents(t, path, nil)
	name := fmt.Sprintf("%s.before-v%d", path, len(migrations))
	if err := os.MkdirAll(filepath.Join(name, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "no migration without a copy") || !strings.Contains(err.Error(), name) {
		t.Errorf("err = %v", err)
	}
	if _, after := readContents(t, path, nil); !cmp.Equal(before, after) {
		t.Error("the ledger was changed")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".tmp-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}
