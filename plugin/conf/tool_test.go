package conf_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/plugin/conf"
)

func TestSearchTools(t *testing.T) {
	s := readShipped(t, "tool:proxy.spl=search x", "tool:proxy.description=d",
		"tool:dns_2.spl=| tstats x", "tool:dns_2.description=d", "tool:dns_2.earliest=-1h", "tool:dns_2.latest=+10m", "tool:dns_2.max_rows=5", "tool:dns_2.timeout=3s")
	want := map[string]conf.SearchTool{
		"proxy": {Spl: "search x", Description: "d", Earliest: -24 * time.Hour, MaxRows: 50, Timeout: 20 * time.Second},
		"dns_2": {Spl: "| tstats x", Description: "d", Earliest: -time.Hour, Latest: 10 * time.Minute, MaxRows: 5, Timeout: 3 * time.Second},
	}
	if diff := cmp.Diff(want, s.SearchTools()); diff != "" {
		t.Error(diff)
	}
	if got := readShipped(t).SearchTools(); len(got) > 0 {
		t.Errorf("searches ship: %v", got)
	}
}

func TestReputation(t *testing.T) {
	if _, ok := readShipped(t).ReputationOf(); ok {
		t.Error("a service outside is asked as shipped")
	}
	got, ok := readShipped(t, "tool:reputation.key=env:K", "tool:reputation.per_day=20").ReputationOf()
	if want := (conf.Reputation{URL: "https://api.abuseipdb.com", Key: "env:K", PerDay: 20}); got != want || !ok {
		t.Errorf("%+v, %v", got, ok)
	}
	for set, want := range map[string]string{
		"tool:reputation.key=s3cret": "not the key", "tool:reputation.key=": "empty", "tool:reputation.per_day=1": "per_day", "tool:reputation.url=": "empty",
		"tool:reputation.spl=search x": "unknown key",
	} {
		f, err := conf.Load(app, "winnow", []string{set})
		if err == nil {
			_, err = conf.Read(f)
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %s", set, err, want)
		}
	}
}

func TestSearchToolsRefuse(t *testing.T) {
	for set, want := range map[string]string{
		"tool:a.earliest=--1h": "is not a distance", "tool:a.earliest=-91d": "is not a distance", "tool:a.latest=now": "is not a distance",
		"tool:a.earliest=0s": "earliest is not before latest", "tool:a.max_rows=0": "is not a whole number", "tool:a.timeout=1m": "is not from 1s to 30s",
		"tool:a.spl=": "empty", "tool:a.description=": "empty", "tool:a.row=1": "unknown key", "tool:A b.spl=search x": "small letters", "tool:.spl=x": "unknown stanza",
	} {
		sets := []string{"tool:a.spl=search x", "tool:a.description=d", set}
		f, err := conf.Load(app, "winnow", sets)
		if err == nil {
			_, err = conf.Read(f)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", set, err, want)
		}
	}
	f, err := conf.Load(app, "winnow", []string{"tool:a.earliest=-1h"})
	if err == nil {
		_, err = conf.Read(f)
	}
	if err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("no spl: %v", err)
	}
}
