package report

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

func TestEval(t *testing.T) {
	c := NewEval("m")
	add := func(n int, one Trial) {
		for range n {
			c.Add(one)
		}
	}
	ms := time.Millisecond
	add(60, Trial{Label: LabelBenign, Closed: true, Candidate: true, Fact: true, Confidence: 95, Took: 10 * ms, Cost: winnow.Cost{MicroUSD: 100, Calls: 2}})
	add(20, Trial{Label: LabelBenign, Candidate: true, Confidence: 90, Took: 10 * ms})
	add(10, Trial{Label: LabelBenign, Unsure: true, Took: 10 * ms})
	add(1, Trial{Label: LabelAttack, Closed: true, Candidate: true, Fact: true, Confidence: 86, Took: 100 * ms})
	add(7, Trial{Label: LabelAttack, Took: 100 * ms})
	add(1, Trial{Label: LabelAttack, Unsure: true, Failed: true, Took: time.Second})
	add(1, Trial{Label: LabelUnknown, Closed: true, Candidate: true, Fact: true, Confidence: 100, Took: 100 * ms})
	e := c.Result()
	if e.Alerts != 100 || e.Benign != 90 || e.Attacks != 9 || e.Unknown != 1 {
		t.Fatalf("%+v", e)
	}
	if e.Unsure != 11 || e.Failed != 1 || e.PerAlert != 60 || e.Cost.Calls != 120 {
		t.Errorf("unsure %d, failed %d, %d micro an alert, %d calls", e.Unsure, e.Failed, e.PerAlert, e.Cost.Calls)
	}
	if e.MedianMS != 10 || e.SlowMS != 100 {
		t.Errorf("latency %v, %v, %v", e.MeanMS, e.MedianMS, e.SlowMS)
	}
	p := e.InForce
	if p.Closed != 62 || p.Missed != 1 || p.ClosedUnknown != 1 || *p.Recall != 60.0/90 || *p.Precision != 60.0/61 || *p.MissRate != 1.0/9 {
		t.Errorf("in force %+v", p)
	}
	if math.Abs(p.Low-0.0199) > 0.001 || math.Abs(p.High-0.435) > 0.001 {
		t.Errorf("interval %v to %v", p.Low, p.High)
	}
	find := func(rule bool, threshold int) EvalPoint {
		for _, p := range e.Curve {
			if p.FactRule == rule && p.Threshold == threshold {
				return p
			}
		}
		t.Fatalf("no point at %d", threshold)
		return EvalPoint{}
	}
	for _, tt := range []struct {
		rule                      bool
		threshold, closed, missed int
	}{{true, 0, 62, 1}, {true, 85, 62, 1}, {true, 90, 61, 0}, {true, 99, 1, 0}, {false, 90, 81, 0}, {false, 85, 82, 1}} {
		if p := find(tt.rule, tt.threshold); p.Closed != tt.closed || p.Missed != tt.missed {
			t.Errorf("fact rule %v at %d: %+v", tt.rule, tt.threshold, p)
		}
	}
}

func TestEvalOfNothing(t *testing.T) {
	e := NewEval("m").Result()
	p := e.InForce
	if p.Recall != nil || p.Precision != nil || p.MissRate != nil || p.Low != 0 || p.High != 1 || e.PerAlert != 0 {
		t.Errorf("%+v", e)
	}
}

// The curve falls with the threshold, the rule closes no more than its absence, and Wilson's interval holds
// the share.
func TestCurveIsMonotone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := NewEval("m")
		for range rapid.IntRange(0, 60).Draw(rt, "alerts") {
			c.Add(Trial{
				Label:     rapid.SampledFrom([]Label{LabelAttack, LabelBenign, LabelUnknown, ""}).Draw(rt, "label"),
				Candidate: rapid.Bool().Draw(rt, "candidate"), Fact: rapid.Bool().Draw(rt, "fact"),
				Confidence: rapid.IntRange(-5, 105).Draw(rt, "confidence"),
			})
		}
		e := c.Result()
		n := len(Thresholds)
		for i := range n {
			with, without := e.Curve[i], e.Curve[n+i]
			if with.Closed > without.Closed || with.Missed > without.Missed {
				rt.Fatalf("the rule closes more: %+v, %+v", with, without)
			}
			if i > 0 && (with.Closed > e.Curve[i-1].Closed || without.Closed > e.Curve[n+i-1].Closed) {
				rt.Fatalf("more is closed at a higher threshold")
			}
			if with.MissRate != nil && (*with.MissRate < with.Low-1e-9 || *with.MissRate > with.High+1e-9) {
				rt.Fatalf("%v is not within %v to %v", *with.MissRate, with.Low, with.High)
			}
		}
	})
}
