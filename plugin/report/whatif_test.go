package report

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

func outlineOf(id string, label Label) *ledger.Outline {
	o := &ledger.Outline{Received: noon, Ever: label == LabelAttack}
	o.Record.ID = id
	if label == LabelBenign {
		o.Record.Verdict.Source, o.Record.Verdict.Disposition = winnow.SourcePerson, winnow.BenignPositive
	}
	return o
}

func TestRecorded(t *testing.T) {
	for _, tt := range []struct {
		source winnow.Source
		state  winnow.State
		would  winnow.State
		reason winnow.Reason
		want   Way
		ok     bool
	}{
		{winnow.SourceRule, winnow.StateClosed, "", winnow.ReasonRule, WayRule, true},
		{winnow.SourceRule, winnow.StateLeft, winnow.StateClosed, winnow.ReasonRule, WayRule, true},
		{winnow.SourceCache, winnow.StateClosed, "", winnow.ReasonCached, WayCache, true},
		{winnow.SourceOffline, winnow.StateClosed, "", winnow.ReasonVerdict, WayAnalysts, true},
		{winnow.SourceModel, winnow.StateLeft, winnow.StateClosed, winnow.ReasonVerdict, WayModel, true},
		{winnow.SourceModel, winnow.StateInReview, "", winnow.ReasonNoFact, WayReview, true},
		{winnow.SourceModel, winnow.StateInReview, "", winnow.ReasonOpenCase, WayRepeats, true},
		{winnow.SourceNone, winnow.StateEscalated, "", "gave_up:model", WayEscalated, true},
		{winnow.SourceNone, winnow.StateLeft, winnow.StateLeft, winnow.ReasonOwn, "", false},
		{winnow.SourceNone, winnow.StateQueued, "", winnow.ReasonQueued, "", false},
	} {
		r := winnow.Record{Cost: winnow.Cost{MicroUSD: 7, Unpriced: 1}}
		r.Verdict.Source, r.Outcome = tt.source, winnow.Outcome{State: tt.state, Would: tt.would, Reason: tt.reason}
		f, ok := Recorded(&ledger.Outline{Record: r}, &r)
		if ok != tt.ok || ok && (f.Way != tt.want || f.Measured != 7000 || f.Unpriced != 1) {
			t.Errorf("%+v: %+v, %v", tt, f, ok)
		}
	}
}

func TestWhatIfAddsUp(t *testing.T) {
	c := NewWhatIf(30, 1, []string{"x=1"})
	add := func(label Label, was, would Fate) {
		c.Add(outlineOf(fmt.Sprint(c.w.Alerts), label), was.Way == WayCache, []Fate{was, would})
	}
	add(LabelAttack, Fate{Way: WayReview, Reason: winnow.ReasonConfidence}, Fate{Way: WayModel, Measured: 500})
	add(LabelAttack, Fate{Way: WayEscalated}, Fate{Way: WayAnalysts})
	add(LabelAttack, Fate{Way: WayRule}, Fate{Way: WayRule})
	add(LabelAttack, Fate{Way: WayReview}, Fate{Way: WayUnknown, Unknown: "who knows", Estimated: 1001})
	add(LabelBenign, Fate{Way: WayCache, Measured: 1_000}, Fate{Way: WayReview, Measured: 1_000, Unpriced: 2})
	add(LabelUnknown, Fate{Way: WayRepeats}, Fate{Way: WayRepeats})
	c.Skip()
	w := c.Result(noon.Add(36 * time.Hour))

	if w.Alerts != 6 || w.Attacks != 4 || w.Benign != 1 || w.Skipped != 1 || w.Drifted != 1 || w.Days != 1.5 {
		t.Errorf("%+v", w)
	}
	was, would := &w.Rows[0], &w.Rows[1]
	if was.Missed != 1 || was.Hours != 1.5 || was.MicroUSD() != 1 || was.ClosedBenign != 1 || *was.MissRate != 0.25 {
		t.Errorf("as it was: %+v", was)
	}
	if would.Missed != 3 || would.Untold != 1 || *would.MissRate != 1 || would.Hours != 0.5 || would.Most != 1 || would.Changed != 4 ||
		would.Measured != 2 || would.Estimated != 2 || would.Unpriced != 2 {
		t.Errorf("would be: %+v", would)
	}
	if low, high := Interval(3, 3); would.Low != low || would.High != high {
		t.Errorf("%v to %v", would.Low, would.High)
	}
	if diff := cmp.Diff([]WhatIfMiss{{Setting: "x=1", ID: "0", By: WayModel}}, w.Missed); diff != "" || w.More != 1 {
		t.Errorf("missed, and %d more:\n%s", w.More, diff)
	}
	if diff := cmp.Diff(map[winnow.Reason]int{winnow.ReasonConfidence: 1, "": 2}, was.ToPeople); diff != "" {
		t.Error(diff)
	}
}

// Whatever the fates, every alert is in one column of every row, and rows with the same fates are the same.
func TestWhatIfLosesNoAlert(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := NewWhatIf(10, 5, []string{"same", "other"})
		n := rapid.IntRange(0, 30).Draw(t, "alerts")
		for i := range n {
			draw := func(name string) Fate {
				return Fate{Way: rapid.SampledFrom(Ways).Draw(t, name), Measured: winnow.NanoUSD(rapid.IntRange(0, 1e6).Draw(t, "cost"))}
			}
			was := draw("was")
			label := rapid.SampledFrom([]Label{LabelAttack, LabelBenign, LabelUnknown}).Draw(t, "label")
			c.Add(outlineOf(fmt.Sprint(i), label), false, []Fate{was, was, draw("other")})
		}
		w := c.Result(noon)
		for i := range w.Rows {
			sum := 0
			for _, way := range Ways {
				sum += w.Rows[i].Ending(way)
			}
			if sum != n || w.Rows[i].Missed+w.Rows[i].Untold > w.Attacks || w.Rows[i].Low > w.Rows[i].High {
				t.Fatalf("%d of %d alerts: %+v", sum, n, w.Rows[i])
			}
		}
		same := w.Rows[1]
		same.Setting = AsItWas
		if diff := cmp.Diff(w.Rows[0], same, cmp.AllowUnexported(WhatIfRow{})); diff != "" || same.Changed != 0 {
			t.Fatal(diff)
		}
	})
}
