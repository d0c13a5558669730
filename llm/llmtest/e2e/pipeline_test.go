package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/llm/offline"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/llm/redact"
)

const defaults = "../../../packaging/app/default/"

// alerts reads the made-up alerts.
func alerts(t *testing.T) []*winnow.Alert {
	t.Helper()
	data, err := os.ReadFile("testdata/alerts.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	var out []*winnow.Alert
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var row map[string]string
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, row["_time"])
		if err != nil {
			t.Fatal(err)
		}
		a := &winnow.Alert{ID: row["sid"], SearchName: row["search_name"], Severity: winnow.ParseSeverity(winnow.ScaleWords, row["severity"]), Time: at, Received: at, Fields: winnow.Fields{}}
		for name, v := range row {
			if !slices.Contains([]string{"_time", "severity", "sid", "search_name"}, name) {
				a.Fields[name] = []string{v}
			}
		}
		out = append(out, a)
	}
	return out
}

// setting is all that a pipeline needs, from what is shipped.
type setting struct {
	pipeline *llm.Pipeline
	fields   *winnow.FieldTable
}

func shipped(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.FromSlash(defaults + name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// newSetting puts every stage and agent to one provider.
func newSetting(t *testing.T, model string, p chat.Provider, timeout time.Duration, free bool) *setting {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	table, err := prices.Read("prices.yaml", shipped(t, "prices.yaml"))
	must(err)
	caller, err := chat.NewCaller(chat.CallerOptions{
		Name: "e2e", Model: model, Provider: p, Price: table.Price, Attempts: 1, Timeout: timeout, Now: time.Now,
	})
	must(err)
	redactor, err := redact.New(redact.Options{Key: make([]byte, 32), Search: func(string) redact.Search { return redact.Search{} }})
	must(err)
	prompts, err := chat.LoadPrompts(defaults + "prompts")
	must(err)
	m, err := chat.New("e2e", chat.Options{
		Backends: []chat.Backend{{Caller: caller, MaxOutput: 1200, Ceiling: "restricted"}}, Redactor: redactor, Prompts: prompts,
	})
	must(err)
	catalogue, err := llm.ReadCatalogue("attack.csv", shipped(t, "attack.csv"))
	must(err)
	s := &setting{fields: &winnow.FieldTable{}}
	must(s.fields.Read("fields.csv", shipped(t, "fields.csv")))
	agents := []llm.Agent{{Name: "network", Model: m, Weight: 1}, {Name: "identity", Model: m, Weight: 1}, {Name: "threat_intel", Model: m, Weight: 1}}
	o := llm.Options{
		Enrich: m, Correlate: m, Classify: m, Catalogue: catalogue, Combine: true,
		Panel: llm.Panel{Agents: agents, Coordinator: m, Low: 40, High: 80},
	}
	if free { // the built-in analysts do all but the judgement: a small model on two cores has no time for more
		analysts := offline.New(catalogue)
		o.Enrich, o.Panel.Coordinator = analysts, analysts
		for i := range o.Panel.Agents {
			o.Panel.Agents[i].Model = analysts
		}
	}
	s.pipeline, err = llm.New(o)
	must(err)
	return s
}

// triage judges an alert as a deployment would that believes models all they say.
func (s *setting) triage(t *testing.T, a *winnow.Alert) llm.Analysis {
	t.Helper()
	got, err := s.pipeline.Analyse(t.Context(), llm.Input{
		Alert: a, Fields: s.fields, Policy: llm.Policy{Confidence: 85, TrustUncalibrated: true, RequireFact: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// hold asserts what must be so of every analysis, whatever the model says: there is no benign fact about
// any of the alerts, so nothing closes.
func hold(t *testing.T, a *winnow.Alert, got llm.Analysis) {
	t.Helper()
	if got.Closable() {
		t.Errorf("%s: may be closed without a benign fact", a.SearchName)
	}
	if got.Verdict.Disposition.Benign() && !got.Objected(winnow.ReasonNoFact) {
		t.Errorf("%s: believed benign, and nobody misses the fact: %v", a.SearchName, got.Objections)
	}
	for _, e := range got.Verdict.Evidence {
		if !slices.Contains(a.Fields[e.Field], e.Value) {
			t.Errorf("%s: evidence that the alert does not hold", a.SearchName)
		}
	}
	if _, injected := a.Fields["subject"]; injected && !got.Objected(winnow.ReasonTaint) {
		t.Errorf("%s: the injected text is no objection: %v", a.SearchName, got.Objections)
	}
	if got.Cost.Calls == 0 || got.Cost.InputTokens == 0 || got.Cost.OutputTokens == 0 {
		t.Errorf("%s: nobody was asked: %+v", a.SearchName, got.Cost)
	}
}

func line(a *winnow.Alert, got llm.Analysis, took time.Duration) string {
	var why []string
	for _, o := range got.Objections {
		if !slices.Contains(why, string(o.Reason)) {
			why = append(why, string(o.Reason))
		}
	}
	return fmt.Sprintf("%-26s %-16s %3d  calls %d  tokens %5d in, %5d cached, %4d out  %5.1f s  %s", a.SearchName,
		got.Verdict.Disposition, got.Verdict.Stated, got.Cost.Calls, got.Cost.InputTokens, got.Cost.CachedTokens, got.Cost.OutputTokens, took.Seconds(), strings.Join(why, " "))
}
