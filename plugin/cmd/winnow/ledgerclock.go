package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

func clockCommand(g *globals) *cobra.Command {
	c := confirmation{Command: commandClock}
	cmd := &cobra.Command{
		Use: "clock", Short: "say whether the clock is believed, or that it is right", Args: cobra.NoArgs,
		Long: `Say whether retention believes the clock. One that is more than a day ahead of the last run of retention
may have been set wrongly: nothing is removed by age then, until it has gone on evenly for a day of running.

With --confirm, say that it is right: give the date of today. A date that is not the clock's is refused.`,
		Example: `  winnow ledger clock
  winnow ledger clock --confirm 2026-11-23`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("confirm") {
				return g.ledgerClock(cmd.Context())
			}
			c.Actor = cmp.Or(c.Actor, userName())
			if _, err := c.today(); err != nil {
				return usage(err)
			}
			return g.order(c, "`winnow ledger clock` says whether it was taken", func(d *state.Deployment) error {
				return g.confirmNow(cmd.Context(), d, c)
			})
		},
	}
	cmd.Flags().StringVar(&c.Date, "confirm", "", "the `DATE` of today, like 2026-11-23")
	cmd.Flags().StringVar(&c.Actor, "by", "", "the `NAME` of who confirms it (default: whoever runs this)")
	return cmd
}

// clockState is what `ledger clock` prints as JSON.
type clockState struct {
	Now      time.Time  `json:"now"`
	Retained *time.Time `json:"retained"` // when retention last ran, null: never
	Doubted  bool       `json:"doubted"`
	Ahead    int64      `json:"ahead_seconds"`
	Left     int64      `json:"left_seconds"` // of running, until it is believed
}

func (g *globals) ledgerClock(ctx context.Context) error {
	s := clockState{Now: g.now().UTC()}
	var left time.Duration
	err := g.readLedger(ctx, func(_ *state.Deployment, t *ledger.Tx) error {
		last, err := triage.Retained(t)
		if err != nil {
			return err
		}
		if !last.IsZero() {
			last = last.UTC()
			s.Retained = &last
		}
		d, doubted, err := triage.ReadClockDoubt(t)
		if doubted {
			s.Doubted, s.Ahead, left = true, int64(d.Ahead().Seconds()), d.Left()
			s.Left = int64(left.Seconds())
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case g.format == formatJSON:
		return g.json(s)
	case s.Retained == nil:
		g.print("clock     %s; retention has not run yet", s.Now.Format(time.RFC3339))
	default:
		g.print("clock     %s; retention last ran %s", s.Now.Format(time.RFC3339), s.Retained.Format(time.RFC3339))
	}
	if s.Doubted {
		g.print("in doubt  nothing is removed by age for %s more of running, or until you confirm the clock", left.Round(time.Minute))
		return nil
	}
	g.print("believed")
	return nil
}

// clock looks whether retention believes the clock.
func (x *diagnosis) clock(t *ledger.Tx) error {
	d, doubted, err := triage.ReadClockDoubt(t)
	if err != nil || !doubted {
		return err
	}
	x.warn("clock", "set it right; if it is right, `winnow ledger clock --confirm DATE` with the date of today",
		"%s, and retention last ran %s: nothing is removed by age for %s more of running", d.Looked.Format(time.RFC3339),
		d.Last.Format(time.RFC3339), d.Left().Round(time.Minute))
	return nil
}

// confirmation is a person's word that the clock is right.
type confirmation struct {
	Command string `json:"command"` // "clock": what kind of spool command this is
	Date    string `json:"date"`    // of today
	Actor   string `json:"actor"`
}

const commandClock = "clock"

// today checks the confirmation, and returns its date.
func (c confirmation) today() (at time.Time, err error) {
	switch {
	case c.Command != commandClock || c.Actor == "":
		return at, errors.New("nobody is named who confirms: give --by NAME")
	case len(c.Actor) > maxAcceptText:
		return at, fmt.Errorf("who confirms has more than %d bytes", maxAcceptText)
	}
	if at, err = time.Parse(time.DateOnly, c.Date); err != nil {
		return at, fmt.Errorf("--confirm %q is no date like 2026-11-23", c.Date)
	}
	return at, nil
}

func (g *globals) confirmNow(ctx context.Context, d *state.Deployment, c confirmation) (err error) {
	if l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db")); err != nil {
		return err // none is made for this
	} else if err := l.Close(); err != nil {
		return err
	}
	l, err := ledger.Open(ctx, d.Path("ledger.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	today, err := c.today()
	if err == nil {
		err = l.Update(ctx, func(t *ledger.Tx) error { _, _, err = triage.ConfirmClock(t, g.now(), today); return err })
	}
	if errors.Is(err, triage.ErrClockRefused) {
		return usage(err)
	}
	if err == nil {
		g.print("the clock is believed, by %s at %s", plain(c.Actor), g.now().UTC().Format(time.RFC3339))
	}
	return err
}

// applyClock carries a confirmation out for the worker.
func applyClock(t *ledger.Tx, engine *triage.Engine, body []byte, log *slog.Logger) error {
	var c confirmation
	err := triage.DecodeCommand(body, &c)
	var today time.Time
	if err == nil {
		today, err = c.today()
	}
	if err != nil {
		log.Error("confirmation of the clock refused", "err", err)
		return nil
	}
	was, doubted, err := triage.ConfirmClock(t, engine.Now(), today)
	if errors.Is(err, triage.ErrClockRefused) {
		log.Error("confirmation of the clock refused", "err", err)
		return nil
	}
	if err == nil && doubted {
		log.Warn("the clock is believed by a person's word", "by", c.Actor, "last", was.Last)
	}
	return err
}
