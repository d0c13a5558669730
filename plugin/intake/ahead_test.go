package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sameAhead reads a text in the caller's goroutine and ahead of it, and compares all that comes.
func sameAhead(t *testing.T, text string) {
	t.Helper()
	one, oneErrs, oneErr := readAll(strings.NewReader(text), Options{})
	for _, n := range []int{2, 7} {
		ahead, aheadErrs, aheadErr := readAll(strings.NewReader(text), Options{Parallel: n})
		if diff := cmp.Diff(one, ahead, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%d at once: items differ (-one +ahead):\n%.2000s", n, diff)
		}
		if fmt.Sprint(oneErrs, oneErr) != fmt.Sprint(aheadErrs, aheadErr) {
			t.Fatalf("%d at once: %v, %v; alone %v, %v", n, aheadErrs, aheadErr, oneErrs, oneErr)
		}
	}
}

func TestAheadIsTheSame(t *testing.T) {
	var many strings.Builder
	for i := range 3000 {
		switch i % 500 {
		case 7:
			many.WriteString("{\"search_name\": broken\n")
		case 8:
			many.WriteString("\r\n   \n")
		case 9:
			many.WriteString(`[{"search_name":"L","rid":"a"},{"search_name":"L","rid":"b"}]` + "\n")
		case 10:
			many.WriteString(`{"Findings":[{"search_name":"W"}]}` + "\n")
		case 11:
			many.WriteString(`{"preview":true,"result":{"src":"1"}}` + "\n")
		case 12:
			many.WriteString(`{"search_name":"no sid and no time"}` + "\n")
		default:
			fmt.Fprintf(&many, `{"search_name":"S","severity":"low","_time":%d,"sid":"s","src":"10.0.0.%d","label":"benign"}`+"\n", 1767225600+i, i%250)
		}
	}
	for _, text := range []string{
		"", "\n\n", `{"search_name":"one"}`, many.String(), strings.TrimSuffix(many.String(), "\n"),
		`{"search_name":"S"}` + "\n" + `{"search_name":"` + strings.Repeat("x", aheadBytes) + `"}` + "\n" + `{"search_name":"T"}`,
		`{"search_name":"S"}` + "\n" + strings.Repeat("y", MaxRow+1) + "\n" + `{"search_name":"T"}`,
		`{"preview":true,"result":{"src":"1"}}` + "\n",
	} {
		sameAhead(t, text)
	}
}

// A caller that wants no more, or a context that ends, leaves no goroutine behind: the source is
// closed then, and the file is the caller's again.
func TestAheadStops(t *testing.T) {
	text := strings.Repeat(`{"search_name":"S","sid":"s","src":"10.0.0.1"}`+"\n", 20_000)
	for item, err := range Open(t.Context(), "in", strings.NewReader(text), Options{Parallel: 3, Now: testNow}) {
		if err != nil || item.Line == 3 {
			break
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := errors.New("stopped")
	n := 0
	for _, err := range Open(ctx, "in", strings.NewReader(text), Options{Parallel: 3, Now: testNow}) {
		if n++; n == 100 {
			cancel(stop)
		}
		if err != nil && !errors.Is(err, stop) {
			t.Error(err)
		}
	}
	if n < 100 || n > 20_000 {
		t.Errorf("%d rows", n)
	}
}

// What cannot be read twice is read by the caller alone.
func TestAheadOfAPipe(t *testing.T) {
	const text = `{"search_name":"S"}` + "\n" + `{"search_name":"T"}` + "\n"
	items, _, err := readAll(pipe([]byte(text)), Options{Parallel: 4, TempDir: t.TempDir()})
	if len(items) != 2 || err != nil {
		t.Errorf("%d items, %v", len(items), err)
	}
}

// FuzzAhead: no input comes out differently because it was taken apart ahead.
func FuzzAhead(f *testing.F) {
	for _, text := range []string{
		`{"search_name":"S"}` + "\n" + `[{"a":1},{"b":2}]`, `{"Records":[{"a":"b"}]}` + "\n{", "{\"a\":1}\n{\"a\"\n\n\x00", `{"preview":true,"result":{}}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "results_file") {
			return // a payload may name any file
		}
		sameAhead(t, text)
	})
}

// BenchmarkLines reads one object a line.
func BenchmarkLines(b *testing.B) {
	text := strings.Repeat(`{"search_name":"S","severity":"low","_time":1767225600,"sid":"s","rid":"1","src":"10.0.0.1","dest":"db1","user":"ann"}`+"\n", 10_000)
	for _, n := range []int{1, 2} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				for range Open(b.Context(), "in", strings.NewReader(text), Options{Parallel: n, Now: time.Unix(0, 0)}) { //nolint:revive // reading is all
				}
			}
			b.ReportMetric(float64(10_000*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
