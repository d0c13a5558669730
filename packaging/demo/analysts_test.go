package demo

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/offline"
	"github.com/winnow-soc/winnow/rules"
)

// shipped opens a file of the app's default folder.
func shipped(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "app", "default", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func newPipeline(t *testing.T) *llm.Pipeline {
	t.Helper()
	catalogue, err := llm.ReadCatalogue("attack.csv", bytes.NewReader(shipped(t, "attack.csv")))
	if err != nil {
		t.Fatal(err)
	}
	facts, err := llm.ParseFacts("facts.yaml", shipped(t, "facts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m := offline.New(catalogue)
	p, err := llm.New(llm.Options{
		Enrich: m, Correlate: m, Classify: m, Catalogue: catalogue, Facts: facts,
		Panel: llm.Panel{Coordinator: m, Low: 40, High: 90, Agents: []llm.Agent{
			{Name: offline.Network, Model: m, Weight: 1}, {Name: offline.Identity, Model: m, Weight: 1},
			{Name: offline.ThreatIntel, Model: m, Weight: 1},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// With the shipped facts and the demo's lists, the analysts may close what the lists explain, and
// never a part of the attack.
func TestAnalystsCloseNothingOfTheAttack(t *testing.T) {
	p, table := newPipeline(t), &winnow.FieldTable{}
	if err := table.Read("fields.csv", bytes.NewReader(shipped(t, "fields.csv"))); err != nil {
		t.Fatal(err)
	}
	lists, err := rules.LoadLists(rules.ListOptions{Folders: []string{"content/lists"}})
	if err != nil {
		t.Fatal(err)
	}
	closed, believed := 0, map[winnow.Disposition]int{}
	for _, d := range Dispatches(1, now) {
		for _, r := range d.Rows {
			if r.Expected == ExpectDrop {
				continue
			}
			a := d.alert(r)
			got, err := p.Analyse(context.Background(), llm.Input{Alert: a, Fields: table, Lists: lists,
				Policy: llm.Policy{Confidence: 85, RequireFact: true, OfflineMaxSeverity: winnow.SeverityInformational}})
			if err != nil {
				t.Fatal(err)
			}
			if r.Expected == ExpectEscalate {
				believed[got.Verdict.Disposition]++
				t.Logf("%-26s %-15s %3d %v", d.SearchName, got.Verdict.Disposition, got.Verdict.Confidence, got.Verdict.Taint)
			}
			if !got.Closable() {
				continue
			}
			closed++
			if r.Expected == ExpectEscalate {
				t.Errorf("%s: a part of the attack may be closed: %.300v", d.SearchName, got.Verdict)
			}
		}
	}
	t.Logf("analysts may close %d; of the attack they believe %v", closed, believed)
	if closed < 5 {
		t.Errorf("analysts may close %d, want some to show", closed)
	}
	if believed[winnow.TruePositive] < 3 || believed[winnow.BenignPositive] > 0 {
		t.Errorf("of the attack the analysts believe %v", believed)
	}
}

// alert is what the alert action makes of a row.
func (d Dispatch) alert(r Row) *winnow.Alert {
	base := winnow.ParseSeverity(winnow.ScaleSplunkAlert, d.Severity)
	for _, word := range r.Fields["severity"] {
		base = base.Max(winnow.ParseSeverity(winnow.ScaleWords, word))
	}
	return &winnow.Alert{SearchName: d.SearchName, App: d.App, Owner: d.Owner, Severity: base, Time: d.At, Received: d.At, Fields: r.Fields}
}
