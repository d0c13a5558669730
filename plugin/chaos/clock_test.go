package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Everything in a world takes the time from one clock: both programs, splunkd and its people. It can be set
// between the lives of processes, and while they live.

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// be makes the world one of a kind. Where clocks jump ahead nobody asks splunkd for the hours that never were:
// a worker that works off what waits and ends would take minutes for a year of them.
func (w *world) be(k kind) {
	w.kind = k
	if k != clocks {
		return
	}
	path := filepath.Join(w.app(), "local", "winnow.conf")
	text, err := os.ReadFile(path)
	w.ok(err)
	w.write(path, string(text)+"[reconcile]\nenabled = 0\n")
}

func (w *world) clockFile() string { return filepath.Join(w.home, "clock") }

// now is the time of the world's clock.
func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }

// setClock has the clock be off by so much, from now on.
func (w *world) setClock(by time.Duration) {
	f, err := os.OpenFile(w.clockFile(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteAt([]byte(crash.Offset(by)), 0)
		_ = f.Close()
	}
	if err != nil {
		w.t.Error(err)
	}
	w.clock.Store(int64(by))
}

// anyClock picks what the clock is set to: right, or minutes, days or a year from where it is or should be.
func (w *world) anyClock() time.Duration {
	is := time.Duration(w.clock.Load())
	sign := time.Duration(1 - 2*w.intN(2))
	minutes, days := sign*time.Duration(1+w.intN(120))*time.Minute, sign*time.Duration(1+w.intN(20))*day
	switch w.intN(6) {
	case 0:
		return 0
	case 1:
		return is + minutes
	case 2:
		return minutes
	case 3:
		return max(min(is+days, year), -year)
	case 4:
		return days
	}
	return sign * year
}

// jump sets the clock, and counts how far.
func (w *world) jump(to time.Duration) {
	by := to - time.Duration(w.clock.Load())
	if by == 0 {
		return
	}
	w.setClock(to)
	size, way := "minutes", "forward"
	switch {
	case by.Abs() >= year/2:
		size = "a year"
	case by.Abs() >= day:
		size = "days"
	}
	if by < 0 {
		way = "back"
	}
	w.stats.fault(fmt.Sprintf("clock %s by %s", way, size))
}

// jumpAny may set the clock now, and again while what begins now is under way, where the world is one of
// clocks that jump; stop says that it is over.
func (w *world) jumpAny() (stop func()) {
	if w.kind != clocks {
		return func() {}
	}
	if w.intN(3) == 0 {
		w.jump(w.anyClock())
	}
	if w.intN(2) == 0 {
		return func() {}
	}
	to, after := w.anyClock(), time.Duration(1+w.intN(120))*time.Millisecond
	done := make(chan struct{})
	timer := time.AfterFunc(after, func() {
		defer close(done)
		w.jump(to)
	})
	return func() {
		if !timer.Stop() {
			<-done
		}
	}
}

// keptFields is [retention] dropped as shipped.
const keptFields = 30 * day

// checkKept: nothing was removed for its age, whatever the clock said: all there is happened just now. Only what
// was received by a clock that was behind by more than retention is as old as it says once that is set right.
func (w *world) checkKept() {
	w.t.Helper()
	sids := map[string]bool{}
	for _, a := range w.fired {
		sids[a.SID] = true
	}
	w.view(func(tx *ledger.Tx) error {
		ids, err := tx.IDs()
		for _, id := range ids {
			e, err := tx.Alert(id)
			if err != nil {
				return err
			}
			key := e.Alert.Key
			if sids[key.SID] && len(e.Alert.Fields) == 0 && time.Since(e.Alert.Received) < keptFields && !lossOf(key.RID) {
				w.t.Errorf("%s/%s, received at %v, has lost its fields", key.SID, key.RID, e.Alert.Received)
			}
		}
		return err
	})
	found, err := filepath.Glob(w.state("spool", "bad", "*"))
	w.ok(err)
	if len(found) < w.bad {
		w.t.Errorf("%d damaged records are kept, there were %d", len(found), w.bad)
	}
	w.bad = len(found)
}
