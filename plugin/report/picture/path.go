// Package picture draws the way one alert took: gate by gate, with the votes and the reasons. It makes a
// flowchart as Mermaid text, and an animated GIF. The same alert makes the same picture, to the byte.
package picture

import (
	"fmt"

	"github.com/winnow-soc/winnow"
)

// Alert is what a picture is made of.
type Alert struct {
	Record  winnow.Record
	History []winnow.Record // what the record was before, the oldest first
	Fields  winnow.Fields   // as they came in
	Joined  string          // the id of the open case that it repeats, or ""
	Derived string          // the id of the alert whose verdict it was closed on, or ""
	Advice  []string        // what the pipeline recommends, some words each
}

// Tone says how a gate took an alert. The zero value says that the alert never came there.
type Tone string

// The tones.
const (
	ToneSkipped  Tone = ""         // never came there
	TonePassed   Tone = "passed"   // went on
	ToneWarned   Tone = "warned"   // went on, and there was something to say
	ToneClosed   Tone = "closed"   // proven benign
	ToneReview   Tone = "review"   // waits for a person
	ToneEscalate Tone = "escalate" // goes to a person now
)

// Step is one gate on the way.
type Step struct {
	Gate  string        `json:"gate"`
	Tone  Tone          `json:"tone"`
	Label string        `json:"label"` // some words for below the gate
	Title string        `json:"title"` // a sentence
	Lines []string      `json:"lines"` // what there is to say beyond
	Votes []winnow.Vote `json:"votes,omitempty"`
}

// Path is the way of one alert: the gates in their order.
type Path struct {
	ID     string `json:"id"`
	Search string `json:"search_name"`
	Steps  []Step `json:"steps"`

	alert *Alert
}

// New lays out the way of an alert.
func New(a *Alert) *Path {
	r := &a.Record
	p := &Path{ID: r.ID, Search: r.SearchName, alert: a}
	p.Steps = []Step{escalateList(r), allowList(r), cached(a), analysts(r), guards(a), outcome(a)}
	for i := range p.Steps {
		if p.Steps[i].Lines == nil {
			p.Steps[i].Lines = []string{}
		}
	}
	return p
}

// unasked are reasons why rules were not asked at all.
var unasked = map[winnow.Reason]string{
	winnow.ReasonGateOff:       "The gate is switched off",
	winnow.ReasonRulesUnread:   "Rules, lists or suspensions could not be read",
	winnow.ReasonUndecided:     "The alert action ended before it decided",
	winnow.ReasonTruncated:     "Splunk cut rows off: nobody has seen them",
	winnow.ReasonResultsUnread: "The results file could not be read",
	winnow.ReasonRecordUnread:  "The spool record was damaged",
	winnow.ReasonNeverTriaged:  "Splunk fired it, and it never came here",
	winnow.ReasonNotStored:     "There was no spool to store it in",
	winnow.ReasonAdhoc:         "A person asked for this triage",
}

func escalateList(r *winnow.Record) Step {
	s := Step{Gate: "Escalate list", Tone: TonePassed, Label: "no entry", Title: "No entry of the escalate list matches"}
	switch why := unasked[r.Proposal.Reason]; {
	case r.Proposal.Kind == winnow.ProposeEscalate:
		s.Tone, s.Label = ToneEscalate, r.Proposal.Rule
		s.Title = "Always goes to a person"
		s.Lines = []string{fmt.Sprintf("Entry %s of the escalate list. No rule, no cached verdict and no model can close it.", r.Proposal.Rule)}
	case why != "":
		s.Tone, s.Label, s.Title = ToneSkipped, "not asked", why
	}
	return s
}

// ruleSays is why a rule that covers an alert did not drop it.
var ruleSays = map[winnow.Reason]string{
	winnow.ReasonShadowRule: "covers it, and only counts what it would drop",
	winnow.ReasonExpired:    "covers it, and is past its expiry",
	winnow.ReasonCeiling:    "covers it, and the alert is above its severity",
	winnow.ReasonWindow:     "covers it, outside its window",
	winnow.ReasonSuspended:  "covers it, and is suspended",
	winnow.ReasonUnapproved: "covers it, and lacks approvals",
	winnow.ReasonRuleError:  "failed while it ran, so it drops nothing",
}

func allowList(r *winnow.Record) Step {
	s := Step{Gate: "Allow-list", Tone: TonePassed, Label: "no rule", Title: "No allow-list rule covers it"}
	p := &r.Proposal
	switch {
	case p.Kind == winnow.ProposeEscalate:
		s.Tone, s.Label, s.Title = ToneSkipped, "not asked", "Escalate beats drop"
	case unasked[p.Reason] != "":
		s.Tone, s.Label, s.Title = ToneSkipped, "not asked", unasked[p.Reason]
	case p.Reason == winnow.ReasonCanary:
		s.Tone, s.Label, s.Title = ToneWarned, "sampled", "A rule covers it; triaged all the same, as a sample"
		s.Lines = []string{"Rule " + p.Rule + ". Samples show whether a rule hides what it should not."}
	case p.Kind == winnow.ProposeDrop && r.Verdict.Source == winnow.SourceRule:
		s.Tone, s.Label, s.Title = ToneClosed, p.Rule, "An allow-list rule covers it"
		s.Lines = []string{"Rule " + p.Rule, r.Verdict.Case.Why}
	case p.Kind == winnow.ProposeDrop:
		s.Tone, s.Label, s.Title = ToneWarned, p.Rule, "A rule would drop it, and that does not hold any more"
		s.Lines = []string{"Rule " + p.Rule}
	case ruleSays[p.Reason] != "":
		s.Tone, s.Label, s.Title = ToneWarned, words(p.Reason), "A rule did not drop it"
		s.Lines = []string{fmt.Sprintf("Rule %s %s.", p.Rule, ruleSays[p.Reason])}
	}
	return s
}

func cached(a *Alert) Step {
	r := &a.Record
	s := Step{Gate: "Cache", Tone: TonePassed, Label: "nothing kept", Title: "No verdict is kept for an alert like this"}
	switch {
	case r.Proposal.Kind == winnow.ProposeEscalate:
		s.Tone, s.Label, s.Title = ToneSkipped, "not asked", "No cached verdict closes it"
	case r.Verdict.Source == winnow.SourceRule:
		s.Tone, s.Label, s.Title = ToneSkipped, "not asked", "The rule was cheaper"
	case r.Outcome.Reason == winnow.ReasonCached:
		s.Tone, s.Label, s.Title = ToneClosed, "known benign", "It repeats an alert that was judged benign"
		if a.Derived != "" {
			s.Lines = []string{"Verdict of alert " + a.Derived}
		}
	case a.Joined != "":
		s.Tone, s.Label, s.Title = ToneReview, "joined", "It repeats an alert whose case is open, and shares its answer"
		s.Lines = []string{"Case of alert " + a.Joined}
	}
	return s
}
