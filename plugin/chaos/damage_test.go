package chaos

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/crash"
)

// harm is one way in which the files of the ledger are damaged.
type harm struct {
	name  string
	file  string // of the state folder
	plain bool   // whoever opens the ledger finds it, unless its journal is there and has the same pages whole
	short bool   // also in the short matrix
	do    func(w *world, data []byte) []byte
}

// harms are all of them. What SQLite keeps in its journal has checksums: a journal that is cut off, changed or
// gone is one that ends earlier, and nobody can tell. Its index is made anew.
var harms = []harm{
	{"ledger: first page", "ledger.db", true, true, func(w *world, data []byte) []byte { return w.flip(data, 0, 16) }},
	{"ledger: garbage", "ledger.db", true, false, func(w *world, data []byte) []byte { return w.flip(data, 0, len(data)) }},
	{"ledger: emptied", "ledger.db", true, true, func(*world, []byte) []byte { return nil }},
	{"ledger: cut off", "ledger.db", false, false, func(w *world, data []byte) []byte { return data[:1+w.intN(len(data)-1)] }},
	{"ledger: bytes", "ledger.db", false, false, func(w *world, data []byte) []byte { return w.flips(data, 1+w.intN(200)) }},
	{"ledger: a page", "ledger.db", false, false, func(w *world, data []byte) []byte {
		at := w.intN(len(data)/4096) * 4096
		return w.flip(data, at, at+4096)
	}},
	{"journal: gone", "ledger.db-wal", false, true, func(*world, []byte) []byte { return nil }},
	{"journal: cut off", "ledger.db-wal", false, false, func(w *world, data []byte) []byte { return data[:w.intN(len(data))] }},
	{"journal: bytes", "ledger.db-wal", false, false, func(w *world, data []byte) []byte { return w.flips(data, 1+w.intN(20)) }},
	{"journal's index: garbage", "ledger.db-shm", false, false, func(w *world, data []byte) []byte { return w.flip(data, 0, len(data)) }},
}

// flip changes every byte of a part.
func (w *world) flip(data []byte, from, to int) []byte {
	for i := from; i < to; i++ {
		data[i] ^= byte(1 + w.intN(255))
	}
	return data
}

func (w *world) flips(data []byte, n int) []byte {
	for range n {
		i := w.intN(len(data))
		w.flip(data, i, i+1)
	}
	return data
}

// ruin damages the ledger behind a backup, has winnow find it, and brings the backup back.
func (w *world) ruin(h harm) {
	w.t.Helper()
	w.check()
	backup := filepath.Join(w.home, "backup-"+strconv.Itoa(len(w.fired))+".db")
	w.command("ledger", "backup", backup)
	since, billed := len(w.fired), w.billed()
	w.heartbeat(true)
	for range 1 + w.intN(3) {
		w.fire(w.newAlert(ownerSearch, 1+w.intN(4)), "")
		w.fire(w.newAlert(besideSearch, 1+w.intN(2)), "")
	}
	if h.file != "ledger.db" || w.intN(3) == 0 { // a journal stays where a worker was killed
		w.work(fmt.Sprintf("ledger.after-commit:%d", 1+w.intN(12)))
		w.fire(w.newAlert(ownerSearch, 1+w.intN(4)), "")
	}
	journal := exists(w.state("ledger.db-wal"))
	if !w.harm(h) {
		return
	}
	w.stats.round(w.kind, h.name)
	w.find(h.plain && !journal)
	w.failsOpen()
	lost := w.beyond(since)
	w.command("ledger", "restore", backup)
	for _, a := range lost {
		a.beyond = true
	}
	w.unbooked += w.billed() - billed
	w.check()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// harm damages the file; it reports false when there is none.
func (w *world) harm(h harm) bool {
	data, err := os.ReadFile(w.state(h.file))
	if err != nil || len(data) == 0 {
		return false
	}
	if data = h.do(w, data); len(data) == 0 && h.file != "ledger.db" {
		w.ok(os.Remove(w.state(h.file)))
		return true
	}
	w.ok(os.WriteFile(w.state(h.file), data, 0o600))
	return true
}

// find has workers run over the damaged ledger, which is safe. Where the damage is plain, they say so, show no
// sign of life, and change nothing: neither in the spool nor in Splunk.
func (w *world) find(plain bool) {
	w.t.Helper()
	w.heartbeat(false)
	before, spool, said := w.aliveAt(), w.spooled(), w.said()
	for range 2 {
		c := w.run(w.exec(crash.Worker, "", "worker", "--once", "--quiet"), nil, 0)
		if strings.Contains(c.stderr, "panic") || strings.Contains(c.stderr, "goroutine ") {
			w.t.Errorf("a damaged ledger brings the worker down: %s", c.stderr)
		}
		if !plain {
			continue
		}
		if c.code == 0 || !strings.Contains(c.stderr, "the ledger is damaged") || !strings.Contains(c.stderr, "winnow ledger restore") {
			w.t.Errorf("the worker ended with %d and does not say that the ledger is damaged: %s", c.code, c.stderr)
		}
		if !w.aliveAt().Equal(before) || !slices.Equal(w.spooled(), spool) || w.said() != said {
			w.t.Error("a worker without a ledger shows itself, changes the spool, or writes to Splunk")
		}
	}
}

func (w *world) aliveAt() time.Time {
	info, err := os.Stat(w.state("worker.alive"))
	w.ok(err)
	return info.ModTime()
}

func (w *world) spooled() []string {
	found, err := filepath.Glob(w.state("spool", "*.*"))
	w.ok(err)
	slices.Sort(found)
	return found
}

// said counts the changes of notable events.
func (w *world) said() (n int) {
	_, err := w.Ingest()
	w.ok(err)
	for _, one := range w.Notables() {
		n += 1 + len(one.Reviews)
	}
	return n
}

// failsOpen: while no worker shows itself, the action makes visible what no rule drops by itself.
func (w *world) failsOpen() {
	w.t.Helper()
	w.heartbeat(false)
	a := w.newAlert(ownerSearch, 1+w.intN(6))
	w.fire(a, "")
	_, err := w.Ingest()
	w.ok(err)
	seen := map[string]bool{}
	for _, n := range w.Notables() {
		if slices.Equal(n.Fields["orig_sid"], []string{a.SID}) {
			seen[strings.Join(n.Fields["orig_rid"], " ")] = true
		}
	}
	for row := range a.Rows {
		if a.signature(row) != noise && !seen[strconv.Itoa(row)] {
			w.t.Errorf("%s/%d (%s) is not visible while the ledger is damaged", a.SID, row, a.signature(row))
		}
	}
}

// beyond returns the alerts that a backup cannot bring back: they came after it, and are not in the spool any
// more, since the ledger had them.
func (w *world) beyond(since int) (lost []*alert) {
	w.t.Helper()
	here := map[string]bool{}
	entries, err := alertaction.ReadSpool(w.state("spool"), time.Now().Add(year))
	w.ok(err)
	for _, e := range entries {
		rec, err := alertaction.OpenRecord(e.Path)
		w.ok(err)
		here[rec.Payload.SID] = true
	}
	for _, a := range w.fired[since:] {
		if a.accepted && !here[a.SID] {
			lost = append(lost, a)
		}
	}
	return lost
}

func (w *world) billed() winnow.NanoUSD {
	billed, _ := w.models.Billed()
	return billed
}

// command runs one of winnow's commands, which has to work.
func (w *world) command(args ...string) {
	w.t.Helper()
	if c := w.run(w.exec(crash.Worker, "", args...), nil, 0); c.code != 0 {
		w.t.Fatalf("winnow %v ended with %d: %s", args, c.code, c.stderr)
	}
}
