package intake

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

func testKeys(t *testing.T) *winnow.Keys {
	t.Helper()
	k, err := winnow.NewKeys(bytes.Repeat([]byte{7}, winnow.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The same content is the same alerts, however it arrives.
func TestRowsWithoutSIDAreKnownByTheContent(t *testing.T) {
	const text = `{"search_name":"A","src":"10.0.0.1"}` + "\n" + `{"search_name":"A","src":"10.0.0.1"}` + "\n"
	var first []winnow.Key
	for how, r := range map[string]interface{ Read([]byte) (int, error) }{
		"file": strings.NewReader(text), "pipe": pipe([]byte(text)),
		"gzipped": bytes.NewReader(gzipped(t, text)), "gzipped pipe": pipe(gzipped(t, text)),
	} {
		items, _ := readFrom(t, r, Options{TempDir: t.TempDir()})
		keys := []winnow.Key{items[0].Alert.Key, items[1].Alert.Key}
		if first == nil {
			first = keys
		}
		if !cmp.Equal(keys, first) || keys[0].RID != "0" || keys[1].RID != "1" || !strings.HasPrefix(keys[0].SID, "file:") {
			t.Errorf("%s: keys %v, want %v", how, keys, first)
		}
	}
	other, _ := read(t, text+text, Options{})
	if other[0].Alert.Key.SID == first[0].SID {
		t.Error("another content has the same sid")
	}
}

func TestPipesAreKeptOnlyWhenTheyMustBe(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "missing")
	readFrom(t, pipe([]byte(`{"sid":"s","a":1}`)), Options{TempDir: nowhere})
	_, _, err := readAll(pipe([]byte(`{"a":1}`)), Options{TempDir: nowhere})
	if err == nil || !strings.Contains(err.Error(), "rows without a sid") {
		t.Errorf("got %v, want an error about the temporary file", err)
	}
	dir := t.TempDir()
	readFrom(t, pipe([]byte("{\"a\":1}\n{\"a\":2}")), Options{TempDir: dir})
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKeysIdentifyTheRow(t *testing.T) {
	const text = `{"search_name":"A","sid":"s","rid":"1","_time":1767225600,"src":"10.0.0.1","label":"attack"}`
	o := Options{Keys: testKeys(t)}
	a, _ := read(t, text, o)
	again, _ := read(t, strings.Replace(text, "attack", "benign", 1), o)
	other, _ := read(t, strings.Replace(text, "10.0.0.1", "10.0.0.2", 1), o)
	if len(a[0].Alert.ID) != 26 || a[0].Alert.ID != again[0].Alert.ID {
		t.Errorf("ids %q and %q of one row, whatever its label", a[0].Alert.ID, again[0].Alert.ID)
	}
	if a[0].Alert.Key.MAC == other[0].Alert.Key.MAC || a[0].Alert.ID == other[0].Alert.ID {
		t.Error("another row under the same rid has the same MAC or ID")
	}
}

func TestSeverityOfARow(t *testing.T) {
	for _, c := range []struct {
		row        string
		configured winnow.Severity
		want       winnow.Severity
	}{
		{`{}`, 0, winnow.SeverityUnknown},
		{`{"severity":"High"}`, 0, winnow.SeverityHigh},
		{`{"severity":"low","urgency":"critical"}`, 0, winnow.SeverityCritical},
		{`{"severity":"high","urgency":"low"}`, 0, winnow.SeverityHigh},
		{`{"urgency":"low"}`, 0, winnow.SeverityUnknown}, // no base
		{`{"severity":["low","high"]}`, 0, winnow.SeverityHigh},
		{`{"severity":"7"}`, 0, winnow.SeverityUnknown}, // whose number?
		{`{"severity":"low"}`, winnow.SeverityMedium, winnow.SeverityMedium},
		{`{"urgency":"high"}`, winnow.SeverityMedium, winnow.SeverityHigh},
	} {
		items, _ := read(t, c.row, Options{Severity: func(string) winnow.Severity { return c.configured }})
		if got := items[0].Alert.Severity; got != c.want {
			t.Errorf("%s with %s configured: %s, want %s", c.row, c.configured, got, c.want)
		}
	}
}

func TestTimeOfARow(t *testing.T) {
	hour := func(h int) time.Time { return time.Date(2026, 1, 2, h, 0, 0, 0, time.UTC) }
	for row, want := range map[string]time.Time{
		`{"_time":"2026-01-02T03:00:00Z","time":"2026-01-02T09:00:00Z"}`: hour(3),
		`{"@timestamp":"2026-01-02T04:00:00Z"}`:                          hour(4),
		`{"_time":"soon","timestamp":"2026-01-02 05:00:00"}`:             hour(5),
		`{"sid":"scheduler__a__b__RMD5x_at_1767333600_7"}`:               hour(6),
		`{"sid":"1767333600.7"}`:                                         testNow,
		`{"_time":-5}`:                                                   testNow,
	} {
		items, _ := read(t, row, Options{})
		a := items[0].Alert
		if !a.Time.Equal(want) || !a.Received.Equal(want) {
			t.Errorf("%s: time %v, received %v, want %v", row, a.Time, a.Received, want)
		}
		if silent := len(a.Warnings) == 0; silent != (want.Equal(hour(3)) || want.Equal(hour(4))) {
			t.Errorf("%s: warnings %q", row, a.Warnings)
		}
	}
}

func TestNotablesAreTheAlertsTheyAreAbout(t *testing.T) {
	const row = `{"event_id":"g@@notable@@h","orig_sid":"scheduler__x","orig_rid":"4","source":"Threat - Beacon - Rule","sid":"171.2","rid":"9",` +
		`"_time":"2026-05-04T08:00:00.000+02:00","severity":"medium","urgency":"high","rule_title":"Beacon"}`
	items, errs := read(t, `{"preview":false,"result":`+row+"}", Options{SearchName: "fallback"})
	if len(items) != 1 || len(errs) > 0 {
		t.Fatalf("%d items, errors %v", len(items), errs)
	}
	a := items[0].Alert
	if a.Key.SID != "scheduler__x" || a.Key.RID != "4" || a.SearchName != "Threat - Beacon - Rule" || a.Severity != winnow.SeverityHigh {
		t.Errorf("got %+v", a)
	}
	if a.Adhoc || !a.Time.Equal(time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)) {
		t.Errorf("adhoc %t at %v", a.Adhoc, a.Time)
	}
}

func TestSearchNameOfRowsThatNameNone(t *testing.T) {
	items, _ := read(t, "src,source\n10.0.0.1,udp:514\n", Options{SearchName: "Port Scan"})
	if got := items[0].Alert.SearchName; got != "Port Scan" {
		t.Errorf("search name %q", got)
	}
}

// Broken payloads are kept for a person to see, without the key to Splunk in them.
func TestSessionKeysAreNotKept(t *testing.T) {
	const secret = "hQ7sEcReTkEy"
	for _, text := range []string{
		`{"sid":"s","session_key":"` + secret + `","result":{"a":"b"}}`,
		`{"sid":"s","session_key":"` + secret + `","results_file":"/nowhere/results.csv.gz"}`,
		`{"sid":["s"],"session_key":"` + secret + `"}`,
		`{"sid":"s","session_key":"` + secret + `","res`,
		"{\n\"sid\":\"s\",\n\"session_key\":\"" + secret + "\",\n\"res",
		`{"sid":"s","session_key":{"x":"` + secret + `"}}`,
	} {
		items, _ := read(t, text, Options{})
		if len(items) == 0 {
			t.Errorf("%s: no item", text)
		}
		for _, item := range items {
			if strings.Contains(string(item.Raw), secret) || strings.Contains(strings.Join(item.Alert.Fields["_raw"], ""), secret) {
				t.Errorf("%s: the key is in %q", text, item.Raw)
			}
		}
	}
}
