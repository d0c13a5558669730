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

// riskList is what policy calls high-risk, made ready to be looked for. Not safe for concurrent use.
type riskList struct {
	words  wordList
	assets assetList
}

// highRiskIn names the first high-risk word, asset or technique in an alert, or "". Its answer does
// not hang on the order of fields.
func (e *Engine) highRiskIn(a *winnow.Alert) string {
	policy := e.search(a.SearchName).Policy
	list := e.riskList(&policy)
	if word := list.words.find(a); word != "" {
		return "word " + word
	}
	if asset := list.assets.find(a); asset != "" {
		return "asset " + asset
	}
	return highRiskTechnique(namedTechniques(a), policy)
}

func (e *Engine) riskList(p *conf.Policy) *riskList {
	name := strings.Join(p.HighRiskWords, "\x00") + "\x01" + strings.Join(p.HighRiskAssets, "\x00")
	list := e.highRisk[name]
	if list == nil {
		list = &riskList{words: newWordList(p.HighRiskWords), assets: newAssetList(p.HighRiskAssets)}
		e.highRisk[name] = list
	}
	return list
}

// highRiskTechnique names the first technique that always goes to a person; a technique covers
// its sub-techniques.
func highRiskTechnique(techniques []string, policy conf.Policy) string {
	for _, t := range techniques {
		for _, risky := range policy.HighRiskTechniques {
			if risky = strings.ToUpper(risky); t == risky || strings.HasPrefix(t, risky+".") {
				return "technique " + t
			}
		}
	}
	return ""
}

// namedTechniques returns the ATT&CK techniques that the alert itself names, in the annotations of
// its search or in what a product says of it, sorted.
func namedTechniques(a *winnow.Alert) (ids []string) {
	for name, values := range a.Fields {
		if name = strings.ToLower(name); strings.Contains(name, "technique") || strings.Contains(name, "mitre") {
			for _, v := range values {
				ids = appendTechniques(ids, v)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// appendTechniques appends every id like T1003 or T1003.001 in a text, in capitals.
func appendTechniques(ids []string, text string) []string {
	for i := 0; i < len(text); i++ {
		if text[i]|0x20 != 't' || i > 0 && wordByte(text[i-1]) || digits(text[i+1:]) != 4 {
			continue
		}
		end := i + 5
		if end < len(text) && text[end] == '.' && digits(text[end+1:]) == 3 {
			end += 4
		}
		ids = append(ids, strings.ToUpper(text[i:end]))
	}
	return ids
}

// digits returns how many digits a text starts with.
func digits(text string) int {
	return len(text) - len(strings.TrimLeft(text, "0123456789"))
}

func wordByte(b byte) bool {
	return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
}
