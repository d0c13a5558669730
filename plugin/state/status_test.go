package state

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	d := &Deployment{State: t.TempDir()}
	at := time.Date(2026, 11, 20, 9, 0, 0, 0, time.FixedZone("", 3600))
	hostile := strings.Repeat("x", 600) + "\n{\"event\":\"forged\"}"
	many := make([]string, 50)
	many[0] = hostile
	for _, s := range []Status{
		{Time: at, Event: "rules_loaded", Level: "info", Rules: 3, Version: "sha256:a"},
		{Time: at, Event: "rules_broken", Level: "error", Rules: 3, Kept: true, Errors: many},
	} {
		if err := d.Report(s); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(d.State, "status.ndjson")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	if len(lines) != 2 || string(lines[0]) != `{"time":"2026-11-20T08:00:00Z","event":"rules_loaded","level":"info","rules":3,"version":"sha256:a","kept":false,"errors":[],"error_count":0}` {
		t.Fatalf("%d lines: %s", len(lines), data)
	}
	var got Status
	if err := json.Unmarshal(lines[1], &got); err != nil || len(got.Errors) != maxStatusErrors || got.Count != 50 || len(got.Errors[0]) != maxStatusText+3 {
		t.Errorf("%v: %s", err, lines[1])
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestReportMovesAFullFileAway(t *testing.T) {
	d := &Deployment{State: t.TempDir()}
	path := filepath.Join(d.State, "status.ndjson")
	if err := os.WriteFile(path, make([]byte, maxStatusFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Report(Status{Event: "rules_loaded"}); err != nil {
		t.Fatal(err)
	}
	now, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path + ".1")
	if err != nil || before.Size() != maxStatusFile+1 || now.Size() > 200 {
		t.Errorf("%v, %v, %v", now.Size(), before, err)
	}
	if err := (&Deployment{State: filepath.Join(d.State, "none")}).Report(Status{}); err == nil {
		t.Error("reported into a folder that is not there")
	}
}
