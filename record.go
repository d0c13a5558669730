package winnow

import "time"

// Record is the one shape in which an alert's story is printed, exported and indexed. Every key
// is always there; [Record.Normalize] fills the lists.
type Record struct {
	ID         string    `json:"id"`
	SearchName string    `json:"search_name"`
	SID        string    `json:"sid"`
	RID        string    `json:"rid"`
	Time       time.Time `json:"time"`
	Severity   Severity  `json:"severity"`
	Proposal   Proposal  `json:"proposal"`
	Verdict    Verdict   `json:"verdict"`
	Outcome    Outcome   `json:"outcome"`
	Cost       Cost      `json:"cost"`
}

// NewRecord starts the record of an alert with what the gate proposed. Its outcome is queued.
func NewRecord(a *Alert, p Proposal) Record {
	r := Record{
		ID: a.ID, SearchName: a.SearchName, SID: a.Key.SID, RID: a.Key.RID,
		Time: a.Time.UTC(), Severity: a.Severity, Proposal: p,
		Outcome: Outcome{State: StateQueued, Reason: ReasonQueued, Actor: "winnow", Time: a.Received.UTC()},
	}
	r.Normalize()
	return r
}

// Normalize replaces nil lists by empty ones, so that they are written as [] and not as null.
func (r *Record) Normalize() {
	v := &r.Verdict
	v.Techniques = orEmpty(v.Techniques)
	v.Evidence = orEmpty(v.Evidence)
	v.Facts = orEmpty(v.Facts)
	v.Votes = orEmpty(v.Votes)
	v.Taint = orEmpty(v.Taint)
	for i := range v.Votes {
		v.Votes[i].Fields = orEmpty(v.Votes[i].Fields)
	}
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
