package intake

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
)

// sharedAlerts opens one of the public data sets.
func sharedAlerts(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "alerts", name))
	if err != nil {
		t.Skip("the public alert data is not here")
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestEveryRowOfThePublicData(t *testing.T) {
	for name, want := range map[string]int{
		"panther.ndjson.gz": 1881, "ait_russellmitchell.ndjson.gz": 45544, "ait_santos.ndjson.gz": 130779,
	} {
		ids := map[string]bool{}
		for item, err := range Open(context.Background(), name, sharedAlerts(t, name), Options{Keys: testKeys(t)}) {
			if err != nil {
				t.Fatal(err)
			}
			if item.Alert.SearchName == "" || item.Label == "" || item.Alert.Severity == winnow.SeverityUnknown || len(item.Alert.Warnings) > 0 {
				t.Fatalf("%s:%d: %+v", name, item.Line, item)
			}
			ids[item.Alert.ID] = true
		}
		if len(ids) != want {
			t.Errorf("%s: %d alerts, want %d", name, len(ids), want)
		}
	}
}

// endless repeats a text n times without holding it.
func endless(text string, n int) io.Reader {
	readers := make([]io.Reader, n)
	for i := range readers {
		readers[i] = strings.NewReader(text)
	}
	return io.MultiReader(readers...)
}

func TestMemoryDoesNotGrowWithTheInput(t *testing.T) {
	row := `{"sid":"s","src":"10.0.0.1","note":"` + strings.Repeat("x", 500) + `"}`
	for name, r := range map[string]io.Reader{
		"lines": endless(strings.Repeat(row+"\n", 1000), 60),
		"list":  io.MultiReader(strings.NewReader("["), endless(strings.Repeat(row+",", 1000), 60), strings.NewReader("{}]")),
		"table": io.MultiReader(strings.NewReader("sid,note\n"), endless(strings.Repeat("s,"+strings.Repeat("x", 500)+"\n", 1000), 60)),
	} {
		var peak uint64
		n := 0
		for _, err := range Open(context.Background(), name, r, Options{TempDir: t.TempDir()}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n%10_000 == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
		}
		if peak > 16<<20 {
			t.Errorf("%s: %d MiB in use while reading 30 MiB", name, peak>>20)
		}
	}
}

func BenchmarkAIT(b *testing.B) {
	data, err := io.ReadAll(sharedAlerts(b, "ait_russellmitchell.ndjson.gz"))
	if err != nil {
		b.Fatal(err)
	}
	keys, err := winnow.NewKeys(make([]byte, winnow.KeySize))
	if err != nil {
		b.Fatal(err)
	}
	rows := 0
	for b.Loop() {
		for _, err := range Open(context.Background(), "ait", bytes.NewReader(data), Options{Keys: keys}) {
			if err != nil {
				b.Fatal(err)
			}
			rows++
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
