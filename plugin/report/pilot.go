package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Light says whether a search can be enforced.
type Light string

// The lights.
const (
	Green  Light = "green"  // enough of what it would close is labelled, and none of that is an attack
	Yellow Light = "yellow" // too few labels to tell
	Red    Light = "red"    // it would close what a person called a true positive
	Dark   Light = "off"    // it would close nothing, so enforcing it changes nothing
)

// PilotOptions say what a pilot is held against.
type PilotOptions struct {
	Since, Until time.Time // of the time at which alerts were received
	Minutes      int       // that a person spends on one alert: an assumption
	MaxMiss      float64   // 0 to 1: most of what is closed may be attacks, at the upper bound
	List         int       // how many missed attacks of a search are named; the rest is counted
	Units        *Units
}

// Pilot is what winnow would have closed while it changed nothing, held against what people said.
type Pilot struct {
	Since   time.Time `json:"since"` // the first alert that counts
	Days    float64   `json:"days"`  // from there on; savings are scaled from no less than one
	Minutes int       `json:"minutes_per_alert"`
	MaxMiss float64   `json:"max_miss_rate"`
	Needed  int       `json:"labels_needed"` // of alerts that a search would close, none of them an attack

	// Enforced is set when no alert was in shadow or assist: then all of it is of what was enforced.
	Enforced bool          `json:"enforced"`
	Searches []PilotSearch `json:"searches"` // those that can be enforced first
}

// PilotSearch is the pilot of one search.
type PilotSearch struct {
	Search string     `json:"search_name"`
	Run    winnow.Run `json:"run"` // of its last alert
	Light  Light      `json:"light"`

	Alerts   int `json:"alerts"` // that winnow decided on
	Drops    int `json:"would_drop"`
	Cached   int `json:"would_close_cache"`
	Analysts int `json:"would_close_analysts"`
	Model    int `json:"would_close_model"`
	People   int `json:"would_go_to_people"`

	Labelled int `json:"labelled"` // of what it would close, by word of a person
	Missed   int `json:"missed"`   // of these, attacks
	Weak     int `json:"weak"`     // it would close them, and they have weak labels alone: in no other count
	More     int `json:"labels_missing"`

	MissRate *float64 `json:"miss_rate"` // missed of labelled; null when none is
	Low      float64  `json:"miss_rate_low"`
	High     float64  `json:"miss_rate_high"`

	Hours float64 `json:"hours_per_month"` // of people
	Saved *int64  `json:"saved_microusd_per_month"`
	Basis Basis   `json:"saved_basis"`

	Alarms     []PilotMiss `json:"missed_alerts"`
	AlarmsMore int         `json:"missed_alerts_more"`

	bytes int64
}

// PilotMiss is an attack that winnow would have closed.
type PilotMiss struct {
	ID       string          `json:"id"`
	Time     time.Time       `json:"time"`
	Severity winnow.Severity `json:"severity"`
	Closer   Closer          `json:"closer"`
	Rule     string          `json:"rule"` // "" for other closers
}

// Closes is how many alerts it would close.
func (s *PilotSearch) Closes() int { return s.Drops + s.Cached + s.Analysts + s.Model }

// NewPilot reads what winnow decided in shadow and assist, or in enforce where nothing was in either.
func NewPilot(t *ledger.Tx, o PilotOptions) (*Pilot, error) {
	c := newPilot(o)
	err := t.Outlines(o.Since, o.Until, func(a *ledger.Outline) error {
		rec, ok, err := Decided(t, a)
		if err == nil && ok {
			c.add(a, &rec)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("report pilot: %w", err)
	}
	return c.result(), nil
}

// pilotCounter adds alerts up: those in shadow or assist apart from those that are enforced.
type pilotCounter struct {
	o     PilotOptions
	first [2]time.Time
	by    [2]map[string]*PilotSearch
}

func newPilot(o PilotOptions) *pilotCounter {
	return &pilotCounter{o: o, by: [2]map[string]*PilotSearch{{}, {}}}
}

func (c *pilotCounter) add(a *ledger.Outline, rec *winnow.Record) {
	set := 0
	if rec.Outcome.Run == winnow.RunEnforce {
		set = 1
	}
	if c.first[set].IsZero() || a.Received.Before(c.first[set]) {
		c.first[set] = a.Received
	}
	s := c.by[set][rec.SearchName]
	if s == nil {
		s = &PilotSearch{Search: rec.SearchName, Alarms: []PilotMiss{}}
		c.by[set][rec.SearchName] = s
	}
	s.Alerts, s.Run, s.bytes = s.Alerts+1, rec.Outcome.Run, s.bytes+a.Bytes
	if StateOf(rec) != winnow.StateClosed {
		s.People++
		return
	}
	s.close(a, rec, c.o.List)
}

// close counts an alert that it would close, and what a person said of it.
func (s *PilotSearch) close(a *ledger.Outline, rec *winnow.Record, list int) {
	closer := CloserOf(rec.Verdict.Source)
	switch closer {
	case CloserRule:
		s.Drops++
	case CloserCache:
		s.Cached++
	case CloserModel:
		s.Model++
	case CloserAnalysts:
		s.Analysts++
	}
	switch LabelOf(a) {
	case LabelBenign:
		s.Labelled++
	case LabelAttack:
		s.Labelled, s.Missed = s.Labelled+1, s.Missed+1
		if len(s.Alarms) >= list {
			s.AlarmsMore++
			return
		}
		m := PilotMiss{ID: rec.ID, Time: rec.Time, Severity: rec.Severity, Closer: closer}
		if closer == CloserRule {
			m.Rule = rec.Proposal.Rule
		}
		s.Alarms = append(s.Alarms, m)
	case LabelUnknown:
		if a.Weak {
			s.Weak++
		}
	}
}

// month is what savings are scaled to.
const month = 30 * 24 * time.Hour

func (c *pilotCounter) result() *Pilot {
	set := 0
	if len(c.by[0]) == 0 {
		set = 1
	}
	p := &Pilot{
		Since: c.first[set], Minutes: c.o.Minutes, MaxMiss: c.o.MaxMiss, Needed: LabelsFor(c.o.MaxMiss),
		Enforced: set == 1 && len(c.by[1]) > 0, Searches: []PilotSearch{},
	}
	span := 24 * time.Hour
	if !p.Since.IsZero() {
		seen := c.o.Until.Sub(p.Since)
		p.Days, span = math.Round(seen.Hours()/24*100)/100, max(span, seen)
	}
	for _, s := range c.by[set] {
		s.judge(&c.o, p.Needed)
		s.save(&c.o, float64(month)/float64(span))
		p.Searches = append(p.Searches, *s)
	}
	order := []Light{Green, Yellow, Red, Dark}
	slices.SortFunc(p.Searches, func(a, b PilotSearch) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Light), slices.Index(order, b.Light)), cmp.Compare(b.Hours, a.Hours),
			cmp.Compare(b.Alerts, a.Alerts), cmp.Compare(a.Search, b.Search))
	})
	return p
}

// judge sets the light.
func (s *PilotSearch) judge(o *PilotOptions, needed int) {
	s.MissRate = shareOf(s.Missed, s.Labelled)
	s.Low, s.High = Interval(s.Missed, s.Labelled)
	switch {
	case s.Missed > 0:
		s.Light = Red
	case s.Closes() == 0:
		s.Light = Dark
	case s.High <= o.MaxMiss:
		s.Light = Green
	default:
		s.Light, s.More = Yellow, needed-s.Labelled
	}
}

// save is what closing saves in a month: a person's minutes for each alert, and what asking a language model would
// have cost for those that none was asked about.
func (s *PilotSearch) save(o *PilotOptions, months float64) {
	s.Hours = float64(s.Closes()*o.Minutes) / 60 * months
	unit, basis := o.Units.Of(s.Search, s.bytes/int64(max(s.Alerts, 1)))
	if s.Basis = basis; basis == BasisNone {
		return
	}
	saved := winnow.NanoUSD(math.Round(float64(unit) * float64(s.Closes()-s.Model) * months)).Micro()
	s.Saved = &saved
}

// LabelsFor is how many alerts must be labelled, none of them an attack, for the upper bound of the exact 95 %
// interval to be no more than a share. A share of nothing or less cannot be shown: the largest int.
func LabelsFor(share float64) int {
	if share <= 0 {
		return math.MaxInt
	}
	if share >= 1 {
		return 1
	}
	n := int(math.Ceil(math.Log(0.025) / math.Log1p(-share)))
	for n > 1 { // rounding must not ask for one too many, or too few
		if _, high := Interval(0, n-1); high > share {
			break
		}
		n--
	}
	for {
		if _, high := Interval(0, n); high <= share {
			return n
		}
		n++
	}
}

// Lights counts the searches by their light.
func (p *Pilot) Lights() map[Light]int {
	out := map[Light]int{}
	for i := range p.Searches {
		out[p.Searches[i].Light]++
	}
	return out
}

// Names returns the searches with a light, in their order.
func (p *Pilot) Names(l Light) (names []string) {
	for i := range p.Searches {
		if p.Searches[i].Light == l {
			names = append(names, p.Searches[i].Search)
		}
	}
	return names
}
