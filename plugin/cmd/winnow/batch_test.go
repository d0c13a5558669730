package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/llmtest"
	"github.com/winnow-soc/winnow/packaging/demo"
)

// batchRun runs `winnow triage --batch` over modelAlerts in a state folder of its own.
type batchRun struct {
	t       *testing.T
	server  *llmtest.Server
	dir     string
	content string
}

func newBatchRun(t *testing.T, o llmtest.Options) *batchRun {
	t.Helper()
	r := &batchRun{t: t, server: modelServer(t, o), dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(r.dir, "alerts.ndjson"), []byte(modelAlerts), 0o600); err != nil {
		t.Fatal(err)
	}
	r.content = filepath.Join(r.dir, "content")
	if err := demo.WriteContent(r.content, scriptNow); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *batchRun) run(ctx context.Context) (code int, stdout, stderr string) {
	r.t.Helper()
	var out, wrong bytes.Buffer
	c := &console{
		in: strings.NewReader(""), out: &out, err: &wrong, now: func() time.Time { return scriptNow },
		getenv: func(name string) string { return map[string]string{"MINI": modelKey}[name] },
	}
	code = execute(ctx, c, []string{
		"triage", "--app", filepath.Join(repository, "packaging", "app"), "--content", r.content, "--state", filepath.Join(r.dir, "state"),
		"--format", "json", "--batch", "--set", "model:mini.provider=openai", "--set", "model:mini.model=gpt-5.4-mini",
		"--set", "model:mini.key=env:MINI", "--set", "model:mini.base_url=" + r.server.URL + "/v1", "--model", "mini",
		filepath.Join(r.dir, "alerts.ndjson"),
	})
	return code, out.String(), wrong.String()
}

// TestTriageInBatches asks in batches, ends in the middle of one, and goes on: no request is sent twice,
// the books say what the server bills, at half price, and nothing of the batches is left.
func TestTriageInBatches(t *testing.T) {
	r := newBatchRun(t, llmtest.Options{Polls: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 1600*time.Millisecond)
	defer cancel()
	if code, _, stderr := r.run(ctx); code == exitOK || !strings.Contains(stderr, "answers come in batches") {
		t.Fatalf("first run: exit %d\n%s", code, stderr)
	}
	code, stdout, stderr := r.run(t.Context())
	if code != exitOK {
		t.Fatalf("second run: exit %d\n%s", code, stderr)
	}
	var cost winnow.Cost
	for _, rec := range decodeRecords(t, stdout) {
		cost.MicroUSD, cost.Calls = cost.MicroUSD+rec.Cost.MicroUSD, cost.Calls+rec.Cost.Calls
		if rec.Verdict.Source != winnow.SourceModel {
			t.Errorf("%s was not judged by a model: %+v", rec.ID, rec.Outcome)
		}
	}
	billed, calls := r.server.Billed()
	if diff := cost.MicroUSD - billed.Micro(); calls == 0 || cost.Calls != calls || diff < -2 || diff > 2 {
		t.Errorf("records tell of %d calls for %d micro-dollars, the server of %d for %d", cost.Calls, cost.MicroUSD, calls, billed.Micro())
	}
	seen := map[string]bool{}
	for _, e := range r.server.Entries() {
		if !e.Batch || seen[e.CustomID] || e.Problem != "" {
			t.Errorf("%s: in a batch %v, twice %v, %s", e.CustomID, e.Batch, seen[e.CustomID], e.Problem)
		}
		seen[e.CustomID] = true
	}
	left, err := filepath.Glob(filepath.Join(r.dir, "state", "batches", "*", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestBatchesThatEndEarly answers half of a batch: the rest goes the normal way.
func TestBatchesThatEndEarly(t *testing.T) {
	faults := llmtest.Faults(func(_ *llmtest.Request, n int) llmtest.Fault {
		if n == 0 {
			return llmtest.Fault{Kind: llmtest.Unavailable}
		}
		return llmtest.Fault{}
	})
	r := newBatchRun(t, llmtest.Options{Faults: faults})
	code, stdout, stderr := r.run(t.Context())
	if code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	for _, rec := range decodeRecords(t, stdout) {
		if rec.Verdict.Source != winnow.SourceModel {
			t.Errorf("%s was not judged by a model: %+v", rec.ID, rec.Outcome)
		}
	}
	normal := 0
	for _, e := range r.server.Entries() {
		if !e.Batch {
			normal++
		}
	}
	if normal != 1 {
		t.Errorf("%d requests went the normal way, one failed in the batch", normal)
	}
}

func decodeRecords(t *testing.T, text string) (records []winnow.Record) {
	t.Helper()
	for line := range strings.Lines(text) {
		var r winnow.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		records = append(records, r)
	}
	if len(records) != 2 {
		t.Fatalf("%d records, want 2", len(records))
	}
	return records
}
