package review

import (
	"fmt"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Gate is what one gate did with the alert, and why.
type Gate struct {
	Gate string `json:"gate"`
	Did  Did    `json:"did"`
	Why  string `json:"why"` // a sentence
}

// Did is what a gate does.
type Did string

// What gates do.
const (
	DidPass    Did = "passed"    // it had nothing to say
	DidRaise   Did = "raised"    // a person has to look
	DidClose   Did = "closed"    // it closed the alert, or would have
	DidSkip    Did = "not_asked" // one before it had settled the alert
	DidSettle  Did = "settled"   // the last word so far
	DidNothing Did = "nothing"   // it was asked, and could not tell
)

// gates tells the way of an alert through the gates, in their order.
func gates(rec *winnow.Record, entry *ledger.Entry) []Gate {
	out := []Gate{escalateGate(rec), ruleGate(rec), cacheGate(rec, entry)}
	if rec.Verdict.Source == winnow.SourcePerson {
		out = append(out, Gate{"person", DidSettle, rec.Outcome.Actor + " decided: " + rec.Verdict.Disposition.String() + "."})
	} else {
		out = append(out, analystGate(rec), guardGate(rec))
	}
	return append(out, Gate{"outcome", DidSettle, outcomeText(&rec.Outcome)})
}

func escalateGate(rec *winnow.Record) Gate {
	p := &rec.Proposal
	switch {
	case p.Kind == winnow.ProposeEscalate && p.Reason == winnow.ReasonEscalateList:
		return Gate{"escalate_list", DidRaise, "Entry " + p.Rule + " always sends such alerts to a person."}
	case p.Kind == winnow.ProposeEscalate:
		return Gate{"escalate_list", DidRaise, sentence(p.Reason)}
	case rec.Outcome.Reason == winnow.ReasonEscalateList, rec.Outcome.Reason == winnow.ReasonHighRisk:
		return Gate{"escalate_list", DidRaise, sentence(rec.Outcome.Reason)}
	}
	return Gate{"escalate_list", DidPass, "No entry and no high-risk word, asset or technique matches."}
}

func ruleGate(rec *winnow.Record) Gate {
	p := &rec.Proposal
	switch {
	case p.Kind == winnow.ProposeEscalate:
		return Gate{"rules", DidSkip, "The escalate list comes before the rules."}
	case p.Kind == winnow.ProposeDrop && p.Reason == winnow.ReasonRule && rec.Verdict.Source == winnow.SourceRule:
		return Gate{"rules", DidClose, "Rule " + p.Rule + " covers it."}
	case p.Kind == winnow.ProposeDrop:
		return Gate{"rules", DidPass, "Rule " + p.Rule + " covers it, and it was triaged all the same: " + lower(sentence(p.Reason))}
	case p.Reason == winnow.ReasonStaleHeartbeat:
		return Gate{"rules", DidPass, sentence(winnow.ReasonNoRule)}
	case p.Rule != "":
		return Gate{"rules", DidPass, "Rule " + p.Rule + " did not drop it: " + lower(sentence(p.Reason))}
	}
	return Gate{"rules", DidPass, sentence(p.Reason)}
}

func cacheGate(rec *winnow.Record, entry *ledger.Entry) Gate {
	switch {
	case rec.Verdict.Source == winnow.SourceRule:
		return Gate{"cache", DidSkip, "A rule had closed it."}
	case entry.Joined != "":
		return Gate{"cache", DidRaise, "It repeats alert " + entry.Joined + ", which is still open: every field that counts is the same."}
	case rec.Verdict.Source == winnow.SourceCache && entry.Derived != "":
		return Gate{"cache", DidClose, "The verdict on alert " + entry.Derived + " holds for it: every field that counts is the same."}
	case rec.Verdict.Source == winnow.SourceCache:
		return Gate{"cache", DidPass, "It shares the verdict that was reached on another of its group."}
	}
	if rec.Proposal.Reason == winnow.ReasonStaleHeartbeat {
		return Gate{"cache", DidPass, sentence(rec.Proposal.Reason)}
	}
	return Gate{"cache", DidPass, "No verdict on the same fields may close it."}
}

func analystGate(rec *winnow.Record) Gate {
	v := &rec.Verdict
	switch v.Source {
	case winnow.SourceRule, winnow.SourceCache:
		return Gate{"analysts", DidSkip, "A gate before them had settled it."}
	case winnow.SourceNone, winnow.SourcePerson:
		return Gate{"analysts", DidNothing, "No analyst has given an answer."}
	case winnow.SourceOffline, winnow.SourceModel:
	}
	who := "The built-in analysts"
	if v.Source == winnow.SourceModel {
		who = "Language models"
	}
	text := fmt.Sprintf("%s found %s, confidence %d (stated %d)%s.", who, v.Disposition, v.Confidence, v.Stated, voteText(v.Votes))
	did := DidPass
	if v.Disposition == winnow.Undetermined {
		did = DidNothing
	}
	return Gate{"analysts", did, text}
}

// voteText counts the votes.
func voteText(votes []winnow.Vote) string {
	said := winnow.CountVotes(votes, winnow.VoteMalicious, winnow.VoteSuspicious, winnow.VoteSafe, winnow.VoteAbstain)
	if said == "" {
		return ""
	}
	return "; votes: " + said
}

func guardGate(rec *winnow.Record) Gate {
	v, reason := &rec.Verdict, rec.Outcome.Reason
	closed := rec.Outcome.State == winnow.StateClosed || rec.Outcome.Would == winnow.StateClosed
	switch {
	case v.Source == winnow.SourceRule || v.Source == winnow.SourceCache && closed:
		return Gate{"guards", DidPass, "The ceilings of the search allow the close."}
	case closed && len(v.Facts) > 0:
		return Gate{"guards", DidClose, "Every guard passed; benign facts: " + strings.Join(v.Facts, ", ") + "."}
	case closed:
		return Gate{"guards", DidClose, "Every guard passed. The search does not ask for a benign fact."}
	case len(v.Taint) > 0:
		return Gate{"guards", DidRaise, "The alert's own text is suspect: " + strings.Join(v.Taint, ", ") + "."}
	}
	return Gate{"guards", DidRaise, sentence(reason)}
}

func outcomeText(o *winnow.Outcome) string {
	text := fmt.Sprintf("%s (%s) by %s, run %s", o.State, o.Reason, o.Actor, o.Run)
	if o.Would != "" {
		text += ", would be " + string(o.Would)
	}
	return text + "."
}

// sentences say what reasons mean.
var sentences = map[winnow.Reason]string{
	winnow.ReasonNoRule: "No rule covers it.", winnow.ReasonRule: "A rule covers it.",
	winnow.ReasonCanary: "It is a sample of what the rule drops.", winnow.ReasonShadowRule: "The rule only counts what it would drop.",
	winnow.ReasonExpired: "The rule is past its expiry.", winnow.ReasonCeiling: "The alert is above the highest severity that may be closed.",
	winnow.ReasonWindow: "The alert lies outside the rule's window.", winnow.ReasonSuspended: "The rule is suspended.",
	winnow.ReasonUnapproved: "The rule lacks approvals.", winnow.ReasonRuleError: "A rule failed while it ran.",
	winnow.ReasonCached: "A verdict on the same fields covers it.", winnow.ReasonEscalateList: "An entry of the escalate list always sends such alerts to a person.",
	winnow.ReasonAdhoc: "A person asked for this triage.", winnow.ReasonGateOff: "The stop switch is on: nothing is closed.",
	winnow.ReasonRulesUnread: "Rules, lists or suspensions could not be read.", winnow.ReasonUndecided: "The alert action ended before it decided this row.",
	winnow.ReasonTruncated: "Splunk cut rows off: they were never seen.", winnow.ReasonResultsUnread: "The results file was missing, cut or damaged.",
	winnow.ReasonRecordUnread: "A spool record was damaged.", winnow.ReasonNeverTriaged: "Splunk fired it, and it never came here.",
	winnow.ReasonFileInput: "It was given to winnow triage.", winnow.ReasonNotStored: "There was no spool to store the row in.",
	winnow.ReasonStaleHeartbeat: "The worker was not running: nothing closed from the cache.",
	winnow.ReasonQueued:         "It waits for triage.", winnow.ReasonVerdict: "A verdict passed every guard.", winnow.ReasonMalicious: "It is believed to be real.",
	winnow.ReasonHighRisk:    "A high-risk word, asset or technique always goes to a person.",
	winnow.ReasonUndecidable: "The analysts could not tell what it is.",
	winnow.ReasonNoFact:      "It is believed benign, but code found no benign fact on fields that an attacker cannot set.",
	winnow.ReasonConfidence:  "It is believed benign, below the confidence that policy wants.",
	winnow.ReasonSplitVote:   "The panel did not agree.", winnow.ReasonTaint: "The alert's text tries to steer whoever reads it.",
	winnow.ReasonBadAnswer: "An analyst's answer was not of the agreed form.", winnow.ReasonEvidence: "Cited evidence is not in the alert.",
	winnow.ReasonProse:   "It is believed benign by a model, but others wrote sentences into it.",
	winnow.ReasonUnseen:  "It is believed benign by a model that did not see the alert in full.",
	winnow.ReasonRefused: "The model would not answer.", winnow.ReasonFiltered: "The provider's content filter took question or answer.",
	winnow.ReasonAnswerCut: "The answer was longer than the model may write.", winnow.ReasonNoAnswer: "The answer was empty.",
	winnow.ReasonToolLoop:  "The model asked for look-ups and did not come to an answer.",
	winnow.ReasonDataClass: "No configured model may see data of this class.", winnow.ReasonNoBudget: "No money was left to ask a model.",
	winnow.ReasonOpenCase: "It repeats an alert whose case is still open.", winnow.ReasonOffline: "It is above the severity that the built-in analysts may close.",
	winnow.ReasonPerson: "A person decided.", winnow.ReasonOwn: "It is winnow's own event, come back.",
	winnow.ReasonGaveUp: "Every try to triage it failed.", winnow.ReasonNoModel: "It is not triaged yet: models could not be asked.",
	winnow.ReasonTryFailed: "It is not triaged yet: a try failed.", winnow.ReasonRecall: "What closed it was recalled.",
	winnow.ReasonRuleMiss:  "A rule that dropped an attack was suspended.",
	winnow.ReasonUnaudited: "It would have closed, and the audit chain could not be written.",
	winnow.ReasonRaiseOnly: "It is believed benign, but it may only be raised: it was not read in good order, or a person spoke for it.",
}

// sentence says what a reason means; one that carries a name after a colon says that too.
func sentence(r winnow.Reason) string {
	word, detail, _ := strings.Cut(string(r), ":")
	text, known := sentences[winnow.Reason(word)]
	switch {
	case !known:
		return "The reason is " + string(r) + "."
	case detail != "":
		return strings.TrimSuffix(text, ".") + " (" + detail + ")."
	}
	return text
}

// lower begins what follows a colon.
func lower(s string) string {
	if s == "" || strings.HasPrefix(s, "Splunk") {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
