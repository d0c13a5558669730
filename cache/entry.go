package cache

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
)

// Entry is a benign verdict worth recalling.
type Entry struct {
	AlertID     string // the alert that was judged; revoking its verdict revokes the entry
	SearchName  string
	Severity    winnow.Severity // of the alert that was judged
	Disposition winnow.Disposition
	Source      winnow.Source // who judged: model or person
	Confidence  int           // calibrated, 0 to 100
	Facts       []string      // the benign facts the verdict rests on
	At          time.Time     // the first instant at which it holds: when the judged alert was received
	Expires     time.Time     // the first instant at which it no longer holds
}

// Keep makes the entry of a verdict that was reached at an instant. It holds for alerts received
// from the judged one on, so that those which queued up behind it are covered, until ttl after
// the verdict. at must come from the clock that look-ups use: for alerts from files that is the
// alerts' own time. The error says why a verdict may not be kept, and is not a failure: such an
// alert is simply judged again.
func Keep(a *winnow.Alert, v *winnow.Verdict, at time.Time, ttl time.Duration) (Entry, error) {
	e := Entry{
		AlertID: a.ID, SearchName: a.SearchName, Severity: a.Severity,
		Disposition: v.Disposition, Source: v.Source, Confidence: v.Confidence,
		Facts: slices.Clone(v.Facts), At: at, Expires: at.Add(ttl),
	}
	if !a.Received.IsZero() && a.Received.Before(at) {
		e.At = a.Received
	}
	if ttl <= 0 {
		return e, errors.New("verdicts are kept for no time at all")
	}
	return e, e.Keepable(len(v.Taint) > 0)
}

// Keepable says why an entry may not be kept, or nil. Only what a model or a person found benign
// in untainted text is kept. Rules and offline analysts are cheap enough to ask again, and what
// came out of the cache must not prolong itself.
func (e Entry) Keepable(tainted bool) error {
	switch {
	case !e.Disposition.Benign():
		return fmt.Errorf("disposition %s is not benign", e.Disposition)
	case tainted:
		return errors.New("the alert's text is tainted")
	case e.Source != winnow.SourceModel && e.Source != winnow.SourcePerson:
		return fmt.Errorf("verdicts of source %q are not kept", e.Source)
	case e.AlertID == "":
		return errors.New("no alert id to revoke it by")
	case !e.Expires.After(e.At):
		return errors.New("it expires when it starts")
	}
	return e.fits()
}

// Limits of one entry. Real ones are far below.
const (
	maxAlertID = 64
	maxSearch  = 4 << 10
	maxFacts   = 64
	maxFact    = 1 << 10
)

func (e Entry) fits() error {
	if len(e.AlertID) > maxAlertID || len(e.SearchName) > maxSearch || len(e.Facts) > maxFacts {
		return errors.New("it is too large")
	}
	for _, f := range e.Facts {
		if len(f) > maxFact {
			return errors.New("it is too large")
		}
	}
	if e.Confidence < 0 || e.Confidence > 100 {
		return fmt.Errorf("confidence %d is not between 0 and 100", e.Confidence)
	}
	return nil
}

// Holds reports whether the entry is valid at an instant: not before the judged alert was there,
// so that a clock set back prolongs nothing, and not once it has expired.
func (e Entry) Holds(now time.Time) bool {
	return !now.Before(e.At) && now.Before(e.Expires)
}

// Covers reports whether the verdict may speak for an alert: not for one that is more severe than
// the alert that was judged. The ceilings of the policy hold besides.
func (e Entry) Covers(a *winnow.Alert) bool {
	return a.Severity.Within(e.Severity)
}
