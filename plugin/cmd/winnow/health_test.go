package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/health"
	"github.com/winnow-soc/winnow/plugin/splunk"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// A worker that runs answers `winnow health`, and one that has ended does not.
func TestHealthOfARunningWorker(t *testing.T) {
	state, err := os.MkdirTemp("", "winnow") // the path of a socket may be 100 bytes long at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(state) })
	flags := []string{"--app", filepath.Join("..", "..", "..", "packaging", "app"), "--content", t.TempDir(), "--state", state}
	var out, errs bytes.Buffer
	ask := func(args ...string) int {
		out.Reset()
		errs.Reset()
		c := &console{in: strings.NewReader(""), out: &out, err: &errs, getenv: func(string) string { return "" }, now: time.Now}
		return execute(t.Context(), c, append(append([]string{"health"}, args...), flags...))
	}
	g := &globals{
		console: &console{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}, getenv: func(string) string { return "" }, now: time.Now},
		app:     flags[1], content: flags[3], state: state,
	}
	d, err := g.open()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.work(ctx, d, false, slog.New(slog.DiscardHandler), nil) }()
	for end := time.Now().Add(time.Minute); ask() != exitOK; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the worker is not well: %s%s", out.String(), errs.String())
		}
	}
	for _, check := range []string{"loop", "ledger", "spool", "disk", "clock"} {
		if !strings.Contains(out.String(), check) {
			t.Errorf("nothing of %s: %s", check, out.String())
		}
	}
	if code := ask("--metrics"); code != exitOK || !strings.Contains(out.String(), "\nwinnow_run 0\n") || !strings.Contains(out.String(), "\nprocess_") {
		t.Errorf("code %d, %.300s%s", code, out.String(), errs.String())
	}
	if code := ask("--live", "--format", "json"); code != exitOK || out.String() != `{"check":"loop","ok":true,"detail":"the worker does its turns"}`+"\n" {
		t.Errorf("code %d, %s%s", code, out.String(), errs.String())
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the worker ended with %v", err)
	}
	if code := ask(); code != exitCannot || !strings.Contains(errs.String(), "no worker answers") {
		t.Errorf("code %d, %s", code, errs.String())
	}
}

func TestDeliveryReasons(t *testing.T) {
	for want, err := range map[string]error{
		"auth": &splunk.Error{Code: splunk.CodeAuth}, "held": triage.ErrHeld, "panic": &triage.PanicError{}, "other": errors.New("text of an alert"),
	} {
		if got := deliveryReason(err); got != want {
			t.Errorf("%v counts as %q, want %q", err, got, want)
		}
	}
}

// fixedBudget books everything, or nothing.
type fixedBudget struct{ err error }

func (b fixedBudget) Reserve(context.Context, llm.Charge) (llm.Booking, error)  { return 7, b.err }
func (b fixedBudget) Settle(context.Context, llm.Booking, llm.Settlement) error { return nil }

// Every attempt is counted once, whatever becomes of it.
func TestAttemptsAreCounted(t *testing.T) {
	m := health.New("v1", nil)
	b := newCountedBudget(fixedBudget{}, m)
	charge := llm.Charge{Source: "small", Task: llm.TaskClassify}
	n, err := b.Reserve(t.Context(), charge)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second is of nothing
		if err := b.Settle(t.Context(), n, llm.Settlement{State: llm.Settled, Price: 2e9, InputTokens: 5}); err != nil {
			t.Fatal(err)
		}
	}
	for _, refusal := range []error{&llm.BudgetError{}, errors.New("disk full")} {
		if _, err := newCountedBudget(fixedBudget{refusal}, m).Reserve(t.Context(), charge); !errors.Is(err, refusal) {
			t.Fatal(err)
		}
	}
	place := health.Place{Socket: filepath.Join(t.TempDir(), "s")}
	stop, err := health.Serve(m, place, func(error) {})
	if err != nil {
		t.Skip(err)
	}
	defer stop()
	body, err := health.Ask(t.Context(), place, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`winnow_model_attempts_total{kind="classify",model="small",outcome="settled"} 1`,
		`winnow_model_attempts_total{kind="classify",model="small",outcome="no_budget"} 1`,
		`winnow_model_attempts_total{kind="classify",model="small",outcome="not_booked"} 1`,
		`winnow_model_dollars_total{kind="classify",model="small",tier="unsaid"} 2`,
	} {
		if !strings.Contains(string(body), "\n"+line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	if len(b.open) > 0 {
		t.Error("what has ended is remembered")
	}
}
