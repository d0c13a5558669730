package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
)

// feed reads what has changed in a ledger. The audit chain has an entry for every change, in order, so that it is
// the place to go on from: nothing is missed, and reading costs what is new.
type feed struct {
	mu    sync.Mutex // a screen may end while it reads
	d     *state.Deployment
	l     *ledger.Ledger // nil until there is one
	after int64          // number of the last entry that was read
	last  int64          // at the start: how many entries before the end are read
	begun bool           // after is where to go on from
	now   func() time.Time
}

// news is what a reading brought.
type news struct {
	events []event
	status watchStatus
	err    error
}

// event is an alert with a new record.
type event struct {
	at     time.Time
	record winnow.Record
}

// watchStatus is how the whole stands.
type watchStatus struct {
	at     time.Time
	gauges ledger.Gauges
	spent  winnow.NanoUSD // booked since the day began in UTC
	calls  int
	beat   time.Time // the worker's last heartbeat; zero when there was none
}

// maxNews bounds what one reading brings: the rest comes with the next.
const maxNews = 500

// read returns what is new. Before there is a ledger nothing is.
func (f *feed) read(ctx context.Context) (n news) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n.status.at = f.now()
	if info, err := os.Stat(f.d.Path("worker.alive")); err == nil {
		n.status.beat = info.ModTime()
	}
	if f.l == nil {
		if f.l, n.err = ledger.OpenReadOnly(ctx, f.d.Path("ledger.db")); n.err != nil {
			if errors.Is(n.err, ledger.ErrNone) { // all that will be in it is new
				f.begun, n.err = true, nil
			}
			return n
		}
	}
	n.err = f.l.View(ctx, func(t *ledger.Tx) error { return errors.Join(f.changes(t, &n), f.stands(t, &n.status)) })
	if n.err != nil { // the next reading opens it again: it may have been restored meanwhile
		n.err = errors.Join(n.err, f.shut())
	}
	return n
}

func (f *feed) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.shut()
}

func (f *feed) shut() error {
	if f.l == nil {
		return nil
	}
	err := f.l.Close()
	f.l = nil
	return err
}

// changes reads the records that are new: of an alert that changed more than once, the last.
func (f *feed) changes(t *ledger.Tx, n *news) error {
	head, _, err := t.AuditHeads()
	if err != nil {
		return err
	}
	if !f.begun {
		f.after, f.begun = max(0, head-f.last), true
	}
	if head < f.after { // another ledger was put in place
		f.after = head
	}
	place := map[string]int{}
	entries := 0
	err = t.EachEntry(f.after, func(e *audit.Entry, _ audit.Hash) error {
		if entries++; entries > maxNews {
			return errEnough
		}
		f.after = e.Seq
		if e.Subject == "" || e.Kind != audit.KindRecord && e.Kind != audit.KindLate && e.Kind != audit.KindAdopted {
			return nil
		}
		i, known := place[e.Subject]
		if !known {
			i = len(n.events)
			place[e.Subject] = i
			n.events = append(n.events, event{})
		}
		n.events[i] = event{at: time.UnixMicro(e.At).UTC(), record: winnow.Record{ID: e.Subject}}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return readEvents(t, n)
}

// readEvents fills the events in. An alert that is past retention by now is left out.
func readEvents(t *ledger.Tx, n *news) error {
	kept := n.events[:0]
	for _, e := range n.events {
		r, err := t.Record(e.record.ID)
		if errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		e.record = r
		kept = append(kept, e)
	}
	n.events = kept
	return nil
}

func (f *feed) stands(t *ledger.Tx, s *watchStatus) (err error) {
	if s.gauges, err = t.Gauges(); err != nil {
		return err
	}
	day := s.at.UTC().Truncate(24 * time.Hour)
	return t.DaySpendings(ledger.Span{From: day, To: day.Add(24 * time.Hour)}, func(d ledger.DaySpending) {
		s.spent += d.Booked
		s.calls += d.Attempts
	})
}
