package splunk

import (
	"context"
	"flag"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// An answer that comes when nobody waits any more is not lost: the next try has it, and sends nothing.
func TestSCSLateAnswer(t *testing.T) {
	s, _, clk := newSplunk(t)
	c := s.NewSCS(t, splunktest.SCSOptions{Tenant: "example", Token: scsAccess})
	sink := newSCSSink(t, s, c, "", clk)
	go_ := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	c.Fail(splunktest.Fault{Times: 1, Begin: func() { cancel(); <-go_ }})
	d := events(1)[0]
	wantError(t, sink.Deliver(ctx, d), CodeTimeout, true)
	close(go_)
	if err := sink.Deliver(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if c.Posts() != 1 || len(c.Events()) != 1 || len(sink.flying) != 0 {
		t.Errorf("%d requests, %d events; %d calls are still known", c.Posts(), len(c.Events()), len(sink.flying))
	}
}

// One event that the service refuses neither holds up nor loses the others.
func TestSCSInvalidEvents(t *testing.T) {
	s, _, clk := newSplunk(t)
	c := s.NewSCS(t, splunktest.SCSOptions{Tenant: "example", Token: scsAccess, Reject: func(id string) bool { return strings.HasPrefix(id, "ALERT7/") }})
	for i, err := range newSCSSink(t, s, c, "", clk).DeliverAll(t.Context(), events(20)) {
		if i == 7 {
			wantError(t, err, CodeRefused, false, "Invalid data format")
		} else if err != nil {
			t.Errorf("event %d: %v", i, err)
		}
	}
	if got := len(c.Events()); got != 19 {
		t.Errorf("%d events, want 19", got)
	}
}

func TestSCSRefusals(t *testing.T) {
	s, _, clk := newSplunk(t)
	c := s.NewSCS(t, splunktest.SCSOptions{Tenant: "example", Token: scsAccess, Client: "winnow", Secret: scsSecret})
	d := events(1)[0]
	for name, make := range map[string]func() *SCSSink{
		"token": func() *SCSSink {
			sink := newSCSSink(t, s, c, "", clk)
			sink.server.opts.Key = withKey("old")
			return sink
		},
		"client": func() *SCSSink { return newSCSSink(t, s, c, "nobody", clk) },
	} {
		t.Run(name, func(t *testing.T) { wantError(t, make().Deliver(t.Context(), d), CodeAuth, false) })
	}
	c.Fail(splunktest.Fault{Times: 1, Status: 307, Header: http.Header{"Location": {c.URL + "/elsewhere"}}})
	wantError(t, newSCSSink(t, s, c, "", clk).Deliver(t.Context(), d), CodeRefused, false, "redirected")
	if _, err := NewSCSSink("x", SCSOptions{Server: ServerOptions{Now: clk.now}}); err == nil || !strings.Contains(err.Error(), "[sink:x]") {
		t.Errorf("error is %v", err)
	}
	if _, err := NewSCSSink("x", SCSOptions{Server: ServerOptions{Now: clk.now}, Tenant: "example"}); err != nil {
		t.Errorf("the service's own host: %v", err)
	}
}

// The call itself is bounded, also for a service that never answers.
func TestSCSIsBounded(t *testing.T) {
	s, _, clk := newSplunk(t)
	c := s.NewSCS(t, splunktest.SCSOptions{Tenant: "example", Token: scsAccess})
	sink := newSCSSink(t, s, c, "", clk)
	sink.server.opts.Timeout = 50 * time.Millisecond
	c.Fail(splunktest.Fault{Times: 1, Delay: time.Hour})
	wantError(t, sink.Deliver(t.Context(), events(1)[0]), CodeTimeout, true)
}

// The SDK's logger registers flags for the whole program: none of them may be one of winnow's, which are kept
// in a set of their own.
func TestSCSFlagsAreNotOurs(t *testing.T) {
	flag.VisitAll(func(f *flag.Flag) {
		for _, ours := range []string{"app", "content", "state", "set", "format", "quiet", "help", "version"} {
			if f.Name == ours {
				t.Errorf("the SDK registers -%s", f.Name)
			}
		}
	})
}
