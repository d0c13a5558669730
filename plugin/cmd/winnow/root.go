package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/health"
	"github.com/winnow-soc/winnow/plugin/state"
)

// globals are the flags that every command takes.
type globals struct {
	*console

	app, content, state string
	set                 []string
	format              string

	session *input // of the modular input; nil for other commands

	batchFor time.Duration   // of `triage --batch`: how long answers may take; 0: no batches
	metrics  *health.Metrics // of the worker; nil for other commands
	prompts  string          // a folder of prompts that `winnow replay` lays over the deployment's; "" for none
}

// The formats of --format. Every command has the first two.
const (
	formatTable  = "table"
	formatJSON   = "json"
	formatCSV    = "csv"
	formatSARIF  = "sarif"
	formatGitHub = "github"
	formatJUnit  = "junit"
)

const rootHelp = `winnow keeps a SOC from paying an LLM, or a person, to look at alerts that are known to be benign.

Splunk starts winnow_triage for every triggered alert; it drops what allow-list rules and past
verdicts cover and stores the rest. The worker (this program) judges that rest, closes what it can
prove benign, and sends what is likely real to a person.

Exit codes: 0 fine; 1 a check or test failed; 2 wrong usage or configuration; 3 could not do the work.`

const rootExample = `  winnow demo                                 # see it work, with made-up alerts
  winnow triage alerts.ndjson                 # judge a file of alerts; changes nothing
  winnow rules test                           # prove the allow-list rules
  winnow review list                          # what waits for a person
  winnow report cost                          # where alerts ended and what that saved`

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, c *console, args []string) int {
	g := &globals{console: c}
	if handled, code := g.asModularInput(ctx, args); handled {
		return code
	}
	root := newRoot(g)
	root.SetArgs(args)
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	err := root.ExecuteContext(ctx)
	if err != nil && ctx.Err() != nil {
		fmt.Fprintln(c.err, "winnow: stopped")
		return exitCannot
	}
	return c.report(err)
}

func newRoot(g *globals) *cobra.Command {
	root := &cobra.Command{
		Use:           "winnow",
		Short:         "drop known-benign alerts for nearly nothing, judge the rest",
		Long:          rootHelp,
		Example:       rootExample,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return g.check(cmd) },

		SuggestionsMinimumDistance: typos,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(err, fmt.Sprintf("see `%s --help`", cmd.CommandPath()))
	})
	f := root.PersistentFlags()
	f.StringVar(&g.app, "app", "", "the app folder `DIR` (default: where this program lies)")
	f.StringVar(&g.content, "content", "", "the folder `DIR` with rules/ and lists/ (default: the apps named in [content])")
	f.StringVar(&g.state, "state", "", "the state folder `DIR` (default: $WINNOW_STATE, else Splunk's)")
	f.StringArrayVar(&g.set, "set", nil, "override one setting: `STANZA.KEY=VALUE`, like gate.run=enforce")
	f.StringVar(&g.format, "format", formatTable, "print results as `FORMAT`: table, json or csv")
	f.BoolVar(&g.quiet, "quiet", false, "print results and errors only")
	root.AddCommand(
		triageCommand(g), evalCommand(g), tuneCommand(g), workerCommand(g), rulesCommand(g), listsCommand(g), contentCommand(g), ledgerCommand(g), queueCommand(g), budgetCommand(g), reviewCommand(g), watchCommand(g),
		cacheCommand(g), gateCommand(g), modeCommand(g), reconcileCommand(g), reportCommand(g), renderCommand(g), pricesCommand(g), replayCommand(g), redactCommand(g), healthCommand(g), doctorCommand(g), demoCommand(g), versionCommand(g),
	)
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" {
			cmd.Short = "explain a command"
		}
		wrapUsage(cmd)
	}
	return root
}

// typos is how many letters of a command may be wrong for the right one to be suggested.
const typos = 2

func (g *globals) check(cmd *cobra.Command) error {
	known := []string{formatTable, formatJSON, formatCSV, formatSARIF, formatGitHub, formatJUnit}
	if !slices.Contains(known, g.format) {
		return usage(fmt.Errorf("unknown --format %q (want table, json or csv)", g.format))
	}
	has := known[:2:2]
	for _, f := range known[2:] {
		if cmd.Annotations[f] != "" {
			has = append(has, f)
		}
	}
	if slices.Contains(has, g.format) {
		return nil
	}
	last := len(has) - 1
	want := strings.Join(has[:last], ", ") + " or " + has[last]
	return usage(fmt.Errorf("`%s` has no --format %s (want %s)", cmd.CommandPath(), g.format, want))
}

// withCSV marks a command that prints CSV too.
func withCSV(cmd *cobra.Command) *cobra.Command { return withFormats(cmd, formatCSV) }

// withFormats marks a command that prints formats beyond table and JSON.
func withFormats(cmd *cobra.Command, formats ...string) *cobra.Command {
	cmd.Annotations = map[string]string{}
	for _, f := range formats {
		cmd.Annotations[f] = "yes"
	}
	return cmd
}

// wrapUsage gives every complaint about arguments the exit code of wrong usage.
func wrapUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			return usage(check(cmd, args), fmt.Sprintf("see `%s --help`", cmd.CommandPath()))
		}
	}
	for _, sub := range cmd.Commands() {
		wrapUsage(sub)
	}
}

// group is a command that only holds others.
func group(use, short, example string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: cobra.ArbitraryArgs, SuggestionsMinimumDistance: typos,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	cmd.AddCommand(subs...)
	return cmd
}

func unknownCommand(cmd *cobra.Command, name string) error {
	err := fmt.Errorf("unknown command %q for %q", name, cmd.CommandPath())
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		for i, name := range near {
			near[i] = fmt.Sprintf("`%s %s`", cmd.CommandPath(), name)
		}
		return usage(err, fmt.Sprintf("did you mean %s?", strings.Join(near, " or ")))
	}
	return usage(err, fmt.Sprintf("see `%s --help`", cmd.CommandPath()))
}

// open reads the configuration.
func (g *globals) open() (*state.Deployment, error) {
	d, err := state.Open(state.Locations{App: g.app, Content: g.content, State: g.state, Set: g.set, Getenv: g.getenv, Now: g.now})
	if err != nil {
		return nil, usage(err)
	}
	return d, nil
}
