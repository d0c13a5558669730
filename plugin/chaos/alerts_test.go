package chaos

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/llmtest"
	"github.com/winnow-soc/winnow/packaging/demo"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// What a row is, in its field signature: nobody but the rule and the model look at it.
const (
	noise  = "noise"  // a rule drops it
	benign = "benign" // the model says so, and a fact proves it
	attack = "attack"
	unsure = "unsure"
)

// closable reports whether a row may be closed.
func closable(signature string) bool { return signature == noise || signature == benign }

// judge is the model.
func judge(r *llmtest.Request) llmtest.Opinion {
	o := llmtest.Opinion{Disposition: "Undetermined", Confidence: 50, Cite: []string{"dest"}}
	for _, signature := range r.Fields["signature"] {
		switch signature {
		case benign:
			o.Disposition, o.Confidence = "BenignPositive", 97
		case attack:
			o.Disposition, o.Confidence = "TruePositive", 97
		}
	}
	return o
}

const machines = 40

func machine(n int) string { return fmt.Sprintf("web%02d.corp.example", n%machines) }

// alert is one that Splunk fired.
type alert struct {
	demo.Dispatch
	payload  []byte
	accepted bool              // the action exited 0
	notables map[string]string // that Enterprise Security wrote, by rid
	beyond   bool              // a restored backup does not have it
	record   string            // the id of its record, when that was spoilt: what it said is lost, of notables too
}

func (a *alert) signature(row int) string {
	s, _ := a.Rows[row].Fields.First("signature")
	return s
}

// newAlert makes up an alert with so many rows, and what splunkd does before it starts an action.
func (w *world) newAlert(search string, rows int) *alert {
	w.t.Helper()
	w.mu.Lock()
	n := len(w.fired)
	a := &alert{notables: map[string]string{}, Dispatch: demo.Dispatch{
		SearchName: search, App: "search", Owner: "admin", SID: fmt.Sprintf("scheduler__chaos__%d_%d", w.now().Unix(), n),
		Severity: "2", At: w.now(), Columns: []string{"_time", "signature", "src", "dest", "user"},
	}}
	kinds := []string{noise, noise, benign, benign, attack, unsure}
	for range rows {
		signature := kinds[w.rand.IntN(len(kinds))]
		i := w.rand.IntN(machines)
		if signature == attack {
			i += machines // from elsewhere, or nothing would ever be closed from the cache
		}
		fields := winnow.Fields{}
		fields.Add("_time", strconv.FormatInt(a.At.Unix(), 10))
		fields.Add("signature", signature)
		fields.Add("src", fmt.Sprintf("10.9.0.%d", 1+i%2+i/machines*100))
		fields.Add("dest", machine(i))
		fields.Add("user", fmt.Sprintf("user%d", w.rand.IntN(w.users)))
		a.Rows = append(a.Rows, demo.Row{Fields: fields})
	}
	w.fired = append(w.fired, a)
	w.mu.Unlock()
	var err error
	a.payload, err = a.Write(w.home)
	w.ok(err)
	if search == besideSearch {
		for rid := range a.Rows {
			a.notables[strconv.Itoa(rid)] = w.AddNotable(search, a.SID, strconv.Itoa(rid), map[string]string{"severity": "low"})
		}
	}
	return a
}

// fire starts the action for an alert, as often as Splunk does: once.
func (w *world) fire(a *alert, at string) child {
	c := w.run(w.exec(crash.Action, at, "--execute"), a.payload, 0)
	a.accepted = c.code == alertaction.ExitStored && !c.killed
	faulty := strings.HasPrefix(at, onDisk)
	if !a.accepted && !c.killed && (!faulty || !strings.Contains(c.stderr, "ERROR")) {
		w.t.Errorf("winnow_triage ended with %d: %s", c.code, c.stderr)
	}
	w.stats.child(w.kind, c, at)
	return c
}

// broken hands the action a payload that nobody can understand.
func (w *world) broken(at string) {
	c := w.run(w.exec(crash.Action, at, "--execute"), []byte(`{"sid": "x", "sid": "y"`), 0)
	if !c.killed && c.code != alertaction.ExitBad && !strings.HasPrefix(at, onDisk) {
		w.t.Errorf("winnow_triage ended with %d on a broken payload: %s", c.code, c.stderr)
	}
	w.stats.child(w.kind, c, at)
}

// heartbeat makes the worker look alive, or dead.
func (w *world) heartbeat(alive bool) {
	w.t.Helper()
	at := w.now()
	if !alive {
		at = at.Add(-24 * time.Hour)
	}
	path := w.state("worker.alive")
	if _, err := os.Stat(path); err != nil {
		w.write(path, "")
	}
	w.ok(os.Chtimes(path, at, at))
}

// look has a person take a notable and change its status. What Splunk keeps of a change is the whole state
// after it: who saves what already stands has changed nothing that anybody could tell.
func (w *world) look(id string) {
	n, _ := w.Notable(id)
	w.mu.Lock()
	status := ""
	for status == "" || status == n.Status() || status == w.people[id].Status {
		status = []string{"2", "3", "4"}[w.rand.IntN(3)]
	}
	c := splunktest.Change{Owner: person, Status: status, Comment: "I look at it."}
	w.people[id] = c
	w.mu.Unlock()
	if err := w.Review(person, id, c); err != nil {
		w.t.Error(err)
	}
}

// interfere has a person act between two requests of winnow's, now and then.
func (w *world) interfere(r splunktest.Request) {
	ids := append(r.Form["ruleUIDs"], r.Form["ruleUIDs[]"]...)
	w.mu.Lock()
	now := len(ids) == 1 && r.User != person && w.rand.IntN(8) == 0
	w.mu.Unlock()
	if now {
		w.look(ids[0])
	}
}

// damage spoils the end of one record that lies in the spool: what it holds can be read, and nothing of it
// can be believed.
func (w *world) damage() {
	w.t.Helper()
	files, err := filepath.Glob(w.state("spool", "*.alert"))
	w.ok(err)
	if len(files) == 0 {
		return
	}
	path := files[w.intN(len(files))]
	rec, err := alertaction.OpenRecord(path)
	if err != nil {
		return // spoilt already
	}
	data, err := os.ReadFile(path)
	w.ok(err)
	data[len(data)-1-w.intN(32)] ^= 0xff
	w.ok(os.WriteFile(path, data, 0o600))
	w.spoilt(rec)
}

func (w *world) spoilt(rec *alertaction.Record) {
	for _, a := range w.fired {
		if a.SID == rec.Payload.SID {
			a.record = rec.Header.ID
		}
	}
}

// spoil cuts off or changes a file that lies around: a record of the spool, or what the worker has published
// for the action. The rest of its bytes stay as they are.
func (w *world) spoil() {
	w.t.Helper()
	var files []string
	for _, pattern := range []string{"spool/*.alert", "spool/*.alert", "cache.snapshot", "rules.*", "lists.good.json"} {
		found, err := filepath.Glob(w.state(filepath.FromSlash(pattern)))
		w.ok(err)
		files = append(files, found...)
	}
	if len(files) == 0 {
		return
	}
	path := files[w.intN(len(files))]
	if filepath.Ext(path) == ".alert" {
		rec, err := alertaction.OpenRecord(path)
		if err != nil {
			return // spoilt already
		}
		w.spoilt(rec)
	}
	data, err := os.ReadFile(path)
	w.ok(err)
	if len(data) == 0 {
		return
	}
	if i := w.intN(len(data)); w.intN(2) == 0 {
		data = data[:i]
	} else {
		data[i] ^= byte(1 + w.intN(255))
	}
	w.ok(os.WriteFile(path, data, 0o600))
	w.stats.fault("spoilt " + strings.TrimLeft(filepath.Ext(path), "."))
}

// timeIsUp makes the time be over to decide what lies in the spool undecided, because its action died. The
// worker would wait for minutes; so the year in its header goes back, with the checksums that cover it.
func (w *world) timeIsUp() {
	w.t.Helper()
	files, err := filepath.Glob(w.state("spool", "*.intake"))
	w.ok(err)
	for _, path := range files {
		data, err := os.ReadFile(path)
		w.ok(err)
		head := bytes.IndexByte(data, '\n') + 1
		size := int(binary.LittleEndian.Uint32(data[head+1:]))
		text := data[head+9 : head+9+size]
		i := bytes.Index(text, []byte(`"decide_by":"`)) + len(`"decide_by":"`)
		copy(text[i:], "2020")
		at := binary.LittleEndian.AppendUint64(nil, uint64(head))
		sum := crc32.ChecksumIEEE(slices.Concat(at, data[head:head+5], text))
		binary.LittleEndian.PutUint32(data[head+5:], sum)
		end := len(data) - sha256.Size - 9
		hash := sha256.Sum256(data[:end])
		copy(data[end+9:], hash[:])
		at = binary.LittleEndian.AppendUint64(nil, uint64(end))
		sum = crc32.ChecksumIEEE(slices.Concat(at, data[end:end+5], hash[:]))
		binary.LittleEndian.PutUint32(data[end+5:], sum)
		w.ok(os.WriteFile(path, data, 0o600))
	}
}
