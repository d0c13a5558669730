package picture

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/winnow-soc/winnow"
)

// analysts tells what was believed, and the votes if the panel was asked.
func analysts(r *winnow.Record) Step {
	v := &r.Verdict
	s := Step{Gate: "Analysts", Votes: v.Votes}
	switch v.Source {
	case winnow.SourceNone, winnow.SourceRule, winnow.SourceCache:
		if len(v.Votes) == 0 {
			s.Label, s.Title = "not asked", "Nobody had to be asked"
			return s
		}
	case winnow.SourceOffline, winnow.SourceModel, winnow.SourcePerson:
	}
	if v.Source == winnow.SourcePerson && len(v.Votes) == 0 {
		s.Label, s.Title = "not asked", "A person's word stands for theirs"
		return s
	}
	s.Tone, s.Label = TonePassed, "one answer"
	if n := len(v.Votes); n > 0 {
		s.Label = tally(v.Votes)
	}
	s.Title = "The panel was asked"
	if len(v.Votes) == 0 {
		s.Title = "One analyst was enough: " + believed(v)
	}
	if v.Source != winnow.SourcePerson {
		s.Lines = []string{"Coordinator: " + believed(v)}
		s.Tone = beliefTone(v.Disposition)
	}
	return s
}

func believed(v *winnow.Verdict) string {
	if v.Disposition == winnow.Undetermined {
		return "undetermined"
	}
	return fmt.Sprintf("%s, confidence %d", v.Disposition, v.Confidence)
}

// beliefTone is the colour of a belief. Believing is not closing: benign stays plain.
func beliefTone(d winnow.Disposition) Tone {
	switch d {
	case winnow.TruePositive:
		return ToneEscalate
	case winnow.Undetermined, winnow.Other:
		return ToneReview
	case winnow.BenignPositive, winnow.FalsePositiveLogic, winnow.FalsePositiveData:
	}
	return TonePassed
}

// tally counts the votes that say something.
func tally(votes []winnow.Vote) string {
	said := winnow.CountVotes(votes, winnow.VoteMalicious, winnow.VoteSuspicious, winnow.VoteSafe)
	return cmp.Or(strings.ToLower(said), "all abstain")
}

// guardSays is what a guard has against closing.
var guardSays = map[winnow.Reason]string{
	winnow.ReasonHighRisk:    "A word, asset or technique in it always goes to a person",
	winnow.ReasonUndecidable: "Nobody could tell, and nothing closes on doubt",
	winnow.ReasonNoFact:      "No benign fact on fields that an attacker cannot set",
	winnow.ReasonConfidence:  "Believed benign, below the confidence that policy wants",
	winnow.ReasonSplitVote:   "The votes do not agree",
	winnow.ReasonTaint:       "Its own text tries to steer whoever reads it",
	winnow.ReasonBadAnswer:   "An answer was not of the agreed form",
	winnow.ReasonEvidence:    "Evidence that was cited is not in the alert",
	winnow.ReasonProse:       "Others wrote sentences into it, so a model may not close it",
	winnow.ReasonUnseen:      "The model did not see it in full, so it may not close it",
	winnow.ReasonRefused:     "The model would not answer",
	winnow.ReasonFiltered:    "The provider's filter took the question or the answer",
	winnow.ReasonAnswerCut:   "The answer was longer than it may be",
	winnow.ReasonNoAnswer:    "The answer was empty",
	winnow.ReasonToolLoop:    "The model asked for look-ups and came to no answer",
	winnow.ReasonDataClass:   "No model may see data of this class",
	winnow.ReasonNoBudget:    "No money was left to ask a model",
	winnow.ReasonOffline:     "Above the severity that built-in analysts may close",
	winnow.ReasonGaveUp:      "Every try failed, and failing never closes",
	winnow.ReasonUnaudited:   "The audit chain could not be written, so nothing closes",
	winnow.ReasonRaiseOnly:   "It may only be raised",
	winnow.ReasonMalicious:   "Believed real: there is nothing to guard against",
}

// taintLines tells what the scan found, a line a field, and the text that it found it in.
func taintLines(a *Alert) (out []string) {
	found := map[string][]string{}
	var order []string
	for _, t := range a.Record.Verdict.Taint {
		field, pattern := "", t
		if parts := strings.SplitN(t, ":", 3); len(parts) == 3 {
			field, pattern = parts[1], parts[2]
		}
		if found[field] == nil {
			order = append(order, field)
		}
		found[field] = append(found[field], strings.ReplaceAll(pattern, "_", " "))
	}
	for _, field := range order {
		if values := a.Fields[field]; len(values) > 0 {
			out = append(out, field+": "+strings.Join(values, " | "))
		}
		out = append(out, "found: "+strings.Join(found[field], ", "))
	}
	return out
}

func guards(a *Alert) Step {
	r := &a.Record
	s := Step{Gate: "Guards"}
	s.Lines = taintLines(a)
	for _, f := range r.Verdict.Facts {
		s.Lines = append(s.Lines, "benign fact: "+f)
	}
	reason := r.Outcome.Reason
	switch {
	case r.Outcome.State == winnow.StateClosed && reason == winnow.ReasonVerdict:
		s.Tone, s.Label, s.Title = ToneClosed, "all passed", "The verdict passed every guard"
	case r.Verdict.Source == winnow.SourceRule || reason == winnow.ReasonCached:
		s.Label, s.Title, s.Lines = "not asked", "Rules and exact verdicts read no prose", nil
	case len(r.Verdict.Taint) > 0:
		s.Tone, s.Label, s.Title = ToneEscalate, "tainted", guardSays[winnow.ReasonTaint]+": no close, whatever anyone answers"
	case guardSays[reason] != "":
		s.Tone, s.Label, s.Title = ToneReview, words(reason), guardSays[reason]
		if reason == winnow.ReasonMalicious {
			s.Tone, s.Label = TonePassed, "nothing to close"
		}
	case r.Proposal.Kind == winnow.ProposeEscalate:
		s.Tone, s.Label, s.Title = TonePassed, "nothing to close", "The escalate list has the last word"
	default:
		s.Label, s.Title = "not asked", "There was no close to guard"
	}
	return s
}

func outcome(a *Alert) Step {
	r := &a.Record
	o := &r.Outcome
	s := Step{Gate: "Outcome", Tone: stateTone(o.State), Label: stateWords(o.State)}
	s.Title = fmt.Sprintf("%s: %s, by %s", capital(stateWords(o.State)), words(o.Reason), actor(o.Actor))
	if o.State == winnow.StateLeft && o.Would != "" {
		s.Tone, s.Label = stateTone(o.Would), "left; would: "+stateWords(o.Would)
		s.Title += fmt.Sprintf(" (%s: it would be %s)", o.Run, stateWords(o.Would))
	}
	c := &r.Verdict.Case
	for _, line := range []struct{ name, text string }{{"What", c.What}, {"Why", c.Why}, {"Next", c.FirstResponse}} {
		if line.text != "" {
			s.Lines = append(s.Lines, line.name+": "+line.text)
		}
	}
	if len(a.Advice) > 0 {
		s.Lines = append(s.Lines, "Advice: "+strings.Join(a.Advice, ", "))
	}
	for i := range a.History {
		was := &a.History[i].Outcome
		if was.Reason == winnow.ReasonQueued { // as every alert was
			continue
		}
		s.Lines = append(s.Lines, fmt.Sprintf("Was: %s (%s), by %s", stateWords(was.State), words(was.Reason), actor(was.Actor)))
	}
	return s
}

func stateTone(s winnow.State) Tone {
	switch s {
	case winnow.StateClosed:
		return ToneClosed
	case winnow.StateEscalated:
		return ToneEscalate
	case winnow.StateInReview, winnow.StateQueued:
		return ToneReview
	case winnow.StateLeft:
	}
	return TonePassed
}

func stateWords(s winnow.State) string {
	return cmp.Or(strings.ReplaceAll(string(s), "_", " "), "unknown")
}

func words(r winnow.Reason) string { return strings.ReplaceAll(string(r), "_", " ") }

// actor names who decided as people do.
func actor(name string) string {
	if name == "offline" {
		return "built-in analysts"
	}
	return name
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
