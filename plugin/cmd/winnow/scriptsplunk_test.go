package main

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// splunkEntry is one line of what a script's Splunk has logged.
type splunkEntry struct {
	Do     string           `json:"do"` // invoke, audit, notable, results or log
	SID    string           `json:"sid"`
	Search string           `json:"search"`
	Host   string           `json:"host"`
	Ago    string           `json:"ago"`
	Text   string           `json:"text"`
	Rows   []map[string]any `json:"rows"`
}

// splunkd starts a Splunk, and one that was started before is gone.
func (s *script) splunkd(_ bool, args []string) {
	if s.splunk != nil {
		s.splunk.Close()
	}
	s.splunk = splunktest.New(s, splunktest.Options{Now: func() time.Time { return scriptNow }})
	s.splunk.AddToken("svc-winnow", "t0ken", time.Time{}, splunktest.CapEditNotables)
	s.env["WINNOW_SPLUNK_TOKEN"] = "t0ken"
	s.env["SPLUNKD"], s.env["CA"] = s.splunk.URL, s.splunk.CAFile()
	if len(args) == 0 {
		return
	}
	for line := range strings.Lines(s.text(args[0])) {
		var e splunkEntry
		s.check(json.Unmarshal([]byte(line), &e))
		ago, err := time.ParseDuration(e.Ago)
		s.check(err)
		f := splunktest.Firing{SID: e.SID, Search: e.Search, Host: e.Host, At: scriptNow.Add(-ago)}
		switch e.Do {
		case "invoke":
			s.splunk.Invoke(f)
		case "audit":
			s.splunk.Audit(f, 4, "email", "winnow_triage")
		case "notable": // one that ann calls benign ten minutes later
			id := s.splunk.AddNotable(e.Search, e.SID, "0", nil)
			s.check(s.splunk.Review("ann", id, splunktest.Change{Disposition: "disposition:2", Comment: e.Text, Skew: -ago}))
		case "results":
			s.splunk.KeepResults(e.SID, time.Time{}, e.Rows)
		case "log":
			s.splunk.Said(f.At, e.Host, e.Text)
		default:
			s.fail("no such entry: %s", line)
		}
	}
}
