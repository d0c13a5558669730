package triage

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/winnow-soc/winnow"
)

// Recall asks to take a rule, a value of a list or a version of the rules out of force, and to triage
// again what was dropped because of it. With Resume it asks to put it into force again.
type Recall struct {
	Command string `json:"command"` // "recall" or "resume": what kind of spool command this is

	// Exactly one of Rule, List with Value, and Version is set.
	Rule    string `json:"rule"`
	List    string `json:"list"`
	Value   string `json:"value"`
	Version string `json:"version"`

	Since  time.Time `json:"since"` // zero: from the beginning
	Only   string    `json:"only"`  // a condition on what is triaged again, "" for everything
	Actor  string    `json:"actor"`
	Reason string    `json:"reason"`
}

// The names of the spool commands.
const (
	CommandRecall = "recall"
	CommandResume = "resume"
)

// ErrRefused is wrapped by errors that say why a recall can never be carried out.
var ErrRefused = errors.New("recall refused")

// Bounds of what a command may hold, in bytes.
const (
	maxRecallText  = 2000
	maxRecallOnly  = 16 << 10
	maxRecallActor = 200
)

// Encode returns the body of the spool command.
func (r Recall) Encode() ([]byte, error) {
	if err := r.validate(); err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

// DecodeRecall reads the body of a spool command: one recall, whole and with nothing else.
func DecodeRecall(body []byte) (r Recall, err error) {
	if err := DecodeCommand(body, &r); err != nil {
		return r, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return r, r.validate()
}

func (r *Recall) validate() error {
	targets := 0
	for _, text := range []string{r.Rule, r.List, r.Version} {
		if text != "" {
			targets++
		}
	}
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
	}
	switch {
	case r.Command != CommandRecall && r.Command != CommandResume:
		return bad("%q is not a command of this program", r.Command)
	case targets != 1 || (r.List == "") != (r.Value == ""):
		return bad("name one of a rule ID, --list NAME=VALUE and --version sha256:...")
	case r.Actor == "":
		return bad("nobody is named who asks: give --by NAME")
	case len(r.Actor) > maxRecallActor || len(r.Reason) > maxRecallText || len(r.Only) > maxRecallOnly:
		return bad("who asks, the reason or the condition is too long")
	case len(r.target()) > maxRecallText || strings.ContainsFunc(r.target(), func(c rune) bool { return !unicode.IsPrint(c) }):
		return bad("%q cannot be a rule, a value or a version", r.target())
	case r.Version != "" && !strings.HasPrefix(r.Version, "sha256:"):
		return bad("a version is sha256:... as `winnow ledger export` shows it in proposal.ruleset")
	}
	return nil
}

// target names what is recalled.
func (r *Recall) target() string {
	switch {
	case r.List != "":
		return "list:" + r.List + "=" + r.Value
	case r.Version != "":
		return "version:" + r.Version
	}
	return r.Rule
}

// recallReason is what the records of alerts that are triaged again say, and what they are booked on: a word
// from a list that is not endless, so it holds no value of a list.
func (r *Recall) recallReason() winnow.Reason {
	name := r.target()
	switch {
	case r.List != "":
		name = "list:" + r.List
	case r.Version != "":
		name = "version:" + r.Version[:min(len(r.Version), len("sha256:")+12)]
	}
	return winnow.ReasonRecall + ":" + winnow.Reason(name)
}

// isRecalled reports whether an alert is triaged again because of a recall.
func isRecalled(p winnow.Proposal) bool {
	return strings.HasPrefix(string(p.Reason), string(winnow.ReasonRecall)+":")
}

// What names the target in a sentence.
func (r *Recall) What() string {
	switch {
	case r.List != "":
		return fmt.Sprintf("value %q of list %s", r.Value, r.List)
	case r.Version != "":
		return "rule set " + r.Version
	}
	return "rule " + r.Rule
}
