package triage

import (
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
)

// Guard G1 binds every closer: words, assets and techniques that policy calls high-risk always go
// to a person. It is asked before the analysts, on the alert, and after them, on the techniques
// that they named. The severity ceilings of G1 stand where each closer closes.

// highRiskIn names the first high-risk word or asset in an alert, or "".
func (e *Engine) highRiskIn(a *winnow.Alert) string {
	policy := e.search(a.SearchName).Policy
	if word := e.scanner(policy.HighRiskWords).find(a); word != "" {
		return "word " + word
	}
	return highRiskAsset(a, policy.HighRiskAssets)
}

// assetFields are the CIM fields that name a host or an account.
var assetFields = []string{"dest", "src", "dvc", "host", "user", "src_user", "dest_host", "src_host", "dest_ip", "src_ip"}

func highRiskAsset(a *winnow.Alert, assets []string) string {
	for _, asset := range assets {
		for _, field := range assetFields {
			if slices.ContainsFunc(a.Fields[field], func(v string) bool { return strings.EqualFold(v, asset) }) {
				return "asset " + asset
			}
		}
	}
	return ""
}

// highRiskTechnique names the first technique that always goes to a person; a technique covers
// its sub-techniques.
func highRiskTechnique(techniques []string, policy conf.Policy) string {
	for _, t := range techniques {
		for _, risky := range policy.HighRiskTechniques {
			if t == risky || strings.HasPrefix(t, risky+".") {
				return "technique " + t
			}
		}
	}
	return ""
}

// wordScanner finds any of a list of words in the values of an alert, whatever their case.
type wordScanner struct {
	words []string // lower case
}

func (e *Engine) scanner(words []string) *wordScanner {
	name := strings.Join(words, "\x00")
	s := e.highRisk[name]
	if s == nil {
		s = &wordScanner{}
		for _, w := range words {
			s.words = append(s.words, strings.ToLower(w))
		}
		e.highRisk[name] = s
	}
	return s
}

func (s *wordScanner) find(a *winnow.Alert) string {
	if len(s.words) == 0 {
		return ""
	}
	search := strings.ToLower(a.SearchName)
	for _, w := range s.words {
		if strings.Contains(search, w) {
			return w
		}
	}
	for _, values := range a.Fields {
		for _, v := range values {
			v = strings.ToLower(v)
			for _, w := range s.words {
				if strings.Contains(v, w) {
					return w
				}
			}
		}
	}
	return ""
}
