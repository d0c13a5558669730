package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/packaging/demo"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// splunkHome is a Splunk with the app installed, the real programs in it, and a splunkd that
// answers as the real one does.
type splunkHome struct {
	*splunktest.Server
	*stage
	t   testing.TB
	now time.Time
}

// systemUser is whose session the worker's key is.
const systemUser = "splunk-system-user"

// buildPrograms builds what make build does, once for all end-to-end tests.
func buildPrograms(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", dir+string(filepath.Separator), ".", "../winnow_triage")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return dir
}

// newHome installs the app with a local/winnow.conf, "" for none, and the demo's content.
func newHome(t testing.TB, programs, conf string) *splunkHome {
	t.Helper()
	home := t.TempDir()
	h := &splunkHome{
		Server: splunktest.New(t, splunktest.Options{Home: home, NotableOwners: []string{"ann"}}),
		stage:  &stage{home: home}, t: t, now: time.Now(),
	}
	h.AddSession(systemUser, demo.SessionKey, time.Time{}, splunktest.CapEditNotables, splunktest.CapListPasswords)
	h.ok(copyApp(filepath.Join("..", "..", "..", "packaging", "app"), h.app()))
	h.ok(os.MkdirAll(filepath.Join(h.app(), "bin"), 0o700))
	for _, name := range []string{"winnow", "winnow_triage"} {
		built := filepath.Join(programs, filepath.Base(h.program(name)))
		h.ok(os.Link(built, h.program(name))) // a copy might still be open for writing in a process that another test began
	}
	content := filepath.Join(h.apps(), "winnow_content")
	h.ok(demo.WriteContent(content, h.now))
	h.dropCanaries(filepath.Join(content, "rules"))
	if conf != "" {
		h.write(filepath.Join(h.app(), "local", "winnow.conf"), conf)
	}
	h.write(filepath.Join(home, "etc", "instance.cfg"), "[general]\nguid = 6F4B1C52-3A3F-4D5E-9C0B-2B9E3F1A7D10\n")
	return h
}

// dropCanaries makes the rules' proposals exact.
func (h *splunkHome) dropCanaries(dir string) {
	h.t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	h.ok(err)
	for _, path := range files {
		text, err := os.ReadFile(path)
		h.ok(err)
		h.write(path, strings.ReplaceAll(string(text), "    canary: 2%\n", ""))
	}
}

func (h *splunkHome) write(path, text string) {
	h.t.Helper()
	h.ok(os.MkdirAll(filepath.Dir(path), 0o700))
	h.ok(os.WriteFile(path, []byte(text), 0o600))
}

func (h *splunkHome) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// someOf takes from a day all that belongs to the attack, and a few of the rest of each search.
func someOf(day []demo.Dispatch, most int) (out []demo.Dispatch) {
	seen := map[string]int{}
	for _, d := range day {
		key, keep := d.SearchName, false
		for _, row := range d.Rows {
			keep = keep || row.Expected == demo.ExpectEscalate
			key += string(row.Expected)
		}
		if seen[key]++; keep || seen[key] <= most {
			out = append(out, d)
		}
	}
	return out
}

// rowsOf calls f for every row with the sid and rid that name it.
func rowsOf(day []demo.Dispatch, f func(key string, d demo.Dispatch, row demo.Row)) {
	for _, d := range day {
		for i, row := range d.Rows {
			f(d.SID+"/"+strconv.Itoa(d.ResultID+i), d, row)
		}
	}
}

// esWrites has Enterprise Security write a notable for every row, and returns their ids.
func (h *splunkHome) esWrites(day []demo.Dispatch) map[string]string {
	ids := map[string]string{}
	rowsOf(day, func(key string, d demo.Dispatch, _ demo.Row) {
		ids[key] = h.AddNotable(d.SearchName, d.SID, key[strings.LastIndexByte(key, '/')+1:], map[string]string{"severity": "medium"})
	})
	return ids
}

func (h *splunkHome) fires(day []demo.Dispatch) {
	h.t.Helper()
	h.ok(h.fire(h.t.Context(), day))
}

// worker is a worker that splunkd runs as modular input.
type worker struct {
	h      *splunkHome
	cmd    *exec.Cmd
	stderr bytes.Buffer
	done   chan error
}

func (h *splunkHome) startInput() *worker {
	h.t.Helper()
	w := &worker{h: h, done: make(chan error, 1)}
	w.cmd = h.exec(context.WithoutCancel(h.t.Context()), "winnow")
	w.cmd.Stdin, w.cmd.Stderr = strings.NewReader(h.inputConfig()), &w.stderr
	h.ok(w.cmd.Start())
	go func() { w.done <- w.cmd.Wait() }()
	h.t.Cleanup(func() { _ = w.cmd.Process.Kill() })
	return w
}

// inputConfig is what splunkd writes to the input's standard input.
func (h *splunkHome) inputConfig() string {
	text := func(s string) string {
		var b bytes.Buffer
		h.ok(xml.EscapeText(&b, []byte(s)))
		return b.String()
	}
	return `<?xml version="1.0" encoding="UTF-8"?><input><server_host>splunk.corp.example</server_host><server_uri>` + text(h.URL) +
		`</server_uri><session_key>` + text(demo.SessionKey) + `</session_key><checkpoint_dir>` + text(filepath.Dir(h.state())) +
		`</checkpoint_dir><configuration><stanza name="winnow://worker" app="winnow"><param name="interval">0</param></stanza></configuration></input>`
}

// stop ends the worker as splunkd does; it must end well.
func (w *worker) stop() {
	w.h.t.Helper()
	w.h.ok(interrupt(w.cmd.Process))
	select {
	case err := <-w.done:
		if err != nil {
			w.h.t.Errorf("the worker ended with %v:\n%s", err, w.stderr.String())
		}
	case <-time.After(20 * time.Second):
		w.h.t.Fatalf("the worker does not end:\n%s", w.stderr.String())
	}
}

// kill ends the worker with SIGKILL.
func (w *worker) kill() {
	w.h.t.Helper()
	w.h.ok(w.cmd.Process.Kill())
	<-w.done
}

// waitFor polls until a condition holds.
func (h *splunkHome) waitFor(what string, state func() string, done func() bool) {
	h.t.Helper()
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(25 * time.Millisecond) {
		if done() {
			return
		}
	}
	h.t.Fatalf("%s: not in 40 s, %s", what, state())
}

// settled waits until every one of n rows has an outcome and all that is to be told is told.
func (h *splunkHome) settled(n int) map[string]winnow.Record {
	h.t.Helper()
	var counts struct{ alerts, open, waiting int }
	h.waitFor("the worker settles everything", func() string { return fmt.Sprintf("%+v of %d alerts", counts, n) }, func() bool {
		if entries, err := filepath.Glob(filepath.Join(h.state(), "spool", "*.*")); err != nil || len(entries) > 0 {
			return false
		}
		counts.alerts, counts.open = 0, 0
		h.ledger(func(t *ledger.Tx) error {
			err := t.Tallies(ledger.Span{}, func(y *ledger.Tally) {
				counts.alerts += y.Alerts
				if y.State == winnow.StateQueued {
					counts.open += y.Alerts
				}
			})
			waiting, _, err2 := t.OutboxCounts()
			counts.waiting = waiting
			return errors.Join(err, err2)
		})
		return counts.alerts >= n && counts.open == 0 && counts.waiting == 0
	})
	return h.records(n)
}

// records returns the current record of every row. Each row must have exactly one.
func (h *splunkHome) records(n int) map[string]winnow.Record {
	h.t.Helper()
	out := map[string]winnow.Record{}
	h.ledger(func(t *ledger.Tx) error {
		ids, err := t.IDs()
		for _, id := range ids {
			rec, err := t.Record(id)
			if err != nil {
				return err
			}
			key := rec.SID + "/" + rec.RID
			if _, twice := out[key]; twice {
				h.t.Errorf("%s has two records", key)
			}
			if rec.Outcome.Unaudited || rec.Outcome.Reason == winnow.ReasonUnaudited {
				h.t.Errorf("%s is unaudited: %+v", key, rec.Outcome)
			}
			out[key] = rec
		}
		return err
	})
	if len(out) != n {
		h.t.Errorf("%d records for %d rows", len(out), n)
	}
	return out
}

// ledger reads the ledger beside the worker. Before the worker has made it there is nothing.
func (h *splunkHome) ledger(f func(*ledger.Tx) error) {
	h.t.Helper()
	l, err := ledger.OpenReadOnly(h.t.Context(), filepath.Join(h.state(), "ledger.db"))
	if err != nil {
		return // not there yet, or being made
	}
	defer func() { _ = l.Close() }()
	if err := l.View(h.t.Context(), f); err != nil {
		h.t.Logf("read the ledger: %v", err)
	}
}

// told returns the outcomes that winnow wrote into its own log, by id, in order.
func (h *splunkHome) told() map[string][]winnow.Record {
	h.t.Helper()
	out, keys := map[string][]winnow.Record{}, map[string]bool{}
	f, err := os.Open(filepath.Join(h.state(), "outcomes.ndjson"))
	if errors.Is(err, fs.ErrNotExist) {
		return out
	}
	h.ok(err)
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var e struct {
			Key string `json:"event_key"`
			winnow.Record
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			continue // cut off by a kill: it is written again
		}
		if keys[e.Key] {
			h.t.Errorf("event %s was written twice", e.Key)
		}
		keys[e.Key] = true
		out[e.ID] = append(out[e.ID], e.Record)
	}
	h.ok(lines.Err())
	return out
}

// ingest has splunkd index what lies in its spool.
func (h *splunkHome) ingest() {
	h.t.Helper()
	_, err := h.Ingest()
	h.ok(err)
}

// notables returns the notable events of every row, by sid and rid.
func (h *splunkHome) notables() map[string][]splunktest.Notable {
	out := map[string][]splunktest.Notable{}
	for _, n := range h.Notables() {
		key := strings.Join(n.Fields["orig_sid"], " ") + "/" + strings.Join(n.Fields["orig_rid"], " ")
		out[key] = append(out[key], n)
	}
	return out
}

// noSecrets looks through all that was written for the session key.
func (h *splunkHome) noSecrets() {
	h.t.Helper()
	err := filepath.WalkDir(h.home, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if entry != nil && entry.IsDir() && path == filepath.Join(h.app(), "bin") {
				return fs.SkipDir // the demo inside the program knows the key
			}
			return err
		}
		if !entry.Type().IsRegular() { // the worker's socket
			return nil
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the worker is at work
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if bytes.Contains(data, []byte(demo.SessionKey)) {
			h.t.Errorf("%s holds the session key", path)
		}
		return nil
	})
	h.ok(err)
}

// closesNoAttack checks that nothing of the attack, and nothing that tries to close itself, is
// closed, or would be.
func closesNoAttack(t testing.TB, day []demo.Dispatch, records map[string]winnow.Record) {
	t.Helper()
	attacks := 0
	rowsOf(day, func(key string, d demo.Dispatch, row demo.Row) {
		if row.Expected != demo.ExpectEscalate {
			return
		}
		attacks++
		rec := records[key]
		if rec.Outcome.State == winnow.StateClosed || rec.Outcome.Would == winnow.StateClosed || rec.Proposal.Kind == winnow.ProposeDrop {
			t.Errorf("%s (%s): proposed %s, %s by %s", d.SearchName, key, rec.Proposal.Kind, rec.Outcome.State, rec.Outcome.Actor)
		}
	})
	if attacks < 15 {
		t.Errorf("only %d rows of the attack were fired", attacks)
	}
}
