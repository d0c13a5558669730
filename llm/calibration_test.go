package llm

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

// said returns n labelled judgements, of which so many were right.
func said(model, family string, stated, n, right int) []Labelled {
	out := make([]Labelled, n)
	for i := range out {
		out[i] = Labelled{Model: model, Stated: stated, Right: i < right}
		if family != "" {
			out[i].Families = []string{family}
		}
	}
	return out
}

func TestFitCalibration(t *testing.T) {
	var list []Labelled
	list = append(list, said("m", "travel", 70, 40, 20)...)
	list = append(list, said("m", "travel", 90, 120, 114)...)
	list = append(list, said("m", "travel", 95, 100, 100)...)
	list = append(list, said("m", "travel", 99, 3, 3)...)    // a few lucky ones join those below
	list = append(list, said("m", "malware", 99, 60, 30)...) // too few for a table of their own
	list = append(list, said("small", "", 99, 199, 199)...)  // and so has this model
	c := FitCalibration(list)
	want := []CalibrationTable{
		{Model: "m", Family: "", Labels: 323, Steps: []CalibrationStep{
			{From: 70, Labels: 40, Right: 20, Confidence: 35}, {From: 90, Labels: 283, Right: 247, Confidence: 82},
		}},
		{Model: "m", Family: "travel", Labels: 263, Steps: []CalibrationStep{
			{From: 70, Labels: 40, Right: 20, Confidence: 35}, {From: 90, Labels: 120, Right: 114, Confidence: 89},
			{From: 95, Labels: 103, Right: 103, Confidence: 96},
		}},
	}
	if d := cmp.Diff(want, c.Tables()); d != "" {
		t.Error(d)
	}
	for _, tt := range []struct {
		model    string
		families []string
		stated   int
		want     int
		fitted   bool
	}{
		{"m", []string{"travel"}, 99, 96, true},
		{"m", []string{"travel"}, 94, 89, true},
		{"m", []string{"travel"}, 69, 0, true}, // nothing was measured down there
		{"m", []string{"malware"}, 99, 82, true},
		{"m", []string{"malware", "travel"}, 99, 96, true},
		{"m", nil, 100, 82, true},
		{"small", nil, 99, 0, false},
		{"", nil, 99, 0, false},
	} {
		if got, fitted := c.Confidence(tt.model, tt.families, tt.stated); got != tt.want || fitted != tt.fitted {
			t.Errorf("%s of %v at %d: %d, %v, want %d, %v", tt.model, tt.families, tt.stated, got, fitted, tt.want, tt.fitted)
		}
	}
	if _, fitted := (*Calibration)(nil).Confidence("m", nil, 99); fitted {
		t.Error("nobody has measured anything, and there is a number")
	}
	newer := FitCalibration(said("small", "", 80, 200, 100))
	if got := c.With(newer).Tables(); len(got) != 3 || got[2].Model != "small" {
		t.Errorf("with another model: %v", got)
	}
	if got := c.With(FitCalibration(said("m", "", 80, 200, 100))).Tables(); len(got) != 1 {
		t.Errorf("a newer table of the model leaves older ones: %v", got)
	}
}

func TestFittedTablesAreSound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var list []Labelled
		for range rapid.IntRange(1, 12).Draw(rt, "bins") {
			n := rapid.IntRange(1, 120).Draw(rt, "n")
			list = append(list, said("m", "f", rapid.IntRange(0, 100).Draw(rt, "stated"), n, rapid.IntRange(0, n).Draw(rt, "right"))...)
		}
		c := FitCalibration(list)
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if d := cmp.Diff(c.Tables(), FitCalibration(list).Tables()); d != "" {
			rt.Fatal("the order of labels matters", d)
		}
		again, err := ParseCalibration("calibration.json", c.Encode())
		if err != nil || !bytes.Equal(again.Encode(), c.Encode()) {
			rt.Fatal(err)
		}
		last := 0
		for stated := range 101 {
			got, fitted := c.Confidence("m", []string{"f"}, stated)
			if fitted != (len(list) >= MinLabels) || got < last {
				rt.Fatalf("%d at %d after %d, fitted %v of %d", got, stated, last, fitted, len(list))
			}
			last = got
		}
		for _, table := range c.Tables() {
			for _, s := range table.Steps {
				if s.Confidence*s.Labels > 100*s.Right {
					rt.Fatalf("%v promises more than was seen", s)
				}
			}
		}
	})
}

const goodCalibration = `{"version":1,"tables":[{"model":"m","family":"","labels":200,"steps":[
 {"from":50,"labels":100,"right":50,"confidence":40},{"from":90,"labels":100,"right":100,"confidence":96}]}]}`

func TestDamagedCalibrationIsNone(t *testing.T) {
	if _, err := ParseCalibration("c.json", []byte(goodCalibration)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ old, with, want string }{
		{`"version":1`, `"version":2`, "version 2, this program reads 1"},
		{`"model":"m"`, `"model":""`, "unnamed"},
		{`"family"`, `"famile"`, "unknown field"},
		{`"right":100,"confidence":96`, `"right":100,"confidence":97`, "do not make a confidence of 97"},
		{`"right":100`, `"right":101`, "101 right of 100"},
		{`"right":100`, `"right":-1`, "-1 right of 100"},
		{`"confidence":96`, `"confidence":40`, "promises no more"},
		{`"confidence":40`, `"confidence":-1`, "do not make"},
		{`"from":90`, `"from":50`, "a step from 50 after one from 50"},
		{`"from":90`, `"from":101`, "a step from 101"},
		{`"labels":200`, `"labels":300`, "its steps have 200 labels, its head 300"},
		{`"labels":200`, `"labels":9223372036854775807`, "its head"},
		{`]}]}`, `]}]}{}`, "more after its end"},
		{`]}]}`, `]}]`, "EOF"},
		{`{"version":1`, `null{"version":1`, "version 0"},
	} {
		text := strings.Replace(goodCalibration, tt.old, tt.with, 1)
		if strings.HasPrefix(text, "null") {
			text = "null"
		}
		c, err := ParseCalibration("c.json", []byte(text))
		if c != nil || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "winnow eval --fit") {
			t.Errorf("%s -> %s: %v, want %q", tt.old, tt.with, err, tt.want)
		}
	}
	small := strings.NewReplacer(`"labels":200`, `"labels":199`, `"from":50,"labels":100`, `"from":50,"labels":99`).Replace(goodCalibration)
	if _, err := ParseCalibration("c.json", []byte(small)); err == nil || !strings.Contains(err.Error(), "at least 200") {
		t.Errorf("199 labels: %v", err)
	}
	if _, err := ParseCalibration("c.json", bytes.Repeat([]byte(" "), MaxCalibrationFile+1)); err == nil {
		t.Error("a file of any size is read")
	}
}

func FuzzParseCalibration(f *testing.F) {
	f.Add([]byte(goodCalibration))
	f.Add([]byte(`{"version":1,"tables":[]}`))
	f.Add([]byte(`{"version":1,"tables":[{"model":"m","labels":-5,"steps":[{"from":-1}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCalibration("c.json", data)
		if err != nil {
			return
		}
		for _, table := range c.Tables() {
			last := 0
			for stated := range 101 {
				got, _ := c.Confidence(table.Model, []string{table.Family}, stated)
				if got < last || got > 100 {
					t.Fatalf("%d at %d", got, stated)
				}
				last = got
			}
		}
		if _, err := ParseCalibration("c.json", c.Encode()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestGuardUsesTheFittedTable(t *testing.T) {
	fitted := func(stated, n, right int) *Calibration {
		return FitCalibration(said("test-model", "travel", stated, n, right))
	}
	tests := []struct {
		name   string
		source winnow.Source
		table  *Calibration
		trust  bool
		want   int
		closes bool
	}{
		{"nothing fitted", winnow.SourceModel, nil, false, 80, false},
		{"nothing fitted, trusted", winnow.SourceModel, nil, true, 95, true},
		{"unreadable tables are not a reason to trust", winnow.SourceModel, BrokenCalibration(), true, 80, false},
		{"often right", winnow.SourceModel, fitted(95, 300, 300), false, 98, true},
		{"trust does not go before a table", winnow.SourceModel, fitted(95, 300, 200), true, 61, false},
		{"measured only above", winnow.SourceModel, fitted(96, 300, 300), true, 0, false},
		{"another model", winnow.SourceModel, FitCalibration(said("other", "travel", 95, 300, 300)), false, 80, false},
		{"offline is not raised", winnow.SourceOffline, fitted(95, 3000, 3000), false, 95, true},
		{"offline is lowered", winnow.SourceOffline, fitted(95, 300, 200), false, 61, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := travel(t)
			in.Policy.TrustUncalibrated = tt.trust
			p := newTest(t, benignScript(tt.source), func(o *Options) { o.Calibration = tt.table })
			got, err := p.Analyse(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if got.Verdict.Confidence != tt.want || got.Verdict.Stated != 95 || got.Closable() != tt.closes {
				t.Errorf("confidence %d, closable %v, %v", got.Verdict.Confidence, got.Closable(), got.Objections)
			}
			if got.Model != "test-model" || !cmp.Equal(got.Families, []string{"travel"}) {
				t.Errorf("model %q, families %v", got.Model, got.Families)
			}
		})
	}
}

// What was measured of benign judgements says nothing of the others: an attack must not become a case for
// the queue because the model is often wrong about benign ones.
func TestCalibrationLeavesOtherJudgementsAlone(t *testing.T) {
	s := benignScript(winnow.SourceModel)
	s.answers["classify"] = strings.Replace(s.answers["classify"], "BenignPositive", "TruePositive", 1)
	p := newTest(t, s, func(o *Options) { o.Calibration = FitCalibration(said("test-model", "travel", 95, 300, 3)) })
	got, err := p.Analyse(t.Context(), travel(t))
	if err != nil || got.Verdict.Disposition != winnow.TruePositive || got.Verdict.Confidence != 95 || got.Calibrated {
		t.Errorf("%s at %d, calibrated %v, %v", got.Verdict.Disposition, got.Verdict.Confidence, got.Calibrated, err)
	}
}

// One model among those who decide makes its stated confidence count as a model's.
func TestAModelAmongAnalystsIsNotTakenAtItsWord(t *testing.T) {
	model, offline := benignScript(winnow.SourceModel), benignScript(winnow.SourceOffline)
	in := travel(t)
	in.Policy.TrustUncalibrated = false
	p := newTest(t, offline, func(o *Options) { o.Classify, o.Panel.Always = model, true })
	got, err := p.Analyse(t.Context(), in)
	if err != nil || got.Verdict.Confidence > uncalibratedMax || got.Closable() {
		t.Errorf("confidence %d, closable %v, %v", got.Verdict.Confidence, got.Closable(), err)
	}
}
