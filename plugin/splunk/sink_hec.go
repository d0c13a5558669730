package splunk

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// HECSink sends winnow's own events to an HTTP Event Collector, several in one request. A collector answers
// when it has taken events, which is before they are indexed; so an event counts as delivered only when the
// indexers have acknowledged it or a search has found it. Repeats carry the same event_key.
type HECSink struct {
	name    string
	opts    HECOptions
	server  *server
	channel *ackChannel
	search  eventSearch
	track   tracker
	turn    chan struct{} // numbers of acknowledgements are read in the order of requests
}

// HECOptions say where the events go and how winnow learns that they have arrived.
type HECOptions struct {
	Server   ServerOptions
	Index    string // "" = the token's own
	Host     string // host field of the events; may be empty
	Verify   conf.Verify
	Within   time.Duration // what is not confirmed by then is sent again; 10 min if zero
	Client   *Client       // for searches; may be nil
	NoClient error         // why it is
}

// NewHECSink makes the sink of that name. It sends nothing yet.
func NewHECSink(name string, opts HECOptions) (*HECSink, error) {
	server, err := newServerClient(name, opts.Server)
	if err != nil {
		return nil, err
	}
	if opts.Within <= 0 {
		opts.Within = 10 * time.Minute
	}
	now := opts.Server.Now
	s := &HECSink{
		name: name, opts: opts, server: server, channel: newAckChannel(), turn: make(chan struct{}, 1),
		search: eventSearch{client: opts.Client, none: opts.NoClient, index: opts.Index, now: now},
	}
	s.track = tracker{now: now, within: opts.Within, first: time.Second, send: s.send, ask: s.ask}
	if opts.Verify == conf.VerifySearch {
		s.track.first = searchFirst
	}
	return s, nil
}

// Name returns the name of the sink's stanza.
func (s *HECSink) Name() string { return s.name }

// AtOnce is 1: batches go one after the other.
func (s *HECSink) AtOnce() int { return 1 }

// Deliver sends one event; see [HECSink.DeliverAll].
func (s *HECSink) Deliver(ctx context.Context, d ledger.Delivery) error {
	return one(ctx, s.DeliverAll, d)
}

// DeliverAll sends events, and asks after those that it has sent before. An event that is sent and not yet
// confirmed is answered with a [ledger.LaterError]. One event that the collector refuses holds up no other.
// It is safe for concurrent use for different alerts.
func (s *HECSink) DeliverAll(ctx context.Context, all []ledger.Delivery) []error {
	return s.track.deliverAs(ctx, s.name, s.opts.Verify, all)
}

// Awaited returns how many events are sent and not confirmed.
func (s *HECSink) Awaited() int { return s.track.awaited() }

// Check asks the collector for its health.
func (s *HECSink) Check(ctx context.Context) error { return s.server.healthHEC(ctx) }

// maxHECBody keeps a request below the least limit of any Splunk, which is 1 MB.
const maxHECBody = 512 << 10

// packet is one event as it is sent, and where to put what came of it.
type packet struct {
	body []byte
	to   *sending
}

// send sends events in as few requests as their size allows.
func (s *HECSink) send(ctx context.Context, all []ledger.Delivery) []sending {
	out := make([]sending, len(all))
	var request []packet
	var down error
	size := 0
	flush := func() {
		if len(request) > 0 {
			down = s.sendAll(ctx, request, down)
		}
		request, size = nil, 0
	}
	for i := range all {
		body, err := s.encode(&all[i])
		if err != nil {
			out[i].err = err
			continue
		}
		if size+len(body) > maxHECBody {
			flush()
		}
		request, size = append(request, packet{body, &out[i]}), size+len(body)
	}
	flush()
	return out
}

type hecEventJSON struct {
	Time       json.Number     `json:"time"`
	Host       string          `json:"host,omitempty"`
	Source     string          `json:"source"`
	Sourcetype string          `json:"sourcetype"`
	Index      string          `json:"index,omitempty"`
	Event      json.RawMessage `json:"event"`
}

func (s *HECSink) encode(d *ledger.Delivery) ([]byte, error) {
	line, err := encodeOutcome(*d)
	if err != nil {
		return nil, err
	}
	at := strconv.FormatFloat(float64(d.Record.Outcome.Time.UnixMilli())/1000, 'f', 3, 64)
	body, err := json.Marshal(hecEventJSON{
		Time: json.Number(at), Host: s.opts.Host, Source: eventSource, Sourcetype: sourcetypeOf(d), Index: s.opts.Index, Event: line,
	})
	if err != nil {
		return nil, &Error{Op: "write event", Code: CodeInput, Err: err}
	}
	return append(body, '\n'), nil
}

// eventSource is the source field of winnow's own events.
const eventSource = "winnow"

// sendAll sends one request, and parts of it where an event is refused, until every event has its answer. Once
// the server is down, nothing more is sent; the failure is returned for what comes after.
func (s *HECSink) sendAll(ctx context.Context, some []packet, down error) error {
	var number *ack
	var said hecAnswer
	err := down
	if err == nil {
		number, said, err = s.post(ctx, some)
	}
	e, refused := asRefused(err)
	if !refused || len(some) == 1 || !said.divides(e) {
		for _, p := range some {
			*p.to = sending{err: err, ack: number}
		}
		if outage(err) {
			return err
		}
		return nil
	}
	for _, part := range divide(some, said) {
		down = s.sendAll(ctx, part, down)
	}
	return down
}

// asRefused returns the refusal that an error is.
func asRefused(err error) (*Error, bool) {
	e, ok := err.(*Error) //nolint:errorlint // a wrapped one asks for patience
	return e, ok && !e.Retry
}

// divides reports whether parts of a refused request may be taken.
func (a *hecAnswer) divides(e *Error) bool {
	return e.Status == http.StatusRequestEntityTooLarge || a.Code != nil && slices.Contains(hecEvent, *a.Code)
}

// divide cuts around the event that the collector calls invalid, else in the middle. The number is a hint only:
// under code 7 Splunk counts from one, and under the others from zero.
func divide(some []packet, said hecAnswer) [][]packet {
	at := -1
	if said.Invalid != nil {
		if at = *said.Invalid; said.Code != nil && *said.Code == hecIndex {
			at--
		}
	}
	if at < 0 || at >= len(some) {
		half := len(some) / 2
		return [][]packet{some[:half], some[half:]}
	}
	var parts [][]packet
	for _, part := range [][]packet{some[:at], some[at+1:], some[at : at+1]} {
		if len(part) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

// post sends one request. The number is nil where nothing is acknowledged.
func (s *HECSink) post(ctx context.Context, some []packet) (*ack, hecAnswer, error) {
	const op = "send events"
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, hecAnswer{}, callError(ctx, op, ctx.Err())
	}
	key, err := s.server.secret(ctx)
	if err != nil {
		return nil, hecAnswer{}, err
	}
	var body bytes.Buffer
	for _, p := range some {
		body.Write(p.body)
	}
	guid := s.channel.name()
	a, said, err := s.server.postHEC(ctx, op, "/services/collector/event", guid, body.Bytes(), key)
	if err != nil {
		return nil, said, err
	}
	if !a.ok() || said.Code != nil && *said.Code != 0 {
		if said.Code != nil && *said.Code == hecBadChannel {
			s.channel.lose(guid)
		}
		return nil, said, patient(s.server.hecRefused(op, a, said))
	}
	if said.AckID == nil || s.opts.Verify != conf.VerifyAck {
		return nil, said, nil
	}
	return s.channel.owe(guid, *said.AckID), said, nil
}

// ask marks what the indexers have acknowledged, and looks for what they acknowledge nothing about.
func (s *HECSink) ask(ctx context.Context, all []*receipt) error {
	var searched []*receipt
	acked := false
	for _, r := range all {
		if r.ack == nil {
			if s.opts.Server.Now().Sub(r.at) >= searchFirst {
				searched = append(searched, r)
			}
			continue
		}
		acked = true
	}
	var failure error
	if acked {
		failure = s.askAcks(ctx)
	}
	for _, r := range all {
		if r.ack == nil {
			continue
		}
		r.arrived, r.lost = r.ack.state()
		if !r.arrived && s.opts.Server.Now().Sub(r.at) >= s.opts.Within {
			s.channel.drop(r.ack)
		}
	}
	if len(searched) > 0 {
		if err := s.search.find(ctx, searched); err != nil {
			failure = err
		}
	}
	return failure
}
