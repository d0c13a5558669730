package report

import (
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
)

// Label is what a person says that an alert was.
type Label string

// The labels.
const (
	LabelAttack  Label = "attack"
	LabelBenign  Label = "benign"
	LabelUnknown Label = "unknown" // looked at, and nobody could tell; also alerts without a label
)

// Trial is what became of one labelled alert.
type Trial struct {
	Label      Label
	Closed     bool // by the policy in force
	Unsure     bool // the analysts could not tell, or gave no answer
	Failed     bool // a model gave no answer
	Candidate  bool // nothing but confidence and the benign-fact rule could speak against a close
	Fact       bool // code found a benign fact
	Confidence int  // 0 to 100: calibrated where that was fitted, else as stated
	Cost       winnow.Cost
	Took       time.Duration
}

// Eval is how well one model closes labelled alerts.
type Eval struct {
	Model   string `json:"model"`
	Alerts  int    `json:"alerts"`
	Attacks int    `json:"attacks"`
	Benign  int    `json:"benign"`
	Unknown int    `json:"unknown"` // without a label, or nobody could tell

	Unsure      int     `json:"unsure"` // the analysts could not tell, or gave no answer
	UnsureShare float64 `json:"unsure_share"`
	Failed      int     `json:"failed"` // of the unsure, those without an answer

	InForce EvalPoint   `json:"in_force"` // the policy of winnow.conf
	Curve   []EvalPoint `json:"curve"`    // risk and coverage, with the benign-fact rule and without it

	Cost     winnow.Cost `json:"cost"`
	PerAlert int64       `json:"microusd_per_alert"`
	MeanMS   float64     `json:"latency_mean_ms"`
	MedianMS float64     `json:"latency_p50_ms"`
	SlowMS   float64     `json:"latency_p95_ms"`
}

// EvalPoint is what would be closed at one threshold. Shares of nothing are null.
type EvalPoint struct {
	FactRule  bool `json:"fact_rule"` // a close needs a benign fact; not said of the policy in force, which may differ by search
	Threshold int  `json:"threshold"` // least confidence; 0 for the policy in force

	Closed        int `json:"closed"`
	ClosedBenign  int `json:"closed_benign"`
	Missed        int `json:"missed"` // attacks that were closed
	ClosedUnknown int `json:"closed_unknown"`

	Coverage  float64  `json:"coverage"`  // closed of all
	Recall    *float64 `json:"recall"`    // closed benign of benign
	Precision *float64 `json:"precision"` // benign of the closed that are known
	MissRate  *float64 `json:"miss_rate"` // missed of the attacks
	Low       float64  `json:"miss_rate_low"`
	High      float64  `json:"miss_rate_high"` // Wilson's 95 % interval
}

// Thresholds are those of the curve.
var Thresholds = []int{0, 50, 60, 70, 75, 80, 85, 90, 95, 99}

// EvalCounter adds trials up. Not safe for concurrent use.
type EvalCounter struct {
	eval  Eval
	cells [2][101]evalCell // by fact and confidence: what a threshold would close
	force evalCell
	took  []time.Duration
}

// evalCell counts alerts by their label.
type evalCell struct{ attacks, benign, unknown int }

func (c *evalCell) add(l Label) {
	switch l {
	case LabelAttack:
		c.attacks++
	case LabelBenign:
		c.benign++
	default:
		c.unknown++
	}
}

// NewEval starts the count of one model.
func NewEval(model string) *EvalCounter { return &EvalCounter{eval: Eval{Model: model}} }

// Add takes one trial in.
func (c *EvalCounter) Add(t Trial) {
	e := &c.eval
	all := evalCell{e.Attacks, e.Benign, e.Unknown}
	all.add(t.Label)
	e.Alerts, e.Attacks, e.Benign, e.Unknown = e.Alerts+1, all.attacks, all.benign, all.unknown
	if t.Unsure {
		e.Unsure++
	}
	if t.Failed {
		e.Failed++
	}
	if t.Closed {
		c.force.add(t.Label)
	}
	if t.Candidate {
		fact := 0
		if t.Fact {
			fact = 1
		}
		c.cells[fact][min(max(t.Confidence, 0), 100)].add(t.Label)
	}
	k := &e.Cost
	k.MicroUSD, k.Calls, k.Unpriced = k.MicroUSD+t.Cost.MicroUSD, k.Calls+t.Cost.Calls, k.Unpriced+t.Cost.Unpriced
	k.InputTokens, k.CachedTokens, k.OutputTokens = k.InputTokens+t.Cost.InputTokens, k.CachedTokens+t.Cost.CachedTokens, k.OutputTokens+t.Cost.OutputTokens
	c.took = append(c.took, t.Took)
}

// Result returns the sums.
func (c *EvalCounter) Result() *Eval {
	e := c.eval
	e.InForce = e.point(c.force)
	for _, rule := range []bool{true, false} {
		for _, threshold := range Thresholds {
			p := e.point(c.above(threshold, rule))
			p.FactRule, p.Threshold = rule, threshold
			e.Curve = append(e.Curve, p)
		}
	}
	if e.Alerts > 0 {
		e.UnsureShare = float64(e.Unsure) / float64(e.Alerts)
		e.PerAlert = (e.Cost.MicroUSD + int64(e.Alerts) - 1) / int64(e.Alerts)
		e.latency(c.took)
	}
	return &e
}

func (c *EvalCounter) above(threshold int, rule bool) (sum evalCell) {
	for fact := range c.cells {
		if rule && fact == 0 {
			continue
		}
		for _, cell := range c.cells[fact][threshold:] {
			sum.attacks, sum.benign, sum.unknown = sum.attacks+cell.attacks, sum.benign+cell.benign, sum.unknown+cell.unknown
		}
	}
	return sum
}

func (e *Eval) point(closed evalCell) EvalPoint {
	p := EvalPoint{
		Closed: closed.attacks + closed.benign + closed.unknown, ClosedBenign: closed.benign, Missed: closed.attacks, ClosedUnknown: closed.unknown,
		Recall: shareOf(closed.benign, e.Benign), Precision: shareOf(closed.benign, closed.benign+closed.attacks), MissRate: shareOf(closed.attacks, e.Attacks),
	}
	if e.Alerts > 0 {
		p.Coverage = float64(p.Closed) / float64(e.Alerts)
	}
	p.Low, p.High = Wilson(p.Missed, e.Attacks)
	return p
}

// shareOf returns nil for a share of nothing.
func shareOf(k, n int) *float64 {
	if n == 0 {
		return nil
	}
	s := float64(k) / float64(n)
	return &s
}

func (e *Eval) latency(took []time.Duration) {
	slices.Sort(took)
	var sum time.Duration
	for _, d := range took {
		sum += d
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	at := func(percent int) time.Duration { return took[(len(took)*percent+99)/100-1] }
	e.MeanMS, e.MedianMS, e.SlowMS = ms(sum/time.Duration(len(took))), ms(at(50)), ms(at(95))
}
