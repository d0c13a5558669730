package splunk

import (
	"bytes"
	"context"
	"net/url"
	"time"

	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// ReceiversSink sends winnow's own events to splunkd's receivers/simple, over the client's session: it needs
// neither a token nor an open port, but the capability edit_tcp. splunkd acknowledges nothing here.
type ReceiversSink struct {
	name   string
	opts   ReceiversOptions
	search eventSearch
	track  tracker
}

// ReceiversOptions say where the events go and how winnow learns that they have arrived.
type ReceiversOptions struct {
	Client *Client
	Index  string // "" = splunkd's default
	Host   string
	Verify conf.Verify
	Within time.Duration // what is not found by then is sent again; 10 min if zero
	Now    func() time.Time
}

// NewReceiversSink makes the sink of that name.
func NewReceiversSink(name string, opts ReceiversOptions) *ReceiversSink {
	if opts.Within <= 0 {
		opts.Within = 10 * time.Minute
	}
	s := &ReceiversSink{name: name, opts: opts, search: eventSearch{client: opts.Client, index: opts.Index, now: opts.Now}}
	s.track = tracker{now: opts.Now, within: opts.Within, first: searchFirst, send: s.send, ask: s.search.find}
	return s
}

// Name returns the name of the sink's stanza.
func (s *ReceiversSink) Name() string { return s.name }

// AtOnce is 1: batches go one after the other.
func (s *ReceiversSink) AtOnce() int { return 1 }

// Deliver sends one event; see [ReceiversSink.DeliverAll].
func (s *ReceiversSink) Deliver(ctx context.Context, d ledger.Delivery) error {
	return one(ctx, s.DeliverAll, d)
}

// DeliverAll sends events in one request, and looks for those that it has sent before. It is safe for
// concurrent use for different alerts.
func (s *ReceiversSink) DeliverAll(ctx context.Context, all []ledger.Delivery) []error {
	return s.track.deliverAs(ctx, s.name, s.opts.Verify, all)
}

// Awaited returns how many events are sent and not confirmed.
func (s *ReceiversSink) Awaited() int { return s.track.awaited() }

// Check asks splunkd whether the session holds.
func (s *ReceiversSink) Check(ctx context.Context) error {
	_, err := s.opts.Client.User(ctx)
	return err
}

func (s *ReceiversSink) send(ctx context.Context, all []ledger.Delivery) []sending {
	out := make([]sending, len(all))
	var body bytes.Buffer
	for i, d := range all {
		line, err := encodeOutcome(d)
		if out[i].err = err; err == nil {
			body.Write(line)
		}
	}
	if body.Len() == 0 {
		return out
	}
	query := url.Values{"sourcetype": {sourcetypeOf(&all[0])}, "source": {eventSource}, "output_mode": {"json"}}
	for name, value := range map[string]string{"index": s.opts.Index, "host": s.opts.Host} {
		if value != "" {
			query.Set(name, value)
		}
	}
	_, err := s.opts.Client.do(ctx, call{op: "send events", path: "/services/receivers/simple", query: query, text: body.Bytes()})
	for i := range out {
		if out[i].err == nil {
			out[i].err = patient(err)
		}
	}
	return out
}
