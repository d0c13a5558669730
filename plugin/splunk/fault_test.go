package splunk

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/winnow-soc/winnow/plugin/disk/disktest"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// TestNoFaultLosesAnEvent: a delivery that met a fault fails so that it is tried again, and is then in the file,
// once, on a line of its own.
func TestNoFaultLosesAnEvent(t *testing.T) {
	disktest.Each(t, func(t *testing.T, f *disktest.Case) {
		path := filepath.Join(t.TempDir(), "events.ndjson")
		s := newFileSink(t, FileOptions{Path: path, MaxSize: 1200, Keep: 9})
		deliver(t, s, eventDelivery(0))
		f.During(func() {
			for i := 1; i < 4; i++ {
				if err := s.Deliver(context.Background(), eventDelivery(i)); err != nil && !Retryable(err) {
					t.Errorf("event %d fails for good: %v", i, err)
				}
			}
		})
		for i := range 5 {
			deliver(t, s, eventDelivery(i))
		}
		seen := map[string]int{}
		files, err := filepath.Glob(path + "*")
		mustDo(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			mustDo(t, err)
			for line := range bytes.Lines(text) {
				var e struct {
					Key string `json:"event_key"`
				}
				if json.Unmarshal(line, &e) == nil {
					seen[e.Key]++
				}
			}
		}
		for i := range 5 {
			if n := seen[eventDelivery(i).Key]; n != 1 {
				t.Errorf("event %d is there %d times", i, n)
			}
		}
	})
}

// TestNoFaultLosesANotable: the same of notables, which splunkd takes away as soon as it sees them.
func TestNoFaultLosesANotable(t *testing.T) {
	disktest.Each(t, func(t *testing.T, f *disktest.Case) {
		server := newServer(t, splunktest.Options{})
		sink := newNotableSink(t, server)
		f.During(func() {
			for _, rid := range []string{"0", "1"} {
				if err := sink.Deliver(context.Background(), notableDelivery(rid)); err != nil && !Retryable(err) {
					t.Errorf("notable %s fails for good: %v", rid, err)
				}
			}
		})
		ingest(t, server)
		for _, rid := range []string{"0", "1", "2"} {
			mustDo(t, sink.Deliver(context.Background(), notableDelivery(rid)))
		}
		if n := ingest(t, server); n < 1 || len(server.Notables()) != 3 {
			t.Errorf("%d notables of 3", len(server.Notables()))
		}
	})
}
