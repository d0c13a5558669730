package triage

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// blindOf is what people are shown of a sample.
func (r *rig) blindOf(id string) (b ledger.Blind, found bool) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) (err error) {
		b, found, err = t.BlindOf(id)
		return err
	})
	return b, found
}

// sampled counts the samples of a closer by what came of them.
func (r *rig) sampled(closer winnow.Source) map[ledger.Judgement]int {
	r.t.Helper()
	var out map[ledger.Judgement]int
	r.view(func(t *ledger.Tx) error {
		all, err := t.SampleCounts()
		if all[closer] != nil {
			out = all[closer].Judged
		}
		return err
	})
	return out
}

func (r *rig) waiting() (ids []string) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) error {
		storms, err := t.Waiting(ledger.Waiting{})
		for _, s := range storms {
			ids = append(ids, s.First)
		}
		return err
	})
	return ids
}

// TestEveryCloserIsSampled: what is closed stays closed, waits for a person who sees neither the close nor who
// closed it, and what the person says is counted for the closer.
func TestEveryCloserIsSampled(t *testing.T) {
	for name, c := range map[string]struct {
		closer winnow.Source
		close  func(*rig) winnow.Record
	}{
		"rule":  {winnow.SourceRule, func(r *rig) winnow.Record { return r.triage(r.alert("0", "user", "ann")) }},
		"model": {winnow.SourceModel, func(r *rig) winnow.Record { return r.triage(r.alert("0", "user", "eve", "src", "198.51.100.4")) }},
		"cache": {winnow.SourceCache, func(r *rig) winnow.Record {
			r.triage(r.alert("0", "user", "eve", "src", "198.51.100.4"))
			return r.triage(r.alert("1", "user", "eve", "src", "198.51.100.4"))
		}},
	} {
		for d, want := range map[winnow.Disposition]ledger.Judgement{
			winnow.BenignPositive: ledger.JudgedBenign, winnow.TruePositive: ledger.JudgedMalicious, winnow.Other: ledger.JudgedUnknown,
		} {
			t.Run(name+" "+d.String(), func(t *testing.T) {
				r := newRig(t, "review.sample=100%", "review.sample_daily=100")
				rec := c.close(r)
				if rec.Outcome.State != winnow.StateClosed || rec.Verdict.Source != c.closer {
					t.Fatalf("%s (%s) by %q", rec.Outcome.State, rec.Outcome.Reason, rec.Verdict.Source)
				}
				b, found := r.blindOf(rec.ID)
				if !found {
					t.Fatal("the close is not sampled")
				}
				text, err := json.Marshal(b)
				r.ok(err)
				for _, tell := range []string{`"closed"`, "rule:", travelID, `"cached"`, "BenignPositive", "VPN", `"verdict:`} {
					if strings.Contains(string(text), tell) {
						t.Errorf("what people see tells %s: %s", tell, text)
					}
				}
				if b.Record.Outcome.State != winnow.StateInReview || b.Record.Cost != (winnow.Cost{}) {
					t.Errorf("people see %+v", b.Record.Outcome)
				}
				if got := r.sampled(c.closer); got[""] != 1 || len(got) != 1 {
					t.Errorf("samples %v, want one that waits", got)
				}
				state := winnow.StateClosed
				if d == winnow.TruePositive {
					state = winnow.StateEscalated
				}
				r.settle(rec.ID, d, state)
				if got := r.sampled(c.closer); got[want] != 1 || len(got) != 1 {
					t.Errorf("judged %v, want %s", got, want)
				}
				if _, found := r.blindOf(rec.ID); found {
					t.Error("it is judged, and still veiled")
				}
			})
		}
	}
}

func TestSamplesAreBounded(t *testing.T) {
	r := newRig(t, "review.sample=100%", "review.sample_daily=2")
	for _, dest := range []string{"a", "b", "c"} {
		r.triage(r.alert(dest, "user", "ann", "dest", dest))
	}
	if got := r.sampled(winnow.SourceRule)[""]; got != 2 {
		t.Errorf("%d samples of a day, want 2", got)
	}
	r.at = r.at.Add(24 * time.Hour)
	r.triage(r.alert("d", "user", "ann", "dest", "d"))
	if got := r.sampled(winnow.SourceRule)[""]; got != 3 {
		t.Errorf("%d samples, want another on the next day", got)
	}
}

func TestNothingIsSampledWhereNothingIsClosed(t *testing.T) {
	for _, set := range []string{"gate.run=shadow", "gate.run=assist", "review.sample=0"} {
		r := newRig(t, "review.sample=100%", "review.sample_daily=100", set)
		rec := r.triage(r.alert("0", "user", "ann"))
		if _, found := r.blindOf(rec.ID); found || len(r.waiting()) > 0 {
			t.Errorf("%s: a sample waits", set)
		}
	}
}

// TestSplunksDispositionJudgesASample: who judges in Incident Review judges as well as who does it here.
func TestSplunksDispositionJudgesASample(t *testing.T) {
	for d, want := range map[winnow.Disposition]ledger.Judgement{winnow.TruePositive: ledger.JudgedMalicious, winnow.BenignPositive: ledger.JudgedBenign} {
		r := newRig(t, "review.sample=100%", "review.sample_daily=100")
		rec := r.triage(r.alert("0", "user", "ann"))
		s := &incidentReview{}
		s.says(rec, r.said(d), false)
		r.ok(r.readLabels(s))
		if got := r.sampled(winnow.SourceRule); got[want] != 1 || slices.Contains(r.waiting(), rec.ID) {
			t.Errorf("%s: judged %v, %v wait", d, got, r.waiting())
		}
		r.view(func(tx *ledger.Tx) error { // it is a label for whoever reads the ledger: eval, suggest, reports
			return tx.Each(func(j ledger.Judged) error {
				if v := &j.Record.Verdict; j.Record.ID == rec.ID && (v.Source != winnow.SourcePerson || v.Disposition != d) {
					t.Errorf("the ledger says %s by %q, want %s", v.Disposition, v.Source, d)
				}
				return nil
			})
		})
	}
}

// TestSampleOfARecalledCloseIsGivenUp: nobody judged the close before it was taken back, and it does not wait twice.
func TestSampleOfARecalledCloseIsGivenUp(t *testing.T) {
	r := newRig(t, "review.sample=100%", "review.sample_daily=100")
	rec := r.triage(r.alert("0", "user", "ann"))
	r.update(func(t *ledger.Tx) error { return r.engine.Requeue(t, rec.ID, winnow.ReasonRecall, "recalled") })
	if ids := r.waiting(); len(ids) > 0 {
		t.Errorf("%v wait", ids)
	}
	if got := r.sampled(winnow.SourceRule); got[ledger.JudgedUnknown] != 1 {
		t.Errorf("samples %v", got)
	}
}

// TestSampleWithoutAnalystWaitsAllTheSame: that the built-in analysts fail is no reason to look less.
func TestSampleWithoutAnalystWaitsAllTheSame(t *testing.T) {
	r := newRig(t, "review.sample=100%", "review.sample_daily=100")
	r.broken = analystFunc(func(llm.Input) (llm.Analysis, error) { return llm.Analysis{}, errNoAnswer })
	rec := r.triage(r.alert("0", "user", "ann"))
	if b, found := r.blindOf(rec.ID); !found || b.Record.Verdict.Case.What == "" {
		t.Errorf("found %v: %+v", found, b)
	}
}
