package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report/page"
	"github.com/winnow-soc/winnow/plugin/teams"
)

// PageOptions say what a page is made of.
type PageOptions struct {
	Span     ledger.Span // days of UTC
	Settings *conf.Settings
	Prices   *prices.Table
	Teams    *teams.Table
	Known    map[string]Known // what rule files and suspensions say, see [NewRules]
	Bill     BillOptions
	Now      time.Time
	Version  string
}

// NewPage gathers what the HTML page shows. All of it comes from sums that the ledger keeps, but for what samples of
// drops cost.
func NewPage(t *ledger.Tx, o *PageOptions) (*page.Data, error) {
	d := &page.Data{Version: o.Version, Made: o.Now, From: o.Span.From.UTC(), To: o.Span.To.UTC()}
	for _, part := range []func(*page.Data, *ledger.Tx, *PageOptions) error{pageCost, pageDays, pageMonth, pageSplits, pageSavings, pageBill, pageRules} {
		if err := part(d, t, o); err != nil {
			return nil, fmt.Errorf("report html: %w", err)
		}
	}
	return d, nil
}

// pageCost fills in the funnel and what was paid.
func pageCost(d *page.Data, t *ledger.Tx, o *PageOptions) error {
	c, err := NewCost(t, o.Span, o.Settings, nil, o.Now)
	if err != nil {
		return err
	}
	d.Alerts, d.Asked = c.Alerts, c.Asked
	for _, s := range c.Funnel {
		d.Funnel = append(d.Funnel, page.Step(s))
	}
	for _, s := range c.Would {
		d.Would = append(d.Would, page.Step(s))
	}
	return nil
}

// pageDays fills in what each day cost, by stage, the dearest stage first.
func pageDays(d *page.Data, t *ledger.Tx, o *PageOptions) error {
	total, by := map[string]winnow.NanoUSD{}, map[time.Time]map[string]winnow.NanoUSD{}
	err := t.DaySpendings(o.Span, func(s ledger.DaySpending) {
		name := stageName(&ledger.Spending{Task: s.Task, Agent: s.Agent, Replay: s.Replay})
		if by[s.Day] == nil {
			by[s.Day] = map[string]winnow.NanoUSD{}
		}
		total[name] += s.Booked
		by[s.Day][name] += s.Booked
	})
	for name := range total {
		d.Series = append(d.Series, name)
	}
	slices.SortFunc(d.Series, func(a, b string) int { return cmp.Or(cmp.Compare(total[b], total[a]), cmp.Compare(a, b)) })
	for day := d.From; day.Before(d.To); day = day.AddDate(0, 0, 1) {
		one := page.Day{At: day, Parts: make([]winnow.NanoUSD, len(d.Series))}
		for i, name := range d.Series {
			one.Parts[i] = by[day][name]
		}
		d.Days = append(d.Days, one)
	}
	return err
}

// pageMonth fills in the month so far, also of alerts past retention.
func pageMonth(d *page.Data, t *ledger.Tx, o *PageOptions) error {
	first := monthOf(o.Now)
	m := &page.Month{At: first, Budget: o.Settings.Budget.Month}
	for day := first; !day.After(o.Now); day = day.AddDate(0, 0, 1) {
		n, err := t.Spent(day, day.AddDate(0, 0, 1))
		if err != nil {
			return err
		}
		m.Spent = append(m.Spent, n)
	}
	f, ok, err := NewForecast(t, o.Now)
	if ok && f.High > 0 {
		m.Forecast = &page.Forecast{Low: f.Low, Middle: f.End, High: f.High}
	}
	d.Month = m
	return err
}

// pageSplits fills in where the money went.
func pageSplits(d *page.Data, t *ledger.Tx, o *PageOptions) error {
	for _, by := range []By{BySearch, ByModel, ByRule} {
		s, err := NewSplit(t, o.Span, by)
		if err != nil {
			return err
		}
		out := page.Split{Name: string(by)}
		if by == ByRule {
			out.Note = "What was booked for alerts that the rule would have dropped and that were triaged all the same."
		}
		for i := range s.Lines {
			l := &s.Lines[i]
			if by == BySearch {
				d.Paid, d.Uncertain, d.Unpriced = d.Paid+l.Paid, d.Uncertain+l.Uncertain, d.Unpriced+l.Unpriced
			}
			if l.Paid > 0 || by == BySearch {
				out.Lines = append(out.Lines, page.Line{Name: l.Name, Alerts: l.Alerts, Paid: l.Paid})
			}
		}
		if len(out.Lines) > 0 {
			d.Splits = append(d.Splits, out)
		}
	}
	return nil
}

// pageSavings fills in what was saved, and by which team.
func pageSavings(d *page.Data, t *ledger.Tx, o *PageOptions) error {
	units, err := SearchUnits(t, o.Span, listPrice(o))
	if err != nil {
		return err
	}
	s, err := NewSavings(t, o.Span, units)
	if err != nil {
		return err
	}
	d.SavedHow = map[Basis]string{
		BasisMeasured:  "at what an alert of the same search cost",
		BasisElsewhere: "at what alerts of other searches cost",
		BasisList:      "at the list price of " + o.Settings.Pipeline.Model,
	}[units.basis()]
	if units.basis() != BasisNone {
		d.Saved, d.WouldSave = &s.Saved, &s.Would
	}
	d.Shadow = s.Saved == 0 && s.Would > 0
	for i := range s.Lines {
		d.Rules = append(d.Rules, savingOf(&s.Lines[i], d.Shadow))
	}
	var w Week
	if err := w.read(t, o.Teams, units, o.Span); err != nil {
		return err
	}
	for i := range w.Teams {
		l := &w.Teams[i]
		d.Teams = append(d.Teams, page.Team{Name: l.Team, CostCentre: l.Centre, Alerts: l.Alerts, Paid: l.Paid})
	}
	for _, l := range w.Shared {
		d.Teams = append(d.Teams, page.Team{Name: l.Name, Paid: l.Paid, Shared: true})
	}
	return nil
}

func listPrice(o *PageOptions) func(int64) winnow.NanoUSD {
	if o.Prices == nil {
		return nil
	}
	if _, ok := PerAlert(o.Settings, o.Prices, o.Now, 0); !ok {
		return nil
	}
	return func(bytes int64) winnow.NanoUSD {
		n, _ := PerAlert(o.Settings, o.Prices, o.Now, bytes)
		return n
	}
}

// savingOf is a line of savings; in shadow, of what would have been saved.
func savingOf(s *Saving, shadow bool) page.Saving {
	out := page.Saving{Name: s.Name, Drops: s.Alerts, Samples: s.Canary}
	switch s.Kind {
	case SavedByCache:
		out.Name = "cache: " + s.Name
	case SavedByCase:
		out.Name = "open cases: " + s.Name
	}
	saved := s.Saved
	if shadow {
		out.Drops, saved = s.Would, s.WouldUSD
	}
	if s.Basis != BasisNone {
		net := saved - s.Canary
		out.Saved, out.Net = &saved, &net
	}
	return out
}

// pageBill fills in the bill of each detection.
func pageBill(d *page.Data, t *ledger.Tx, o *PageOptions) error {
	b, err := NewBill(t, o.Span, o.Bill)
	if err != nil {
		return err
	}
	for i := range b.Detections {
		l := &b.Detections[i]
		if l.Asked == 0 && l.Paid == 0 && l.People == 0 {
			continue // it costs nobody anything
		}
		one := page.Detection{
			Name: cmp.Or(l.Search, NoSearch), Alerts: l.Alerts, Paid: l.Paid, People: l.PeopleUSD, Noise: l.Noise,
			Judged: l.TruePositive + l.FalsePositive, False: l.FalsePositive, True: l.TruePositive, Share: l.Share,
			Known: l.TruePositive+l.FalsePositive+l.BelievedTrue+l.BelievedFalse > 0, Believed: !l.Judged,
		}
		one.Low, one.High = Interval(one.False, one.Judged)
		if one.Believed {
			one.True += l.BelievedTrue
		}
		if l.PerTrue > 0 {
			one.PerTrue = &l.PerTrue
		}
		d.Detections = append(d.Detections, one)
	}
	d.PeopleHow = fmt.Sprintf("A person's look is taken as %d minutes at %s an hour.", o.Bill.Minutes, o.Bill.Hourly)
	return nil
}

// pageRules fills in what samples say of the rules: of all time, since samples are few.
func pageRules(d *page.Data, t *ledger.Tx, o *PageOptions) error {
	list, err := NewRules(t, o.Known)
	if err != nil {
		return err
	}
	all := page.Closer{Name: "all allow-list rules"}
	var each []page.Closer
	for i := range list {
		r := &list[i]
		c := page.Closer{Name: r.ID, Closed: r.Drops + r.Gone, Judged: r.Judged, Misses: r.Misses, Outside: r.Outside, Low: r.Low, High: r.High}
		if c.Closed+c.Judged+c.Misses+c.Outside == 0 {
			continue
		}
		each = append(each, c)
		all.Closed, all.Judged = all.Closed+c.Closed, all.Judged+c.Judged
		all.Misses, all.Outside = all.Misses+c.Misses, all.Outside+c.Outside
	}
	if len(each) == 0 {
		return nil
	}
	all.Low, all.High = Interval(all.Misses, all.Judged)
	slices.SortStableFunc(each, func(a, b page.Closer) int {
		return cmp.Or(cmp.Compare(b.Misses+b.Outside, a.Misses+a.Outside), cmp.Compare(b.Closed, a.Closed))
	})
	d.Closers = append([]page.Closer{all}, each...)
	return nil
}
