package offline

import (
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

// opinions are what the three agents say of a case.
type opinions struct {
	worst, calm llm.Ballot // the gravest and the calmest that was said
	calmer      int        // agents that said SAFE
}

func (v *view) opinions() opinions {
	o := opinions{worst: llm.Ballot{Vote: winnow.VoteAbstain}, calm: llm.Ballot{Vote: winnow.VoteAbstain}}
	for _, table := range [][]heuristic{networkTable, identityTable, threatIntelTable} {
		b := v.ballot(table)
		switch {
		case b.Vote == winnow.VoteSafe:
			o.calmer++
			if b.Confidence > o.calm.Confidence {
				o.calm = b
			}
		case stronger(b, o.worst):
			o.worst = b
		}
	}
	return o
}

// ruling is one row of the classifier's table: the first that fits decides.
type ruling struct {
	when          func(v *view, o opinions) bool
	disposition   winnow.Disposition
	confidence    func(o opinions) int
	by            func(o opinions) llm.Ballot
	firstResponse string
}

func worst(o opinions) llm.Ballot    { return o.worst }
func calm(o opinions) llm.Ballot     { return o.calm }
func worstConfidence(o opinions) int { return o.worst.Confidence }
func calmConfidence(o opinions) int  { return o.calm.Confidence }
func mildConfidence(o opinions) int  { return min(o.calm.Confidence, safeWithoutFact) }
func unsure(opinions) int            { return 30 }

var rulings = []ruling{
	{ // a known machine that does what no known machine should
		when: func(v *view, o opinions) bool {
			return o.worst.Vote == winnow.VoteMalicious && len(v.c.Facts) > 0
		},
		disposition: winnow.Undetermined, confidence: unsure, by: worst,
		firstResponse: "find out whether the known machine or account is misused",
	},
	{
		when:        func(_ *view, o opinions) bool { return o.worst.Vote == winnow.VoteMalicious },
		disposition: winnow.TruePositive, confidence: worstConfidence, by: worst,
		firstResponse: "isolate what is affected, keep the evidence, and look for the same elsewhere",
	},
	{
		when:        func(_ *view, o opinions) bool { return o.worst.Vote == winnow.VoteSuspicious },
		disposition: winnow.Undetermined, confidence: unsure, by: worst,
		firstResponse: "ask the owner whether this was expected, and look at what followed",
	},
	{
		when: func(v *view, o opinions) bool {
			return len(v.c.Facts) > 0 && o.calmer >= 2 && o.calm.Confidence > safeWithoutFact
		},
		disposition: winnow.BenignPositive, confidence: calmConfidence, by: calm,
		firstResponse: "none, unless the list that explains it is wrong",
	},
	{
		when:        func(v *view, o opinions) bool { return o.calmer > 0 && v.is("readOnly", "true") },
		disposition: winnow.FalsePositiveLogic, confidence: calmConfidence, by: calm,
		firstResponse: "narrow the search to the changes it is about",
	},
	{
		when:        func(_ *view, o opinions) bool { return o.calmer > 0 },
		disposition: winnow.BenignPositive, confidence: mildConfidence, by: calm,
		firstResponse: "glance at it, and write a rule if it comes back",
	},
	{
		when:        func(*view, opinions) bool { return true },
		disposition: winnow.Undetermined, confidence: unsure, by: worst,
		firstResponse: "look at the alert: no heuristic covers it",
	},
}

func classify(v *view) llm.Classification {
	o := v.opinions()
	var r *ruling
	for i := range rulings {
		if r = &rulings[i]; r.when(v, o) {
			break
		}
	}
	b := r.by(o)
	return llm.Classification{
		Disposition: llm.DispositionName(r.disposition.String()), Confidence: r.confidence(o),
		Case:            winnow.Case{What: v.headline(), Why: why(b), FirstResponse: r.firstResponse},
		Evidence:        v.evidence(b.Fields),
		Recommendations: v.advice(r.disposition, b),
	}
}

// titleFields say in a few words what was detected, the first one that is there.
var titleFields = []string{"signature", "title", "rule_title", "rule", "threat_name", "event.DetectName"}

// headline is the first line of a case: what happened to whom. All of it is the alert's own text.
func (v *view) headline() string {
	var text strings.Builder
	text.WriteString(strings.Trim(quote(v.c.Alert.SearchName), `"`))
	for _, field := range titleFields {
		if title, ok := v.c.Alert.Fields.First(field); ok && !strings.EqualFold(title, v.c.Alert.SearchName) {
			text.WriteString(": " + quote(title))
			break
		}
	}
	for _, p := range []struct{ concept, words string }{{"user", ", account {user}"}, {"src", ", from {src}"}, {"dest", ", at {dest}"}} {
		if v.has(p.concept) {
			text.WriteString(v.sentence(p.words))
		}
	}
	return limit(text.String())
}

func why(b llm.Ballot) string {
	if b.Reason == "" {
		return "nothing in the alert tells whether it is real"
	}
	return limit(b.Reason)
}

// maxLine is what a line of a case may hold, in bytes, well under what answers allow.
const maxLine = 390

func limit(s string) string {
	if len(s) <= maxLine {
		return s
	}
	for i := range s {
		if i > maxLine-4 {
			return s[:i] + "…"
		}
	}
	return s
}

// evidence cites fields with their first values. Long values are left out: nobody reads them.
func (v *view) evidence(fields []string) []winnow.Evidence {
	out := []winnow.Evidence{}
	for _, f := range fields {
		if s, ok := v.c.Alert.Fields.First(f); ok && len(s) <= 500 {
			out = append(out, winnow.Evidence{Field: f, Value: s})
		}
	}
	return out
}

// advice recommends what fits the disposition. It names fields, never targets.
func (v *view) advice(d winnow.Disposition, b llm.Ballot) []llm.Advice {
	out := []llm.Advice{}
	switch d {
	case winnow.TruePositive:
		out = append(out, llm.Advice{Kind: llm.AdviceFlag, Reason: "believed real"})
		for _, concept := range []string{"src", "dest"} {
			if field, _ := v.get(concept); field != "" && v.public(concept) {
				out = append(out, llm.Advice{Kind: llm.AdviceBlock, Field: field, Reason: b.Reason})
			}
		}
	case winnow.BenignPositive, winnow.FalsePositiveLogic, winnow.FalsePositiveData:
		out = append(out, llm.Advice{Kind: llm.AdviceMonitor, Reason: "explained for now"})
	case winnow.Undetermined, winnow.Other:
		out = append(out, llm.Advice{Kind: llm.AdviceFlag, Reason: why(b)})
	}
	return out
}
