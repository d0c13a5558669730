package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/intake"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

const evalHelp = `Put labelled alerts to analysts, guards and policy, each by itself, and say how good the decisions are:
the share of benign alerts that are closed (recall), the share of what is closed that is benign
(precision), the attacks that are closed (missed) with Wilson's 95 % interval, the share that nobody
could tell, cost and latency. The curve gives the same for thresholds of confidence, with the
benign-fact rule and without it. Confidence is the calibrated one where that was fitted, else as stated.

FILE is in any format that winnow triage reads, with a field label: attack, benign, unknown, or a
disposition. The label is kept out of everything else. Rules, cache and what people decided before have
no part in it. All happens in throw-away state; only the calibration of --state, or of the live one, is
read. Exits with 1 when a bar is missed.

--fit writes calibration.json into --state, or the live state: what a stated confidence of a model is
worth, for each family of searches with at least 200 labelled benign judgements, and for all searches
together. With --from-reviews the labels are what people decided about alerts in the ledger, and no FILE
is read.`

const evalExample = `  winnow eval labelled.ndjson
  winnow eval --min-precision 99.5% --max-missed 0.1% labelled.ndjson    # for CI
  winnow eval --format csv labelled.ndjson > curve.csv
  winnow eval --fit --state ./try labelled.ndjson
  winnow eval --model openai:gpt-5.4-mini --model openai:gpt-5.4 labelled.ndjson
  winnow eval --fit --from-reviews`

type evalFlags struct {
	models                  []string
	baseURL                 string
	fit, reviews            bool
	recall, precision, miss string
}

func evalCommand(g *globals) *cobra.Command {
	var f evalFlags
	cmd := withCSV(&cobra.Command{
		Use: "eval [FILE...]", Short: "measure decisions on labelled alerts, and calibrate confidence", Long: evalHelp, Example: evalExample,
		RunE: func(cmd *cobra.Command, args []string) error { return g.eval(cmd.Context(), args, &f) },
	})
	fl := cmd.Flags()
	fl.StringArrayVar(&f.models, "model", nil, "let `NAME` answer every stage and agent: offline, openai:NAME, anthropic:NAME or a [model:NAME]; may be given again (default: as winnow.conf says)")
	fl.StringVar(&f.baseURL, "base-url", "", "ask --model openai:NAME or anthropic:NAME at the server `URL`")
	fl.BoolVar(&f.fit, "fit", false, "write the calibration of the state folder")
	fl.BoolVar(&f.reviews, "from-reviews", false, "with --fit: take the labels from what people decided")
	fl.StringVar(&f.recall, "min-recall", "", "fail when less than this `SHARE` of the benign alerts is closed")
	fl.StringVar(&f.precision, "min-precision", "", "fail when less than this `SHARE` of what is closed is benign")
	fl.StringVar(&f.miss, "max-missed", "", "fail when more than this `SHARE` of the attacks is closed")
	return cmd
}

func (g *globals) eval(ctx context.Context, files []string, f *evalFlags) error {
	bars, err := f.bars()
	if err != nil {
		return err
	}
	switch {
	case f.baseURL != "" && len(f.models) == 0:
		return usage(errBaseURLAlone)
	case f.reviews && !f.fit:
		return usage(errors.New("--from-reviews fits a calibration: give --fit too"))
	case f.reviews && len(files) > 0:
		return usage(errors.New("--from-reviews reads the ledger: name no FILE"))
	case f.reviews:
		return g.fitFromReviews(ctx)
	}
	if len(files) == 0 {
		files = []string{"-"}
	}
	if err := checkFiles(files); err != nil {
		return usage(err)
	}
	if len(f.models) > 1 && files[0] == "-" {
		return usage(errors.New("standard input can be read once: name a FILE to try several models"))
	}
	live, err := g.liveCalibration(f.fit)
	if err != nil {
		return err
	}
	results, labelled, err := g.evalModels(ctx, files, f, live)
	if err != nil {
		return err
	}
	if err := g.printEval(results); err != nil {
		return err
	}
	if f.fit {
		if err := g.fit(labelled); err != nil {
			return err
		}
	}
	return bars.hold(results)
}

// liveCalibration reads the calibration of the state folder. Without one that is not asked for, nothing is
// calibrated.
func (g *globals) liveCalibration(needed bool) (*llm.Calibration, error) {
	d, err := g.open()
	if err != nil && needed {
		return nil, err
	}
	if err != nil {
		return nil, nil //nolint:nilnil,nilerr // no state folder, no calibration; what else is wrong comes up again
	}
	c, err := readCalibration(d)
	if err != nil {
		g.note("warning: %s: stated confidence counts as if nothing had been measured", plain(err.Error()))
	}
	return c, nil
}

func (g *globals) evalModels(ctx context.Context, files []string, f *evalFlags, live *llm.Calibration) ([]*report.Eval, []llm.Labelled, error) {
	models := f.models
	if len(models) == 0 {
		models = []string{""}
	}
	var results []*report.Eval
	var labelled []llm.Labelled
	for _, model := range models {
		one, err := g.evalModel(ctx, files, model, f.baseURL, live)
		if err != nil {
			return nil, nil, err
		}
		r := one.counter.Result()
		if one.failure != nil {
			g.note("warning: %s no answer, the first because: %s", things(r.Failed, "alert got", "alerts got"), plain(one.failure.Error()))
		}
		if r.Failed == r.Alerts && r.Alerts > 0 {
			return nil, nil, fmt.Errorf("%s gave no answer about any alert: %w", plain(r.Model), one.failure)
		}
		if r.Attacks+r.Benign == 0 {
			return nil, nil, usage(errors.New("no alert has a label: nothing can be measured"), "give each a field label: attack, benign or unknown")
		}
		results = append(results, r)
		labelled = append(labelled, one.labelled...)
	}
	return results, labelled, nil
}

// evalRun is one model at work on the files.
type evalRun struct {
	g      *globals
	parts  *parts
	engine *triage.Engine
	seen   map[string]bool // alerts by id: one that is there twice is no more evidence
	twice  int

	mu       sync.Mutex
	counter  *report.EvalCounter
	labelled []llm.Labelled
	failure  error // the first that a model gave instead of an answer
}

func (g *globals) evalModel(ctx context.Context, files []string, model, baseURL string, live *llm.Calibration) (_ *evalRun, err error) {
	dir, err := os.MkdirTemp("", "winnow-eval-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	away := *g
	away.state = dir
	d, err := away.open()
	if err != nil {
		return nil, err
	}
	if model != "" {
		if err := away.useModel(d, model, baseURL); err != nil {
			return nil, err
		}
	}
	if live != nil {
		if err := state.WriteFile(d.Path("calibration.json"), live.Encode()); err != nil {
			return nil, err
		}
	}
	r := &evalRun{g: g, counter: report.NewEval(evalName(d, model)), seen: map[string]bool{}}
	if r.parts, err = away.assemble(d, g.now()); err != nil {
		return nil, err
	}
	if r.engine, err = r.parts.engine(ctx, g.now, nil, nil); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.parts.close()) }()
	if err := r.parts.models.check(ctx); err != nil {
		return nil, usage(err)
	}
	for _, file := range files {
		if err := r.file(ctx, file); err != nil {
			return nil, err
		}
	}
	if r.twice > 0 {
		g.note("%s there before, and counted once", things(r.twice, "alert was", "alerts were"))
	}
	return r, nil
}

// evalName is what the results of a run are called.
func evalName(d *state.Deployment, model string) string {
	if model == "" {
		return d.Settings.Stages["classify"].Model
	}
	return model
}

// file puts the alerts of one file to the analysts, [worker] concurrency at a time.
func (r *evalRun) file(ctx context.Context, name string) error {
	in, modified, size, err := openAlerts(r.g, name)
	if err != nil {
		return usage(err)
	}
	defer func() { _ = in.Close() }()
	bar := r.g.startBar(name, size)
	defer bar.clear()
	opts := intake.Options{
		Now: modified, TempDir: r.parts.State, Progress: bar.set, Keys: r.parts.keys,
		Severity: func(search string) winnow.Severity { return r.parts.Settings.Search(search).Severity },
	}
	tasks, ctx := errgroup.WithContext(ctx)
	tasks.SetLimit(max(r.parts.Settings.Worker.Concurrency, 1))
	for item, err := range intake.Open(ctx, name, in, opts) {
		sample, err := r.g.fileSample(name, item, err)
		if err != nil {
			return errors.Join(err, tasks.Wait())
		}
		if id := sample.Alert.ID; r.seen[id] {
			r.twice++
			continue
		} else if id == "" || ctx.Err() != nil {
			continue
		}
		r.seen[sample.Alert.ID] = true
		trial := r.engine.NewTrial(sample.Alert)
		tasks.Go(func() error { return r.try(ctx, trial, sample.Truth) })
	}
	return tasks.Wait()
}

func (r *evalRun) try(ctx context.Context, t *triage.Trial, truth allowlist.Truth) error {
	begun := r.g.now()
	done, err := t.Run(ctx)
	if err != nil {
		return err
	}
	took := r.g.now().Sub(begun)
	v := &done.Analysis.Verdict
	one := report.Trial{
		Label: labelOf(truth), Closed: done.State == winnow.StateClosed, Failed: done.Failed != nil, Took: took,
		Unsure:    done.Failed != nil || !v.Disposition.Benign() && v.Disposition != winnow.TruePositive,
		Candidate: done.Candidate, Fact: len(v.Facts) > 0, Confidence: v.Stated, Cost: done.Analysis.Cost,
	}
	if done.Analysis.Calibrated {
		one.Confidence = v.Confidence
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counter.Add(one)
	if done.Failed != nil && r.failure == nil {
		r.failure = done.Failed
	}
	if v.Disposition.Benign() && done.Failed == nil && one.Label != report.LabelUnknown {
		r.labelled = append(r.labelled, llm.Labelled{
			Model: done.Analysis.Model, Families: done.Analysis.Families, Stated: v.Stated, Right: one.Label == report.LabelBenign,
		})
	}
	return nil
}

func labelOf(t allowlist.Truth) report.Label {
	switch t {
	case allowlist.TruthAttack:
		return report.LabelAttack
	case allowlist.TruthBenign:
		return report.LabelBenign
	case allowlist.TruthUnsaid, allowlist.TruthUndecided:
	}
	return report.LabelUnknown
}

// evalBars are what the results are held against; nil for none.
type evalBars struct {
	recall, precision, miss *float64
}

func (f *evalFlags) bars() (b evalBars, err error) {
	for _, one := range []struct {
		flag, text string
		to         **float64
	}{{"--min-recall", f.recall, &b.recall}, {"--min-precision", f.precision, &b.precision}, {"--max-missed", f.miss, &b.miss}} {
		if one.text == "" {
			continue
		}
		n, err := parseShare(one.flag, one.text)
		if err != nil {
			return b, err
		}
		*one.to = &n
	}
	return b, nil
}

// hold says which bars the policy in force misses. A share of nothing proves nothing, and holds no bar.
func (b evalBars) hold(results []*report.Eval) error {
	var missed []string
	below := func(model, what string, got, want *float64, atMost bool) {
		switch {
		case want == nil:
		case got == nil:
			missed = append(missed, fmt.Sprintf("%s: no %s: there is nothing to measure it on", model, what))
		case !atMost && *got < *want, atMost && *got > *want:
			missed = append(missed, fmt.Sprintf("%s: %s is %s, the bar is %s", model, what, percent(*got), percent(*want)))
		}
	}
	for _, r := range results {
		below(r.Model, "recall", r.InForce.Recall, b.recall, false)
		below(r.Model, "precision", r.InForce.Precision, b.precision, false)
		below(r.Model, "share of missed attacks", r.InForce.MissRate, b.miss, true)
	}
	if len(missed) > 0 {
		return failed("%s", plain(strings.Join(missed, "; ")))
	}
	return nil
}

func (g *globals) printEval(results []*report.Eval) error {
	table := &grid{
		head: []string{"MODEL", "FACT RULE", "CONFIDENCE", "CLOSED", "COVERAGE", "RECALL", "PRECISION", "MISSED", "RATE", "95 % FROM", "TO", "UNKNOWN"},
		num:  map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true, 10: true, 11: true},
	}
	for _, r := range results {
		if g.format == formatJSON {
			if err := g.json(r); err != nil {
				return err
			}
		}
		addPoint(table, r, r.InForce, "in force", "policy")
		for _, p := range r.Curve {
			rule := "without"
			if p.FactRule {
				rule = "with"
			}
			addPoint(table, r, p, rule, strconv.Itoa(p.Threshold))
		}
	}
	switch g.format {
	case formatCSV:
		return g.csv(table)
	case formatTable:
		g.text(table)
		for _, r := range results {
			g.printEvalSummary(r)
		}
	}
	return nil
}

func addPoint(t *grid, r *report.Eval, p report.EvalPoint, rule, threshold string) {
	share := func(s *float64) string {
		if s == nil {
			return "-"
		}
		return percent(*s)
	}
	low, high := "-", "-"
	if p.MissRate != nil {
		low, high = percent(p.Low), percent(p.High)
	}
	t.add(plain(r.Model), rule, threshold, strconv.Itoa(p.Closed), percent(p.Coverage), share(p.Recall), share(p.Precision),
		strconv.Itoa(p.Missed), share(p.MissRate), low, high, strconv.Itoa(p.ClosedUnknown))
}

func (g *globals) printEvalSummary(r *report.Eval) {
	w := g.styled()
	fmt.Fprintf(w, "\n%s\n", bold.Render(plain(r.Model)))
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("alerts", "%d: %d attacks, %d benign, %d unknown", r.Alerts, r.Attacks, r.Benign, r.Unknown)
	line("unsure", "%s of the alerts: %d, %d of them without an answer", percent(r.UnsureShare), r.Unsure, r.Failed)
	cost := fmt.Sprintf("%s an alert, %s in all, in %s", winnow.NanoUSD(r.PerAlert*1000), winnow.NanoUSD(r.Cost.MicroUSD*1000), things(r.Cost.Calls, "call", "calls"))
	if r.Cost.Unpriced > 0 {
		cost += fmt.Sprintf("; %d calls have no price, and are not in it", r.Cost.Unpriced)
	}
	line("cost", "%s", cost)
	line("latency", "%s an alert; half within %s, 95 %% within %s", milliseconds(r.MeanMS), milliseconds(r.MedianMS), milliseconds(r.SlowMS))
}

func milliseconds(ms float64) string {
	return time.Duration(ms * float64(time.Millisecond)).Round(time.Microsecond).String()
}
