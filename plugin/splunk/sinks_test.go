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
