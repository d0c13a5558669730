package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
	"github.com/winnow-soc/winnow/plugin/state"
)

// A session key that splunkd takes no more ends the worker, with words that say what happens next. One
// that was never good does not: splunkd would start the worker again and again.
func TestAnEndedSessionEndsTheWorker(t *testing.T) {
	server := splunktest.New(t, splunktest.Options{Home: t.TempDir()})
	now := scriptNow
	g := &globals{console: &console{getenv: func(string) string { return "" }, now: func() time.Time { return now }}}
	ctx, end := context.WithCancelCause(t.Context())
	d := &state.Deployment{Settings: &conf.Settings{Splunk: conf.Splunk{App: "winnow"}}, SplunkHome: server.Home}
	client, err := g.splunkClient(d, &input{sessionKey: "an-old-key", serverURI: server.URL, refused: g.sessionEnds(end)})
	if err != nil {
		t.Fatal(err)
	}
	ask := func() {
		t.Helper()
		if _, err := client.User(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
			t.Fatalf("error %v", err)
		}
	}
	ask()
	if ctx.Err() != nil {
		t.Error("the first refusal ended the worker")
	}
	now = now.Add(sessionGrace)
	ask()
	if err := g.whyEnded(ctx, slog.New(slog.DiscardHandler)); !errors.Is(err, errSessionOver) {
		t.Errorf("it ended with %v", err)
	}
}

func TestAWorkerEndsWhenItsParentHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		ctx, end := context.WithCancelCause(t.Context())
		stop := watchParent(gone.Load, end)
		time.Sleep(10 * parentLook)
		if ctx.Err() != nil {
			t.Error("it ended while its parent lived")
		}
		gone.Store(true)
		time.Sleep(parentLook + time.Millisecond)
		var log bytes.Buffer
		err := (&globals{}).whyEnded(ctx, slog.New(slog.NewTextHandler(&log, nil)))
		if !errors.Is(context.Cause(ctx), errParentGone) || err != nil || !strings.Contains(log.String(), "splunkd has gone") {
			t.Errorf("cause %v, error %v, log %s", context.Cause(ctx), err, log.String())
		}
		stop()
	})
	if parentGone()() {
		t.Error("the parent of this test has gone")
	}
}

// There is one bound on the end, from when the worker is told.
func TestDrainIsOneBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		d := newDrain(ctx, 20*time.Second, time.Now)
		time.Sleep(time.Hour)
		if d.left() != 20*time.Second {
			t.Errorf("%s left before the end", d.left())
		}
		stop()
		synctest.Wait()
		time.Sleep(15 * time.Second)
		if d.left() != 5*time.Second {
			t.Errorf("%s left after 15 s", d.left())
		}
		time.Sleep(time.Hour)
		if d.left() != drainLeast {
			t.Errorf("%s left in the end", d.left())
		}
	})
}

// Who has the lock is said to whoever waits for it.
func TestTheLockSaysWhoHasIt(t *testing.T) {
	d := &state.Deployment{State: t.TempDir()}
	g := &globals{console: &console{now: func() time.Time { return scriptNow }}}
	unlock, err := g.lockState(t.Context(), d, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	var log bytes.Buffer
	_, err = g.lockState(ctx, d, slog.New(slog.NewTextHandler(&log, nil)))
	host, _ := os.Hostname()
	for _, text := range []string{log.String(), err.Error()} {
		if !strings.Contains(text, "since 2026-11-20T12:00:00Z") || !strings.Contains(text, host) {
			t.Errorf("it says %s", text)
		}
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(d.State, "worker.holder")); len(left) > 0 {
		t.Error("the word is left behind")
	}
	if unlock, err = g.lockState(t.Context(), d, slog.New(slog.DiscardHandler)); err != nil || unlock() != nil {
		t.Errorf("the lock cannot be taken again: %v", err)
	}
}

func TestMemoryLimit(t *testing.T) {
	t.Cleanup(func() { debug.SetMemoryLimit(math.MaxInt64) })
	env := ""
	g := &globals{console: &console{getenv: func(string) string { return env }}}
	for _, c := range []struct {
		env         string
		bytes, want int64
	}{{"", 1 << 30, 1 << 30}, {"2GiB", 1 << 20, 1 << 30}, {"", 0, math.MaxInt64}} {
		env = c.env
		if g.limitMemory(c.bytes); debug.SetMemoryLimit(-1) != c.want {
			t.Errorf("%+v: the limit is %d", c, debug.SetMemoryLimit(-1))
		}
	}
}

// splunkd reads the level at the beginning of a line, whatever comes after it.
func TestLinesForSplunkd(t *testing.T) {
	var out bytes.Buffer
	g := &globals{console: &console{err: &out}}
	splunkLog(g, conf.LogText).With("id", "A").Warn("odd", "err", errors.New("line one\nERROR line two"))
	splunkLog(g, conf.LogJSON).With("id", "A").Error("odd", "n", 3, "err", errors.New("line one\nERROR line two"))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "WARN odd id=") {
		t.Fatalf("printed %q", out.String())
	}
	body, found := strings.CutPrefix(lines[1], "ERROR ")
	var got struct{ Level, Msg, ID, Err string }
	if err := json.Unmarshal([]byte(body), &got); err != nil || !found || got.Msg != "odd" || got.ID != "A" || got.Level != "ERROR" {
		t.Errorf("line %q: %+v, %v", lines[1], got, err)
	}
}
