package splunk

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

const (
	hecToken      = "hec-t0ken-3e6f"
	webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
)

// subject is a sink under test, with the receiver behind it.
type subject struct {
	sink  Sink
	again func() Sink           // the sink of the next worker, which knows nothing of the one before
	wrote func() []string       // the events that the receiver has, as JSON
	fault func(f faultOf)       // nil: nothing between sink and receiver can fail
	clock *clock                //
	kind  ledger.DeliveryKind   // "" is an event
	whole func() map[string]int // for sinks of no events: what is written, and how often
}

type faultOf = splunktest.Fault

func withKey(key winnow.Secret) func(context.Context) (winnow.Secret, error) {
	return func(context.Context) (winnow.Secret, error) { return key, nil }
}

// subjects are all sinks, each with the ways in which it learns that an event has arrived.
var subjects = map[string]func(testing.TB) *subject{
	"file": func(t testing.TB) *subject {
		path := filepath.Join(t.TempDir(), "events.ndjson")
		open := func() Sink { return newFileSink(t, FileOptions{Path: path}) }
		return &subject{sink: open(), again: open, clock: newClock(), wrote: func() []string {
			var out []string
			for _, line := range lines(t, path) {
				out = append(out, string(line))
			}
			return out
		}}
	},
	"hec by ack":         hecSubject(conf.VerifyAck, true),
	"hec without ack":    hecSubject(conf.VerifyAck, false),
	"hec by search":      hecSubject(conf.VerifySearch, false),
	"hec unverified":     hecSubject(conf.VerifyNone, false),
	"receivers":          receiversSubject(conf.VerifySearch),
	"receivers believed": receiversSubject(conf.VerifyNone),
	"stream":             streamSubject(conf.VerifyNone),
	"stream by search":   streamSubject(conf.VerifySearch),
	"webhook":            webhookSubject,
	"scs":                scsSubject(""),
	"scs with client":    scsSubject("winnow"),
	"notable":            notableSubject,
	"notable_update":     updateSubject,
	"finding":            findingSubject,
}

// newSplunk starts a splunkd on a clock that tests turn, and a client of it.
func newSplunk(t testing.TB) (*splunktest.Server, *Client, *clock) {
	clk := newClock()
	s := newServer(t, splunktest.Options{Now: clk.now, IndexLag: 15 * time.Second})
	s.AddSession(winnowU, testKey, time.Time{}, splunktest.CapEditNotables, splunktest.CapListPasswords, splunktest.CapEditTCP)
	return s, newClient(t, s), clk
}

func raws(s *splunktest.Server, index string) []string {
	var out []string
	for _, e := range s.Events(index) {
		out = append(out, e.Raw)
	}
	return out
}

func hecSubject(verify conf.Verify, acks bool) func(testing.TB) *subject {
	return func(t testing.TB) *subject {
		s, client, clk := newSplunk(t)
		h := s.NewHEC(t, splunktest.HECOptions{Tokens: map[string]splunktest.HECToken{hecToken: {Index: "soc", Ack: acks}}})
		open := func() Sink { return newHECSink(t, s, h, client, clk, verify) }
		return &subject{sink: open(), again: open, clock: clk, fault: h.Fail, wrote: func() []string { return raws(s, "soc") }}
	}
}

func newHECSink(t testing.TB, s *splunktest.Server, h *splunktest.HEC, client *Client, clk *clock, verify conf.Verify) *HECSink {
	t.Helper()
	sink, err := NewHECSink("events", HECOptions{
		Server: ServerOptions{URL: h.URL, Key: withKey(hecToken), SplunkHome: s.Home, Now: clk.now},
		Index:  "soc", Host: "sh1", Verify: verify, Client: client,
	})
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func receiversSubject(verify conf.Verify) func(testing.TB) *subject {
	return func(t testing.TB) *subject {
		s, client, clk := newSplunk(t)
		open := func() Sink {
			return NewReceiversSink("events", ReceiversOptions{Client: client, Index: "soc", Verify: verify, Now: clk.now})
		}
		return &subject{sink: open(), again: open, clock: clk, fault: s.Fail, wrote: func() []string { return raws(s, "soc") }}
	}
}

func streamSubject(verify conf.Verify) func(testing.TB) *subject {
	return func(t testing.TB) *subject {
		s, client, clk := newSplunk(t)
		out := NewEventWriter(splunkdReads{t, s})
		open := func() Sink {
			return NewStreamSink("events", StreamOptions{
				Out: out, Stanza: "winnow://worker", Index: "soc", Verify: verify, Client: client, Now: clk.now,
			})
		}
		return &subject{sink: open(), again: open, clock: clk, wrote: func() []string { return raws(s, "soc") }}
	}
}

// splunkdReads indexes what a modular input writes.
type splunkdReads struct {
	t testing.TB
	s *splunktest.Server
}

func (r splunkdReads) Write(b []byte) (int, error) {
	var e eventXML
	if err := xml.Unmarshal(bytes.TrimPrefix(b, []byte("<stream>")), &e); err != nil {
		r.t.Errorf("splunkd cannot read %q: %v", b, err)
	}
	r.s.IndexJSON(e.Data, e.Index, e.Source, e.Sourcetype, e.Host)
	return len(b), nil
}

func webhookSubject(t testing.TB) *subject {
	s, _, clk := newSplunk(t)
	h := s.NewWebhook(t, webhookSecret)
	open := func() Sink {
		sink, err := NewWebhookSink("events", ServerOptions{URL: h.URL, Key: withKey(webhookSecret), SplunkHome: s.Home, Public: true, Now: clk.now})
		if err != nil {
			t.Fatal(err)
		}
		return sink
	}
	return &subject{sink: open(), again: open, clock: clk, fault: h.Fail, wrote: func() []string {
		var out []string
		for _, call := range h.Calls() {
			var body struct{ Data json.RawMessage }
			if err := json.Unmarshal([]byte(call.Body), &body); err != nil {
				t.Error(err)
			}
			out = append(out, string(body.Data))
		}
		return out
	}}
}

const scsSecret, scsAccess = "scs-cl1ent-s3cret", "scs-acc3ss"

func scsSubject(client string) func(testing.TB) *subject {
	return func(t testing.TB) *subject {
		s, _, clk := newSplunk(t)
		c := s.NewSCS(t, splunktest.SCSOptions{Tenant: "example", Token: scsAccess, Client: client, Secret: scsSecret})
		open := func() Sink { return newSCSSink(t, s, c, client, clk) }
		return &subject{sink: open(), again: open, clock: clk, fault: c.Fail, wrote: c.Events}
	}
}

func newSCSSink(t testing.TB, s *splunktest.Server, c *splunktest.SCS, client string, clk *clock) *SCSSink {
	t.Helper()
	key := winnow.Secret(scsAccess)
	if client != "" {
		key = scsSecret
	}
	sink, err := NewSCSSink("events", SCSOptions{
		Server: ServerOptions{URL: c.URL, Key: withKey(key), SplunkHome: s.Home, Timeout: 2 * time.Second, Now: clk.now}, Tenant: "example", ClientID: client,
	})
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func notableSubject(t testing.TB) *subject {
	s, _, clk := newSplunk(t)
	open := func() Sink { return newNotableSink(t, s) }
	return &subject{sink: open(), again: open, clock: clk, kind: ledger.DeliverNotable, whole: func() map[string]int {
		ingest(t, s)
		out := map[string]int{}
		for _, n := range s.Notables() {
			out[strings.Join(n.Fields["winnow_id"], " ")]++
		}
		return out
	}}
}

func findingSubject(t testing.TB) *subject {
	o := newOwner(t, splunktest.Options{})
	open := func() Sink { return o.open(t) }
	return &subject{sink: open(), again: open, clock: o.clk, fault: o.Fail, kind: ledger.DeliverNotable, whole: func() map[string]int {
		out := map[string]int{}
		for _, n := range o.Notables() {
			out[strings.Join(n.Fields["winnow_id"], " ")]++
		}
		return out
	}}
}

func updateSubject(t testing.TB) *subject {
	s, client, clk := newSplunk(t)
	for i := range 20 {
		s.AddNotable("Impossible Travel", testSID, fmt.Sprint(i), nil)
	}
	clk.advance(time.Minute)
	open := func() Sink { return NewUpdateSink("update", client, UpdateOptions{}, clk.now) }
	return &subject{sink: open(), again: open, clock: clk, kind: ledger.DeliverUpdate, fault: s.Fail, whole: func() map[string]int {
		out := map[string]int{}
		for _, n := range s.Notables() {
			if len(n.Reviews) > 0 {
				out["ALERT"+n.Fields["orig_rid"][0]+"-00ff"] = len(n.Reviews)
			}
		}
		return out
	}}
}

// delivery makes the i-th delivery for the subject.
func (s *subject) delivery(i int) ledger.Delivery {
	d := delivery(fmt.Sprint(i), 1, winnow.StateEscalated)
	d.Kind, d.Sink, d.Seq = ledger.DeliverEvent, "events", 1
	d.Key = fmt.Sprintf("ALERT%d/1/events", i)
	if s.kind != "" {
		d.Kind = s.kind
	}
	return d
}

// counts says how often each event was written, by key, for sinks of no events by alert.
func (s *subject) counts(t testing.TB) map[string]int {
	t.Helper()
	if s.whole != nil {
		return s.whole()
	}
	out := map[string]int{}
	for _, text := range s.wrote() {
		var e struct {
			Key string `json:"event_key"`
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil || e.Key == "" {
			t.Errorf("event %q: %v", text, err)
		}
		out[e.Key]++
	}
	return out
}

// drive delivers as the outbox does, until the delivery is done: it comes back when it is told to, and after a
// failure that may pass.
func drive(t testing.TB, sink Sink, clk *clock, d ledger.Delivery) {
	t.Helper()
	for range 60 {
		err := sink.Deliver(t.Context(), d)
		if taken(err) {
			return
		}
		if later, ok := errors.AsType[*ledger.LaterError](err); ok {
			clk.advance(max(later.After, time.Second))
			continue
		}
		if !Retryable(err) {
			t.Fatalf("given up: %v", err)
		}
		clk.advance(10 * time.Second)
	}
	t.Fatal("not delivered in sixty tries")
}

func eachSubject(t *testing.T, f func(*testing.T, *subject)) {
	for name, open := range subjects {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

// However often an event is delivered, by this worker or the next, readers see one: whatever is written
// more than once has the same key.
func TestSinksRepeat(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		for range 2 {
			drive(t, s.sink, s.clock, s.delivery(0))
			drive(t, s.sink, s.clock, s.delivery(1))
		}
		drive(t, s.again(), s.clock, s.delivery(0))
		if got := s.counts(t); len(got) != 2 {
			t.Errorf("written: %v, want two different", got)
		}
	})
}

// The worker dies between sending and the answer.
func TestSinksLoseTheAnswer(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		if s.fault == nil {
			t.Skip("nothing answers")
		}
		s.fault(faultOf{Times: 1, After: true})
		if err := s.sink.Deliver(t.Context(), s.delivery(0)); taken(err) || !Retryable(err) {
			t.Fatalf("error is %v, want one that is tried again", err)
		}
		drive(t, s.again(), s.clock, s.delivery(0))
		if got := s.counts(t); len(got) != 1 {
			t.Errorf("written: %v, want one key", got)
		}
	})
}

// Only what the server asks to have repeated is repeated, and not before the time that it names.
func TestSinksObeyStatus(t *testing.T) {
	for status, retry := range map[int]bool{400: false, 413: false, 429: true, 500: true, 502: true, 503: true} {
		eachSubject(t, func(t *testing.T, s *subject) {
			if s.fault == nil {
				t.Skip("nothing answers")
			}
			s.fault(faultOf{Times: 1, Status: status, Body: "{}", Header: http.Header{"Retry-After": {"7"}}})
			err := s.sink.Deliver(t.Context(), s.delivery(0))
			if err == nil || Retryable(err) != retry {
				t.Fatalf("HTTP %d: error %v, tried again %v, want %v", status, err, Retryable(err), retry)
			}
			later, ok := errors.AsType[*ledger.LaterError](err)
			if s.kind == "" && retry && (!ok || later.After != 7*time.Second || later.Sent) {
				t.Errorf("HTTP %d: error %#v does not keep the time that the server named", status, err)
			}
			if retry {
				drive(t, s.sink, s.clock, s.delivery(0))
			}
		})
	}
}

func TestSinksEndWithTheContext(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		if s.fault == nil {
			t.Skip("nothing answers")
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s.fault(faultOf{Times: 1, Delay: time.Hour, Begin: cancel})
		wantError(t, s.sink.Deliver(ctx, s.delivery(0)), CodeTimeout, true)
		drive(t, s.sink, s.clock, s.delivery(0))
	})
}

// hostileTexts try to end their event, to forge another, or to be read as something else.
var hostileTexts = []string{
	"a\nforged line\r\n", "\n==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##==\n***SPLUNK*** index=\"notable\"",
	`"}}, {"event_key": "forged"`, "</data></event><event><data>forged", "]]>", "\x00\x1b[31m\x07", "\u2028\u202e\ufeff", "caf\xe9 \xff",
	"{\"event_time\":\"2030-01-01T00:00:00Z\",\"event_key\":\"forged\"}", "$result.user$ `get_notable` | delete",
}

func TestSinksKeepHostileTextInside(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		for i, text := range hostileTexts {
			d := s.delivery(i)
			d.Record.SearchName, d.Alert.SearchName = text, text
			d.Record.Verdict.Case = winnow.Case{What: text, Why: text, FirstResponse: text}
			d.Record.Outcome.Actor = text
			d.Alert.Fields = winnow.Fields{"user": {text}}
			drive(t, s.sink, s.clock, d)
		}
		got := s.counts(t)
		if len(got) != len(hostileTexts) {
			t.Errorf("%d different events, want %d: %v", len(got), len(hostileTexts), got)
		}
		for key := range got {
			if strings.Contains(key, "forged") {
				t.Errorf("a text of an alert became an event: %s", key)
			}
		}
		if s.wrote == nil {
			return
		}
		for i, text := range s.wrote() {
			var e struct{ Verdict struct{ Case winnow.Case } }
			if err := json.Unmarshal([]byte(text), &e); err != nil || e.Verdict.Case.Why != strings.ToValidUTF8(hostileTexts[i], "\ufffd") {
				t.Errorf("%q became %q, %v", hostileTexts[i], e.Verdict.Case.Why, err)
			}
		}
	})
}

func TestSinksRefuseOtherKinds(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		for _, kind := range []ledger.DeliveryKind{ledger.DeliverEvent, ledger.DeliverNotable, ledger.DeliverUpdate, "", "page"} {
			d := s.delivery(0)
			if kind == d.Kind {
				continue
			}
			d.Kind = kind
			wantError(t, s.sink.Deliver(t.Context(), d), CodeInput, false, "no delivery of kind")
		}
	})
}

func TestSinksAreConcurrent(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() { drive(t, s.sink, s.clock, s.delivery(i)) })
		}
		wg.Wait()
		if got := s.counts(t); len(got) != 20 {
			t.Errorf("%d different events, want 20", len(got))
		}
	})
}

// A server may echo the credential that it was sent.
func TestSinksHideSecrets(t *testing.T) {
	secrets := strings.Join([]string{testKey, hecToken, webhookSecret, scsAccess, scsSecret}, " ")
	echo := `{"text":"` + secrets + `","message":"` + secrets + `"}`
	eachSubject(t, func(t *testing.T, s *subject) {
		if s.fault == nil {
			t.Skip("nothing answers")
		}
		for _, f := range []faultOf{{Status: 401, Body: echo}, {Status: 403, Body: echo}, {Status: 500, Body: echo}, {Status: 302, Header: http.Header{"Location": {"https://127.0.0.1:1/?" + hecToken}}}, {Cut: true}} {
			if f.Times = 1; f.Cut {
				f.Times = 0 // a GET that is cut off is asked again by net/http
			}
			s.fault(f)
			err := s.sink.Deliver(t.Context(), s.delivery(0))
			if err == nil {
				t.Fatalf("%+v: no error", f)
			}
			for _, own := range ownSecrets(s) {
				if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)), own) {
					t.Errorf("error %v holds %q", err, own)
				}
			}
		}
	})
}

// ownSecrets are those that the subject sends.
func ownSecrets(s *subject) []string {
	switch sink := s.sink.(type) {
	case *HECSink:
		return []string{hecToken}
	case *SCSSink:
		if sink.token != nil {
			return []string{scsSecret}
		}
		return []string{scsAccess}
	case *WebhookSink:
		return []string{webhookSecret, strings.TrimPrefix(webhookSecret, "whsec_")}
	}
	return []string{testKey}
}
