package triage

import (
	"fmt"
	"time"

	"github.com/winnow-soc/winnow/plugin/ledger"
)

// CommandAcknowledge marks an [Acknowledgement] among spool commands.
const CommandAcknowledge = "acknowledge"

// Acknowledgement is a person's word that the pages of an alert's group are in somebody's hands.
type Acknowledgement struct {
	Command string `json:"command"`
	ID      string `json:"id"`
	Actor   string `json:"actor"`
}

// maxWho is the longest name of a person, in bytes.
const maxWho = 200

// Validate says what is missing.
func (a *Acknowledgement) Validate() error {
	switch {
	case a.Command != CommandAcknowledge:
		return fmt.Errorf("%w: %q is not a command of this program", ErrRefused, a.Command)
	case a.ID == "":
		return fmt.Errorf("%w: no alert id", ErrRefused)
	case a.Actor == "" || len(a.Actor) > maxWho:
		return fmt.Errorf("%w: nobody is named who has it, or the name has more than %d bytes: give --by NAME", ErrRefused, maxWho)
	}
	return nil
}

// DecodeAcknowledgement reads the body of a spool command.
func DecodeAcknowledgement(body []byte) (a Acknowledgement, err error) {
	if err := DecodeCommand(body, &a); err != nil {
		return a, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return a, a.Validate()
}

// Acknowledge keeps that somebody has the pages of an alert's group: nobody else is paged for it. It returns how many
// were open.
func (e *Engine) Acknowledge(t *ledger.Tx, id, actor string) (n int, err error) {
	entry, err := t.Alert(id)
	if err != nil {
		return 0, err
	}
	rec, err := t.Record(id)
	if err != nil {
		return 0, err
	}
	rows, err := t.PagesOf(ledger.PageGroup(&entry))
	if err != nil {
		return 0, err
	}
	for i := range rows {
		p := &rows[i]
		if p.State != ledger.PageOpen && p.State != ledger.PageHeld {
			continue
		}
		told := p.State == ledger.PageOpen
		p.State, p.Due, p.Actor = ledger.PageAcknowledged, time.Time{}, actor
		if err := t.PutPage(p); err != nil {
			return n, err
		}
		if n++; !told {
			continue
		}
		if err := e.postPage(t, p, ledger.PageAcknowledge, actor, &rec, &entry.Alert); err != nil {
			return n, err
		}
	}
	return n, nil
}
