package triage

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// reasons returns of each current record its reason by rid.
func (r *rig) reasons() map[string]string {
	r.t.Helper()
	out := map[string]string{}
	r.view(func(t *ledger.Tx) error {
		ids, err := t.IDs()
		for _, id := range ids {
			rec, err := t.Record(id)
			if err != nil {
				return err
			}
			out[rec.RID] = string(rec.Outcome.State) + " " + string(rec.Outcome.Reason)
		}
		return err
	})
	return out
}

// A record whose import panics is tried as often as an alert, each time by another worker, and is taken apart
// then: what can be taken over is, the row that brings it out goes to a person, and the file is kept.
func TestPromise1APoisonedRecordIsTakenApart(t *testing.T) {
	evil := func(a *winnow.Alert) bool {
		return a != nil && len(a.Fields["user"]) > 0 && a.Fields["user"][0] == "mallory"
	}
	for name, c := range map[string]struct {
		poke func(record string, a *winnow.Alert) bool
		want map[string]string
	}{
		"one row": {
			func(_ string, a *winnow.Alert) bool { return evil(a) },
			map[string]string{"0": "closed verdict", "1": "escalated gave_up:panic", "2": "closed verdict"},
		},
		"every row": {
			func(_ string, a *winnow.Alert) bool { return a != nil && a.Fields != nil },
			map[string]string{"0": "escalated gave_up:panic", "1": "escalated gave_up:panic", "2": "escalated gave_up:panic"},
		},
		"it cannot be opened": {
			func(record string, _ *winnow.Alert) bool { return record != "" },
			map[string]string{"record_unread": "escalated record_unread"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "gate.place=owner")
			path := r.spool(alertaction.KindAlert, "3", "bob", "mallory", "carol")
			id := strings.TrimSuffix(filepath.Base(path), ".alert")
			other := r.spool(alertaction.KindQuarantine, "1") // the next record is not held up
			var log bytes.Buffer
			notable := &sink{name: "notable"}
			most := r.state.Settings.Worker.MaxAttempts
			for try := 1; try <= most; try++ {
				w := r.worker(notable, &sink{name: "update"}, &sink{name: "events"})
				w.Log = slog.New(slog.NewTextHandler(&log, nil))
				w.poke = func(record string, a *winnow.Alert) {
					if a != nil && a.Key.SID == "spool:"+strings.TrimSuffix(filepath.Base(other), ".quarantine") || record != "" && record != id {
						return
					}
					if c.poke(record, a) {
						panic("MARKER")
					}
				}
				r.ok(w.takeOver(t.Context()))
				_, err := w.Turn(t.Context())
				r.ok(w.land(t.Context(), time.Minute))
				if (err == nil) != (try == most) {
					t.Fatalf("try %d: %v", try, err)
				}
				if err != nil && (len(r.spooled()) != 1 || len(r.outcomes()) != 1) {
					t.Fatalf("try %d: spool %v, outcomes %v", try, r.spooled(), r.outcomes())
				}
				r.restart()
			}
			r.once(r.worker(notable, &sink{name: "update"}, &sink{name: "events"}))
			if c.want["record_unread"] != "" { // of both records, each under a sid of its own
				r.wantRecordsUnread(2)
			} else {
				c.want["record_unread"] = "escalated record_unread" // of the other record
				if diff := cmp.Diff(c.want, r.reasons()); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
			if _, err := os.Stat(filepath.Join(r.state.Path("spool/bad"), filepath.Base(path))); err != nil || len(r.spooled()) > 0 {
				t.Errorf("%v; the spool holds %v", err, r.spooled())
			}
			escalated := 0
			for _, s := range r.reasons() {
				escalated += one(strings.HasPrefix(s, "escalated"))
			}
			if name != "it cannot be opened" && len(notable.took) != escalated {
				t.Errorf("%d notables for %d that went to a person", len(notable.took), escalated)
			}
			if n := strings.Count(log.String(), "a panic while a spool record was imported"); n != most || strings.Contains(log.String(), "MARKER") {
				t.Errorf("said %d times:\n%s", n, log.String())
			}
			r.view(func(tx *ledger.Tx) error {
				left, err := tx.Meta(panicsMeta(id))
				if left != "" {
					t.Errorf("%s panics are still counted", left)
				}
				return err
			})
		})
	}
}

func (r *rig) wantRecordsUnread(n int) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) error {
		ids, err := t.IDs()
		for _, id := range ids {
			rec, err := t.Record(id)
			if err != nil {
				return err
			}
			want(r.t, rec, winnow.StateEscalated, winnow.ReasonRecordUnread)
		}
		if len(ids) != n {
			r.t.Errorf("%d alerts, want %d", len(ids), n)
		}
		return err
	})
}

// When the fault lies in the fields themselves, the alert goes to a person without them.
func TestAPoisonedRowGoesWithoutItsFields(t *testing.T) {
	r := newRig(t)
	r.spool(alertaction.KindAlert, "2", "mallory", "bob")
	w := r.worker(&sink{name: "update"}, &sink{name: "events"})
	w.poke = func(_ string, a *winnow.Alert) {
		if a != nil && len(a.Fields) > 0 && a.Fields["user"][0] == "mallory" {
			panic(fmt.Sprint(a.Fields))
		}
	}
	for range r.state.Settings.Worker.MaxAttempts {
		_, _ = w.Turn(t.Context())
	}
	r.once(w)
	if diff := cmp.Diff(map[string]string{"0": "escalated gave_up:panic", "1": "closed verdict"}, r.reasons()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	r.view(func(tx *ledger.Tx) error {
		ids, err := tx.IDs()
		for _, id := range ids {
			entry, err := tx.Alert(id)
			if err != nil {
				return err
			}
			if entry.Alert.Key.RID == "0" && (len(entry.Alert.Fields) > 0 || !strings.Contains(strings.Join(entry.Alert.Warnings, " "), "spool/bad")) {
				t.Errorf("alert is %+v", entry.Alert)
			}
		}
		return err
	})
	// A crash between the rows and the move: it is taken apart again, and adds nothing.
	before := r.reasons()
	bad, err := filepath.Glob(filepath.Join(r.state.Path("spool/bad"), "*.alert"))
	r.ok(err)
	r.ok(os.Rename(bad[0], filepath.Join(r.state.Path("spool"), filepath.Base(bad[0]))))
	for range r.state.Settings.Worker.MaxAttempts {
		_, _ = w.Turn(t.Context())
	}
	r.once(w)
	if diff := cmp.Diff(before, r.reasons()); diff != "" || len(r.spooled()) > 0 {
		t.Errorf("spool %v; -want +got:\n%s", r.spooled(), diff)
	}
}

// A command that panics is set aside too: the worker is not stuck for ever, and shows that it lives.
func TestAPoisonedCommandIsSetAside(t *testing.T) {
	r := newRig(t)
	r.ok(alertaction.WriteCommand(r.state.Path("spool"), r.at, []byte(`{}`)))
	w := r.worker(&sink{name: "update"}, &sink{name: "events"})
	w.Command = func(*ledger.Tx, []byte) error { panic("MARKER") }
	for range r.state.Settings.Worker.MaxAttempts - 1 {
		if _, err := w.Turn(t.Context()); err == nil || len(r.spooled()) != 1 || !w.stuck {
			t.Fatalf("error %v, spool %v, stuck %v", err, r.spooled(), w.stuck)
		}
	}
	_, err := w.Turn(t.Context())
	r.ok(err)
	if bad, _ := os.ReadDir(r.state.Path("spool/bad")); len(bad) != 1 || len(r.spooled()) != 0 || w.stuck || len(r.outcomes()) != 0 {
		t.Errorf("set aside %v, spool %v, stuck %v, outcomes %v", bad, r.spooled(), w.stuck, r.outcomes())
	}
}
