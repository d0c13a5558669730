package llm

import (
	"fmt"
	"testing"

	"github.com/winnow-soc/winnow"
)

// Without money for one call the analysis ends at once: undetermined, not closable, and not to be tried again.
func TestNoBudgetEndsTheAnalysis(t *testing.T) {
	for _, key := range []string{"enrich", "correlate", "classify", "vote/network", "coordinate"} {
		t.Run(key, func(t *testing.T) {
			s := benignScript(winnow.SourceModel)
			s.errs[key] = fmt.Errorf("ask: %w", &BudgetError{Limit: "day", Max: 10, Spent: 10})
			got, err := newTest(t, s, func(o *Options) { o.Panel.Always = true }).Analyse(t.Context(), travel(t))
			if err != nil || got.Failed != nil || got.Closable() || !got.Objected(winnow.ReasonNoBudget) {
				t.Errorf("failed %v, objections %v, %v", got.Failed, got.Objections, err)
			}
			if key != "vote/network" && got.Verdict.Disposition != winnow.Undetermined {
				t.Errorf("disposition %s without an answer to %s", got.Verdict.Disposition, key)
			}
		})
	}
}
