package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/rules"
)

const doctorHelp = `Look at everything this deployment needs and say what is out of order and how to mend it. Nothing is
changed. The sinks of winnow.conf are asked whether they are there, with GET; nothing else is sent. Exits
with 1 when something is wrong; warnings do not count.

With --model, ask that language model about two made-up alerts instead, and say which stages it is
fit for: one line for each stage. Nothing of this deployment is sent, and nothing is booked, but
whoever runs the model bills 14 calls or more. Exits with 1 when it is unfit for a stage, with 3 when
it cannot be reached.`

func doctorCommand(g *globals) *cobra.Command {
	var model, baseURL string
	cmd := &cobra.Command{
		Use: "doctor", Short: "find out what is wrong with this deployment", Long: doctorHelp, Args: cobra.NoArgs,
		Example: `  winnow doctor
  winnow doctor --format json
  winnow doctor --model openai:qwen3:8b --base-url http://127.0.0.1:11434/v1`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case model != "":
				return g.doctorModel(cmd.Context(), model, baseURL)
			case baseURL != "":
				return usage(errors.New("--base-url without --model: name the model that the server has, like --model openai:NAME"))
			}
			return g.doctor(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&model, "model", "", "ask whether `NAME` is fit for each stage: openai:NAME, anthropic:NAME or a [model:NAME]")
	cmd.Flags().StringVar(&baseURL, "base-url", "", "ask --model openai:NAME or anthropic:NAME at the server `URL`")
	return cmd
}

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	Level  string `json:"level"` // ok, warning or error
	Detail string `json:"detail"`
	Mend   string `json:"mend"`
}

type diagnosis struct {
	g *globals
	d *state.Deployment
	f []finding

	ctx context.Context //nolint:containedctx // a diagnosis is one command
}

func (x *diagnosis) ok(check, format string, args ...any) {
	x.f = append(x.f, finding{check, "ok", fmt.Sprintf(format, args...), ""})
}

func (x *diagnosis) warn(check, mend, format string, args ...any) {
	x.f = append(x.f, finding{check, "warning", fmt.Sprintf(format, args...), mend})
}

func (x *diagnosis) wrong(check, mend string, err error) {
	x.f = append(x.f, finding{check, "error", err.Error(), mend})
}

func (g *globals) doctor(ctx context.Context) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	x := &diagnosis{g: g, d: d, ctx: ctx}
	x.ok("configuration", "app %s, run %s, place %s", d.App, d.Settings.Gate.Run, d.Settings.Gate.Place)
	x.content()
	x.tables()
	x.knowledge()
	x.state()
	x.worker()
	x.spool()
	x.ledger(ctx)
	x.splunk()
	x.enterpriseSecurity()
	x.sinks(ctx)
	return x.print()
}

// content looks at rules, lists and the escalate list.
func (x *diagnosis) content() {
	d := x.d
	if len(d.Content) == 0 {
		x.warn("content", "install the content app, or name a folder with --content DIR", "no rules and no lists: nothing is dropped by rule")
	}
	good, err := rules.ReadGood(d.Path("lists.good.json"))
	if err != nil {
		x.wrong("lists", "nothing is dropped until it can be read", err)
	}
	lists, err := rules.LoadLists(rules.ListOptions{Folders: d.ListPaths(), Good: good, Shrink: d.Settings.Gate.ListShrink})
	x.all("lists", "rules that read it match nothing", err)
	opts := rules.Options{Fields: d.Fields, Lists: lists, Now: x.g.now()}
	set, err := rules.Load(opts, d.RulePaths()...)
	wayOut := "see `winnow rules check`"
	if _, missing := os.Stat(d.Path("rules.current")); missing == nil {
		wayOut += "; until they are mended the worker goes on with the last good rules"
	}
	x.all("rules", wayOut, err)
	if set != nil {
		x.ok("rules", "%d rules, %d lists, version %.19s", len(set.Rules()), len(lists.Names()), set.Version())
		x.expiry(set)
		x.approvals(set)
	}
	escalate, err := rules.LoadEscalate(opts, d.EscalatePaths()...)
	x.all("escalate list", "nothing is dropped until it can be read", err)
	if err == nil {
		x.ok("escalate list", "%d conditions", len(escalate.Entries()))
	}
	settings := slices.DeleteFunc(d.SettingsPaths(), func(path string) bool {
		_, err := os.Lstat(path)
		return errors.Is(err, fs.ErrNotExist)
	})
	if err := d.Trusted(slices.Concat(d.RulePaths(), d.ListPaths(), d.EscalatePaths(), settings)...); err != nil {
		x.wrong("permissions", "nothing is dropped until nobody else can write these files", err)
	}
}

func (x *diagnosis) all(check, mend string, err error) {
	if err == nil {
		return
	}
	for _, e := range flatten(err) {
		x.wrong(check, mend, e)
	}
}

// expirySoon is how long before its expiry a rule is mentioned.
const expirySoon = 14 * 24 * time.Hour

func (x *diagnosis) expiry(set *rules.Set) {
	now := x.g.now()
	for _, r := range set.Rules() {
		switch {
		case !now.Before(r.Expires):
			x.warn("rules", "renew or delete it", "%s: rule %q has expired and drops nothing", r.Pos, r.ID)
		case r.Expires.Sub(now) < expirySoon:
			x.warn("rules", "renew it in time", "%s: rule %q expires %s", r.Pos, r.ID, r.Expires.Format(time.DateOnly))
		}
	}
}

// approvals looks at the signatures of the rules that need some.
func (x *diagnosis) approvals(set *rules.Set) {
	_, all, err := x.g.checkApprovals(x.d, set, true)
	x.all("approvals", "no rule is approved until this is mended", err)
	for _, e := range lacking(all) {
		x.warn("approvals", e.Hint, "%s:%d: rule %q: %s", e.File, e.Line, e.Rule, e.Message)
	}
	if len(all) > 0 && len(lacking(all)) == 0 {
		x.ok("approvals", "%s", things(len(all), "rule that needs them has its approvals", "rules that need them have their approvals"))
	}
}

// tables looks at the shipped tables.
func (x *diagnosis) tables() {
	facts, err := llm.LoadFacts(x.d.FactsPaths()...)
	if err != nil {
		x.wrong("benign facts", "", err)
	}
	if _, models, err := x.g.openPipeline(x.d, facts, nil, nil); err != nil {
		x.wrong("analysts", "", err)
	} else if len(models.providers) > 0 {
		x.modelKeys(models)
	}
	table, err := openPrices(x.d)
	if err != nil {
		x.wrong("prices", "", err)
		return
	}
	if _, ok := table.Price(x.d.Settings.Pipeline.Model, x.g.now()); !ok {
		x.warn("prices", "set [pipeline] model to one of default/prices.yaml", "model %q has no price: there is no bill", x.d.Settings.Pipeline.Model)
	}
}

// state looks at the state folder.
func (x *diagnosis) state() {
	info, err := os.Stat(x.d.State)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.warn("state", "it is made at the first alert, or by the worker", "%s does not exist yet", x.d.State)
		return
	case err != nil:
		x.wrong("state", "", err)
		return
	case info.Mode().Perm()&0o077 != 0:
		x.wrong("state", "run chmod 700 on it", fmt.Errorf("%s can be read by others (%s)", x.d.State, info.Mode().Perm()))
	}
	if kind, err := state.NetworkDisk(x.d.State); err == nil && kind != "" {
		x.wrong("state", "move it to a local disk: neither the worker's lock nor SQLite holds over a network",
			fmt.Errorf("%s lies on a network file system (%s)", x.d.State, kind))
	}
	if _, err := x.d.Keys(); err != nil {
		x.wrong("secret", "ids, cached verdicts and samples depend on it", err)
	}
	if _, err := allowlist.ReadSuspensions(x.d.Path("suspensions.json")); err != nil {
		x.wrong("suspensions", "nothing is dropped until it is back: take it from a backup", err)
	}
	x.calibration()
	switch {
	case x.d.ModeErr != nil:
		x.wrong("mode", "`winnow mode off`, or switch one on", x.d.ModeErr)
	case x.d.Mode.Name != "":
		x.warn("mode", "winnow mode off", "%s", modeText(x.d.Mode))
	}
	s, err := x.d.GateSwitch()
	switch {
	case err != nil:
		x.wrong("gate", "every alert passes until it can be read", err)
	case s.Off:
		x.warn("gate", "winnow gate on", "the gate is off: every alert passes")
	default:
		x.ok("gate", "on")
	}
}

// calibration looks at the fitted tables.
func (x *diagnosis) calibration() {
	c, err := readCalibration(x.d)
	switch {
	case err != nil:
		x.wrong("calibration", "models close nothing until it is back, or `winnow eval --fit` has run again", err)
	case c != nil:
		x.ok("calibration", "%s", things(len(c.Tables()), "fitted table", "fitted tables"))
	}
}

func (x *diagnosis) worker() {
	if x.d.Alive(x.g.now()) {
		x.ok("worker", "alive%s", x.holder())
		return
	}
	x.warn("worker", "enable the input winnow://worker, or run `winnow worker`",
		"no heartbeat within %s: nothing closes from the cache and nothing is triaged", x.d.Settings.Gate.WorkerGrace)
}

// holder names the process that is the worker, when it has said so.
func (x *diagnosis) holder() string {
	if h, err := x.d.Holder(); err == nil {
		return ": " + h.String()
	}
	return ""
}

func (x *diagnosis) spool() {
	entries, err := alertaction.ReadSpool(x.d.Path("spool"), x.g.now())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		x.wrong("spool", "alerts cannot be stored", err)
		return
	}
	bad, _ := os.ReadDir(x.d.Path("spool/bad"))
	if len(bad) > 0 {
		x.warn("spool", "look at spool/bad; its rows are in the ledger as far as they could be read", "%s set aside", things(len(bad), "damaged record was", "damaged records were"))
	}
	x.ok("spool", "%s for the worker", things(len(entries), "record waits", "records wait"))
}

// checkLedgerFor bounds the check of the ledger.
const checkLedgerFor = 30 * time.Second

func (x *diagnosis) ledger(ctx context.Context) {
	l, err := ledger.OpenReadOnly(ctx, x.d.Path("ledger.db"))
	if errors.Is(err, ledger.ErrNone) {
		x.ok("ledger", "none yet")
		return
	}
	if err != nil {
		x.wrong("ledger", "", err)
		return
	}
	defer func() { _ = l.Close() }()
	checking, cancel := context.WithTimeout(ctx, checkLedgerFor)
	defer cancel()
	err = l.Check(checking)
	switch {
	case err != nil && ctx.Err() == nil && checking.Err() != nil:
		x.warn("ledger", "`winnow ledger backup FILE` checks all of it", "so large that only a part was checked in %s", checkLedgerFor)
	case errors.Is(err, ledger.ErrDamaged):
		x.wrong("ledger", "`winnow ledger restore FILE` brings a backup back", err)
		return
	case err != nil:
		x.wrong("ledger", "stop the worker, keep a copy of ledger.db, and restore a backup", err)
		return
	}
	err = l.View(ctx, func(t *ledger.Tx) error {
		waiting, given, err := t.OutboxCounts()
		if err != nil {
			return err
		}
		if given > 0 {
			x.warn("outbox", "`winnow ledger show ID` says why", "%s given up", things(given, "delivery was", "deliveries were"))
		}
		x.ok("ledger", "sound; %s", things(waiting, "delivery waits", "deliveries wait"))
		return errors.Join(x.clock(t), x.unaudited(t), x.reconciled(t), x.budgets(t))
	})
	if err != nil {
		x.wrong("ledger", "", err)
	}
}

func (x *diagnosis) splunk() {
	if x.d.SplunkHome == "" {
		x.ok("splunk", "not installed in a Splunk: nothing is written there")
		return
	}
	file := x.d.Settings.Splunk.TokenFile
	if file != "" {
		file, _ = x.d.Resolve(file)
	}
	if _, err := splunk.FindCredentials("", file, x.g.getenv); err != nil {
		x.ok("splunk", "%s; the modular input brings its own session key", x.d.SplunkHome)
		return
	}
	x.ok("splunk", "%s, with a token", x.d.SplunkHome)
}

func (x *diagnosis) print() error {
	wrong := 0
	t := &grid{head: []string{"", "CHECK", "WHAT", "WAY OUT"}}
	for _, f := range x.f {
		mark := green.Render("ok")
		switch f.Level {
		case "error":
			wrong++
			mark = red.Render("error")
		case "warning":
			mark = yellow.Render("warning")
		}
		if x.g.format == formatJSON {
			if err := x.g.json(f); err != nil {
				return err
			}
		}
		t.rows = append(t.rows, []string{mark, f.Check, plain(f.Detail), f.Mend})
	}
	if x.g.format == formatTable {
		x.g.text(t)
	}
	if wrong > 0 {
		return failed("%s out of order", things(wrong, "thing is", "things are"))
	}
	return nil
}
