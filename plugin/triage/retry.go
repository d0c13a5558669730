package triage

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// CommandRetry is the name of the spool command that a [Retry] is.
const CommandRetry = "retry"

// CauseUnaudited takes the alerts that wait for a person only because their close could not be audited. It is
// no cause of a failed try.
const CauseUnaudited queue.Cause = "unaudited"

// ErrRetryRefused is wrapped by errors that say why a retry can never be carried out.
var ErrRetryRefused = errors.New("retry refused")

// Retry asks to try alerts again now: those that wait for their next try, and those that were given up; or
// the events that a sink did not take.
type Retry struct {
	Command string `json:"command"` // "retry"

	// Exactly one of these is set.
	IDs   []string    `json:"ids"`
	Cause queue.Cause `json:"cause"` // all that failed because of it
	All   bool        `json:"all"`
	Sink  string      `json:"sink"` // the events for this sink that wait or were given up

	Actor string `json:"actor"`
}

// Retried says what a retry did.
type Retried struct {
	Ready    int `json:"ready"`    // waited, and are due now
	Requeued int `json:"requeued"` // had been given up, and are triaged again
	Past     int `json:"past"`     // of the IDs: alerts that have another outcome by now
	Left     int `json:"left"`     // given up too, but beyond what one command takes

	Deliveries int `json:"deliveries"` // events that are due now
}

// Bounds of a retry.
const (
	maxRetryIDs = 1000
	maxRequeued = 10_000 // in one transaction
)

// Encode returns the body of the spool command.
func (r Retry) Encode() ([]byte, error) {
	r.Command = CommandRetry
	if err := r.validate(); err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

// DecodeRetry reads the body of a spool command: one retry, whole and with nothing else.
func DecodeRetry(body []byte) (r Retry, err error) {
	if err := DecodeCommand(body, &r); err != nil {
		return Retry{}, fmt.Errorf("%w: %w", ErrRetryRefused, err)
	}
	return r, r.validate()
}

func (r *Retry) validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrRetryRefused, fmt.Sprintf(format, args...))
	}
	said := 0
	for _, set := range []bool{len(r.IDs) > 0, r.Cause != "", r.All, r.Sink != ""} {
		if set {
			said++
		}
	}
	_, badCause := queue.ParseCause(string(r.Cause))
	if r.Cause == CauseUnaudited {
		badCause = nil
	}
	switch {
	case r.Command != CommandRetry:
		return bad("%q is not a command of this program", r.Command)
	case said != 1:
		return bad("name IDs, or give one of --all, --cause CAUSE and --sink NAME")
	case r.Cause != "" && badCause != nil:
		return bad("%v", badCause)
	case len(r.IDs) > maxRetryIDs:
		return bad("%d IDs are too many for one command (at most %d)", len(r.IDs), maxRetryIDs)
	case r.Actor == "":
		return bad("nobody is named who asks: give --by NAME")
	case len(r.Actor) > maxRecallActor:
		return bad("who asks is too long")
	}
	return nil
}

// gaveUp reports whether the last outcome of an alert is that it was given up. Nobody has decided about it since.
func gaveUp(rec *winnow.Record) bool {
	return strings.HasPrefix(string(rec.Outcome.Reason), string(winnow.ReasonGaveUp)+":")
}

// unaudited reports whether an alert waits for a person only because its close could not be audited.
func unaudited(rec *winnow.Record) bool {
	o := &rec.Outcome
	return o.Reason == winnow.ReasonUnaudited && (o.State == winnow.StateEscalated || o.State == winnow.StateInReview)
}

// MayRetry reports whether a retry of the alert does anything: it waits, was given up, or could not be closed for
// want of an audit chain.
func MayRetry(rec *winnow.Record) bool {
	return rec.Outcome.State == winnow.StateQueued || gaveUp(rec) || unaudited(rec)
}

// Retry carries a retry out.
func (e *Engine) Retry(t *ledger.Tx, r Retry) (done Retried, err error) {
	if len(r.IDs) > 0 {
		for _, id := range r.IDs {
			if err := e.retryOne(t, &done, id, r.Actor); err != nil {
				return done, err
			}
		}
		return done, nil
	}
	if r.Sink != "" {
		done.Deliveries, err = t.Redeliver(r.Sink, e.Now())
		return done, err
	}
	ids, err := e.retried(t, r.Cause, &done)
	if err != nil {
		return done, err
	}
	done.Left = max(len(ids)-maxRequeued, 0)
	for _, id := range ids[:len(ids)-done.Left] {
		if err := e.Requeue(t, id, winnow.ReasonAdhoc, "retried by "+r.Actor); err != nil {
			return done, err
		}
		done.Requeued++
	}
	return done, nil
}

// retried makes due what waits because of a cause, and returns what is triaged again. What was escalated
// stays with people whatever comes of it, see spokenFor.
func (e *Engine) retried(t *ledger.Tx, cause queue.Cause, done *Retried) (ids []string, err error) {
	if cause == CauseUnaudited {
		if broken := e.Ledger.Unaudited(); broken != nil {
			return nil, fmt.Errorf("%w: nothing can be audited yet, so they would come back: %w", ErrRetryRefused, broken)
		}
		return t.UnauditedIDs()
	}
	if done.Ready, err = queue.MakeAllReady(t.Context(), t.Conn(), cause); err != nil {
		return nil, err
	}
	return t.GaveUp(string(cause))
}

func (e *Engine) retryOne(t *ledger.Tx, done *Retried, id, by string) error {
	waits, err := queue.MakeReady(t.Context(), t.Conn(), id)
	if err != nil {
		return err
	}
	if waits {
		done.Ready++
		return nil
	}
	rec, err := t.Record(id)
	switch {
	case errors.Is(err, ledger.ErrNotFound) || err == nil && !gaveUp(&rec) && !unaudited(&rec):
		done.Past++
		return nil
	case err != nil:
		return err
	}
	done.Requeued++
	return e.Requeue(t, id, winnow.ReasonAdhoc, "retried by "+by)
}
