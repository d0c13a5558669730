package audit

import "time"

// The bodies of entries. Their keys are in order, see [Canonical]: keep them so. What is long, or an
// attacker's text, stands here as its hash.

// Begin is the body of the first entry.
type Begin struct {
	Alerts int `json:"alerts"` // that were there before the chain
}

// Record is the body of record, adopted and late: what, who and why, and the hash of what it rests on.
type Record struct {
	Actor  string `json:"actor"`
	Alert  Hash   `json:"alert,omitzero"` // of the alert as it came in, with its first entry
	Links  Hash   `json:"links,omitzero"` // of derived_from, joined and recommendations, when there are some
	N      int64  `json:"n"`              // number of the record among those of its alert, from 1 on
	Reason string `json:"reason"`
	Record Hash   `json:"record"` // SHA-256 of the record's JSON as the ledger keeps it, without its cost
	State  string `json:"state"`
	Would  string `json:"would,omitempty"`
}

// Review is the body of a person's decision.
type Review struct {
	Action      string `json:"action"`
	Actor       string `json:"actor"`
	Disposition string `json:"disposition"`
	Reason      string `json:"reason"`
	Weak        bool   `json:"weak,omitempty"` // one of many at once: nothing rests on it
}

// Delivered is the body of a write-back.
type Delivered struct {
	Key  string `json:"key"` // idempotency key, as it stands in what was written
	Kind string `json:"kind"`
	Ref  string `json:"ref,omitempty"` // the receiver's own name for it, the number of a ticket say
	Sink string `json:"sink"`
}

// Action is the body of a step of a response action. Its target stands in Binds.
type Action struct {
	Action string `json:"action"`        // its ID
	Actor  string `json:"actor"`         // "" for winnow itself
	Binds  Hash   `json:"binds"`         // hash of action, target and evidence
	Dry    bool   `json:"dry,omitempty"` // nothing is carried out
	Kind   string `json:"kind"`
	Reason string `json:"reason"`
	Step   string `json:"step"` // a state of the action, or approve and reject
	Undo   bool   `json:"undo,omitempty"`
}

// Recall is the body of a recall.
type Recall struct {
	Actor  string `json:"actor"`
	Body   Hash   `json:"body"` // SHA-256 of the whole command
	Reason string `json:"reason"`
	Target string `json:"target"`
}

// Change is the body of rules, configuration, approvals and suspensions: what was in force before and
// since. Content is the hash of a manifest in the archive.
type Change struct {
	By      string   `json:"by,omitempty"`
	Changed []string `json:"changed"` // names of the files that differ
	Content Hash     `json:"content"`
	New     string   `json:"new"` // version, as records have it
	Old     string   `json:"old"`
	Reason  string   `json:"reason,omitempty"`
}

// Mode is the body of a change of mode.
type Mode struct {
	By     string     `json:"by"`
	New    string     `json:"new"` // "" for none
	Old    string     `json:"old"`
	Reason string     `json:"reason"`
	Until  *time.Time `json:"until"`
}

// Gate is the body of a turn of the stop switch.
type Gate struct {
	At  *time.Time `json:"at"` // when it was turned, nil: not known
	By  string     `json:"by"`
	Off bool       `json:"off"`
}

// Budget is the body of a raise of a limit of money, or of its end.
type Budget struct {
	Actor   string     `json:"actor"`
	NanoUSD int64      `json:"nanousd"` // that the limits of the scope are raised by; 0: they are no more
	Reason  string     `json:"reason"`
	Scope   string     `json:"scope"` // total, search:NAME, team:NAME or model:NAME
	Until   *time.Time `json:"until"` // null with 0
}

// Retention is the body of a removal.
type Retention struct {
	Alerts        int    `json:"alerts"`        // removed
	Configuration Hash   `json:"configuration"` // manifest that was in force at the first entry that stays
	Head          Hash   `json:"head,omitzero"` // hash of the last entry that was removed: the rest begins with it
	Received      int64  `json:"received"`      // the newest of the removed alerts, microseconds since 1970
	Rules         Hash   `json:"rules"`         // the same of the rules
	RulesVersion  string `json:"rules_version"`
	Through       int64  `json:"through"`         // the last entry that was removed, 0 for none
	Until         int64  `json:"until,omitempty"` // the newest time of all entries that were removed, microseconds since 1970
}

// Fields is the body of a removal of fields: one for all alerts that lost theirs together. The entry's time is
// what these alerts say of when it was.
type Fields struct {
	Alerts int   `json:"alerts"`
	Digest Hash  `json:"digest"` // of their IDs, and the hashes of what is left of them, in the order of the IDs
	From   int64 `json:"from"`   // when the oldest of them was received, microseconds since 1970
	To     int64 `json:"to"`     // and the newest
}

// Accepted is the body of an entry after which the chain goes on although it is broken before it.
type Accepted struct {
	Actor  string `json:"actor"`
	Broken string `json:"broken"` // what was wrong
	Reason string `json:"reason"`
}
