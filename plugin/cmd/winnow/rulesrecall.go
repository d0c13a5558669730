package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

const recallHelp = `Take a rule out of force at once, without a redeploy, and triage again every alert that it closed and that
is still kept. One finding in the review queue stands for all of them; those believed real are escalated
each for itself. Their cost is booked on the recall: see "winnow report cost". What a person has settled
stays settled, and a second recall triages nothing twice.

--list NAME=VALUE recalls one value of a list: it counts as not listed from now on, and what rules closed
because of it is triaged again. --version takes a whole version of rules and lists out of force, until
another is deployed. "winnow rules resume" puts back into force.`

func rulesRecallCommand(g *globals) *cobra.Command {
	r := triage.Recall{Command: triage.CommandRecall}
	var list, since string
	var dry bool
	cmd := &cobra.Command{
		Use: "recall [ID]", Short: "take a rule out of force and triage again what it dropped", Long: recallHelp, Args: cobra.MaximumNArgs(1),
		Example: `  winnow rules recall vpn-egress-travel --dry-run
  winnow rules recall vpn-egress-travel --since 7d --reason "the egress was sold"
  winnow rules recall --list vpn_egress=198.51.100.4 --only 'alert.severity == "medium"'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := recallTarget(&r, args, list); err != nil {
				return usage(err)
			}
			var err error
			if r.Since, err = parseSince(since, g.now()); err != nil {
				return usage(err)
			}
			return g.rulesRecall(cmd.Context(), r, dry)
		},
	}
	recallFlags(cmd, &r, &list)
	f := cmd.Flags()
	f.StringVar(&since, "since", "", "only what was received since `T`: 2027-01-31, an RFC 3339 time, or 12h or 7d ago")
	f.StringVar(&r.Only, "only", "", "triage again only what the condition `EXPR` is true of, in the language of rules")
	f.BoolVar(&dry, "dry-run", false, "change nothing, print the counts")
	return cmd
}

func rulesResumeCommand(g *globals) *cobra.Command {
	r := triage.Recall{Command: triage.CommandResume}
	var list string
	cmd := &cobra.Command{
		Use: "resume [ID]", Short: "put a suspended rule into force again", Args: cobra.MaximumNArgs(1),
		Long: `Put a rule, a list value or a version of the rules that was suspended, by a recall or by a confirmed
miss, into force again. What was triaged meanwhile stays as it is.`,
		Example: `  winnow rules resume vpn-egress-travel --reason "narrowed to the new egress"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := recallTarget(&r, args, list); err != nil {
				return usage(err)
			}
			return g.rulesResume(cmd.Context(), r)
		},
	}
	recallFlags(cmd, &r, &list)
	return cmd
}

func recallFlags(cmd *cobra.Command, r *triage.Recall, list *string) {
	f := cmd.Flags()
	f.StringVar(list, "list", "", "the value of a list, as `NAME=VALUE`, instead of a rule")
	f.StringVar(&r.Version, "version", "", "the `VERSION` of the rules, sha256:..., instead of a rule")
	f.StringVar(&r.Reason, "reason", "", "why, as `TEXT` for whoever reads it later")
	f.StringVar(&r.Actor, "by", "", "the `NAME` of who asks (default: whoever runs this)")
}

func recallTarget(r *triage.Recall, args []string, list string) error {
	r.Actor = cmp.Or(r.Actor, userName())
	if len(args) > 0 {
		r.Rule = args[0]
	}
	if list != "" {
		var ok bool
		if r.List, r.Value, ok = strings.Cut(list, "="); !ok || r.List == "" || r.Value == "" {
			return fmt.Errorf("--list %q is not NAME=VALUE", list)
		}
	}
	_, err := r.Encode()
	return err
}

// parseSince reads a time, a day, or how long ago.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 40_000 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("--since %q is no time (want 2027-01-31, 2027-01-31T08:00:00Z, 12h or 7d)", text)
}

// rulesRecall counts first: that finds out now what the worker would refuse later.
func (g *globals) rulesRecall(ctx context.Context, r triage.Recall, dry bool) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	count, err := g.planRecall(ctx, d, r)
	if err != nil {
		return err
	}
	if dry {
		return g.printRecall(r, count, true)
	}
	body, err := r.Encode()
	if err != nil {
		return usage(err)
	}
	done := false
	apply := func(e *decider) error {
		done = true
		count, err = e.recall(ctx, r, count)
		return err
	}
	if err := g.handOver(ctx, d, body, apply); err != nil {
		return err
	}
	if !done {
		g.note("handed to the worker: %s suspended, and about %s triaged again; `winnow report rules` and `winnow review list` show it",
			plain(r.What()), things(count.Requeue, "alert", "alerts"))
		return nil
	}
	return g.printRecall(r, count, false)
}

func (g *globals) planRecall(ctx context.Context, d *state.Deployment, r triage.Recall) (count triage.RecallCount, err error) {
	gate, err := g.toolGate(d)
	if err != nil {
		return count, err
	}
	l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db"))
	if err != nil {
		return count, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	err = l.View(ctx, func(t *ledger.Tx) error {
		count, err = triage.PlanRecall(t, gate, r)
		if err != nil {
			return err
		}
		return knownTarget(gate, r, count)
	})
	if errors.Is(err, triage.ErrRefused) {
		err = usage(err)
	}
	return count, err
}

// toolGate opens rules and lists as the worker does. What is wrong with them is not for here.
func (g *globals) toolGate(d *state.Deployment) (*allowlist.Gate, error) {
	keys, err := d.Keys()
	if err != nil {
		return nil, err
	}
	gate, _ := alertaction.OpenAllowlist(d, keys, g.now()) //nolint:errcheck // `winnow doctor` says it
	return gate, nil
}

// knownTarget refuses a slip of the pen: what nobody knows and nothing was dropped by.
func knownTarget(gate *allowlist.Gate, r triage.Recall, count triage.RecallCount) error {
	if count.Requeue+count.Other+count.Gone > 0 || gate.Rules == nil {
		return nil
	}
	switch {
	case r.Rule != "" && gate.Rules.Find(r.Rule) == nil:
		return usage(fmt.Errorf("no rule is called %q, and nothing was dropped by one", r.Rule), "`winnow report rules` shows them all")
	case r.List != "":
		list, err := gate.Lists.Get(r.List)
		if list == nil {
			return usage(err)
		}
		if !list.Holds(r.Value) {
			return usage(fmt.Errorf("list %s does not hold %q, and nothing was dropped because of it", r.List, r.Value),
				"name the value as the list writes it: see `winnow lists lookup`")
		}
	case r.Version != "" && r.Version != gate.Rules.Version():
		return usage(fmt.Errorf("these rules have another version (%s), and nothing was dropped under %s", gate.Rules.Version(), r.Version))
	}
	return nil
}

// handOver gives the body of a command to the worker, or carries it out when none runs.
func (g *globals) handOver(ctx context.Context, d *state.Deployment, body []byte, apply func(*decider) error) error {
	_, err := g.write(d, body, func() (err error) {
		e, err := g.openDecider(ctx, d)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, e.parts.close()) }()
		return apply(e)
	})
	return err
}

// recall carries a recall out, and ends what a worker has begun before.
func (e *decider) recall(ctx context.Context, r triage.Recall, count triage.RecallCount) (triage.RecallCount, error) {
	if err := e.engine.Update(ctx, func(t *ledger.Tx) error { return e.engine.BeginRecall(t, r) }); err != nil {
		return count, err
	}
	count.Requeue = 0
	for {
		one, looked, err := e.engine.ContinueRecall(ctx)
		if err != nil || looked == 0 {
			return count, err
		}
		if !one.Done.IsZero() {
			count.Requeue = one.Requeued // the last is this one
		}
	}
}

func (g *globals) rulesResume(ctx context.Context, r triage.Recall) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	body, err := r.Encode()
	if err != nil {
		return usage(err)
	}
	found, done := false, false
	err = g.handOver(ctx, d, body, func(e *decider) error {
		done = true
		return e.engine.Update(ctx, func(t *ledger.Tx) (err error) {
			found, err = e.engine.Resume(t, r)
			return err
		})
	})
	switch {
	case err != nil:
		return err
	case !done:
		g.note("handed to the worker; `winnow report rules` shows when %s is in force", plain(r.What()))
	case !found:
		return usage(fmt.Errorf("%s is not suspended", plain(r.What())), "`winnow report rules` shows what is")
	default:
		g.print("%s is in force again", plain(r.What()))
	}
	return nil
}

// printRecall says what a recall did, or would do.
func (g *globals) printRecall(r triage.Recall, c triage.RecallCount, dry bool) error {
	if g.format == formatJSON {
		return g.json(struct {
			What   string `json:"what"`
			DryRun bool   `json:"dry_run"`
			triage.RecallCount
		}{r.What(), dry, c})
	}
	verb := "is suspended"
	if dry {
		verb = "would be suspended"
	}
	g.print("%s %s", plain(r.What()), verb)
	t := &grid{num: map[int]bool{0: true}}
	t.head = []string{"ALERTS", "WHAT"}
	t.add(fmt.Sprint(c.Requeue), "dropped because of it, triaged again")
	t.add(fmt.Sprint(c.Other), "looked at and left closed")
	if r.List != "" {
		t.add(fmt.Sprint(c.Unsure), "left closed: no file has the rule that dropped them any more, so recall that by its ID")
	}
	t.add(fmt.Sprint(c.Gone), "dropped and past retention: only their number is known")
	g.text(t)
	return nil
}
