package chaos

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/plugin/crash"
)

// What the soak fires, and what must not grow by more while it does: memory and files that are no record of
// an alert in its second half, and the ledger by alert, of all when all are settled. SQLite's cache alone may
// still fill up.
const (
	soakRate      = 200 // alerts a second
	soakProcesses = 32
	soakMemory    = 48 << 20 // bytes
	soakRest      = 16 << 20 // bytes
	soakPerAlert  = 24 << 10 // bytes

	// In its first minutes the worker fills SQLite's page cache, which is bounded (ledger.Open).
	soakWarm  = 4 * time.Minute
	soakCache = 64 << 20 // bytes
)

// TestSoak fires alerts for WINNOW_SOAK, as `make soak` does, while a worker works them off.
func TestSoak(t *testing.T) {
	text := os.Getenv("WINNOW_SOAK")
	if text == "" {
		t.Skip("runs for minutes: `make soak`, or WINNOW_SOAK=30s")
	}
	length, err := time.ParseDuration(text)
	if err != nil || length <= 0 {
		t.Fatalf("WINNOW_SOAK: %q is no duration like 10m", text)
	}
	s := newStats()
	w := newWorld(t, 1, s)
	w.users = 50
	worker, stderr := w.startWorker()
	samples := make(chan []sample, 1)
	stop := make(chan struct{})
	go func() { samples <- w.watch(worker.Process.Pid, stop) }()
	fmt.Printf("soak: %d alerts a second through %d processes for %s\n", soakRate, soakProcesses, length)
	began := time.Now()
	took := w.storm(length)
	fired := time.Since(began)
	caughtUp := w.caughtUp()
	close(stop)
	all := <-samples
	w.stopWorker(worker, stderr)
	slices.Sort(took)
	fmt.Printf("soak: fired %d alerts, %.0f a second; an action took %s at the median, %s at the 99th of 100, %s at most; caught up in %s\n",
		len(took), float64(len(took))/fired.Seconds(), at(took, 0.5), at(took, 0.99), at(took, 1), caughtUp.Round(time.Millisecond))
	w.judgeGrowth(all)
	w.check()
	fmt.Print("soak: ", s)
}

func at(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(share*float64(len(sorted)-1))].Round(100 * time.Microsecond)
}

// startWorker starts the worker as a service, and waits for its heartbeat.
func (w *world) startWorker() (*exec.Cmd, *bytes.Buffer) {
	w.t.Helper()
	var stderr bytes.Buffer
	cmd := w.exec(crash.Worker, "", "worker", "--quiet")
	cmd.Stdout, cmd.Stderr = &stderr, &stderr
	w.ok(cmd.Start())
	w.t.Cleanup(func() { _ = cmd.Process.Kill() })
	for range 400 {
		if _, err := os.Stat(w.state("worker.alive")); err == nil {
			return cmd, &stderr
		}
		time.Sleep(25 * time.Millisecond)
	}
	w.t.Fatal("the worker shows no heartbeat")
	return nil, nil
}

func (w *world) stopWorker(cmd *exec.Cmd, stderr *bytes.Buffer) {
	w.t.Helper()
	w.ok(cmd.Process.Signal(os.Interrupt))
	kill := time.AfterFunc(childTimeout, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	if err := cmd.Wait(); err != nil {
		w.t.Errorf("the worker ended with %v: %s", err, stderr)
	}
}

// storm fires alerts at the rate, as far as so many processes get there, and returns what each took.
func (w *world) storm(length time.Duration) (took []time.Duration) {
	ticks := make(chan struct{})
	var mu sync.Mutex
	var g sync.WaitGroup
	for range soakProcesses {
		g.Go(func() {
			for range ticks {
				search := ownerSearch
				if w.intN(10) == 0 {
					search = besideSearch
				}
				a := w.newAlert(search, 1)
				began := time.Now()
				w.fire(a, "")
				d := time.Since(began)
				w.tidy(a)
				mu.Lock()
				took = append(took, d)
				mu.Unlock()
			}
		})
	}
	tick := time.NewTicker(time.Second / soakRate)
	defer tick.Stop()
	for end := time.Now().Add(length); time.Now().Before(end) && !w.t.Failed(); <-tick.C {
		ticks <- struct{}{}
	}
	close(ticks)
	g.Wait()
	return took
}

// tidy removes what Splunk would remove of a search that is over.
func (w *world) tidy(a *alert) {
	a.payload = nil
	if err := os.RemoveAll(filepath.Join(w.home, "var", "run", "splunk", "dispatch", a.SID)); err != nil {
		w.t.Error(err)
	}
}

// soakTell is how often the soak says what is left then.
const soakTell = 15 * time.Second

// soakBehind is how long the worker may take for what is left when nothing more comes.
const soakBehind = 5 * time.Minute

// caughtUp waits until the worker has settled and written back everything, and returns how long that was.
func (w *world) caughtUp() time.Duration {
	w.t.Helper()
	began, told := time.Now(), time.Duration(0)
	for {
		files, err := filepath.Glob(w.state("spool", "*.*"))
		w.ok(err)
		waiting, _, queued := w.left()
		took := time.Since(began)
		if len(files)+waiting+queued == 0 {
			return took
		}
		if took > soakBehind {
			w.t.Errorf("the worker does not catch up: after %s %d records are in the spool, %d alerts queued, %d deliveries wait: %v",
				took.Round(time.Second), len(files), queued, waiting, w.failures())
			return took
		}
		if took >= told {
			fmt.Printf("soak: %s after the end %d records are in the spool, %d alerts queued, %d deliveries wait\n",
				took.Round(time.Second), len(files), queued, waiting)
			told += soakTell
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// sample is what a worker takes at one time, in bytes.
type sample struct {
	at                   time.Time
	alerts               int
	memory               int64 // resident; 0 where it cannot be asked
	ledger, events, rest int64 // of the state folder
	waiting              int   // records in the spool
}

// watch takes a sample every half second, and is splunkd's reader of notables too.
func (w *world) watch(pid int, stop <-chan struct{}) (all []sample) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return all
		case <-tick.C:
		}
		if _, err := w.Ingest(); err != nil {
			w.t.Error(err)
		}
		s := sample{at: time.Now(), memory: resident(pid)}
		w.mu.Lock()
		s.alerts = len(w.fired)
		w.mu.Unlock()
		w.measure(&s)
		all = append(all, s)
	}
}

func (w *world) measure(s *sample) {
	_ = filepath.WalkDir(w.state(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // files come and go
		}
		info, err := entry.Info()
		if err != nil {
			return nil //nolint:nilerr // likewise
		}
		switch name := entry.Name(); {
		case name == "ledger.db":
			s.ledger += info.Size()
		case strings.HasSuffix(name, ".ndjson") || strings.Contains(name, ".ndjson."):
			s.events += info.Size()
		default:
			s.rest += info.Size()
		}
		if filepath.Base(filepath.Dir(path)) == "spool" {
			s.waiting++
		}
		return nil
	})
}

// resident asks Linux how much memory a process has.
func resident(pid int) int64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// judgeGrowth holds the second half of the samples against the limits.
func (w *world) judgeGrowth(all []sample) {
	w.t.Helper()
	half := all[len(all)/2:]
	if len(half) < 2 {
		w.t.Fatalf("%d samples are too few", len(all))
	}
	memory := growth(half, func(s sample) int64 { return s.memory })
	rest := growth(half, func(s sample) int64 { return s.rest })
	first, last, waiting := all[0], all[len(all)-1], 0
	alerts := max(last.alerts-first.alerts, 1)
	perAlert := (last.ledger + last.events - first.ledger - first.events) / int64(alerts)
	for _, s := range all {
		waiting = max(waiting, s.waiting)
	}
	fmt.Printf("soak: in the second half the worker's memory grew by %.1f MiB to %.0f MiB, files beside ledger and events by %.1f MiB; "+
		"ledger and events take %d bytes an alert; at most %d records waited in the spool\n",
		mib(memory), mib(last.memory), mib(rest), perAlert, waiting)
	if last.memory == 0 {
		fmt.Println("soak: memory is not measured here")
	}
	most := int64(soakMemory)
	if last.at.Sub(all[0].at) < soakWarm {
		most += soakCache
	}
	if memory > most || rest > soakRest || perAlert > soakPerAlert {
		w.t.Errorf("grew by more than %d MiB, %d MiB and %d bytes an alert", most>>20, soakRest>>20, soakPerAlert)
	}
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// growth is the slope of the samples, by least squares, times their length.
func growth(all []sample, of func(sample) int64) int64 {
	var x, y, xx, xy float64
	n := float64(len(all))
	for _, s := range all {
		dx, dy := s.at.Sub(all[0].at).Seconds(), float64(of(s))
		x, y, xx, xy = x+dx, y+dy, xx+dx*dx, xy+dx*dy
	}
	slope := (n*xy - x*y) / max(n*xx-x*x, 1e-9)
	return int64(slope * all[len(all)-1].at.Sub(all[0].at).Seconds())
}
