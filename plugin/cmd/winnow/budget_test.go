package main

import (
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/llmtest"
)

// TestPromise2WithoutMoneyNothingCloses: a model that would close the alert may not be asked for want of money. Then the
// offline analysts or a smaller model judge, as [budget] when_spent says, and whatever they say nothing closes.
func TestPromise2WithoutMoneyNothingCloses(t *testing.T) {
	for name, c := range map[string]struct {
		set    []string
		closes bool
		asked  string // the model that was
		source winnow.Source
	}{
		"there is money":   {nil, true, "gpt-5.4-pro", winnow.SourceModel},
		"offline":          {[]string{"model:large.budget_day=0.01"}, false, "", winnow.SourceOffline},
		"group":            {[]string{"budget.day=0.01", "budget.when_spent=group"}, false, "", winnow.SourceOffline},
		"a smaller model":  {[]string{"model:large.budget_day=0.01", "budget.when_spent=smaller", "budget.smaller=small"}, false, "gpt-5.4-nano", winnow.SourceModel},
		"nor for that one": {[]string{"budget.day=0.0001", "budget.when_spent=smaller", "budget.smaller=small"}, false, "", winnow.SourceOffline},
	} {
		t.Run(name, func(t *testing.T) {
			s := modelServer(t, llmtest.Options{})
			var args []string
			for _, set := range append([]string{"policy.trust_uncalibrated=1", "policy.require_fact=0", "redact.allow=all"}, c.set...) {
				args = append(args, "--set", set)
			}
			for model, of := range map[string]string{"large": "gpt-5.4-pro", "small": "gpt-5.4-nano"} {
				for _, set := range []string{"provider=openai", "model=" + of, "key=env:KEY", "base_url=" + s.URL + "/v1"} {
					args = append(args, "--set", "model:"+model+"."+set)
				}
			}
			run := triageWith(t, map[string]string{"KEY": modelKey}, append(args, "--model", "large")...)
			if run.code != exitOK || len(run.records) != 2 {
				t.Fatalf("exit %d\n%s", run.code, run.wrong)
			}
			low := run.records[0]
			if closed := low.Outcome.State == winnow.StateClosed; closed != c.closes || low.Verdict.Source != c.source {
				t.Errorf("it is %s, %s, judged by %s", low.Outcome.State, low.Outcome.Reason, low.Verdict.Source)
			}
			for _, r := range run.records {
				if !c.closes && (r.Outcome.State == winnow.StateClosed || r.Outcome.Reason != winnow.ReasonNoBudget) {
					t.Errorf("%s is %s, %s", r.ID, r.Outcome.State, r.Outcome.Reason)
				}
			}
			asked := map[string]bool{}
			for _, e := range s.Entries() {
				asked[e.Model] = true
			}
			if (len(asked) > 0) != (c.asked != "") || c.asked != "" && (len(asked) != 1 || !asked[c.asked]) {
				t.Errorf("asked %v, want %q", asked, c.asked)
			}
			if strings.Contains(run.wrong, "error") {
				t.Error(run.wrong)
			}
		})
	}
}
