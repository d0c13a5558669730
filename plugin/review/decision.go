// Package review is what people decide: which alerts wait for them, and what becomes of an alert,
// of its group and of what was derived from it when they have. A decision is carried out by the
// worker, the ledger's one writer; commands hand it over as a spool record.
package review

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

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

// Decision is one person's decision about an alert. An approval, and any decision that closes,
// binds to the record that the person saw: when the alert has changed since, it is refused. A
// decision that raises an alert holds whatever has happened.
type Decision struct {
	Command     string             `json:"command"` // always "review": what kind of spool command this is
	Action      Action             `json:"action"`
	ID          string             `json:"id"`
	Disposition winnow.Disposition `json:"disposition"` // of correct
	Actor       string             `json:"actor"`       // who decided
	Reason      string             `json:"reason"`
	Only        bool               `json:"only"` // this alert alone, not the others of its group
	Seq         int64              `json:"seq"`  // number of the record that the person saw
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

// Decode reads the body of a spool command: one decision, whole and with nothing else.
func Decode(body []byte) (Decision, error) {
	var d Decision
	if err := decodeAlone(body, &d); err != nil {
		return d, err
	}
	if d.Command != commandName {
		return d, fmt.Errorf("%w: %q is not a command of this program", ErrRefused, d.Command)
	}
	return d, d.validate()
}

// decodeAlone reads one JSON object with known keys and nothing else.
func decodeAlone(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w: read decision: %w", ErrRefused, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: read decision: something follows it", ErrRefused)
	}
	return nil
}

// Bounds of what a person may write, in bytes: it becomes part of records and comments in Splunk.
const (
	maxReason = 2000
	maxActor  = 200
)

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
	case len(d.Actor) > maxActor:
		return fmt.Errorf("%w: the name of who decides has %d bytes, more than %d", ErrRefused, len(d.Actor), maxActor)
	case len(d.Reason) > maxReason:
		return fmt.Errorf("%w: the reason has %d bytes, more than %d", ErrRefused, len(d.Reason), maxReason)
	case d.Action == Correct && d.Disposition == winnow.Undetermined:
		return fmt.Errorf("%w: correct needs a disposition: give --as NAME (TruePositive, BenignPositive, FalsePositiveLogic, FalsePositiveData or Other)", ErrRefused)
	}
	return nil
}
