package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// What a person said of many alerts at once is no truth: it is counted, and neither fits a calibration nor
// labels a vote.
func TestWeakLabelsTrainNothing(t *testing.T) {
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	add := func(i int, weak bool, d winnow.Disposition) error {
		return l.Update(t.Context(), func(tx *ledger.Tx) error {
			a := winnow.Alert{ID: fmt.Sprintf("01KAG8Y6V0%016d", i), SearchName: "s", Key: winnow.Key{Host: "h", SID: "s", RID: fmt.Sprint(i)}, Time: at, Received: at}
			rec := winnow.NewRecord(&a, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule})
			rec.Verdict.Source, rec.Verdict.Disposition, rec.Verdict.Stated = winnow.SourceModel, winnow.BenignPositive, 90
			rec.Outcome = winnow.Outcome{State: winnow.StateInReview, Reason: winnow.ReasonNoFact, Actor: "model:m", Time: at}
			if err := tx.Add(ledger.Entry{Alert: a}, rec); err != nil || d == winnow.Undetermined {
				return err
			}
			if !weak {
				rec.Verdict.Source, rec.Verdict.Disposition = winnow.SourcePerson, d
				rec.Outcome.State, rec.Outcome.Actor = winnow.StateLeft, "person:ann"
				if _, err := tx.Change(rec, ledger.Links{}); err != nil {
					return err
				}
			}
			return tx.AddReview(ledger.Review{ID: a.ID, Action: triage.LabelAction, Disposition: d, Actor: "ann", At: at, Weak: weak})
		})
	}
	for i, c := range []struct {
		weak bool
		d    winnow.Disposition
	}{
		{true, winnow.BenignPositive},
		{true, winnow.TruePositive},
		{false, winnow.BenignPositive},
		{false, winnow.TruePositive},
		{false, winnow.Undetermined}, // nobody has said anything
	} {
		if err := add(i, c.weak, c.d); err != nil {
			t.Fatal(err)
		}
	}
	err = l.View(t.Context(), func(tx *ledger.Tx) error {
		labelled, weak, err := reviewLabels(tx, &llm.Facts{})
		if len(labelled) != 2 || weak != 2 || labelled[0].Right == labelled[1].Right {
			t.Errorf("%d weak labels, and %+v", weak, labelled)
		}
		if err != nil {
			return err
		}
		return tx.Each(func(j ledger.Judged) error {
			truth := truthOf(&j)
			if known := truth == allowlist.TruthAttack || truth == allowlist.TruthBenign; known == (j.Weak || j.Record.RID == "4") {
				t.Errorf("alert %s, weak %v, has truth %v", j.Record.RID, j.Weak, truth)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}
