// Package winnow is the vocabulary that the parts of winnow share: an [Alert], what the gate
// proposes for it ([Proposal]), what is believed of it ([Verdict]), what was done about it
// ([Outcome]), and the [Record] that tells all of it. It imports the standard library only.
//
// An alert's way through the folders: plugin/alertaction reads it from Splunk, allowlist decides
// with rules and cache what can be proposed at once, plugin/triage disposes of the proposal and
// runs the rest through llm, plugin/ledger keeps the outcome, plugin/splunk writes it back.
package winnow

import "time"

// Alert is one result row of a triggered search.
type Alert struct {
	// ID is a ULID made from Received and Key, so that the same row gets the same ID again.
	ID  string
	Key Key

	// SearchName, App and Owner come from Splunk's payload, never from a row: rules are scoped
	// by them. An ad-hoc run on a notable takes them from the notable's own columns and never drops.
	SearchName string
	App        string
	Owner      string

	Severity Severity
	Time     time.Time // the alert's own time
	Received time.Time // our clock; for files given to `winnow triage` the alert's own time

	Fields Fields
	Adhoc  bool   // a person asked for this triage
	URI    string // search_uri of the payload, "" for ad-hoc runs
	Job    Job    `json:",omitzero"`

	// Warnings tell what was odd about the row, for people: a rid claimed twice, a cell cut off.
	Warnings []string
}

// Job is the run of the alert action that brought an alert, as far as [Key] does not say it.
type Job struct {
	SID    string `json:",omitempty"` // of an ad-hoc run: the key is that of the notable event it was started on
	RID    string `json:",omitempty"`
	PerRow bool   `json:",omitempty"` // one run for each row
}

// Key is the natural key of an alert: Splunk delivering a row twice makes one alert. MAC only
// separates rows that claim the same rid.
type Key struct {
	Host string // GUID of the firing search head, or "file" for files given to `winnow triage`
	SID  string
	RID  string
	MAC  string // keyed MAC of the row's fields, hex; see [Keys.RowMAC]
}
