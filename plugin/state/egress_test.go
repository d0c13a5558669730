package state

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

func TestReportEgress(t *testing.T) {
	d := &Deployment{State: t.TempDir()}
	many := make([]string, 300)
	many[0] = strings.Repeat("x", 600) + "\n{\"alert_id\":\"forged\"}"
	for _, e := range []Egress{
		{Time: time.Date(2026, 11, 20, 9, 0, 0, 0, time.FixedZone("", 3600)), AlertID: "01J0", Search: "Impossible Travel", Team: "soc", Task: "classify",
			Model: "gpt-5.4-mini", Source: "large", Prompt: "sha256:p", Attempt: 1, Fields: []string{"src", "user"}, Bytes: 512, SHA256: "sha256:r"},
		{AlertID: "01J1", Fields: many},
	} {
		if err := d.ReportEgress(e); err != nil {
			t.Fatal(err)
		}
	}
	path := d.Path("egress.ndjson")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	want := `{"time":"2026-11-20T08:00:00Z","alert_id":"01J0","search_name":"Impossible Travel","team":"soc","task":"classify","agent":"",` +
		`"model":"gpt-5.4-mini","source":"large","prompt":"sha256:p","attempt":1,"fields":["src","user"],"field_count":2,"bytes":512,"sha256":"sha256:r"}`
	if len(lines) != 2 || string(lines[0]) != want {
		t.Fatalf("%d lines: %s", len(lines), data)
	}
	var got Egress
	if err := json.Unmarshal(lines[1], &got); err != nil || len(got.Fields) != maxEgressFields || got.Count != 300 || len(got.Fields[0]) != maxStatusText+3 {
		t.Errorf("%v: %s", err, lines[1])
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v: %v", info.Mode(), err)
	}
}

func TestEgressFileRotates(t *testing.T) {
	d := &Deployment{State: t.TempDir()}
	path := d.Path("egress.ndjson")
	if err := os.WriteFile(path, make([]byte, maxEgressFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.ReportEgress(Egress{AlertID: "01J0"}); err != nil {
		t.Fatal(err)
	}
	old, err := os.Stat(path + ".1")
	if err != nil || old.Size() != maxEgressFile+1 {
		t.Errorf("%v, %v", old, err)
	}
	if data, err := os.ReadFile(path); err != nil || bytes.Count(data, []byte("\n")) != 1 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}
