package llm

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
)

// sharedData holds public data sets beside the checkout; tests that measure on them skip without.
const sharedData = "../../shared/data"

// readAlerts reads NDJSON alerts, gzipped, with their labels kept apart.
func readAlerts(tb testing.TB, path string) (alerts []*winnow.Alert, labels []string) {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Skipf("labelled alerts are not here: %v", err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		fields, err := winnow.Flatten(lines.Bytes())
		if err != nil {
			tb.Fatal(err)
		}
		label, _ := fields.First("label")
		delete(fields, "label")
		name, _ := fields.First("search_name")
		severity, _ := fields.First("severity")
		alerts = append(alerts, &winnow.Alert{
			ID: "01TEST", SearchName: name, Fields: fields, Severity: winnow.ParseSeverity(winnow.ScaleWords, severity),
		})
		labels = append(labels, label)
	}
	return alerts, labels
}

func TestScanOnRealAlerts(t *testing.T) {
	alerts, _ := readAlerts(t, sharedData+"/alerts/panther.ndjson.gz")
	table := shippedFields(t)
	tainted := 0
	for _, a := range alerts {
		taint, cut := Scan(a, table)
		if len(cut) > 0 {
			t.Logf("cut: %s %v", a.SearchName, cut)
		}
		if len(taint) > 0 {
			tainted++
			t.Logf("%s: %v", a.SearchName, taint)
		}
	}
	t.Logf("%d of %d real alerts tainted (%.2f %%)", tainted, len(alerts), 100*float64(tainted)/float64(len(alerts)))
	if tainted*100 > len(alerts) {
		t.Errorf("%d of %d alerts are tainted, want under 1 %%", tainted, len(alerts))
	}
}

func shippedFields(tb testing.TB) *winnow.FieldTable {
	tb.Helper()
	f, err := os.Open("../packaging/app/default/fields.csv")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	t := &winnow.FieldTable{}
	if err := t.Read("fields.csv", f); err != nil {
		tb.Fatal(err)
	}
	return t
}

func TestScanFindsPublicInjections(t *testing.T) {
	f, err := os.Open(sharedData + "/giskard_prompt_injections.csv")
	if err != nil {
		t.Skipf("public injections are not here: %v", err)
	}
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, row := range rows[1:] {
		if taint := scanOne("message", row[1]); len(taint) > 0 {
			found++
		} else {
			t.Logf("missed: %.300q", row[1])
		}
	}
	t.Logf("jailbreak prompts: found %d of %d", found, len(rows)-1)
	if found*100 < 90*(len(rows)-1) {
		t.Errorf("found %d of %d, want 90 %%", found, len(rows)-1)
	}
	for _, name := range []string{"bipia_text_attack_train.json", "bipia_code_attack_train.json"} {
		t.Log(name, measureBIPIA(t, name))
	}
}

// measureBIPIA reports how many of a set's texts are found. They are ordinary requests ("What is
// the capital of Brazil?") that do not speak to the reader: the scan is not made for them.
func measureBIPIA(t *testing.T, name string) string {
	data, err := os.ReadFile(sharedData + "/" + name)
	if err != nil {
		t.Skip(err)
	}
	var sets map[string][]string
	if err := json.Unmarshal(data, &sets); err != nil {
		t.Fatal(err)
	}
	found, all := 0, 0
	for _, texts := range sets {
		for _, text := range texts {
			all++
			if len(scanOne("message", text)) > 0 {
				found++
			}
		}
	}
	return strings.TrimSpace(strings.Join([]string{"found", itoa(found), "of", itoa(all)}, " "))
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func scanOne(field, value string) []string {
	taint, _ := Scan(&winnow.Alert{Fields: winnow.Fields{field: {value}}}, nil)
	return taint
}
