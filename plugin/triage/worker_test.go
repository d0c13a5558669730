package triage

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

const payload = `{"sid": "scheduler_1", "search_name": "Impossible Travel", "app": "search", "configuration": {"severity": "2", "result_count": "COUNT"}}`

// spool stores a record as the action would that had no time to decide, with a row for each user.
func (r *rig) spool(kind alertaction.Kind, expected string, users ...string) string {
	r.t.Helper()
	r.records++
	h := alertaction.Header{
		Kind: kind, ID: fmt.Sprintf("01ARZ3NDEKTSV4RRFFQ69G5F%02d", r.records),
		Received: r.at, DecideBy: r.at.Add(time.Minute), Host: "sh1", Severity: winnow.SeverityLow,
	}
	w, err := alertaction.CreateRecord(r.state.Path("spool"), h)
	r.ok(err)
	w.Payload([]byte(strings.Replace(payload, "COUNT", expected, 1)))
	var text strings.Builder
	out := csv.NewWriter(&text)
	r.ok(out.Write([]string{"src", "user", "dest"}))
	for _, u := range users {
		r.ok(out.Write([]string{egress, u, "vpn.corp.example"}))
	}
	out.Flush()
	r.ok(w.Results(strings.NewReader(text.String())))
	r.ok(w.Commit(alertaction.Trailer{}))
	return filepath.Join(r.state.Path("spool"), h.ID+"."+string(kind))
}

func (r *rig) spooled() (names []string) {
	r.t.Helper()
	files, err := os.ReadDir(r.state.Path("spool"))
	r.ok(err)
	for _, f := range files {
		if !f.IsDir() {
			names = append(names, f.Name())
		}
	}
	return names
}

// outcomes counts the current records by rid and state.
func (r *rig) outcomes() map[string]winnow.State {
	r.t.Helper()
	out := map[string]winnow.State{}
	r.view(func(t *ledger.Tx) error {
		ids, err := t.IDs()
		for _, id := range ids {
			rec, err := t.Record(id)
			if err != nil {
				return err
			}
			if _, twice := out[rec.RID]; twice {
				r.t.Errorf("rid %s has two records", rec.RID)
			}
			out[rec.RID] = rec.Outcome.State
		}
		return err
	})
	return out
}

func (r *rig) once(w *Worker) {
	r.t.Helper()
	r.ok(w.Once(r.t.Context()))
}

func TestOnceWorksEverythingOff(t *testing.T) {
	r := newRig(t)
	r.spool(alertaction.KindAlert, "3", "ann", "bob", "carol")
	update, events := &sink{name: "update"}, &sink{name: "events"}
	r.once(r.worker(update, events))
	wantStates := map[string]winnow.State{"0": winnow.StateClosed, "1": winnow.StateClosed, "2": winnow.StateClosed}
	if diff := cmp.Diff(wantStates, r.outcomes()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(r.spooled())+len(r.queued())+len(r.sent()) != 0 {
		t.Errorf("left: spool %v, queue %v, outbox %v", r.spooled(), r.queued(), r.sent())
	}
	if len(update.took) != 3 || len(events.took) != 3 {
		t.Errorf("%d updates and %d events, want 3 and 3", len(update.took), len(events.took))
	}
	if !r.state.Alive(r.at) {
		t.Error("no heartbeat")
	}
}

// A worker that dies between the commit and the removal of the file reads the record again.
func TestPromise1ImportingTwiceAddsNothing(t *testing.T) {
	r := newRig(t)
	path := r.spool(alertaction.KindAlert, "2", "bob", "carol")
	copied, err := os.ReadFile(path)
	r.ok(err)
	events := &sink{name: "events"}
	r.once(r.worker(&sink{name: "update"}, events))
	before, told := r.outcomes(), len(events.took)
	r.ok(os.WriteFile(path, copied, 0o600))
	r.restart()
	r.once(r.worker(&sink{name: "update"}, events))
	if diff := cmp.Diff(before, r.outcomes()); diff != "" || len(events.took) != told || len(r.spooled()) != 0 {
		t.Errorf("the second import made a difference: %s; %d events; spool %v", diff, len(events.took), r.spooled())
	}
	r.spool(alertaction.KindAlert, "2", "bob", "carol") // Splunk ran the action twice
	r.once(r.worker(&sink{name: "update"}, events))
	if diff := cmp.Diff(before, r.outcomes()); diff != "" || len(events.took) != told {
		t.Errorf("the second delivery made a difference: %s; %d events", diff, len(events.took))
	}
}

// Rows that Splunk cut off, results that cannot be read, records that are damaged and payloads
// nobody understands: each becomes an alert that a person sees.
func TestPromise1LossesAreVisible(t *testing.T) {
	for name, c := range map[string]struct {
		spool  func(*rig) string
		rid    string
		reason winnow.Reason
		others int
		bad    bool
	}{
		"cut off by Splunk": {func(r *rig) string { return r.spool(alertaction.KindAlert, "5", "bob") }, "truncated", winnow.ReasonTruncated, 1, false},
		"undecided, late": {func(r *rig) string {
			path := r.spool(alertaction.KindIntake, "9", "bob", "carol")
			r.at = r.at.Add(2 * time.Minute)
			return path
		}, "truncated", winnow.ReasonTruncated, 2, false},
		"torn": {func(r *rig) string {
			path := r.spool(alertaction.KindAlert, "1", "bob")
			data, err := os.ReadFile(path)
			r.ok(err)
			r.ok(os.WriteFile(path, data[:40], 0o600))
			return path
		}, "record_unread", winnow.ReasonRecordUnread, 0, true},
		"not understood": {func(r *rig) string { return r.spool(alertaction.KindQuarantine, "1") }, "record_unread", winnow.ReasonRecordUnread, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			path := c.spool(r)
			r.once(r.worker(&sink{name: "update"}, &sink{name: "notable"}, &sink{name: "events"}))
			all := r.outcomes()
			if all[c.rid] != winnow.StateEscalated || len(all) != c.others+1 {
				t.Errorf("outcomes are %v, want %s escalated and %d rows", all, c.rid, c.others)
			}
			if len(r.spooled()) > 0 {
				t.Errorf("the spool still holds %v", r.spooled())
			}
			if _, err := os.Stat(filepath.Join(r.state.Path("spool/bad"), filepath.Base(path))); (err == nil) != c.bad {
				t.Errorf("set aside: %v, want %v", err == nil, c.bad)
			}
			for _, d := range r.deliveries(c.rid) {
				if d.Kind == string(ledger.DeliverNotable) {
					return
				}
			}
			t.Error("no notable tells of the loss")
		})
	}
}

func (r *rig) deliveries(rid string) (out []ledger.DeliveryState) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) error {
		ids, err := t.IDs()
		for _, id := range ids {
			if rec, err := t.Record(id); err != nil || rec.RID != rid {
				continue
			}
			if out, err = t.Deliveries(id); err != nil {
				return err
			}
		}
		return err
	})
	return out
}

// While the action may still decide, its intake waits.
func TestUndecidedIntakesWaitForTheAction(t *testing.T) {
	r := newRig(t)
	r.spool(alertaction.KindIntake, "1", "bob")
	r.once(r.worker(&sink{name: "update"}, &sink{name: "events"}))
	if len(r.outcomes()) != 0 || len(r.spooled()) != 1 {
		t.Fatal("the worker took what the action is deciding")
	}
	r.at = r.at.Add(time.Minute)
	r.once(r.worker(&sink{name: "update"}, &sink{name: "events"}))
	if len(r.outcomes()) != 1 || len(r.spooled()) != 0 {
		t.Errorf("outcomes %v, spool %v", r.outcomes(), r.spooled())
	}
}

// A record that cannot be read holds up neither the others nor what else there is to do, and stays.
func TestOneBadRecordHoldsUpNothing(t *testing.T) {
	r := newRig(t)
	bad := r.spool(alertaction.KindAlert, "1", "bob")
	r.ok(os.Rename(bad, bad+".x"))
	r.spool(alertaction.KindAlert, "1", "carol")
	w := r.worker(&sink{name: "update"}, &sink{name: "events"})
	w.Command = func(*ledger.Tx, []byte) error { return errors.New("disk full") }
	r.ok(alertaction.WriteCommand(r.state.Path("spool"), r.at, []byte(`{}`)))
	if err := w.Once(t.Context()); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("error is %v", err)
	}
	if all := r.outcomes(); len(all) != 1 || all["0"] != winnow.StateClosed {
		t.Errorf("outcomes are %v", all)
	}
	if len(r.queued())+len(r.sent()) != 0 {
		t.Error("work was left undone")
	}
	if _, err := os.Stat(r.state.Path("cache.snapshot")); err != nil {
		t.Errorf("nothing was published: %v", err)
	}
}

func TestFailingAnalystsAreAskedAgain(t *testing.T) {
	r := newRig(t)
	r.broken = analystFunc(noAnswer)
	r.admit(Row{Alert: r.alert("0"), Proposal: passes})
	w := r.worker()
	var pauses []time.Duration
	for range r.state.Settings.Worker.MaxAttempts {
		if n := r.step(w); n != 1 {
			t.Fatalf("%d alerts were due", n)
		}
		items := r.queued()
		if len(items) == 0 {
			break
		}
		if items[0].Cause != queue.CauseAnalyst || items[0].Detail != errNoAnswer.Error() {
			t.Errorf("cause is %s, %q", items[0].Cause, items[0].Detail)
		}
		was := r.at
		for ; r.at.Before(was.Add(time.Hour)); r.at = r.at.Add(time.Second) { // back-off: nothing is due at once
			if r.due() {
				break
			}
		}
		pauses = append(pauses, r.at.Sub(was))
	}
	if diff := cmp.Diff([]time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second}, pauses); diff != "" {
		t.Errorf("pauses: -want +got:\n%s", diff)
	}
	if all := r.outcomes(); all["0"] != winnow.StateEscalated {
		t.Errorf("after the last try it is %s", all["0"])
	}
}

// due reports whether an alert could be leased, and gives the lease back.
func (r *rig) due() (due bool) {
	r.t.Helper()
	err := r.ledger.Update(r.t.Context(), func(t *ledger.Tx) error {
		items, err := queue.Lease(t.Context(), t.Conn(), r.at, r.at.Add(time.Minute), time.Time{}, 1)
		due = len(items) > 0
		return errors.Join(err, errForGood) // roll back
	})
	if !errors.Is(err, errForGood) {
		r.t.Fatal(err)
	}
	return due
}

func TestAnAnalystThatRecoversSettles(t *testing.T) {
	r := newRig(t)
	r.broken = analystFunc(noAnswer)
	r.admit(Row{Alert: r.alert("0"), Proposal: passes})
	w := r.worker()
	r.step(w)
	r.broken, r.at = nil, r.at.Add(time.Hour)
	r.turn()
	if all := r.outcomes(); all["0"] != winnow.StateClosed {
		t.Errorf("outcome is %s", all["0"])
	}
}

// What a worker that died had begun is due for the next one at once.
func TestPromise1ADeadWorkersLeasesAreTakenOver(t *testing.T) {
	r := newRig(t)
	r.admit(Row{Alert: r.alert("0"), Proposal: passes})
	asked := r.hang()
	_, err := r.worker().triageQueue(t.Context())
	r.ok(err)
	<-asked
	r.broken = nil
	r.restart()
	r.once(r.worker(&sink{name: "update"}, &sink{name: "events"}))
	if all := r.outcomes(); all["0"] != winnow.StateClosed {
		t.Errorf("outcome is %s", all["0"])
	}
}

// hang has analysts that answer nothing before the test ends. It returns the questions.
func (r *rig) hang() <-chan llm.Input {
	asked, ends := make(chan llm.Input, 1000), make(chan struct{})
	r.t.Cleanup(func() { close(ends) })
	r.broken = analystFunc(func(in llm.Input) (llm.Analysis, error) {
		asked <- in
		<-ends
		return noAnswer(in)
	})
	return asked
}

// An alert that kills the worker at every try is not tried for ever.
func TestAnAlertThatKillsTheWorkerIsEscalated(t *testing.T) {
	r := newRig(t)
	r.admit(Row{Alert: r.alert("0"), Proposal: passes})
	asked := r.hang()
	for range r.state.Settings.Worker.MaxAttempts + 1 {
		w := r.worker()
		r.ok(w.takeOver(t.Context()))
		_, err := w.triageQueue(t.Context())
		r.ok(err)
		if w.air.aloft() > 0 {
			<-asked
		}
		r.restart()
	}
	if all := r.outcomes(); all["0"] != winnow.StateEscalated || len(asked) != 0 {
		t.Errorf("it is %s, and %d tries are one too many", all["0"], len(asked))
	}
}

func TestFailingSinksAreTriedAgain(t *testing.T) {
	r := newRig(t)
	rec := r.triage(r.alert("0"))
	down := true
	update := &sink{name: "update", fail: func(ledger.Delivery) error {
		if down {
			return errors.New("connection refused")
		}
		return nil
	}}
	w := r.worker(update, &sink{name: "events"})
	_, err := w.deliver(t.Context())
	r.ok(err)
	n, err := w.deliver(t.Context())
	r.ok(err)
	if n != 0 {
		t.Error("tried again at once")
	}
	if d := r.deliveryTo(rec.ID, "update"); d.Attempts != 1 || d.Error != "connection refused" || !d.Done.IsZero() {
		t.Errorf("delivery is %+v", d)
	}
	down, r.at = false, r.at.Add(r.state.Settings.Queue.RetryMin)
	_, err = w.deliver(t.Context())
	r.ok(err)
	if d := r.deliveryTo(rec.ID, "update"); d.Done.IsZero() || d.Error != "" || len(update.took) != 1 {
		t.Errorf("delivery is %+v, taken %d times", d, len(update.took))
	}
}

func (r *rig) deliveryTo(id, name string) (out ledger.DeliveryState) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) error {
		all, err := t.Deliveries(id)
		for _, d := range all {
			if d.Sink == name {
				out = d
			}
		}
		return err
	})
	return out
}

// What can never be delivered, and what was tried for a day, waits for people to look at it.
func TestDeliveriesAreGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		fail  error
		tries int
	}{"refused": {errForGood, 1}, "down for a day": {errors.New("connection refused"), deliveryTries}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			rec := r.triage(r.alert("0"))
			w := r.worker(&sink{name: "update", fail: func(ledger.Delivery) error { return c.fail }}, &sink{name: "events"})
			for range deliveryTries + 5 {
				_, err := w.deliver(t.Context())
				r.ok(err)
				r.at = r.at.Add(r.state.Settings.Queue.RetryMax)
			}
			if d := r.deliveryTo(rec.ID, "update"); d.Attempts != c.tries || !d.Done.IsZero() {
				t.Errorf("delivery is %+v, want %d tries", d, c.tries)
			}
			r.view(func(tx *ledger.Tx) error {
				_, failed, err := tx.OutboxCounts()
				if failed != 1 {
					t.Errorf("%d given up, want 1", failed)
				}
				return err
			})
			if got := r.record(rec.ID); got.Outcome != rec.Outcome {
				t.Error("a sink that fails changed an outcome")
			}
		})
	}
}

// However slow sinks or analysts are, the alert action sees that the worker lives.
func TestTheHeartBeatsDuringSlowWork(t *testing.T) {
	for name, slowSinks := range map[string]bool{"sinks": true, "analysts": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			grace := r.state.Settings.Gate.WorkerGrace
			var mu sync.Mutex
			r.engine.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return r.at }
			slow := func(is bool) {
				mu.Lock()
				defer mu.Unlock()
				if !is {
					return
				}
				r.at = r.at.Add(grace)
				if !r.state.Alive(r.at) {
					t.Error("taken for dead during its work")
				}
			}
			r.broken = analystFunc(func(in llm.Input) (llm.Analysis, error) {
				slow(!slowSinks)
				return r.model.pipeline(t, r.facts, r.state.Default("attack.csv")).Analyse(t.Context(), in)
			})
			r.state.Settings.Worker.Concurrency = 1
			for _, user := range []string{"bob", "carol", "dan"} {
				r.admit(Row{Alert: r.alert(user, "user", user), Proposal: passes})
			}
			wait := func(ledger.Delivery) error { slow(slowSinks); return nil }
			r.once(r.worker(&sink{name: "update", fail: wait}, &sink{name: "events", fail: wait}))
		})
	}
}

// A command that fails half way leaves nothing behind, and is tried again.
func TestCommandsAreAllOrNothing(t *testing.T) {
	r := newRig(t)
	rec := r.triage(r.alert("0"))
	r.ok(alertaction.WriteCommand(r.state.Path("spool"), r.at, []byte(`{}`)))
	w := r.worker(&sink{name: "update"}, &sink{name: "events"})
	fails := true
	w.Command = func(tx *ledger.Tx, _ []byte) error {
		if err := r.engine.Requeue(tx, rec.ID, winnow.ReasonRecall, "half a decision"); err != nil || !fails {
			return err
		}
		return errors.New("disk full")
	}
	if _, err := w.importSpool(t.Context()); err == nil || len(r.spooled()) != 1 {
		t.Fatalf("error %v, spool %v", err, r.spooled())
	}
	if got := r.record(rec.ID); got.Outcome != rec.Outcome || len(r.queued()) != 0 {
		t.Errorf("half of it was kept: %+v", got.Outcome)
	}
	fails = false
	_, err := w.importSpool(t.Context())
	r.ok(err)
	if got := r.record(rec.ID); got.Outcome.State != winnow.StateQueued || len(r.spooled()) != 0 {
		t.Errorf("the second try: %+v, spool %v", got.Outcome, r.spooled())
	}
}

// Rules that changed between the action's proposal and the import count as they are now.
func TestChangedRulesAreTakenUp(t *testing.T) {
	r := newRig(t)
	r.write("content/rules/test.yaml", strings.Replace(testRules, "mode: enforce", "mode: shadow", 1))
	w := r.worker(&sink{name: "update"}, &sink{name: "events"})
	w.Refresh = func() error { r.engine.UseGate(r.gate()); return nil }
	r.model.disposition = "Undetermined"
	done := r.admit(Row{Alert: r.alert("before", "user", "ann"), Proposal: drops})
	want(t, r.record(done.ID), winnow.StateClosed, winnow.ReasonRule)
	_, err := w.Turn(t.Context())
	r.ok(err)
	done = r.admit(Row{Alert: r.alert("after", "user", "ann"), Proposal: drops})
	if rec := r.record(done.ID); rec.Outcome.State != winnow.StateQueued || rec.Proposal.Reason != winnow.ReasonShadowRule {
		t.Errorf("record is %+v", rec)
	}
}

// What the action may close from the cache is published; verdicts on keys that people are still
// looking at, and revoked ones, are not.
func TestPublishLeavesContestedKeysOut(t *testing.T) {
	r := newRig(t)
	w := r.worker()
	key := r.keyOf(r.alert("x"))
	published := func() bool {
		t.Helper()
		r.ok(w.Publish(t.Context()))
		s, err := cache.OpenSnapshot(r.state.Path("cache.snapshot"), r.engine.Generation)
		r.ok(err)
		defer func() { _ = s.Close() }()
		_, ok, err := s.Get(key, r.at)
		r.ok(err)
		return ok
	}
	if published() {
		t.Fatal("an empty cache has it")
	}
	r.model.disposition = "Undetermined"
	first, second := r.triage(r.alert("0")), r.triage(r.alert("1"))
	r.settle(first.ID, winnow.BenignPositive, winnow.StateClosed)
	if published() {
		t.Error("a contested key was published")
	}
	r.settle(second.ID, winnow.BenignPositive, winnow.StateClosed)
	if !published() {
		t.Error("a person's verdict was not published")
	}
	r.update(func(tx *ledger.Tx) error { return r.engine.Revoke(tx, second.ID, "ann", "wrong") })
	if published() {
		t.Error("a revoked verdict was published")
	}
}

// A revocation is in the file that the action reads before it is in the ledger, and survives a
// transaction that fails after it.
func TestRevocationsComeFirst(t *testing.T) {
	r := newRig(t)
	rec := r.judged()
	err := r.engine.Update(t.Context(), func(tx *ledger.Tx) error {
		return errors.Join(r.engine.Revoke(tx, rec.ID, "ann", "wrong"), errForGood)
	})
	if !errors.Is(err, errForGood) {
		t.Fatal(err)
	}
	if r.triage(r.alert("1")).Verdict.Source == winnow.SourceCache {
		t.Error("a revoked verdict closed an alert")
	}
	r.restart()
	if r.triage(r.alert("2")).Outcome.Reason == winnow.ReasonCached && !r.engine.Gate.Suspensions.Verdict(rec.ID) {
		t.Error("the revocation is gone after a restart")
	}
}

func TestPauses(t *testing.T) {
	r := newRig(t)
	w := r.worker()
	r.state.Settings.Queue = conf.Queue{RetryMin: 24 * time.Hour, RetryMax: 24 * time.Hour}
	for _, n := range []int{0, 1, 62, 100} {
		if got := w.pause(n); got != 24*time.Hour {
			t.Errorf("pause after %d tries is %s", n, got)
		}
	}
	r.state.Settings.Queue.RetryMin = time.Second
	if got := w.pause(3); got != 8*time.Second {
		t.Errorf("pause after 3 tries is %s", got)
	}
}
