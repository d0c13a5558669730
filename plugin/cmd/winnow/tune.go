package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/report"
)

const tuneHelp = `Propose thresholds and models that save hours or dollars and miss no more attacks, as text for
local/winnow.conf. Nothing is applied. Its comments say what each line is expected to save in a month, what
it is expected to miss, and on how many labels that rests.

The alerts of the last days are decided again under other values, as winnow report whatif does, without
asking anybody: [policy] confidence and offline_max_severity, [pipeline] panel_low and panel_high. Labels
are what people said of them. --from takes results of "winnow eval --format json" in addition: they say
more of the confidence than the ledger may, and they compare models, which the ledger cannot.

A value is proposed when it closes no attack that was not closed before, can be told of every alert, and at
most --max-missed of the labelled attacks are missed, by the upper end of the exact 95 % interval. With too
few labels nothing is proposed, and the exit code is 1: it is said how many more are needed. Never proposed
are less confidence than 81 (a model that nobody has calibrated counts as 80), offline analysts above
severity low or above max_severity, a panel that ends below the confidence, and whatever turns a guard off.`

type tuneFlags struct {
	lookBack

	miss, from, out string
}

func tuneCommand(g *globals) *cobra.Command {
	var f tuneFlags
	cmd := withCSV(&cobra.Command{
		Use: "tune", Short: "propose thresholds and models, from what labels say", Args: cobra.NoArgs, Long: tuneHelp,
		Example: `  winnow tune
  winnow tune --days 90 --max-missed 2% --out tuned.conf
  winnow eval --format json --model small --model large labelled.ndjson > results.json
  winnow tune --from results.json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.tune(cmd.Context(), &f) },
	})
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.miss, "max-missed", "5%", "at most this `SHARE` of the attacks may be missed")
	fl.StringVar(&f.from, "from", "", "take results of winnow eval --format json from `FILE` in addition")
	fl.StringVar(&f.out, "out", "", "write the proposal to a new `FILE`")
	return cmd
}

func (g *globals) tune(ctx context.Context, f *tuneFlags) error {
	since, until, err := f.span(g.now())
	if err != nil {
		return err
	}
	o := report.TuneOptions{File: f.from}
	if o.MaxMiss, err = parseMiss(f.miss); err != nil {
		return err
	}
	if o.Evals, err = readEvals(f.from); err != nil {
		return usage(err)
	}
	if f.out != "" {
		if _, err := os.Lstat(f.out); !errors.Is(err, fs.ErrNotExist) {
			return usage(fmt.Errorf("--out %s is there already: name a new file", f.out))
		}
	}
	d, err := g.open()
	if err != nil {
		return err
	}
	tried := toTry(d.Settings)
	w, asked, err := g.tryAll(ctx, f, since, until, tried)
	if err != nil {
		return err
	}
	o.Present, o.Models, o.FactRule = d.Settings.Stages["classify"].Model, sortedNames(d.Settings.Models), d.Settings.Policy.RequireFact
	o.AskedAMonth = float64(asked) * 30 / max(w.Days, 1)
	t := report.NewTune(o, w, tried)
	if err := g.together(ctx, f, since, until, t); err != nil {
		return err
	}
	return g.printTune(t, f)
}

func readEvals(file string) (evals []*report.Eval, err error) {
	if file == "" {
		return nil, nil
	}
	in, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	return report.ReadEvals(file, in)
}

// leastConfidence is the least that is proposed: a model that nobody has calibrated counts as 80 at most, and
// guard G8 keeps it from closing only above that.
const leastConfidence = 81

// toTry returns the values that are tried, none of which turns a guard off.
func toTry(s *conf.Settings) (out []report.Tried) {
	number := func(key string, now int, values []int, may func(int) bool) {
		for _, v := range values {
			if v != now && may(v) {
				out = append(out, report.Tried{Key: key, Now: strconv.Itoa(now), Value: strconv.Itoa(v)})
			}
		}
	}
	p, l := &s.Policy, &s.Pipeline
	number("policy.confidence", p.Confidence, []int{leastConfidence, 85, 90, 95, 99}, func(int) bool { return true })
	for i := range out {
		out[i].Threshold, _ = strconv.Atoi(out[i].Value) //nolint:errcheck // it was a number just now
	}
	for _, v := range []winnow.Severity{winnow.SeverityInformational, winnow.SeverityLow} {
		if v != p.OfflineMaxSeverity && v.Within(p.MaxSeverity) {
			out = append(out, report.Tried{Key: "policy.offline_max_severity", Now: p.OfflineMaxSeverity.String(), Value: v.String()})
		}
	}
	number("pipeline.panel_low", l.PanelLow, []int{30, 40, 50, 60}, func(v int) bool { return v < l.PanelHigh })
	number("pipeline.panel_high", l.PanelHigh, []int{85, 90, 95}, func(v int) bool { return v > l.PanelLow && v >= p.Confidence })
	return out
}

// tryAll decides the alerts under every value. asked is how many of them language models were asked about.
func (g *globals) tryAll(ctx context.Context, f *tuneFlags, since, until time.Time, tried []report.Tried) (w *report.WhatIf, asked int, err error) {
	changes := make([]change, len(tried))
	for i, v := range tried {
		set := v.Key + "=" + v.Value
		changes[i] = change{name: set, sets: append(slices.Clone(g.set), set)}
	}
	return g.decideAgain(ctx, f, since, until, changes)
}

func (g *globals) decideAgain(ctx context.Context, f *tuneFlags, since, until time.Time, changes []change) (*report.WhatIf, int, error) {
	r, err := g.openWhatIf(ctx, g.set, changes)
	if err != nil {
		return nil, 0, err
	}
	r.replayed = true
	r.counter = report.NewWhatIf(f.minutes, 0, names(changes))
	if err := errors.Join(r.run(ctx, since, until), r.ledger.Close()); err != nil {
		return nil, 0, err
	}
	return r.counter.Result(until), r.units.Alerts(), nil
}

// together tries all that is proposed at once.
func (g *globals) together(ctx context.Context, f *tuneFlags, since, until time.Time, t *report.Tune) error {
	sets := slices.Clone(g.set)
	confidence, high := 0, 0
	for _, v := range t.Chosen() {
		sets = append(sets, v.Key+"="+v.Value)
		switch v.Key {
		case "policy.confidence":
			confidence = v.Threshold
		case "pipeline.panel_high":
			high, _ = strconv.Atoi(v.Value) //nolint:errcheck // it is one of ours
		}
	}
	if high > 0 && confidence > high {
		t.Refuse("pipeline.panel_high", "the panel would end below the confidence that is proposed")
		return g.together(ctx, f, since, until, t)
	}
	if len(sets) == len(g.set) {
		return nil
	}
	w, _, err := g.decideAgain(ctx, f, since, until, []change{{name: "all of it", sets: sets}})
	if err == nil {
		t.Together(w)
	}
	return err
}

func (g *globals) printTune(t *report.Tune, f *tuneFlags) error {
	switch g.format {
	case formatJSON:
		if err := g.json(t); err != nil {
			return err
		}
		return tuneVerdict(t)
	case formatCSV:
		if err := g.csv(tuneCSV(t)); err != nil {
			return err
		}
		return tuneVerdict(t)
	}
	if err := tuneVerdict(t); err != nil {
		g.tuneRefusals(t)
		return err
	}
	if f.out == "" {
		return writeTune(g.out, t, g.now())
	}
	out, err := os.OpenFile(f.out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(writeTune(out, t, g.now()), out.Close()); err != nil {
		return err
	}
	g.note("%s: look at it, then put it into local/winnow.conf", f.out)
	return nil
}

// tuneVerdict fails where labels are too few to say anything.
func tuneVerdict(t *report.Tune) error {
	if len(t.Chosen()) > 0 || t.Model() != nil || t.Carried() {
		return nil
	}
	return failed("nothing is proposed: %s", t.Lacking())
}

// tuneRefusals says of each value why it is not proposed.
func (g *globals) tuneRefusals(t *report.Tune) {
	table := &grid{head: []string{"KEY", "NOW", "TRIED", "CLOSES", "SAVES HOURS", "SAVES", "WHY NOT"}, num: map[int]bool{3: true, 4: true, 5: true}}
	for _, v := range t.Tried {
		table.add(v.Key, v.Now, v.Value, fmt.Sprintf("%+d", v.Closes), fmt.Sprintf("%.1f", v.Hours), savesText(v.MicroUSD), v.Refused)
	}
	g.text(table)
}

func savesText(micro int64) string {
	if micro < 0 {
		micro = -micro
		return "-" + usd(&micro)
	}
	return usd(&micro)
}

// writeTune writes the proposal as text for winnow.conf.
func writeTune(w io.Writer, t *report.Tune, now time.Time) error {
	p := &confText{w: w}
	p.line("# winnow tune, %s: a proposal for local/winnow.conf. Nothing is applied by itself.", now.UTC().Format(time.DateOnly))
	p.line("# It rests on %s of %s days, of which people called %d attacks and %d benign.",
		things(t.Alerts, "alert", "alerts"), strconv.FormatFloat(t.Days, 'f', -1, 64), t.Attacks, t.Benign)
	if t.Whole != nil {
		p.line("# Expected of all of it in 30 days: saves %.1f hours of people (%d minutes an alert) and %s;", t.Whole.Hours, t.Minutes, savesText(t.Whole.MicroUSD))
		p.line("# misses %s.", evidenceText(&t.Whole.Evidence))
	}
	stanza := ""
	for _, v := range t.Chosen() {
		name, key, _ := splitSet(v.Key + "=")
		if name != stanza {
			p.line("\n[%s]", name)
			stanza = name
		}
		p.line("# %s now. With %s these alerts have %+d closed; in 30 days it saves %.1f hours of people and %s;",
			v.Now, v.Value, v.Closes, v.Hours, savesText(v.MicroUSD))
		p.line("# it misses %s.", evidenceText(&v.Evidence))
		p.line("%s = %s", key, v.Value)
	}
	writeModel(p, t.Model())
	if len(t.Chosen()) == 0 && t.Model() == nil {
		p.line("# Nothing to change: what was tried saves nothing, or misses more.")
	}
	p.refused(t)
	return p.err
}

// writeModel writes a model in the place of every other, as it was measured.
func writeModel(p *confText, m *report.ModelTry) {
	if m == nil {
		return
	}
	p.line("\n# %s: %s an alert, saves %s in 30 days; misses %s.", oneLine(m.Model, 100), usd(&m.PerAlert), savesText(m.MicroUSD), evidenceText(&m.Evidence))
	p.line("# It was measured in every stage, as coordinator and as every agent.")
	p.line("[pipeline]\ncoordinator = %s", oneLine(m.Model, 100))
	for _, stage := range []string{"enrich", "correlate", "classify"} {
		p.line("[stage:%s]\nmodel = %s", stage, oneLine(m.Model, 100))
	}
	for _, agent := range []string{"network", "identity", "threat_intel"} {
		p.line("[agent:%s]\nbrain = %s", agent, oneLine(m.Model, 100))
	}
}

func evidenceText(e *report.Evidence) string {
	return fmt.Sprintf("%d of %s (%s), at most %s at 95 %%", e.Missed, things(e.Attacks, "labelled attack", "labelled attacks"), oneLine(e.Source, 60), shortPercent(e.High))
}

// confText writes lines and keeps the first error.
type confText struct {
	w   io.Writer
	err error
}

func (p *confText) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// refused says in comments what is not proposed, and why.
func (p *confText) refused(t *report.Tune) {
	first := true
	say := func(name, why string) {
		if first {
			p.line("\n# Not proposed:")
			first = false
		}
		p.line("#   %s: %s", oneLine(name, 100), oneLine(why, 200))
	}
	for _, v := range t.Tried {
		if !v.Chosen && v.Refused != "" {
			say(v.Key+" = "+v.Value, v.Refused)
		}
	}
	for _, m := range t.Models {
		if !m.Chosen && m.Refused != "" {
			say("model "+m.Model, m.Refused)
		}
	}
}

func tuneCSV(t *report.Tune) *grid {
	table := &grid{head: []string{
		"key", "now", "value", "chosen", "closes_more", "saves_hours_per_month", "saves_microusd_per_month", "evidence", "attacks", "missed", "miss_rate_high", "benign", "refused",
	}, num: map[int]bool{4: true, 5: true, 6: true, 8: true, 9: true, 10: true, 11: true}}
	row := func(key, now, value string, chosen bool, closes int, hours float64, micro int64, e *report.Evidence, refused string) {
		table.add(key, now, value, strconv.FormatBool(chosen), strconv.Itoa(closes), fmt.Sprintf("%.2f", hours), strconv.FormatInt(micro, 10),
			e.Source, strconv.Itoa(e.Attacks), strconv.Itoa(e.Missed), fmt.Sprintf("%.6f", e.High), strconv.Itoa(e.Benign), refused)
	}
	for i := range t.Tried {
		v := &t.Tried[i]
		row(v.Key, v.Now, v.Value, v.Chosen, v.Closes, v.Hours, v.MicroUSD, &v.Evidence, v.Refused)
	}
	for i := range t.Models {
		m := &t.Models[i]
		row("model", "", m.Model, m.Chosen, 0, 0, m.MicroUSD, &m.Evidence, m.Refused)
	}
	return table
}
