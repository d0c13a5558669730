package allowlist

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

// Approvals says which rules may drop what needs more than their author. The worker checks the
// signatures and publishes what it found, so that the alert action need not. A nil *Approvals
// approves nothing. Not changed once read.
type Approvals struct {
	Rules map[string]Approval `json:"rules"` // by id
}

// Approval is one rule whose signatures are good.
type Approval struct {
	Hash  string    `json:"hash"`  // of the rule's canonical text: another version is not approved
	By    []string  `json:"by"`    // who signed
	Until time.Time `json:"until"` // when the first of the needed signatures ceases to count; zero: never
}

// Needed returns how many people beside its owner have to sign a rule for it to drop anything: two
// above medium, one where every enforced rule is signed.
func Needed(r *rules.Rule, everyRule bool) int {
	switch {
	case r.Mode != rules.ModeEnforce:
		return 0
	case !r.MaxSeverity.Within(winnow.SeverityMedium):
		return 2
	case everyRule:
		return 1
	}
	return 0
}

// HashOf returns the hash of a rule's canonical text, see [rules.Rule.Canonical].
func HashOf(r *rules.Rule) string {
	sum := sha256.Sum256(r.Canonical())
	return hex.EncodeToString(sum[:])
}

// Covers reports whether a rule, as it is, was approved at a time.
func (a *Approvals) Covers(r *rules.Rule, at time.Time) bool {
	if a == nil {
		return false
	}
	one, ok := a.Rules[r.ID]
	return ok && one.Hash == HashOf(r) && (one.Until.IsZero() || at.Before(one.Until))
}

// approved reports whether nobody has to sign the rule any more.
func (g *Gate) approved(r *rules.Rule, a *winnow.Alert) bool {
	return Needed(r, g.SignEvery) == 0 || g.Approvals.Covers(r, a.Received)
}

// maxApprovalsFile bounds what is read at every alert.
const maxApprovalsFile = 16 << 20

// ReadApprovals reads what the worker has published. Where it has not, nothing is approved.
func ReadApprovals(path string) (*Approvals, error) {
	info, err := os.Stat(path)
	if path == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nothing is approved
	}
	if err == nil && info.Size() > maxApprovalsFile {
		err = fmt.Errorf("%s has %d bytes, more than %d", path, info.Size(), maxApprovalsFile)
	}
	if err != nil {
		return nil, fmt.Errorf("read approvals: %w", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read approvals: %w", err)
	}
	return ParseApprovals(path, data)
}

// ParseApprovals reads the file's text.
func ParseApprovals(path string, data []byte) (*Approvals, error) {
	var a Approvals
	err := decodeStrictly(data, &a)
	if err == nil && a.Rules == nil {
		err = errors.New(`"rules" is missing`)
	}
	if err != nil {
		return nil, fmt.Errorf("read approvals: %s: %w (the worker writes it anew when it starts)", path, err)
	}
	return &a, nil
}

// Encode returns the file's text.
func (a *Approvals) Encode() []byte {
	out := Approvals{Rules: map[string]Approval{}}
	if a != nil && a.Rules != nil {
		out.Rules = a.Rules
	}
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		panic("allowlist: approvals do not encode: " + err.Error())
	}
	return append(data, '\n')
}
