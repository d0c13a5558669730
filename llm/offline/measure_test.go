package offline_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/offline"
)

// sharedData holds public data sets beside the checkout; tests that measure on them skip without.
const sharedData = "../../../shared/data"

// readAlerts reads every nth of NDJSON alerts, gzipped, with their labels kept apart.
func readAlerts(tb testing.TB, path string, nth int) (alerts []*winnow.Alert, labels []string) {
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
	for n := 0; lines.Scan(); n++ {
		if n%nth != 0 {
			continue
		}
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

func shippedFields(tb testing.TB) *winnow.FieldTable {
	tb.Helper()
	f := openShipped(tb, "fields.csv")
	t := &winnow.FieldTable{}
	if err := t.Read("fields.csv", f); err != nil {
		tb.Fatal(err)
	}
	return t
}

func openShipped(tb testing.TB, name string) *os.File {
	tb.Helper()
	f, err := os.Open("../../packaging/app/default/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

// newPipeline is the shipped set-up: offline analysts everywhere.
func newPipeline(tb testing.TB, facts *llm.Facts) *llm.Pipeline {
	tb.Helper()
	cat, err := llm.ReadCatalogue("attack.csv", openShipped(tb, "attack.csv"))
	if err != nil {
		tb.Fatal(err)
	}
	m := offline.New(cat)
	p, err := llm.New(llm.Options{
		Enrich: m, Correlate: m, Classify: m, Catalogue: cat, Facts: facts,
		Panel: llm.Panel{
			Coordinator: m, Low: 40, High: 90,
			Agents: []llm.Agent{
				{Name: offline.Network, Model: m, Weight: 1}, {Name: offline.Identity, Model: m, Weight: 1},
				{Name: offline.ThreatIntel, Model: m, Weight: 1},
			},
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func shippedFacts(tb testing.TB) *llm.Facts {
	tb.Helper()
	f, err := llm.LoadFacts("../../packaging/app/default/facts.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

var shippedPolicy = llm.Policy{Confidence: 85, RequireFact: true, OfflineMaxSeverity: winnow.SeverityInformational}

func TestNoRealAttackIsCalledBenign(t *testing.T) {
	p, table := newPipeline(t, shippedFacts(t)), shippedFields(t)
	for _, set := range []struct {
		file string
		nth  int
	}{{"panther.ndjson.gz", 1}, {"ait_russellmitchell.ndjson.gz", 7}, {"ait_santos.ndjson.gz", 17}} {
		t.Run(set.file, func(t *testing.T) {
			alerts, labels := readAlerts(t, sharedData+"/alerts/"+set.file, set.nth)
			counts := map[string]int{}
			for i, a := range alerts {
				got, err := p.Analyse(t.Context(), llm.Input{Alert: a, Fields: table, Policy: shippedPolicy})
				if err != nil {
					t.Fatal(err)
				}
				v := got.Verdict
				counts[fmt.Sprintf("%-8s %s", labels[i], v.Disposition)]++
				if labels[i] == "attack" && ((v.Disposition.Benign() && v.Confidence >= 85) || got.Closable()) {
					t.Errorf("attack %q: %s at %d, facts %v", a.SearchName, v.Disposition, v.Confidence, v.Facts)
				}
				if got.Objected(winnow.ReasonBadAnswer) {
					t.Errorf("%q: %v", a.SearchName, got.Objections)
				}
			}
			for _, k := range slices.Sorted(maps.Keys(counts)) {
				t.Logf("%s: %d", k, counts[k])
			}
		})
	}
}

func BenchmarkAnalyse(b *testing.B) {
	for _, set := range []string{"panther", "ait_russellmitchell"} {
		b.Run(set, func(b *testing.B) {
			p, table := newPipeline(b, shippedFacts(b)), shippedFields(b)
			alerts, _ := readAlerts(b, sharedData+"/alerts/"+set+".ndjson.gz", 5)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := p.Analyse(b.Context(), llm.Input{Alert: alerts[i%len(alerts)], Fields: table, Policy: shippedPolicy}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
