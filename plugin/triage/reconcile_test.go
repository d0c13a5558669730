package triage

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// splunkLog is what Splunk knows of what it fired.
type splunkLog struct {
	all   []*loggedFiring
	err   error         // of the search
	block chan struct{} // the search waits for it
}

type loggedFiring struct {
	Fired
	rows []map[string]string
	gone bool  // the artefact
	err  error // after the first page
}

func (s *splunkLog) Fired(ctx context.Context, from, to time.Time, _ time.Duration, f func(time.Time, []Fired) error) (FiredCount, error) {
	if s.block != nil {
		select {
		case <-s.block:
		case <-ctx.Done():
			return FiredCount{}, ctx.Err()
		}
	}
	if s.err != nil {
		return FiredCount{}, s.err
	}
	var out []Fired
	for _, l := range s.all {
		if !l.At.Before(from) && l.At.Before(to) {
			one := l.Fired
			one.Runs = maps.Clone(l.Runs)
			out = append(out, one)
		}
	}
	return FiredCount{Elsewhere: 1}, f(to, out)
}

// Results gives two rows at a time, with _time as REST writes it.
func (s *splunkLog) Results(_ context.Context, sid string, f func([]winnow.Fields) error) error {
	i := slices.IndexFunc(s.all, func(l *loggedFiring) bool { return l.SID == sid })
	if i < 0 || s.all[i].gone {
		return fmt.Errorf("unknown sid: %w", ErrNoArtefact)
	}
	for page := range slices.Chunk(s.all[i].rows, 2) {
		var rows []winnow.Fields
		for _, row := range page {
			fields := winnow.Fields{"_time": {"2026-03-02T09:00:00.000+00:00"}}
			for name, value := range row {
				fields.Add(name, value)
			}
			rows = append(rows, fields)
		}
		if err := f(rows); err != nil {
			return err
		}
		if s.all[i].err != nil {
			return s.all[i].err
		}
	}
	return nil
}

// fire makes a search run with a row for each user that Splunk logs as fired, an hour and a half ago.
func (r *rig) fire(log *splunkLog, sid string, users ...string) *loggedFiring {
	l := &loggedFiring{Fired: Fired{
		SID: "scheduler__" + sid, Search: travel, App: "search", Owner: "ann", Host: "sh1", At: r.at.Add(-90 * time.Minute),
		Severity: "2", Invoked: 1, Runs: map[string]int{},
	}}
	for _, u := range users {
		l.rows = append(l.rows, map[string]string{"src": egress, "user": u, "dest": "vpn.corp.example"})
	}
	log.all = append(log.all, l)
	return l
}

// deliver stores the spool record that the action would, and returns its ID.
func (r *rig) deliver(l *loggedFiring) string {
	r.t.Helper()
	r.records++
	h := alertaction.Header{
		Kind: alertaction.KindAlert, ID: fmt.Sprintf("01ARZ3NDEKTSV4RRFFQ6%06d", r.records),
		Received: l.At, DecideBy: l.At.Add(time.Minute), Host: "sh1", Severity: winnow.SeverityLow,
	}
	w, err := alertaction.CreateRecord(r.state.Path("spool"), h)
	r.ok(err)
	w.Payload(fmt.Appendf(nil, `{"sid": %q, "search_name": %q, "app": "search", "configuration": {"severity": "2"}}`, l.SID, l.Search))
	var text strings.Builder
	out := csv.NewWriter(&text)
	columns := []string{"_time", "src", "user", "dest", "rid"}
	r.ok(out.Write(columns))
	for _, row := range l.rows {
		cells := []string{"1772442000"}
		for _, c := range columns[1:] {
			cells = append(cells, row[c])
		}
		r.ok(out.Write(cells))
	}
	out.Flush()
	r.ok(w.Results(strings.NewReader(text.String())))
	r.ok(w.Commit(alertaction.Trailer{}))
	return h.ID
}

func (r *rig) reconciler(log *splunkLog) *Reconciler {
	return &Reconciler{
		Source: log, Ledger: r.ledger, Spool: r.state.Path("spool"), Lag: 15 * time.Minute, Now: func() time.Time { return r.at },
	}
}

// reconcile compares the last day, as a command does while no worker runs.
func (r *rig) reconcile(log *splunkLog) Reconciliation {
	r.t.Helper()
	rec, err := r.reconciler(log).ReconcileNow(r.t.Context(), r.engine, "sh1", r.at.Add(-24*time.Hour), r.at.Add(-15*time.Minute))
	r.ok(err)
	return rec
}

// of returns the current records of a search run.
func (r *rig) of(sid string) (out []winnow.Record) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) error {
		ids, err := t.IDs()
		for _, id := range ids {
			rec, err := t.Record(id)
			if err != nil {
				return err
			}
			if rec.SID == sid {
				out = append(out, rec)
			}
		}
		return err
	})
	return out
}

func TestReconcileBringsRowsBack(t *testing.T) {
	r, log := newRig(t), &splunkLog{}
	l := r.fire(log, "a", "ann", "bob", "carol")
	if rec := r.reconcile(log); rec.Missing != 1 || rec.Rows != 3 || rec.Raised != 0 || rec.Fired != 1 || rec.Elsewhere != 1 {
		t.Fatalf("%+v", rec)
	}
	r.once(r.worker())
	recs := r.of(l.SID)
	if len(recs) != 3 {
		t.Fatalf("%d records", len(recs))
	}
	slices.SortFunc(recs, func(a, b winnow.Record) int { return strings.Compare(a.RID, b.RID) })
	want(t, recs[0], winnow.StateClosed, winnow.ReasonRule)
	for i, rec := range recs {
		if rec.RID != fmt.Sprint(i) || rec.SearchName != travel || rec.Severity != winnow.SeverityLow || rec.Outcome.State == winnow.StateQueued {
			t.Errorf("record %d: %+v", i, rec)
		}
	}
	if rec := r.reconcile(log); rec.Missing != 0 || rec.Fired != 1 {
		t.Errorf("the second time: %+v", rec)
	}
	r.deliver(l) // it was only slow
	r.once(r.worker())
	if n := len(r.of(l.SID)); n != 3 {
		t.Errorf("%d records after the late delivery", n)
	}
}

// TestMissing: what counts as missing, and why.
func TestMissing(t *testing.T) {
	for _, c := range []struct {
		name   string
		set    func(r *rig, l *loggedFiring)
		reason MissingReason // "" is not missing
	}{
		{"nothing of the action", func(*rig, *loggedFiring) {}, MissingNotRun},
		{"never started", func(_ *rig, l *loggedFiring) { l.Invoked, l.Audited = 0, true }, MissingNotStarted},
		{"it failed", func(_ *rig, l *loggedFiring) { l.Said = true }, MissingNotStored},
		{"the record is gone", func(_ *rig, l *loggedFiring) { l.Said, l.Runs["01ARZ3NDEKTSV4RRFFQ69G5FXX"] = true, 2 }, MissingRecord},
		{"in the spool", func(r *rig, l *loggedFiring) { l.Runs[r.deliver(l)] = 2 }, ""},
		{"in the spool, unsaid", func(r *rig, l *loggedFiring) { r.deliver(l) }, ""},
		{"in the ledger", func(r *rig, l *loggedFiring) { l.Runs[r.deliver(l)] = 2; r.once(r.worker()) }, ""},
		{"in the ledger, unsaid", func(r *rig, l *loggedFiring) { r.deliver(l); r.once(r.worker()) }, ""},
		{"fewer rows than it said", func(r *rig, l *loggedFiring) { l.Runs[r.deliver(l)] = 3; r.once(r.worker()) }, MissingPartial},
		{"once of two starts", func(r *rig, l *loggedFiring) {
			l.Invoked = 2
			l.Runs[r.deliver(l)] = 2
			r.once(r.worker())
		}, MissingPartial},
		{"a waiting record does not count twice", func(r *rig, l *loggedFiring) { l.Invoked = 2; l.Runs[r.deliver(l)] = 2 }, MissingNotRun},
		{"an ad-hoc run that names it", func(r *rig, l *loggedFiring) {
			a := r.alert("0")
			a.Key.SID, a.Adhoc = l.SID, true
			r.admit(Row{Alert: a, Proposal: passes})
		}, MissingNotRun},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, log := newRig(t), &splunkLog{}
			l := r.fire(log, "a", "ann", "bob")
			c.set(r, l)
			var got MissingReason
			rec, err := r.reconciler(log).Compare(t.Context(), l.At, r.at, func(m Missing) error { got = m.Reason; return nil })
			if err != nil || got != c.reason || rec.Missing != len(got[:min(len(got), 1)]) {
				t.Errorf("%q, %+v, %v; want %q", got, rec, err, c.reason)
			}
		})
	}
}

// TestReconcileTellsOfWhatIsGone: without its rows, a firing is one alert that a person gets.
func TestReconcileTellsOfWhatIsGone(t *testing.T) {
	r, log := newRig(t), &splunkLog{}
	gone, empty, odd := r.fire(log, "gone", "ann"), r.fire(log, "empty"), r.fire(log, "odd", "ann", "bob", "carol")
	young := r.fire(log, "young", "ann", "bob", "carol")
	gone.gone, odd.err, young.err, young.At = true, errors.New("out of order"), errors.New("busy"), r.at.Add(-30*time.Minute)
	if rec := r.reconcile(log); rec.Missing != 4 || rec.Raised != 3 || rec.Rows != 4 || rec.Postponed != 1 {
		t.Fatalf("%+v", rec)
	}
	r.once(r.worker())
	for sid, rows := range map[string]int{gone.SID: 0, empty.SID: 0, odd.SID: 2} {
		recs := r.of(sid)
		if len(recs) != rows+1 {
			t.Fatalf("%s: %d records", sid, len(recs))
		}
		slices.SortFunc(recs, func(a, b winnow.Record) int { return strings.Compare(a.RID, b.RID) })
		last := recs[len(recs)-1]
		want(t, last, winnow.StateEscalated, winnow.ReasonNeverTriaged)
		if last.RID != "never_triaged" {
			t.Errorf("%s: rid %s", sid, last.RID)
		}
	}
	young.err = nil
	if rec := r.reconcile(log); rec.Missing != 1 || rec.Rows != 1 {
		t.Errorf("%+v", rec)
	}
	if n := len(r.of(young.SID)); n != 3 {
		t.Errorf("%d records of what was postponed", n)
	}
	if rec := r.reconcile(log); rec.Missing != 0 {
		t.Errorf("%+v", rec)
	}
}

// A row that holds something else is another alert, whatever sid and rid it claims.
func TestPromise1OnlyTheSameRowIsARepeatOfARebuiltOne(t *testing.T) {
	r, log := newRig(t), &splunkLog{}
	l := r.fire(log, "a", "ann")
	r.reconcile(log)
	l.rows[0]["user"] = "mallory"
	r.deliver(l)
	r.once(r.worker())
	if n := len(r.of(l.SID)); n != 2 {
		t.Errorf("%d alerts, want both", n)
	}
}

// TestPromise1ReconcileAddsWhatIsMissingOnce: whatever order firings, deliveries, comparisons, failures
// and crashes come in, each row that Splunk fired has exactly one outcome.
func TestPromise1ReconcileAddsWhatIsMissingOnce(t *testing.T) {
	r := newRig(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		log := &splunkLog{}
		delivered := map[*loggedFiring]bool{}
		pickOne := func() *loggedFiring {
			if len(log.all) == 0 {
				return nil
			}
			return rapid.SampledFrom(log.all).Draw(rt, "which")
		}
		actions := map[string]func(*rapid.T){
			"fire": func(rt *rapid.T) {
				n++
				l := r.fire(log, fmt.Sprint(n), rapid.SliceOfN(rapid.SampledFrom([]string{"ann", "bob", "erin"}), 1, 5).Draw(rt, "users")...)
				if rapid.IntRange(0, 3).Draw(rt, "an odd rid") == 0 {
					l.rows[0]["rid"], l.rows[0]["user"] = fmt.Sprint(rapid.IntRange(0, 4).Draw(rt, "rid")), "mallory"
				}
			},
			"deliver": func(rt *rapid.T) {
				if l := pickOne(); l != nil && (!delivered[l] || rapid.Bool().Draw(rt, "again")) {
					id := r.deliver(l)
					delivered[l] = true
					if rapid.Bool().Draw(rt, "said") {
						l.Said, l.Runs[id] = true, len(l.rows)
						l.Invoked = max(l.Invoked, len(l.Runs))
					}
				}
			},
			"import": func(*rapid.T) {
				_, err := r.worker().importSpool(r.t.Context())
				r.ok(err)
			},
			"compare": func(*rapid.T) { r.reconcile(log) },
			"fails halfway": func(*rapid.T) {
				if l := pickOne(); l != nil {
					at := l.At
					l.err, l.At = errors.New("busy"), r.at.Add(-30*time.Minute)
					r.reconcile(log)
					l.err, l.At = nil, at
				}
			},
			"the worker dies": func(*rapid.T) { r.restart() },
		}
		names := slices.Sorted(maps.Keys(actions))
		for range rapid.IntRange(2, 12).Draw(rt, "steps") {
			actions[rapid.SampledFrom(names).Draw(rt, "action")](rt)
		}
		r.reconcile(log)
		_, err := r.worker().importSpool(t.Context())
		r.ok(err)
		if rec := r.reconcile(log); rec.Missing != 0 {
			rt.Fatalf("still missing: %+v", rec)
		}
		for _, l := range log.all {
			checkRows(rt, r, l)
		}
	})
}

func checkRows(rt *rapid.T, r *rig, l *loggedFiring) {
	wanted, got := map[string]int{}, map[string]int{}
	for _, row := range l.rows {
		wanted[row["user"]]++
	}
	for _, rec := range r.of(l.SID) {
		if rec.Proposal.Reason == winnow.ReasonNeverTriaged {
			rt.Fatalf("%s: %+v", l.SID, rec)
		}
		r.view(func(t *ledger.Tx) error {
			entry, err := t.Alert(rec.ID)
			got[entry.Alert.Fields["user"][0]]++
			return err
		})
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		rt.Fatalf("rows of %s (-fired +here):\n%s", l.SID, diff)
	}
}

// TestWorkerReconcilesOnSchedule: in the background, without holding up triage, and after a failure from
// where it was.
func TestWorkerReconcilesOnSchedule(t *testing.T) {
	r, log := newRig(t), &splunkLog{}
	w := r.worker()
	w.Reconcile, w.Host = r.reconciler(log), "sh1"
	r.once(w) // notes when winnow came here
	l := r.fire(log, "a", "ann", "bob", "carol")
	l.At = r.at.Add(time.Minute)
	r.at = r.at.Add(20 * time.Minute)
	log.err = errors.New("search quota exceeded")
	r.once(w)
	s := r.compared()
	if s.Last.Error != "search quota exceeded" || !s.Until.Equal(start) || len(r.of(l.SID)) != 0 {
		t.Fatalf("%+v", s)
	}
	log.err = nil
	r.once(w)
	if got := r.compared(); got.Tried != s.Tried {
		t.Error("it compares more often than [reconcile] every")
	}
	r.at = r.at.Add(20 * time.Minute)
	r.once(w)
	if s = r.compared(); s.Last.Error != "" || s.Last.Rows != 3 || !s.Until.Equal(r.at.Add(-15*time.Minute)) {
		t.Errorf("%+v", s)
	}
	for _, rec := range r.of(l.SID) {
		if rec.Outcome.State == winnow.StateQueued {
			t.Errorf("%+v", rec)
		}
	}
	if text := r.status(); strings.Count(text, `"event":"reconcile_failed"`) != 1 || strings.Count(text, `"event":"reconciled"`) != 1 {
		t.Errorf("status.ndjson: %s", text)
	}
}

// A worker that ends does not wait for Splunk, and what a person asked for is done by the next.
func TestWorkerIsAskedToReconcile(t *testing.T) {
	r, log := newRig(t, "reconcile.enabled=0"), &splunkLog{block: make(chan struct{})}
	l := r.fire(log, "a", "ann")
	w := r.worker()
	w.Reconcile, w.Host = r.reconciler(log), "sh1"
	body, err := ReconcileSpan{From: r.at.Add(-3 * time.Hour), To: r.at, Actor: "ann"}.Encode()
	r.ok(err)
	r.update(func(t *ledger.Tx) error { return w.AskReconcile(t, body) })
	if _, err := w.Turn(t.Context()); err != nil || w.reconciling == nil {
		t.Fatalf("nothing is compared, %v", err)
	}
	w.endReconcile()
	log.block = nil
	next := r.worker()
	next.Reconcile, next.Host = r.reconciler(log), "sh1"
	r.once(next)
	if n := len(r.of(l.SID)); n != 1 || len(r.compared().Asked) != 0 {
		t.Errorf("%d records, %+v", n, r.compared())
	}
	for _, bad := range []string{"", "{}", `{"command":"reconcile"}`, string(body) + "{}", strings.Replace(string(body), "ann", strings.Repeat("a", 500), 1)} {
		r.update(func(t *ledger.Tx) error {
			if err := w.AskReconcile(t, []byte(bad)); !errors.Is(err, ErrRefused) {
				r.t.Errorf("%q: %v", bad, err)
			}
			return nil
		})
	}
}

func (r *rig) compared() (s ReconcileState) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) (err error) {
		s, _, err = ReadReconcileState(t)
		return err
	})
	return s
}

func (r *rig) status() string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.state.State, "status.ndjson"))
	r.ok(err)
	return string(text)
}
