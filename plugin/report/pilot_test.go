package report

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// pilotAlert is one alert of a pilot: what winnow decided, and what a person said later.
type pilotAlert struct {
	search string
	run    winnow.Run
	source winnow.Source
	would  winnow.State
	said   winnow.Disposition // Undetermined: nobody said anything
	bulk   bool               // a person said it among many at once
}

// pilotLedger holds such alerts, an hour apart and up to noon.
func pilotLedger(t *testing.T, list []pilotAlert) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	err = l.Update(t.Context(), func(tx *ledger.Tx) error {
		for i, p := range list {
			if err := p.put(tx, i, noon.Add(time.Duration(i-len(list)+1)*time.Hour)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (p pilotAlert) put(tx *ledger.Tx, i int, at time.Time) error {
	a := winnow.Alert{ID: fmt.Sprintf("%04d", i), Key: winnow.Key{RID: fmt.Sprint(i)}, SearchName: p.search, Time: at, Received: at, Severity: winnow.SeverityLow}
	r := winnow.NewRecord(&a, winnow.Proposal{})
	if p.source == winnow.SourceRule {
		r.Proposal = winnow.Proposal{Kind: winnow.ProposeDrop, Reason: winnow.ReasonRule, Rule: "vpn"}
	}
	r.Verdict.Source = p.source
	r.Outcome = winnow.Outcome{State: winnow.StateLeft, Would: p.would, Run: p.run}
	if p.run == winnow.RunEnforce || p.would == winnow.StateQueued {
		r.Outcome.State, r.Outcome.Would = p.would, ""
	}
	if err := tx.Add(ledger.Entry{Alert: a}, r); err != nil || p.said == winnow.Undetermined {
		return err
	}
	review := ledger.Review{ID: a.ID, Action: "notable", Disposition: p.said, Actor: "ann", At: at, Weak: p.bulk}
	if p.bulk {
		return tx.AddReview(review)
	}
	// As Engine.settleLabel leaves it in shadow: what winnow would have done stands in the history alone.
	r.Verdict.Source, r.Verdict.Disposition = winnow.SourcePerson, p.said
	r.Outcome = winnow.Outcome{State: winnow.StateLeft, Would: winnow.StateLeft, Reason: winnow.ReasonPerson, Run: p.run}
	_, err := tx.Change(r, ledger.Links{})
	return errors.Join(err, tx.AddReview(review))
}

func pilotOf(t *testing.T, o PilotOptions, list ...pilotAlert) *Pilot {
	t.Helper()
	l := pilotLedger(t, list)
	var p *Pilot
	err := l.View(t.Context(), func(tx *ledger.Tx) (err error) {
		o.Since, o.Until = noon.AddDate(0, 0, -30), noon.Add(time.Microsecond)
		if o.Units, err = NewUnits(tx, o.Since, o.Until, func(int64) winnow.NanoUSD { return 5_000_000 }); err != nil {
			return err
		}
		p, err = NewPilot(tx, o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func times(n int, p pilotAlert) []pilotAlert {
	out := make([]pilotAlert, n)
	for i := range out {
		out[i] = p
	}
	return out
}

func TestPilotLights(t *testing.T) {
	drop := pilotAlert{"S", winnow.RunShadow, winnow.SourceRule, winnow.StateClosed, winnow.Undetermined, false}
	said := func(p pilotAlert, d winnow.Disposition) pilotAlert { p.said = d; return p }
	bulk := said(drop, winnow.BenignPositive)
	bulk.bulk = true
	weakAttack := said(drop, winnow.TruePositive)
	weakAttack.bulk = true
	review := pilotAlert{"S", winnow.RunShadow, winnow.SourceOffline, winnow.StateInReview, winnow.Undetermined, false}
	o := PilotOptions{Minutes: 6, MaxMiss: 0.5, List: 1} // needs 6 labels
	for _, tt := range []struct {
		name  string
		list  []pilotAlert
		light Light
		more  int
	}{
		{"enough benign labels", times(6, said(drop, winnow.BenignPositive)), Green, 0},
		{"one too few", times(5, said(drop, winnow.FalsePositiveData)), Yellow, 1},
		{"no label", times(50, drop), Yellow, 6},
		{"weak labels are none", times(50, bulk), Yellow, 6},
		{"a weak attack is none either", append(times(6, said(drop, winnow.BenignPositive)), weakAttack), Green, 0},
		{"other says nothing", times(50, said(drop, winnow.Other)), Yellow, 6},
		{"one attack among many", append(times(50, said(drop, winnow.BenignPositive)), said(drop, winnow.TruePositive)), Red, 0},
		{"an attack that goes to a person is no miss", append(times(6, said(drop, winnow.BenignPositive)), said(review, winnow.TruePositive)), Green, 0},
		{"benign alerts that go to a person prove nothing", append(times(9, said(review, winnow.BenignPositive)), drop), Yellow, 6},
		{"nothing to close", times(3, said(review, winnow.TruePositive)), Dark, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := pilotOf(t, o, tt.list...)
			if len(p.Searches) != 1 || p.Enforced || p.Needed != 6 {
				t.Fatalf("%+v", p)
			}
			if s := p.Searches[0]; s.Light != tt.light || s.More != tt.more {
				t.Errorf("%s, %d labels are missing; want %s, %d: %+v", s.Light, s.More, tt.light, tt.more, s)
			}
		})
	}
}

func TestPilotNamesWhatItMissed(t *testing.T) {
	drop := pilotAlert{"S", winnow.RunAssist, winnow.SourceRule, winnow.StateClosed, winnow.TruePositive, false}
	analysts := drop
	analysts.source = winnow.SourceOffline
	p := pilotOf(t, PilotOptions{MaxMiss: 0.1, List: 2}, drop, analysts, analysts)
	s := p.Searches[0]
	want := []PilotMiss{
		{"0000", noon.Add(-2 * time.Hour), winnow.SeverityLow, CloserRule, "vpn"},
		{"0001", noon.Add(-time.Hour), winnow.SeverityLow, CloserAnalysts, ""},
	}
	if diff := cmp.Diff(want, s.Alarms); diff != "" || s.AlarmsMore != 1 || s.Missed != 3 || s.Run != winnow.RunAssist {
		t.Errorf("%+v (-want +got):\n%s", s, diff)
	}
}

// Savings are scaled to a month from the days that were seen, and from no less than one: an hour of alerts is no
// month.
func TestPilotSavesInAMonth(t *testing.T) {
	drop := pilotAlert{"S", winnow.RunShadow, winnow.SourceRule, winnow.StateClosed, winnow.Undetermined, false}
	model := drop
	model.source = winnow.SourceModel
	o := PilotOptions{Minutes: 6, MaxMiss: 0.1}
	s := pilotOf(t, o, drop, drop, model).Searches[0] // within three hours: counts as a day
	if s.Hours < 8.99 || s.Hours > 9.01 || s.Saved == nil || *s.Saved != 2*30*5000 || s.Basis != BasisList {
		t.Errorf("%.2f hours, %+v", s.Hours, s)
	}
	p := pilotOf(t, o, times(49, drop)...)
	if s := p.Searches[0]; p.Days < 1.99 || p.Days > 2.01 || s.Hours < 73.4 || s.Hours > 73.6 {
		t.Errorf("%.2f days, %.2f hours", p.Days, s.Hours)
	}
}

// Where nothing is in shadow or assist any more, what is enforced is told of, and said to be so. One alert in
// shadow is enough to leave that out: the question is about what is not enforced yet.
func TestPilotWhereAllIsEnforced(t *testing.T) {
	on := pilotAlert{"on", winnow.RunEnforce, winnow.SourceRule, winnow.StateClosed, winnow.BenignPositive, false}
	waits := pilotAlert{"waits", winnow.RunShadow, "", winnow.StateQueued, winnow.Undetermined, false}
	if p := pilotOf(t, PilotOptions{MaxMiss: 0.1}, on, on, waits); !p.Enforced || len(p.Searches) != 1 || p.Searches[0].Labelled != 2 {
		t.Errorf("%+v", p)
	}
	off := on
	off.search, off.run = "off", winnow.RunShadow
	if p := pilotOf(t, PilotOptions{MaxMiss: 0.1}, on, off); p.Enforced || len(p.Searches) != 1 || p.Searches[0].Search != "off" {
		t.Errorf("%+v", p)
	}
	if p := pilotOf(t, PilotOptions{MaxMiss: 0.1}); p.Enforced || len(p.Searches) != 0 {
		t.Errorf("of nothing: %+v", p)
	}
}

// LabelsFor is the least number that is enough.
func TestLabelsFor(t *testing.T) {
	for share, want := range map[float64]int{0.05: 72, 0.02: 183, 0.01: 368, 0.5: 6, 1: 1, 2: 1} {
		if got := LabelsFor(share); got != want {
			t.Errorf("for %v: %d labels, want %d", share, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Float64Range(0.001, 0.999).Draw(t, "share")
		n := LabelsFor(share)
		_, high := Interval(0, n)
		if high > share {
			t.Fatalf("%d labels prove %v, want %v", n, high, share)
		}
		if _, less := Interval(0, n-1); n > 1 && less <= share {
			t.Fatalf("%d labels are asked for, %d are enough", n, n-1)
		}
	})
}

// More benign labels never turn a light away from green, and one attack always turns it red.
func TestPilotLightsAreMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := PilotOptions{MaxMiss: rapid.Float64Range(0.01, 0.9).Draw(t, "limit")}
		labels := rapid.IntRange(0, 400).Draw(t, "labels")
		light := func(labels, missed int) Light {
			s := PilotSearch{Drops: 500, Labelled: labels, Missed: missed}
			s.judge(&o, LabelsFor(o.MaxMiss))
			return s.Light
		}
		if light(labels, 0) == Green && light(labels+1, 0) != Green {
			t.Fatalf("%d labels are green, one more is not", labels)
		}
		if light(labels+1, 1) != Red {
			t.Fatal("an attack is not red")
		}
	})
}

func TestUnits(t *testing.T) {
	list := func(bytes int64) winnow.NanoUSD { return winnow.NanoUSD(bytes) }
	measured := newUnits([]ledger.Asked{{Search: "A", Alerts: 2, Booked: 10}, {Search: "B", Alerts: 2, Booked: 30}}, list)
	for _, tt := range []struct {
		u      *Units
		search string
		want   winnow.NanoUSD
		basis  Basis
	}{
		{measured, "A", 5, BasisMeasured},
		{measured, "C", 10, BasisElsewhere},
		{newUnits(nil, list), "A", 7, BasisList},
		{newUnits(nil, nil), "A", 0, BasisNone},
	} {
		if got, basis := tt.u.Of(tt.search, 7); got != tt.want || basis != tt.basis {
			t.Errorf("%s costs %d by %s, want %d by %s", tt.search, got, basis, tt.want, tt.basis)
		}
	}
}
