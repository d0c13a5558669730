package triage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Named values of the ledger: when retention last ran, and the doubt about the clock.
const (
	retainedMeta = "retained"
	doubtMeta    = "retention_clock"
)

const (
	// clockTrust is how far the clock may be ahead of the last run of retention without doubt, and how long it has
	// to go on evenly before it is believed: a clock that was set forward by mistake is noticed by then.
	clockTrust = 24 * time.Hour

	// clockGap is how much of the time between two workers counts as running: nobody saw what the clock
	// did meanwhile. A worker that is started every few minutes gets to its day by this.
	clockGap = 2 * time.Hour

	// clockLost is the gap between two workers after which the day begins anew.
	clockLost = 31 * 24 * time.Hour
)

// ClockDoubt is a clock that is so far ahead that nothing is removed by age: what is gone does not come back
// when the clock does. It is kept in the ledger, so a worker that starts anew knows of it.
type ClockDoubt struct {
	Last   time.Time     `json:"last"`   // until then the clock was right, as far as is known
	Looked time.Time     `json:"looked"` // what it said at the last look
	Ran    time.Duration `json:"ran"`    // how long it has gone on evenly, in nanoseconds
}

// Ahead is how far the clock is ahead of what is known.
func (d ClockDoubt) Ahead() time.Duration { return d.Looked.Sub(d.Last) }

// Left is how long it has to go on until it is believed.
func (d ClockDoubt) Left() time.Duration { return max(clockTrust-max(d.Ran, 0), 0) }

// ReadClockDoubt returns the doubt about the clock; found is false when there is none.
func ReadClockDoubt(t *ledger.Tx) (d ClockDoubt, found bool, err error) {
	text, err := t.Meta(doubtMeta)
	if err != nil || text == "" {
		return d, false, err
	}
	if json.Unmarshal([]byte(text), &d) != nil {
		return ClockDoubt{}, false, nil //nolint:nilerr // as an earlier version wrote it: the day begins anew
	}
	return d, true, nil
}

// ClockAhead returns how far the clock is ahead while there is doubt about it, else 0.
func ClockAhead(t *ledger.Tx) (time.Duration, error) {
	d, found, err := ReadClockDoubt(t)
	if err != nil || !found {
		return 0, err
	}
	return d.Ahead(), nil
}

// clockDoubt reports whether the clock may be wrong: it is far ahead of the last run, and has neither gone on
// evenly for long enough nor been confirmed.
func (w *Worker) clockDoubt(ctx context.Context, now time.Time) (doubt bool, err error) {
	judged := w.judged
	w.judged = now
	err = w.Engine.Update(ctx, func(t *ledger.Tx) error {
		last, err := Retained(t)
		if err != nil {
			return err
		}
		if last.IsZero() || now.Sub(last) <= clockTrust {
			return t.SetMeta(doubtMeta, "")
		}
		d, found, err := ReadClockDoubt(t)
		if err != nil {
			return err
		}
		step, even := d.step(now, judged)
		if !found || !even {
			w.Log.Warn("nothing is removed: the clock is far ahead of the last run; it is believed after a day of running, or on "+
				"`winnow ledger clock --confirm`", "last", last, "now", now)
			d, step = ClockDoubt{}, 0
		}
		d.Last, d.Looked, d.Ran = last.UTC(), now.UTC(), max(d.Ran, 0)+step
		if d.Ran >= clockTrust {
			w.Log.Info("the clock is believed: it has gone on evenly for a day", "last", last, "now", now)
			return trustClock(t, now)
		}
		doubt = true
		text, err := json.Marshal(d)
		if err != nil {
			return err
		}
		return t.SetMeta(doubtMeta, string(text))
	})
	return doubt, err
}

// step returns how much of the time since the last look counts, and whether the clock was not set in between.
// judged is when this worker last looked, zero where it is its first look.
func (d *ClockDoubt) step(now, judged time.Time) (counts time.Duration, even bool) {
	gap := now.Round(0).Sub(d.Looked.Round(0))
	if gap < 0 || gap > clockLost {
		return 0, false
	}
	if judged.IsZero() {
		return min(gap, clockGap), true
	}
	passed := now.Sub(judged) // by the clock that nobody can set, where the times know it
	return max(min(gap, passed), 0), (gap - passed).Abs() <= clockTrust
}

// Retained returns when retention last ran; on a ledger where it never did, the newest time that was in it
// when a worker first took it over. The zero time is neither.
func Retained(t *ledger.Tx) (time.Time, error) {
	text, err := t.Meta(retainedMeta)
	if err != nil {
		return time.Time{}, err
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	return t.Newest()
}

func setRetained(t *ledger.Tx, at time.Time) error {
	return t.SetMeta(retainedMeta, at.UTC().Format(time.RFC3339Nano))
}

// rememberNewest keeps what time the ledger knew before anything is imported by a clock that may be wrong. What
// one without alerts knows is by that clock too; then the oldest record of the spool is the witness.
func (w *Worker) rememberNewest(t *ledger.Tx) error {
	if text, err := t.Meta(retainedMeta); err != nil || text != "" {
		return err
	}
	some, err := t.Any()
	if err != nil {
		return err
	}
	last := w.oldestSpooled()
	if some {
		if last, err = t.Newest(); err != nil {
			return err
		}
	}
	if last.IsZero() {
		return nil
	}
	return setRetained(t, last)
}

// mostUnread is how many records of the spool are passed over for being damaged.
const mostUnread = 20

// oldestSpooled is when the oldest record of the spool that can be read was received; zero: there is none.
func (w *Worker) oldestSpooled() time.Time {
	entries, err := alertaction.ReadSpool(w.State.Path("spool"), w.Engine.Now())
	if err != nil {
		return time.Time{}
	}
	for _, e := range entries[:min(len(entries), mostUnread)] {
		if rec, err := alertaction.OpenRecord(e.Path); err == nil {
			return rec.Header.Received
		}
	}
	return time.Time{}
}

// trustClock takes the clock to be right.
func trustClock(t *ledger.Tx, now time.Time) error {
	if err := setRetained(t, now); err != nil {
		return err
	}
	return t.SetMeta(doubtMeta, "")
}

// ErrClockRefused is wrapped by the error of a confirmation that does not fit the clock.
var ErrClockRefused = errors.New("the clock is not confirmed")

// ConfirmClock is a person's word that the clock is right: today is what it says. A date that is not the
// clock's is refused, so that nobody confirms a wrong clock by habit. It returns what was in doubt.
func ConfirmClock(t *ledger.Tx, now, today time.Time) (d ClockDoubt, doubted bool, err error) {
	const day = 24 * time.Hour // dates differ by the time zone
	if now.Before(today.Add(-day)) || now.After(today.Add(2*day)) {
		return d, false, fmt.Errorf("%w: it says %s, and not %s: set it right first", ErrClockRefused,
			now.UTC().Format(time.RFC3339), today.Format(time.DateOnly))
	}
	if d, doubted, err = ReadClockDoubt(t); err != nil {
		return d, doubted, err
	}
	return d, doubted, trustClock(t, now)
}
