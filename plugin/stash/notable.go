package stash

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// Values of winnow_status.
const (
	StatusTriaged    = "triaged"
	StatusNotTriaged = "not triaged"
)

// Notable is what winnow writes about one alert into the notable index.
type Notable struct {
	Alert    *winnow.Alert
	WinnowID string         // signed alert ID, see winnow.Keys.Sign
	Record   *winnow.Record // nil when nobody has judged the alert: it is then "not triaged"
	Reason   winnow.Reason  // why it was not triaged
}

// Event builds the notable event. Its time is when winnow received the alert: the alert's own time
// may be chosen by an attacker, who could hide the event outside the hours that people look at; it
// is kept as orig_time. The alert's own fields follow, and none of them can replace a field that
// winnow or Enterprise Security sets.
func (n Notable) Event() Event {
	a := n.Alert
	c := winnow.Fields{}
	c.Add("rule_name", a.SearchName)
	c.Add("rule_title", a.SearchName)
	c.Add("rule_description", n.description())
	c.Add("security_domain", securityDomain(a.Fields))
	c.Add("severity", n.severity().String())
	c.Add("orig_sid", a.Key.SID)
	c.Add("orig_rid", a.Key.RID)
	c.Add("orig_time", epoch(a.Time))
	n.drilldown(c)
	c.Add("winnow_id", n.WinnowID)
	if n.Record == nil {
		c.Add("winnow_status", StatusNotTriaged)
		c.Add("winnow_reason", string(n.Reason))
	} else {
		c.Add("winnow_status", StatusTriaged)
		addRecord(c, n.Record)
	}
	return Event{Time: a.Received, SearchName: a.SearchName, Control: c, Fields: a.Fields}
}

func (n Notable) description() string {
	if n.Record == nil {
		return fmt.Sprintf("winnow passed this alert on without triage (%s)", n.Reason)
	}
	v := n.Record.Verdict.Case
	var lines []string
	for _, line := range []string{v.What, v.Why, v.FirstResponse} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	if lines == nil {
		return fmt.Sprintf("winnow: %s (%s)", n.Record.Outcome.State, n.Record.Outcome.Reason)
	}
	return strings.Join(lines, "\n")
}

// severity is the alert's, raised by the verdict's: a verdict below it lowers nothing.
func (n Notable) severity() winnow.Severity {
	if n.Record == nil {
		return n.Alert.Severity
	}
	return n.Alert.Severity.Max(n.Record.Verdict.Severity)
}

// drilldown leads to the rows of the search that fired, while Splunk keeps them.
func (n Notable) drilldown(c winnow.Fields) {
	sid := n.Alert.Key.SID
	if sid == "" || strings.ContainsFunc(sid, notInSID) {
		return
	}
	c.Add("drilldown_name", "Results of the search that fired")
	c.Add("drilldown_search", `| loadjob "`+sid+`"`)
}

func notInSID(r rune) bool {
	return r > 0x7f || !alphanumeric(byte(r)) && !strings.ContainsRune("_-.@", r)
}

// securityDomain is the alert's own when it is one that Enterprise Security knows.
func securityDomain(f winnow.Fields) string {
	switch d, _ := f.First("security_domain"); d {
	case "access", "endpoint", "network", "threat", "identity", "audit":
		return d
	}
	return "threat"
}

func addRecord(c winnow.Fields, r *winnow.Record) {
	v, o := &r.Verdict, &r.Outcome
	c.Add("winnow_alert", r.ID)
	c.Add("winnow_state", string(o.State))
	c.Add("winnow_would", string(o.Would))
	c.Add("winnow_reason", string(o.Reason))
	c.Add("winnow_actor", o.Actor)
	c.Add("winnow_run", o.Run.String())
	c.Add("winnow_rule", r.Proposal.Rule)
	c.Add("winnow_ruleset", r.Proposal.RuleSet)
	if v.Source == winnow.SourceNone {
		return
	}
	c.Add("winnow_disposition", v.Disposition.String())
	c.Add("winnow_confidence", strconv.Itoa(v.Confidence))
	c.Add("winnow_severity", v.Severity.String())
	c.Add("winnow_source", string(v.Source))
	c.Add("winnow_technique", v.Techniques...)
	c.Add("winnow_fact", v.Facts...)
	c.Add("winnow_taint", v.Taint...)
	c.Add("winnow_what", v.Case.What)
	c.Add("winnow_why", v.Case.Why)
	c.Add("winnow_first_response", v.Case.FirstResponse)
	for _, vote := range v.Votes {
		c.Add("winnow_vote", fmt.Sprintf("%s %s %d", vote.Agent, vote.Vote, vote.Confidence))
	}
}

func epoch(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}
