package main

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
	"github.com/winnow-soc/winnow/plugin/state"
)

func rightCommand(g *globals) *cobra.Command {
	f := review.Feedback{Right: true}
	return feedbackCommand(g, &f, nil, &cobra.Command{
		Use: "right ID", Short: "winnow was right about an alert",
		Long: `Say that the outcome of an alert was right, also of one that is closed. It counts as a label: for
"eval --fit --from-reviews", "rules suggest" and the miss rates. It is a word on this alert alone:
"approve" settles what waits with it, too.`,
		Example: `  winnow review right 01J9ZV3M4T5Q6R7S8T9VAWBXCY`,
	})
}

func wrongCommand(g *globals) *cobra.Command {
	var f review.Feedback
	var as string
	cmd := feedbackCommand(g, &f, &as, &cobra.Command{
		Use: "wrong ID", Short: "winnow was wrong about an alert, and why",
		Long: `Say that the outcome of an alert was wrong, what the alert was, and why. It counts as a label: for
"eval --fit --from-reviews", "rules suggest" and the miss rates. What was closed on the verdict goes back
to triage, and a rule that dropped an attack is suspended. It is a word on this alert alone.`,
		Example: `  winnow review wrong 01J9ZV3M4T5Q6R7S8T9VAWBXCY --as TruePositive --reason "not the backup job"`,
	})
	cmd.Flags().StringVar(&as, "as", "", "the `DISPOSITION`: TruePositive, BenignPositive, FalsePositiveLogic, FalsePositiveData or Other")
	return cmd
}

func feedbackCommand(g *globals, f *review.Feedback, as *string, cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f.ID, f.Actor = strings.ToUpper(args[0]), cmp.Or(f.Actor, userName())
		if as != nil && *as != "" {
			var err error
			if f.As, err = winnow.ParseDisposition(*as); err != nil {
				return usage(err)
			}
		}
		return g.reviewFeedback(cmd.Context(), *f)
	}
	cmd.Flags().StringVar(&f.Reason, "reason", "", "why, as `TEXT` for whoever reads it later")
	cmd.Flags().StringVar(&f.Actor, "by", "", "the `NAME` of who says so (default: whoever runs this)")
	return cmd
}

func (g *globals) reviewFeedback(ctx context.Context, f review.Feedback) error {
	var d review.Decision
	err := g.readLedger(ctx, func(_ *state.Deployment, t *ledger.Tx) (err error) {
		d, err = f.Decision(t)
		return err
	})
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return usage(err, "`winnow ledger export` lists every alert with its id")
	case errors.Is(err, review.ErrRefused):
		return usage(err)
	case err != nil:
		return err
	}
	return g.reviewDecide(ctx, d)
}
