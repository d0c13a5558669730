package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/llmtest"
)

// TestProofOfAModelsVerdict: the prompt is that of the archive, and of the version that was asked with.
func TestProofOfAModelsVerdict(t *testing.T) {
	run, dir := judged(t)
	s := modelServer(t, llmtest.Options{Brain: llmtest.Oracle(func(*llmtest.Request) llmtest.Opinion {
		return llmtest.Opinion{Disposition: "TruePositive", Confidence: 95, Text: "a stolen session"}
	})})
	state := filepath.Join(dir, "asked")
	if code, _, wrong := run("triage", "--state", state, "--quiet", "--model", "openai:gpt-5.4-mini", "--base-url", s.URL+"/v1",
		filepath.Join(dir, "alerts.ndjson")); code != exitOK {
		t.Fatal(wrong)
	}
	_, records, _ := run("ledger", "export", "--state", state, "--format", "json")
	proven := 0
	for line := range strings.Lines(records) {
		var r winnow.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		code, out, wrong := run("ledger", "show", r.ID, "--proof", "--state", state, "--format", "json")
		var p proof
		if err := json.Unmarshal([]byte(out), &p); err != nil {
			t.Fatal(err)
		}
		if code != exitOK || len(p.Unproven) > 0 || p.Checkpoint == nil {
			t.Errorf("exit %d: %v\n%s", code, p.Unproven, wrong)
		}
		if r.Verdict.Source != winnow.SourceModel {
			continue
		}
		for _, c := range p.Calls {
			if c.Prompt == "" || !strings.Contains(c.Answer, "stolen session") && c.Task == "classify" || len(c.Text) < 100 {
				t.Errorf("%+v", c)
			}
			proven++
		}
	}
	if proven == 0 {
		t.Errorf("no verdict of a model was proven:\n%s", records)
	}
}
func TestFieldsGone(t *testing.T) {
	at := time.Date(2026, 12, 25, 23, 0, 0, 0, time.UTC)
	if got := fieldsGone(&at); got != "gone: fields removed by retention on 2026-12-25" {
		t.Error(got)
	}
	if got := fieldsGone(nil); got != "gone, and the chain does not tell since when" {
		t.Error(got)
	}
}
