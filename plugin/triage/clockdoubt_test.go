package triage

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/audit"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// clockRig has three alerts that are as old as the start, and removes what is old enough.
type clockRig struct {
	*rig
	w   *Worker
	log bytes.Buffer
}

func newClockRig(t *testing.T) *clockRig {
	c := &clockRig{rig: newRig(t)}
	c.drop(3)
	c.deliverAll()
	c.start()
	return c
}

// start is a new worker that takes the ledger over.
func (c *clockRig) start() {
	c.t.Helper()
	c.w = c.worker()
	c.w.Log = slog.New(slog.NewTextHandler(&c.log, nil))
	c.ok(c.w.takeOver(c.t.Context()))
}

func (c *clockRig) retainAt(at time.Time, want int) {
	c.t.Helper()
	c.at, c.w.retained, c.w.pruning = at, time.Time{}, false
	c.ok(c.w.retain(c.t.Context()))
	if n := c.count1(); n != want {
		c.t.Errorf("%s: %d alerts are left, want %d", at, n, want)
	}
}

func (c *clockRig) ahead() (d time.Duration) {
	c.view(func(t *ledger.Tx) (err error) {
		d, err = ClockAhead(t)
		return err
	})
	return d
}

// TestAClockSetForwardRemovesNothing: not before it has stood for a day.
func TestAClockSetForwardRemovesNothing(t *testing.T) {
	c := newClockRig(t)
	far := start.AddDate(5, 0, 0)
	c.retainAt(start.Add(time.Hour), 3)
	c.retainAt(far, 3)
	c.retainAt(far.Add(23*time.Hour), 3)
	c.retainAt(start.Add(30*time.Hour), 3) // set back
	c.retainAt(start.Add(40*time.Hour), 3)
	c.retainAt(far, 3) // and forward again: a day from here
	c.retainAt(far.Add(23*time.Hour), 3)
	c.retainAt(far.Add(25*time.Hour), 0)
}

// TestAWorkerThatStartsWithAWrongClock removes nothing however often it starts, and however much later the
// clock says it is: only running counts.
func TestAWorkerThatStartsWithAWrongClock(t *testing.T) {
	c := newClockRig(t)
	c.retainAt(start.Add(time.Hour), 3)
	far := start.AddDate(5, 0, 0)
	for day := range 10 { // a day passes by the clock between two starts, and nobody has seen it pass
		c.start()
		c.retainAt(far.AddDate(0, 0, day), 3)
	}
	c.start()
	c.retainAt(far.AddDate(1, 0, 0), 3) // another clock: anew
	c.start()
	c.retainAt(far.AddDate(1, 0, 1), 3)
	if n := strings.Count(c.log.String(), "nothing is removed"); n != 2 {
		t.Errorf("said %d times, want once for each clock:\n%s", n, &c.log)
	}
	if c.ahead() < 6*365*24*time.Hour {
		t.Errorf("ahead %s", c.ahead())
	}
	c.start()
	c.retainAt(start.Add(2*time.Hour), 3) // it was set right
	if c.ahead() != 0 {
		t.Error("it is doubted still")
	}
}

// TestAWorkerAfterYearsOff believes its clock after a day of running, also in pieces.
func TestAWorkerAfterYearsOff(t *testing.T) {
	for name, every := range map[string]time.Duration{"one run": time.Hour, "a run an hour": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			c := newClockRig(t)
			c.retainAt(start.Add(time.Hour), 3)
			at := start.AddDate(2, 0, 0)
			c.start()
			for i := range 25 {
				if every < 0 {
					c.start()
				}
				want := 3
				if i == 24 {
					want = 0
				}
				c.retainAt(at.Add(time.Duration(i)*every.Abs()), want)
			}
			if c.ahead() != 0 {
				t.Error("the doubt stays")
			}
		})
	}
}

// TestWhatAWrongClockImportsIsNoWitness: on a ledger that no worker has cleaned up yet, what counts is the
// newest time that it held when the worker took it over.
func TestWhatAWrongClockImportsIsNoWitness(t *testing.T) {
	c := newClockRig(t)
	c.update(func(t *ledger.Tx) error { return t.SetMeta(retainedMeta, "") })
	c.at = start.AddDate(5, 0, 0)
	c.start()
	c.triage(c.alert("new", "user", "bob"))
	c.retainAt(c.at, 4)
	if c.ahead() == 0 {
		t.Error("the clock is believed")
	}
}

// TestTheFirstWorkerStartsWithAWrongClock: it has audited what is in force by that clock, and what the action
// stored is all that knows better.
func TestTheFirstWorkerStartsWithAWrongClock(t *testing.T) {
	r := newRig(t)
	r.spool(alertaction.KindAlert, "2", "bob", "carol")
	r.at = start.AddDate(5, 0, 0)
	for range 2 {
		r.update(func(t *ledger.Tx) error { return t.Note(audit.KindMode, r.at.UnixMicro(), map[string]string{}) })
		r.once(r.worker(&sink{name: "update"}, &sink{name: "events"}))
		if n := len(r.outcomes()); n != 2 {
			t.Fatalf("%d alerts are left, want 2", n)
		}
	}
}

func TestConfirmClock(t *testing.T) {
	c := newClockRig(t)
	c.retainAt(start.Add(time.Hour), 3)
	far := start.AddDate(5, 0, 0)
	c.start()
	c.retainAt(far, 3)
	confirm := func(today time.Time) (err error) {
		c.ok(c.engine.Update(t.Context(), func(t *ledger.Tx) error {
			_, _, err = ConfirmClock(t, c.at, today)
			return nil
		}))
		return err
	}
	for _, wrong := range []time.Time{start, far.AddDate(0, 0, 3), far.AddDate(0, 0, -3), {}} {
		if err := confirm(wrong); !errors.Is(err, ErrClockRefused) {
			t.Errorf("%s is taken: %v", wrong, err)
		}
	}
	c.retainAt(far.Add(time.Hour), 3)
	c.ok(confirm(far.Truncate(24 * time.Hour)))
	c.retainAt(far.Add(2*time.Hour), 0)
}

// TestADoubtThatCannotBeRead begins anew, and one that says nonsense does not end early.
func TestADoubtThatCannotBeRead(t *testing.T) {
	far := start.AddDate(5, 0, 0)
	for _, text := range []string{
		far.Format(time.RFC3339Nano), "{", `{"ran":-9223372036854775808}`, `{"ran":9000000000000000000}`, `{"looked":"9999-01-01T00:00:00Z","ran":86400000000000}`,
	} {
		c := newClockRig(t)
		c.retainAt(start.Add(time.Hour), 3)
		c.update(func(t *ledger.Tx) error { return t.SetMeta(doubtMeta, text) })
		c.start()
		c.retainAt(far, 3)
	}
}

// TestAWrongClockKeepsAuditEntries also where no alert is left: the chain knows what time it was.
func TestAWrongClockKeepsAuditEntries(t *testing.T) {
	c := newClockRig(t)
	c.update(func(t *ledger.Tx) error {
		_, err := t.Prune(ledger.Keep{Records: c.at.Add(time.Hour), Now: c.at}, 10)
		return errors.Join(err, t.SetMeta(retainedMeta, ""))
	})
	c.at = start.AddDate(5, 0, 0)
	c.start()
	c.retainAt(c.at, 0)
	if c.ahead() == 0 {
		t.Error("the clock is believed")
	}
}
