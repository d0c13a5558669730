package splunk

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// collector is a HEC sink with the collector behind it.
type collector struct {
	*splunktest.HEC
	s    *splunktest.Server
	sink *HECSink
	clk  *clock
}

func newCollector(t testing.TB, verify conf.Verify, token splunktest.HECToken, opts splunktest.HECOptions) *collector {
	t.Helper()
	s, client, clk := newSplunk(t)
	if token.Index == "" {
		token.Index = "soc"
	}
	opts.Tokens = map[string]splunktest.HECToken{hecToken: token}
	h := s.NewHEC(t, opts)
	return &collector{h, s, newHECSink(t, s, h, client, clk, verify), clk}
}

func events(n int) []ledger.Delivery {
	out := make([]ledger.Delivery, n)
	for i := range out {
		out[i] = (&subject{}).delivery(i)
	}
	return out
}

func (c *collector) keys() map[string]int {
	out := map[string]int{}
	for _, e := range c.s.Events("soc") {
		out[strings.Join(e.Fields["event_key"], "")]++
	}
	return out
}

func waits(err error) (later *ledger.LaterError, ok bool) {
	later, ok = errors.AsType[*ledger.LaterError](err)
	return later, ok && later.Sent
}

// TestHECCodes holds every code that a collector has against what winnow does about it.
func TestHECCodes(t *testing.T) {
	retry := []int{8, 9, 18, 19, 20, 23, 26}
	for code, c := range splunktest.HECCodes {
		if code == 0 || code == 17 {
			continue
		}
		for _, body := range []string{fmt.Sprintf(`{"text":%q,"code":%d}`, c.Text, code), "<html>not JSON</html>"} {
			x := newCollector(t, conf.VerifyNone, splunktest.HECToken{}, splunktest.HECOptions{})
			x.Fail(splunktest.Fault{Times: 1, Status: c.Status, Body: body})
			err := x.sink.Deliver(t.Context(), events(1)[0])
			want := slices.Contains(retry, code)
			if err == nil || Retryable(err) != want {
				t.Errorf("code %d (HTTP %d): error %v, tried again %v, want %v", code, c.Status, err, Retryable(err), want)
			}
			if strings.Contains(body, "code") && !strings.Contains(err.Error(), c.Text) {
				t.Errorf("error %q does not say %q", err, c.Text)
			}
		}
	}
}

// A code counts more than the status that some proxy gives it, and an unknown one as its status says.
func TestHECCodeAndStatus(t *testing.T) {
	for _, c := range []struct {
		status, code int
		retry        bool
	}{{400, 9, true}, {503, 4, false}, {200, 9, true}, {200, 6, false}, {500, 99, true}, {400, 99, false}, {400, -1, false}} {
		x := newCollector(t, conf.VerifyNone, splunktest.HECToken{}, splunktest.HECOptions{})
		x.Fail(splunktest.Fault{Times: 1, Status: c.status, Body: fmt.Sprintf(`{"text":"t","code":%d}`, c.code)})
		if err := x.sink.Deliver(t.Context(), events(1)[0]); err == nil || Retryable(err) != c.retry {
			t.Errorf("HTTP %d, code %d: error %v, tried again %v", c.status, c.code, err, Retryable(err))
		}
	}
}

func TestHECIsDoneWhenAcknowledged(t *testing.T) {
	c := newCollector(t, conf.VerifyAck, splunktest.HECToken{Ack: true}, splunktest.HECOptions{HoldAck: true})
	all := events(3)
	for range 3 {
		for i, err := range c.sink.DeliverAll(t.Context(), all) {
			if _, ok := waits(err); !ok {
				t.Fatalf("event %d: %v, want it to wait", i, err)
			}
		}
		c.clk.advance(5 * time.Second)
	}
	if n := c.sink.Awaited(); n != 3 {
		t.Errorf("%d receipts are awaited", n)
	}
	c.Acknowledge()
	for i, err := range c.sink.DeliverAll(t.Context(), all) {
		if err != nil {
			t.Errorf("event %d: %v", i, err)
		}
	}
	if n := c.sink.Awaited(); n != 0 {
		t.Errorf("%d receipts are awaited when all have arrived", n)
	}
	if got := c.keys(); len(got) != 3 || c.Posts() != 1 {
		t.Errorf("%d requests wrote %v, want one request", c.Posts(), got)
	}
	e := c.s.Events("soc")[0]
	if e.Source != eventSource || e.Host != "sh1" || e.Fields["sourcetype"][0] != OutcomeType || !e.Time.Equal(testNow) {
		t.Errorf("event is %+v", e)
	}
}

// An acknowledgement is for all events of a request, and told once: those that come back later have it too.
func TestHECAcknowledgementIsRemembered(t *testing.T) {
	c := newCollector(t, conf.VerifyAck, splunktest.HECToken{Ack: true}, splunktest.HECOptions{})
	all := events(3)
	c.sink.DeliverAll(t.Context(), all)
	for _, d := range all {
		if err := c.sink.Deliver(t.Context(), d); err != nil {
			t.Error(err)
		}
	}
	if c.Posts() != 1 || len(c.sink.track.sent) != 0 || len(c.sink.channel.open) != 0 {
		t.Errorf("%d requests; %d receipts and %d numbers are left", c.Posts(), len(c.sink.track.sent), len(c.sink.channel.open))
	}
}

func TestHECSendsAgain(t *testing.T) {
	for name, happens := range map[string]func(*collector){
		"lost on the way": func(c *collector) { c.clk.advance(10 * time.Minute) },
		"channel refused": func(c *collector) {
			c.Fail(splunktest.Fault{Path: "/services/collector/ack", Times: 1, Status: 400, Body: `{"text":"Invalid data channel","code":11}`})
		},
		"collector restarted": func(c *collector) { // the number of the lost event is given to another
			c.Restart()
			c.Lose(0)
			c.sink.DeliverAll(t.Context(), events(2)[1:])
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCollector(t, conf.VerifyAck, splunktest.HECToken{Ack: true}, splunktest.HECOptions{})
			c.Lose(1)
			d := events(1)[0]
			if _, ok := waits(c.sink.Deliver(t.Context(), d)); !ok {
				t.Fatal("want it to wait")
			}
			happens(c)
			drive(t, c.sink, c.clk, d)
			if c.keys()[d.Key] != 1 {
				t.Errorf("written: %v", c.keys())
			}
		})
	}
}

// What was taken and never indexed is missing in the index, and so it is sent again.
func TestHECSearchFindsLoss(t *testing.T) {
	for name, verify := range map[string]conf.Verify{"search": conf.VerifySearch, "token without ack": conf.VerifyAck} {
		t.Run(name, func(t *testing.T) {
			c := newCollector(t, verify, splunktest.HECToken{}, splunktest.HECOptions{})
			c.Lose(1)
			d := events(1)[0]
			drive(t, c.sink, c.clk, d)
			if c.Posts() != 2 || c.keys()[d.Key] != 1 {
				t.Errorf("%d requests wrote %v, want two and one event", c.Posts(), c.keys())
			}
		})
	}
}

// While nothing can be looked up, nothing is sent again.
func TestHECSearchFails(t *testing.T) {
	c := newCollector(t, conf.VerifySearch, splunktest.HECToken{}, splunktest.HECOptions{})
	d := events(1)[0]
	c.sink.Deliver(t.Context(), d) //nolint:errcheck // it waits
	c.s.Fail(splunktest.Fault{Status: 503})
	c.clk.advance(20 * time.Second)
	if _, ok := waits(c.sink.Deliver(t.Context(), d)); !ok {
		t.Error("want it to wait for the search to work")
	}
	c.clk.advance(time.Hour)
	wantError(t, c.sink.Deliver(t.Context(), d), CodeBusy, true)
	c.s.Heal()
	drive(t, c.sink, c.clk, d)
	if c.Posts() != 1 {
		t.Errorf("%d requests, want 1", c.Posts())
	}
}

func TestHECWithoutSplunkd(t *testing.T) {
	c := newCollector(t, conf.VerifySearch, splunktest.HECToken{}, splunktest.HECOptions{})
	c.sink.search.client, c.sink.search.none = nil, errors.New("no token for splunkd")
	d := events(1)[0]
	c.sink.Deliver(t.Context(), d) //nolint:errcheck // it waits
	c.clk.advance(time.Hour)
	wantError(t, c.sink.Deliver(t.Context(), d), CodeAuth, true, "verify = none", "no token for splunkd")
}

// One event that the collector refuses neither holds up nor loses the others, whatever the collector has
// already taken of the request.
func TestHECInvalidEvents(t *testing.T) {
	for _, code := range []int{6, 7, 12, 13, 15} {
		for _, partial := range []bool{false, true} {
			for _, bad := range [][]int{{0}, {7}, {19}, {3, 4, 11}, {0, 19}} {
				reject := func(event string) int {
					for _, i := range bad {
						if strings.Contains(event, fmt.Sprintf(`"ALERT%d/1/events"`, i)) {
							return code
						}
					}
					return 0
				}
				c := newCollector(t, conf.VerifyNone, splunktest.HECToken{}, splunktest.HECOptions{Reject: reject, Partial: partial})
				all := events(20)
				for i, err := range c.sink.DeliverAll(t.Context(), all) {
					if slices.Contains(bad, i) {
						wantError(t, err, CodeRefused, false, splunktest.HECCodes[code].Text)
					} else if err != nil {
						t.Errorf("code %d, bad %v: event %d: %v", code, bad, i, err)
					}
				}
				if got := c.keys(); len(got) != 20-len(bad) || c.Posts() > 1+12*len(bad) {
					t.Errorf("code %d, bad %v, partial %v: %d requests wrote %v", code, bad, partial, c.Posts(), got)
				}
			}
		}
	}
}

// A request that is too large is cut until its parts fit; an event that never fits is given up alone.
func TestHECTooLarge(t *testing.T) {
	c := newCollector(t, conf.VerifyNone, splunktest.HECToken{}, splunktest.HECOptions{MaxBody: 4000})
	all := events(9)
	all[4].Record.Verdict.Case.What = strings.Repeat("x", 5000)
	for i, err := range c.sink.DeliverAll(t.Context(), all) {
		if i == 4 {
			wantError(t, err, CodeRefused, false, "too large")
		} else if err != nil {
			t.Errorf("event %d: %v", i, err)
		}
	}
	if got := c.keys(); len(got) != 8 {
		t.Errorf("written: %v", got)
	}
}

// When the collector is down or does not take the token, it is asked once and not for every part.
func TestHECDownIsAskedOnce(t *testing.T) {
	for _, code := range []int{9, 26, 4, 1} {
		c := newCollector(t, conf.VerifyNone, splunktest.HECToken{}, splunktest.HECOptions{})
		c.SetState(code)
		all := events(30)
		for i := range all {
			all[i].Record.Verdict.Case.What = strings.Repeat("x", maxHECBody/10)
		}
		for _, err := range c.sink.DeliverAll(t.Context(), all) {
			if err == nil {
				t.Errorf("code %d: no error", code)
			}
		}
		if c.Posts() != 1 {
			t.Errorf("code %d: %d requests, want 1", code, c.Posts())
		}
	}
}

// A key that was replaced is used as soon as the old one is refused.
func TestHECKeyIsReadAgain(t *testing.T) {
	c := newCollector(t, conf.VerifyNone, splunktest.HECToken{}, splunktest.HECOptions{})
	d := events(1)[0]
	c.sink.server.opts.Key = withKey("old")
	wantError(t, c.sink.Deliver(t.Context(), d), CodeForbidden, false, "Invalid token")
	c.sink.server.opts.Key = withKey(hecToken)
	drive(t, c.sink, c.clk, d)
}

func TestHECHealth(t *testing.T) {
	c := newCollector(t, conf.VerifyNone, splunktest.HECToken{}, splunktest.HECOptions{})
	if err := c.sink.Check(t.Context()); err != nil {
		t.Error(err)
	}
	c.SetState(18)
	wantError(t, c.sink.Check(t.Context()), CodeBusy, true, "queues are full")
	c.Fail(splunktest.Fault{Status: 200, Body: "welcome"})
	wantError(t, c.sink.Check(t.Context()), CodeBadAnswer, false)
	wantError(t, c.sink.Deliver(t.Context(), events(1)[0]), CodeBadAnswer, true)
}

// TestMacrosKnowTheEvents holds the shipped macros against what the sinks write.
func TestMacrosKnowTheEvents(t *testing.T) {
	f, err := conf.ReadFile("../../packaging/app/default/macros.conf")
	if err != nil {
		t.Fatal(err)
	}
	line, err := encodeOutcome((&subject{}).delivery(0))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	mustDo(t, json.Unmarshal(line, &fields))
	for _, name := range []string{"winnow_index", "winnow_events", "winnow_changes", "winnow_outcomes"} {
		text, ok := f.Get(name, "definition")
		if !ok || strings.Count(text, "`")%2 != 0 || strings.Count(text, `"`)%2 != 0 {
			t.Errorf("[%s] is %q", name, text)
		}
		for i, called := range strings.Split(text, "`") {
			if _, known := f.Get(called, "definition"); i%2 == 1 && !known {
				t.Errorf("[%s] calls %s, which is not there", name, called)
			}
		}
		for _, field := range []string{"event_key", "event_seq", "winnow_id"} {
			if _, known := fields[field]; !known {
				t.Errorf("events have no %s", field)
			}
		}
	}
	if text, _ := f.Get("winnow_outcomes", "definition"); !strings.Contains(text, "dedup winnow_id") {
		t.Errorf("[winnow_outcomes] is %q", text)
	}
	if meta, err := os.ReadFile("../../packaging/app/metadata/default.meta"); err != nil || !strings.Contains(string(meta), "[macros]\nexport = system") {
		t.Errorf("macros are not exported: %v", err)
	}
}

// An alert's outcome is the same text at every try, whenever that is.
func TestOutcomeIsTheSameAtEveryTry(t *testing.T) {
	d := (&subject{}).delivery(0)
	first, err := encodeOutcome(d)
	again, err2 := encodeOutcome(d)
	if mustDo(t, err, err2); string(first) != string(again) || strings.Count(string(first), "\n") != 1 {
		t.Errorf("%q and %q", first, again)
	}
	d.Record.Outcome = winnow.Outcome{}
	if _, err := encodeOutcome(d); err != nil {
		t.Error(err)
	}
}
