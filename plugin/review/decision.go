// Package review is what people decide: which alerts wait for them, and what becomes of an alert,
// of its group and of what was derived from it when they have. A decision is carried out by the
// worker, the ledger's one writer; commands hand it over as a spool record.
package review

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/winnow-soc/winnow"
)

// Action is what a person does with an alert.
type Action string

// The actions.
const (
	Approve Action = "approve" // winnow's verdict is right: carry it out
	Reject  Action = "reject"  // winnow's verdict is wrong or not enough: escalate
	Correct Action = "correct" // the person says what it was
)

// Decision is one person's decision about an alert. It binds to the record that the person saw:
// when the alert has changed since, it is refused.
type Decision struct {
	Command     string             `json:"command"` // always "review": what kind of spool command this is
	Action      Action             `json:"action"`
	ID          string             `json:"id"`
	Disposition winnow.Disposition `json:"disposition"` // of correct
	Actor       string             `json:"actor"`       // who decided
	Reason      string             `json:"reason"`
	Only        bool               `json:"only"` // this alert alone, not the others of its group
}

// commandName marks a decision among spool commands.
const commandName = "review"

// ErrRefused is wrapped by errors that say why a decision was not carried out.
var ErrRefused = errors.New("decision refused")

// Encode returns the body of the spool command.
func (d Decision) Encode() ([]byte, error) {
	d.Command = commandName
	if err := d.validate(); err != nil {
		return nil, err
	}
	return json.Marshal(d)
}

// Decode reads the body of a spool command.
func Decode(body []byte) (Decision, error) {
	var d Decision
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return d, fmt.Errorf("%w: read decision: %w", ErrRefused, err)
	}
	if d.Command != commandName {
		return d, fmt.Errorf("%w: %q is not a command of this program", ErrRefused, d.Command)
	}
	return d, d.validate()
}

// maxReason bounds what a person may write: it becomes part of a comment in Splunk.
const maxReason = 2000

func (d Decision) validate() error {
	switch d.Action {
	case Approve, Reject, Correct:
	default:
		return fmt.Errorf("%w: unknown action %q (want approve, reject or correct)", ErrRefused, d.Action)
	}
	switch {
	case d.ID == "":
		return fmt.Errorf("%w: no alert id", ErrRefused)
	case d.Actor == "":
		return fmt.Errorf("%w: nobody is named who decides: give --by NAME", ErrRefused)
	case len(d.Reason) > maxReason:
		return fmt.Errorf("%w: the reason has %d bytes, more than %d", ErrRefused, len(d.Reason), maxReason)
	case d.Action == Correct && d.Disposition == winnow.Undetermined:
		return fmt.Errorf("%w: correct needs a disposition (TruePositive, BenignPositive, FalsePositiveLogic, FalsePositiveData or Other)", ErrRefused)
	}
	return nil
}
