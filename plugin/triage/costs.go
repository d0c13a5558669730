package triage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// costs is what the worker knows of telling sinks what calls cost. None of it is durable.
type costs struct {
	late map[string]costPause    // sinks that could not be told
	air  map[string]*costSending // what servers are being told

	ctx  context.Context         //nolint:containedctx // of what servers are told, which outlives a turn
	stop context.CancelCauseFunc // nil before the first
}

// costSending is what a sink is told at once. Once done is closed there are its failures.
type costSending struct {
	calls    []ledger.Cost
	next     ledger.CostCursor
	failures []error
	done     chan struct{}
}

// costPause is how long a sink is left alone that could not be told what calls cost, and after how many tries.
type costPause struct {
	until time.Time
	tries int
}

// costsAtOnce is how many calls a sink is told of at once.
const costsAtOnce = 200

// beginCosts has the sinks that want to know what calls cost told of every call from now on.
func (w *Worker) beginCosts(t *ledger.Tx) error {
	for _, sink := range w.Engine.Sinks {
		if sink.Costs {
			if err := t.BeginCosts(sink.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellCosts tells sinks what calls cost, each as far as there is time. The calls of the ledger are the queue: a
// cursor for each sink says how far it was told, so that nothing is lost when the worker dies, and what it may have
// been told of just before has the same key again. What fails is tried again at longer and longer intervals.
func (w *Worker) tellCosts(ctx context.Context) (n int, err error) {
	if err := w.Engine.Ledger.Flush(ctx); err != nil {
		return 0, err
	}
	for _, sink := range w.Engine.Sinks {
		out := w.sink(sink.Name)
		if !sink.Costs || out == nil {
			continue
		}
		if _, far := out.(ServerSink); far {
			told, err := w.tellServer(ctx, sink.Name, out)
			if n += told; err != nil {
				return n, err
			}
			continue
		}
		if w.Engine.Now().Before(w.costs.late[sink.Name].until) {
			continue
		}
		for began := w.Engine.Now(); ; {
			told, more, err := w.tellSome(ctx, sink.Name, out)
			if n += told; err != nil {
				return n, err
			}
			if !more || w.Engine.Now().Sub(began).Abs() >= deliverFor {
				break
			}
		}
	}
	return n, nil
}

// tellSome tells a sink of the next calls. more reports that there may be others.
func (w *Worker) tellSome(ctx context.Context, sink string, out Sink) (told int, more bool, err error) {
	one, err := w.untold(ctx, sink)
	if err != nil || len(one.calls) == 0 {
		return 0, false, err
	}
	one.failures = handCosts(ctx, out, w.costDeliveries(sink, one.calls))
	w.beat()
	told, err = w.keepTold(ctx, sink, one)
	return told, told == costsAtOnce, err
}

// tellServer tells a server, which may be slow, beside the turns: it takes up what came of the calls that it was
// last told of, and starts with the next.
func (w *Worker) tellServer(ctx context.Context, sink string, out Sink) (told int, err error) {
	if one := w.costs.air[sink]; one != nil {
		select {
		case <-one.done:
		default:
			return 0, nil
		}
		delete(w.costs.air, sink)
		if told, err = w.keepTold(ctx, sink, one); err != nil {
			return 0, err
		}
	}
	if w.Engine.Now().Before(w.costs.late[sink].until) {
		return told, nil
	}
	one, err := w.untold(ctx, sink)
	if err != nil || len(one.calls) == 0 {
		return told, err
	}
	if w.costs.air == nil {
		w.costs.air = map[string]*costSending{}
	}
	if w.costs.stop == nil {
		w.costs.ctx, w.costs.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	}
	w.costs.air[sink] = one
	all, far := w.costDeliveries(sink, one.calls), w.costs.ctx
	go func() {
		defer close(one.done)
		one.failures = handCosts(far, out, all)
	}()
	return told, nil
}

// endCosts ends what servers are being told, and keeps what came of it. The next worker tells the rest.
func (w *Worker) endCosts(ctx context.Context) error {
	if w.costs.stop == nil {
		return nil
	}
	w.costs.stop(errWorkerEnds)
	w.costs.stop = nil
	var all error
	for sink, one := range w.costs.air {
		<-one.done
		delete(w.costs.air, sink)
		_, err := w.keepTold(context.WithoutCancel(ctx), sink, one)
		all = errors.Join(all, err)
	}
	return all
}

// untold reads what a sink has to be told next.
func (w *Worker) untold(ctx context.Context, sink string) (*costSending, error) {
	one := &costSending{done: make(chan struct{})}
	err := w.Engine.Ledger.View(ctx, func(t *ledger.Tx) (err error) {
		one.calls, one.next, err = t.UntoldCalls(sink, costsAtOnce)
		return err
	})
	return one, err
}

// keepTold keeps what a sink took, and returns how much that was.
func (w *Worker) keepTold(ctx context.Context, sink string, one *costSending) (told int, err error) {
	var failed error
	for i, failure := range one.failures {
		if failure != nil {
			failed = failure
			one.next.Untold(one.calls[i].N)
			continue
		}
		told++
	}
	if told > 0 {
		if err := w.Engine.Update(ctx, func(t *ledger.Tx) error { return t.SetCosts(sink, one.next) }); err != nil {
			return 0, err
		}
	}
	w.costsFailed(sink, failed)
	return told, nil
}

// costDeliveries makes the events of calls. Booking and alert name an attempt for good.
func (w *Worker) costDeliveries(sink string, calls []ledger.Cost) []ledger.Delivery {
	out := make([]ledger.Delivery, len(calls))
	for i, c := range calls {
		d := ledger.Delivery{
			Key: fmt.Sprintf("%s/call/%d/%s", c.AlertID, c.N, sink), Sink: sink, Kind: ledger.DeliverEvent, WinnowID: w.Engine.Keys.Sign(c.AlertID),
			Cost: &calls[i],
		}
		d.Cost.Provider = string(w.Engine.Settings.Models[c.Source].Provider)
		d.Record.ID, d.Record.Outcome.Time = c.AlertID, c.At // sinks give the event this time
		out[i] = d
	}
	return out
}

// handCosts hands events to a sink, in one go where it takes them so.
func handCosts(ctx context.Context, out Sink, all []ledger.Delivery) []error {
	failures := make([]error, len(all))
	batch, inOneGo := out.(BatchSink)
	if !inOneGo {
		for i := range all {
			failures[i] = guarded(func() error { return out.Deliver(ctx, all[i]) })
		}
		return failures
	}
	broken := guarded(func() error {
		crash.Point("sink.before-deliver")
		defer crash.Point("costs.delivered")
		failures = batch.DeliverAll(ctx, all)
		return nil
	})
	for i := range failures {
		if broken != nil {
			failures[i] = broken
		}
	}
	return failures
}

// costsFailed leaves a sink alone for a while after a failure.
func (w *Worker) costsFailed(sink string, failure error) {
	if failure == nil {
		delete(w.costs.late, sink)
		return
	}
	if w.costs.late == nil {
		w.costs.late = map[string]costPause{}
	}
	p := w.costs.late[sink]
	pause := w.pause(p.tries)
	if later, ok := errors.AsType[*ledger.LaterError](failure); ok && later.Sent {
		pause = max(min(later.After, maxLater), time.Second) // it was sent, and is asked about then
	} else {
		p.tries++
		w.Log.Warn("a sink was not told what calls cost", "sink", sink, "again", w.Engine.Now().Add(pause), "err", failure)
	}
	p.until = w.Engine.Now().Add(pause)
	w.costs.late[sink] = p
}
