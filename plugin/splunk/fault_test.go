package splunk

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

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
		keys := eventKeys(t, path)
		slices.Sort(keys) // one that failed comes after those that did not
		wantKeys(t, keys, 5)
	})
}

// TestNoFaultLosesAnEventOfABatch: the same of events that are delivered together, in their order.
func TestNoFaultLosesAnEventOfABatch(t *testing.T) {
	disktest.Each(t, func(t *testing.T, f *disktest.Case) {
		path := filepath.Join(t.TempDir(), "events.ndjson")
		s := newFileSink(t, FileOptions{Path: path, MaxSize: 2500, Keep: 9})
		all := eventDeliveries(6)
		f.During(func() {
			for i, err := range s.DeliverAll(context.Background(), all) {
				if err != nil && !Retryable(err) {
					t.Errorf("event %d fails for good: %v", i, err)
				}
			}
		})
		for i, err := range s.DeliverAll(context.Background(), all) {
			if err != nil {
				t.Errorf("event %d: %v", i, err)
			}
		}
		wantKeys(t, eventKeys(t, path), 6)
	})
}

// eventKeys returns the keys of the events in a file and those it was rotated to, oldest first.
func eventKeys(t *testing.T, path string) (keys []string) {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	mustDo(t, err)
	slices.Sort(files)
	slices.Reverse(files) // .9 to .1, and the file itself
	for _, file := range files {
		text, err := os.ReadFile(file)
		mustDo(t, err)
		for line := range bytes.Lines(text) {
			var e struct {
				Key string `json:"event_key"`
			}
			if json.Unmarshal(line, &e) == nil {
				keys = append(keys, e.Key)
			}
		}
	}
	return keys
}

func wantKeys(t *testing.T, keys []string, n int) {
	t.Helper()
	want := make([]string, n)
	for i := range want {
		want[i] = eventDelivery(i).Key
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("events: -want +got:\n%s", diff)
	}
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
