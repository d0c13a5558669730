package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/llmtest"
	"github.com/winnow-soc/winnow/packaging/demo"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// judged is a folder with content and with the state in which modelAlerts were judged offline.
func judged(t *testing.T) (run func(args ...string) (int, string, string), dir string) {
	t.Helper()
	dir = t.TempDir()
	file, content := filepath.Join(dir, "alerts.ndjson"), filepath.Join(dir, "content")
	if err := os.WriteFile(file, []byte(modelAlerts), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := demo.WriteContent(content, scriptNow); err != nil {
		t.Fatal(err)
	}
	run = func(args ...string) (int, string, string) {
		var out, wrong bytes.Buffer
		c := &console{
			in: strings.NewReader(""), out: &out, err: &wrong, getenv: func(name string) string {
				return map[string]string{"OPENAI_API_KEY": modelKey}[name]
			},
			now: func() time.Time { return scriptNow },
		}
		args = append(args, "--app", filepath.Join(repository, "packaging", "app"), "--content", content)
		code := execute(t.Context(), c, args)
		return code, out.String(), wrong.String()
	}
	if code, _, wrong := run("triage", "--state", filepath.Join(dir, "state"), "--quiet", file); code != exitOK {
		t.Fatal(wrong)
	}
	return run, dir
}

// TestReplayAsksAnew: another model and another prompt are tried, at the cost that the server bills; no alert
// changes, and the calls are no cost of theirs.
func TestReplayAsksAnew(t *testing.T) {
	run, dir := judged(t)
	state, prompts := filepath.Join(dir, "state"), filepath.Join(dir, "prompts")
	text, err := os.ReadFile(filepath.Join(repository, "packaging", "app", "default", "prompts", "rules.tmpl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(prompts, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(prompts, "rules.tmpl"), append(text, "\nA rule of another folder.\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	var stale atomic.Int64 // questions without the other prompt
	s := modelServer(t, llmtest.Options{Brain: llmtest.Oracle(func(r *llmtest.Request) llmtest.Opinion {
		if !strings.Contains(r.System, "A rule of another folder.") {
			stale.Add(1)
		}
		return llmtest.Opinion{Disposition: "TruePositive", Confidence: 95, Text: "a stolen session"}
	})})
	_, before, _ := run("ledger", "export", "--state", state, "--format", "json")
	code, out, wrong := run("replay", "--state", state, "--format", "json", "--since", "2020-01-01",
		"--model", "openai:gpt-5.4-mini", "--base-url", s.URL+"/v1", "--prompts", prompts)
	billed, calls := s.Billed()
	if code != exitOK || calls == 0 || stale.Load() > 0 {
		t.Fatalf("exit %d, %d calls, %d without the prompt\n%s%s", code, calls, stale.Load(), wrong, out)
	}
	var cost winnow.Cost
	for line := range strings.Lines(out) {
		var a triage.Again
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		if a.Now.Disposition != winnow.TruePositive || a.Toward != "person" || a.Failed != "" {
			t.Errorf("%+v", a)
		}
		cost.MicroUSD, cost.Calls = cost.MicroUSD+a.Cost.MicroUSD, cost.Calls+a.Cost.Calls
	}
	if diff := cost.MicroUSD - billed.Micro(); cost.Calls != calls || diff < -2 || diff > 2 {
		t.Errorf("told %+v, the server bills %s in %d calls", cost, billed, calls)
	}
	if want := "2 alerts were asked about anew, 2 would change: 0 toward closed, 2 toward a person; $"; !strings.HasPrefix(wrong, want) {
		t.Errorf("%s want %s", wrong, want)
	}
	if _, after, _ := run("ledger", "export", "--state", state, "--format", "json"); after != before || before == "" {
		t.Errorf("records changed:\n%s\n%s", before, after)
	}
	if _, report, _ := run("report", "cost", "--state", state); !strings.Contains(report, "replay:classify") {
		t.Errorf("the calls are not booked as a replay's:\n%s", report)
	}
}

// TestReplayWithoutAnAnswer: a model that says nothing changes nothing, and neither does an empty purse.
func TestReplayWithoutAnAnswer(t *testing.T) {
	run, dir := judged(t)
	s := modelServer(t, llmtest.Options{})
	code, out, wrong := run("replay", "--state", filepath.Join(dir, "state"), "--since", "2020-01-01", "--set", "budget.day=0.000001",
		"--model", "openai:gpt-5.4-mini", "--base-url", s.URL+"/v1")
	if _, calls := s.Billed(); code != exitCannot || calls != 0 || strings.Count(out, "no answer: ") != 2 ||
		!strings.Contains(wrong, "0 would change: 0 toward closed, 0 toward a person, 2 got no answer") {
		t.Errorf("exit %d, %d calls\n%s%s", code, calls, out, wrong)
	}
}

// TestEvalAsksModels: eval names models as triage does.
func TestEvalAsksModels(t *testing.T) {
	run, dir := judged(t)
	s := modelServer(t, llmtest.Options{})
	file := filepath.Join(dir, "labelled.ndjson")
	text := strings.ReplaceAll(modelAlerts, `{"search_name":`, `{"label":"benign","search_name":`)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, wrong := run("eval", "--format", "json", "--model", "openai:gpt-5.4-mini", "--base-url", s.URL+"/v1", file)
	if _, calls := s.Billed(); code != exitOK || calls == 0 || !strings.HasPrefix(out, `{"model":"openai:gpt-5.4-mini","alerts":2,`) {
		t.Errorf("exit %d, %d calls\n%s%s", code, calls, wrong, out)
	}
}
