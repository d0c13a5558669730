package llm

import (
	"cmp"
	"math"
	"slices"
)

// MinLabels is how many labelled benign judgements a table is fitted from, at least.
const MinLabels = 200

// Labelled is one benign judgement of an alert whose truth a person knows.
type Labelled struct {
	Model    string   // whose confidence it is; see [Analysis.Model]
	Families []string // of the alert's search
	Stated   int      // confidence as stated, 0 to 100
	Right    bool     // the alert was benign
}

// Calibration says how often benign judgements of a stated confidence were right: a table for each
// model and family of searches, and one for all searches of a model. It is not changed once made, so
// it is safe for concurrent use; nil knows nothing.
type Calibration struct {
	tables []CalibrationTable
	broken bool
}

// BrokenCalibration stands for tables that are there and cannot be read: it knows nothing, and no model's
// stated confidence is trusted either, because somebody had measured it.
func BrokenCalibration() *Calibration { return &Calibration{broken: true} }

func (c *Calibration) isBroken() bool { return c != nil && c.broken }

// CalibrationTable is what was measured of one model on one family of searches.
type CalibrationTable struct {
	Model  string            `json:"model"`
	Family string            `json:"family"` // "" for all searches
	Labels int               `json:"labels"` // judgements that it rests on
	Steps  []CalibrationStep `json:"steps"`  // rising
}

// CalibrationStep holds from a stated confidence on, up to the next step.
type CalibrationStep struct {
	From       int `json:"from"`
	Labels     int `json:"labels"`
	Right      int `json:"right"`
	Confidence int `json:"confidence"` // lower bound of Wilson's 95 % interval for Right of Labels, in percent
}

// FitCalibration fits a table for every model, and every family of it, that has enough labels.
func FitCalibration(list []Labelled) *Calibration {
	type group struct{ model, family string }
	groups := map[group][]Labelled{}
	for _, l := range list {
		l.Stated = min(max(l.Stated, 0), 100)
		for _, family := range append([]string{""}, l.Families...) {
			g := group{l.Model, family}
			groups[g] = append(groups[g], l)
		}
	}
	c := &Calibration{}
	for g, labels := range groups {
		if len(labels) >= MinLabels {
			c.tables = append(c.tables, CalibrationTable{Model: g.model, Family: g.family, Labels: len(labels), Steps: fit(labels)})
		}
	}
	c.sort()
	return c
}

// fit pools adjacent violators: a step that promises no more than the one below it is joined to it, so
// that who is surer never promises less, and a few lucky judgements promise little.
func fit(labels []Labelled) []CalibrationStep {
	var at [101]CalibrationStep
	for _, l := range labels {
		at[l.Stated].Labels++
		if l.Right {
			at[l.Stated].Right++
		}
	}
	var steps []CalibrationStep
	for stated, s := range at {
		if s.Labels == 0 {
			continue
		}
		s.From = stated
		s.Confidence = promise(s.Right, s.Labels)
		steps = append(steps, s)
		for n := len(steps); n > 1 && steps[n-1].Confidence <= steps[n-2].Confidence; n-- {
			steps = append(steps[:n-2], join(steps[n-2], steps[n-1]))
		}
	}
	return steps
}

func join(low, high CalibrationStep) CalibrationStep {
	low.Labels, low.Right = low.Labels+high.Labels, low.Right+high.Right
	low.Confidence = promise(low.Right, low.Labels)
	return low
}

// promise is the lower bound of Wilson's 95 % interval for right of n, in whole percent, rounded down.
func promise(right, n int) int {
	if n <= 0 {
		return 0
	}
	const z = 1.959963984540054
	share, count := float64(right)/float64(n), float64(n)
	middle := share + z*z/(2*count)
	spread := z * math.Sqrt(share*(1-share)/count+z*z/(4*count*count))
	return min(max(int(100*(middle-spread)/(1+z*z/count)), 0), 100)
}

// Confidence returns the calibrated confidence of a benign judgement, or false where nothing was
// fitted. Of several families that were, the one that promises least counts; where none was, all
// searches of the model. Below what was measured nothing is promised.
func (c *Calibration) Confidence(model string, families []string, stated int) (int, bool) {
	if c == nil {
		return 0, false
	}
	least, found := 100, false
	for i := range c.tables {
		t := &c.tables[i]
		if t.Model == model && t.Family != "" && slices.Contains(families, t.Family) {
			least, found = min(least, t.confidence(stated)), true
		}
	}
	if found {
		return least, true
	}
	for i := range c.tables {
		if t := &c.tables[i]; t.Model == model && t.Family == "" {
			return t.confidence(stated), true
		}
	}
	return 0, false
}

func (t *CalibrationTable) confidence(stated int) int {
	out := 0
	for _, s := range t.Steps {
		if s.From <= stated {
			out = s.Confidence
		}
	}
	return out
}

// Tables returns the tables by model and family.
func (c *Calibration) Tables() []CalibrationTable {
	if c == nil {
		return nil
	}
	return slices.Clone(c.tables)
}

// With returns the calibration with every model that newer has a table of as newer has it.
func (c *Calibration) With(newer *Calibration) *Calibration {
	out := &Calibration{tables: newer.Tables()}
	for _, t := range c.Tables() {
		if !slices.ContainsFunc(newer.Tables(), func(n CalibrationTable) bool { return n.Model == t.Model }) {
			out.tables = append(out.tables, t)
		}
	}
	out.sort()
	return out
}

func (c *Calibration) sort() {
	slices.SortFunc(c.tables, func(a, b CalibrationTable) int {
		return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Family, b.Family))
	})
}
