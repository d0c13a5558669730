package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/audit"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

func verifyCommand(g *globals) *cobra.Command {
	var file, key string
	var after bool
	cmd := &cobra.Command{
		Use: "verify", Short: "hold the audit chain against its hashes and checkpoints", Args: cobra.NoArgs,
		Long: `Hold every entry of the audit chain against its hash and the one before it, the signed checkpoints
against the chain, the record, history and fields of every alert against what was audited, and the
archive against its hashes. The first entry that is not as it was is named, and the exit code is 1.

Whoever can write the state folder can write a whole new chain, and sign it. Checkpoints that were
told to Splunk are out of their reach: give them with --checkpoints, one JSON event a line, as a file
sink wrote them or as Splunk exports them. They also tell when the end of the chain was cut off, or
an older copy of the ledger put in its place.`,
		Example: `  winnow ledger verify
  splunk search 'event_type="winnow:checkpoint"' -output json > heads.json
  winnow ledger verify --checkpoints heads.json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.ledgerVerify(cmd.Context(), file, key, after) },
	}
	f := cmd.Flags()
	f.StringVar(&file, "checkpoints", "", "the `FILE` of checkpoints that were kept elsewhere, - is standard input")
	f.StringVar(&key, "key", "", "the public `KEY` that they are signed with (default: that of the state folder)")
	f.BoolVar(&after, "after-accepted", false, "begin behind the last `winnow ledger accept`")
	return cmd
}

func (g *globals) ledgerVerify(ctx context.Context, file, key string, after bool) error {
	o := ledger.VerifyOptions{AfterAccepted: after}
	var err error
	if o.Outside, err = g.readCheckpoints(file); err != nil {
		return err
	}
	var v *ledger.Verification
	err = g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		if o.Key, err = auditKey(d, key); err != nil {
			return err
		}
		v, err = t.Verify(o)
		return err
	})
	if err != nil && v == nil {
		return err
	}
	if err != nil { // a file that cannot be read to its end is not as it was either
		v.Faults = append(v.Faults, &audit.Fault{Text: err.Error()})
	}
	if g.format == formatJSON {
		if err := g.json(v); err != nil {
			return err
		}
	} else {
		g.printVerification(v, file != "")
	}
	if len(v.Faults) > 0 {
		return failed("the ledger is not as it was written: %s", v.Faults[0].Error())
	}
	return nil
}

// auditKey is the public key that was asked for, or that of the state folder.
func auditKey(d *state.Deployment, text string) (audit.Key, error) {
	if text != "" {
		k, err := audit.ParseKey(text)
		return k, usage(err, "`winnow ledger key` prints one")
	}
	seed, err := d.AuditSeed()
	if err != nil {
		return audit.Key{}, err
	}
	s, err := audit.NewSigner(seed)
	if err != nil {
		return audit.Key{}, err
	}
	return s.Key(), nil
}

func (g *globals) readCheckpoints(file string) ([]audit.Checkpoint, error) {
	if file == "" {
		return nil, nil
	}
	in := g.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, usage(err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	list, err := audit.ReadCheckpoints(in)
	if err != nil {
		return nil, failed("%s: %w", file, err)
	}
	if len(list) == 0 {
		return nil, usage(fmt.Errorf("%s holds no checkpoints", file), "they are events with event_type winnow:checkpoint")
	}
	return list, nil
}

func (g *globals) printVerification(v *ledger.Verification, outside bool) {
	if v.Entries == 0 {
		g.print("entries      none")
	} else {
		g.print("entries      %d to %d, the last is %s", v.First, v.Last, v.Head)
	}
	switch {
	case v.Signed > 0 && v.Signed == v.Last:
		g.print("signed       to the end")
	case v.Signed > 0:
		g.print("signed       up to entry %d: what follows is younger than the last checkpoint", v.Signed)
	default:
		g.print("signed       nothing yet")
	}
	if outside {
		g.print("from outside %s, %d older than the chain, %d of other keys", things(v.Outside, "checkpoint agrees", "checkpoints agree"), v.Older, v.Foreign)
	}
	if v.Accepted > 0 {
		g.print("accepted     %s by a person that the chain was broken", things(v.Accepted, "time", "times"))
	}
	g.print("alerts       %d compared", v.Alerts)
	if v.Bare > 0 {
		g.print("fields       %s theirs to retention, as the chain tells", things(v.Bare, "alert has lost", "alerts have lost"))
	}
	g.print("archive      %s compared", things(v.Archived, "content", "contents"))
	for _, f := range v.Faults {
		fmt.Fprintf(g.styled(), "%s %s\n", red.Render("wrong       "), plain(f.Error()))
	}
	if v.More > 0 {
		fmt.Fprintf(g.styled(), "%s and %s\n", red.Render("wrong       "), things(v.More, "fault more", "faults more"))
	}
}

func auditKeyCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "key", Short: "print the public key of the audit chain", Args: cobra.NoArgs,
		Long: `Print the public key that checkpoints of the audit chain are signed with. Keep it elsewhere, and give
it to ` + "`winnow ledger verify --key`" + `: whoever replaces the key in the state folder is found out by that.`,
		Example: `  winnow ledger key`,
		RunE: func(*cobra.Command, []string) error {
			d, err := g.open()
			if err != nil {
				return err
			}
			key, err := auditKey(d, "")
			if err != nil {
				return err
			}
			g.print("%s", key)
			return nil
		},
	}
}

// acceptance is a person's word that a broken chain goes on.
type acceptance struct {
	Command string `json:"command"` // "accept": what kind of spool command this is
	Actor   string `json:"actor"`
	Reason  string `json:"reason"`
}

const commandAccept = "accept"

// maxAcceptText bounds who and why, in bytes.
const maxAcceptText = 2000

func (a acceptance) check() error {
	switch {
	case a.Command != commandAccept || a.Actor == "":
		return errors.New("nobody is named who accepts: give --by NAME")
	case a.Reason == "":
		return errors.New("no reason is given: give --reason TEXT")
	case len(a.Actor) > maxAcceptText || len(a.Reason) > maxAcceptText:
		return fmt.Errorf("who or why has more than %d bytes", maxAcceptText)
	}
	return nil
}

func acceptCommand(g *globals) *cobra.Command {
	a := acceptance{Command: commandAccept}
	cmd := &cobra.Command{
		Use: "accept", Short: "go on with an audit chain that is broken", Args: cobra.NoArgs,
		Long: `Append to the audit chain that you know of its being broken, so that it goes on and alerts close
again. What is broken stays so, and ` + "`winnow ledger verify`" + ` goes on to say it; --after-accepted begins
behind. Find out first what happened: a backup of the ledger may be the better way.`,
		Example: `  winnow ledger accept --reason "disk error on 3 March, SEC-2201"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.Actor = cmp.Or(a.Actor, userName())
			if err := a.check(); err != nil {
				return usage(err)
			}
			return g.order(a, "it looks at the chain again within a minute", func(d *state.Deployment) error {
				return g.acceptNow(cmd.Context(), d, a)
			})
		},
	}
	cmd.Flags().StringVar(&a.Reason, "reason", "", "why, as `TEXT` for whoever reads it later")
	cmd.Flags().StringVar(&a.Actor, "by", "", "the `NAME` of who accepts it (default: whoever runs this)")
	return cmd
}

func (g *globals) acceptNow(ctx context.Context, d *state.Deployment, a acceptance) (err error) {
	l, err := ledger.Open(ctx, d.Path("ledger.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := l.Update(ctx, func(t *ledger.Tx) error { return t.AcceptAudit(g.now().UnixMicro(), a.Actor, a.Reason) }); err != nil {
		return err
	}
	l.RecheckAudit(ctx)
	if err := l.Unaudited(); err != nil {
		return fmt.Errorf("it is still broken: %w; bring ledger.db back from a backup", err)
	}
	g.print("the audit chain goes on, by %s at %s", plain(a.Actor), g.now().UTC().Format(time.RFC3339))
	return l.View(ctx, func(t *ledger.Tx) error {
		n, err := t.UnauditedAlerts()
		if err == nil && n > 0 {
			g.note("%s for a person only because nothing could be audited; triage them again with `winnow queue retry --cause unaudited`",
				things(n, "alert waits", "alerts wait"))
		}
		return err
	})
}

// applyAccept carries an acceptance out for the worker.
func applyAccept(t *ledger.Tx, engine *triage.Engine, body []byte, log *slog.Logger) error {
	var a acceptance
	err := triage.DecodeCommand(body, &a)
	if err == nil {
		err = a.check()
	}
	if err != nil {
		log.Error("accept refused", "err", err)
		return nil
	}
	log.Warn("a broken audit chain is accepted", "by", a.Actor)
	return t.AcceptAudit(engine.Now().UnixMicro(), a.Actor, a.Reason)
}

// unaudited tells of alerts that are with people only because there was no audit chain.
func (x *diagnosis) unaudited(t *ledger.Tx) error {
	n, err := t.UnauditedAlerts()
	if err == nil && n > 0 {
		x.warn("audit", "once `winnow ledger verify` finds nothing new: `winnow queue retry --cause unaudited` triages them again",
			"%s for a person only because their close could not be audited", things(n, "alert waits", "alerts wait"))
	}
	return err
}
