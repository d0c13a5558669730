package splunktest

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// HECToken is one token of an HTTP Event Collector.
type HECToken struct {
	Index    string   // "main" if empty
	Indexes  []string // others that events may name
	Ack      bool     // useACK
	Disabled bool
}

// HECOptions say how a collector is set up.
type HECOptions struct {
	Tokens  map[string]HECToken
	MaxBody int  // unpacked bytes, 1 MB if zero
	Partial bool // events before an invalid one are taken
	HoldAck bool // nothing is acknowledged before Acknowledge

	Reject func(event string) int // the code that an event is refused with; nil or 0: none
}

// HEC is the HTTP Event Collector of a [Server]: what it takes is among the server's Events. All its methods are
// safe for concurrent use.
type HEC struct {
	URL string
	faulty

	s    *Server
	opts HECOptions

	hecMu    sync.Mutex
	code     int // of SetState
	lose     int
	channels map[string]*hecChannel
	bodies   int
}

type hecChannel struct {
	next int64
	open map[int64]bool // number: indexed
}

// NewHEC starts the collector of a server, with the server's certificate, and stops it when the test ends.
func (s *Server) NewHEC(t testing.TB, opts HECOptions) *HEC {
	t.Helper()
	if opts.MaxBody == 0 {
		opts.MaxBody = 1 << 20
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	h := &HEC{URL: "https://" + ln.Addr().String(), s: s, opts: opts, channels: map[string]*hecChannel{}}
	mux := http.NewServeMux()
	for _, path := range []string{"/services/collector", "/services/collector/event", "/services/collector/event/1.0"} {
		mux.HandleFunc("POST "+path, h.events)
	}
	mux.HandleFunc("POST /services/collector/ack", h.acks)
	mux.HandleFunc("GET /services/collector/health", h.health)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusNotFound, map[string]any{"text": "The requested URL was not found on this server.", "code": 404})
	})
	srv := &http.Server{Handler: h.before(mux), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return h
}

// HECCodes are the collector's answers: status and text of each code.
var HECCodes = map[int]struct {
	Status int
	Text   string
}{
	0: {200, "Success"}, 1: {403, "Token disabled"}, 2: {401, "Token is required"}, 3: {401, "Invalid authorization"},
	4: {403, "Invalid token"}, 5: {400, "No data"}, 6: {400, "Invalid data format"}, 7: {400, "Incorrect index"},
	8: {500, "Internal server error"}, 9: {503, "Server is busy"}, 10: {400, "Data channel is missing"},
	11: {400, "Invalid data channel"}, 12: {400, "Event field is required"}, 13: {400, "Event field cannot be blank"},
	14: {400, "ACK is disabled"}, 15: {400, "Error in handling indexed fields"}, 16: {400, "Query string authorization is not enabled"},
	17: {200, "HEC is healthy"}, 18: {503, "HEC is unhealthy, queues are full"}, 19: {503, "HEC is unhealthy, ack service unavailable"},
	20: {503, "HEC is unhealthy, queues are full, ack service unavailable"}, 23: {503, "Server is shutting down"},
	26: {429, "HEC queue at capacity"},
}

// SetState has every request with events answered with a code, until it is 0.
func (h *HEC) SetState(code int) {
	h.hecMu.Lock()
	defer h.hecMu.Unlock()
	h.code = code
}

// Lose has the events of the next n requests taken and never indexed.
func (h *HEC) Lose(n int) {
	h.hecMu.Lock()
	defer h.hecMu.Unlock()
	h.lose = n
}

// Acknowledge acknowledges what was indexed so far.
func (h *HEC) Acknowledge() {
	h.hecMu.Lock()
	defer h.hecMu.Unlock()
	for _, c := range h.channels {
		for id := range c.open {
			c.open[id] = true
		}
	}
}

// Restart forgets all channels, as a collector that starts again does.
func (h *HEC) Restart() {
	h.hecMu.Lock()
	defer h.hecMu.Unlock()
	h.channels = map[string]*hecChannel{}
}

// Posts returns how many requests with events came this far.
func (h *HEC) Posts() int {
	h.hecMu.Lock()
	defer h.hecMu.Unlock()
	return h.bodies
}

func hecReply(w http.ResponseWriter, code int, more map[string]any) {
	body := map[string]any{"text": HECCodes[code].Text, "code": code}
	maps.Copy(body, more)
	writeJSON(w, HECCodes[code].Status, body)
}

// token returns the token of a request, and the code of what is wrong with it.
func (h *HEC) token(r *http.Request) (HECToken, int) {
	auth := r.Header.Get("Authorization")
	scheme, key, ok := strings.Cut(auth, " ")
	switch {
	case auth == "":
		return HECToken{}, 2
	case scheme != "Splunk" || !ok || key == "":
		return HECToken{}, 3
	}
	t, known := h.opts.Tokens[key]
	switch {
	case !known:
		return HECToken{}, 4
	case t.Disabled:
		return HECToken{}, 1
	}
	return t, 0
}

var guidForm = regexp.MustCompile(`(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func channelOf(r *http.Request) string {
	if name := r.Header.Get("X-Splunk-Request-Channel"); name != "" {
		return name
	}
	return r.URL.Query().Get("channel")
}

func channelCode(name string) int {
	switch {
	case name == "":
		return 10
	case !guidForm.MatchString(name):
		return 11
	}
	return 0
}

func (h *HEC) events(w http.ResponseWriter, r *http.Request) {
	h.hecMu.Lock()
	defer h.hecMu.Unlock()
	h.bodies++
	token, code := h.token(r)
	if code == 0 {
		code = h.code
	}
	if code == 0 && token.Ack {
		code = channelCode(channelOf(r))
	}
	if code != 0 {
		hecReply(w, code, nil)
		return
	}
	body, err := unpack(r, h.opts.MaxBody)
	if err != nil {
		writeJSON(w, http.StatusRequestEntityTooLarge, map[string]any{"text": "Content-Length is too large", "code": 27})
		return
	}
	events, code, invalid := h.parse(body, token)
	if code != 0 {
		if h.opts.Partial {
			h.index(events)
		}
		more := map[string]any{}
		if code != 5 {
			more["invalid-event-number"] = invalid
		}
		hecReply(w, code, more)
		return
	}
	lost := h.lose > 0
	if lost {
		h.lose--
	} else {
		h.index(events)
	}
	if !token.Ack {
		hecReply(w, 0, nil)
		return
	}
	hecReply(w, 0, map[string]any{"ackId": h.number(channelOf(r), !lost && !h.opts.HoldAck)})
}

func (h *HEC) index(events []Event) {
	for _, e := range events {
		h.s.index(e)
	}
}

func (h *HEC) number(name string, indexed bool) int64 {
	c := h.channels[name]
	if c == nil {
		c = &hecChannel{open: map[int64]bool{}}
		h.channels[name] = c
	}
	id := c.next
	c.next++
	c.open[id] = indexed
	return id
}

var errBodyTooLarge = errors.New("too large")

func unpack(r *http.Request, limit int) ([]byte, error) {
	var from io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		zip, err := gzip.NewReader(r.Body)
		if err != nil {
			return []byte("not gzip"), nil //nolint:nilerr // invalid data
		}
		from = zip
	}
	body, err := io.ReadAll(io.LimitReader(from, int64(limit)+1))
	if err != nil {
		return []byte("cut off"), nil //nolint:nilerr // invalid data
	}
	if len(body) > limit {
		return nil, errBodyTooLarge
	}
	return body, nil
}

// parse reads events, one object after the other. With a code it returns those before the invalid one, and its
// number: from zero, but under code 7 from one.
func (h *HEC) parse(body []byte, token HECToken) (events []Event, code, invalid int) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, 5, 0
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	for n := 0; ; n++ {
		var in struct {
			Time                            json.Number
			Host, Source, Sourcetype, Index string
			Event                           json.RawMessage
			Fields                          map[string]any
		}
		err := dec.Decode(&in)
		if errors.Is(err, io.EOF) {
			return events, 0, 0
		}
		if code := h.check(err, in.Event, in.Index, token); code != 0 {
			if code == 7 {
				n++
			}
			return events, code, n
		}
		index := in.Index
		if index == "" {
			index = token.Index
		}
		raw := string(in.Event)
		if text, err := strconv.Unquote(raw); err == nil {
			raw = text
		}
		e := jsonEvent(raw, h.s.opts.Now(), index, in.Source, in.Sourcetype, in.Host)
		if sec, err := in.Time.Float64(); err == nil && in.Time != "" {
			e.Time = time.UnixMilli(int64(sec * 1000)).UTC()
		}
		events = append(events, e)
	}
}

func (h *HEC) check(err error, event json.RawMessage, index string, token HECToken) int {
	switch {
	case err != nil:
		return 6
	case event == nil:
		return 12
	case string(event) == `""` || string(event) == "null" || string(event) == "{}":
		return 13
	case index != "" && index != token.Index && !slices.Contains(token.Indexes, index):
		return 7
	case h.opts.Reject != nil:
		return h.opts.Reject(string(event))
	}
	return 0
}

func (h *HEC) acks(w http.ResponseWriter, r *http.Request) {
	h.hecMu.Lock()
	defer h.hecMu.Unlock()
	token, code := h.token(r)
	if code == 0 && !token.Ack {
		code = 14
	}
	if code == 0 {
		code = channelCode(channelOf(r))
	}
	var asked struct{ Acks []int64 }
	body, _ := unpack(r, 1<<20)
	if code == 0 && json.Unmarshal(body, &asked) != nil {
		code = 6
	}
	if code != 0 {
		hecReply(w, code, nil)
		return
	}
	told := map[string]bool{}
	c := h.channels[channelOf(r)]
	for _, id := range asked.Acks {
		done := c != nil && c.open[id]
		told[strconv.FormatInt(id, 10)] = done
		if done {
			delete(c.open, id) // Splunk tells it once
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"acks": told})
}

func (h *HEC) health(w http.ResponseWriter, _ *http.Request) {
	h.hecMu.Lock()
	defer h.hecMu.Unlock()
	if h.code != 0 {
		hecReply(w, h.code, nil)
		return
	}
	hecReply(w, 17, nil)
}
