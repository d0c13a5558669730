package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// A worker that runs while a mode is switched on, and while its time ends, is put together anew both times.
func TestWorkerNoticesTheMode(t *testing.T) {
	now := scriptNow
	var said bytes.Buffer
	g := &globals{
		console: &console{in: strings.NewReader(""), out: io.Discard, err: &said, getenv: func(string) string { return "" }, now: func() time.Time { return now }},
		app:     filepath.Join(repository, "packaging", "app"), state: t.TempDir(),
	}
	turn := func() error {
		t.Helper()
		d, err := g.open()
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Init(); err != nil {
			t.Fatal(err)
		}
		p, err := g.assemble(d, now)
		if err != nil {
			t.Fatal(err)
		}
		e, err := p.engine(t.Context(), g.now, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.close() }()
		r := g.refresher(p, e, slog.New(slog.DiscardHandler))
		if err := r.turn(); err != nil {
			t.Fatal(err)
		}
		switch p.Mode.Name {
		case "": // somebody switches one on while the worker runs
			err = d.SetMode(state.Mode{Name: "attack", Since: now, Until: now.Add(time.Hour)}, "ann", now)
		default: // time passes
			now = now.Add(2 * time.Hour)
		}
		if err != nil {
			t.Fatal(err)
		}
		return r.turn()
	}
	for _, what := range []string{"a mode is switched on", "its time ends"} {
		if err := turn(); !errors.Is(err, triage.ErrChanged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_ = turn()
	events, err := os.ReadFile(filepath.Join(g.state, "status.ndjson"))
	if err != nil || strings.Count(string(events), `"mode_ended"`) != 1 {
		t.Errorf("%v\n%s", err, events)
	}
}

func TestDamagedCalibrationIsSaidAndIgnored(t *testing.T) {
	var said bytes.Buffer
	g := &globals{
		console: &console{in: strings.NewReader(""), out: io.Discard, err: &said, getenv: func(string) string { return "" }, now: func() time.Time { return scriptNow }},
		app:     filepath.Join(repository, "packaging", "app"), state: t.TempDir(),
	}
	d, err := g.open()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := readCalibration(d); c != nil || err != nil {
		t.Errorf("without a file: %v, %v", c, err)
	}
	if err := os.WriteFile(d.Path("calibration.json"), []byte(`{"version":1,"tables":[{}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := g.assemble(d, scriptNow)
	if err != nil || p.pipeline == nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "unnamed or there twice; fit it again with `winnow eval --fit`") {
		t.Errorf("said %q", said.String())
	}
	if err := os.Chmod(d.Path("calibration.json"), 0o666); err != nil { //nolint:gosec // that is what is refused
		t.Fatal(err)
	}
	if _, err := readCalibration(d); err == nil || !strings.Contains(err.Error(), "not trusted") {
		t.Errorf("a file that anybody can write: %v", err)
	}
}
