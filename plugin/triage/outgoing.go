package triage

import (
	"context"
	"errors"
	"time"

	"github.com/winnow-soc/winnow/plugin/ledger"
)

// ServerSink is a sink that has to wait for answers of a server. Its deliveries are made beside the turns, so
// that alerts are triaged meanwhile.
type ServerSink interface {
	Sink

	// AtOnce is how many deliveries of different alerts it takes at the same time, at most. A [BatchSink] is
	// given one batch at a time.
	AtOnce() int
}

// sending is what one goroutine delivers. It has the work until that is back; nobody else reads it before.
type sending struct {
	due      []ledger.Pending
	failures []error
}

// outgoing are the deliveries that are made beside the turns. None of it is durable: what is lost with the
// process is still due.
type outgoing struct {
	back  chan *sending
	keys  map[string]bool // of deliveries that were sent and are not kept
	ended []*sending      // back, and not kept
	sinks map[string]*line
	stop  context.CancelCauseFunc // ends them all; nil before the first
	ctx   context.Context         //nolint:containedctx // of deliveries, which outlive a turn
}

// line is what is on its way to one sink.
type line struct {
	sent  int
	slots chan struct{} // as many as it takes at the same time
}

// maxBack is how many deliveries wait for the next turn before goroutines do.
const maxBack = 512

func newOutgoing() *outgoing {
	return &outgoing{back: make(chan *sending, maxBack), keys: map[string]bool{}, sinks: map[string]*line{}}
}

func (o *outgoing) empty() bool { return o == nil || len(o.keys) == 0 }

// errWorkerEnds ends deliveries of a worker that is told to end.
var errWorkerEnds = errors.New("the worker ends")

// send starts deliveries to a server, so that there is always one to make as soon as one is made.
func (w *Worker) send(ctx context.Context, s ServerSink) error {
	if w.out == nil {
		w.out = newOutgoing()
	}
	if w.out.ctx == nil {
		w.out.ctx, w.out.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	}
	l := w.out.sinks[s.Name()]
	if l == nil {
		l = &line{slots: make(chan struct{}, max(s.AtOnce(), 1))}
		w.out.sinks[s.Name()] = l
	}
	_, inBatches := s.(BatchSink)
	if inBatches && l.sent > 0 || l.sent > deliverBatch/2 {
		return nil
	}
	var due []ledger.Pending
	err := w.Engine.Ledger.View(ctx, func(t *ledger.Tx) (err error) {
		due, err = t.Due(w.lookedOut, deliverBatch, s.Name())
		return err
	})
	if err != nil || len(due) == 0 {
		return err
	}
	if inBatches {
		w.start(l, due)
		return nil
	}
	for i := range due {
		if !w.out.keys[due[i].Key] {
			w.start(l, due[i:i+1])
		}
	}
	return nil
}

// start delivers beside the turns.
func (w *Worker) start(l *line, due []ledger.Pending) {
	o, one := w.out, &sending{due: due, failures: make([]error, len(due))}
	for i := range due {
		o.keys[due[i].Key] = true
		l.sent++
	}
	ctx, back := o.ctx, o.back
	go func() {
		defer func() { back <- one }()
		select {
		case l.slots <- struct{}{}:
			defer func() { <-l.slots }()
		case <-ctx.Done():
			one.fail(errNoTime)
			return
		}
		if _, ok := w.sink(due[0].Sink).(BatchSink); ok {
			one.failures = w.deliverAll(ctx, due[0].Sink, due)
		} else {
			one.failures[0] = guarded(func() error { return w.deliverOne(ctx, due[0].Delivery) })
		}
		if ctx.Err() != nil {
			one.interrupted()
		}
	}()
}

func (one *sending) fail(err error) {
	for i := range one.failures {
		one.failures[i] = err
	}
}

// interrupted leaves what failed because the worker ends for the next one: that is no try.
func (one *sending) interrupted() {
	for i := range one.failures {
		if one.failures[i] != nil {
			one.failures[i] = errNoTime
		}
	}
}

// keepSent keeps what came of deliveries that are back. When that cannot be kept it is tried again in the next
// turn: what was delivered once is not delivered again because of a full disk here.
func (w *Worker) keepSent(ctx context.Context) (n int, err error) {
	if w.out.empty() {
		return 0, nil
	}
	w.out.collect()
	var due []ledger.Pending
	var failures []error
	for _, one := range w.out.ended {
		due, failures = append(due, one.due...), append(failures, one.failures...)
	}
	if len(due) == 0 {
		return 0, nil
	}
	if n, err = w.keepDelivered(ctx, due, failures); err != nil {
		return 0, err
	}
	w.out.ended = nil
	for i := range due {
		delete(w.out.keys, due[i].Key)
		w.out.sinks[due[i].Sink].sent--
	}
	w.beat()
	return n, nil
}

// collect takes up deliveries that are back, without waiting for any.
func (o *outgoing) collect() {
	for {
		select {
		case one := <-o.back:
			o.ended = append(o.ended, one)
		default:
			return
		}
	}
}

// endSending waits a little for deliveries that are on their way, ends the rest, and keeps what came of them.
// What is ended is delivered again by the next worker: sinks look first, or say the same twice under one key.
func (w *Worker) endSending(ctx context.Context) error {
	if w.out.empty() {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	err := w.waitSent(ctx, w.cancelled())
	w.out.stop(errWorkerEnds)
	err = errors.Join(err, w.waitSent(ctx, w.cancelled()))
	w.out = newOutgoing()
	return err
}

// waitSent keeps what comes back until all is, or the time is over.
func (w *Worker) waitSent(ctx context.Context, wait time.Duration) error {
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		_, err := w.keepSent(ctx)
		if err != nil || w.out.empty() {
			return err
		}
		select {
		case one := <-w.out.back:
			w.out.ended = append(w.out.ended, one)
		case <-over.C:
			return nil
		}
	}
}
