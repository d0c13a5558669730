package e2e_test

import (
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/llm/openai"
)

// models are the names under which the adapters are billed.
var models = map[string]string{"responses": "gpt-5.4-mini", "chat": "gpt-5.4-mini", "messages": "claude-haiku-4-5"}

// TestAimockTriage judges alerts by a mock that is sure that all of them are harmless.
func TestAimockTriage(t *testing.T) {
	url := startNode(t, time.Minute, "aimock.mjs")
	for name, p := range providers(t, url) {
		s := newSetting(t, models[name], p, 10*time.Second, false)
		for _, a := range alerts(t) {
			got := s.triage(t, a)
			hold(t, a, got)
			if got.Verdict.Disposition != winnow.BenignPositive || got.Verdict.Source != winnow.SourceModel || got.Failed != nil {
				t.Errorf("%s, %s: %s by %s, failed: %v, objections %v", name, a.SearchName, got.Verdict.Disposition, got.Verdict.Source, got.Failed, got.Objections)
			}
		}
	}
}

// TestSmallModel judges alerts by a real model. Its judgement is poor; its answers are typed, its tokens
// are real, and nothing closes.
func TestSmallModel(t *testing.T) {
	url := startNode(t, 14*time.Minute, "small.mjs", "model.gguf")
	client, err := chat.NewHTTPClient(chat.HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := openai.New(openai.Options{Model: "smollm2-135m-instruct", BaseURL: url, API: openai.ChatCompletions, HTTP: client, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s := newSetting(t, "smollm2-135m-instruct", p, 5*time.Minute, true)
	var judged int
	var total winnow.Cost
	begin := time.Now()
	for _, a := range alerts(t) {
		start := time.Now()
		got := s.triage(t, a)
		hold(t, a, got)
		t.Log(line(a, got, time.Since(start)))
		if typed(got) {
			judged++
		}
		total.Calls += got.Cost.Calls
		total.InputTokens += got.Cost.InputTokens
		total.CachedTokens += got.Cost.CachedTokens
		total.OutputTokens += got.Cost.OutputTokens
	}
	t.Logf("20 alerts in %s: %d typed verdicts, %d calls, %d tokens in (%d cached), %d out", time.Since(begin).Round(time.Second), judged,
		total.Calls, total.InputTokens, total.CachedTokens, total.OutputTokens)
	if judged < 10 {
		t.Errorf("%d of 20 alerts have a verdict of the model's: the grammar should see to most", judged)
	}
}

// typed reports whether the model gave a judgement of the agreed form.
func typed(got llm.Analysis) bool {
	for _, c := range got.Calls {
		if c.Task == llm.TaskCorrelateClassify && len(c.Answer.JSON) > 0 && c.Failed == "" {
			return true
		}
	}
	return false
}
