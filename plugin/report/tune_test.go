package report

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

// tuneOn is what comes of values that were tried on 100 attacks and 200 benign alerts, all of which are looked at
// by a person now.
func tuneOn(o TuneOptions, rows ...WhatIfRow) *Tune {
	w := &WhatIf{Days: 30, Minutes: 6, Alerts: 300, Attacks: 100, Benign: 200, Rows: []WhatIfRow{{Setting: AsItWas, Review: 300, Hours: 30, Measured: 1000}}}
	tried := make([]Tried, len(rows))
	for i, r := range rows {
		key, value, _ := strings.Cut(r.Setting, "=")
		tried[i] = Tried{Key: key, Value: value}
		if key == "c" {
			tried[i].Threshold = 90
		}
		w.Rows = append(w.Rows, r)
	}
	return NewTune(o, w, tried)
}

func TestTuneRefuses(t *testing.T) {
	good := WhatIfRow{Setting: "a=1", Analysts: 50, Review: 250, Hours: 25, Measured: 900}
	for _, tt := range []struct {
		name string
		miss float64
		row  func(*WhatIfRow)
		want string
	}{
		{"good", 0.05, func(*WhatIfRow) {}, ""},
		{"dollars alone", 0.05, func(r *WhatIfRow) { r.Hours = 30 }, ""},
		{"nothing saved", 0.05, func(r *WhatIfRow) { r.Hours, r.Measured = 30, 1000 }, "it saves nothing"},
		{"an attack", 0.5, func(r *WhatIfRow) { r.Missed = 1 }, "labelled attacks that it would close, and that are not closed now: 1"},
		{"not known", 0.05, func(r *WhatIfRow) { r.Unknown = 2 }, "alerts of which it cannot be told what would become of them: 2"},
		{"too few for so little", 0.01, func(*WhatIfRow) {}, "too few labels: 100 attacks, 268 more are needed"},
		{"attacks that cannot be told", 0.05, func(r *WhatIfRow) { r.Untold = 40 }, "too few labels: 60 attacks, 12 more are needed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			row := good
			tt.row(&row)
			got := tuneOn(TuneOptions{MaxMiss: tt.miss}, row)
			if v := got.Tried[0]; v.Refused != tt.want || v.Chosen != (tt.want == "") {
				t.Errorf("%+v", v)
			}
		})
	}
}

// The ledger has a veto: what a file says of others does not excuse an attack that people named here.
func TestTuneTakesAFileForWhatItIsAbout(t *testing.T) {
	e := &Eval{Model: "now", Alerts: 500, Attacks: 200, Benign: 300, Curve: []EvalPoint{{FactRule: true, Threshold: 90, Missed: 1}, {Threshold: 90, Missed: 150}}}
	o := TuneOptions{MaxMiss: 0.03, FactRule: true, File: "f.json", Evals: []*Eval{e}, Present: "now"}
	rows := []WhatIfRow{{Setting: "c=90", Analysts: 10, Hours: 29}, {Setting: "other=1", Analysts: 10, Hours: 29}, {Setting: "c=90", Analysts: 10, Hours: 20, Missed: 1}}
	got := tuneOn(o, rows...)
	if v := got.Tried[0]; !v.Chosen || v.Evidence.Source != "f.json" || v.Evidence.Attacks != 200 || v.Evidence.Missed != 1 {
		t.Errorf("%+v", v)
	}
	if v := got.Tried[1]; v.Chosen || v.Evidence.Source != "ledger" || !strings.HasPrefix(v.Refused, "too few labels: 100 attacks") {
		t.Errorf("%+v", v)
	}
	if v := got.Tried[2]; v.Chosen || !strings.HasPrefix(v.Refused, "labelled attacks that it would close") {
		t.Errorf("%+v", v)
	}
}

func TestTuneTogether(t *testing.T) {
	rows := []WhatIfRow{{Setting: "a=1", Analysts: 10, Hours: 29}, {Setting: "a=2", Analysts: 20, Hours: 28}, {Setting: "b=1", Analysts: 5, Hours: 29.5}}
	whole := func(row WhatIfRow) *WhatIf {
		return &WhatIf{Attacks: 100, Benign: 200, Rows: []WhatIfRow{{Hours: 30}, row}}
	}
	got := tuneOn(TuneOptions{MaxMiss: 0.05}, rows...)
	if c := got.Chosen(); len(c) != 2 || c[0].Value != "2" || c[1].Key != "b" {
		t.Fatalf("%+v", c)
	}
	got.Together(whole(WhatIfRow{Hours: 27}))
	if got.Whole.Hours != 3 || len(got.Chosen()) != 2 {
		t.Errorf("%+v", got.Whole)
	}
	got = tuneOn(TuneOptions{MaxMiss: 0.05}, rows...)
	got.Together(whole(WhatIfRow{Hours: 20, Missed: 1}))
	if c := got.Chosen(); len(c) != 1 || c[0].Value != "2" || got.Whole.Hours != 2 || got.Whole.Evidence.Missed != 0 {
		t.Errorf("%+v, %+v", c, got.Whole)
	}
}

func TestTuneModels(t *testing.T) {
	share := func(f float64) *float64 { return &f }
	result := func(model string, per int64, missed int, recall float64) *Eval {
		return &Eval{Model: model, Alerts: 300, Attacks: 100, Benign: 200, PerAlert: per, InForce: EvalPoint{Missed: missed, Recall: share(recall)}}
	}
	other := result("other", 1, 0, 1)
	other.Benign = 150
	unpriced := result("unpriced", 0, 0, 1)
	unpriced.Cost = winnow.Cost{Unpriced: 3}
	o := TuneOptions{
		MaxMiss: 0.05, File: "f", Present: "now", AskedAMonth: 1000, Models: []string{"now", "small", "tiny", "blind", "shy", "other", "unpriced", "dear"},
		Evals: []*Eval{result("now", 5000, 0, 0.5), result("small", 1000, 0, 0.6), result("tiny", 500, 1, 0.9), result("blind", 100, 40, 0.9), result("shy", 100, 0, 0.4),
			other, unpriced, result("dear", 9000, 0, 0.9), result("unnamed", 1, 0, 1)},
	}
	got := tuneOn(o)
	if m := got.Model(); m == nil || m.Model != "small" || m.MicroUSD != 4_000_000 {
		t.Fatalf("%+v", got.Models)
	}
	for i, want := range []string{"", "it misses 1 of 100", "it misses 40 of 100", "it closes fewer", "it was measured on other", "some of its calls", "it saves nothing", "winnow.conf has no [model:unnamed]"} {
		if m := got.Models[i]; !strings.HasPrefix(m.Refused, want) || want == "" && m.Refused != "" {
			t.Errorf("%s: %q, want %q", m.Model, m.Refused, want)
		}
	}
	o.Present = "another"
	if got := tuneOn(o); got.Model() != nil || !strings.Contains(got.Models[0].Refused, "no result of the present model") {
		t.Errorf("%+v", got.Models[0])
	}
}

// Whatever was measured, nothing is chosen that closes one more attack, that misses more than is wanted, or that
// rests on too few labels.
func TestTuneChoosesNothingUnsafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows []WhatIfRow
		for range rapid.IntRange(1, 6).Draw(t, "values") {
			missed := rapid.IntRange(0, 3).Draw(t, "missed")
			untold := rapid.IntRange(0, 100-missed).Draw(t, "untold")
			rows = append(rows, WhatIfRow{
				Setting: rapid.SampledFrom([]string{"a=1", "a=2", "b=1"}).Draw(t, "key"), Missed: missed, Untold: untold,
				Unknown: rapid.IntRange(0, 1).Draw(t, "unknown"), Hours: rapid.Float64Range(0, 60).Draw(t, "hours"),
			})
		}
		got := tuneOn(TuneOptions{MaxMiss: rapid.Float64Range(0.01, 0.2).Draw(t, "limit")}, rows...)
		keys := map[string]int{}
		for _, v := range got.Chosen() {
			keys[v.Key]++
			if e := v.Evidence; e.Missed > 0 || e.High > got.MaxMiss || e.Attacks < got.NeededAttacks || v.Hours <= 0 && v.MicroUSD <= 0 {
				t.Fatalf("%+v", v)
			}
		}
		for key, n := range keys {
			if n > 1 {
				t.Fatalf("%d values of %s", n, key)
			}
		}
	})
}

// FuzzReadEvals promises that no file makes counts that cannot be.
func FuzzReadEvals(f *testing.F) {
	f.Add(`{"model":"m","alerts":2,"attacks":1,"benign":1,"in_force":{"missed":1},"curve":[{"threshold":90,"missed":1}]}`)
	f.Add(`{"model":"m","attacks":-1}`)
	f.Add(`{"model":"m"}{"model":"n","curve":null} x`)
	f.Add(``)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ReadEvals("f", strings.NewReader(text))
		if err != nil {
			return
		}
		for _, e := range list {
			if e.Model == "" || e.Attacks < 0 || e.Attacks > e.Alerts || e.InForce.Missed > e.Attacks || e.InForce.Missed < 0 {
				t.Errorf("%+v", e)
			}
		}
	})
}
