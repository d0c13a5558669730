package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
	"github.com/winnow-soc/winnow/plugin/state"
)

func reviewCommand(g *globals) *cobra.Command {
	show := &cobra.Command{
		Use: "show ID", Short: "everything needed to decide about one alert", Args: cobra.ExactArgs(1),
		Long: `Print everything needed to decide about one alert: the three lines, the evidence beside the alert's own
fields, votes, techniques, earlier alerts like it and what became of them, what each gate did and why, what
it has cost so far, and what each decision would do. "winnow ledger show" has the whole trail.`,
		Example: `  winnow review show 01J9ZV3M4T5Q6R7S8T9VAWBXCY
  winnow review show 01J9ZV3M4T5Q6R7S8T9VAWBXCY --format json | jq .choices`,
		RunE: func(cmd *cobra.Command, args []string) error { return g.reviewShow(cmd.Context(), args[0]) },
	}
	cmd := group("review", "what people decide", `  winnow review list
  winnow review approve 01J9ZV3M4T5Q6R7S8T9VAWBXCY --reason "scanner, seen with the owner"
  winnow review correct 01J9ZV3M4T5Q6R7S8T9VAWBXCY --as TruePositive`,
		reviewListCommand(g), show, reviewServeCommand(g), acknowledgeCommand(g),
		g.decide(review.Approve, "winnow's verdict is right: carry it out", `Carry out the verdict that winnow came to: a benign one closes the alert, a true positive keeps it
escalated. An alert without a verdict, or one that has changed meanwhile, cannot be approved. The whole
group is settled, unless --only is given.`),
		g.decide(review.Reject, "winnow's verdict is not right: escalate", `Escalate the alert: its verdict is wrong or not enough. The whole group is settled, unless --only is
given, and whatever was closed on its verdict is triaged again.`),
		g.decide(review.Correct, "say what an alert was", `Say what an alert was. A benign disposition closes it and counts from then on: as a cached verdict for
repeats ([cache] ttl), and as a benign fact for the same search and entities ([review] fact_ttl). Any
other takes back what was closed on its verdict: those alerts are triaged again. The whole group is
settled, unless --only is given.`),
		rightCommand(g), wrongCommand(g),
	)
	cmd.AddCommand(reviewActionCommands(g)...)
	return cmd
}

func (g *globals) decide(action review.Action, short, long string) *cobra.Command {
	d := review.Decision{Action: action}
	var as string
	cmd := &cobra.Command{
		Use: string(action) + " ID", Short: short, Long: long, Args: cobra.ExactArgs(1),
		Example: fmt.Sprintf("  winnow review %s 01J9ZV3M4T5Q6R7S8T9VAWBXCY --reason \"...\"", action),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.ID, d.Actor = strings.ToUpper(args[0]), cmp.Or(d.Actor, userName())
			if as != "" {
				var err error
				if d.Disposition, err = winnow.ParseDisposition(as); err != nil {
					return usage(err)
				}
			}
			return g.reviewDecide(cmd.Context(), d)
		},
	}
	f := cmd.Flags()
	f.StringVar(&d.Reason, "reason", "", "why, as `TEXT` for whoever reads it later")
	f.StringVar(&d.Actor, "by", "", "the `NAME` of who decides (default: whoever runs this)")
	f.BoolVar(&d.Only, "only", false, "this alert alone, not the others of its group")
	if action == review.Correct {
		cmd.Example = `  winnow review correct 01J9ZV3M4T5Q6R7S8T9VAWBXCY --as BenignPositive --reason "backup job"`
		f.StringVar(&as, "as", "", "the `DISPOSITION`: TruePositive, BenignPositive, FalsePositiveLogic, FalsePositiveData or Other")
	}
	return cmd
}

func userName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// reviewDecide hands a decision to the worker, or carries it out when none runs.
func (g *globals) reviewDecide(ctx context.Context, decision review.Decision) error {
	if _, err := decision.Encode(); err != nil {
		return usage(err)
	}
	d, err := g.open()
	if err != nil {
		return err
	}
	if decision.Seq, err = g.decidable(ctx, d, decision.ID); err != nil {
		return err
	}
	body, err := decision.Encode()
	if err != nil {
		return usage(err)
	}
	handed, err := g.write(d, body, func() error { return g.decideNow(ctx, d, decision) })
	if handed && err == nil {
		g.note("handed to the worker; `winnow review show %s` tells when it is done", decision.ID)
	}
	return err
}

// decidable finds out now what the worker would refuse later: it returns the number of the alert's
// current record, which an approval binds to.
func (g *globals) decidable(ctx context.Context, d *state.Deployment, id string) (seq int64, err error) {
	l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	err = l.View(ctx, func(t *ledger.Tx) error {
		var err error
		seq, err = t.Seq(id)
		return err
	})
	if errors.Is(err, ledger.ErrNotFound) {
		err = usage(err, "`winnow review list` shows what waits")
	}
	return seq, err
}

func (g *globals) decideNow(ctx context.Context, d *state.Deployment, decision review.Decision) error {
	done, err := g.carryOut(ctx, d, decision)
	if errors.Is(err, review.ErrRefused) {
		return usage(err)
	}
	if err != nil {
		return err
	}
	if g.format == formatJSON {
		return g.json(decided(&done))
	}
	g.print("%s: %s settled%s", decision.Action, things(len(done.Settled), "alert", "alerts"),
		ifAny(len(done.Recalled), ", %d closed on its verdict back to triage"))
	for _, rule := range done.Missed {
		g.print("rule %s covers it and is suspended: `winnow report rules` shows it, `winnow review list` has the finding", plain(rule))
	}
	for _, rule := range done.Reverted {
		g.print("rule %s was suspended for it and stays so, although it was no attack: look at it before it is put into force again", plain(rule))
	}
	return nil
}

// carryOut carries a decision out under the worker's lock.
func (g *globals) carryOut(ctx context.Context, d *state.Deployment, decision review.Decision) (done review.Result, err error) {
	r, err := g.openDecider(ctx, d)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, r.parts.close()) }()
	err = r.engine.Update(ctx, func(t *ledger.Tx) error {
		done, err = review.Apply(t, r.engine, decision)
		return err
	})
	return done, err
}

// decided is what a decision did, as JSON. Rules stand in it where it touched any.
func decided(done *review.Result) any {
	return struct {
		Recalled []string `json:"recalled"`
		Settled  []string `json:"settled"`
		Missed   []string `json:"rules_suspended,omitempty"`
		Reverted []string `json:"rules_still_suspended,omitempty"`
	}{orEmpty(done.Recalled), orEmpty(done.Settled), done.Missed, done.Reverted}
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
