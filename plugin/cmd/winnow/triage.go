package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/intake"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

const triageHelp = `Run files of alerts through the whole pipeline, as if it were enforced, and print their records.

Reads Splunk alert payloads, results CSV, NDJSON, GuardDuty findings and ES notables, each also
gzipped; what a file holds is told from its content. Without a file, or for "-", standard input is
read. Nothing is written to Splunk or to any sink.

Without --state everything is forgotten at the end. With --state the folder keeps it, and running
the same alerts again adds nothing: their existing records are printed. A live deployment's state
is refused.

With --batch models answer in batches, hours later and at half the price. It needs --state: the same
command, run again after a crash, takes the answers up. What is not answered at --batch-deadline is
asked the normal way.`

const triageExample = `  winnow triage alerts.ndjson
  winnow triage --content ./content --format json results.csv.gz | jq .outcome
  winnow triage --state ./try findings.json && winnow --state ./try review list
  winnow triage --state ./night --batch --batch-deadline 8h --model openai:gpt-5.4-mini backlog.ndjson`

var errBaseURLAlone = errors.New("--base-url without --model: name the model that the server has, like --model openai:NAME")

func triageCommand(g *globals) *cobra.Command {
	var model, baseURL string
	var batch bool
	var deadline time.Duration
	cmd := withCSV(&cobra.Command{
		Use: "triage [FILE...]", Short: "judge files of alerts; changes nothing in Splunk", Long: triageHelp, Example: triageExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			if baseURL != "" && model == "" {
				return usage(errBaseURLAlone)
			}
			if err := g.setBatch(batch, deadline, cmd.Flags().Changed("batch-deadline")); err != nil {
				return err
			}
			return g.triage(cmd.Context(), args, model, baseURL)
		},
	})
	cmd.Flags().StringVar(&model, "model", "", "let `NAME` answer every stage and agent: offline, openai:NAME, anthropic:NAME or a [model:NAME]")
	cmd.Flags().StringVar(&baseURL, "base-url", "", "ask --model openai:NAME or anthropic:NAME at the server `URL`")
	cmd.Flags().BoolVar(&batch, "batch", false, "let models answer in batches, at half the price; needs --state")
	cmd.Flags().DurationVar(&deadline, "batch-deadline", 12*time.Hour, "how long batches may take, 1m to 48h: the rest is asked the normal way")
	return cmd
}

func (g *globals) triage(ctx context.Context, files []string, model, baseURL string) (err error) {
	if len(files) == 0 {
		files = []string{"-"}
	}
	if err := checkFiles(files); err != nil {
		return usage(err)
	}
	if g.state == "" {
		dir, err := os.MkdirTemp("", "winnow-triage-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		g.state = dir
	}
	d, err := g.open()
	if err != nil {
		return err
	}
	if model != "" {
		if err := g.useModel(d, model, baseURL); err != nil {
			return err
		}
	}
	r, err := g.openReplay(ctx, d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.parts.models.check(ctx); err != nil {
		return usage(err)
	}
	if err := r.batches(); err != nil {
		return err
	}
	for _, file := range files {
		if err := r.file(ctx, file); err != nil {
			return err
		}
	}
	if err := r.finish(ctx); err != nil {
		return err
	}
	r.parts.models.batching.finish()
	return nil
}

// checkFiles finds a file that cannot be read before any is triaged.
func checkFiles(files []string) error {
	for _, name := range files {
		if name == "-" {
			continue
		}
		if info, err := os.Stat(name); err != nil {
			return err
		} else if info.IsDir() {
			return fmt.Errorf("%s is a folder: name the files in it", name)
		}
	}
	return nil
}

// replay triages files in a state folder of its own. Its clock is the alerts' own: expiry,
// windows, blocks and the life of cached verdicts come out as they did, or would have.
type replay struct {
	g      *globals
	parts  *parts
	engine *triage.Engine
	lock   *flock.Flock
	print  recordPrinter

	clock time.Time
	batch []triage.Row
	size  int // of a batch

	rows, added, problems int
}

// replayMeta marks a ledger whose alerts come from files and holds its clock.
const replayMeta = "replay_clock"

func (g *globals) openReplay(ctx context.Context, d *state.Deployment) (*replay, error) {
	p, err := g.assemble(d, g.now())
	if err != nil {
		return nil, err
	}
	return g.openReplayOn(ctx, p)
}

func (g *globals) openReplayOn(ctx context.Context, p *parts) (r *replay, err error) {
	r = &replay{g: g, parts: p, print: newRecordPrinter(g), size: replayBatch}
	if r.lock, err = lockWorker(p.Deployment); err != nil {
		return nil, err
	}
	enforce := winnow.RunEnforce
	if r.engine, err = p.engine(ctx, func() time.Time { return r.clock }, &enforce, nil); err != nil {
		return nil, errors.Join(err, r.close())
	}
	if err := r.claim(ctx); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// claim refuses a folder that a worker or the alert action uses, and takes up the clock of an
// earlier run.
func (r *replay) claim(ctx context.Context) error {
	return r.parts.ledger.Update(ctx, func(t *ledger.Tx) error {
		clock, err := t.Meta(replayMeta)
		if err != nil {
			return err
		}
		live, err := r.live(t)
		if err != nil {
			return err
		}
		if clock == "" && live {
			return usage(fmt.Errorf("%s is the state of a live deployment: `winnow triage` does not mix files into it", r.parts.State),
				"leave --state out, or name another folder")
		}
		if clock != "" {
			if r.clock, err = time.Parse(time.RFC3339Nano, clock); err != nil {
				return fmt.Errorf("read %s: %w", replayMeta, err)
			}
		}
		return t.SetMeta(replayMeta, r.clock.Format(time.RFC3339Nano))
	})
}

// live reports whether the folder is a deployment's own: it has alerts, a worker has shown itself
// there, or something waits for one.
func (r *replay) live(t *ledger.Tx) (bool, error) {
	if any, err := t.Any(); err != nil || any {
		return any, err
	}
	if _, err := os.Lstat(r.parts.Path("worker.alive")); !errors.Is(err, fs.ErrNotExist) {
		return true, err
	}
	waiting, err := alertaction.ReadSpool(r.parts.Path("spool"), r.g.now())
	return len(waiting) > 0, err
}

func (r *replay) close() error {
	err := r.parts.close()
	if r.lock != nil {
		err = errors.Join(err, r.lock.Unlock())
	}
	return err
}

// file triages one file.
func (r *replay) file(ctx context.Context, name string) error {
	in, modified, size, err := openAlerts(r.g, name)
	if err != nil {
		return usage(err)
	}
	defer func() { _ = in.Close() }()
	bar := r.g.startBar(name, size)
	opts := intake.Options{
		Keys: r.parts.keys, Now: modified, TempDir: r.parts.State,
		Severity: func(search string) winnow.Severity { return r.parts.Settings.Search(search).Severity },
		Progress: bar.set,
	}
	for item, err := range intake.Open(ctx, name, in, opts) {
		var bad *intake.LineError
		if err != nil && !errors.As(err, &bad) {
			return err
		}
		if bad != nil {
			r.problems++
			r.g.note("warning: %s", plain(bad.Error()))
		}
		if err := r.take(ctx, item.Alert); err != nil {
			return err
		}
	}
	err = r.flush(ctx)
	bar.clear()
	return err
}

// openAlerts opens a file of alerts, or standard input for "-".
func openAlerts(g *globals, name string) (in io.ReadCloser, modified time.Time, size int64, err error) {
	if name == "-" {
		return io.NopCloser(g.in), g.now(), -1, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, time.Time{}, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, time.Time{}, 0, err
	}
	return f, info.ModTime(), info.Size(), nil
}

// replayBatch is how many alerts are settled in one transaction.
const replayBatch = 500

func (r *replay) take(ctx context.Context, a winnow.Alert) error {
	r.batch = append(r.batch, triage.Row{Alert: a})
	if len(r.batch) < r.size {
		return nil
	}
	return r.flush(ctx)
}

// flush settles the batch, one alert after the other, so that each sees what came of those before.
func (r *replay) flush(ctx context.Context) error {
	settle := r.settleNow
	if r.engine.Paid {
		settle = r.settleAsking
	}
	done, err := settle(ctx)
	if err != nil {
		return err
	}
	for _, d := range done {
		if !d.Duplicate {
			r.added++
		}
	}
	r.rows, r.batch = r.rows+len(done), r.batch[:0]
	// A call may have been settled just after its alert's transaction had begun: records tell what is booked.
	if err := r.parts.ledger.Flush(ctx); err != nil {
		return err
	}
	return r.parts.ledger.View(ctx, func(t *ledger.Tx) error {
		for _, d := range done {
			if err := r.print.one(t, d.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// settleNow settles the batch in one transaction: the analysts take no time.
func (r *replay) settleNow(ctx context.Context) (all []triage.Admitted, err error) {
	err = r.engine.Update(ctx, func(t *ledger.Tx) error {
		all = all[:0]
		for _, row := range r.batch {
			r.clock = later(r.clock, row.Alert.Received)
			row.Proposal = r.parts.gate.Propose(&row.Alert)
			done, err := r.engine.TriageNow(ctx, t, row)
			if err != nil {
				return err
			}
			all = append(all, done)
		}
		return r.keepClock(t)
	})
	return all, err
}

// settleAsking settles the batch with language models, which are asked about several alerts at a time.
// The clock is that of the alert whose turn it is.
func (r *replay) settleAsking(ctx context.Context) ([]triage.Admitted, error) {
	clocks := make([]time.Time, len(r.batch))
	at := r.clock
	for i := range r.batch {
		at = later(at, r.batch[i].Alert.Received)
		clocks[i] = at
	}
	r.clock = at
	if err := r.engine.Update(ctx, r.keepClock); err != nil {
		return nil, err
	}
	done, err := r.engine.TriageFile(ctx, r.batch, func(i int, row *triage.Row) {
		r.clock = clocks[i]
		if row != nil {
			row.Proposal = r.parts.gate.Propose(&row.Alert)
		}
	})
	r.clock = at
	return done, err
}

func (r *replay) keepClock(t *ledger.Tx) error {
	return t.SetMeta(replayMeta, r.clock.Format(time.RFC3339Nano))
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (r *replay) finish(ctx context.Context) error {
	if err := r.print.end(); err != nil {
		return err
	}
	r.g.note("%s read, %s%s", things(r.rows, "row", "rows"), things(r.added, "new alert", "new alerts"),
		ifAny(r.problems, ", %d could not be read and went to a person"))
	if r.g.format == formatTable && !r.g.quiet && r.rows > 0 {
		return r.parts.ledger.View(ctx, func(t *ledger.Tx) error { return r.g.funnel(t, r.parts.Settings, r.g.err) })
	}
	return nil
}

func ifAny(n int, format string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, n)
}

// lockWorker takes the lock of the state's one writer, unless a worker has it.
func lockWorker(d *state.Deployment) (*flock.Flock, error) {
	l := flock.New(d.Path("worker.lock"), flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", d.State, err)
	}
	if !ok {
		if h, err := d.Holder(); err == nil {
			return nil, fmt.Errorf("%w: %s", errWorkerRuns, plain(h.String()))
		}
		return nil, errWorkerRuns
	}
	return l, nil
}

var errWorkerRuns = errors.New("a worker runs on this state folder")
