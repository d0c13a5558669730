package e2e_test

import (
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
)

// models are the names under which the adapters are billed.
var models = map[string]string{"responses": "gpt-5.4-mini", "chat": "gpt-5.4-mini", "messages": "claude-haiku-4-5"}

// TestAimockTriage judges alerts by a mock that is sure that all of them are harmless.
func TestAimockTriage(t *testing.T) {
	url := startNode(t, time.Minute, "aimock.mjs")
	for name, p := range providers(t, url) {
		s := newSetting(t, models[name], p, 10*time.Second)
		for _, a := range alerts(t) {
			got := s.triage(t, a)
			hold(t, a, got)
			if got.Verdict.Disposition != winnow.BenignPositive || got.Verdict.Source != winnow.SourceModel || got.Failed != nil {
				t.Errorf("%s, %s: %s by %s, failed: %v, objections %v", name, a.SearchName, got.Verdict.Disposition, got.Verdict.Source, got.Failed, got.Objections)
			}
		}
	}
}
