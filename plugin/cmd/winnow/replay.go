package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/offline"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/triage"
)

const replayHelp = `Decide alerts again, offline, and tell what differs. What language models answered is taken from
the ledger; what the offline analysts say, the guards, policy, lists, facts and calibration are
today's. Nothing is changed, nobody is asked, and it costs nothing.

With --model or --prompts language models are asked anew, and what would change is told: --model in the
place of the stages' own models and of the agents' that are language models, --prompts with a folder of
templates laid over the deployment's. That costs money: it counts against [budget], and is no cost of the
alerts. Nothing else is changed.

What an alert's decision rested on is recorded with it. Where a decision differs, the versions of what
has changed since are told: the program, the configuration, the rules and lists, the facts found. The
exit code is 1 when a recorded decision differs although none of them has changed.

Alerts that no analyst decided (rules, cache, people) are skipped: see ` + "`winnow rules explain`" + ` and
` + "`winnow cache why`" + `.`

const replayExample = `  winnow replay 01J9ZV3M4T5Q6R7S8T9VAWBXCY
  winnow replay --since 7d --format json | jq 'select(.differs != [])'
  winnow replay --since 7d --limit 50 --model openai:gpt-5.4-mini --prompts ./prompts`

// rerunOptions say what is decided again.
type rerunOptions struct {
	ids   []string
	since time.Time
	limit int

	model, baseURL, prompts string // of models that are asked anew
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
			case o.baseURL != "" && o.model == "":
				return usage(errBaseURLAlone)
			case o.limit < 0:
				return usage(fmt.Errorf("--limit %d is below zero", o.limit))
			}
			o.ids = args
			return g.replay(cmd.Context(), &o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&since, "since", "", "every alert received since `T`: 2027-01-31, an RFC 3339 time, or 12h or 7d ago")
	f.IntVar(&o.limit, "limit", 0, "at most `N` alerts, the newest (default: all)")
	f.StringVar(&o.model, "model", "", "ask `NAME` anew: openai:NAME, anthropic:NAME or a [model:NAME]")
	f.StringVar(&o.baseURL, "base-url", "", "ask --model openai:NAME or anthropic:NAME at the server `URL`")
	f.StringVar(&o.prompts, "prompts", "", "ask anew with the prompts of folder `DIR`, laid over the deployment's")
	return cmd
}

// rerun decides alerts again.
type rerun struct {
	g       *globals
	parts   *parts
	engine  *triage.Engine
	offline llm.Model
	asks    bool // models are asked anew

	deciding sync.Mutex // of the engine, which serves one at a time but for asking

	mu    sync.Mutex
	done  []*triage.Again // by place; printed in order
	shown int

	n, skipped, differ, unexplained int
	closer, farther, unanswered     int
	cost                            winnow.Cost
	failure                         string // why the first got no answer
}

func (g *globals) replay(ctx context.Context, o *rerunOptions) (err error) {
	var r *rerun
	if o.asks() {
		r, err = g.openAsking(ctx, o)
	} else {
		r, err = g.openRerun(ctx)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.parts.close()) }()
	ids, err := r.ids(ctx, o)
	if err != nil {
		return err
	}
	if err := r.all(ctx, ids); err != nil {
		return err
	}
	if r.asks {
		return r.finishAsked()
	}
	return r.finish()
}

// all decides again, [worker] concurrency at a time.
func (r *rerun) all(ctx context.Context, ids []string) error {
	r.done = make([]*triage.Again, len(ids))
	tasks, each := errgroup.WithContext(ctx)
	tasks.SetLimit(max(r.parts.Settings.Worker.Concurrency, 1))
	for i, id := range ids {
		if each.Err() != nil {
			break
		}
		tasks.Go(func() error {
			again, err := r.one(each, id)
			if err != nil {
				return err
			}
			return r.take(i, &again)
		})
	}
	if err := tasks.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx) // nil but for somebody who has had enough
}

// take prints what came of the alert at a place, when all before it are printed.
func (r *rerun) take(i int, again *triage.Again) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.done[i] = again; r.shown < len(r.done) && r.done[r.shown] != nil; r.shown++ {
		a := r.done[r.shown]
		r.count(a)
		if r.g.format != formatJSON {
			printAgain(r.g.styled(), a, r.asks)
		} else if err := r.g.json(a); err != nil {
			return err
		}
	}
	return nil
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

func (r *rerun) ids(ctx context.Context, o *rerunOptions) (ids []string, err error) {
	if len(o.ids) > 0 {
		return r.named(ctx, o.ids)
	}
	err = r.parts.ledger.View(ctx, func(t *ledger.Tx) (err error) {
		ids, err = t.ReceivedSince(o.since, o.limit)
		return err
	})
	return ids, err
}

// named looks for every alert that is named before the first is asked about.
func (r *rerun) named(ctx context.Context, names []string) (ids []string, err error) {
	err = r.parts.ledger.View(ctx, func(t *ledger.Tx) error {
		for _, name := range names {
			id := strings.ToUpper(name)
			if slices.Contains(ids, id) {
				continue
			}
			if _, err := t.Record(id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, usage(err, "`winnow ledger export` lists every alert with its id")
	}
	return ids, err
}

// one decides one alert again. Safe for concurrent use.
func (r *rerun) one(ctx context.Context, id string) (triage.Again, error) {
	var past *triage.Past
	r.deciding.Lock()
	err := r.parts.ledger.View(ctx, func(t *ledger.Tx) (err error) {
		if past, err = r.engine.Past(t, id); err != nil || !r.asks {
			return err
		}
		if _, skip := past.Skipped(); !skip {
			err = r.engine.Anew(t, past)
		}
		return err
	})
	r.deciding.Unlock()
	if err != nil {
		return triage.Again{}, err
	}
	again, skip := past.Skipped()
	if skip {
		return again, nil
	}
	analyst := r.parts.pipeline
	if !r.asks {
		analyst = analyst.Recorded(past.Calls(), r.offline)
	}
	an, err := r.engine.AskAgain(ctx, past, analyst)
	if err != nil {
		return triage.Again{}, err
	}
	r.deciding.Lock()
	defer r.deciding.Unlock()
	return r.engine.Again(past, an)
}

func (r *rerun) count(a *triage.Again) {
	switch {
	case a.Skipped != "":
		r.skipped++
		return
	case r.asks:
		r.countAsked(a)
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
func printAgain(w io.Writer, a *triage.Again, asked bool) {
	name := plain(a.ID) + "  " + oneLine(a.SearchName, 60)
	switch {
	case a.Skipped != "":
		fmt.Fprintf(w, "%s  %s\n", name, dim.Render("skipped: "+plain(a.Skipped)))
		return
	case asked && a.Failed != "":
		fmt.Fprintf(w, "%s  %s\n", name, yellow.Render("no answer: "+plain(a.Failed)))
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
