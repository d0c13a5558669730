package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func silent() (*console, *bytes.Buffer, *bytes.Buffer) {
	var out, err bytes.Buffer
	return &console{
		in: strings.NewReader(""), out: &out, err: &err, now: time.Now, getenv: func(string) string { return "" },
	}, &out, &err
}

func TestCtrlCSaysStoppedAndNothingElse(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, out, errs := silent()
	code := execute(ctx, c, []string{"triage", "--app", "../../../packaging/app"})
	if code != exitCannot || out.Len() > 0 || errs.String() != "winnow: stopped\n" {
		t.Errorf("code %d, printed %q and %q", code, out, errs)
	}
}

func TestBareProgramIsItsHelp(t *testing.T) {
	c, out, _ := silent()
	if code := execute(t.Context(), c, nil); code != exitOK || !strings.HasPrefix(out.String(), "winnow keeps a SOC from paying") {
		t.Errorf("code %d, printed %q", code, out)
	}
}

// TestEveryCommandExplainsItself: each has a line for the list of commands and an example, and
// each flag says what it is for.
func TestEveryCommandExplainsItself(t *testing.T) {
	c, _, _ := silent()
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			return
		}
		if cmd.Short == "" || cmd.Example == "" || cmd.RunE == nil || cmd.Args == nil && !strings.Contains(cmd.Use, "...") {
			t.Errorf("%s: short %q, example %q", cmd.CommandPath(), cmd.Short, cmd.Example)
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if len(strings.TrimRight(line, "\n")) > 110 {
				t.Errorf("%s: this line is too long for a terminal: %s", cmd.CommandPath(), line)
			}
		}
		for _, sub := range cmd.Commands() {
			check(sub)
		}
	}
	check(newRoot(&globals{console: c}))
}
