package offline_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// lists is value lists in memory.
type lists map[string]string

func (l lists) Contains(list, value string) (bool, error) {
	want, ok := l[list]
	if !ok {
		return false, os.ErrNotExist
	}
	return want == value, nil
}

var siteLists = lists{
	"vpn_egress": "198.51.100.10", "vulnerability_scanners": "10.20.0.5", "cloud_automation_roles": "arn:aws:iam::123456789012:role/deploy",
	"automation_egress": "198.51.100.20", "threat_indicators": "203.0.113.66",
}

// TestGolden shows whole analyses of alerts of the kinds that a SOC sees every day.
func TestGolden(t *testing.T) {
	p, table := newPipeline(t, shippedFacts(t)), shippedFields(t)
	files, err := filepath.Glob("testdata/alerts/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no alerts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			got, err := p.Analyse(t.Context(), llm.Input{Alert: readAlert(t, file), Fields: table, Lists: siteLists, Policy: shippedPolicy})
			if err != nil {
				t.Fatal(err)
			}
			text := render(t, got)
			golden := filepath.Join("testdata", "golden", filepath.Base(file))
			if *update {
				if err := os.WriteFile(golden, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(text)); d != "" {
				t.Error(d)
			}
		})
	}
}

func readAlert(t *testing.T, file string) *winnow.Alert {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := winnow.Flatten(data)
	if err != nil {
		t.Fatal(err)
	}
	name, _ := fields.First("search_name")
	severity, _ := fields.First("severity")
	return &winnow.Alert{ID: "01GOLDEN", SearchName: name, Fields: fields, Severity: winnow.ParseSeverity(winnow.ScaleWords, severity)}
}

func render(t *testing.T, a llm.Analysis) []byte {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(map[string]any{
		"closable": a.Closable(), "verdict": a.Verdict, "enrichment": a.Enrichment, "correlation": a.Correlation,
		"recommendations": a.Recommendations, "objections": a.Objections,
	}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestHostileFieldsNeverClose: whatever an attacker writes into fields that are his to write,
// offline analysts close nothing without a fact, and their answers are always of the right form.
func TestHostileFieldsNeverClose(t *testing.T) {
	p, table := newPipeline(t, shippedFacts(t)), shippedFields(t)
	searches := []string{"Impossible Travel", "Port Scan", "Brute Force", "MFA Fatigue", "User Created", "DNS Tunnel"}
	names := []string{"process", "url", "http_user_agent", "message", "query", "file_name", "subject", "readOnly", "action", "eventName", "src", "user"}
	rapid.Check(t, func(rt *rapid.T) {
		fields := winnow.Fields{}
		for range rapid.IntRange(0, 8).Draw(rt, "fields") {
			fields.Add(rapid.SampledFrom(names).Draw(rt, "name"), rapid.String().Draw(rt, "value"))
		}
		a := &winnow.Alert{ID: "01HOSTILE", SearchName: rapid.SampledFrom(searches).Draw(rt, "search"), Fields: fields, Severity: winnow.SeverityInformational}
		got, err := p.Analyse(t.Context(), llm.Input{Alert: a, Fields: table, Lists: siteLists, Policy: shippedPolicy})
		if err != nil {
			rt.Fatal(err)
		}
		if got.Closable() && len(got.Verdict.Facts) == 0 {
			rt.Errorf("closed without a fact: %+v", got.Verdict)
		}
		if got.Verdict.Disposition.Benign() && got.Verdict.Confidence >= 85 && len(got.Verdict.Facts) == 0 {
			rt.Errorf("sure without a fact: %+v", got.Verdict)
		}
		if got.Failed != nil || got.Objected(winnow.ReasonBadAnswer) {
			rt.Errorf("bad answer: %v %v", got.Failed, got.Objections)
		}
	})
}
