// Package audit is the chain of what winnow decided and did: how an entry is encoded and hashed, how the
// head of the chain is signed, and how a chain is held against its hashes and against heads that were
// kept elsewhere. It stores nothing; package ledger does. docs/records.md describes the encoding for
// others who want to check a chain.
package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Hash is a SHA-256. Its text is hex.
type Hash [sha256.Size]byte

// String returns the hash as hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether it is no hash: what stands before the first entry.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText writes hex.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads hex of exactly one hash.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return fmt.Errorf("a hash has %d hex digits, not %d", hex.EncodedLen(len(h)), len(text))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// Sum is the hash of parts. No two lists of parts have the same encoding.
func Sum(parts ...[]byte) Hash {
	h := sha256.New()
	var size [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write(p)
	}
	return Hash(h.Sum(nil))
}

// Kind says what an entry tells of.
type Kind string

// The kinds. Their bodies are the types of the same names, in body.go.
const (
	KindBegin         Kind = "begin"         // the chain begins
	KindAdopted       Kind = "adopted"       // a record that was there before the chain
	KindRecord        Kind = "record"        // an alert has a new record: a decision
	KindLate          Kind = "late"          // a record that could not be audited when it was made
	KindReview        Kind = "review"        // a person decided
	KindDelivered     Kind = "delivered"     // a sink took a delivery
	KindRecall        Kind = "recall"        // somebody asked to triage again what was dropped
	KindSuspensions   Kind = "suspensions"   // other rules, values or verdicts are out of force
	KindRules         Kind = "rules"         // other rules, lists or escalate list
	KindApprovals     Kind = "approvals"     // other approvals of rules
	KindConfiguration Kind = "configuration" // other settings, policy, prompts or tables
	KindMode          Kind = "mode"          // a mode was switched on or off
	KindGate          Kind = "gate"          // the stop switch was turned
	KindRetention     Kind = "retention"     // old alerts, or old entries, were removed
	KindFields        Kind = "fields"        // old alerts lost their fields
	KindBudget        Kind = "budget"        // a person raised a limit of money for a time, or ended that
	KindAction        Kind = "action"        // a step of a response action
	KindAccepted      Kind = "accepted"      // a person accepts that the chain is broken, and goes on
)

// Kinds are all of them.
var Kinds = []Kind{
	KindBegin, KindAdopted, KindRecord, KindLate, KindReview, KindDelivered, KindRecall, KindSuspensions, KindRules,
	KindApprovals, KindConfiguration, KindMode, KindGate, KindRetention, KindFields, KindBudget, KindAction, KindAccepted,
}

// Entry is one link of the chain.
type Entry struct {
	Seq     int64  // from 1 on, without a gap
	At      int64  // microseconds since 1970
	Kind    Kind   // what it tells of
	Subject string // the alert's ID, "" where it is not about one
	Body    []byte // JSON, see [Canonical]
}

// entryDomain begins what is hashed, so that an entry's hash is nothing else's.
const entryDomain = "winnow:audit:v1\n"

// AppendEncoding appends what an entry's hash is taken over: the domain, the hash of the entry before
// it, number and time as 8 bytes each, and kind, subject and body, each with its length as 4 bytes.
// Numbers are big-endian.
func (e *Entry) AppendEncoding(dst []byte, before Hash) []byte {
	dst = append(dst, entryDomain...)
	dst = append(dst, before[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.Seq)) //nolint:gosec // two's complement
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.At))  //nolint:gosec // the same
	dst = appendPart(dst, string(e.Kind))
	dst = appendPart(dst, e.Subject)
	return appendPart(dst, e.Body)
}

func appendPart[T string | []byte](dst []byte, part T) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(part))) //nolint:gosec // no part comes near 4 GiB: SQLite holds less
	return append(dst, part...)
}

// Hash is the entry's own hash, given that of the entry before it.
func (e *Entry) Hash(before Hash) Hash {
	var room [512]byte
	return sha256.Sum256(e.AppendEncoding(room[:0], before))
}

// Time returns when it happened.
func (e *Entry) Time() time.Time { return time.UnixMicro(e.At).UTC() }

// Canonical returns the JSON of a body: keys in the order of their bytes, no spaces, < > & as they are.
// The bodies of this package have their fields in that order, so that they need not be sorted.
func Canonical(body any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return nil, fmt.Errorf("audit: encode %T: %w", body, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
