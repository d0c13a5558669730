package splunk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/splunk/splunk-cloud-sdk-go/services"
	scs "github.com/splunk/splunk-cloud-sdk-go/services/ingest"
	"github.com/splunk/splunk-cloud-sdk-go/util"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// SCSSink sends winnow's own events to a tenant of Splunk Cloud Services, which drops repeats by the event's
// id. The SDK knows no context, no Retry-After and no limit of an answer; this sink adds them around it. A call
// that goes on after its context has ended is not given up: its answer is there for the next try.
type SCSSink struct {
	name   string
	opts   SCSOptions
	server *server
	token  *server // asks for access tokens; nil where the key is one

	mu     sync.Mutex
	flying map[string]*scsCall // by key of delivery
}

// SCSOptions say where the events go.
type SCSOptions struct {
	Server   ServerOptions // URL "" = the service's own
	Tenant   string
	ClientID string // "" = the key is an access token, else the client's secret
	Index    string // "" = the tenant's default
	Host     string
}

// Hosts of Splunk Cloud Services.
const (
	scsHost     = "https://api.scp.splunk.com"
	scsAuthHost = "https://auth.scp.splunk.com"
)

// NewSCSSink makes the sink of that name. It sends nothing yet.
func NewSCSSink(name string, opts SCSOptions) (*SCSSink, error) {
	if opts.Tenant == "" {
		return nil, fmt.Errorf("sink %q: no tenant: set it in [sink:%s] of winnow.conf", name, name)
	}
	s := &SCSSink{name: name, opts: opts, flying: map[string]*scsCall{}}
	if opts.ClientID != "" {
		auth := opts.Server
		auth.URL = cmp.Or(auth.URL, scsAuthHost)
		token, err := newServerClient(name, auth)
		if err != nil {
			return nil, err
		}
		s.token = token
		opts.Server.Key = (&scsToken{client: opts.ClientID, server: token}).get
	}
	opts.Server.URL = cmp.Or(opts.Server.URL, scsHost)
	var err error
	s.server, err = newServerClient(name, opts.Server)
	return s, err
}

// Name returns the name of the sink's stanza.
func (s *SCSSink) Name() string { return s.name }

// AtOnce is 1: batches go one after the other.
func (s *SCSSink) AtOnce() int { return 1 }

// Deliver sends one event; see [SCSSink.DeliverAll].
func (s *SCSSink) Deliver(ctx context.Context, d ledger.Delivery) error {
	return one(ctx, s.DeliverAll, d)
}

// Check asks whether the service is there.
func (s *SCSSink) Check(ctx context.Context) error {
	return s.server.reach(ctx, s.server.base.Scheme+"://"+s.server.base.Host+"/")
}

// scsCall is a call to the service, which may go on when nobody waits for it.
type scsCall struct {
	all  []ledger.Delivery
	errs []error // when it is done
	done chan struct{}
}

// result says what came of one delivery of a call that is done.
func (c *scsCall) result(key string) error {
	i := slices.IndexFunc(c.all, func(d ledger.Delivery) bool { return d.Key == key })
	return c.errs[i]
}

// DeliverAll sends events in as few requests as their size allows. It is safe for concurrent use for different
// alerts.
func (s *SCSSink) DeliverAll(ctx context.Context, all []ledger.Delivery) []error {
	errs, events := refuseOthers(s.name, all)
	var fresh []ledger.Delivery
	calls := make([]*scsCall, len(all))
	s.mu.Lock()
	for _, i := range events {
		if calls[i] = s.flying[all[i].Key]; calls[i] == nil {
			fresh = append(fresh, all[i])
		}
	}
	s.mu.Unlock()
	begun := s.begin(fresh)
	for _, i := range events {
		call := calls[i]
		if call == nil {
			call = begun
		}
		select {
		case <-call.done:
			errs[i] = call.result(all[i].Key)
			s.mu.Lock()
			delete(s.flying, all[i].Key)
			s.mu.Unlock()
		case <-ctx.Done():
			errs[i] = callError(ctx, "send events", ctx.Err())
		}
	}
	return errs
}

// begin starts a call, which ends by itself.
func (s *SCSSink) begin(all []ledger.Delivery) *scsCall {
	call := &scsCall{all: all, errs: make([]error, len(all)), done: make(chan struct{})}
	if len(all) == 0 {
		close(call.done)
		return call
	}
	s.mu.Lock()
	s.sweep()
	for _, d := range all {
		s.flying[d.Key] = call
	}
	s.mu.Unlock()
	go func() {
		defer close(call.done)
		s.call(call)
	}()
	return call
}

// sweep forgets calls that are done and that nobody came back for. The caller holds the lock.
func (s *SCSSink) sweep() {
	if len(s.flying) < maxReceipts {
		return
	}
	for key, call := range s.flying {
		select {
		case <-call.done:
			delete(s.flying, key)
		default:
		}
	}
}

// call sends what fits into one request at a time, and nothing more after the service has turned out to be down.
func (s *SCSSink) call(c *scsCall) {
	ctx, cancel := context.WithTimeout(context.Background(), s.server.opts.Timeout)
	defer cancel()
	var request []int
	var down error
	size := 0
	for i := range c.all {
		line, err := encodeOutcome(c.all[i])
		if c.errs[i] = err; err != nil {
			continue
		}
		if size+len(line) > maxHECBody {
			down = s.sendAll(ctx, c, request, down)
			request, size = nil, 0
		}
		request, size = append(request, i), size+len(line)
	}
	s.sendAll(ctx, c, request, down) //nolint:errcheck // nothing comes after
}

// sendAll sends one request, and its halves where it is refused, until every event has its answer. The failure of
// a service that is down is returned for what comes after.
func (s *SCSSink) sendAll(ctx context.Context, c *scsCall, places []int, down error) error {
	if len(places) == 0 {
		return down
	}
	err := down
	if err == nil {
		err = s.post(ctx, c, places)
	}
	e, refused := asRefused(err)
	divisible := refused && (e.Status == http.StatusBadRequest || e.Status == http.StatusRequestEntityTooLarge || e.Status == http.StatusUnprocessableEntity)
	if !divisible || len(places) == 1 {
		for _, i := range places {
			c.errs[i] = err
		}
		if outage(err) {
			return err
		}
		return nil
	}
	half := len(places) / 2
	down = s.sendAll(ctx, c, places[:half], nil)
	return s.sendAll(ctx, c, places[half:], down)
}

// event makes the SDK's form of an event.
func (s *SCSSink) event(d *ledger.Delivery) (scs.Event, error) {
	line, err := encodeOutcome(*d)
	if err != nil {
		return scs.Event{}, err
	}
	at := d.Record.Outcome.Time
	e := scs.Event{
		Body: json.RawMessage(line), Id: &d.Key, Source: new(eventSource), Sourcetype: new(sourcetypeOf(d)),
		Timestamp: new(at.UnixMilli()), Nanos: new(int32(at.Nanosecond() % int(time.Millisecond))),
	}
	if s.opts.Host != "" {
		e.Host = &s.opts.Host
	}
	if s.opts.Index != "" {
		e.Attributes = map[string]any{"index": s.opts.Index}
	}
	return e, nil
}

func (s *SCSSink) post(ctx context.Context, c *scsCall, places []int) error {
	const op = "send events"
	key, err := s.server.secret(ctx)
	if err != nil {
		return err
	}
	events := make([]scs.Event, len(places))
	for i, place := range places {
		if events[i], err = s.event(&c.all[place]); err != nil {
			return err
		}
	}
	trip := &scsTrip{ctx: ctx, next: s.server.http.Transport}
	client, err := services.NewClient(&services.Config{
		Token: key.Reveal(), Tenant: s.opts.Tenant, OverrideHost: s.server.base.Host, Scheme: s.server.base.Scheme,
		Timeout: s.server.opts.Timeout, RoundTripper: trip,
	})
	if err != nil {
		return &Error{Op: op, Code: CodeInput, Err: err}
	}
	_, err = scs.NewService(client).PostEvents(events)
	return s.failure(ctx, op, err, trip, key)
}

// failure makes an error of what the SDK says.
func (s *SCSSink) failure(ctx context.Context, op string, err error, trip *scsTrip, key winnow.Secret) error {
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*util.HTTPError](err); ok {
		text, _ := json.Marshal(map[string]string{"message": refused.Message}) // of a string it never fails
		a := &answer{status: refused.HTTPStatusCode, header: trip.header, body: hide(text, "Bearer "+key)}
		return patient(s.server.refused(op, a))
	}
	if errors.Is(err, errRedirected) {
		return &Error{Op: op, Code: CodeRefused, Err: errRedirected}
	}
	return callError(ctx, op, unURL(err))
}

// scsTrip binds the SDK's request to a context, and keeps the headers of the answer.
type scsTrip struct {
	ctx    context.Context //nolint:containedctx // the SDK passes none on
	next   http.RoundTripper
	header http.Header
}

var errRedirected = errors.New("redirected: not followed, since the request carries a credential")

// RoundTrip sends the request. A redirect is an error: the SDK would follow it.
func (t *scsTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r.WithContext(t.ctx))
	if err != nil {
		return nil, err
	}
	t.header = resp.Header
	if resp.StatusCode >= http.StatusMultipleChoices && resp.StatusCode < http.StatusBadRequest {
		_ = resp.Body.Close()
		return nil, errRedirected
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxSinkAnswer)
	return resp, nil
}
