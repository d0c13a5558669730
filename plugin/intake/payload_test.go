package intake

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
)

func payloadFor(file, sid string) string {
	return `{"app":"search","owner":"admin","sid":` + strconv.Quote(sid) + `,"search_name":"Port Scan","results_file":` + strconv.Quote(file) +
		`,"session_key":"k","server_host":"sh1","configuration":{"severity":"3"},"result":{"src":"10.0.0.1","_time":"1767225600"}}`
}

func TestPayloadGivesTheRowsOfItsResults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.csv.gz")
	table := "_time,src,severity\n1767225600,10.0.0.1,\n1767225700.5,10.0.0.2,high\n"
	if err := os.WriteFile(file, gzipped(t, table), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"one line": payloadFor(file, "scheduler__x_at_1"), "for people": strings.ReplaceAll(payloadFor(file, "scheduler__x_at_1"), ",\"", ",\n\""),
	} {
		items, errs := read(t, text, Options{Keys: testKeys(t)})
		if len(items) != 2 || len(errs) > 0 {
			t.Fatalf("%s: %d items, errors %v", name, len(items), errs)
		}
		a := items[1].Alert
		if a.SearchName != "Port Scan" || a.App != "search" || a.Owner != "admin" || a.Severity != winnow.SeverityHigh || a.Adhoc {
			t.Errorf("%s: got %+v", name, a)
		}
		if want := time.Unix(1767225700, 5e8); a.Key.Host != Host || a.Key.RID != "1" || !a.Received.Equal(want) || a.ID == "" {
			t.Errorf("%s: key %+v, received %v, id %q", name, a.Key, a.Received, a.ID)
		}
		if items[0].Alert.Severity != winnow.SeverityMedium {
			t.Errorf("%s: base severity %s, want medium", name, items[0].Alert.Severity)
		}
	}
}

func TestPayloadOfAnAdhocRunNeverDrops(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.csv")
	table := "_time,src,orig_sid,orig_rid,source\n1767225600,10.0.0.1,scheduler__o,3,Beacon\n"
	if err := os.WriteFile(file, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	items, _ := read(t, payloadFor(file, "1767225600.12"), Options{})
	a := items[0].Alert
	if !a.Adhoc || a.Key.SID != "scheduler__o" || a.Key.RID != "3" || a.SearchName != "Beacon" {
		t.Errorf("got %+v", a)
	}
}

func TestPayloadWithoutItsResults(t *testing.T) {
	items, errs := read(t, payloadFor("/nowhere/results.csv.gz", "scheduler__x"), Options{})
	if len(items) != 1 || len(errs) != 0 || len(items[0].Alert.Warnings) == 0 {
		t.Fatalf("got %+v, errors %v, want the payload's own row with a warning", items, errs)
	}
	if src, _ := items[0].Alert.Fields.First("src"); src != "10.0.0.1" {
		t.Errorf("src %q", src)
	}
	_, errs = read(t, `{"sid":"s","session_key":"k","results_file":"/nowhere"}`, Options{})
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "holds no row") {
		t.Errorf("errors %v, want one that nothing is here", errs)
	}
}

func TestResultsArePassedThroughOpenResults(t *testing.T) {
	var asked string
	o := Options{OpenResults: func(path string) (io.ReadCloser, error) {
		asked = path
		return io.NopCloser(bytes.NewReader([]byte("_time,src\n1767225600,10.0.0.9\n"))), nil
	}}
	items, _ := read(t, payloadFor("/var/run/x/results.csv.gz", "scheduler__x"), o)
	if asked != "/var/run/x/results.csv.gz" || len(items) != 1 {
		t.Errorf("asked for %q, got %d items", asked, len(items))
	}
}

func TestOddRowsCarryAWarning(t *testing.T) {
	items, _ := read(t, "_time,src,dest\n1767225600,10.0.0.1\n1767225600,10.0.0.1,10.0.0.2\n", Options{})
	if len(items[0].Alert.Warnings) != 1 || len(items[1].Alert.Warnings) != 0 {
		t.Errorf("warnings %q and %q, want one for the short row", items[0].Alert.Warnings, items[1].Alert.Warnings)
	}
}
