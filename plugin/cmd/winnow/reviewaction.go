package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/respond"
	"github.com/winnow-soc/winnow/plugin/review"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// reviewActionCommands are the commands about response actions.
func reviewActionCommands(g *globals) []*cobra.Command {
	var all bool
	var limit int
	list := withCSV(&cobra.Command{
		Use: "actions", Short: "response actions that wait for approval", Args: cobra.NoArgs,
		Long: `List the response actions that are proposed, approved or being carried out, what expires first before the
rest. Nothing is done without the approvals that it takes; what nobody decides in time is never done, and
its alert is escalated. [action:KIND] in winnow.conf says which actions there are.`,
		Example: `  winnow review actions
  winnow review actions --all --limit 50 --format json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.actionList(cmd.Context(), all, limit) },
	})
	list.Flags().BoolVar(&all, "all", false, "also those that were done, rejected or have expired, the newest first")
	list.Flags().IntVar(&limit, "limit", 20, "at most `N`; 0 shows all")
	show := &cobra.Command{
		Use: "action ID", Short: "one response action, and what people said of it", Args: cobra.ExactArgs(1),
		Long: `Print a response action with what it does and to whom, the hash of action, target and evidence that
approvals bind to, and what people said of it.`,
		Example: `  winnow review action 6D2F8A9B0C1D2E3F4A5B`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.actionShow(cmd.Context(), strings.ToUpper(args[0]))
		},
	}
	return []*cobra.Command{
		list, show,
		g.decideAction(review.ApproveAction, "approve-action ID", "a response action may be carried out", `Approve a response action. It is carried out once, when as many people have approved as it takes, nobody has
rejected it, and alert, evidence and target are still what they were.`),
		g.decideAction(review.RejectAction, "reject-action ID", "a response action must not be carried out", `Reject a response action. One person is enough, whoever has approved it; once it is being carried out it
is too late.`),
		g.decideAction(review.EditAction, "edit-action ID", "another action or target in the place of one", `Put another response action in the place of one: another kind, or the value of another field of the alert as
its target. Nobody has approved the new one yet. One that has expired or failed is proposed again so.`),
		g.decideAction(review.ProposeAction, "propose-action ALERT", "propose a response action on an alert", `Propose a response action on an alert that waits for people. The target is the only value of a field of the
alert. Who proposes it has not approved it yet.`),
		g.decideAction(review.UndoAction, "undo-action ID", "take back what was done", `Propose to take back a response action that was carried out, where undo in [action:KIND] says that it can be.
That takes the same approvals as the action.`),
	}
}

func (g *globals) decideAction(step review.ActionStep, use, short, long string) *cobra.Command {
	d := review.ActionDecision{Step: step}
	var kind string
	name, _, _ := strings.Cut(use, " ")
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.ExactArgs(1),
		Example: "  winnow review " + name + ` 6D2F8A9B0C1D2E3F4A5B --reason "..."`,
		RunE: func(cmd *cobra.Command, args []string) error {
			d.ID, d.Actor, d.Kind = strings.ToUpper(args[0]), cmp.Or(d.Actor, userName()), ledger.ActionKind(kind)
			return g.actionDecide(cmd.Context(), d)
		},
	}
	f := cmd.Flags()
	f.StringVar(&d.Reason, "reason", "", "why, as `TEXT` for whoever reads it later")
	f.StringVar(&d.Actor, "by", "", "the `NAME` of who decides (default: whoever runs this)")
	switch step {
	case review.ProposeAction:
		cmd.Example = `  winnow review propose-action 01J9ZV3M4T5Q6R7S8T9VAWBXCY --kind block --field src`
	case review.EditAction:
		cmd.Example = `  winnow review edit-action 6D2F8A9B0C1D2E3F4A5B --field dest --reason "src is our proxy"`
	case review.ApproveAction, review.RejectAction, review.UndoAction:
		return cmd
	}
	f.StringVar(&kind, "kind", "", "what to do, as `KIND`: block (an address) or disable (an account)")
	f.StringVar(&d.Field, "field", "", "the `FIELD` of the alert whose value is the target")
	return cmd
}

// actionPolicy is what the configuration says of response actions, nil when there are none. Without lists
// nothing may be done: that is enough to read.
func actionPolicy(s *conf.Settings, lists func() respond.Lists) *review.ActionPolicy {
	actions := s.Actions()
	if len(actions) == 0 {
		return nil
	}
	guard := &respond.Guard{Own: s.Redact.Networks, Never: s.Review.NeverAct, Resolvers: respond.Resolvers(), Lists: lists}
	p := &review.ActionPolicy{
		Rules: map[ledger.ActionKind]review.ActionRule{}, TTL: s.Review.ActionTTL, Allow: guard.Allow,
		Live: func(search string) bool { return s.Search(search).Run == winnow.RunEnforce },
	}
	for kind, a := range actions {
		p.Rules[ledger.ActionKind(kind)] = review.ActionRule{
			Approvers: s.Review.ApproversOf(kind), Undo: a.Undo, Dry: a.Run != conf.ActionOn,
		}
	}
	return p
}

func (g *globals) actionList(ctx context.Context, all bool, limit int) error {
	return g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		found, err := review.ListActions(t, actionPolicy(d.Settings, nil), g.now(), all, limit)
		if err != nil {
			return err
		}
		table := &grid{head: []string{"ID", "STATE", "ACTION", "TARGET", "APPROVALS", "EXPIRES", "SEARCH", "ALERT"}}
		for i := range found {
			p := &found[i]
			if g.format == formatJSON {
				if err := g.json(p); err != nil {
					return err
				}
			}
			table.rows = append(table.rows, []string{
				p.ID, string(p.State), actionName(p), oneLine(p.Target, 45), fmt.Sprintf("%d of %d", p.Approvals, p.Need),
				p.Expires.UTC().Format(time.RFC3339), oneLine(p.SearchName, 36), p.Alert,
			})
		}
		switch {
		case g.format == formatCSV:
			return g.csv(table)
		case g.format == formatTable && len(found) == 0:
			g.note("no response action waits for anybody")
		case g.format == formatTable:
			g.text(table)
			g.note("\ndecide with `winnow review action ID`, then `approve-action ID` or `reject-action ID`")
		}
		return nil
	})
}

func actionName(p *review.Proposal) string {
	name := string(p.Kind)
	if p.Undo {
		name = "undo " + name
	}
	if p.Dry {
		name += " (dry run)"
	}
	return name
}

func (g *globals) actionShow(ctx context.Context, id string) error {
	return g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		p, err := review.ReadAction(t, actionPolicy(d.Settings, nil), g.now(), id)
		if errors.Is(err, ledger.ErrNotFound) {
			return usage(err, "`winnow review actions --all` shows them")
		}
		if err != nil {
			return err
		}
		if g.format == formatJSON {
			return g.json(&p)
		}
		g.print("%s %s (%s of alert %s, %s)", actionName(&p), plain(p.Target), plain(p.Field), p.Alert, plain(p.SearchName))
		g.print("state      %s%s", p.State, ifText(p.Detail, ": "+plain(p.Detail)))
		g.print("proposed   %s by %s%s", p.At.UTC().Format(time.RFC3339), cmp.Or(plain(p.Actor), "the analysts"), ifText(p.Reason, ": "+plain(p.Reason)))
		g.print("expires    %s", p.Expires.UTC().Format(time.RFC3339))
		g.print("approvals  %d of %d", p.Approvals, p.Need)
		for _, v := range p.Votes {
			said := "rejected"
			if v.Approve {
				said = "approved"
			}
			g.print("           %s %s at %s%s", plain(v.Actor), said, v.At.UTC().Format(time.RFC3339), ifText(v.Reason, ": "+plain(v.Reason)))
		}
		g.print("hash       %s", p.Hash)
		return nil
	})
}

func ifText(s, then string) string {
	if s == "" {
		return ""
	}
	return then
}

// actionDecide hands a decision about an action to the worker, or carries it out when none runs.
func (g *globals) actionDecide(ctx context.Context, decision review.ActionDecision) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	if decision.Step != review.RejectAction && actionPolicy(d.Settings, nil) == nil { // a no is heard all the same
		return usage(errors.New("response actions are switched off"), "an [action:block] in winnow.conf switches one on; begin with run = dry_run")
	}
	if decision.Step != review.ProposeAction {
		if decision.Hash, err = g.actionSeen(ctx, d, decision.ID); err != nil {
			return err
		}
	}
	body, err := decision.Encode()
	if err != nil {
		return usage(err)
	}
	handed, err := g.write(d, body, func() error { return g.actionNow(ctx, d, decision) })
	if handed && err == nil {
		g.note("handed to the worker; `winnow review actions --all` tells when it is done")
	}
	return err
}

// actionSeen reads the hash that the decision binds to.
func (g *globals) actionSeen(ctx context.Context, d *state.Deployment, id string) (hash [32]byte, err error) {
	l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db"))
	if err != nil {
		return hash, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	err = l.View(ctx, func(t *ledger.Tx) error {
		a, err := t.Action(id)
		hash = a.Hash
		return err
	})
	if errors.Is(err, ledger.ErrNotFound) {
		err = usage(err, "`winnow review actions --all` shows them")
	}
	return hash, err
}

func (g *globals) actionNow(ctx context.Context, d *state.Deployment, decision review.ActionDecision) (err error) {
	r, err := g.openDecider(ctx, d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.parts.close()) }()
	var a ledger.Action
	err = r.engine.Update(ctx, func(t *ledger.Tx) error {
		a, err = review.ApplyAction(t, r.engine.Actions, r.engine.Now(), decision)
		return err
	})
	if errors.Is(err, review.ErrRefused) {
		return usage(err)
	}
	if err != nil {
		return err
	}
	if g.format == formatJSON {
		return g.json(&a)
	}
	g.print("%s %s is %s%s", a.Kind, plain(a.Target), a.State, ifText(a.ID, ": action "+a.ID))
	return nil
}

// applyAction carries out a person's decision about an action from the spool. One that is refused never can be.
func applyAction(t *ledger.Tx, engine *triage.Engine, body []byte, log *slog.Logger) error {
	d, err := review.DecodeAction(body)
	var a ledger.Action
	if err == nil {
		a, err = review.ApplyAction(t, engine.Actions, engine.Now(), d)
	}
	if errors.Is(err, review.ErrRefused) {
		log.Error("decision about an action refused", "step", string(d.Step), "id", d.ID, "err", err)
		return nil
	}
	if err == nil {
		log.Info("decision about an action applied", "step", string(d.Step), "action", a.ID, "id", a.Alert, "state", string(a.State))
	}
	return err
}
