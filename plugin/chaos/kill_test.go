package chaos

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/disk"
)

// TestKillMatrix has a program die at each point once, in two worlds side by side, and holds what is left
// against the promises. `make chaos` does so thousands of times, at random.
func TestKillMatrix(t *testing.T) {
	if testing.Short() {
		t.Skip("starts hundreds of processes")
	}
	build(t)
	s := newStats()
	t.Run("points", func(t *testing.T) {
		const worlds = 2
		for n := range worlds {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, uint64(n), s)
				for i, p := range crash.Points {
					if i%worlds == n {
						w.dieAt(p)
					}
				}
				w.check()
			})
		}
	})
	t.Run("clock", func(t *testing.T) {
		w := newWorld(t, 0, s)
		w.be(clocks)
		for _, by := range []time.Duration{3 * time.Minute, -10 * time.Minute, 3 * day, -3 * day, year, -year, 0} {
			w.jump(by)
			w.fireTwo()
			w.work("")
		}
		w.check()
	})
	t.Run("ledger", func(t *testing.T) {
		w := newWorld(t, 0, s)
		w.be(ledgers)
		for _, h := range harms {
			if h.short {
				w.ruin(h)
			}
		}
	})
	t.Log(s)
	for _, p := range crash.Points {
		if s.kills[p.Name] == 0 && !t.Failed() {
			t.Errorf("nothing died at %s", p.Name)
		}
	}
}

// dieAt has one program die at a point, with as many passes as it takes for it to be passed.
func (w *world) dieAt(p crash.Place) {
	w.t.Helper()
	for range 3 {
		at := p.Name + ":1"
		if p.In == crash.Action {
			w.fireEach(at)
			at = ""
		} else {
			w.heartbeat(true)
			w.fire(w.newAlert(ownerSearch, 1+w.intN(4)), "")
			w.fire(w.newAlert(besideSearch, 1+w.intN(2)), "")
			w.prepare(p.Name)
		}
		w.work(at)
		w.stats.mu.Lock()
		done := w.stats.kills[p.Name] > 0
		w.stats.mu.Unlock()
		if done {
			return
		}
	}
}

// prepare makes sure that the worker comes to a point that it does not pass every time.
func (w *world) prepare(point string) {
	w.t.Helper()
	switch point {
	case "import.before-aside", "import.after-aside":
		w.damage()
	case "file.before-rename", "file.after-rename":
		w.fillRotated()
	case "budget.before-warning", "budget.after-warning":
		w.work("") // so that something is booked
		w.forgetWarnings()
	case "costs.delivered":
		w.work("") // so that something is booked
		w.forgetCosts()
	}
}

// forgetCosts has the worker tell again what calls cost. What was told has the same keys.
func (w *world) forgetCosts() {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.state("ledger.db"))
	w.ok(err)
	_, err = db.ExecContext(w.t.Context(), `UPDATE meta SET value = '{"through":0}' WHERE name = 'costs/events'`)
	w.ok(errors.Join(err, db.Close()))
}

// forgetWarnings has the worker tell again what it told of budgets.
func (w *world) forgetWarnings() {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.state("ledger.db"))
	w.ok(err)
	_, err = db.ExecContext(w.t.Context(), "DELETE FROM budget_told")
	w.ok(errors.Join(err, db.Close()))
}

// fillRotated makes the file of the second sink as large as it may get.
func (w *world) fillRotated() {
	w.t.Helper()
	path := w.state("rotated.ndjson")
	w.ok(os.MkdirAll(w.state(), 0o700))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	w.ok(err)
	w.ok(f.Truncate(64 << 20)) // it takes no room
	w.ok(f.Close())
}

// fireEach fires one alert of each kind: a few rows, results that are stored first, both with and without
// a worker that is alive, and a payload that cannot be understood.
func (w *world) fireEach(at string) {
	w.t.Helper()
	for _, alive := range []bool{true, false} {
		w.heartbeat(alive)
		w.fire(w.newAlert(ownerSearch, 1+w.intN(3)), at)
		w.fire(w.newAlert(ownerSearch, manyRows), at)
	}
	a := w.newAlert(besideSearch, 1+w.intN(3))
	w.fire(a, at)
	if w.intN(3) == 0 {
		w.look(a.notables["0"])
	}
	w.broken(at)
}

// manyRows is more than [gate] large_results takes for few.
const manyRows = 30

func (w *world) intN(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rand.IntN(n)
}

// TestChaos has programs die at random points, at random passes of them, and at any other instant: see
// `make chaos`.
func TestChaos(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("WINNOW_CHAOS_ROUNDS"))
	if err != nil || rounds <= 0 {
		t.Skip("runs for minutes: `make chaos`, or WINNOW_CHAOS_ROUNDS=100")
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("WINNOW_CHAOS_SEED"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("WINNOW_CHAOS_SEED: %v", err)
		}
	}
	fmt.Printf("chaos: %d rounds, WINNOW_CHAOS_SEED=%d\n", rounds, seed)
	build(t)
	s := newStats()
	var wg sync.WaitGroup
	for n := range 2 {
		wg.Go(func() {
			for i := uint64(0); s.started() < rounds && !t.Failed(); i++ {
				t.Run(fmt.Sprintf("%d-%d", n, i), func(t *testing.T) {
					w := newWorld(t, seed+uint64(n)<<32+i, s)
					w.be(kinds[(i+uint64(n)*2)%uint64(len(kinds))])
					w.suffer(60)
				})
			}
		})
	}
	wg.Wait()
	fmt.Print("chaos: ", s)
	if dir := os.Getenv("WINNOW_BENCH"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "chaos.txt"), []byte(s.String()), 0o600); err != nil {
			t.Error(err)
		}
	}
}

func (s *stats) started() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	for _, n := range s.rounds {
		total += n
	}
	return total
}

// kind is what else happens in a world while programs die and disks and networks fail.
type kind string

const (
	plain   kind = "of kills, disks and networks"
	clocks  kind = "with clocks that jump"
	ledgers kind = "with damaged ledgers"
)

// kinds are what worlds are in turn.
var kinds = []kind{plain, clocks, plain, ledgers}

// suffer goes through about so many rounds and checks what is left now and then.
func (w *world) suffer(rounds int) {
	w.t.Helper()
	for n := 0; n < rounds && !w.t.Failed(); {
		done := make(chan struct{})
		before := w.intN(2) == 0
		if before {
			close(done)
		} else { // the worker runs, and dies, while alerts come in
			go func() {
				defer close(done)
				w.die(false)
			}()
			n++
		}
		for range 1 + w.intN(6) {
			n += w.fireAny()
		}
		<-done
		for range 1 + w.intN(3) {
			w.die(true)
			n++
		}
		if w.intN(6) == 0 {
			w.check()
		}
		if w.kind == ledgers && !w.t.Failed() {
			w.ruin(harms[w.intN(len(harms))])
			n++
		}
	}
	w.jumpAny()()
	w.check()
}

// fireAny fires something, and may have the action die; it returns how many rounds that was.
func (w *world) fireAny() (rounds int) {
	w.t.Helper()
	defer w.jumpAny()()
	at := ""
	if w.intN(3) > 0 {
		at = w.anyPoint(crash.Action)
		if w.intN(5) == 0 {
			at = w.anyFault()
		}
		rounds = 1
	}
	w.heartbeat(w.intN(3) > 0)
	rows := 1 + w.intN(4)
	if w.intN(4) == 0 {
		rows = manyRows + w.intN(40)
	}
	switch w.intN(7) {
	case 0:
		w.broken(at)
	case 1, 2:
		a := w.newAlert(besideSearch, rows)
		w.fire(a, at)
		if w.intN(3) == 0 {
			w.look(a.notables["0"])
		}
	default:
		w.fire(w.newAlert(ownerSearch, rows), at)
	}
	return rounds
}

// die has the worker die somewhere. alone says that nothing else happens at the same time.
func (w *world) die(alone bool) {
	w.t.Helper()
	defer w.jumpAny()()
	if w.intN(4) == 0 {
		after := time.Duration(1+w.intN(400)) * time.Millisecond
		w.stats.child(w.kind, w.run(w.exec(crash.Worker, "", "worker", "--once", "--quiet"), nil, after), anyInstant)
		return
	}
	if alone && w.intN(6) == 0 {
		w.spoil()
	}
	at := w.anyPoint(crash.Worker)
	if w.intN(5) == 0 {
		at = w.anyFault()
	}
	if !alone {
		w.work(at)
		return
	}
	name, _, _ := strings.Cut(at, ":")
	w.prepare(name)
	if w.intN(5) == 0 {
		w.badly(at)
		return
	}
	w.work(at)
}

// anyFault picks a fault of the disk.
func (w *world) anyFault() string {
	switch w.intN(6) {
	case 0:
		return fmt.Sprintf("%sfull:%d", onDisk, w.intN(8000))
	case 1:
		return onDisk + "readonly:0"
	case 2:
		return fmt.Sprintf("%sshort:%d", onDisk, 1+w.intN(6))
	}
	once := []string{"", "+"}[w.intN(2)]
	return fmt.Sprintf("%s%s:%d%s", onDisk, disk.Ops[w.intN(len(disk.Ops))], 1+w.intN(8), once)
}

// anyPoint picks a point, and a pass of it: mostly an early one.
func (w *world) anyPoint(in crash.Program) string {
	for {
		p := crash.Points[w.intN(len(crash.Points))]
		if p.In != in {
			continue
		}
		n := 1
		switch w.intN(6) {
		case 0:
			n = 1 + w.intN(60)
		case 1, 2:
			n = 1 + w.intN(4)
		}
		return fmt.Sprintf("%s:%d", p.Name, n)
	}
}
