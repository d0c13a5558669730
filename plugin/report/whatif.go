package report

import (
	"math"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Way is where an alert ends.
type Way string

// The ways, the cheapest first.
const (
	WayRule      Way = "rule"      // closed by an allow-list rule
	WayCache     Way = "cache"     // closed from the verdict cache
	WayAnalysts  Way = "analysts"  // closed by the built-in analysts
	WayModel     Way = "model"     // closed by a language model
	WayRepeats   Way = "repeats"   // joins an alert that a person has already
	WayReview    Way = "review"    // waits for a person
	WayEscalated Way = "escalated" // goes to a person at once
	WayUnknown   Way = "unknown"   // it cannot be told without asking anybody
)

// Ways are all of them in this order.
var Ways = []Way{WayRule, WayCache, WayAnalysts, WayModel, WayRepeats, WayReview, WayEscalated, WayUnknown}

// Closes reports whether nobody looks at an alert that goes this way.
func (w Way) Closes() bool {
	return w == WayRule || w == WayCache || w == WayAnalysts || w == WayModel
}

// Fate is where one alert ends under one setting, and what language models cost on the way.
type Fate struct {
	Way     Way
	Reason  winnow.Reason // for which it goes that way
	Unknown string        // why it cannot be told, "" for other ways

	Measured  winnow.NanoUSD // booked for calls that are made under this setting too
	Estimated winnow.NanoUSD // of calls that were not made, or not at this price
	Unpriced  int            // calls or alerts of which nobody knows what they would cost
}

// Recorded is the fate that winnow's own decision gave an alert. ok is false for one that a person had before.
func Recorded(o *ledger.Outline, decided *winnow.Record) (f Fate, ok bool) {
	f.Reason = decided.Outcome.Reason
	f.Measured, f.Unpriced = winnow.NanoUSD(o.Record.Cost.MicroUSD)*1000, o.Record.Cost.Unpriced
	switch state := StateOf(decided); {
	case decided.Outcome.Reason == winnow.ReasonOpenCase:
		f.Way = WayRepeats
	case state == winnow.StateClosed:
		f.Way = wayOf(decided.Verdict.Source)
	case state == winnow.StateInReview:
		f.Way = WayReview
	case state == winnow.StateEscalated:
		f.Way = WayEscalated
	default:
		return f, false
	}
	return f, true
}

func wayOf(s winnow.Source) Way {
	return map[Closer]Way{CloserRule: WayRule, CloserCache: WayCache, CloserAnalysts: WayAnalysts, CloserModel: WayModel}[CloserOf(s)]
}

// WayOf returns the way of an alert that comes to a state on a verdict.
func WayOf(state winnow.State, s winnow.Source) Way {
	switch state {
	case winnow.StateClosed:
		return wayOf(s)
	case winnow.StateInReview:
		return WayReview
	case winnow.StateEscalated:
		return WayEscalated
	case winnow.StateQueued, winnow.StateLeft:
	}
	return WayUnknown
}

// WhatIf is the cost of settings against the attacks that they miss.
type WhatIf struct {
	Since   time.Time `json:"since"` // the first alert that counts
	Days    float64   `json:"days"`  // from there on
	Minutes int       `json:"minutes_per_case"`

	Alerts  int `json:"alerts"`
	Skipped int `json:"skipped"` // winnow has decided nothing: they wait, or a person had them first
	Attacks int `json:"attacks"` // by word of a person
	Benign  int `json:"benign"`
	Weak    int `json:"weak"` // they have weak labels alone, which count as none

	// Drifted are alerts that would be decided otherwise today without any change of settings, because lists, facts
	// or rules have changed since. What was recorded stands for them, unless the candidate decides otherwise again.
	Drifted int `json:"drifted"`

	Rows []WhatIfRow `json:"settings"` // as it was first

	Missed []WhatIfMiss `json:"missed_alerts"`
	More   int          `json:"missed_alerts_more"`
}

// WhatIfRow is what comes of one setting.
type WhatIfRow struct {
	Setting string `json:"setting"` // "as it was" for what is recorded

	Rule      int `json:"closed_by_rule"`
	Cache     int `json:"closed_by_cache"`
	Analysts  int `json:"closed_by_analysts"`
	Model     int `json:"closed_by_model"`
	Repeats   int `json:"repeats"`
	Review    int `json:"to_review"`
	Escalated int `json:"escalated"`
	Unknown   int `json:"unknown"`
	Changed   int `json:"changed"` // alerts that end elsewhere than they did

	Why      map[string]int        `json:"unknown_because"`
	ToPeople map[winnow.Reason]int `json:"to_people_because"` // to review or escalated, by reason

	Measured  int64 `json:"measured_microusd"`
	Estimated int64 `json:"estimated_microusd"`
	Unpriced  int   `json:"unpriced"`

	Hours float64 `json:"hours"`      // of people: what is to review or escalated
	Most  float64 `json:"hours_most"` // the same with everything that cannot be told

	ClosedBenign int      `json:"closed_benign"`
	Missed       int      `json:"missed"` // attacks that are closed
	Untold       int      `json:"attacks_unknown"`
	MissRate     *float64 `json:"miss_rate"` // of the attacks whose end is known; null when there is none
	Low          float64  `json:"miss_rate_low"`
	High         float64  `json:"miss_rate_high"`

	measured, estimated winnow.NanoUSD
}

// Closed is how many alerts nobody looks at.
func (r *WhatIfRow) Closed() int { return r.Rule + r.Cache + r.Analysts + r.Model }

// MicroUSD is all that it costs, as far as it is known.
func (r *WhatIfRow) MicroUSD() int64 { return r.Measured + r.Estimated }

// count returns where alerts of a way are counted.
func (r *WhatIfRow) count(w Way) *int {
	switch w {
	case WayRule:
		return &r.Rule
	case WayCache:
		return &r.Cache
	case WayAnalysts:
		return &r.Analysts
	case WayModel:
		return &r.Model
	case WayRepeats:
		return &r.Repeats
	case WayReview:
		return &r.Review
	case WayEscalated:
		return &r.Escalated
	case WayUnknown:
	}
	return &r.Unknown
}

// Ending is how many alerts go a way.
func (r *WhatIfRow) Ending(w Way) int { return *r.count(w) }

// WhatIfMiss is an attack that a setting closes and that was not closed before.
type WhatIfMiss struct {
	Setting  string          `json:"setting"`
	ID       string          `json:"id"`
	Search   string          `json:"search_name"`
	Time     time.Time       `json:"time"`
	Severity winnow.Severity `json:"severity"`
	By       Way             `json:"by"`
}

// WhatIfCounter adds fates up. Not safe for concurrent use.
type WhatIfCounter struct {
	w    WhatIf
	list int
}

// AsItWas names the row of what is recorded.
const AsItWas = "as it was"

// NewWhatIf starts the count of what is recorded and of some settings. At most list attacks are named.
func NewWhatIf(minutes, list int, settings []string) *WhatIfCounter {
	c := &WhatIfCounter{list: list, w: WhatIf{Minutes: minutes, Missed: []WhatIfMiss{}}}
	for _, name := range append([]string{AsItWas}, settings...) {
		c.w.Rows = append(c.w.Rows, WhatIfRow{Setting: name, Why: map[string]int{}, ToPeople: map[winnow.Reason]int{}})
	}
	return c
}

// Skip counts an alert that winnow has decided nothing about.
func (c *WhatIfCounter) Skip() { c.w.Skipped++ }

// Add counts one alert: fates has that of the record, and then one for each setting. drifted tells that it would be
// decided otherwise today.
func (c *WhatIfCounter) Add(o *ledger.Outline, drifted bool, fates []Fate) {
	label := LabelOf(o)
	w := &c.w
	w.Alerts++
	if w.Since.IsZero() || o.Received.Before(w.Since) {
		w.Since = o.Received
	}
	if drifted {
		w.Drifted++
	}
	switch {
	case label == LabelAttack:
		w.Attacks++
	case label == LabelBenign:
		w.Benign++
	case o.Weak:
		w.Weak++
	}
	for i := range fates {
		w.Rows[i].add(&fates[i], label)
		if fates[i].Way != fates[0].Way {
			w.Rows[i].Changed++
		}
		if label == LabelAttack && fates[i].Way.Closes() && i > 0 && !fates[0].Way.Closes() {
			c.miss(o, &w.Rows[i], fates[i].Way)
		}
	}
}

func (c *WhatIfCounter) miss(o *ledger.Outline, r *WhatIfRow, by Way) {
	if len(c.w.Missed) >= c.list {
		c.w.More++
		return
	}
	c.w.Missed = append(c.w.Missed, WhatIfMiss{r.Setting, o.Record.ID, o.Record.SearchName, o.Record.Time, o.Record.Severity, by})
}

func (r *WhatIfRow) add(f *Fate, l Label) {
	*r.count(f.Way)++
	switch f.Way {
	case WayUnknown:
		r.Why[f.Unknown]++
	case WayReview, WayEscalated:
		r.ToPeople[f.Reason]++
	case WayRule, WayCache, WayAnalysts, WayModel, WayRepeats:
	}
	r.measured, r.estimated, r.Unpriced = r.measured+f.Measured, r.estimated+f.Estimated, r.Unpriced+f.Unpriced
	switch {
	case l == LabelAttack && f.Way.Closes():
		r.Missed++
	case l == LabelAttack && f.Way == WayUnknown:
		r.Untold++
	case l == LabelBenign && f.Way.Closes():
		r.ClosedBenign++
	}
}

// Result returns the sums of alerts received before a time.
func (c *WhatIfCounter) Result(until time.Time) *WhatIf {
	w := c.w
	if !w.Since.IsZero() {
		w.Days = math.Round(until.Sub(w.Since).Hours()/24*100) / 100
	}
	for i := range w.Rows {
		r := &w.Rows[i]
		r.Measured, r.Estimated = r.measured.Micro(), r.estimated.Micro()
		r.Hours = float64((r.Review+r.Escalated)*w.Minutes) / 60
		r.Most = r.Hours + float64(r.Unknown*w.Minutes)/60
		known := w.Attacks - r.Untold
		r.MissRate = shareOf(r.Missed, known)
		r.Low, r.High = Interval(r.Missed, known)
	}
	return &w
}
