package triage

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

func (r *rig) retry(what Retry) (done Retried) {
	r.t.Helper()
	what.Actor = "ann"
	r.update(func(t *ledger.Tx) (err error) {
		done, err = r.engine.Retry(t, what)
		return err
	})
	return done
}

// What was given up is triaged again when somebody asks, and what waits is due at once. What somebody decided
// about since stays.
func TestRetry(t *testing.T) {
	r := newPaidRig(t, "worker.max_attempts=2")
	r.broken = analystFunc(noAnswer)
	given := r.admit(Row{Alert: r.alert("given", "user", "bob"), Proposal: passes})
	judged := r.admit(Row{Alert: r.alert("judged", "user", "carol"), Proposal: passes})
	w := r.worker()
	for range 2 {
		r.step(w)
		r.at = r.at.Add(time.Hour)
	}
	r.settle(judged.ID, winnow.BenignPositive, winnow.StateClosed)
	r.down(r.at.Add(10 * time.Hour))
	waits := r.admit(Row{Alert: r.alert("waits", "user", "dan"), Proposal: passes})
	r.step(w)
	if r.due() {
		t.Fatal("it does not wait")
	}
	if got := r.retry(Retry{Cause: queue.CauseLedger}); got != (Retried{}) {
		t.Errorf("another cause: %+v", got)
	}
	all := Retry{IDs: []string{given.ID, judged.ID, waits.ID, "01ZZZZZZZZZZZZZZZZZZZZZZZZ"}}
	if diff := cmp.Diff(Retried{Ready: 1, Requeued: 1, Past: 2}, r.retry(all)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	want(t, r.record(given.ID), winnow.StateQueued, winnow.ReasonAdhoc)
	r.broken = nil
	r.once(w)
	want(t, r.record(waits.ID), winnow.StateClosed, winnow.ReasonVerdict)
	want(t, r.record(given.ID), winnow.StateInReview, winnow.ReasonRaiseOnly) // it was escalated: a person closes it
	want(t, r.record(judged.ID), winnow.StateClosed, winnow.ReasonPerson)
}

func TestRetryOfAllAndOfACause(t *testing.T) {
	for name, what := range map[string]Retry{"all": {All: true}, "cause": {Cause: queue.CauseAnalyst}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "worker.max_attempts=1")
			r.broken = analystFunc(noAnswer)
			id := r.admit(Row{Alert: r.alert("0"), Proposal: passes}).ID
			r.step(r.worker())
			want(t, r.record(id), winnow.StateEscalated, "gave_up:analyst")
			if got := r.retry(what); got != (Retried{Requeued: 1}) {
				t.Errorf("%+v", got)
			}
			if got := r.retry(what); got != (Retried{}) {
				t.Errorf("and again %+v", got)
			}
		})
	}
}

// FuzzDecodeRetry: whatever lies in the spool, a retry that is read is one that a command could have written.
func FuzzDecodeRetry(f *testing.F) {
	for _, r := range []Retry{{All: true, Actor: "a"}, {Cause: queue.CauseModel, Actor: "a"}, {IDs: []string{"01ZZZZZZZZZZZZZZZZZZZZZZZZ"}, Actor: "a"}} {
		body, err := r.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(body))
	}
	f.Add(`{"command":"retry","cause":"evil","actor":"a"}`)
	f.Add(`{"command":"retry","all":true,"actor":"a"}{}`)
	f.Add(`{"command":"retry","ids":["` + strings.Repeat("x", 99) + `"],"all":true,"actor":"a"}`)
	f.Fuzz(func(t *testing.T, body string) {
		r, err := DecodeRetry([]byte(body))
		if err != nil {
			if !errors.Is(err, ErrRetryRefused) {
				t.Errorf("%v is no refusal", err)
			}
			return
		}
		if _, err := r.Encode(); err != nil {
			t.Errorf("%q was read and cannot be written: %v", body, err)
		}
	})
}
