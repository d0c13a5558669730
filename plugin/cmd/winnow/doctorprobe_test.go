package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/llm/llmtest"
)

// doctorWith runs `winnow doctor` and reads its lines.
func doctorWith(t *testing.T, env map[string]string, args ...string) (code int, rows []fitness, said string) {
	t.Helper()
	var out, wrong bytes.Buffer
	c := &console{
		in: strings.NewReader(""), out: &out, err: &wrong, getenv: func(name string) string { return env[name] },
		now: func() time.Time { return scriptNow },
	}
	args = append([]string{"doctor", "--app", filepath.Join(repository, "packaging", "app"), "--format", "json"}, args...)
	code = execute(t.Context(), c, args)
	for line := range strings.Lines(out.String()) {
		var f fitness
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		rows = append(rows, f)
	}
	return code, rows, wrong.String()
}

func TestDoctorAsksModel(t *testing.T) {
	careful := llmtest.Oracle(func(*llmtest.Request) llmtest.Opinion {
		return llmtest.Opinion{Disposition: "TruePositive", Confidence: 80, Text: "a person looks at it"}
	})
	// invents judges well, and cites a value that no alert has
	invents := func(r *llmtest.Request) llmtest.Answer {
		a := careful(r)
		if r.Kind == "classify" {
			a.Text = strings.Replace(a.Text, `"value":"`, `"value":"not `, 1)
		}
		return a
	}
	for name, test := range map[string]struct {
		brain                              llmtest.Brain
		model                              string
		code, attempts                     int
		schema, unfounded, obeyed, noPrice bool
	}{
		"good":     {brain: careful, schema: true, attempts: 1},
		"unpriced": {brain: careful, schema: true, attempts: 1, model: "openai:nobody-knows", noPrice: true},
		"obeying":  {brain: llmtest.Obey(), schema: true, attempts: 1, obeyed: true},
		"garbage":  {brain: llmtest.Script(llmtest.Answer{Text: "I am fine, thank you."}), code: exitFailed, attempts: 2},
		"invents":  {brain: invents, schema: true, attempts: 1, code: exitFailed, unfounded: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := modelServer(t, llmtest.Options{Brain: test.brain})
			model := test.model
			if model == "" {
				model = "openai:gpt-5.4-mini"
			}
			code, rows, said := doctorWith(t, map[string]string{"OPENAI_API_KEY": modelKey}, "--model", model, "--base-url", s.URL+"/v1")
			if code != test.code || len(rows) != len(probedTasks) {
				t.Fatalf("exit %d with %d lines, want %d\n%s", code, len(rows), test.code, said)
			}
			if strings.Contains(said, "did what the text") != test.obeyed || strings.Contains(said, modelKey) {
				t.Errorf("it says %s", said)
			}
			for i, f := range rows {
				unfounded := test.unfounded && f.Task == "classify"
				if f.Task != probedTasks[i] || f.Schema != test.schema || f.Attempts != test.attempts || f.Fit != (test.schema && !unfounded) || f.Refused {
					t.Errorf("line %d: %+v", i, f)
				}
				if obeyed := f.Obeyed != nil && *f.Obeyed; obeyed != (test.obeyed && i >= 2) {
					t.Errorf("%s: obeyed is %v", f.Task, obeyed)
				}
				if f.Evidence != nil && *f.Evidence == unfounded {
					t.Errorf("%s: evidence is %v", f.Task, *f.Evidence)
				}
				if f.Calls == 0 || f.Input == 0 || (f.MicroUSD == nil) != test.noPrice {
					t.Errorf("%s: %d calls, %d tokens, price %v", f.Task, f.Calls, f.Input, f.MicroUSD)
				}
			}
		})
	}
}

func TestDoctorCannotAskModel(t *testing.T) {
	mini := []string{
		"--set", "model:mini.provider=openai", "--set", "model:mini.model=gpt-5.4-mini", "--set", "model:mini.key=env:MINI",
		"--set", "model:mini.base_url=http://127.0.0.1:9/v1", "--set", "model:mini.attempts=1", "--model", "mini",
	}
	for name, test := range map[string]struct {
		args []string
		env  string
		code int
		want string
	}{
		"unknown":     {[]string{"--model", "gpt"}, "", exitUsage, `unknown --model "gpt"`},
		"no key":      {[]string{"--model", "openai:gpt-5.4-mini"}, "", exitUsage, "no key in OPENAI_API_KEY"},
		"empty key":   {mini, "NONE", exitUsage, "env:MINI is empty"},
		"unreachable": {mini, "MINI", exitCannot, "model mini is unavailable"},
		"alone":       {[]string{"--base-url", "http://127.0.0.1:9"}, "", exitUsage, "--base-url without --model"},
	} {
		t.Run(name, func(t *testing.T) {
			code, rows, said := doctorWith(t, map[string]string{test.env: modelKey}, test.args...)
			if code != test.code || len(rows) != 0 || !strings.Contains(said, test.want) {
				t.Errorf("exit %d with %d lines\n%s", code, len(rows), said)
			}
		})
	}
}

// TestDoctorAsksOffline: who cannot tell, and says so without citing anything, is fit.
func TestDoctorAsksOffline(t *testing.T) {
	code, rows, said := doctorWith(t, nil, "--model", "offline")
	if code != exitOK || len(rows) != len(probedTasks) {
		t.Fatalf("exit %d with %d lines\n%s", code, len(rows), said)
	}
	for _, f := range rows {
		if !f.Fit || f.Calls != 0 || f.MicroUSD != nil {
			t.Errorf("%+v", f)
		}
	}
}
