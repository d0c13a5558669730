package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/teams"
)

// Week is what one week cost, by team. Amounts are nano-dollars: what the teams and the shared lines paid adds up to
// Paid exactly. What was saved is an estimate.
type Week struct {
	Week  string `json:"week"` // as ISO 8601 names it, like 2026-W47
	From  string `json:"from"` // its Monday
	To    string `json:"to"`   // its Sunday
	Zone  string `json:"zone"` // always UTC
	Basis Basis  `json:"saved_basis"`

	Alerts   int             `json:"alerts"`
	Paid     winnow.NanoUSD  `json:"paid_nanousd"`
	Saved    *winnow.NanoUSD `json:"saved_nanousd"` // null: there is no price
	Unpriced int             `json:"unpriced"`      // calls without a price: not in paid

	Teams  []TeamWeek   `json:"teams"`  // unassigned is the last
	Shared []SharedWeek `json:"shared"` // what no team ordered
}

// TeamWeek is a team's part.
type TeamWeek struct {
	Team   string          `json:"team"`
	Centre string          `json:"cost_centre"`
	Alerts int             `json:"alerts"`
	Rules  int             `json:"closed_by_rules"`
	Cached int             `json:"closed_from_cache"`
	Joined int             `json:"joined_open_cases"`
	Asked  int             `json:"asked"` // analysts were
	Calls  int             `json:"calls"`
	Paid   winnow.NanoUSD  `json:"paid_nanousd"`
	Saved  *winnow.NanoUSD `json:"saved_nanousd"`
}

// The shared lines.
const (
	SharedSamples = "samples of drops"  // canaries: they prove the rules for everybody
	SharedReplays = "replays"           // people asked what would change
	SharedPanel   = "panel, unassigned" // votes about alerts of no team
)

// SharedWeek is what no team ordered.
type SharedWeek struct {
	Name  string         `json:"name"`
	Calls int            `json:"calls"`
	Paid  winnow.NanoUSD `json:"paid_nanousd"`
}

// NewWeek reports on the week of UTC that begins with a Monday. What was booked counts by the day of the call, alerts
// by the day on which they were received. units estimates what the alerts that rules and the cache closed would have
// cost.
func NewWeek(t *ledger.Tx, table *teams.Table, units *Units, monday time.Time) (*Week, error) {
	monday = monday.UTC()
	year, n := monday.ISOWeek()
	w := &Week{
		Week: fmt.Sprintf("%04d-W%02d", year, n), From: monday.Format(time.DateOnly), To: monday.AddDate(0, 0, 6).Format(time.DateOnly), Zone: "UTC",
		Basis: units.basis(),
	}
	if err := w.read(t, table, units, ledger.Span{From: monday, To: monday.AddDate(0, 0, 7)}); err != nil {
		return nil, fmt.Errorf("report weekly: %w", err)
	}
	return w, nil
}

// read adds up a span of days.
func (w *Week) read(t *ledger.Tx, table *teams.Table, units *Units, span ledger.Span) error {
	b := weekBooks{teams: map[string]*TeamWeek{}, units: units}
	b.team("") // also when nothing is of nobody
	for _, err := range []error{t.Tallies(span, b.alerts), t.Spendings(span, b.spent), t.SampleSpendings(span, b.sampled)} {
		if err != nil {
			return err
		}
	}
	b.into(w, table)
	return nil
}

// weekBooks adds up a week.
type weekBooks struct {
	teams                   map[string]*TeamWeek
	samples, replays, panel SharedWeek
	unpriced                int
	units                   *Units
}

func (b *weekBooks) team(name string) *TeamWeek {
	if b.teams[name] == nil {
		b.teams[name] = &TeamWeek{}
		if b.units.basis() != BasisNone {
			b.teams[name].Saved = new(winnow.NanoUSD)
		}
	}
	return b.teams[name]
}

// alerts counts who closed them, and what that saved.
func (b *weekBooks) alerts(y *ledger.Tally) {
	t := b.team(y.Team)
	t.Alerts += y.Alerts
	if asked(y) {
		t.Asked += y.Alerts
		return
	}
	kind, _ := savedBy(y)
	if y.State == winnow.StateLeft || y.Alerts <= 0 {
		return // it would have been saved
	}
	switch kind {
	case SavedByRule:
		t.Rules += y.Alerts
	case SavedByCache:
		t.Cached += y.Alerts
	case SavedByCase:
		t.Joined += y.Alerts
	default:
		return
	}
	if unit, basis := b.units.Of(y.SearchName, y.Bytes/int64(max(y.Alerts, 1))); basis != BasisNone {
		*t.Saved += unit * winnow.NanoUSD(y.Alerts)
	}
}

// spent books a call on its team, or on a line of its own.
func (b *weekBooks) spent(s *ledger.Spending) {
	b.unpriced += s.Unpriced
	switch {
	case s.Replay:
		b.replays.Calls, b.replays.Paid = b.replays.Calls+s.Attempts, b.replays.Paid+s.Booked
	case s.Team == "" && s.Task == taskVote:
		b.panel.Calls, b.panel.Paid = b.panel.Calls+s.Attempts, b.panel.Paid+s.Booked
	default:
		t := b.team(s.Team)
		t.Calls, t.Paid = t.Calls+s.Attempts, t.Paid+s.Booked
	}
}

// taskVote is the task of the panel's calls.
const taskVote = "vote"

// sampled moves what samples cost from its team to the line of samples.
func (b *weekBooks) sampled(s *ledger.SampleSpending) {
	b.samples.Calls, b.samples.Paid = b.samples.Calls+s.Attempts, b.samples.Paid+s.Booked
	if s.Team == "" && s.Task == taskVote {
		b.panel.Calls, b.panel.Paid = b.panel.Calls-s.Attempts, b.panel.Paid-s.Booked
		return
	}
	t := b.team(s.Team)
	t.Calls, t.Paid = t.Calls-s.Attempts, t.Paid-s.Booked
}

// into writes the sums, the dearest team first.
func (b *weekBooks) into(w *Week, table *teams.Table) {
	for name, t := range b.teams {
		t.Team, t.Centre = name, table.CostCentre(name)
		if name == "" {
			t.Team = teams.Unassigned
		}
		w.Teams = append(w.Teams, *t)
		w.Alerts, w.Paid = w.Alerts+t.Alerts, w.Paid+t.Paid
		if t.Saved != nil {
			if w.Saved == nil {
				w.Saved = new(winnow.NanoUSD)
			}
			*w.Saved += *t.Saved
		}
	}
	rest := func(t *TeamWeek) int { return one(t.Team == teams.Unassigned) }
	slices.SortFunc(w.Teams, func(x, y TeamWeek) int {
		return cmp.Or(cmp.Compare(rest(&x), rest(&y)), cmp.Compare(y.Paid, x.Paid), cmp.Compare(x.Team, y.Team))
	})
	b.samples.Name, b.replays.Name, b.panel.Name = SharedSamples, SharedReplays, SharedPanel
	w.Shared = []SharedWeek{b.samples, b.replays, b.panel}
	for _, s := range w.Shared {
		w.Paid += s.Paid
	}
	w.Unpriced = b.unpriced
}
