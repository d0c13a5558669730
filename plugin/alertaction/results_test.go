package alertaction

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
)

func zipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readRows returns header and rows as text, with what is odd of each row that is.
func readRows(in io.Reader) (header []string, rows [][]string, odd map[int]Odd, err error) {
	r, err := NewResults(in)
	if err != nil {
		return nil, nil, nil, err
	}
	defer r.Close() //nolint:errcheck // closes no file
	odd = map[int]Odd{}
	for {
		row, err := r.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return r.Header(), rows, odd, err
		}
		var cells []string
		for i := range row.Len() {
			cells = append(cells, string(row.Cell(i)))
		}
		if row.Odd != 0 {
			odd[row.Number] = row.Odd
		}
		rows = append(rows, cells)
	}
}

func TestResultsReadWhatSplunkWrites(t *testing.T) {
	for _, c := range []struct {
		name, text string
		header     []string
		rows       [][]string
	}{
		{"plain", "a,b\n1,2\n3,4\n", []string{"a", "b"}, [][]string{{"1", "2"}, {"3", "4"}}},
		{"crlf", "a,b\r\n1,2\r\n", []string{"a", "b"}, [][]string{{"1", "2"}}},
		{"no last line break", "a,b\n1,2", []string{"a", "b"}, [][]string{{"1", "2"}}},
		{"quotes", `"a","b"` + "\n" + `"x ""y"" z","1,2"` + "\n", []string{"a", "b"}, [][]string{{`x "y" z`, "1,2"}}},
		{"line break in quotes", "a,b\n\"1\n2\r\n3\",x\n", []string{"a", "b"}, [][]string{{"1\n2\r\n3", "x"}}},
		{"empty cells", "a,b,c\n,,\n\"\",,\"\"\n", []string{"a", "b", "c"}, [][]string{{"", "", ""}, {"", "", ""}}},
		{"blank lines", "a\n\n\r\n1\n\n2\n\n", []string{"a"}, [][]string{{"1"}, {"2"}}},
		{"one empty quoted cell is a row", "a\n\"\"\n", []string{"a"}, [][]string{{""}}},
		{"byte order mark", "\ufeff\"a\",b\n1,2\n", []string{"a", "b"}, [][]string{{"1", "2"}}},
		{"header only", "a,b\n", []string{"a", "b"}, nil},
		{"nothing", "", nil, nil},
		{"carriage return is text in quotes", "a,b\n\"1\r\",2\r\n", []string{"a", "b"}, [][]string{{"1\r", "2"}}},
	} {
		for _, in := range []struct {
			how  string
			data []byte
		}{{"plain", []byte(c.text)}, {"gzip", zipped(t, c.text)}} {
			t.Run(c.name+"/"+in.how, func(t *testing.T) {
				header, rows, odd, err := readRows(iotest.OneByteReader(bytes.NewReader(in.data)))
				if err != nil || len(odd) != 0 {
					t.Fatalf("error %v, odd rows %v", err, odd)
				}
				if diff := cmp.Diff(c.header, header); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff(c.rows, rows); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestOddRowsAreKeptAndMarked(t *testing.T) {
	for _, c := range []struct {
		text string
		rows [][]string
		odd  Odd
	}{
		{"a,b\n1\n", [][]string{{"1"}}, OddShort},
		{"a,b\n1,2,3,4\n", [][]string{{"1", "2"}}, OddLong},
		{"a,b\n1\"x,2\n", [][]string{{`1"x`, "2"}}, OddQuote},
		{"a,b\n\"1\"x,2\n", [][]string{{`1x`, "2"}}, OddQuote},
		{"a,b\n\"1\" \"2\",2\n", [][]string{{`1 "2"`, "2"}}, OddQuote},
		{"a\n\"1\"\rx\n", [][]string{{"1\rx"}}, OddQuote},
		{"a\n" + strings.Repeat("x", maxCell+5) + "\n", [][]string{{strings.Repeat("x", maxCell)}}, OddCut},
		{"a,b\n1," + strings.Repeat("x,", 1000) + "\n", [][]string{{"1", "x"}}, OddLong},
	} {
		t.Run(fmt.Sprintf("%.20q", c.text), func(t *testing.T) {
			_, rows, odd, err := readRows(strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if !cmp.Equal(c.rows, rows) {
				t.Errorf("rows are %.200q", rows)
			}
			if odd[0] != c.odd || len(c.odd.Warnings()) != 1 {
				t.Errorf("odd is %v %v, want %v", odd[0], odd[0].Warnings(), c.odd)
			}
		})
	}
}

func TestCutResultsKeepTheRowsBefore(t *testing.T) {
	var text strings.Builder
	text.WriteString("n,text\n")
	for i := range 5000 {
		fmt.Fprintf(&text, "%d,%x\n", i, i*7919)
	}
	whole := zipped(t, text.String())
	for _, c := range []struct {
		name string
		data []byte
		min  int
	}{
		{"gzip without its end", whole[:len(whole)-4], 4999},
		{"gzip cut in the middle", whole[:len(whole)/2], 1000},
		{"gzip header only", whole[:5], 0},
		{"flipped byte", flip(whole, len(whole)-6), 4999},
		{"open quote", []byte("n,text\n1,2\n3,\"4\n"), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, rows, _, err := readRows(bytes.NewReader(c.data))
			if !errors.Is(err, ErrCut) {
				t.Errorf("error is %v, want ErrCut", err)
			}
			if len(rows) < c.min {
				t.Errorf("%d rows, want at least %d", len(rows), c.min)
			}
			for i, row := range rows {
				if row[0] != fmt.Sprint(i) && c.min > 1 {
					t.Fatalf("row %d is %q", i, row)
				}
			}
		})
	}
}

func flip(data []byte, at int) []byte {
	out := bytes.Clone(data)
	out[at] ^= 0x40
	return out
}

func TestHugeHeaderIsRefused(t *testing.T) {
	if _, err := NewResults(strings.NewReader(strings.Repeat("a,", maxColumns+1) + "\n")); err == nil {
		t.Error("no error")
	}
}

func TestOpenResultsReadsRegularFilesOnly(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenResults(dir); err == nil {
		t.Error("no error for a folder")
	}
	if _, err := OpenResults(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error for a missing file is %v", err)
	}
	path := filepath.Join(dir, "results.csv.gz")
	if err := os.WriteFile(path, zipped(t, "a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := OpenResults(path)
	if err != nil {
		t.Fatal(err)
	}
	if row, err := r.Next(); err != nil || string(row.Cell(0)) != "1" {
		t.Errorf("row %q, error %v", row.Cell(0), err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte{0x1f, 0x8b}, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenResults(path); !errors.Is(err, ErrCut) || !strings.Contains(err.Error(), path) {
		t.Errorf("error is %v", err)
	}
}

// TestClosingEarly stops while the goroutine that reads ahead is busy.
func TestClosingEarly(t *testing.T) {
	data := zipped(t, "a,b\n"+strings.Repeat("1,2\n", 1<<20))
	r, err := NewResults(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for range 100_000 { // past the first chunk
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for err == nil { // what was read ahead, then an error
		_, err = r.Next()
	}
}

// FuzzResults holds the reader against encoding/csv: what that one reads without complaint, ours
// reads the same, in memory bounded by the row limits; nothing makes ours panic.
func FuzzResults(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n", "a,b\r\n\"1\r\n2\",\"\"\"\"\r\n", "\"\n", "a\n\n\"\"\n", "a,b,__mv_b\n1,x,$x$;$$$y$\n", "a\n\"1\"x\"\n", ",\n,\r",
	} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, chunk int) {
		_, rows, odd, err := readRows(&choppy{data: text, n: max(1, chunk%17)})
		oracle := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
		oracle.FieldsPerRecord = -1
		want, oracleErr := oracle.ReadAll()
		if oracleErr != nil || bytes.HasPrefix(text, []byte{0x1f, 0x8b}) {
			return
		}
		if err != nil {
			t.Fatalf("error %v, and encoding/csv has none", err)
		}
		if len(want) == 0 {
			want = append(want, nil)
		}
		if len(rows) != len(want)-1 {
			t.Fatalf("%d rows, encoding/csv has %d", len(rows), len(want)-1)
		}
		for i, row := range rows {
			checkRow(t, i, row, want[i+1], len(want[0]), odd[i])
		}
	})
}

// checkRow compares a row; encoding/csv turns \r\n inside of quotes into \n, and has all cells.
func checkRow(t *testing.T, i int, got, want []string, columns int, odd Odd) {
	t.Helper()
	wantOdd := Odd(0)
	if len(want) < columns {
		wantOdd = OddShort
	} else if len(want) > columns {
		wantOdd, want = OddLong, want[:columns]
	}
	for j := range got {
		got[j] = strings.ReplaceAll(got[j], "\r\n", "\n")
	}
	if diff := cmp.Diff(want, got); diff != "" || odd != wantOdd {
		t.Fatalf("row %d, odd %v, want odd %v: %s", i, odd, wantOdd, diff)
	}
}

// choppy gives its data in small pieces.
type choppy struct {
	data []byte
	n    int
}

func (c *choppy) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.n)], c.data)
	c.data = c.data[n:]
	return n, nil
}
