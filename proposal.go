package winnow

// ProposalKind is what the alert action says of one row. The zero value lets the row pass on to
// triage: saying nothing never drops an alert.
type ProposalKind string

// The kinds of proposal.
const (
	ProposePass     ProposalKind = "pass"     // triage it
	ProposeDrop     ProposalKind = "drop"     // an enforced rule covers it
	ProposeCached   ProposalKind = "cached"   // a benign verdict on the same key is still valid
	ProposeEscalate ProposalKind = "escalate" // the escalate list sends it to a person
)

// Reason says in one word why a proposal or an outcome is what it is. Reasons are part of the
// record format and label metrics, so the list is closed.
type Reason string

// Reasons of proposals.
const (
	ReasonNoRule         Reason = "no_rule"         // nothing covered it
	ReasonRule           Reason = "rule"            // dropped by an enforced rule
	ReasonCanary         Reason = "canary"          // covered by an enforced rule, triaged all the same as a sample
	ReasonShadowRule     Reason = "shadow_rule"     // covered by a rule that only counts what it would drop
	ReasonExpired        Reason = "expired"         // covered by a rule past its expiry
	ReasonCeiling        Reason = "ceiling"         // covered by a rule, but the alert is above its max_severity
	ReasonWindow         Reason = "window"          // covered by a rule outside its window
	ReasonSuspended      Reason = "suspended"       // covered by a rule that is suspended
	ReasonUnapproved     Reason = "unapproved"      // covered by a rule that lacks approvals
	ReasonRuleError      Reason = "rule_error"      // a rule failed while it ran
	ReasonCached         Reason = "cached"          // a cached verdict
	ReasonEscalateList   Reason = "escalate_list"   // an entry of escalate.yaml
	ReasonAdhoc          Reason = "adhoc"           // a person asked for this triage
	ReasonGateOff        Reason = "gate_off"        // the stop switch
	ReasonRulesUnread    Reason = "rules_unread"    // rules, lists or suspensions could not be read
	ReasonUndecided      Reason = "undecided"       // the action ended before it decided this row
	ReasonTruncated      Reason = "truncated"       // Splunk cut rows off: they were never seen
	ReasonResultsUnread  Reason = "results_unread"  // the results file was missing, cut or not gzip
	ReasonRecordUnread   Reason = "record_unread"   // a spool record was damaged
	ReasonNeverTriaged   Reason = "never_triaged"   // Splunk fired it, and it never came here
	ReasonFileInput      Reason = "file"            // given to `winnow triage`
	ReasonNotStored      Reason = "not_stored"      // there was no spool to store the row in
	ReasonStaleHeartbeat Reason = "stale_heartbeat" // the worker is not running: nothing closes from the cache
)

// Proposal is what the alert action, or any other run of the gate, says of one alert before the
// worker disposes.
type Proposal struct {
	Kind    ProposalKind `json:"kind"`
	Reason  Reason       `json:"reason"`
	Rule    string       `json:"rule"`    // the rule or escalate entry that decided, else ""
	RuleSet string       `json:"ruleset"` // version of the rules that were asked, "sha256:..." or ""
}
