package triage

import (
	"cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// SearchMiss is the name under which a suspended rule stands in the review queue. No search of Splunk is
// called so.
const SearchMiss = "winnow: rule suspended"

// finding is something that winnow itself brings before a person. It is kept as an alert, so that it
// waits in the review queue, is posted and settled like any other.
type finding struct {
	search, sid, rid string // sid and rid name it: the same finding twice is one
	severity         winnow.Severity
	fields           winnow.Fields
	text             winnow.Case
	reason           winnow.Reason
	state            winnow.State // escalated pages somebody; "" waits for review
}

// isFinding reports whether a record is of a finding.
func isFinding(p winnow.Proposal) bool {
	return p.Kind == winnow.ProposeEscalate && (p.Reason == winnow.ReasonRuleMiss || p.Reason == winnow.ReasonRecall || p.Reason == winnow.ReasonNoBudget)
}

// raiseFinding puts a finding before people, whatever the run is: it changes nothing in Splunk
// that a person has not asked for. It returns the ID of its alert.
func (e *Engine) raiseFinding(t *ledger.Tx, f finding) (string, error) {
	now := e.Now().UTC()
	a := winnow.Alert{
		Key: winnow.Key{Host: "winnow", SID: f.sid, RID: f.rid}, SearchName: f.search, App: "winnow", Owner: "winnow",
		Severity: f.severity, Time: now, Received: now, Fields: f.fields,
	}
	alertaction.Identify(&a, e.Keys)
	if known, err := t.Has(a.ID); err != nil || known {
		return a.ID, err
	}
	rec := winnow.NewRecord(&a, winnow.Proposal{Kind: winnow.ProposeEscalate, Reason: f.reason, Rule: first(f.fields["rule"])})
	rec.Verdict.Case = f.text
	rec.Outcome = e.Outcome(f.search, cmp.Or(f.state, winnow.StateInReview), f.reason, "winnow")
	return a.ID, e.settleNew(t, ledger.Entry{Alert: a, Team: e.Teams.Of(&a).Name, Key: cache.KeyOf(e.Keys, e.Fields, &a)}, rec)
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
