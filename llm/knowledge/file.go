package knowledge

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"
)

// Limits of the files. A feed that grows beyond them is refused whole, and says so.
const (
	maxInventoryBytes = 256 << 20
	maxFeedBytes      = 512 << 20
	maxInventoryRows  = 2_000_000
)

// readCapped reads a whole regular file of UTF-8 text.
func readCapped(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %d MiB, at most %d MiB are read", path, info.Size()>>20, limit>>20)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: at most %d MiB are read", path, limit>>20)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%s: not UTF-8 text", path)
	}
	return data, nil
}

// inventory reads one table of a lists folder, if it is there. A table with a mistake is not used.
func (t *tables) inventory(dir, name string, read func(name string, data []byte) error) {
	path := filepath.Join(dir, name)
	data, err := readCapped(path, maxInventoryBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = t.trusted(path)
	}
	if err == nil {
		err = read(path, data)
	}
	if err != nil {
		t.problems = append(t.problems, err)
	}
}

// table is CSV with a header.
type table struct {
	name    string
	r       *csv.Reader
	columns map[string]int
}

func openTable(name string, data []byte) (*table, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord, r.ReuseRecord = -1, true
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: read header: %w", name, noEOF(err))
	}
	t := &table{name: name, r: r, columns: map[string]int{}}
	for i, column := range head {
		if _, twice := t.columns[column]; twice {
			return nil, fmt.Errorf("%s:1: column %.40q is there twice", name, column)
		}
		t.columns[column] = i
	}
	return t, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// need returns an error when a column is missing.
func (t *table) need(columns ...string) error {
	for _, c := range columns {
		if _, ok := t.columns[c]; !ok {
			return fmt.Errorf("%s:1: no column %q", t.name, c)
		}
	}
	return nil
}

// each calls f for every row with a way to read its columns; a column that is not there is empty.
func (t *table) each(f func(line int, get func(column string) string) error) error {
	for n := 0; ; n++ {
		row, err := t.r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		line, _ := t.r.FieldPos(0)
		if len(row) != len(t.columns) {
			return fmt.Errorf("%s:%d: %d columns, the header has %d", t.name, line, len(row), len(t.columns))
		}
		if n == maxInventoryRows {
			return fmt.Errorf("%s:%d: more than %d rows", t.name, line, maxInventoryRows)
		}
		get := func(column string) string {
			if i, ok := t.columns[column]; ok {
				return row[i]
			}
			return ""
		}
		if err := f(line, get); err != nil {
			return fmt.Errorf("%s:%d: %w", t.name, line, err)
		}
	}
}
