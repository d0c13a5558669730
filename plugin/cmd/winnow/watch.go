package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
	"github.com/winnow-soc/winnow/plugin/state"
)

const watchHelp = `Show alerts as they pass the gates: where each ended, the votes and the arguments of the analysts, what
the coordinator made of them, the funnel, and what was spent today. On a terminal it is a screen with
keys; elsewhere, and with --plain, a line for each change of an alert, or its record with --format json.

It reads the ledger and changes nothing, but for decisions: approve and reject say first what they
would do, and settle the whole group, as "winnow review" does.`

// watchFlags are those of `winnow watch`.
type watchFlags struct {
	last  int64
	once  bool
	plain bool
}

// followEvery is how often the ledger is read.
const followEvery = time.Second

func watchCommand(g *globals) *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use: "watch", Short: "alerts as they pass the gates, live", Long: watchHelp, Args: cobra.NoArgs,
		Example: `  winnow watch
  winnow watch --once --last 20              # the last changes, as lines
  winnow watch --format json >> changes.ndjson`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.last < 0 {
				return usage(fmt.Errorf("--last is %d: it counts from 0", f.last))
			}
			d, err := g.open()
			if err != nil {
				return err
			}
			return g.watch(cmd.Context(), d, f, "")
		},
	}
	cmd.Flags().Int64Var(&f.last, "last", 200, "begin with the last `N` changes")
	cmd.Flags().BoolVar(&f.once, "once", false, "print what there is as lines, and end")
	cmd.Flags().BoolVar(&f.plain, "plain", false, "print lines, also on a terminal")
	return cmd
}

// watch follows a ledger until the context ends or a person quits; note stands in the head of the screen.
func (g *globals) watch(ctx context.Context, d *state.Deployment, f watchFlags, note string) (err error) {
	from := &feed{d: d, last: f.last, now: g.now}
	defer func() { err = errors.Join(err, from.close()) }()
	if !g.screened(f) {
		return g.watchLines(ctx, from, f.once)
	}
	_, err = tea.NewProgram(g.watchModel(ctx, d, from, note), tea.WithContext(ctx), tea.WithInput(g.in), tea.WithOutput(g.out)).Run()
	if ctx.Err() != nil { // the demo has come to its end
		err = nil
	}
	return err
}

// screened reports whether there is a screen to draw on.
func (g *globals) screened(f watchFlags) bool {
	return !f.once && !f.plain && g.format == formatTable && terminal(g.out) && terminal(g.in)
}

func (g *globals) watchModel(ctx context.Context, d *state.Deployment, from *feed, note string) *watchModel {
	return &watchModel{
		every: followEvery, grace: d.Settings.Gate.WorkerGrace, note: note,
		read:   func() news { return from.read(ctx) },
		open:   func(id string) ([]string, error) { return g.caseLines(ctx, d, id) },
		ask:    func(id string, a review.Action) *asking { return g.askAbout(ctx, d, id, a) },
		decide: func(dec review.Decision) (string, error) { return g.decideQuietly(ctx, d, dec) },
	}
}

// watchLines prints a line a change. With once it ends when all there is has been printed.
func (g *globals) watchLines(ctx context.Context, from *feed, once bool) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		n := from.read(ctx)
		if n.err != nil {
			return n.err
		}
		if once && from.l == nil && ctx.Err() == nil {
			return fmt.Errorf("%w: %s does not exist", ledger.ErrNone, from.d.Path("ledger.db"))
		}
		for i := range n.events {
			if err := g.watchLine(&n.events[i]); err != nil {
				return err
			}
		}
		if once && len(n.events) == 0 {
			return nil
		}
		if once {
			continue
		}
		select {
		case <-ctx.Done(): // what came before is printed too
			ctx, once = context.WithoutCancel(ctx), true
		case <-tick.C:
		}
	}
}

func (g *globals) watchLine(e *event) error {
	r := &e.record
	if g.format == formatJSON {
		return g.json(r)
	}
	line := fmt.Sprintf("%s  %s  %-10s %-13s %-24s %-16s %s", e.at.Format(time.RFC3339), r.ID, stateOrWould(r), r.Severity,
		oneLine(r.SearchName, 24), voteWords(r.Verdict.Votes), oneLine(eventWhat(r), 120))
	_, err := fmt.Fprintln(g.out, strings.TrimRight(line, " "))
	return err
}

// muted is g with a console of its own, so that nothing is written over the screen.
func (g *globals) muted(out io.Writer) *globals {
	c := *g.console
	c.out, c.err, c.quiet = out, io.Discard, true
	copied := *g
	copied.console, copied.format = &c, formatTable
	return &copied
}

func readView(ctx context.Context, d *state.Deployment, f func(*ledger.Tx) error) error {
	l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db"))
	if err != nil {
		return err
	}
	return errors.Join(l.View(ctx, f), l.Close())
}

// caseLines is a case as `winnow review show` prints it.
func (g *globals) caseLines(ctx context.Context, d *state.Deployment, id string) ([]string, error) {
	var b bytes.Buffer
	quiet := g.muted(&b)
	err := readView(ctx, d, func(t *ledger.Tx) error {
		c, err := review.ReadCase(t, quiet.reviewSite(d, t), id)
		if err == nil {
			quiet.printCase(c)
		}
		return err
	})
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n"), err
}

// askAbout says what a decision would do. It binds to the record that is current now.
func (g *globals) askAbout(ctx context.Context, d *state.Deployment, id string, action review.Action) *asking {
	a := &asking{decision: review.Decision{Action: action, ID: id, Actor: userName(), Reason: "from winnow watch"}}
	a.err = readView(ctx, d, func(t *ledger.Tx) error {
		c, err := review.ReadCase(t, g.muted(io.Discard).reviewSite(d, t), id)
		if err != nil {
			return err
		}
		if !c.Waits {
			return fmt.Errorf("%s does not wait for a person", id)
		}
		for _, choice := range c.Choices {
			if choice.Action == action {
				a.decision.Seq, a.says = c.Seq, string(action)+": "+choice.Says
				return nil
			}
		}
		return fmt.Errorf("there is no verdict to %s in %s: say what it was with `winnow review correct`", action, id)
	})
	return a
}

// decideQuietly hands a decision to the worker, or carries it out, and says what came of it.
func (g *globals) decideQuietly(ctx context.Context, d *state.Deployment, decision review.Decision) (string, error) {
	body, err := decision.Encode()
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	quiet := g.muted(&b)
	handed, err := quiet.write(d, body, func() error { return quiet.decideNow(ctx, d, decision) })
	if handed {
		return string(decision.Action) + " handed to the worker", err
	}
	first, _, _ := strings.Cut(b.String(), "\n")
	return first, err
}
