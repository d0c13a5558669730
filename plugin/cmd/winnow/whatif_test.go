package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/llm/llmtest"
	"github.com/winnow-soc/winnow/packaging/demo"
	"github.com/winnow-soc/winnow/plugin/report"
)

// askingConf has a language model in every stage, which may close what it believes to be benign.
const askingConf = `[model:mini]
provider = openai
model = gpt-5.4-mini
base_url = %s/v1
api = chat
key = env:OPENAI_API_KEY
[policy]
trust_uncalibrated = 1
require_fact = 0
[stage:enrich]
model = mini
[stage:correlate]
model = mini
[stage:classify]
model = mini
[redact]
allow = all
[gate]
canary = 0%%
run = enforce
`

// deployed is a deployment whose own configuration is conf, in which a file of alerts was judged.
func deployed(t *testing.T, conf, alerts string) (run func(args ...string) (int, string, string)) {
	t.Helper()
	dir := t.TempDir()
	app, file, content := filepath.Join(dir, "app"), filepath.Join(dir, "alerts.ndjson"), filepath.Join(dir, "content")
	if err := os.CopyFS(app, os.DirFS(filepath.Join(repository, "packaging", "app"))); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(app, "local"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{filepath.Join(app, "local", "winnow.conf"): conf, file: alerts} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
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
		args = append(args, "--app", app, "--content", content, "--state", filepath.Join(dir, "state"))
		code := execute(t.Context(), c, args)
		return code, out.String(), wrong.String()
	}
	if code, _, wrong := run("triage", "--quiet", file); code != exitOK {
		t.Fatal(wrong)
	}
	return run
}

func whatIfRows(t *testing.T, run func(...string) (int, string, string), args ...string) *report.WhatIf {
	t.Helper()
	code, out, wrong := run(append([]string{"report", "whatif", "--format", "json"}, args...)...)
	var w report.WhatIf
	if err := json.Unmarshal([]byte(out), &w); err != nil || code != exitOK {
		t.Fatalf("%v: exit %d, %v\n%s%s", args, code, err, wrong, out)
	}
	return &w
}

// What a model answered is put to other thresholds without asking it again, and its calls to other prices.
func TestWhatIfOfRecordedAnswers(t *testing.T) {
	s := modelServer(t, llmtest.Options{})
	run := deployed(t, fmt.Sprintf(askingConf, s.URL), modelAlerts)
	billed, calls := s.Billed()
	if calls == 0 {
		t.Fatal("no model was asked")
	}
	row := func(args ...string) report.WhatIfRow { return whatIfRows(t, run, args...).Rows[1] }

	was := whatIfRows(t, run, "--set", "policy.confidence=85")
	if r := was.Rows[0]; r.Model != 1 || r.Review != 1 || r.Measured-billed.Micro() > 2 || r.Estimated != 0 || was.Drifted != 0 {
		t.Fatalf("the server bills %s: %+v", billed, was)
	}
	if r := was.Rows[1]; r.Changed != 0 || r.Measured != was.Rows[0].Measured || r.Estimated != 0 {
		t.Errorf("the present threshold changes something: %+v", r)
	}
	if r := row("--set", "policy.confidence=98"); r.Model != 0 || r.Review != 2 || r.Measured != was.Rows[0].Measured {
		t.Errorf("with a higher threshold: %+v", r)
	}
	if r := row("--set", "policy.require_fact=1"); r.Model != 0 || r.ToPeople["no_fact"] == 0 {
		t.Errorf("with the benign-fact rule: %+v", r)
	}
	if r := row("--set", "pipeline.panel_always=1", "--set", "agent:network.brain=mini"); r.Unknown == 0 {
		t.Errorf("votes that nobody was asked for are told: %+v", r)
	}
	dear := row("--model", "gpt-5.4")
	if dear.Measured != 0 || dear.Estimated <= was.Rows[0].Measured || dear.Changed != 0 {
		t.Errorf("at the prices of a larger model: %+v", dear)
	}
	if r := row("--set", "stage:classify.model=offline"); r.Unknown == 0 {
		t.Errorf("the built-in analysts speak with a model's words: %+v", r)
	}
	free := row("--set", "stage:classify.model=offline", "--set", "stage:enrich.model=offline", "--set", "stage:correlate.model=offline")
	if free.Unknown != 0 || free.MicroUSD() != 0 {
		t.Errorf("without any model: %+v", free)
	}
	if _, after := s.Billed(); after != calls {
		t.Errorf("%d calls were made", after-calls)
	}
}

// Over the demo's samples: raising the confidence never closes more, a smaller sample of drops never costs more,
// and what is in force changes nothing.
func TestWhatIfIsMonotone(t *testing.T) {
	samples, err := os.ReadFile(filepath.Join(repository, "packaging", "demo", "samples", "alerts.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	run := deployed(t, "[gate]\ncanary = 20%\nrun = enforce\n", string(samples))
	rows := func(sweep string) []report.WhatIfRow { return whatIfRows(t, run, "--sweep", sweep).Rows }
	now := rows("policy.confidence=5..100:5")
	for i, r := range now[2:] {
		if r.Closed() > now[i+1].Closed() || r.Hours < now[i+1].Hours {
			t.Errorf("%s closes %d, %s closes %d", r.Setting, r.Closed(), now[i+1].Setting, now[i+1].Closed())
		}
		if r.Setting == "policy.confidence=85" && r.Changed > 0 {
			t.Errorf("what is in force changes %d alerts", r.Changed)
		}
	}
	if none := whatIfRows(t, run, "--set", "policy.confidence=0").Rows[1]; none.Closed() != none.Rule {
		t.Errorf("a policy without a number closes %d, rules %d", none.Closed(), none.Rule)
	}
	shares := rows("gate.canary=0%,5%,20%,60%,100%")
	for i, r := range shares[2:] {
		if r.MicroUSD() < shares[i+1].MicroUSD() || r.Hours < shares[i+1].Hours || r.Rule > shares[i+1].Rule {
			t.Errorf("%s is cheaper than %s: %+v", r.Setting, shares[i+1].Setting, r)
		}
	}
	if r := shares[3]; r.Changed != 0 {
		t.Errorf("the sample in force changes %d alerts", r.Changed)
	}
}

// FuzzSweep promises that no text makes more settings than are allowed, or one without a key.
func FuzzSweep(f *testing.F) {
	for _, text := range []string{
		"policy.confidence=70..95:5", "policy.confidence=1..2", "search:a=b.c.confidence=1,2", "x=1..2", "a.b=1..1000000", "a.b=5..1", "a.b=1..9:0",
		"policy.offline_max_severity=low,medium", "=", "..", "a.b=,", "a.b=1,,2", ".b=1..2", "a.=1..2",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSweep(text)
		if err != nil {
			return
		}
		if len(s.values) < 2 || len(s.values) > maxSweep {
			t.Errorf("%q: %q with %d values", text, s.key, len(s.values))
		}
		for _, v := range s.values {
			if stanza, key, value := splitSet(s.key + "=" + v); stanza+"."+key != s.key || value != v || v == "" {
				t.Errorf("%q: [%s] %s = %q", text, stanza, key, v)
			}
		}
	})
}
