package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/packaging/demo"
)

// noEnd is the expiry of what never expires.
var noEnd time.Time

// alive waits for the worker's heartbeat: without it the action fails open.
func (h *splunkHome) alive() {
	h.t.Helper()
	h.waitFor("the worker shows a heartbeat", h.log, func() bool {
		_, err := os.Stat(filepath.Join(h.state(), "worker.alive"))
		return err == nil
	})
}

// oneNotableEach checks that a row has exactly one notable when it should have one, and else none.
func (h *splunkHome) oneNotableEach(records map[string]winnow.Record, should func(winnow.Record) bool) {
	h.t.Helper()
	all := h.notables()
	for key, rec := range records {
		want := 0
		if should(rec) {
			want = 1
		}
		if len(all[key]) != want {
			h.t.Errorf("%s (%s, %s %s) has %d notables, want %d", key, rec.SearchName, rec.Outcome.State, rec.Outcome.Reason, len(all[key]), want)
		}
	}
	for key := range all {
		if _, known := records[key]; !known {
			h.t.Errorf("a notable of %s, which nobody fired", key)
		}
	}
}

// proposesAsExpected checks what the gate proposed for rows of every format: a drop for what the
// demo's rules cover, and for nothing else.
func proposesAsExpected(t testing.TB, day []demo.Dispatch, records map[string]winnow.Record) {
	t.Helper()
	searches := map[string]bool{}
	rowsOf(day, func(key string, d demo.Dispatch, row demo.Row) {
		searches[d.SearchName] = true
		p := records[key].Proposal
		if dropped := p.Kind == winnow.ProposeDrop && p.Rule != ""; dropped != (row.Expected == demo.ExpectDrop) {
			t.Errorf("%s (%s), expected to %s, is proposed %s: %s %s", d.SearchName, key, row.Expected, p.Kind, p.Reason, p.Rule)
		}
	})
	if len(searches) < 8 {
		t.Errorf("rows of %d searches only", len(searches))
	}
}

// firstRow names the first row with an expectation.
func firstRow(day []demo.Dispatch, want demo.Expected) (first string) {
	rowsOf(day, func(key string, _ demo.Dispatch, row demo.Row) {
		if first == "" && row.Expected == want {
			first = key
		}
	})
	return first
}

// log is what the workers that were started by hand said.
func (h *splunkHome) log() string {
	text, err := os.ReadFile(h.workerLog())
	if err != nil {
		return "no log"
	}
	return string(text)
}
