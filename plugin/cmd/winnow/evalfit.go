package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
)

// fit fits tables and lays them over those of the state folder. Models that have too few labels keep what
// they had.
func (g *globals) fit(labelled []llm.Labelled) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	if err := d.Init(); err != nil {
		return err
	}
	fitted := llm.FitCalibration(labelled)
	counts := map[string]int{}
	for _, l := range labelled {
		counts[l.Model]++
	}
	for _, model := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[model]; n < llm.MinLabels {
			g.note("%s: %s, %d are needed: nothing fitted", plain(model), things(n, "labelled benign judgement", "labelled benign judgements"), llm.MinLabels)
		}
	}
	if len(fitted.Tables()) == 0 {
		return failed("nothing was fitted: no model has %d labelled benign judgements", llm.MinLabels)
	}
	before, err := readCalibration(d)
	if err != nil {
		g.note("warning: %s: it is replaced", plain(err.Error()))
	}
	if err := state.WriteFile(d.Path("calibration.json"), before.With(fitted).Encode()); err != nil {
		return err
	}
	for _, t := range fitted.Tables() {
		g.note("fitted %s, %s: %s", plain(t.Model), plain(cmp.Or(t.Family, "all searches")), stepsText(&t))
	}
	return nil
}

// stepsText tells a table in one line: what each stated confidence is worth.
func stepsText(t *llm.CalibrationTable) string {
	var steps []string
	for _, s := range t.Steps {
		steps = append(steps, fmt.Sprintf("from %d it is %d", s.From, s.Confidence))
	}
	return fmt.Sprintf("%s (%s)", strings.Join(steps, ", "), things(t.Labels, "label", "labels"))
}

// fitFromReviews takes the labels from the ledger: what people decided of alerts that analysts or models had
// called benign. Which alerts people look at is no fair sample; the canaries among them are.
func (g *globals) fitFromReviews(ctx context.Context) error {
	var labelled []llm.Labelled
	weak := 0
	err := g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		facts, err := llm.LoadFacts(d.FactsPaths()...)
		if err != nil {
			return usage(err)
		}
		labelled, weak, err = reviewLabels(t, facts)
		return err
	})
	if err != nil {
		return err
	}
	g.note("%s of alerts that people decided%s", things(len(labelled), "benign judgement", "benign judgements"),
		ifAny(weak, "; %d of alerts with weak labels alone, which count for nothing"))
	return g.fit(labelled)
}

// reviewLabels returns the benign judgements of which a person has said whether they were right, and how many
// there are of which one has only said so among many at once.
func reviewLabels(t *ledger.Tx, facts *llm.Facts) (labelled []llm.Labelled, weak int, err error) {
	err = t.Each(func(j ledger.Judged) error {
		truth := truthOf(&j)
		known := truth == allowlist.TruthAttack || truth == allowlist.TruthBenign
		if !known && !j.Weak {
			return nil
		}
		judged, ok, err := judgedBefore(t, &j)
		if err != nil || !ok {
			return err
		}
		if !known {
			weak++
			return nil
		}
		judged.Families, judged.Right = facts.Families(&j.Alert), truth == allowlist.TruthBenign
		labelled = append(labelled, judged)
		return nil
	})
	return labelled, weak, err
}

// judgedBefore returns the last benign judgement of analysts or a model about an alert that a person has
// decided.
func judgedBefore(t *ledger.Tx, j *ledger.Judged) (l llm.Labelled, ok bool, err error) {
	history, err := t.History(j.Record.ID)
	if err != nil {
		return l, false, err
	}
	for _, r := range slices.Backward(append(history, j.Record)) {
		v := &r.Verdict
		if v.Source != winnow.SourceModel && v.Source != winnow.SourceOffline {
			continue
		}
		model := strings.TrimPrefix(r.Outcome.Actor, "model:")
		if model == "" || !v.Disposition.Benign() {
			return l, false, nil
		}
		return llm.Labelled{Model: model, Stated: v.Stated}, true, nil
	}
	return l, false, nil
}
