package triage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// One alert that makes the analysts panic is a failed try at every try, and a person's in the end. All the
// others have their outcomes, and nothing of what was panicked with is in the log.
func TestAPanicIsAFailedTry(t *testing.T) {
	r := newRig(t)
	real := r.model.pipeline(t, r.facts, r.state.Default("attack.csv"))
	tries := 0
	r.broken = analystFunc(func(in llm.Input) (llm.Analysis, error) {
		switch in.Alert.Key.RID {
		case "evil":
			tries++
			panic("MARKER " + in.Alert.Fields["user"][0])
		case "index":
			var none []int
			return llm.Analysis{}, fmt.Errorf("not reached: %d", none[len(in.Alert.Fields["user"])])
		}
		return real.Analyse(t.Context(), in)
	})
	var log bytes.Buffer
	w := r.worker()
	w.Log = slog.New(slog.NewTextHandler(&log, nil))
	evil := r.admit(Row{Alert: r.alert("evil", "user", "MARKER-mallory"), Proposal: passes})
	index := r.admit(Row{Alert: r.alert("index", "user", "MARKER-oscar"), Proposal: passes})
	good := r.admit(Row{Alert: r.alert("good", "user", "bob"), Proposal: passes})
	for range 3 * r.state.Settings.Worker.MaxAttempts {
		for r.step(w) > 0 {
		}
		r.at = r.at.Add(r.state.Settings.Queue.RetryMax)
	}
	want(t, r.record(evil.ID), winnow.StateEscalated, winnow.ReasonGaveUp+":panic")
	want(t, r.record(index.ID), winnow.StateEscalated, winnow.ReasonGaveUp+":panic")
	if got := r.record(good.ID).Outcome; got.State == winnow.StateQueued || strings.HasPrefix(string(got.Reason), string(winnow.ReasonGaveUp)) {
		t.Errorf("the other alert is %+v", got)
	}
	if tries != r.state.Settings.Worker.MaxAttempts {
		t.Errorf("%d tries", tries)
	}
	text := log.String()
	for _, part := range []string{"a panic while an alert was analysed", "a value of type string", "index out of range", "panic_test.go"} {
		if !strings.Contains(text, part) {
			t.Errorf("the log says nothing of %q", part)
		}
	}
	if strings.Contains(text, "MARKER") {
		t.Errorf("the log has text of the alert:\n%s", text)
	}
}

// A panic inside a transaction takes it back, and one of a sink is a failed delivery.
func TestPanicsOfCommandsAndSinks(t *testing.T) {
	r := newRig(t)
	r.triage(r.alert("0"))
	broken := true
	w := r.worker(&sink{name: "update"}, &sink{name: "events", fail: func(ledger.Delivery) error {
		if broken {
			panic("MARKER")
		}
		return nil
	}})
	w.Command = func(tx *ledger.Tx, _ []byte) error {
		if err := tx.SetMeta("half", "done"); err != nil || !broken {
			return err
		}
		panic("MARKER")
	}
	r.ok(alertaction.WriteCommand(r.state.Path("spool"), r.at, []byte(`{}`)))
	_, err := w.Turn(t.Context())
	if _, ok := errors.AsType[*PanicError](err); !ok || strings.Contains(err.Error(), "MARKER") || len(r.spooled()) != 1 {
		t.Errorf("error %v, spool %v", err, r.spooled())
	}
	r.view(func(tx *ledger.Tx) error {
		half, err := tx.Meta("half")
		if waiting, failed, _ := tx.OutboxCounts(); half != "" || waiting == 0 || failed > 0 {
			t.Errorf("half %q, %d deliveries wait, %d failed", half, waiting, failed)
		}
		return err
	})
	broken = false
	r.at = r.at.Add(r.state.Settings.Queue.RetryMax)
	_, err = w.Turn(t.Context())
	r.ok(err)
	r.view(func(tx *ledger.Tx) error {
		waiting, _, err := tx.OutboxCounts()
		if waiting > 0 || len(r.spooled()) > 0 {
			t.Errorf("%d deliveries wait, spool %v", waiting, r.spooled())
		}
		return err
	})
}

// However long the queue is, no more alerts are asked about at once than [worker] concurrency says.
func TestGoroutinesDoNotGrowWithTheQueue(t *testing.T) {
	r := newRig(t)
	r.state.Settings.Worker.Concurrency = 8
	tw := r.tower()
	w := r.worker()
	fill := func(from, to int) {
		for i := from; i < to; i++ {
			r.admit(Row{Alert: r.alert(fmt.Sprint(i), "user", fmt.Sprint("u", i)), Proposal: passes})
		}
		for range 20 {
			_, err := w.triageQueue(t.Context())
			r.ok(err)
		}
	}
	fill(0, 40)
	tw.wait(8)
	few := runtime.NumGoroutine()
	fill(40, 400)
	// Goroutines of tests before this one may end meanwhile: that is only less. Those that wait for the end of
	// a transaction end a little after it.
	many := runtime.NumGoroutine()
	for end := time.Now().Add(30 * time.Second); many > few+2 && time.Now().Before(end); many = runtime.NumGoroutine() {
		runtime.Gosched()
	}
	if many > few+2 {
		t.Errorf("%d goroutines with 40 alerts in the queue, %d with 400", few, many)
	}
	r.ok(w.land(t.Context(), 0))
}

// A worker that waits for answers because its configuration has changed waits no longer than [worker]
// drain once it is told to end.
func TestToldToEndWhileItWaits(t *testing.T) {
	r := newPaidRig(t)
	r.state.Settings.Worker.Drain = 40 * time.Millisecond
	tw := r.tower()
	w := r.worker()
	r.admit(Row{Alert: r.alert("hangs", "user", "carol"), Proposal: passes})
	_, err := w.triageQueue(t.Context())
	r.ok(err)
	tw.wait(1)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	began := time.Now()
	r.ok(w.land(ctx, time.Hour))
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
	if items := r.queued(); len(items) != 1 || items[0].Attempts != 0 {
		t.Errorf("the queue is %+v", items)
	}
}

// The tries of an alert that makes the analysts panic are counted across workers, and in the end it is a
// person's, with its notable event.
func TestPromise1PanicsAreCountedAcrossRestarts(t *testing.T) {
	r := newRig(t, "gate.place=owner")
	tries := 0
	r.broken = analystFunc(func(llm.Input) (llm.Analysis, error) {
		tries++
		panic("MARKER")
	})
	id := r.admit(Row{Alert: r.alert("0"), Proposal: passes}).ID
	notable := &sink{name: "notable"}
	most := r.state.Settings.Worker.MaxAttempts
	for try := 1; try <= most; try++ {
		want(t, r.record(id), winnow.StateQueued, winnow.ReasonQueued)
		r.once(r.worker(notable, &sink{name: "update"}, &sink{name: "events"}))
		if tries != try {
			t.Fatalf("tried %d times by worker %d", tries, try)
		}
		r.at = r.at.Add(r.state.Settings.Queue.RetryMax)
		r.restart()
	}
	want(t, r.record(id), winnow.StateEscalated, winnow.ReasonGaveUp+":panic")
	last := notable.took[len(notable.took)-1]
	if last.Record.ID != id || last.Kind != ledger.DeliverNotable {
		t.Errorf("the last notable is %+v", last)
	}
	r.once(r.worker(notable, &sink{name: "update"}, &sink{name: "events"}))
	if tries != most || len(notable.took) != 1 {
		t.Errorf("%d tries, %d notables", tries, len(notable.took))
	}
}
