package splunk

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Limits of a comment, in bytes. Enterprise Security also writes comments into a log of one line
// an entry, so a comment is one line.
const (
	maxPart    = 600
	maxComment = 4000
)

// comment says in one line what winnow did and believes, and ends with winnow's mark. Text of
// models and alerts is made plain; a mark inside it is not at the end and so counts for nothing.
func comment(d ledger.Delivery, what deed, least int) string {
	return lengthen(said(d, what), least) + " " + newMark(d, what).String()
}

// lengthen adds to a comment where a site asks for longer ones.
func lengthen(s string, least int) string {
	const more = " | This site asks for long comments."
	for utf8.RuneCountInString(s) < min(least, maxComment) {
		s += more
	}
	return s
}

// said is the text of a comment or a note, without the mark.
func said(d ledger.Delivery, what deed) string {
	r := &d.Record
	var parts []string
	add := func(label, s string) {
		if s = plain(s, maxPart); s != "" {
			parts = append(parts, label+s)
		}
	}
	switch {
	case d.Late != "":
		add("", "winnow: not triaged yet ("+string(d.Late)+"); nothing was changed")
		return cut(parts[0], maxComment)
	case what == deedRestore:
		add("", "winnow's update crossed a person's change: the person's is set again")
	default:
		add("", headline(r, what))
		add("What: ", r.Verdict.Case.What)
		add("Why: ", r.Verdict.Case.Why)
		add("First response: ", r.Verdict.Case.FirstResponse)
		add("Techniques: ", strings.Join(r.Verdict.Techniques, ", "))
		add("Facts: ", strings.Join(r.Verdict.Facts, ", "))
		add("Evidence: ", evidence(r.Verdict.Evidence))
		add("Votes: ", votes(r.Verdict.Votes))
		add("Suspect text: ", strings.Join(r.Verdict.Taint, ", "))
	}
	return cut(strings.Join(parts, " | "), maxComment)
}

func headline(r *winnow.Record, what deed) string {
	o := r.Outcome
	s := fmt.Sprintf("winnow: %s, reason %s, by %s", o.State, o.Reason, o.Actor)
	if o.State == winnow.StateLeft && o.Would != "" {
		s += fmt.Sprintf(", would be %s", o.Would)
	}
	if r.Verdict.Source != winnow.SourceNone {
		s += fmt.Sprintf("; verdict %s, confidence %d of 100, from %s", r.Verdict.Disposition, r.Verdict.Confidence, r.Verdict.Source)
	}
	if r.Proposal.Rule != "" {
		s += "; rule " + r.Proposal.Rule
	}
	switch what {
	case deedKept:
		s += "; a person has this notable, so winnow changed nothing"
	case deedNote:
		s += "; nothing was changed"
	}
	return s
}

func evidence(all []winnow.Evidence) string {
	out := make([]string, len(all))
	for i, e := range all {
		out[i] = e.Field + "=" + e.Value
	}
	return strings.Join(out, ", ")
}

func votes(all []winnow.Vote) string {
	out := make([]string, len(all))
	for i, v := range all {
		out[i] = fmt.Sprintf("%s %s %d", v.Agent, v.Vote, v.Confidence)
	}
	return strings.Join(out, ", ")
}
