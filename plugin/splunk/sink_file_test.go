package splunk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/disk"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

func eventDelivery(i int) ledger.Delivery {
	d := delivery("0", 1, winnow.StateClosed)
	d.Kind, d.Sink, d.Key = ledger.DeliverEvent, "events", fmt.Sprintf("ALERT0/%d/events", i)
	return d
}

func eventDeliveries(n int) []ledger.Delivery {
	all := make([]ledger.Delivery, n)
	for i := range all {
		all[i] = eventDelivery(i)
	}
	return all
}

func newFileSink(t testing.TB, opts FileOptions) *FileSink {
	t.Helper()
	s, err := NewFileSink("events", opts, newClock().now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func lines(t testing.TB, path string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(text, []byte{'\n'}), []byte{'\n'})
}

func TestEventLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	d := eventDelivery(1)
	d.Record.Verdict.Case.Why = "a\nforged line\u2028"
	d.Record.Verdict.Votes = nil
	deliver(t, newFileSink(t, FileOptions{Path: path}), d)
	got := lines(t, path)
	if len(got) != 1 {
		t.Fatalf("%d lines, want 1", len(got))
	}
	golden(t, "event.ndjson", append(got[0], '\n'))
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
}

func TestEventsOnceAndWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	first := newFileSink(t, FileOptions{Path: path})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() { deliver(t, first, eventDelivery(i%20)) })
	}
	wg.Wait()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	mustDo(t, err)
	_, err = f.WriteString(`{"event_key":"ALERT0/99/events","cut of`) // a crash inside a line
	mustDo(t, err, f.Close())

	second := newFileSink(t, FileOptions{Path: path})
	for i := range 20 {
		deliver(t, second, eventDelivery(i))
	}
	deliver(t, second, eventDelivery(99))
	seen := map[string]int{}
	for _, line := range lines(t, path) {
		var e struct {
			EventKey string `json:"event_key"`
			WinnowID string `json:"winnow_id"`
			ID       string `json:"id"`
		}
		if json.Unmarshal(line, &e) != nil {
			seen["torn"]++
			continue
		}
		if seen[e.EventKey]++; e.WinnowID != "ALERT0-00ff" || e.ID != "ALERT0" {
			t.Errorf("event is %+v", e)
		}
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", key, n)
		}
	}
	if len(seen) != 22 {
		t.Errorf("%d different lines, want 20, the torn one and its repeat", len(seen))
	}
}

// A line that was written and could not be synced is synced later, and not written again.
func TestEventThatCannotBeSynced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	s := newFileSink(t, FileOptions{Path: path})
	synced := 0
	t.Cleanup(disk.Inject(func(op disk.Op, _ string, _ int) (int, error) {
		if op != disk.OpSync {
			return 0, nil
		}
		if synced++; synced < 3 {
			return 0, syscall.EIO
		}
		return 0, nil
	}))
	for range 2 {
		wantError(t, s.Deliver(context.Background(), eventDelivery(1)), CodeDisk, true, "input/output error")
	}
	for range 2 { // the disk is well again
		deliver(t, s, eventDelivery(1))
	}
	if n := len(lines(t, path)); n != 1 || synced != 3 {
		t.Errorf("%d lines, synced %d times, want 1 and 3", n, synced)
	}
}

// Events of a batch are on disk with one sync, and a delivery that is none of them costs the others nothing.
func TestEventsOfABatchShareASync(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	s := newFileSink(t, FileOptions{Path: path})
	deliver(t, s, eventDelivery(2))
	synced := 0
	t.Cleanup(disk.Inject(func(op disk.Op, _ string, _ int) (int, error) {
		if op == disk.OpSync {
			synced++
		}
		return 0, nil
	}))
	all := append(eventDeliveries(50), notableDelivery("0"), eventDelivery(7)) // one twice
	for i, err := range s.DeliverAll(context.Background(), all) {
		if i == 50 {
			wantError(t, err, CodeInput, false)
		} else if err != nil {
			t.Errorf("event %d: %v", i, err)
		}
	}
	if n := len(lines(t, path)); n != 50 || synced != 1 {
		t.Errorf("%d lines, synced %d times, want 50 and 1", n, synced)
	}
	for _, err := range s.DeliverAll(context.Background(), all[:50]) {
		mustDo(t, err)
	}
	if synced != 1 {
		t.Errorf("synced %d times: what is on disk is not synced again", synced)
	}
}

// A batch whose sync fails fails as a whole, and is synced later without a second line.
func TestBatchThatCannotBeSynced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	s := newFileSink(t, FileOptions{Path: path})
	broken := true
	t.Cleanup(disk.Inject(func(op disk.Op, _ string, _ int) (int, error) {
		if op == disk.OpSync && broken {
			return 0, syscall.EIO
		}
		return 0, nil
	}))
	for _, err := range s.DeliverAll(context.Background(), eventDeliveries(3)) {
		wantError(t, err, CodeDisk, true, "input/output error")
	}
	broken = false
	for _, err := range s.DeliverAll(context.Background(), eventDeliveries(4)) {
		mustDo(t, err)
	}
	if n := len(lines(t, path)); n != 4 {
		t.Errorf("%d lines, want 4", n)
	}
}

// BenchmarkFileSink compares events that are synced one by one with a batch as the worker hands it over.
func BenchmarkFileSink(b *testing.B) {
	const batch = 100
	each := func(b *testing.B, deliver func(s *FileSink, all []ledger.Delivery) []error) float64 {
		s := newFileSink(b, FileOptions{Path: filepath.Join(b.TempDir(), "events.ndjson")})
		n := 0
		for b.Loop() {
			all := make([]ledger.Delivery, batch)
			for i := range all {
				all[i] = eventDelivery(n)
				n++
			}
			mustDo(b, errors.Join(deliver(s, all)...))
		}
		rate := float64(n) / b.Elapsed().Seconds()
		b.ReportMetric(rate, "events/s")
		return rate
	}
	var before float64
	b.Run("one by one", func(b *testing.B) {
		before = each(b, func(s *FileSink, all []ledger.Delivery) (errs []error) {
			for _, d := range all {
				errs = append(errs, s.Deliver(context.Background(), d))
			}
			return errs
		})
	})
	b.Run("together", func(b *testing.B) {
		after := each(b, func(s *FileSink, all []ledger.Delivery) []error { return s.DeliverAll(context.Background(), all) })
		if before > 0 {
			b.ReportMetric(after/before, "ratio")
		}
	})
}

func TestEventsRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	s := newFileSink(t, FileOptions{Path: path, MaxSize: 4000, Keep: 2})
	for i := range 30 {
		deliver(t, s, eventDelivery(i))
	}
	files, _ := filepath.Glob(path + "*")
	if len(files) != 3 {
		t.Errorf("files are %v, want the file and two older", files)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil || info.Size() > 4000 {
			t.Errorf("%s has %d bytes, %v", f, info.Size(), err)
		}
	}
	// What was rotated away just now still counts as written.
	before := len(lines(t, path))
	deliver(t, newFileSink(t, FileOptions{Path: path, MaxSize: 4000, Keep: 2}), eventDelivery(28))
	if got := len(lines(t, path)); got != before {
		t.Errorf("%d lines, want %d", got, before)
	}
}

func TestFileSinkFails(t *testing.T) {
	s := newFileSink(t, FileOptions{Path: filepath.Join(t.TempDir(), "no", "folder")})
	wantError(t, s.Deliver(context.Background(), eventDelivery(1)), CodeDisk, true)
	wantError(t, s.Deliver(context.Background(), notableDelivery("0")), CodeInput, false)
	if _, err := NewFileSink("events", FileOptions{}, newClock().now); err == nil || !strings.Contains(err.Error(), "[sink:events]") {
		t.Errorf("error is %v", err)
	}
}

func TestSeenKeysForgetTheOldest(t *testing.T) {
	k := &seenKeys{young: map[string]bool{}}
	for i := range 3 * recentKeys {
		k.add(fmt.Sprint(i))
	}
	if k.has("0") || !k.has(fmt.Sprint(3*recentKeys-1)) || !k.has(fmt.Sprint(2*recentKeys)) {
		t.Error("want the newest kept and the oldest forgotten")
	}
}
