package page

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/winnow-soc/winnow"
)

// How much is shown of what there may be any number of; the rest is summed.
const (
	maxSeries = 6
	maxLines  = 8
	maxRules  = 15
)

// view is the page as the template writes it: text that is ready, and geometry.
type view struct {
	Title, Period, Made, Version string
	Lead                         []sentence
	Warnings                     []string
	Tiles                        []tile
	Budget                       *meter
	Daily                        *figure
	Month                        *figure
	Splits                       []table
	Rules, Detections, Quality   *table
	Funnel, Would, Teams         *table
	FixFirst, PeopleHow          string
	Shadow                       bool
}

// sentence is text of which some is set off.
type sentence struct {
	Text   string
	Strong bool
}

// tile is one of the few numbers on top.
type tile struct {
	Name, Value, Note string
	Estimated         bool
}

type meter struct {
	Text, Width, Class string
}

// figure is a chart with its legend and the table of the same numbers.
type figure struct {
	Chart  *chart
	Legend []legend
	Table  table
	Beside bool // the table stands beside the chart, not below
}

type legend struct{ Name, Class string }

// table is one table. Head names the columns; numbers stand to the right.
type table struct {
	ID, Caption, Note string
	Head              []head
	Rows              []row
	Foot              []string
	Long              bool // it scrolls on a screen
}

type head struct {
	Name   string
	Number bool
}

type row struct {
	Cells []cell
	Class string
}

// cell is text, or a bar or an interval drawn to the width of its column.
type cell struct {
	Text, Note string
	Head       bool // it names the row
	Number     bool
	Bar        string // width in percent, "" for none
	Class      string
	Range      *whisker
}

// whisker is an interval and the value in it, in percent of the column's width.
type whisker struct{ From, Width, At, Title string }

func newView(d *Data) *view {
	last := d.To.AddDate(0, 0, -1)
	v := &view{
		Title: "Cost of alert triage", Period: day(d.From) + " to " + day(last), Made: d.Made.UTC().Format("2 Jan 2006 15:04") + " UTC", Version: name(d.Version),
		Lead: lead(d), Warnings: warnings(d), Tiles: tiles(d), Budget: budget(d.Month),
		Daily: daily(d), Month: month(d.Month),
		Rules: rules(d.Rules), Shadow: d.Shadow, PeopleHow: d.PeopleHow, Quality: quality(d.Closers), Teams: teams(d.Teams, d.Paid),
		Funnel: steps("funnel", "Where alerts ended", d.Funnel), Would: steps("would", "Where winnow would have brought those that it left", d.Would),
	}
	for i := range d.Splits {
		v.Splits = append(v.Splits, split(&d.Splits[i], d.Paid))
	}
	v.Detections, v.FixFirst = detections(d.Detections)
	return v
}

// lead is the bill in one breath.
func lead(d *Data) []sentence {
	days := int(d.To.Sub(d.From).Hours()/24 + 0.5)
	out := []sentence{
		{Text: fmt.Sprintf("In %s, the triage of ", things(days, "day", "days"))},
		{count(d.Alerts) + " alerts", true},
		{Text: " cost "},
		{usd(d.Paid), true},
		{Text: "."},
	}
	if d.Saved != nil && *d.Saved > 0 {
		out = append(out, sentence{Text: " Asking about every alert would have cost about "}, sentence{usd(d.Paid + *d.Saved), true},
			sentence{Text: ": some "}, sentence{percent(float64(*d.Saved) / float64(d.Paid+*d.Saved)), true}, sentence{Text: " less was paid."})
	} else if d.Shadow && d.WouldSave != nil {
		out = append(out, sentence{Text: " Nothing is enforced yet: rules and cache would have saved about "}, sentence{usd(*d.WouldSave), true}, sentence{Text: "."})
	}
	if m := d.Month; m != nil && m.Forecast != nil {
		out = append(out, sentence{Text: " At this pace " + m.At.Format("January") + " ends at about "}, sentence{usd(m.Forecast.Middle), true},
			sentence{Text: fmt.Sprintf(" (between %s and %s).", usd(m.Forecast.Low), usd(m.Forecast.High))})
	}
	return out
}

func warnings(d *Data) (out []string) {
	if d.Unpriced > 0 {
		out = append(out, things(d.Unpriced, "call has", "calls have")+" no price: what they cost is in no number here. Add the model to prices.yaml.")
	}
	if d.Uncertain > 0 {
		out = append(out, fmt.Sprintf("%s of what is booked is for calls whose usage the provider never told: they stand at their worst case.", usd(d.Uncertain)))
	}
	return out
}

func tiles(d *Data) []tile {
	out := []tile{{Name: "Paid for calls", Value: usd(d.Paid), Note: fmt.Sprintf("%s an alert", usd(d.Paid/winnow.NanoUSD(max(d.Alerts, 1))))}}
	saved := tile{Name: "Saved", Value: "not known", Note: "no price for the model that would be asked", Estimated: true}
	switch {
	case d.Shadow && d.WouldSave != nil:
		saved.Name, saved.Value, saved.Note = "Would be saved", usd(*d.WouldSave), d.SavedHow
	case d.Saved != nil:
		saved.Value, saved.Note = usd(*d.Saved), d.SavedHow
	}
	settled := 0.0
	if d.Alerts > 0 {
		settled = 1 - float64(d.Asked)/float64(d.Alerts)
	}
	out = append(out, saved, tile{Name: "Settled before any analyst", Value: percent(settled), Note: count(d.Alerts-d.Asked) + " of " + count(d.Alerts) + " alerts"})
	if m := d.Month; m != nil {
		t := tile{Name: m.At.Format("January") + " will end at", Value: "not known", Note: "too early to say: " + usd(sum(m.Spent)) + " so far", Estimated: true}
		if m.Forecast != nil {
			t.Value = usd(m.Forecast.Middle)
			t.Note = fmt.Sprintf("nine of ten months: %s to %s", usd(m.Forecast.Low), usd(m.Forecast.High))
		}
		out = append(out, t)
	}
	return out
}

func budget(m *Month) *meter {
	if m == nil {
		return nil
	}
	spent := sum(m.Spent)
	if m.Budget == nil {
		return &meter{Text: fmt.Sprintf("No budget is set for %s: %s is booked so far. [budget] month of winnow.conf sets one.", m.At.Format("January"), usd(spent))}
	}
	share := 1.0
	if *m.Budget > 0 {
		share = float64(spent) / float64(*m.Budget)
	}
	out := &meter{
		Text:  fmt.Sprintf("%s of the budget of %s for %s is booked: %s.", percent(share), usd(*m.Budget), m.At.Format("January"), usd(spent)),
		Width: px(100 * min(share, 1)), Class: "s3",
	}
	switch {
	case share >= 0.95:
		out.Class = "s6"
	case share >= 0.8:
		out.Class = "s2"
	}
	if f := m.Forecast; f != nil && f.High > *m.Budget {
		which := "may"
		if f.Middle > *m.Budget {
			which = "will, at this pace,"
		}
		out.Text += fmt.Sprintf(" The month %s pass it.", which)
	}
	return out
}

// top sums what comes after the first lines.
func top[T any](all []T, most int, rest func([]T) T) []T {
	if len(all) <= most+1 {
		return all
	}
	return append(slices.Clone(all[:most]), rest(all[most:]))
}

// daily is what every day cost, by stage.
func daily(d *Data) *figure {
	if d.Paid == 0 {
		return nil // there is nothing to be seen
	}
	series, days := d.Series, d.Days
	if len(series) > maxSeries+1 {
		series, days = folded(series, days)
	}
	cols, each := columnsOf(days)
	c := newChart("daily", "Cost by "+each, "A column for each "+each+", its parts by stage. The table has the same numbers.", chartWidth)
	stacked(c, series, cols)
	f := &figure{Chart: c, Table: table{ID: "daily-table", Caption: "Booked by " + each, Long: len(cols) > 10}}
	f.Table.Head = []head{{Name: "From"}}
	if each == "day" {
		f.Table.Head[0].Name = "Day"
	}
	for i, s := range series {
		f.Legend = append(f.Legend, legend{name(s), seriesClass(i, len(series))})
		f.Table.Head = append(f.Table.Head, head{name(s), true})
	}
	f.Table.Head = append(f.Table.Head, head{"Total", true})
	totals := make([]winnow.NanoUSD, len(series))
	for _, col := range cols {
		r := row{Cells: []cell{{Text: col.label, Head: true}}}
		for i, p := range col.parts {
			r.Cells = append(r.Cells, cell{Text: usd(p), Number: true})
			totals[i] += p
		}
		f.Table.Rows = append(f.Table.Rows, row{Cells: append(r.Cells, cell{Text: usd(sum(col.parts)), Number: true})})
	}
	f.Table.Foot = []string{"In all"}
	for _, n := range totals {
		f.Table.Foot = append(f.Table.Foot, usd(n))
	}
	f.Table.Foot = append(f.Table.Foot, usd(sum(totals)))
	return f
}

// folded keeps the dearest series and sums the rest.
func folded(series []string, days []Day) ([]string, []Day) {
	total := make([]winnow.NanoUSD, len(series))
	for _, d := range days {
		for i, p := range d.Parts {
			total[i] += p
		}
	}
	order := make([]int, len(series))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(total[b], total[a]) })
	names := []string{}
	for _, i := range order[:maxSeries] {
		names = append(names, series[i])
	}
	out := make([]Day, len(days))
	for n, d := range days {
		parts := make([]winnow.NanoUSD, maxSeries+1)
		for place, i := range order {
			if i < len(d.Parts) {
				parts[min(place, maxSeries)] += d.Parts[i]
			}
		}
		out[n] = Day{d.At, parts}
	}
	return append(names, things(len(series)-maxSeries, "other", "others")), out
}

// month is the month so far, its forecast and its budget.
func month(m *Month) *figure {
	if m == nil || sum(m.Spent) == 0 {
		return nil
	}
	c := newChart("month", m.At.Format("January 2006")+", day by day", "A line of what the month has booked by each day. "+
		"After today a dashed line goes to the forecast, within the bounds of nine of ten months. A line across is the budget.", besideWidth)
	running(c, m)
	f := &figure{
		Chart: c, Beside: true, Legend: []legend{{"booked", "s1"}},
		Table: table{ID: "month-table", Caption: "The month and its forecast", Head: []head{{Name: "What"}, {"Amount", true}}},
	}
	add := func(what string, n winnow.NanoUSD, note string) {
		f.Table.Rows = append(f.Table.Rows, row{Cells: []cell{{Text: what, Note: note, Head: true}, {Text: usd(n), Number: true}}})
	}
	add("Booked so far", sum(m.Spent), "measured, "+things(len(m.Spent), "day", "days"))
	if m.Forecast != nil {
		f.Legend = append(f.Legend, legend{"forecast, nine of ten months", "band"})
		add("Forecast for the end", m.Forecast.Middle, "estimated")
		add("at least", m.Forecast.Low, "in nine of ten months")
		add("at most", m.Forecast.High, "in nine of ten months")
	}
	if m.Budget != nil {
		f.Legend = append(f.Legend, legend{"budget", "limit"})
		add("Budget", *m.Budget, "[budget] month")
	}
	return f
}

// bar is how wide a bar is, of the widest.
func bar(n, most winnow.NanoUSD) string {
	if most <= 0 || n <= 0 {
		return "0"
	}
	return px(max(100*float64(n)/float64(most), 0.5))
}
