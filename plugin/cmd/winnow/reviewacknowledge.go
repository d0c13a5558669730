package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

func acknowledgeCommand(g *globals) *cobra.Command {
	a := triage.Acknowledgement{Command: triage.CommandAcknowledge}
	cmd := &cobra.Command{
		Use: "acknowledge ID", Short: "say that you have an alert that was paged", Args: cobra.ExactArgs(1),
		Long: `Say that somebody has an alert that people were paged for, and all that is like it: nobody else is
paged. It decides nothing: the alert stays where it is, and the page is over when somebody decides.`,
		Example: `  winnow review acknowledge 01J9ZV3M4T5Q6R7S8T9VAWBXCY`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.ID, a.Actor = strings.ToUpper(args[0]), cmp.Or(a.Actor, userName())
			return g.acknowledge(cmd.Context(), a)
		},
	}
	cmd.Flags().StringVar(&a.Actor, "by", "", "the `NAME` of who has it (default: whoever runs this)")
	return cmd
}

func (g *globals) acknowledge(ctx context.Context, a triage.Acknowledgement) error {
	err := g.readLedger(ctx, func(_ *state.Deployment, t *ledger.Tx) error {
		rows, err := t.PagesAlertHas(a.ID)
		switch {
		case errors.Is(err, ledger.ErrNotFound):
			return usage(err, "`winnow review list` shows what waits")
		case err == nil && len(rows) == 0:
			return usage(fmt.Errorf("nobody was paged for alert %s", a.ID), "[sink:NAME] of winnow.conf says who is: see docs/operations.md")
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := a.Validate(); err != nil {
		return usage(err)
	}
	return g.order(a, "`winnow review show "+a.ID+"` tells when it is done", func(d *state.Deployment) error {
		r, err := g.openDecider(ctx, d)
		if err != nil {
			return err
		}
		var n int
		err = r.engine.Update(ctx, func(t *ledger.Tx) (err error) {
			n, err = r.engine.Acknowledge(t, a.ID, "person:"+a.Actor)
			return err
		})
		if err = errors.Join(err, r.parts.close()); err == nil {
			g.print("%s acknowledged", things(n, "page", "pages"))
		}
		return err
	})
}

func applyAcknowledge(t *ledger.Tx, engine *triage.Engine, body []byte, log *slog.Logger) error {
	a, err := triage.DecodeAcknowledgement(body)
	n := 0
	if err == nil {
		n, err = engine.Acknowledge(t, a.ID, "person:"+a.Actor)
	}
	if errors.Is(err, triage.ErrRefused) || errors.Is(err, ledger.ErrNotFound) {
		log.Error("command refused", "command", triage.CommandAcknowledge, "id", a.ID, "err", err)
		return nil
	}
	if err == nil {
		log.Info("pages acknowledged", "id", a.ID, "pages", n)
	}
	return err
}
