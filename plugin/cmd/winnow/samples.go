package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/intake"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
)

// sampleFlags say which alerts rules are tried on.
type sampleFlags struct {
	file, since, until string
}

func (f *sampleFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "alerts", "", "read alerts from `FILE` (- is standard input) instead of the ledger")
	cmd.Flags().StringVar(&f.since, "since", "", "only alerts from this `TIME` on: a date, a time, or how long ago, like 30d")
	cmd.Flags().StringVar(&f.until, "until", "", "only alerts before this `TIME`")
}

// span reads --since and --until.
func (f *sampleFlags) span(now time.Time) (since, until time.Time, err error) {
	if since, err = parseWhen("--since", f.since, now); err != nil {
		return since, until, err
	}
	if until, err = parseWhen("--until", f.until, now); err != nil {
		return since, until, err
	}
	if !until.IsZero() && !since.Before(until) {
		return since, until, usage(fmt.Errorf("--since %s is not before --until %s: no alert lies between", f.since, f.until))
	}
	return since, until, nil
}

// parseWhen reads a date, a time, or a span back from now. "" is the zero time.
func parseWhen(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= 36_500 {
			return now.Add(-time.Duration(n) * 24 * time.Hour), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, usage(fmt.Errorf("%s is %q, want a date (2026-03-31), a time (2026-03-31T12:00:00Z) or how long ago (30d, 12h)", flag, text))
}

// samples yields the alerts of a file with their labels, or without a file those of the ledger
// with what people said of them. It can be ranged over again, unless the file is standard input.
func (g *globals) samples(ctx context.Context, d *state.Deployment, file string) iter.Seq2[allowlist.Sample, error] {
	if file == "" {
		return g.ledgerSamples(ctx, d)
	}
	return func(yield func(allowlist.Sample, error) bool) {
		in, modified, size, err := openAlerts(g, file)
		if err != nil {
			yield(allowlist.Sample{}, usage(err))
			return
		}
		defer func() { _ = in.Close() }()
		bar := g.startBar(file, size)
		defer bar.clear()
		opts := intake.Options{
			Now: modified, Progress: bar.set, Parallel: runtime.GOMAXPROCS(0),
			Severity: func(search string) winnow.Severity { return d.Settings.Search(search).Severity },
		}
		for item, err := range intake.Open(ctx, file, in, opts) {
			s, err := g.fileSample(file, item, err)
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// fileSample reads the label. One that is not known is an error: a slip of the pen must not make an
// attack disappear from the count.
func (g *globals) fileSample(file string, item intake.Item, err error) (allowlist.Sample, error) {
	s := allowlist.Sample{Alert: item.Alert, Line: item.Line}
	if bad, ok := errors.AsType[*intake.LineError](err); ok {
		g.note("warning: %s", plain(bad.Error()))
		return s, nil
	}
	if err != nil {
		return s, err
	}
	switch d, err := winnow.ParseDisposition(item.Label); {
	case item.Label == "":
	case item.Label == "benign", err == nil && d.Benign():
		s.Truth = allowlist.TruthBenign
	case item.Label == "attack", err == nil && d == winnow.TruePositive:
		s.Truth = allowlist.TruthAttack
	case item.Label == "unknown", err == nil:
		s.Truth = allowlist.TruthUndecided
	default:
		return s, usage(fmt.Errorf("%s:%d: unknown label %q (want attack, benign, unknown, or a disposition like TruePositive)", file, item.Line, item.Label))
	}
	return s, nil
}

// errEnough ends the reading of a ledger.
var errEnough = errors.New("enough")

func (g *globals) ledgerSamples(ctx context.Context, d *state.Deployment) iter.Seq2[allowlist.Sample, error] {
	return func(yield func(allowlist.Sample, error) bool) {
		l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db"))
		if err != nil {
			yield(allowlist.Sample{}, err)
			return
		}
		defer func() { _ = l.Close() }()
		err = l.View(ctx, func(t *ledger.Tx) error {
			n, err := t.Count()
			if err != nil {
				return err
			}
			bar, done := g.startCount("ledger", n), int64(0)
			defer bar.clear()
			return t.Each(func(j ledger.Judged) error {
				done++
				bar.set(done)
				if !yield(allowlist.Sample{Alert: j.Alert, Truth: truthOf(&j)}, nil) {
					return errEnough
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(allowlist.Sample{}, err)
		}
	}
}

// truthOf is what people said of an alert. One that a person ever called a true positive stays
// one. What winnow closed by itself is nobody's word; what waits is undecided.
func truthOf(j *ledger.Judged) allowlist.Truth {
	v := &j.Record.Verdict
	switch person := v.Source == winnow.SourcePerson; {
	case j.Ever, person && v.Disposition == winnow.TruePositive:
		return allowlist.TruthAttack
	case person && v.Disposition.Benign():
		return allowlist.TruthBenign
	case person, j.Record.Outcome.State != winnow.StateClosed:
		return allowlist.TruthUndecided
	}
	return allowlist.TruthUnsaid
}
