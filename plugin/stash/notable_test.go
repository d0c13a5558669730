package stash_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/stash"
)

func alert() *winnow.Alert {
	return &winnow.Alert{
		ID: "01KJEZ3M8A0000000000000000", SearchName: "Impossible Travel", Severity: winnow.SeverityLow,
		Key:      winnow.Key{Host: "h", SID: "scheduler__ann__search_1", RID: "4"},
		Received: noon, Time: noon.Add(-300 * 24 * time.Hour),
		Fields: winnow.Fields{
			"src": {"203.0.113.9"}, "user": {"ann"}, "security_domain": {"access"}, "severity": {"informational"},
			"winnow_status": {"closed"}, "orig_time": {"1"}, "_time": {"2"},
		},
	}
}

func record(a *winnow.Alert) *winnow.Record {
	r := winnow.NewRecord(a, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule, RuleSet: "sha256:00"})
	r.Verdict = winnow.Verdict{
		Disposition: winnow.TruePositive, Confidence: 88, Severity: winnow.SeverityHigh, Source: winnow.SourceOffline,
		Techniques: []string{"T1078", "T1110"}, Facts: []string{"list:vpn_egress"}, Taint: []string{"injection:user_agent:override"},
		Case:  winnow.Case{What: "Two sign-ins 9,000 km apart", Why: "The second network is new", FirstResponse: "Ask ann"},
		Votes: []winnow.Vote{{Agent: "network", Vote: winnow.VoteMalicious, Confidence: 90}, {Agent: "identity", Vote: winnow.VoteSuspicious, Confidence: 60}},
	}
	r.Outcome = winnow.Outcome{State: winnow.StateEscalated, Reason: winnow.ReasonMalicious, Actor: "offline", Run: winnow.RunEnforce, Time: noon}
	return &r
}

// TestNotableEvents holds the whole event of a triaged and of a passed-on alert to the byte.
func TestNotableEvents(t *testing.T) {
	a := alert()
	golden(t, "triaged.event", stash.Notable{Alert: a, WinnowID: "ID-mac", Record: record(a)}.Event().Append(nil))
	golden(t, "not_triaged.event", stash.Notable{Alert: a, WinnowID: "ID-mac", Reason: winnow.ReasonStaleHeartbeat}.Event().Append(nil))
}

func TestNotableIsIndexedWhenItWasReceived(t *testing.T) {
	e := stash.Notable{Alert: alert()}.Event()
	if !e.Time.Equal(noon) {
		t.Errorf("time is %s: an alert could hide itself in the past", e.Time)
	}
	if diff := cmp.Diff([]string{"1746446400.250"}, e.Control["orig_time"]); diff != "" {
		t.Errorf("orig_time (-want +got):\n%s", diff)
	}
}

func TestNotableSeverityOnlyRises(t *testing.T) {
	for _, tt := range []struct{ alert, verdict, want winnow.Severity }{
		{winnow.SeverityLow, winnow.SeverityHigh, winnow.SeverityHigh},
		{winnow.SeverityHigh, winnow.SeverityLow, winnow.SeverityHigh},
		{winnow.SeverityUnknown, winnow.SeverityUnknown, winnow.SeverityUnknown},
	} {
		a := alert()
		a.Severity = tt.alert
		r := record(a)
		r.Verdict.Severity = tt.verdict
		got := stash.Notable{Alert: a, Record: r}.Event().Control["severity"]
		if len(got) != 1 || got[0] != tt.want.String() {
			t.Errorf("alert %s and verdict %s make %v, want %s", tt.alert, tt.verdict, got, tt.want)
		}
	}
}

func TestNotableWithoutVerdictSaysSo(t *testing.T) {
	a := alert()
	r := winnow.NewRecord(a, winnow.Proposal{Kind: winnow.ProposeEscalate, Reason: winnow.ReasonEscalateList, Rule: "dcsync"})
	r.Outcome = winnow.Outcome{State: winnow.StateEscalated, Reason: winnow.ReasonEscalateList}
	c := stash.Notable{Alert: a, Record: &r}.Event().Control
	if got, _ := c.First("rule_description"); got != "winnow: escalated (escalate_list)" {
		t.Errorf("description is %q", got)
	}
	if _, ok := c["winnow_disposition"]; ok {
		t.Error("a disposition that nobody gave")
	}
	if got, _ := c.First("winnow_rule"); got != "dcsync" {
		t.Errorf("rule is %q", got)
	}
}

func TestNotableDrilldownTakesOnlyPlainSids(t *testing.T) {
	for sid, want := range map[string]string{
		"scheduler__ann__search_at_1_2": `| loadjob "scheduler__ann__search_at_1_2"`,
		"1465593470.1228":               `| loadjob "1465593470.1228"`,
		`x" | delete "`:                 "",
		"x]`macro`":                     "",
		"é":                             "",
		"":                              "",
	} {
		a := alert()
		a.Key.SID = sid
		if got, _ := (stash.Notable{Alert: a}.Event().Control.First("drilldown_search")); got != want {
			t.Errorf("sid %q leads to %q, want %q", sid, got, want)
		}
	}
}

func TestNotableKnowsItsSecurityDomain(t *testing.T) {
	for domain, want := range map[string]string{"access": "access", "audit": "audit", "": "threat", "winnow": "threat"} {
		a := alert()
		a.Fields = winnow.Fields{"security_domain": {domain}}
		if got, _ := (stash.Notable{Alert: a}.Event().Control.First("security_domain")); got != want {
			t.Errorf("%q becomes %q, want %q", domain, got, want)
		}
	}
}
