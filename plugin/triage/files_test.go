package triage

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// rows are alerts of a file, minutes apart, of which every third repeats the first.
func (r *rig) fileOf(n int) (rows []Row) {
	for i := range n {
		a := r.alert(fmt.Sprint(i), "user", fmt.Sprint("user", max(i%3, 1)*i))
		a.Time, a.Received = start.Add(time.Duration(i)*time.Minute), start.Add(time.Duration(i)*time.Minute)
		rows = append(rows, Row{Alert: a, Proposal: passes})
	}
	return rows
}

func (r *rig) triageFile(ctx context.Context, rows []Row) ([]Admitted, error) {
	return r.engine.TriageFile(ctx, rows, func(i int, _ *Row) { r.at = rows[i].Alert.Received })
}

// Models are asked outside of transactions, several at a time, and outcomes come in order.
func TestFilesAreAskedAboutOutsideOfTransactions(t *testing.T) {
	r := newPaidRig(t, "worker.concurrency=4")
	var aloft, most atomic.Int64
	r.broken = analystFunc(func(in llm.Input) (llm.Analysis, error) {
		most.Store(max(most.Load(), aloft.Add(1)))
		defer aloft.Add(-1)
		// A budget books in the ledger.
		if err := r.ledger.Update(context.Background(), func(*ledger.Tx) error { return nil }); err != nil {
			return llm.Analysis{}, err
		}
		return r.model.pipeline(t, r.facts, r.state.Default("attack.csv")).Analyse(context.Background(), in)
	})
	done, err := r.triageFile(t.Context(), r.fileOf(40))
	r.ok(err)
	if len(done) != 40 || most.Load() > 4 || len(r.engine.groups.flying) != 0 {
		t.Errorf("%d done, %d at a time, flying %v", len(done), most.Load(), r.engine.groups.flying)
	}
	if diff := cmp.Diff(map[winnow.State]int{winnow.StateClosed: 40}, r.states()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for i, d := range done {
		if rec := r.record(d.ID); rec.RID != fmt.Sprint(i) || !rec.Outcome.Time.Equal(rec.Time) {
			t.Errorf("row %d: rid %s settled at %s, of %s", i, rec.RID, rec.Outcome.Time, rec.Time)
		}
	}
}

// One at a time is what one after the other in a transaction gives.
func TestFilesOneByOneAreTheSame(t *testing.T) {
	now, one := newPaidRig(t, "worker.concurrency=1"), newPaidRig(t, "worker.concurrency=1")
	outcomes := func(r *rig, done []Admitted) (out []winnow.Outcome) {
		for _, d := range done {
			out = append(out, r.record(d.ID).Outcome)
		}
		return out
	}
	says := func(r *rig) {
		r.broken = analystFunc(func(in llm.Input) (llm.Analysis, error) {
			s := &script{}
			if in.Alert.Key.RID == "7" || in.Alert.Key.RID == "9" {
				s.disposition = "TruePositive"
			}
			return s.pipeline(t, r.facts, r.state.Default("attack.csv")).Analyse(context.Background(), in)
		})
	}
	says(now)
	says(one)
	var want []Admitted
	for _, row := range now.fileOf(60) {
		now.at = row.Alert.Received
		now.update(func(tx *ledger.Tx) error {
			done, err := now.engine.TriageNow(t.Context(), tx, row)
			want = append(want, done)
			return err
		})
	}
	got, err := one.triageFile(t.Context(), one.fileOf(60))
	one.ok(err)
	if diff := cmp.Diff(outcomes(now, want), outcomes(one, got)); diff != "" {
		t.Errorf("-one after the other +one at a time:\n%s", diff)
	}
}

// An interrupted file is taken on where it ended, and a file has no second try.
func TestInterruptedFilesAreTakenOn(t *testing.T) {
	r := newPaidRig(t)
	ctx, stop := context.WithCancelCause(t.Context())
	broke := errors.New("interrupted")
	r.broken = analystFunc(func(in llm.Input) (llm.Analysis, error) {
		if in.Alert.Key.RID == "5" {
			stop(broke)
		}
		return llm.Analysis{}, errNoAnswer
	})
	if _, err := r.triageFile(ctx, r.fileOf(10)); !errors.Is(err, broke) {
		t.Fatalf("error %v", err)
	}
	if n := r.states()[winnow.StateQueued]; n == 0 {
		t.Fatal("nothing was interrupted")
	}
	r.broken = nil
	_, err := r.triageFile(t.Context(), r.fileOf(10))
	r.ok(err)
	if n := r.states()[winnow.StateQueued]; n != 0 || len(r.queued()) != 0 {
		t.Errorf("%d were forgotten", n)
	}
	for cause, failure := range map[string]error{"analyst": errNoAnswer, "model": &llm.UnavailableError{Model: "m", Cause: errNoAnswer}} {
		r.broken = analystFunc(func(llm.Input) (llm.Analysis, error) { return llm.Analysis{Failed: failure}, nil })
		done, err := r.triageFile(t.Context(), []Row{{Alert: r.alert(cause, "user", cause), Proposal: passes}})
		r.ok(err)
		want(t, r.record(done[0].ID), winnow.StateEscalated, winnow.ReasonGaveUp+":"+winnow.Reason(cause))
	}
}
