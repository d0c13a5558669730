// Package ledger keeps what happened to every alert: the current record and its history, cached
// verdicts, open cases, reviews, and the outbox of what is still to be written to Splunk. It is
// one SQLite file with one writer, the worker; readers open it read-only.
package ledger

import (
	"encoding/json"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
)

// DeliveryKind says what a delivery asks of a sink.
type DeliveryKind string

// The kinds.
const (
	DeliverNotable DeliveryKind = "notable" // place owner: write the notable event of an alert that survives
	DeliverUpdate  DeliveryKind = "update"  // place beside: bring the verdict into the notable that ES wrote
	DeliverEvent   DeliveryKind = "event"   // winnow's own event about the outcome

	DeliverResponse DeliveryKind = "response" // tell Splunk's Common Action Model what came of the alert action
	DeliverRisk     DeliveryKind = "risk"     // add risk to the users and systems of an alert
	DeliverPage     DeliveryKind = "page"     // page somebody, or tell who was paged that it is over; see Page
)

// KeptError is a sink's answer to an update that it only commented on, because a person had the
// notable event already. The delivery is done, and what came of it is that winnow left the alert.
type KeptError struct {
	By string // who has it
}

// Error says who has the notable event.
func (e *KeptError) Error() string { return e.By + " has this notable event: nothing was changed" }

// TakenError is a sink's answer to a delivery that the receiver has taken and given a name of its own, the number of
// a ticket say. The delivery is done, and the name is kept.
type TakenError struct {
	Ref string
}

// Error says what the receiver calls it.
func (e *TakenError) Error() string { return "taken as " + e.Ref }

// LaterError is a sink's answer to a delivery that is not done yet, and its wish for when to come
// back. The delivery stays in the outbox.
type LaterError struct {
	After time.Duration // the next try makes sense after this long
	Sent  bool          // it was sent, and whether it arrived is not known yet: no failure
	Again bool          // with Sent: by an earlier try; this one has only asked
	Err   error
}

// Error says what is waited for.
func (e *LaterError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *LaterError) Unwrap() error { return e.Err }

// Report is something that is told now and then, and is of no one alert.
type Report struct {
	Name string // what it is, like "weekly"
	Body json.RawMessage
}

// Delivery is one thing the outbox still has to bring to one sink. It is handed out again until
// the sink takes it, so a sink must make no difference between the first time and a repeat.
type Delivery struct {
	Key      string // idempotency key, the same at every try: alert ID, change number and sink name
	Seq      int64  // the alert's change that it tells of: of two, the higher is the newer
	Sink     string // name of the sink's stanza
	Kind     DeliveryKind
	WinnowID string        // signed alert ID, written into everything winnow creates
	Record   winnow.Record // the outcome to tell
	Alert    winnow.Alert  // the alert's own fields and identity

	// Checkpoint is what DeliverEvent tells of in place of an outcome, nil for an outcome.
	Checkpoint *audit.Checkpoint

	// Cost is what DeliverEvent tells of in place of an outcome, nil for an outcome.
	Cost *Cost `json:",omitempty"`

	// Report is what DeliverEvent tells of in place of an outcome, nil for an outcome.
	Report *Report `json:",omitempty"`

	// CommentOnly asks DeliverUpdate to add a comment and change nothing else (run = assist).
	CommentOnly bool

	// Late says why the alert is not triaged yet, when that is what has to be told: there is no outcome.
	// "" for an outcome.
	Late winnow.Reason

	// Page is what DeliverPage tells, nil for other kinds.
	Page *Page `json:",omitempty"`

	// Jobs are the runs of the alert action that DeliverResponse answers; the zero Job is the one of the alert's key.
	Jobs []winnow.Job `json:",omitempty"`
}
