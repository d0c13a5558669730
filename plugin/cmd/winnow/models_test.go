package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/llmtest"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/packaging/demo"
)

const modelKey = "sk-test-0123456789"

// modelAlerts are two alerts that only a model can judge.
const modelAlerts = `{"search_name":"Impossible Travel","severity":"low","_time":"2026-11-20T11:00:00Z","sid":"s1","rid":"0","fields":{"src":"203.0.113.9","user":"ann","dest":"web01"}}
{"search_name":"New Service Installed","severity":"medium","_time":"2026-11-20T11:01:00Z","sid":"s2","rid":"0","fields":{"src":"203.0.113.10","user":"bob","dest":"web02"}}
`

type modelRun struct {
	code          int
	stdout, wrong string
	records       []winnow.Record
}

// triageWith runs `winnow triage` over modelAlerts, with an environment.
func triageWith(t *testing.T, env map[string]string, args ...string) modelRun {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "alerts.ndjson")
	if err := os.WriteFile(file, []byte(modelAlerts), 0o600); err != nil {
		t.Fatal(err)
	}
	content := filepath.Join(dir, "content")
	if err := demo.WriteContent(content, scriptNow); err != nil {
		t.Fatal(err)
	}
	var out, wrong bytes.Buffer
	c := &console{
		in: strings.NewReader(""), out: &out, err: &wrong, getenv: func(name string) string { return env[name] },
		now: func() time.Time { return scriptNow },
	}
	args = append([]string{"triage", "--app", filepath.Join(repository, "packaging", "app"), "--content", content, "--format", "json"}, args...)
	run := modelRun{code: execute(t.Context(), c, append(args, file))}
	run.stdout, run.wrong = out.String(), wrong.String()
	for line := range strings.Lines(run.stdout) {
		var r winnow.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		run.records = append(run.records, r)
	}
	return run
}

func modelServer(t *testing.T, o llmtest.Options) *llmtest.Server {
	t.Helper()
	f, err := os.Open(filepath.Join(repository, "packaging", "app", "default", "prices.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	table, err := prices.Read("prices.yaml", f)
	if err != nil {
		t.Fatal(err)
	}
	if o.Brain == nil {
		o.Brain = llmtest.Oracle(func(*llmtest.Request) llmtest.Opinion {
			return llmtest.Opinion{Disposition: "BenignPositive", Confidence: 97, Text: "an ordinary sign-in"}
		})
	}
	o.Key, o.Price, o.Now = modelKey, table.Price, func() time.Time { return scriptNow }
	s := llmtest.New(o)
	t.Cleanup(s.Close)
	return s
}

// TestTriageAsksModels runs the whole way against every interface, and holds the cost in the records
// against the server's own ledger.
func TestTriageAsksModels(t *testing.T) {
	for name, test := range map[string]struct {
		args func(url string) []string
		env  string
	}{
		"chat": {func(url string) []string {
			return []string{"--model", "openai:gpt-5.4-mini", "--base-url", url + "/v1"}
		}, "OPENAI_API_KEY"},
		"responses": {func(url string) []string {
			return []string{
				"--set", "model:mini.provider=openai", "--set", "model:mini.model=gpt-5.4-mini", "--set", "model:mini.key=env:MINI",
				"--set", "model:mini.base_url=" + url + "/v1", "--model", "mini",
			}
		}, "MINI"},
		"messages": {func(url string) []string { return []string{"--model", "anthropic:claude-haiku-4-5", "--base-url", url} }, "ANTHROPIC_API_KEY"},
	} {
		t.Run(name, func(t *testing.T) {
			s := modelServer(t, llmtest.Options{})
			run := triageWith(t, map[string]string{test.env: modelKey}, test.args(s.URL)...)
			if run.code != exitOK || len(run.records) != 2 {
				t.Fatalf("exit %d, %d records\n%s%s", run.code, len(run.records), run.wrong, run.stdout)
			}
			billed, calls := s.Billed()
			micro, made, unpriced := int64(0), 0, 0
			for _, r := range run.records {
				micro, made, unpriced = micro+r.Cost.MicroUSD, made+r.Cost.Calls, unpriced+r.Cost.Unpriced
				if r.Verdict.Source != winnow.SourceModel {
					t.Errorf("%s was not judged by a model: %+v", r.ID, r.Verdict)
				}
				if r.Outcome.State == winnow.StateClosed {
					t.Errorf("%s was closed by a model that nobody has measured", r.ID)
				}
			}
			if made != calls || calls == 0 || unpriced != 0 {
				t.Errorf("records tell of %d calls (%d without a price), the server of %d", made, unpriced, calls)
			}
			if diff := micro - billed.Micro(); diff < -2 || diff > 2 { // each record rounds for itself
				t.Errorf("records cost %d micro-dollars, the server bills %d", micro, billed.Micro())
			}
			for _, e := range s.Entries() {
				if e.Problem != "" {
					t.Errorf("the server objects to a request of %s: %s", e.Kind, e.Problem)
				}
			}
		})
	}
}

// TestModelsThatFail: whatever a provider does, nothing closes, and neither the key nor text of the alert
// is in what the command says.
func TestModelsThatFail(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":{"message":%q,"code":%q}}`, r.Header.Get("Authorization")+body.String(), "web01")
	}))
	defer echo.Close()
	run := triageWith(t, map[string]string{"OPENAI_API_KEY": modelKey}, "--model", "openai:gpt-5.4-mini", "--base-url", echo.URL+"/v1")
	for _, r := range run.records {
		if r.Outcome.State == winnow.StateClosed {
			t.Errorf("%s was closed without an answer", r.ID)
		}
	}
	for _, leaked := range []string{modelKey, "Bearer", "web01", "ann", "system prompt"} {
		if strings.Contains(run.wrong, leaked) {
			t.Errorf("the command tells %q:\n%s", leaked, run.wrong)
		}
	}
	if len(run.records) == 0 && run.code == exitOK {
		t.Error("no records, and nothing wrong")
	}
}

func TestModelFlagsAreRefused(t *testing.T) {
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte(modelKey), 0o644); err != nil { //nolint:gosec // too open is what is tested
		t.Fatal(err)
	}
	file := []string{
		"--set", "model:mini.provider=openai", "--set", "model:mini.model=gpt-5.4-mini", "--set", "model:mini.base_url=http://127.0.0.1:9/v1", "--model", "mini",
	}
	for want, args := range map[string][]string{
		`unknown --model "gpt" (want openai:NAME, anthropic:NAME or a [model:NAME] of winnow.conf: offline)`: {"--model", "gpt"},
		"no key in OPENAI_API_KEY":               {"--model", "openai:gpt-5.4-mini"},
		"base_url: is not https":                 {"--model", "openai:m", "--base-url", "http://llm.corp.example/v1"},
		"--base-url without --model":             {"--base-url", "http://127.0.0.1:9"},
		"--base-url goes with --model openai":    {"--model", "offline", "--base-url", "http://127.0.0.1:9"},
		"chmod 600 it":                           append([]string{"--set", "model:mini.key=file:" + keyFile}, file...),
		"[model:mini] key: env:NONE is empty":    append([]string{"--set", "model:mini.key=env:NONE"}, file...),
		"no session key and no token":            append([]string{"--set", "model:mini.key=password:winnow/openai"}, file...),
		"CA file":                                append([]string{"--set", "model:mini.ca_file=/nowhere.pem"}, file...),
		"proxy is not an address":                append([]string{"--set", "model:mini.proxy=proxy"}, file...),
		"[model:x] model: missing: name the mod": {"--set", "model:x.provider=openai"},
	} {
		run := triageWith(t, nil, args...)
		if run.code != exitUsage || !strings.Contains(run.wrong, want) || strings.Contains(run.wrong, modelKey) {
			t.Errorf("%v: exit %d\n%s want %s", args, run.code, run.wrong, want)
		}
	}
}

// TestOfflineStaysOffline: without a language model nothing that only they need is opened.
func TestOfflineStaysOffline(t *testing.T) {
	run := triageWith(t, nil, "--model", "offline")
	if run.code != exitOK || len(run.records) != 2 {
		t.Fatalf("exit %d\n%s", run.code, run.wrong)
	}
	for _, r := range run.records {
		if r.Cost.Calls != 0 {
			t.Errorf("%s cost %+v", r.ID, r.Cost)
		}
	}
}
