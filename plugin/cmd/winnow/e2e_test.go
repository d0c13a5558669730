package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/packaging/demo"
	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// TestEndToEnd starts the real programs the way splunkd does, against a splunkd that counts.
func TestEndToEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("starts hundreds of processes")
	}
	programs := buildPrograms(t)
	noPoints(t, programs)
	for _, c := range []struct {
		name string
		run  func(t *testing.T, programs string)
	}{
		{"shadow changes nothing", shadowChangesNothing},
		{"beside updates what stands", besideUpdatesWhatStands},
		{"owner writes what survives", ownerWritesWhatSurvives},
		{"without a worker the action fails open", failsOpen},
		{"assist only comments", assistComments},
		{"a killed worker loses and doubles nothing", killedWorker},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, programs)
		})
	}
}

// noPoints checks that programs built as for a release cannot be told where to die.
func noPoints(t *testing.T, programs string) {
	t.Helper()
	entries, err := os.ReadDir(programs)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d programs, error %v", len(entries), err)
	}
	for _, entry := range entries {
		program, err := os.ReadFile(filepath.Join(programs, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if found := crash.In(program); len(found) > 0 {
			t.Errorf("%s holds %v", entry.Name(), found)
		}
	}
}

const exact = "[gate]\ncanary = 0%\n"

// The shipped configuration, untouched: the whole day is fired, and nothing of it reaches Splunk
// but winnow's own events, which say what would have been.
func shadowChangesNothing(t *testing.T, programs string) {
	h := newHome(t, programs, "")
	day := demo.Dispatches(1, h.now)
	ids := h.esWrites(day)
	w := h.startInput()
	h.fires(day)
	records := h.settled(demo.Alerts(day))
	w.stop()
	for key, rec := range records {
		if o := rec.Outcome; o.State != winnow.StateLeft || o.Run != winnow.RunShadow || o.Would == "" {
			t.Errorf("%s: outcome is %+v", key, o)
		}
		if events := h.told()[rec.ID]; len(events) != 1 || events[0].Outcome != rec.Outcome {
			t.Errorf("%s: its events are %+v", key, events)
		}
	}
	if h.Updates() != 0 || len(h.Notables()) != len(ids) {
		t.Errorf("%d updates, %d notables for %d of Enterprise Security's", h.Updates(), len(h.Notables()), len(ids))
	}
	if files, err := os.ReadDir(h.SpoolDir()); err != nil || len(files) > 0 {
		t.Errorf("Splunk's spool holds %v (%v)", files, err)
	}
	if asked := h.Requests(); len(asked) > 0 {
		t.Errorf("splunkd was asked %d times, first for %s", len(asked), asked[0].Path)
	}
	closesNoAttack(t, day, records)
	h.noSecrets()
}

// Enterprise Security wrote a notable for every row: winnow closes those it has proven benign,
// leaves the others open, and keeps its hands off the one that a person took.
func besideUpdatesWhatStands(t *testing.T, programs string) {
	const token = "t0ken-of-the-service-account"
	h := newHome(t, programs, "")
	h.AddToken("svc-winnow", token, noEnd, splunktest.CapEditNotables)
	h.write(filepath.Join(h.home, "etc", "winnow.token"), token+"\n")
	h.write(filepath.Join(h.app(), "local", "winnow.conf"), exact+"run = enforce\n[splunk]\nuri = "+h.URL+
		"\ntoken_file = $SPLUNK_HOME/etc/winnow.token\n")
	day := someOf(demo.Dispatches(2, h.now), 3)
	ids := h.esWrites(day)
	taken := firstRow(day, demo.ExpectDrop)
	h.ok(h.Review("ann", ids[taken], splunktest.Change{Owner: "ann", Status: "2", Comment: "I look at it."}))
	h.fires(day)
	h.ok(runLogged(h.exec(t.Context(), "winnow", "worker", "--once"), h.workerLog()))
	records := h.settled(demo.Alerts(day))
	h.ingest()
	for key, notables := range h.notables() {
		if len(notables) != 1 {
			t.Errorf("%s has %d notables", key, len(notables))
		}
		n, rec := notables[0], records[key]
		wantStatus := map[winnow.State]string{winnow.StateClosed: "5"}[rec.Outcome.State]
		switch {
		case key == taken:
			if n.Status() != "2" || n.Owner() != "ann" || n.Disposition() != "" || len(n.Reviews) != 2 {
				t.Errorf("ann's notable was changed: %+v", n.Reviews)
			}
			if o := rec.Outcome; o.State != winnow.StateLeft || o.Reason != winnow.ReasonPerson || o.Actor != "person:ann" || o.Would != winnow.StateClosed {
				t.Errorf("its outcome is %+v", o)
			}
		case wantStatus == "5" && (n.Status() != "5" || n.Disposition() == ""):
			t.Errorf("%s is closed, its notable has status %s, disposition %q", key, n.Status(), n.Disposition())
		case wantStatus == "" && n.Status() != "" && n.Status() != "1":
			t.Errorf("%s is %s, its notable has status %s", key, rec.Outcome.State, n.Status())
		}
	}
	if len(h.Notables()) != len(ids) {
		t.Errorf("%d notables, Enterprise Security wrote %d", len(h.Notables()), len(ids))
	}
	proposesAsExpected(t, day, records)
	closesNoAttack(t, day, records)
	h.noSecrets()
}

// winnow owns the notables: one for what survives, none for what is dropped, and a second
// delivery of the same alerts adds none.
func ownerWritesWhatSurvives(t *testing.T, programs string) {
	h := newHome(t, programs, exact+"run = enforce\nplace = owner\n")
	day := someOf(demo.Dispatches(3, h.now), 4)
	w := h.startInput()
	h.alive()
	h.fires(day)
	records := h.settled(demo.Alerts(day))
	h.noSecrets()
	h.ingest()
	h.oneNotableEach(records, func(rec winnow.Record) bool { return rec.Outcome.State != winnow.StateClosed })
	h.fires(day) // Splunk delivers all of it again
	again := h.settled(demo.Alerts(day))
	w.stop()
	h.ingest()
	h.oneNotableEach(again, func(rec winnow.Record) bool { return rec.Outcome.State != winnow.StateClosed })
	for key, rec := range records {
		if again[key].Outcome != rec.Outcome {
			t.Errorf("%s: the second delivery made %+v of %+v", key, again[key].Outcome, rec.Outcome)
		}
	}
	proposesAsExpected(t, day, records)
	closesNoAttack(t, day, records)
	h.noSecrets()
}

// No worker runs: the action writes the notables itself. When the worker comes back it adds none,
// and closes those that it proves benign.
func failsOpen(t *testing.T, programs string) {
	h := newHome(t, programs, exact+"run = enforce\nplace = owner\n")
	day := someOf(demo.Dispatches(4, h.now), 5)
	h.fires(day)
	h.ingest()
	written := len(h.Notables())
	w := h.startInput()
	records := h.settled(demo.Alerts(day))
	w.stop()
	h.ingest()
	dropped := func(rec winnow.Record) bool { return rec.Outcome.Reason == winnow.ReasonRule }
	h.oneNotableEach(records, func(rec winnow.Record) bool { return !dropped(rec) })
	if len(h.Notables()) != written {
		t.Errorf("%d notables, the action wrote %d", len(h.Notables()), written)
	}
	proven := 0
	for key, notables := range h.notables() {
		n, rec := notables[0], records[key]
		if closed := rec.Outcome.State == winnow.StateClosed; closed != (n.Status() == "5") {
			t.Errorf("%s is %s, its notable has status %q", key, rec.Outcome.State, n.Status())
		} else if closed {
			proven++
		}
	}
	if proven == 0 {
		t.Error("nothing was proven benign after the fact: the test shows nothing")
	}
	closesNoAttack(t, day, records)
	h.noSecrets()
}

// In assist every notable gets a comment, and nothing else.
func assistComments(t *testing.T, programs string) {
	h := newHome(t, programs, exact+"run = assist\n")
	day := someOf(demo.Dispatches(5, h.now), 2)
	ids := h.esWrites(day)
	w := h.startInput()
	h.fires(day)
	records := h.settled(demo.Alerts(day))
	w.stop()
	for key, id := range ids {
		n, _ := h.Notable(id)
		if len(n.Reviews) != 1 || !strings.Contains(n.Reviews[0].Comment, "would be "+string(records[key].Outcome.Would)) || n.Reviews[0].User != systemUser {
			t.Errorf("%s: reviews are %+v", key, n.Reviews)
		}
		if (n.Status() != "" && n.Status() != "1") || n.Owner() != "" || n.Disposition() != "" || n.Urgency() != "medium" {
			t.Errorf("%s: more than a comment: %+v", key, n.Reviews)
		}
		if records[key].Outcome.State != winnow.StateLeft {
			t.Errorf("%s is %s", key, records[key].Outcome.State)
		}
	}
	h.ingest()
	if len(h.Notables()) != len(ids) {
		t.Errorf("%d notables for %d", len(h.Notables()), len(ids))
	}
	h.noSecrets()
}

// The worker is killed again and again while alerts come in: no row is lost or has two outcomes,
// no notable and no event is written twice.
func killedWorker(t *testing.T, programs string) {
	h := newHome(t, programs, exact+"run = enforce\nplace = owner\n")
	day := someOf(demo.Dispatches(6, h.now), 4)
	total := demo.Alerts(day)
	parts := slices.Collect(slices.Chunk(day, (len(day)+3)/4))
	for _, part := range parts {
		w := h.startInput()
		h.alive()
		before := len(h.told())
		h.fires(part)
		h.waitFor("some outcomes are told", h.log, func() bool { return len(h.told()) > before })
		w.kill()
		h.ingest()
	}
	w := h.startInput()
	records := h.settled(total)
	w.stop()
	h.ingest()
	h.oneNotableEach(records, func(rec winnow.Record) bool { return rec.Outcome.State != winnow.StateClosed })
	told := h.told()
	for key, rec := range records {
		if events := told[rec.ID]; len(events) == 0 || events[len(events)-1].Outcome != rec.Outcome {
			t.Errorf("%s: its events are %+v, its outcome %+v", key, events, rec.Outcome)
		}
	}
	h.ledger(func(tx *ledger.Tx) error {
		_, failed, err := tx.OutboxCounts()
		if failed > 0 {
			t.Errorf("%d deliveries were given up", failed)
		}
		return err
	})
	closesNoAttack(t, day, records)
	h.noSecrets()
}
