package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// stats are the figures of a run. Safe for concurrent use.
type stats struct {
	mu         sync.Mutex
	rounds     map[kind]int   // programs that were started with something in their way
	kills      map[string]int // that died there, by point
	faults     map[string]int // that were put in their way, by kind
	overtaken  int            // updates given up because the clock had overtaken them
	beyond     int            // alerts that came after a backup and had left the spool before it was restored
	told       int            // accepted alerts of which one outcome says that rows could not be read
	rows       int            // accepted
	maybe      int            // rows of actions that died, which the ledger has
	closed     int
	duplicates map[string]int // notables and events beyond the first of one key
	people     int            // notables that a person set something in
	spent      winnow.NanoUSD
	billed     winnow.NanoUSD
	calls      int
	worlds     int
}

func newStats() *stats {
	return &stats{rounds: map[kind]int{}, kills: map[string]int{}, faults: map[string]int{}, duplicates: map[string]int{}}
}

const anyInstant = "(any instant)"

func (s *stats) child(k kind, c child, at string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at == "" {
		return
	}
	name, _, _ := strings.Cut(at, ":")
	s.rounds[k]++
	if kind, ok := strings.CutPrefix(name, onDisk); ok {
		s.faults["disk "+kind]++
	} else if c.killed {
		s.kills[name]++
	}
}

// round counts one without a point to die at.
func (s *stats) round(k kind, fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rounds[k]++
	s.faults[fault]++
}

func (s *stats) fault(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[name]++
}

func (s *stats) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	total := 0
	for _, n := range s.kills {
		total += n
	}
	for _, k := range slices.Sorted(maps.Keys(s.rounds)) {
		fmt.Fprintf(&b, "%d rounds %s, ", s.rounds[k], k)
	}
	fmt.Fprintf(&b, "in %d worlds, %d kills; %d rows accepted, %d more of actions that died, %d of all closed, %d alerts with rows that nobody could read; ",
		s.worlds, total, s.rows, s.maybe, s.closed, s.told)
	fmt.Fprintf(&b, "duplicates seen: %d notables of the worker, %d of actions that died or whose record was damaged, %d events; ",
		s.duplicates["worker"], s.duplicates["action"], s.duplicates["event"])
	fmt.Fprintf(&b, "%d alerts that a restored backup did not have; ", s.beyond)
	fmt.Fprintf(&b, "%d updates given up because the clock went ahead by hours; ", s.overtaken)
	fmt.Fprintf(&b, "%d notables changed by a person; %d calls billed %s, booked %s\n", s.people, s.calls, s.billed, s.spent)
	for _, counts := range []map[string]int{s.kills, s.faults} {
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(&b, "  %5d  %s\n", counts[name], name)
		}
	}
	return b.String()
}

// work runs the worker until nothing is left to do, or it dies.
func (w *world) work(at string) child {
	c := w.run(w.exec(crash.Worker, at, "worker", "--once", "--quiet"), nil, 0)
	if !c.killed && c.code != 0 && !strings.HasPrefix(at, onDisk) {
		w.t.Errorf("winnow worker --once ended with %d: %s", c.code, c.stderr)
	}
	w.stats.child(w.kind, c, at)
	return c
}

// drainTime is how long it may take until everything is worked off: back-off is a second at most.
const drainTime = time.Minute

// drain works everything off, while splunkd reads what was written for it.
func (w *world) drain() {
	w.t.Helper()
	for end := time.Now().Add(drainTime); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		w.timeIsUp()
		_, err := w.Ingest()
		w.ok(err)
		if c := w.work(""); c.killed {
			w.t.Fatalf("the worker hangs: %s", c.stderr)
		}
		waiting, failed, queued := w.left()
		if failed > len(w.overtaken) {
			w.mayGiveUp(failed)
		}
		if waiting+queued == 0 {
			_, err := w.Ingest()
			w.ok(err)
			return
		}
	}
	waiting, _, queued := w.left()
	w.t.Errorf("not drained: %d deliveries wait, %d alerts are queued: %v", waiting, queued, w.failures())
}

// mayGiveUp: nothing is given up here but updates of notable events that splunkd had no time to index, because
// the clock went ahead by more than the hour that they are looked for. Their alerts are seen all the same, if
// need be in a second notable event.
func (w *world) mayGiveUp(failed int) {
	w.t.Helper()
	excused := 0
	w.undelivered(func(id string, d ledger.DeliveryState) {
		if w.kind == clocks && d.Kind == string(ledger.DeliverUpdate) && strings.Contains(d.Error, "looked for 1h0m0s: given up") {
			w.overtaken[id] = true
			excused++
		}
	})
	if failed != excused {
		w.t.Fatalf("%d deliveries were given up: %v", failed, w.failures())
	}
}

// failures counts why deliveries wait.
func (w *world) failures() map[string]int {
	w.t.Helper()
	out := map[string]int{}
	w.undelivered(func(_ string, d ledger.DeliveryState) { out[fmt.Sprintf("%s %s: %s", d.Sink, d.Kind, d.Error)]++ })
	return out
}

// undelivered calls f with every delivery that is not done, and its alert.
func (w *world) undelivered(f func(id string, d ledger.DeliveryState)) {
	w.t.Helper()
	w.view(func(tx *ledger.Tx) error {
		ids, err := tx.IDs()
		for _, id := range ids {
			all, err := tx.Deliveries(id)
			if err != nil {
				return err
			}
			for _, d := range all {
				if d.Done.IsZero() {
					f(id, d)
				}
			}
		}
		return err
	})
}

func (w *world) left() (waiting, failed, queued int) {
	w.t.Helper()
	w.view(func(tx *ledger.Tx) (err error) {
		if waiting, failed, err = tx.OutboxCounts(); err != nil {
			return err
		}
		return tx.Tallies(ledger.Span{}, func(y *ledger.Tally) {
			if y.State == winnow.StateQueued {
				queued += y.Alerts
			}
		})
	})
	return waiting, failed, queued
}

func (w *world) view(f func(*ledger.Tx) error) {
	w.t.Helper()
	l, err := ledger.OpenReadOnly(context.Background(), w.state("ledger.db"))
	w.ok(err)
	defer func() { _ = l.Close() }()
	w.ok(l.View(context.Background(), f))
}

// check drains and holds everything against the promises.
func (w *world) check() {
	w.t.Helper()
	w.drain()
	records := w.records()
	w.checkRows(records)
	w.checkNotables(records)
	w.checkPeople()
	w.checkEvents(records)
	w.checkSpend()
	w.checkCosts()
	w.checkKept()
	w.checkAudit(records)
	files, err := filepath.Glob(w.state("spool", "*.*"))
	w.ok(err)
	for _, path := range files {
		if ext := filepath.Ext(path); ext != ".decisions" && ext != ".noted" { // of an intake that is gone: swept in time
			w.t.Errorf("the spool still holds %s", path)
		}
	}
	w.stats.mu.Lock()
	w.stats.worlds++
	w.stats.overtaken += len(w.overtaken)
	w.stats.mu.Unlock()
}

// records returns the current record of each row, by sid and rid.
func (w *world) records() map[string]winnow.Record {
	w.t.Helper()
	out := map[string]winnow.Record{}
	w.view(func(tx *ledger.Tx) error {
		ids, err := tx.IDs()
		for _, id := range ids {
			rec, err := tx.Record(id)
			if err != nil {
				return err
			}
			key := rec.SID + "/" + rec.RID
			if before, twice := out[key]; twice && rec.SID != "" {
				w.t.Errorf("%s has two records: %s and %s", key, before.ID, rec.ID)
			}
			out[key] = rec
		}
		return err
	})
	return out
}

var outcomes = []winnow.State{winnow.StateClosed, winnow.StateEscalated, winnow.StateInReview, winnow.StateLeft}

// checkRows: every accepted row has one outcome, and only what may be closed is closed. Of an action that
// died either all rows are there or none.
func (w *world) checkRows(records map[string]winnow.Record) {
	w.t.Helper()
	accepted, maybe, closed, told, beyond := 0, 0, 0, 0, 0
	for _, a := range w.fired {
		found := 0
		for row := range a.Rows {
			rec, ok := records[a.SID+"/"+strconv.Itoa(row)]
			if !ok {
				continue
			}
			found++
			if !slices.Contains(outcomes, rec.Outcome.State) {
				w.t.Errorf("%s/%d has the outcome %q", a.SID, row, rec.Outcome.State)
			}
			if rec.Outcome.State == winnow.StateClosed {
				closed++
				if !closable(a.signature(row)) {
					w.t.Errorf("%s/%d (%s) is closed by %s: %s", a.SID, row, a.signature(row), rec.Outcome.Actor, rec.Outcome.Reason)
				}
			}
		}
		switch {
		case found == len(a.Rows) && a.accepted:
			accepted += found
		case a.beyond && found == 0:
			beyond++
		case a.accepted && w.toldOf(a, records):
			told++
		case a.accepted:
			w.t.Errorf("%s: lost, %d of %d rows are in the ledger", a.SID, found, len(a.Rows))
		case found != 0 && found != len(a.Rows):
			w.t.Errorf("%s: the action died, and %d of %d rows are in the ledger", a.SID, found, len(a.Rows))
		default:
			maybe += found
		}
	}
	w.stats.mu.Lock()
	defer w.stats.mu.Unlock()
	w.stats.rows += accepted
	w.stats.maybe += maybe
	w.stats.told += told
	w.stats.beyond += beyond
	w.stats.closed += closed
}

// lossReasons are those of alerts that stand for rows nobody could read.
var lossReasons = []winnow.Reason{winnow.ReasonRecordUnread, winnow.ReasonResultsUnread, winnow.ReasonTruncated}

// lossOf reports whether a rid is of an alert that stands for such rows.
func lossOf(rid string) bool { return slices.Contains(lossReasons, winnow.Reason(rid)) }

// toldOf reports whether a person is told that rows of an alert could not be read.
func (w *world) toldOf(a *alert, records map[string]winnow.Record) bool {
	for _, key := range []string{
		a.SID + "/" + string(winnow.ReasonResultsUnread), a.SID + "/" + string(winnow.ReasonTruncated),
		"spool:" + a.record + "/" + string(winnow.ReasonRecordUnread),
	} {
		if rec, ok := records[key]; ok && rec.Outcome.State == winnow.StateEscalated {
			return true
		}
	}
	return false
}

// checkNotables: where winnow owns them, each row that survives has one notable per winnow_id, of a delivery
// that the ledger posted or of an action that failed open, and where it does not own them it writes none.
func (w *world) checkNotables(records map[string]winnow.Record) {
	w.t.Helper()
	byRow := map[string][]splunktest.Notable{}
	for _, n := range w.Notables() {
		key := strings.Join(n.Fields["orig_sid"], " ") + "/" + strings.Join(n.Fields["orig_rid"], " ")
		byRow[key] = append(byRow[key], n)
	}
	for _, a := range w.fired {
		for row := range a.Rows {
			key := a.SID + "/" + strconv.Itoa(row)
			rec, known := records[key]
			found := byRow[key]
			delete(byRow, key)
			switch {
			case a.SearchName == besideSearch && len(found) != 1:
				w.t.Errorf("%s has %d notables, Enterprise Security wrote one", key, len(found))
			case a.SearchName == ownerSearch && known:
				w.checkOwned(a, key, rec, found)
			}
		}
	}
	for key, n := range byRow { // what is left tells of records, not of rows
		rec, ok := records[key]
		lost := slices.Contains(lossReasons, rec.Proposal.Reason)
		if sid, _, _ := strings.Cut(key, "/"); !ok && w.unstored(sid) {
			continue // the action said so, and wrote what it could
		}
		if !ok || !lost || len(n) != 1 && !w.overtaken[rec.ID] {
			w.t.Errorf("%d notables of %s, which was never fired", len(n), key)
		}
	}
}

// unstored reports whether the action could not store an alert, or died.
func (w *world) unstored(sid string) bool {
	return slices.ContainsFunc(w.fired, func(a *alert) bool { return a.SID == sid && !a.accepted })
}

func (w *world) checkOwned(a *alert, key string, rec winnow.Record, found []splunktest.Notable) {
	w.t.Helper()
	ids := map[string]int{}
	for _, n := range found {
		id := strings.Join(n.Fields["winnow_id"], " ")
		if !strings.HasPrefix(id, rec.ID) {
			w.t.Errorf("%s: a notable says winnow_id %q, its alert is %s", key, id, rec.ID)
		}
		ids[id]++
	}
	if len(ids) > 1 || len(ids) == 0 && rec.Outcome.State != winnow.StateClosed && (a.accepted || rec.Outcome.State != winnow.StateQueued) {
		w.t.Errorf("%s is %s and has %d notables after dedup, of %d", key, rec.Outcome.State, len(ids), len(found))
	}
	for _, n := range ids {
		if n < 2 {
			continue
		}
		who := "worker"
		switch {
		case !a.accepted || a.record != "":
			who = "action" // it had written one, and died before it could say so, or what it said is lost
		case w.overtaken[rec.ID]:
		default:
			w.t.Errorf("%s has %d notables", key, n)
		}
		w.stats.mu.Lock()
		w.stats.duplicates[who] += n - 1
		w.stats.mu.Unlock()
	}
}

// checkAudit: the audit chain verifies, and where nobody damaged it every outcome is in it.
func (w *world) checkAudit(records map[string]winnow.Record) {
	w.t.Helper()
	if w.kind == ledgers {
		return
	}
	for key, rec := range records {
		if rec.Outcome.Unaudited || rec.Outcome.Reason == winnow.ReasonUnaudited {
			w.t.Errorf("%s is unaudited: %+v", key, rec.Outcome)
		}
	}
	if c := w.run(w.exec(crash.Worker, "", "ledger", "verify"), nil, 0); c.code != 0 {
		w.t.Errorf("winnow ledger verify ended with %d: %s", c.code, c.stderr)
	}
}

// checkPeople: what a person set last stands.
func (w *world) checkPeople() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, c := range w.people {
		n, ok := w.Notable(id)
		if !ok || n.Owner() != c.Owner || n.Status() != c.Status {
			w.t.Errorf("%s: %s set owner %s and status %s, it has %s and %s: %+v", id, person, c.Owner, c.Status, n.Owner(), n.Status(), n.Reviews)
		}
	}
	w.stats.mu.Lock()
	w.stats.people += len(w.people)
	w.stats.mu.Unlock()
}

// checkEvents: every outcome was told, the current one last.
func (w *world) checkEvents(records map[string]winnow.Record) {
	w.t.Helper()
	last, seen := map[string]winnow.Record{}, map[string]bool{}
	files, err := filepath.Glob(w.state("outcomes.ndjson*"))
	w.ok(err)
	slices.Sort(files)
	for _, file := range slices.Backward(files) { // what was rotated away is older, and has a number behind
		w.readEvents(file, func(key string, rec *winnow.Record) {
			if seen[key] {
				w.stats.mu.Lock()
				w.stats.duplicates["event"]++
				w.stats.mu.Unlock()
				return
			}
			seen[key] = true
			last[rec.ID] = *rec
		})
	}
	for key, rec := range records {
		if last[rec.ID].Outcome != rec.Outcome {
			w.t.Errorf("%s: the last event says %+v, the ledger %+v", key, last[rec.ID].Outcome, rec.Outcome)
		}
	}
}

// readEvents calls f with every event of a file.
func (w *world) readEvents(file string, event func(key string, rec *winnow.Record)) {
	w.t.Helper()
	f, err := os.Open(file)
	w.ok(err)
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var e struct {
			Key string `json:"event_key"`
			winnow.Record
		}
		if json.Unmarshal(lines.Bytes(), &e) == nil { // else cut off by a kill: it is written again
			event(e.Key, &e.Record)
		}
	}
	w.ok(lines.Err())
}

// checkCosts: Splunk was told of every call what the ledger has of it, under one key.
func (w *world) checkCosts() {
	w.t.Helper()
	w.work("") // what was settled as the last worker ended
	text, err := os.ReadFile(w.state("costs.ndjson"))
	if !errors.Is(err, fs.ErrNotExist) {
		w.ok(err)
	}
	told := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		var e struct {
			Key  string `json:"event_key"`
			Nano int64  `json:"nanousd"`
		}
		if json.Unmarshal([]byte(line), &e) == nil { // else cut off by a kill: it is written again
			if before, twice := told[e.Key]; twice && before != e.Nano {
				w.t.Errorf("%s cost %d, and then %d", e.Key, before, e.Nano)
			}
			told[e.Key] = e.Nano
		}
	}
	w.view(func(tx *ledger.Tx) error {
		ids, err := tx.IDs()
		for _, id := range ids {
			calls, err := tx.Calls(id)
			if err != nil {
				return err
			}
			for _, c := range calls {
				key := fmt.Sprintf("%s/call/%d/events", id, c.N)
				if nano, ok := told[key]; !ok || nano != c.BookedNano {
					w.t.Errorf("%s (%s, %s): told %d, %v; booked %d", key, c.State, c.Reason, nano, ok, c.BookedNano)
				}
			}
		}
		return err
	})
}

// checkSpend: what is booked covers what was billed, and what each search, team and model has booked is what its
// calls have.
func (w *world) checkSpend() {
	w.t.Helper()
	var booked winnow.NanoUSD
	w.view(func(tx *ledger.Tx) error {
		if w.kind != ledgers {
			if err := tx.CheckSums(); err != nil {
				w.t.Error(err)
			}
		}
		return tx.Spendings(ledger.Span{}, func(s *ledger.Spending) { booked += s.Booked })
	})
	billed, calls := w.models.Billed()
	if booked+w.unbooked < billed {
		w.t.Errorf("booked %s, billed %s for %d calls", booked, billed, calls)
	}
	w.stats.mu.Lock()
	defer w.stats.mu.Unlock()
	w.stats.spent += booked
	w.stats.billed += billed
	w.stats.calls += calls
}
