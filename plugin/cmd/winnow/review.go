package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
	"github.com/winnow-soc/winnow/plugin/state"
)

func reviewCommand(g *globals) *cobra.Command {
	var limit int
	list := &cobra.Command{
		Use: "list", Short: "what waits for a person", Args: cobra.NoArgs,
		Long: `List what waits for a person: escalated alerts first, then the review queue, by severity. Alerts
that repeat one another stand as one group, which one decision settles.`,
		Example: `  winnow review list
  winnow review list --limit 5 --format json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.reviewList(cmd.Context(), limit) },
	}
	list.Flags().IntVar(&limit, "limit", 20, "at most `N` groups; 0 shows all")
	show := &cobra.Command{
		Use: "show ID", Short: "everything needed to decide about one alert", Args: cobra.ExactArgs(1),
		Example: `  winnow review show 01J9ZV3M4T5Q6R7S8T9VAWBXCY`,
		RunE:    func(cmd *cobra.Command, args []string) error { return g.ledgerShow(cmd.Context(), args[0]) },
	}
	return group("review", "what people decide", `  winnow review list
  winnow review approve 01J9ZV3M4T5Q6R7S8T9VAWBXCY --reason "scanner, seen with the owner"
  winnow review correct 01J9ZV3M4T5Q6R7S8T9VAWBXCY --as TruePositive`,
		list, show,
		g.decide(review.Approve, "winnow's verdict is right: carry it out", `Carry out the verdict that winnow came to: a benign one closes the alert, a true positive keeps it
escalated. The whole group is settled, unless --only is given.`),
		g.decide(review.Reject, "winnow's verdict is not right: escalate", `Escalate the alert: its verdict is wrong or not enough. The whole group is settled, unless --only is
given, and whatever was closed on its verdict is triaged again.`),
		g.decide(review.Correct, "say what an alert was", `Say what an alert was. A benign disposition closes it, and counts for repeats of it: for a day as a
cached verdict, and as a benign fact for the same search and entities. Any other takes back what was
closed on its verdict: those alerts are triaged again.`),
	)
}

func (g *globals) decide(action review.Action, short, long string) *cobra.Command {
	d := review.Decision{Action: action}
	var as string
	cmd := &cobra.Command{
		Use: string(action) + " ID", Short: short, Long: long, Args: cobra.ExactArgs(1),
		Example: fmt.Sprintf("  winnow review %s 01J9ZV3M4T5Q6R7S8T9VAWBXCY --reason \"...\"", action),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.ID = strings.ToUpper(args[0])
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
	f.StringVar(&d.Reason, "reason", "", "why, for whoever reads it later")
	f.StringVar(&d.Actor, "by", userName(), "who decides")
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

func (g *globals) reviewList(ctx context.Context, limit int) error {
	return g.readLedger(ctx, func(_ *state.Deployment, t *ledger.Tx) error {
		groups, err := review.List(t, limit)
		if err != nil {
			return err
		}
		table := &grid{head: []string{"ID", "STATE", "SEVERITY", "ALERTS", "SEARCH", "VERDICT", "WHAT"}, num: map[int]bool{3: true}}
		for _, gr := range groups {
			if g.format == formatJSON {
				if err := g.json(gr); err != nil {
					return err
				}
			}
			r := &gr.First
			state := string(r.Outcome.State)
			if g.format == formatTable {
				state = stateStyle(r.Outcome.State).Render(state)
			}
			table.rows = append(table.rows, []string{
				r.ID, state, r.Severity.String(), fmt.Sprint(gr.Size), oneLine(r.SearchName, 36),
				fmt.Sprintf("%s %d", r.Verdict.Disposition, r.Verdict.Confidence), oneLine(r.Verdict.Case.What, 70),
			})
		}
		switch {
		case g.format == formatCSV:
			return g.csv(table)
		case g.format == formatTable && len(groups) == 0:
			g.note("nothing waits for a person")
		case g.format == formatTable:
			g.text(table)
			g.note("\ndecide with `winnow review show ID`, then `approve ID`, `reject ID` or `correct ID --as DISPOSITION`")
		}
		return nil
	})
}

// reviewDecide hands a decision to the worker, or carries it out when none runs.
func (g *globals) reviewDecide(ctx context.Context, decision review.Decision) error {
	body, err := decision.Encode()
	if err != nil {
		return usage(err)
	}
	d, err := g.open()
	if err != nil {
		return err
	}
	if err := g.mayDecide(ctx, d, decision); err != nil {
		return err
	}
	lock, err := lockWorker(d)
	if errors.Is(err, errWorkerRuns) {
		if err := alertaction.WriteCommand(d.Path("spool"), g.now(), body); err != nil {
			return err
		}
		g.note("handed to the worker; `winnow review show %s` tells when it is done", decision.ID)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	return g.decideNow(ctx, d, decision)
}

// mayDecide finds out now what the worker would refuse later.
func (g *globals) mayDecide(ctx context.Context, d *state.Deployment, decision review.Decision) error {
	l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db"))
	if err != nil {
		return err
	}
	err = l.View(ctx, func(t *ledger.Tx) error {
		_, err := t.Record(decision.ID)
		return err
	})
	if errors.Is(err, ledger.ErrNotFound) {
		err = usage(err, "`winnow review list` shows what waits")
	}
	return errors.Join(err, l.Close())
}

func (g *globals) decideNow(ctx context.Context, d *state.Deployment, decision review.Decision) (err error) {
	r, err := g.openDecider(ctx, d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.parts.close()) }()
	var done review.Result
	err = r.engine.Update(ctx, func(t *ledger.Tx) error {
		done, err = review.Apply(t, r.engine, decision)
		return err
	})
	if errors.Is(err, review.ErrRefused) {
		return usage(err)
	}
	if err != nil {
		return err
	}
	if g.format == formatJSON {
		return g.json(map[string]any{"settled": orEmpty(done.Settled), "recalled": orEmpty(done.Recalled)})
	}
	g.print("%s: %d alerts settled%s", decision.Action, len(done.Settled),
		ifAny(len(done.Recalled), ", %d closed on its verdict go back to triage"))
	return nil
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
