package triage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// tower answers questions when the test says so.
type tower struct {
	r *rig

	mu    sync.Mutex
	asked []string // rids, in order
	ended []error  // why contexts of unanswered questions ended
	let   map[string]chan struct{}
	came  chan struct{}
}

func (r *rig) tower() *tower {
	tw := &tower{r: r, let: map[string]chan struct{}{}, came: make(chan struct{}, 1000)}
	r.broken = tw
	return tw
}

func (tw *tower) gate(rid string) chan struct{} {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	if tw.let[rid] == nil {
		tw.let[rid] = make(chan struct{})
	}
	return tw.let[rid]
}

func (tw *tower) Analyse(ctx context.Context, in llm.Input) (llm.Analysis, error) {
	rid := in.Alert.Key.RID
	tw.mu.Lock()
	tw.asked = append(tw.asked, rid)
	tw.mu.Unlock()
	let := tw.gate(rid)
	tw.came <- struct{}{}
	select {
	case <-let:
	case <-ctx.Done():
		tw.mu.Lock()
		defer tw.mu.Unlock()
		tw.ended = append(tw.ended, context.Cause(ctx))
		return llm.Analysis{}, context.Cause(ctx)
	}
	return tw.r.model.pipeline(tw.r.t, tw.r.facts, tw.r.state.Default("attack.csv")).Analyse(ctx, in)
}

// wait waits for n questions.
func (tw *tower) wait(n int) {
	for range n {
		<-tw.came
	}
}

// A slow answer holds up neither what comes in, nor what is delivered, nor the answers of others.
func TestTurnsGoOnWhileAlertsFly(t *testing.T) {
	r := newRig(t)
	tw := r.tower()
	update := &sink{name: "update"}
	w := r.worker(update, &sink{name: "events"})
	r.ok(w.takeOver(t.Context()))
	turn := func() {
		t.Helper()
		_, err := w.Turn(t.Context())
		r.ok(err)
	}
	slow := r.admit(Row{Alert: r.alert("slow", "user", "bob"), Proposal: passes})
	turn()
	tw.wait(1)
	quick := r.admit(Row{Alert: r.alert("quick", "user", "carol"), Proposal: passes})
	r.spool(alertaction.KindAlert, "1", "ann") // rid 0
	turn()
	tw.wait(2)
	close(tw.gate("quick"))
	close(tw.gate("0"))
	w.air.down = append(w.air.down, <-w.air.landed, <-w.air.landed)
	turn()
	want(t, r.record(quick.ID), winnow.StateClosed, winnow.ReasonVerdict)
	if rec := r.record(slow.ID); rec.Outcome.State != winnow.StateQueued || len(update.took) != 2 || len(r.spooled()) != 0 {
		t.Errorf("the slow one is %s, %d updates, spool %v, asked %v, %v", rec.Outcome.State, len(update.took), r.spooled(), tw.asked, r.outcomes())
	}
	close(tw.gate("slow"))
	r.ok(w.await(t.Context(), nil, 5*time.Second))
	want(t, r.record(slow.ID), winnow.StateClosed, winnow.ReasonVerdict)
}

// However long a flight takes, its alert is not handed out again, and no more fly than may.
func TestAnAlertFliesOnce(t *testing.T) {
	r := newRig(t, "worker.concurrency=2")
	tw := r.tower()
	w := r.worker()
	for _, user := range []string{"bob", "carol", "dan"} {
		r.admit(Row{Alert: r.alert(user, "user", user), Proposal: passes})
	}
	for range 20 {
		_, err := w.triageQueue(t.Context())
		r.ok(err)
		r.at = r.at.Add(r.state.Settings.Worker.Lease / 3)
	}
	tw.wait(2)
	if w.air.aloft() != 2 || len(tw.came) != 0 {
		t.Errorf("%d in the air, %d asked beside", w.air.aloft(), len(tw.came))
	}
	for _, rid := range []string{"bob", "carol", "dan"} {
		close(tw.gate(rid))
	}
	r.ok(w.await(t.Context(), nil, 5*time.Second))
	for w.air.held() > 0 || len(r.queued()) > 0 {
		r.step(w)
	}
	if diff := cmp.Diff(map[winnow.State]int{winnow.StateClosed: 3}, r.states()); diff != "" || len(tw.asked) != 3 {
		t.Errorf("asked %v: -want +got:\n%s", tw.asked, diff)
	}
}

// A worker that ends waits a while. What has no answer then goes back to the queue, and no try is counted.
func TestShutdownLandsWhatItCan(t *testing.T) {
	r := newPaidRig(t)
	tw := r.tower()
	w := r.worker()
	answered := r.admit(Row{Alert: r.alert("answered", "user", "bob"), Proposal: passes})
	r.admit(Row{Alert: r.alert("hangs", "user", "carol"), Proposal: passes})
	r.at = r.at.Add(time.Second)
	r.admit(Row{Alert: r.alert("waits", "user", "carol"), Proposal: passes})
	_, err := w.triageQueue(t.Context())
	r.ok(err)
	tw.wait(2)
	close(tw.gate("answered"))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	r.ok(w.land(ctx, 50*time.Millisecond))
	want(t, r.record(answered.ID), winnow.StateClosed, winnow.ReasonVerdict)
	items := r.queued()
	if len(items) != 2 || items[0].Attempts != 0 || items[1].Attempts != 0 || !r.due() {
		t.Errorf("the queue is %+v", items)
	}
	if len(tw.ended) != 1 || !errors.Is(tw.ended[0], errLanded) {
		t.Errorf("contexts ended with %v", tw.ended)
	}
	if !w.air.empty() || len(r.engine.groups.flying) != 0 {
		t.Error("something is still held")
	}
}

// A flight ends before its lease does, with a cause, and counts as a try.
func TestFlightsHaveADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlights()
		tw := &tower{let: map[string]chan struct{}{}, came: make(chan struct{}, 1)}
		a := winnow.Alert{Key: winnow.Key{RID: "0"}}
		one := &flight{work: &work{analyst: tw, input: llm.Input{Alert: &a}}, item: queue.Item{ID: "a"}}
		f.start(t.Context(), one, 9*time.Minute)
		began := time.Now()
		<-f.landed
		if took := time.Since(began); took != 9*time.Minute || !errors.Is(one.work.err, errLate) {
			t.Errorf("ended after %s with %v", took, one.work.err)
		}
	})
}

// Workers that are put together anew, because winnow.conf has changed, lose no answer.
func TestAChangedConfigurationWaitsForAnswers(t *testing.T) {
	r := newRig(t)
	tw := r.tower()
	done := r.admit(Row{Alert: r.alert("0"), Proposal: passes})
	w := r.worker()
	turns := 0
	w.Refresh = func() error {
		if turns++; turns > 1 {
			close(tw.gate("0"))
			return ErrChanged
		}
		return nil
	}
	if err := w.Run(t.Context()); !errors.Is(err, ErrChanged) {
		t.Fatalf("error %v", err)
	}
	want(t, r.record(done.ID), winnow.StateClosed, winnow.ReasonVerdict)
	if len(r.queued()) != 0 {
		t.Error("it is still queued")
	}
}

// What a person decides while the analysts are busy stands.
func TestAPersonIsFasterThanTheAnalysts(t *testing.T) {
	r := newRig(t)
	tw := r.tower()
	w := r.worker()
	done := r.admit(Row{Alert: r.alert("0"), Proposal: passes})
	_, err := w.triageQueue(t.Context())
	r.ok(err)
	tw.wait(1)
	r.settle(done.ID, winnow.TruePositive, winnow.StateEscalated)
	close(tw.gate("0"))
	r.ok(w.await(t.Context(), nil, 5*time.Second))
	want(t, r.record(done.ID), winnow.StateEscalated, winnow.ReasonPerson)
	if len(r.queued()) != 0 || !w.air.empty() {
		t.Error("it is held or queued still")
	}
}

// An outcome that cannot be kept does not hold up the others, and what was paid for is not asked again
// while the disk is full.
func TestOutcomesThatCannotBeKeptStay(t *testing.T) {
	r := newRig(t)
	tw := r.tower()
	w := r.worker()
	done := r.admit(Row{Alert: r.alert("0"), Proposal: passes})
	_, err := w.triageQueue(t.Context())
	r.ok(err)
	tw.wait(1)
	close(tw.gate("0"))
	w.air.down = append(w.air.down, <-w.air.landed)
	r.rename("alerts", "gone")
	for range 3 {
		if _, err := w.triageQueue(t.Context()); err == nil {
			t.Fatal("kept in a ledger that is broken")
		}
	}
	r.rename("gone", "alerts")
	if n := r.step(w); n != 1 || len(tw.asked) != 1 {
		t.Errorf("%d kept, asked %v", n, tw.asked)
	}
	if rec := r.record(done.ID); rec.Outcome.State == winnow.StateQueued && len(r.queued()) == 0 {
		t.Errorf("lost: %+v", rec.Outcome)
	}
}

func (r *rig) rename(from, to string) {
	r.t.Helper()
	r.ok(r.ledger.Update(r.t.Context(), func(t *ledger.Tx) error {
		_, err := t.Conn().ExecContext(t.Context(), fmt.Sprintf("ALTER TABLE %s RENAME TO %s", from, to))
		return err
	}))
}
