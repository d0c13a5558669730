package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/offline"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/triage"
)

const replayHelp = `Decide alerts again, offline, and tell what differs. What language models answered is taken from
the ledger; what the offline analysts say, the guards, policy, lists, facts and calibration are
today's. Nothing is changed, nobody is asked, and it costs nothing.

What an alert's decision rested on is recorded with it. Where a decision differs, the versions of what
has changed since are told: the program, the configuration, the rules and lists, the facts found. The
exit code is 1 when a decision differs although none of them has changed.

Alerts that no analyst decided (rules, cache, people) are skipped: see ` + "`winnow rules explain`" + ` and
` + "`winnow cache why`" + `.`

const replayExample = `  winnow replay 01J9ZV3M4T5Q6R7S8T9VAWBXCY
  winnow replay --since 7d --format json | jq 'select(.differs != [])'`

// rerunOptions say what is decided again.
type rerunOptions struct {
	ids   []string
	since time.Time
	limit int
}

func replayCommand(g *globals) *cobra.Command {
	var since string
	var o rerunOptions
	cmd := &cobra.Command{
		Use: "replay [ID...]", Short: "the same decision again, and what differs", Long: replayHelp, Example: replayExample,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.since, err = parseSince(since, g.now()); err != nil {
				return usage(err)
			}
			switch {
			case len(args) == 0 && since == "":
				return usage(errors.New("nothing to replay: name alerts, or give --since"), "`winnow ledger export` lists every alert with its id")
			case len(args) > 0 && (since != "" || o.limit != 0):
				return usage(errors.New("ID and --since or --limit exclude each other"))
			case o.limit < 0:
				return usage(fmt.Errorf("--limit %d is below zero", o.limit))
			}
			o.ids = args
			return g.replay(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&since, "since", "", "every alert received since `T`: 2027-01-31, an RFC 3339 time, or 12h or 7d ago")
	f.IntVar(&o.limit, "limit", 0, "at most `N` alerts, the newest (default: all)")
	return cmd
}

// rerun decides alerts again.
type rerun struct {
	g       *globals
	parts   *parts
	engine  *triage.Engine
	offline llm.Model

	n, skipped, differ, unexplained int
}

func (g *globals) replay(ctx context.Context, o rerunOptions) (err error) {
	r, err := g.openRerun(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.parts.close()) }()
	ids, err := r.ids(ctx, o)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := r.one(ctx, id); err != nil {
			return err
		}
	}
	return r.finish()
}

func (g *globals) openRerun(ctx context.Context) (*rerun, error) {
	d, err := g.open()
	if err != nil {
		return nil, err
	}
	l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db"))
	if err != nil {
		return nil, err
	}
	p, err := g.assemble(d, g.now())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	p.ledger = l
	r := &rerun{g: g, parts: p}
	catalogue, err := readCatalogue(d.Default("attack.csv"))
	if err == nil {
		r.offline = offline.New(catalogue)
		r.engine, err = p.engine(ctx, g.now, nil, nil)
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return r, nil
}

func (r *rerun) ids(ctx context.Context, o rerunOptions) (ids []string, err error) {
	if len(o.ids) > 0 {
		for _, id := range o.ids {
			ids = append(ids, strings.ToUpper(id))
		}
		return ids, nil
	}
	err = r.parts.ledger.View(ctx, func(t *ledger.Tx) (err error) {
		ids, err = t.ReceivedSince(o.since, o.limit)
		return err
	})
	return ids, err
}

// one decides one alert again and prints what came of it.
func (r *rerun) one(ctx context.Context, id string) error {
	var past *triage.Past
	err := r.parts.ledger.View(ctx, func(t *ledger.Tx) (err error) {
		past, err = r.engine.Past(t, id)
		return err
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return usage(err, "`winnow ledger export` lists every alert with its id")
	}
	if err != nil {
		return err
	}
	again, skip := past.Skipped()
	if !skip {
		again, err = r.engine.Again(ctx, past, r.parts.pipeline.Recorded(past.Calls(), r.offline))
	}
	if err != nil {
		return err
	}
	r.count(&again)
	if r.g.format == formatJSON {
		return r.g.json(again)
	}
	printAgain(r.g.styled(), &again)
	return nil
}

func (r *rerun) count(a *triage.Again) {
	switch {
	case a.Skipped != "":
		r.skipped++
		return
	case a.Unexplained():
		r.unexplained++
	}
	r.n++
	if len(a.Differs) > 0 {
		r.differ++
	}
}

func (r *rerun) finish() error {
	r.g.note("%s made again, %s%s", things(r.n, "decision was", "decisions were"), things(r.differ, "differs", "differ"),
		ifAny(r.skipped, ", %d skipped"))
	if r.unexplained > 0 {
		return failed("%s although nothing that it rested on has changed", things(r.unexplained, "decision differs", "decisions differ"))
	}
	return nil
}

// printAgain prints one decision: a line for what is the same or skipped, more for what differs.
func printAgain(w io.Writer, a *triage.Again) {
	name := plain(a.ID) + "  " + oneLine(a.SearchName, 60)
	switch {
	case a.Skipped != "":
		fmt.Fprintf(w, "%s  %s\n", name, dim.Render("skipped: "+plain(a.Skipped)))
		return
	case len(a.Differs) == 0:
		fmt.Fprintf(w, "%s  %s\n", name, green.Render("the same: "+decisionText(&a.Now)))
		return
	}
	fmt.Fprintf(w, "%s  %s\n", name, yellow.Render("differs: "+strings.Join(a.Differs, ", ")))
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %s %s\n", dim.Render(fmt.Sprintf("%-14s", name)), plain(text))
		}
	}
	line("recorded", decisionText(&a.Recorded))
	line("objections", strings.Join(a.Recorded.Objections, ", "))
	line("now", decisionText(&a.Now))
	line("objections", strings.Join(a.Now.Objections, ", "))
	line("not recorded", strings.Join(a.Missing, ", "))
	line("changed since", strings.Join(a.Changed, ", "))
	if a.Cost != (winnow.Cost{}) {
		line("cost", winnow.NanoUSD(a.Cost.MicroUSD*1000).String()+" in "+things(a.Cost.Calls, "call", "calls"))
	}
}

func decisionText(d *triage.Decision) string {
	return fmt.Sprintf("%s (%s), %s with confidence %d", d.State, d.Reason, d.Disposition, d.Confidence)
}
