package triage

import (
	"encoding/json"
	"fmt"
	"time"
)

// ReconcileSpan asks to compare what was fired in [From, To).
type ReconcileSpan struct {
	Command string    `json:"command"` // "reconcile": what kind of spool command this is
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Actor   string    `json:"actor"`
}

// CommandReconcile is the name of the spool command.
const CommandReconcile = "reconcile"

// maxAsked bounds what people may ask for at a time.
const maxAsked = 100

// Encode returns the body of the spool command.
func (s ReconcileSpan) Encode() ([]byte, error) {
	s.Command = CommandReconcile
	if err := s.validate(); err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// DecodeReconcile reads the body of a spool command: one span, whole and with nothing else.
func DecodeReconcile(body []byte) (s ReconcileSpan, err error) {
	if err := DecodeCommand(body, &s); err != nil {
		return s, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return s, s.validate()
}

// maxSpan is the most that can be asked for: Splunk keeps its own logs about that long.
const maxSpan = 31 * 24 * time.Hour

func (s *ReconcileSpan) validate() error {
	switch {
	case s.Command != CommandReconcile:
		return fmt.Errorf("%w: %q is not a command of this program", ErrRefused, s.Command)
	case !s.From.Before(s.To):
		return fmt.Errorf("%w: it ends at %s, before it begins", ErrRefused, s.To.Format(time.RFC3339))
	case s.To.Sub(s.From) > maxSpan:
		return fmt.Errorf("%w: more than 31 days at once", ErrRefused)
	case len(s.Actor) > maxRecallActor:
		return fmt.Errorf("%w: the name of who asks is too long", ErrRefused)
	}
	return nil
}
