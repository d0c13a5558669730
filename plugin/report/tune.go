package report

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// MinBenign is how many labelled benign alerts a proposal rests on, at least.
const MinBenign = 100

// maxEvals is the most that a file of results may hold, in bytes.
const maxEvals = 16 << 20

// ReadEvals reads what `winnow eval --format json` prints, a result a line. Numbers that cannot be are an error:
// a proposal must not rest on them.
func ReadEvals(name string, r io.Reader) (out []*Eval, err error) {
	in := bufio.NewReader(io.LimitReader(r, maxEvals+1))
	dec := json.NewDecoder(in)
	for n := 1; ; n++ {
		var e Eval
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("%s: result %d: %w (want what `winnow eval --format json` prints)", name, n, err)
		}
		if problem := e.problem(); problem != "" {
			return nil, fmt.Errorf("%s: result %d: %s (want what `winnow eval --format json` prints)", name, n, problem)
		}
		if dec.InputOffset() > maxEvals {
			return nil, fmt.Errorf("%s: larger than %d MiB", name, maxEvals>>20)
		}
		out = append(out, &e)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no result (want what `winnow eval --format json` prints)", name)
	}
	return out, nil
}

// problem says what cannot be of a result, "" for nothing.
func (e *Eval) problem() string {
	switch {
	case e.Model == "":
		return "it names no model"
	case e.Attacks < 0 || e.Benign < 0 || e.Unknown < 0 || e.Attacks > e.Alerts || e.Benign > e.Alerts || e.PerAlert < 0:
		return "its counts cannot be"
	}
	for _, p := range append([]EvalPoint{e.InForce}, e.Curve...) {
		if p.Missed < 0 || p.ClosedBenign < 0 || p.Missed > e.Attacks || p.ClosedBenign > e.Benign {
			return fmt.Sprintf("the counts at threshold %d cannot be", p.Threshold)
		}
	}
	return ""
}

// at returns what a threshold closes.
func (e *Eval) at(threshold int, factRule bool) (EvalPoint, bool) {
	for _, p := range e.Curve {
		if p.Threshold == threshold && p.FactRule == factRule {
			return p, true
		}
	}
	return EvalPoint{}, false
}

// Evidence is what labels say of one value.
type Evidence struct {
	Source  string  `json:"source"` // "ledger", or the file
	Attacks int     `json:"attacks"`
	Missed  int     `json:"missed"`
	High    float64 `json:"miss_rate_high"` // of the exact 95 % interval
	Benign  int     `json:"benign"`
}

func evidence(source string, attacks, missed, benign int) Evidence {
	_, high := Interval(missed, attacks)
	return Evidence{source, attacks, missed, high, benign}
}

// Tried is one value of one key.
type Tried struct {
	Key   string `json:"key"` // STANZA.KEY
	Now   string `json:"now"`
	Value string `json:"value"`

	Evidence Evidence `json:"evidence"`
	Closes   int      `json:"closes_more"` // alerts of the days that were looked at
	Hours    float64  `json:"saves_hours_per_month"`
	MicroUSD int64    `json:"saves_microusd_per_month"`

	// Refused says why it is not proposed, "" for what may be. Chosen is set for what is.
	Refused string `json:"refused"`
	Chosen  bool   `json:"chosen"`

	// Threshold is the confidence that it is about, 0 for other keys: results of `winnow eval` say something of it.
	Threshold int `json:"-"`
}

// TuneOptions say what may be proposed.
type TuneOptions struct {
	MaxMiss     float64 // at the upper bound, of labelled attacks
	FactRule    bool    // a close needs a benign fact
	File        string  // where evals come from
	Evals       []*Eval
	Present     string // model of the stages now
	Models      []string
	AskedAMonth float64 // alerts that language models are asked about
}

// Tune is what may be changed, and what that is expected to save and to miss.
type Tune struct {
	Since   time.Time `json:"since"`
	Days    float64   `json:"days"`
	Alerts  int       `json:"alerts"`
	Attacks int       `json:"attacks"`
	Benign  int       `json:"benign"`
	Minutes int       `json:"minutes_per_case"`

	MaxMiss       float64 `json:"max_miss_rate"`
	NeededAttacks int     `json:"attacks_needed"` // none of them missed
	NeededBenign  int     `json:"benign_needed"`

	Tried  []Tried    `json:"tried"`
	Models []ModelTry `json:"models"`
	Whole  *TuneWhole `json:"expected"` // of all that is chosen together; null when nothing is
	months float64
}

// TuneWhole is what all changes together are expected to do in a month.
type TuneWhole struct {
	Hours    float64  `json:"saves_hours_per_month"`
	MicroUSD int64    `json:"saves_microusd_per_month"`
	Evidence Evidence `json:"evidence"`
}

// ModelTry is a model in the place of the present one.
type ModelTry struct {
	Model    string   `json:"model"`
	Evidence Evidence `json:"evidence"`
	Recall   *float64 `json:"recall"`
	PerAlert int64    `json:"microusd_per_alert"`
	MicroUSD int64    `json:"saves_microusd_per_month"`
	Refused  string   `json:"refused"`
	Chosen   bool     `json:"chosen"`
}

// NewTune judges values: the first row of w is the present setting, and one follows for each that was tried.
func NewTune(o TuneOptions, w *WhatIf, tried []Tried) *Tune {
	t := &Tune{
		Since: w.Since, Days: w.Days, Alerts: w.Alerts, Attacks: w.Attacks, Benign: w.Benign, Minutes: w.Minutes,
		MaxMiss: o.MaxMiss, NeededAttacks: LabelsFor(o.MaxMiss), NeededBenign: MinBenign,
		Tried: tried, Models: []ModelTry{}, months: 30 / max(w.Days, 1),
	}
	was := &w.Rows[0]
	for i := range t.Tried {
		t.judge(&o, &t.Tried[i], was, &w.Rows[i+1])
	}
	t.choose()
	t.models(&o)
	return t
}

// judge says what a value saves, and what speaks against it.
func (t *Tune) judge(o *TuneOptions, v *Tried, was, would *WhatIfRow) {
	v.Closes = would.Closed() - was.Closed()
	v.Hours, v.MicroUSD = t.saved(was, would)
	v.Evidence = evidence("ledger", t.Attacks-would.Untold, would.Missed, t.Benign)
	if point, e := o.point(v); e != nil {
		v.Evidence = evidence(o.File, e.Attacks, point.Missed, e.Benign)
	}
	switch {
	case would.Unknown > was.Unknown:
		v.Refused = fmt.Sprintf("alerts of which it cannot be told what would become of them: %d", would.Unknown-was.Unknown)
	case would.Missed > was.Missed:
		v.Refused = fmt.Sprintf("labelled attacks that it would close, and that are not closed now: %d", would.Missed-was.Missed)
	default:
		v.Refused = t.weak(&v.Evidence)
	}
	if v.Refused == "" && v.Hours <= 0 && v.MicroUSD <= 0 {
		v.Refused = "it saves nothing"
	}
}

// saved scales to a month.
func (t *Tune) saved(was, would *WhatIfRow) (hours float64, micro int64) {
	return (was.Hours - would.Hours) * t.months, int64(math.Round(float64(was.MicroUSD()-would.MicroUSD()) * t.months))
}

// point is what results of `winnow eval` say of a value, of the model that is in force.
func (o *TuneOptions) point(v *Tried) (p EvalPoint, of *Eval) {
	for _, e := range o.Evals {
		if e.Model == o.Present && v.Threshold > 0 {
			if p, ok := e.at(v.Threshold, o.FactRule); ok {
				return p, e
			}
		}
	}
	return p, nil
}

// weak says why labels do not carry a proposal, "" when they do.
func (t *Tune) weak(e *Evidence) string {
	switch {
	case e.Attacks < t.NeededAttacks:
		return fmt.Sprintf("too few labels: %d attacks, %d more are needed", e.Attacks, t.NeededAttacks-e.Attacks)
	case e.Benign < t.NeededBenign:
		return fmt.Sprintf("too few labels: %d benign alerts, %d more are needed", e.Benign, t.NeededBenign-e.Benign)
	case e.High > t.MaxMiss:
		return fmt.Sprintf("it misses %d of %d labelled attacks: up to %.3g %%, at most %.3g %% are wanted", e.Missed, e.Attacks, 100*e.High, 100*t.MaxMiss)
	}
	return ""
}

// choose picks for each key what saves most hours, and most dollars among equals.
func (t *Tune) choose() {
	best := map[string]*Tried{}
	for i := range t.Tried {
		v := &t.Tried[i]
		if b := best[v.Key]; v.Refused == "" && (b == nil || better(v, b)) {
			best[v.Key] = v
		}
	}
	for _, v := range best {
		v.Chosen = true
	}
}

func better(a, b *Tried) bool {
	return cmp.Or(cmp.Compare(math.Round(a.Hours*10), math.Round(b.Hours*10)), cmp.Compare(a.MicroUSD, b.MicroUSD)) > 0
}

// Chosen are the values that are proposed.
func (t *Tune) Chosen() (out []Tried) {
	for _, v := range t.Tried {
		if v.Chosen {
			out = append(out, v)
		}
	}
	return out
}

// Together judges all that is chosen at once: w has the present setting and that one. What two changes do together
// is not what each does by itself, so where they miss more, or nobody can tell, only the best of them is left.
func (t *Tune) Together(w *WhatIf) {
	was, would := &w.Rows[0], &w.Rows[1]
	hours, micro := t.saved(was, would)
	chosen := t.Chosen()
	e := evidence("ledger", w.Attacks-would.Untold, would.Missed, w.Benign)
	if t.weak(&e) != "" { // then the labels that each of them rests on have to do
		for i := range chosen {
			if c := chosen[i].Evidence; i == 0 || c.High > e.High {
				e = c
			}
		}
	}
	if len(chosen) > 1 && (would.Unknown > was.Unknown || would.Missed > was.Missed) {
		t.keepBest("together with the others it misses more, or nobody can tell")
		best := t.Chosen()[0]
		t.Whole = &TuneWhole{best.Hours, best.MicroUSD, best.Evidence}
		return
	}
	t.Whole = &TuneWhole{hours, micro, e}
}

// Refuse takes back that a key is proposed.
func (t *Tune) Refuse(key, why string) {
	for i := range t.Tried {
		if v := &t.Tried[i]; v.Chosen && v.Key == key {
			v.Chosen, v.Refused = false, why
		}
	}
}

// keepBest takes back all but the best.
func (t *Tune) keepBest(why string) {
	var best *Tried
	for i := range t.Tried {
		if v := &t.Tried[i]; v.Chosen && (best == nil || better(v, best)) {
			best = v
		}
	}
	for i := range t.Tried {
		if v := &t.Tried[i]; v.Chosen && v != best {
			v.Chosen, v.Refused = false, why
		}
	}
}

// models picks the cheapest model that closes as many benign alerts and misses no more attacks than the present.
func (t *Tune) models(o *TuneOptions) {
	i := slices.IndexFunc(o.Evals, func(e *Eval) bool { return e.Model == o.Present })
	for n, e := range o.Evals {
		if n == i {
			continue
		}
		m := ModelTry{
			Model: e.Model, Recall: e.InForce.Recall, PerAlert: e.PerAlert,
			Evidence: evidence(o.File, e.Attacks, e.InForce.Missed, e.Benign),
		}
		if i < 0 {
			m.Refused = fmt.Sprintf("%s has no result of the present model, %s", o.File, o.Present)
		} else {
			now := o.Evals[i]
			m.MicroUSD = int64(math.Round(float64(now.PerAlert-e.PerAlert) * o.AskedAMonth))
			m.Refused = t.against(o, now, e, &m)
		}
		t.Models = append(t.Models, m)
	}
	var best *ModelTry
	for n := range t.Models {
		if m := &t.Models[n]; m.Refused == "" && (best == nil || m.MicroUSD > best.MicroUSD) {
			best = m
		}
	}
	if best != nil {
		best.Chosen = true
	}
}

// against says why a model does not take the place of the present one, "" for nothing.
func (t *Tune) against(o *TuneOptions, now, e *Eval, m *ModelTry) string {
	share := func(s *float64) float64 {
		if s == nil {
			return 0
		}
		return *s
	}
	why := t.weak(&m.Evidence)
	switch {
	case why != "":
	case !slices.Contains(o.Models, e.Model):
		why = fmt.Sprintf("winnow.conf has no [model:%s]", e.Model)
	case e.Cost.Unpriced+now.Cost.Unpriced > 0:
		why = "some of its calls, or of the present model's, have no price"
	case e.Attacks != now.Attacks || e.Benign != now.Benign:
		why = "it was measured on other alerts than the present model"
	case e.InForce.Missed > now.InForce.Missed:
		why = fmt.Sprintf("it misses %d labelled attacks, the present model %d", e.InForce.Missed, now.InForce.Missed)
	case share(e.InForce.Recall) < share(now.InForce.Recall):
		why = "it closes fewer benign alerts"
	case m.MicroUSD <= 0:
		why = "it saves nothing"
	}
	return why
}

// Model returns the model that is proposed, nil for none.
func (t *Tune) Model() *ModelTry {
	for i := range t.Models {
		if t.Models[i].Chosen {
			return &t.Models[i]
		}
	}
	return nil
}

// Carried reports whether labels were enough to say something of any value.
func (t *Tune) Carried() bool {
	enough := func(e *Evidence) bool { return e.Attacks >= t.NeededAttacks && e.Benign >= t.NeededBenign }
	return slices.ContainsFunc(t.Tried, func(v Tried) bool { return enough(&v.Evidence) }) ||
		slices.ContainsFunc(t.Models, func(m ModelTry) bool { return enough(&m.Evidence) })
}

// Lacking says how many labels are missing in the ledger.
func (t *Tune) Lacking() string {
	return fmt.Sprintf("%d labelled attacks and %d labelled benign alerts, %d and %d are needed: %d and %d more",
		t.Attacks, t.Benign, t.NeededAttacks, t.NeededBenign, max(t.NeededAttacks-t.Attacks, 0), max(t.NeededBenign-t.Benign, 0))
}
