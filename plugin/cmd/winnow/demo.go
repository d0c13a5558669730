package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/packaging/demo"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
	"github.com/winnow-soc/winnow/plugin/state"
)

const demoHelp = `Show winnow at work without a Splunk: lay the app out in a folder as Splunk would, start the real
worker, hand a made-up day of some 400 alerts to the real winnow_triage the way splunkd does (ten at
a time, payload on standard input), and show where they ended.

The folder is kept, so that the other commands can be tried on it.`

func demoCommand(g *globals) *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use: "demo", Short: "see it work, with a made-up day of alerts", Long: demoHelp, Args: cobra.NoArgs,
		Example: `  winnow demo
  winnow demo --dir ./demo --seed 7
  winnow demo --live                         # watch the day go by in a minute and a half`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.demo(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.dir, "dir", "", "the folder `DIR` to work in; one of an earlier demo is replaced (default: a new temporary one)")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "another `N` makes another day")
	cmd.Flags().BoolVar(&f.live, "live", false, "fire the day at its own pace, only faster, and show it as `winnow watch` does")
	cmd.Flags().DurationVar(&f.over, "over", 90*time.Second, "with --live: the `TIME` that the day takes, up to 1h")
	return cmd
}

// demoFlags are those of `winnow demo`.
type demoFlags struct {
	dir  string
	seed uint64
	live bool
	over time.Duration
}

func (g *globals) demo(ctx context.Context, f demoFlags) error {
	if f.over <= 0 || f.over > time.Hour {
		return usage(fmt.Errorf("--over is %s: want up to 1h", f.over))
	}
	stage, err := g.layOut(f.dir)
	if err != nil {
		return err
	}
	now := g.now()
	if err := demo.WriteContent(filepath.Join(stage.apps(), "winnow_content"), now); err != nil {
		return err
	}
	day := demo.Dispatches(f.seed, now)
	if !g.quiet {
		fmt.Fprintln(colorprofile.NewWriter(g.err, os.Environ()), bold.Render("winnow demo"))
	}
	g.note("  %d alerts of %d searches, fired at the real winnow_triage as splunkd does\n", demo.Alerts(day), searches(day))
	started := g.now()
	if f.live {
		err = g.demoLive(ctx, stage, day, f)
	} else {
		err = stage.run(ctx, day)
	}
	if err != nil {
		return err
	}
	g.note("  %d processes in %.1f s; every row is in the ledger", len(day), g.now().Sub(started).Seconds())
	return g.showDemo(ctx, stage)
}

func searches(day []demo.Dispatch) int {
	names := map[string]bool{}
	for _, d := range day {
		names[d.SearchName] = true
	}
	return len(names)
}

// showDemo tells what came of the day: the funnel, three cases, one close, the bill.
func (g *globals) showDemo(ctx context.Context, s *stage) error {
	g.app, g.state, g.content, g.set = s.app(), s.state(), "", nil
	return g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		c, err := g.cost(d, t, ledger.Span{})
		if err != nil {
			return err
		}
		if g.format == formatJSON {
			return g.json(c)
		}
		w := g.styled()
		fmt.Fprintln(w)
		printFunnel(w, &c)
		queue, err := review.Queue(t, review.Filter{}, "")
		if err != nil {
			return err
		}
		groups := queue.Groups
		g.showCases(groups)
		if err := g.showClose(t); err != nil {
			return err
		}
		printBill(w, &c)
		g.showNext(s, groups)
		return nil
	})
}

func (g *globals) showCases(groups []review.Group) {
	w := g.styled()
	fmt.Fprintf(w, "\n%s\n", bold.Render("Three cases ready for paging"))
	for i, gr := range firstCases(groups, 3) {
		r := &gr.First
		c := r.Verdict.Case
		fmt.Fprintf(w, "\n  %d. %s  %s, %s\n", i+1, red.Render(plain(r.SearchName)), r.Severity, orDash(strings.Join(r.Verdict.Techniques, " ")))
		for _, line := range [][2]string{{"what", c.What}, {"why", c.Why}, {"next", c.FirstResponse}} {
			fmt.Fprintf(w, "     %s %s\n", dim.Render(fmt.Sprintf("%-5s", line[0])), wrapped(plain(line[1]), 100, "           "))
		}
		fmt.Fprintf(w, "     %s %s (%s)\n", dim.Render("alert"), r.ID, r.Outcome.Reason)
	}
}

// firstCases returns the first n groups that are escalated, one a search.
func firstCases(groups []review.Group, n int) []review.Group {
	var out []review.Group
	seen := map[string]bool{}
	for _, gr := range groups {
		if gr.First.Outcome.State == winnow.StateEscalated && !seen[gr.First.SearchName] && len(out) < n {
			seen[gr.First.SearchName] = true
			out = append(out, gr)
		}
	}
	return out
}

func (g *globals) showClose(t *ledger.Tx) error {
	id, err := t.FirstWith(winnow.StateClosed, winnow.SourceRule)
	if err != nil || id == "" {
		return err
	}
	r, err := t.Record(id)
	if err != nil {
		return err
	}
	w := g.styled()
	fmt.Fprintf(w, "\n%s\n\n", bold.Render("One alert that nobody had to look at"))
	fmt.Fprintf(w, "     %s, %s: closed by the allow-list rule %s\n", green.Render(plain(r.SearchName)), r.Severity, green.Render(r.Proposal.Rule))
	fmt.Fprintf(w, "     %s %s\n", dim.Render("what "), wrapped(plain(r.Verdict.Case.What), 100, "           "))
	fmt.Fprintf(w, "     %s %s\n", dim.Render("why  "), wrapped(plain(r.Verdict.Case.Why), 100, "           "))
	fmt.Fprintf(w, "     %s %s\n\n", dim.Render("alert"), r.ID)
	return nil
}

func (g *globals) showNext(s *stage, groups []review.Group) {
	id := "ID"
	if len(groups) > 0 {
		id = groups[0].First.ID
	}
	lines := [][2]string{
		{"review list", "what waits for a person"},
		{"review show " + id, "one case, whole"},
		{"review correct " + id + " --as TruePositive", "say what it was"},
		{"rules test", "prove the rules that dropped the rest"},
		{"report savings", "which rule paid for itself"},
		{"report bill", "which detection to mend first"},
		{"report pilot", "which searches can be enforced"},
		{"report whatif --set policy.confidence=70", "what another threshold would change"},
	}
	width := 0
	for _, line := range lines {
		width = max(width, len(line[0]))
	}
	w := g.styled()
	fmt.Fprintf(w, "\n%s\n", bold.Render("Try next"))
	for _, line := range lines {
		fmt.Fprintf(w, "  %s %-*s  %s\n", s.command(), width, line[0], dim.Render("# "+line[1]))
	}
}

// wrapped breaks text into lines of at most n characters, all but the first indented.
func wrapped(text string, n int, indent string) string {
	var out strings.Builder
	width := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case width+1+len(word) > n:
			out.WriteString("\n" + indent)
			width = 0
		default:
			out.WriteString(" ")
			width++
		}
		out.WriteString(word)
		width += len(word)
	}
	return out.String()
}

var errNotDemo = errors.New("it is not empty and not an earlier demo")

const demoTimeout = 5 * time.Minute
