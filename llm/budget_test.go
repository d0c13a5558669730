package llm

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// Without money the offline analysts have the word: what they call real goes to a person at once, and what they would
// close does not close.
func TestWithoutMoneyTheOfflineAnalystsDecide(t *testing.T) {
	broke := fmt.Errorf("ask: %w", &BudgetError{Limit: "day", Max: 10, Spent: 10})
	for name, c := range map[string]struct {
		offline, model map[string]string // answers that differ
		fails          string
		want           winnow.Disposition
		source         winnow.Source
	}{
		"they believe it benign": {
			fails: "enrich", want: winnow.BenignPositive, source: winnow.SourceOffline,
		},
		"they believe it real": {
			offline: map[string]string{"classify": realAttack, "coordinate": realSum}, fails: "classify", want: winnow.TruePositive, source: winnow.SourceOffline,
		},
		"the model had called it real before": {
			offline: map[string]string{"classify": undetermined}, model: map[string]string{"classify": realAttack}, fails: "coordinate",
			want: winnow.TruePositive, source: winnow.SourceModel,
		},
	} {
		t.Run(name, func(t *testing.T) {
			off, model := benignScript(winnow.SourceOffline), benignScript(winnow.SourceModel)
			maps.Copy(off.answers, c.offline)
			maps.Copy(model.answers, c.model)
			model.errs[c.fails] = broke
			in := travel(t)
			in.Alert.Severity = winnow.SeverityLow
			got, err := newTest(t, model, func(o *Options) {
				o.Panel.Always = true
				o.First = newTest(t, off, nil)
			}).Analyse(t.Context(), in)
			if err != nil || got.Failed != nil || got.Closable() || !got.Objected(winnow.ReasonNoBudget) {
				t.Errorf("failed %v, objections %v, %v", got.Failed, got.Objections, err)
			}
			if v := got.Verdict; v.Disposition != c.want || v.Source != c.source {
				t.Errorf("%s says %s, want %s of %s", v.Source, v.Disposition, c.want, c.source)
			}
		})
	}
}

const (
	undetermined = `{"disposition":"Undetermined","confidence":10,"case":{"what":"a login","why":"who knows","first_response":"look"},"evidence":[],"recommendations":[]}`
	realAttack   = `{"disposition":"TruePositive","confidence":95,"case":{"what":"a login","why":"from nowhere","first_response":"call"},"evidence":[{"field":"src","value":"10.8.0.4"}],"recommendations":[]}`
	realSum      = `{"disposition":"TruePositive","confidence":95,"case":{"what":"a login","why":"from nowhere","first_response":"call"}}`
)

// What a smaller model says for want of money closes nothing, whoever asked it.
func TestASmallerModelClosesNothing(t *testing.T) {
	for _, key := range []string{"enrich", "classify", "vote/identity", "coordinate"} {
		s := &smallerFor{Model: benignScript(winnow.SourceModel), key: key}
		got, err := newTest(t, s, func(o *Options) { o.Panel.Always = true }).Analyse(t.Context(), travel(t))
		if err != nil || got.Closable() || !got.Verdict.Disposition.Benign() {
			t.Errorf("%s: %v, %+v", key, err, got.Verdict)
		}
		if n := len(slices.DeleteFunc(slices.Clone(got.Objections), func(o Objection) bool { return o.Reason != winnow.ReasonNoBudget })); n != 1 {
			t.Errorf("%s: %d objections of want of money: %v", key, n, got.Objections)
		}
	}
}

// smallerFor answers one question with a smaller model.
type smallerFor struct {
	Model
	key string
}

func (s *smallerFor) Answer(ctx context.Context, q Question) (Answer, error) {
	a, err := s.Model.Answer(ctx, q)
	a.Smaller = strings.TrimSuffix(string(q.Task)+"/"+q.Agent, "/") == s.key
	return a, err
}

// The error says which limit it is, what is booked, and the way out.
func TestBudgetErrors(t *testing.T) {
	for want, e := range map[string]*BudgetError{
		"[budget] day is $10.00, of which $9.00 is booked: `winnow budget raise DOLLARS --for TIME`, or wait for the next day": {
			Limit: "day", Scope: "total", Max: 10e9, Spent: 9e9,
		},
		"[budget] month is $10.00, of which $4.00 is booked and $5.00 kept for more severe alerts: `winnow budget raise DOLLARS --for TIME`, or wait for the next month": {
			Limit: "month", Max: 10e9, Spent: 4e9, Kept: 5e9,
		},
		"[search:VPN] budget_day is $2.00, of which $2.00 is booked: `winnow budget raise DOLLARS --for TIME --scope \"search:VPN\"`, or wait for the next day": {
			Limit: "day", Scope: "search", Name: "VPN", Max: 2e9, Spent: 2e9,
		},
		"search \"VPN\" has booked $2.00 of the $3.00 that [budget] search_share gives one search of what is left of the day for this severity: wait for the next day, or raise it": {
			Limit: "search_share", Scope: "search", Name: "VPN", Max: 3e9, Spent: 2e9,
		},
		"the model has no price in prices.yaml, and a budget is set: add its price, give it calls_per_day and tokens_per_day, or choose another model": {Limit: "unpriced"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
