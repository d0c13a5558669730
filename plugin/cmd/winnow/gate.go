package main

import (
	"cmp"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/state"
)

func gateCommand(g *globals) *cobra.Command {
	var who string
	turn := func(off bool) func(*cobra.Command, []string) error {
		return func(*cobra.Command, []string) error { return g.turnGate(off, who) }
	}
	off := &cobra.Command{
		Use: "off", Short: "pass every alert on, as if winnow were not there", Args: cobra.NoArgs,
		Long: `Turn the stop switch: from now on nothing is dropped, closed or escalated, and every alert passes as
if winnow were not there. Alerts are still recorded. Where winnow owns the notables, it writes one for
every alert.`,
		Example: `  winnow gate off`, RunE: turn(true),
	}
	on := &cobra.Command{
		Use: "on", Short: "turn the stop switch back", Args: cobra.NoArgs,
		Long: `Turn the stop switch back: rules, cache and verdicts count again, as far as [gate] run lets them. What
[gate] off in winnow.conf holds off stays off.`,
		Example: `  winnow gate on`, RunE: turn(false),
	}
	for _, cmd := range []*cobra.Command{off, on} {
		cmd.Flags().StringVar(&who, "by", "", "the `NAME` of who turns it (default: whoever runs this)")
	}
	return group("gate", "the stop switch", `  winnow gate off
  winnow gate status`,
		off, on,
		&cobra.Command{
			Use: "status", Short: "say whether the gate is on", Args: cobra.NoArgs, Example: `  winnow gate status`,
			RunE: func(*cobra.Command, []string) error { return g.gateStatus() },
		},
	)
}

func (g *globals) turnGate(off bool, who string) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	if err := d.Init(); err != nil {
		return err
	}
	if err := d.SetGate(off, cmp.Or(who, userName()), g.now()); err != nil {
		return err
	}
	if off {
		g.note("the gate is off: every alert passes. Turn it on again with `winnow gate on`")
	} else {
		g.note("the gate is on")
	}
	return nil
}

func (g *globals) gateStatus() error {
	d, err := g.open()
	if err != nil {
		return err
	}
	s, err := d.GateSwitch()
	if err != nil {
		return err
	}
	switch {
	case g.format == formatJSON:
		return g.json(gateState{s, modeOn(d)})
	case s.Off && s.Who != "":
		g.print("off, by %s at %s: every alert passes", plain(s.Who), s.At.Format(time.RFC3339))
	case s.Off:
		g.print("off: every alert passes")
	default:
		g.print("on, run = %s, place = %s", d.Settings.Gate.Run, d.Settings.Gate.Place)
	}
	switch {
	case d.ModeErr != nil:
		g.note("warning: %s", plain(d.ModeErr.Error()))
	case d.Mode.Name != "" && g.format == formatTable:
		g.print("%s", modeText(d.Mode))
	}
	return nil
}

// gateState is the stop switch, and the mode when one is on.
type gateState struct {
	state.Switch

	Mode *state.Mode `json:"mode,omitempty"`
}

func modeOn(d *state.Deployment) *state.Mode {
	if d.Mode.Name == "" {
		return nil
	}
	return &d.Mode
}
