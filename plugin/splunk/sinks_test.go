package splunk

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

func TestOpenSinks(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	state := t.TempDir()
	all := []conf.Sink{
		{Name: "notable", Type: conf.SinkNotable, Path: "$SPLUNK_HOME/var/spool/splunk", Index: "notable"},
		{Name: "update", Type: conf.SinkUpdate},
		{Name: "off", Type: conf.SinkFile, Disabled: true},
		{Name: "events", Type: conf.SinkFile, Path: "outcomes.ndjson"},
	}
	sinks, err := OpenSinks(all, SinkOptions{Client: newClient(t, s), SplunkHome: s.Home, State: state, Now: newClock().now})
	if err != nil || len(sinks) != 3 {
		t.Fatalf("sinks are %v, %v", sinks, err)
	}
	s.AddNotable("Impossible Travel", testSID, "0", nil)
	deliver(t, sinks[0], notableDelivery("1"))
	deliver(t, sinks[1], delivery("0", 1, winnow.StateClosed))
	deliver(t, sinks[2], eventDelivery(1))
	ingest(t, s)
	if len(s.Notables()) != 2 || s.Updates() != 1 || len(lines(t, filepath.Join(state, "outcomes.ndjson"))) != 1 {
		t.Errorf("%d notables, %d updates", len(s.Notables()), s.Updates())
	}
	for i, name := range []string{"notable", "update", "events"} {
		if sinks[i].Name() != name {
			t.Errorf("sink %d is %q", i, sinks[i].Name())
		}
	}
}

// Outside Splunk and without credentials the worker still starts; what it cannot deliver waits.
func TestSinksOutsideSplunk(t *testing.T) {
	all := []conf.Sink{
		{Name: "notable", Type: conf.SinkNotable, Path: "$SPLUNK_HOME/var/spool/splunk"},
		{Name: "update", Type: conf.SinkUpdate},
	}
	sinks, err := OpenSinks(all, SinkOptions{NoClient: errors.New("no token"), State: t.TempDir(), Now: newClock().now})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, sinks[0].Deliver(context.Background(), notableDelivery("0")), CodeAuth, true, "$SPLUNK_HOME is not set")
	wantError(t, sinks[1].Deliver(context.Background(), delivery("0", 1, winnow.StateClosed)), CodeAuth, true, "no token")
	if sinks[0].Name() != "notable" {
		t.Error("a sink lost its name")
	}
}

func TestOpenSinksRefuses(t *testing.T) {
	for want, c := range map[string]conf.Sink{
		`unknown type "kafka"`:    {Name: "x", Type: "kafka"},
		`sink "x": url is not`:    {Name: "x", Type: conf.SinkHEC},
		"url is not https":        {Name: "x", Type: conf.SinkWebhook, URL: "http://hooks.example.com/x"},
		"use key":                 {Name: "x", Type: conf.SinkHEC, URL: "https://u:hunter2@splunk.example.com:8088"},
		"proxy is not an address": {Name: "x", Type: conf.SinkHEC, URL: "https://splunk.example.com:8088", Proxy: "proxy:3128"},
		"read CA file":            {Name: "x", Type: conf.SinkHEC, URL: "https://splunk.example.com:8088", CAFile: "/none.pem"},
		"no path":                 {Name: "x", Type: conf.SinkFile},
		"$SPLUNK_HOME is not set": {Name: "x", Type: conf.SinkFile, Path: "$SPLUNK_HOME/x"},
	} {
		_, err := OpenSinks([]conf.Sink{c}, SinkOptions{Now: newClock().now})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
		if strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("error %q holds a password", err)
		}
	}
}

// Sinks that send to servers are opened from winnow.conf, and find their keys where it says.
func TestOpenServerSinks(t *testing.T) {
	s, client, clk := newSplunk(t)
	h := s.NewHEC(t, splunktest.HECOptions{Tokens: map[string]splunktest.HECToken{hecToken: {Index: "soc"}}})
	hook := s.NewWebhook(t, webhookSecret)
	tenant := s.NewSCS(t, splunktest.SCSOptions{Tenant: "example", Token: scsAccess, Client: "winnow", Secret: scsSecret})
	all := []conf.Sink{
		{Name: "hec", Type: conf.SinkHEC, URL: h.URL, Key: "env:HEC", Index: "soc", Verify: conf.VerifyNone, CAFile: "$SPLUNK_HOME/etc/auth/cacert.pem"},
		{Name: "hook", Type: conf.SinkWebhook, URL: hook.URL, Key: "env:HOOK"},
		{Name: "scs", Type: conf.SinkSCS, URL: tenant.URL, Key: "env:SCS", Tenant: "example", ClientID: "winnow"},
		{Name: "rest", Type: conf.SinkReceivers, Index: "soc", Verify: conf.VerifyNone},
		{Name: "stream", Type: conf.SinkStream, Index: "soc", Verify: conf.VerifyNone},
	}
	keys := map[string]winnow.Secret{"env:HEC": hecToken, "env:HOOK": webhookSecret, "env:SCS": scsSecret}
	opts := SinkOptions{
		Client: client, SplunkHome: s.Home, State: t.TempDir(), Host: "sh1", Now: clk.now, Stream: NewEventWriter(splunkdReads{t, s}),
		Secret: func(_ context.Context, place string) (winnow.Secret, error) { return keys[place], nil },
	}
	sinks, err := OpenSinks(all, opts)
	mustDo(t, err)
	for i, sink := range sinks {
		deliver(t, sink, events(9)[i])
		if checker, ok := sink.(Checker); ok {
			mustDo(t, checker.Check(t.Context()))
		}
	}
	if got := len(s.Events("soc")) + len(hook.Calls()) + len(tenant.Events()); got != 5 {
		t.Errorf("%d events, want one from each", got)
	}

	sinks, err = OpenSinks(all[3:], SinkOptions{NoClient: errors.New("no token"), Now: clk.now})
	mustDo(t, err)
	wantError(t, sinks[0].Deliver(t.Context(), events(1)[0]), CodeAuth, true, "no token")
	wantError(t, sinks[1].Deliver(t.Context(), events(1)[0]), CodeAuth, true, "run the worker as input winnow://worker")
	for _, sink := range sinks {
		if checker, ok := sink.(Checker); !ok || !errors.Is(checker.Check(t.Context()), ErrWaits) {
			t.Errorf("%s does not say that it waits", sink.Name())
		}
	}
}
