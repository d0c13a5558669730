package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
)

const modeHelp = `Lay a profile of winnow.conf ([mode:NAME]) over the settings for a time. Every key of a profile counts only
where it is more cautious than what it is laid over, so no mode makes winnow close more. Alert action and
worker take it up at once; when the time is over it ends by itself. Who switched what, until when and why is
kept as an event of sourcetype winnow:status.

A mode.json that cannot be read or trusted counts as all profiles together, until it is replaced or removed.`

type modeFlags struct {
	lasts, reason, by string
}

func modeCommand(g *globals) *cobra.Command {
	var f modeFlags
	cmd := &cobra.Command{
		Use: "mode NAME --for TIME", Short: "be more cautious for a time: under attack, or while data moves", Long: modeHelp,
		Example: `  winnow mode attack --for 4h --reason "intrusion in the DMZ"
  winnow mode migration --for 2d
  winnow mode status
  winnow mode off`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return g.switchMode(args[0], &f) },
	}
	off := &cobra.Command{
		Use: "off", Short: "end the mode before its time", Args: cobra.NoArgs, Example: `  winnow mode off`,
		RunE: func(*cobra.Command, []string) error { return g.endMode(&f) },
	}
	cmd.Flags().StringVar(&f.lasts, "for", "", "how long: a whole number and m, h or d, at most 30d")
	for _, c := range []*cobra.Command{cmd, off} {
		c.Flags().StringVar(&f.reason, "reason", "", "the `TEXT` that says why, for the record")
		c.Flags().StringVar(&f.by, "by", "", "the `NAME` of who switches it (default: whoever runs this)")
	}
	cmd.AddCommand(off, &cobra.Command{
		Use: "status", Short: "say which mode is on, and until when", Args: cobra.NoArgs, Example: `  winnow mode status`,
		RunE: func(*cobra.Command, []string) error { return g.modeStatus() },
	})
	return cmd
}

func (g *globals) switchMode(name string, f *modeFlags) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	modes := slices.Sorted(maps.Keys(d.Settings.Modes))
	if !slices.Contains(modes, name) {
		return usage(fmt.Errorf("no [mode:%s] in winnow.conf (there is %s)", plain(name), strings.Join(modes, ", ")))
	}
	lasts, err := parseLasts(f.lasts)
	if err != nil {
		return err
	}
	if err := d.Init(); err != nil {
		return err
	}
	now := g.now()
	m := state.Mode{Name: name, Since: now, Until: now.Add(lasts), Reason: f.reason}
	if err := d.SetMode(m, cmp.Or(f.by, userName()), now); err != nil {
		return err
	}
	g.note("mode %s until %s; `winnow mode off` ends it before", name, m.Until.UTC().Format(time.RFC3339))
	return nil
}

func (g *globals) endMode(f *modeFlags) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	if d.Mode.Name == "" && d.ModeErr == nil {
		g.note("no mode is on")
		return nil
	}
	if err := d.Init(); err != nil {
		return err
	}
	if err := d.SetMode(state.Mode{Reason: f.reason}, cmp.Or(f.by, userName()), g.now()); err != nil {
		return err
	}
	g.note("no mode is on any more")
	return nil
}

func (g *globals) modeStatus() error {
	d, err := g.open()
	if err != nil {
		return err
	}
	if d.ModeErr != nil {
		return d.ModeErr
	}
	switch m := d.Mode; {
	case g.format == formatJSON && m.Name == "":
		return g.json(struct {
			Mode string `json:"mode"`
		}{})
	case g.format == formatJSON:
		return g.json(m)
	default:
		g.print("%s", modeText(m))
	}
	return nil
}

func modeText(m state.Mode) string {
	if m.Name == "" {
		return "no mode is on"
	}
	text := fmt.Sprintf("mode %s until %s, by %s", m.Name, m.Until.UTC().Format(time.RFC3339), oneLine(m.By, 60))
	if m.Reason != "" {
		text += ": " + oneLine(m.Reason, 200)
	}
	return text
}

// parseLasts reads how long a mode lasts.
func parseLasts(text string) (time.Duration, error) {
	if text == "" {
		return 0, usage(errors.New("--for is missing: say how long, like --for 4h"))
	}
	digits := strings.TrimRight(text, "mhd")
	units := map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	unit, known := units[text[len(digits):]]
	n, err := strconv.Atoi(digits)
	if !known || err != nil || n <= 0 || n > int(state.MaxModeTime/unit) {
		return 0, usage(fmt.Errorf("--for is %q, want a whole number and m, h or d, at most 30d", text))
	}
	return time.Duration(n) * unit, nil
}

// modeMeta is when the last mode began whose end has been told.
const modeMeta = "mode_ended"

// modeEnded tells once that a mode has ended by itself.
func (r *refresher) modeEnded() error {
	m := r.parts.Ended
	if m.Name == "" {
		return nil
	}
	since := m.Since.UTC().Format(time.RFC3339Nano)
	return r.engine.Update(context.Background(), func(t *ledger.Tx) error {
		if told, err := t.Meta(modeMeta); err != nil || told == since {
			return err
		}
		r.log.Info("the mode has ended", "mode", m.Name, "until", m.Until)
		c := state.ModeChange{Was: m.Name, Until: &m.Until, By: m.By, Reason: "its time is over"}
		if err := r.parts.ReportMode("mode_ended", c, r.now()); err != nil {
			return err
		}
		return t.SetMeta(modeMeta, since)
	})
}
