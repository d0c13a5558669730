package splunk

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// StreamSink gives winnow's own events to splunkd over the modular input's standard output. splunkd
// acknowledges nothing there: what it has read and not yet indexed is lost when it dies, unless a search
// for the event says so and it is sent again.
type StreamSink struct {
	name  string
	opts  StreamOptions
	track tracker
	turn  chan struct{} // who writes
}

// StreamOptions say where the events go and how winnow learns that they have arrived.
type StreamOptions struct {
	Out    *EventWriter // of the modular input
	Stanza string       // of inputs.conf that the events belong to, like winnow://worker
	Index  string       // "" = that of the stanza
	Host   string
	Verify conf.Verify
	Within time.Duration // what is not found by then is sent again; 10 min if zero
	Client *Client       // for searches; may be nil
	Now    func() time.Time
}

// NewStreamSink makes the sink of that name.
func NewStreamSink(name string, opts StreamOptions) *StreamSink {
	if opts.Within <= 0 {
		opts.Within = 10 * time.Minute
	}
	s := &StreamSink{name: name, opts: opts, turn: make(chan struct{}, 1)}
	search := &eventSearch{client: opts.Client, index: opts.Index, now: opts.Now}
	s.track = tracker{now: opts.Now, within: opts.Within, first: searchFirst, send: s.send, ask: search.find}
	return s
}

// Name returns the name of the sink's stanza.
func (s *StreamSink) Name() string { return s.name }

// Deliver writes one event; see [StreamSink.DeliverAll].
func (s *StreamSink) Deliver(ctx context.Context, d ledger.Delivery) error {
	return one(ctx, s.DeliverAll, d)
}

// DeliverAll writes events, and looks for those that it has written before. It is safe for concurrent use for
// different alerts.
func (s *StreamSink) DeliverAll(ctx context.Context, all []ledger.Delivery) []error {
	return s.track.deliverAs(ctx, s.name, s.opts.Verify, all)
}

// Awaited returns how many events are sent and not confirmed.
func (s *StreamSink) Awaited() int { return s.track.awaited() }

func (s *StreamSink) send(ctx context.Context, all []ledger.Delivery) []sending {
	out := make([]sending, len(all))
	var down error
	for i, d := range all {
		if out[i].err = down; down == nil {
			out[i].err = s.write(ctx, d)
			if outage(out[i].err) {
				down = out[i].err
			}
		}
	}
	return out
}

// write waits for splunkd to read, but no longer than the context lasts: a pipe that nobody reads blocks for
// ever. What is then still being written may arrive, and be repeated under the same key.
func (s *StreamSink) write(ctx context.Context, d ledger.Delivery) error {
	const op = "write event"
	line, err := encodeOutcome(d)
	if err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return callError(ctx, op, ctx.Err())
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-s.turn }()
		done <- s.opts.Out.Write(StreamEvent{
			Stanza: s.opts.Stanza, Time: d.Record.Outcome.Time, Source: eventSource, Sourcetype: sourcetypeOf(&d),
			Index: s.opts.Index, Host: s.opts.Host, Data: strings.TrimSuffix(string(line), "\n"),
		})
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		return callError(ctx, op, ctx.Err())
	}
	if err != nil {
		return &Error{Op: op, Code: CodeNetwork, Retry: true, Err: err}
	}
	return nil
}

// errNoStream is why a worker that splunkd has not started cannot write to it.
var errNoStream = errors.New("type = stream writes to splunkd over the modular input's own output: run the worker as input winnow://worker, or take another type")
