package page

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// Charts are drawn in a frame of this height, and one of these widths; the page scales it. A chart with a table
// beside it is narrower, so that its letters are of the same size.
const (
	chartWidth  = 960.0
	besideWidth = 660.0
	chartHeight = 300.0
	leftEdge    = 74.0
	rightEdge   = 16.0
	topEdge     = 14.0
	bottomEdge  = 34.0
)

// box is a rectangle of a chart, with the text that tells of it.
type box struct {
	X, Y, W, H string
	Class      string
	Title      string
}

// tick is a line across a chart, or a mark below it, with its label.
type tick struct{ At, Label string }

// chart is a picture in numbers; the template turns it into SVG.
type chart struct {
	ID, Title, About string
	W, H             float64
	Left, Right      float64
	Bottom           float64
	Boxes            []box
	Rows             []tick // at a height
	Columns          []tick // below
	Band, Line, Dash string // points of a polygon and of lines, "" for none
	Dot              *tick
	Limit            *tick
}

func newChart(id, title, about string, width float64) *chart {
	return &chart{ID: id, Title: title, About: about, W: width, H: chartHeight, Left: leftEdge, Right: width - rightEdge, Bottom: chartHeight - bottomEdge}
}

// px writes a coordinate.
func px(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}

// scale maps amounts to heights, with a round number on top.
type scale struct{ top, step float64 }

// newScale takes up to the largest amount in four to eight round steps.
func newScale(largest winnow.NanoUSD) scale {
	most := math.Max(float64(largest), 1000) // a millionth of a dollar: nothing to be seen is still a chart
	step := math.Pow(10, math.Floor(math.Log10(most/4)))
	for _, f := range []float64{1, 2, 2.5, 5, 10} {
		if most/(step*f) <= 5 {
			step *= f
			break
		}
	}
	return scale{step * math.Ceil(most/step), step}
}

func (s scale) y(n winnow.NanoUSD) float64 {
	full := chartHeight - bottomEdge - topEdge
	return chartHeight - bottomEdge - full*math.Min(math.Max(float64(n), 0)/s.top, 1)
}

func (s scale) rows() (out []tick) {
	for v := 0.0; v <= s.top+s.step/2; v += s.step {
		out = append(out, tick{px(s.y(winnow.NanoUSD(v))), usd(winnow.NanoUSD(math.Round(v)))})
	}
	return out
}

// column is one stacked column of a chart.
type column struct {
	label string // told of it
	mark  string // below it, "" for none
	parts []winnow.NanoUSD
}

// stacked draws columns whose parts stand on one another.
func stacked(c *chart, series []string, columns []column) {
	var most winnow.NanoUSD
	for _, col := range columns {
		most = max(most, sum(col.parts))
	}
	s := newScale(most)
	c.Rows = s.rows()
	slot := (c.Right - c.Left) / float64(max(len(columns), 1))
	width := math.Min(slot*0.78, 46)
	for i, col := range columns {
		x := c.Left + slot*float64(i) + (slot-width)/2
		var below winnow.NanoUSD
		for j, part := range col.parts {
			if part <= 0 {
				continue
			}
			bottom, top := s.y(below), s.y(below+part)
			below += part
			c.Boxes = append(c.Boxes, box{
				px(x), px(top), px(width), px(math.Max(bottom-top, 0.4)), seriesClass(j, len(series)),
				fmt.Sprintf("%s, %s: %s", col.label, name(series[j]), usd(part)),
			})
		}
		if col.mark != "" {
			c.Columns = append(c.Columns, tick{px(x + width/2), col.mark})
		}
	}
}

// seriesClass is the colour of a part: the last of many is grey, the rest.
func seriesClass(i, of int) string {
	if of > maxSeries && i == of-1 {
		return "rest"
	}
	return fmt.Sprintf("s%d", i%maxSeries+1)
}

func sum(parts []winnow.NanoUSD) (n winnow.NanoUSD) {
	for _, p := range parts {
		n += p
	}
	return n
}

// columnsOf makes a column of each day, or of each week or month where there are many.
func columnsOf(days []Day) (cols []column, each string) {
	label, begins, each := day, func(time.Time) bool { return true }, "day"
	switch {
	case len(days) > 400:
		label, begins, each = func(t time.Time) string { return t.Format("January 2006") }, func(t time.Time) bool { return t.Day() == 1 }, "month"
	case len(days) > 92:
		label, begins, each = func(t time.Time) string { return "week of " + day(t) }, func(t time.Time) bool { return t.Weekday() == time.Monday }, "week"
	}
	for i, d := range days {
		if i == 0 || begins(d.At) {
			cols = append(cols, column{label: label(d.At), parts: make([]winnow.NanoUSD, len(d.Parts)), mark: d.At.Format("2 Jan")})
		}
		last := &cols[len(cols)-1]
		for j := range min(len(d.Parts), len(last.parts)) {
			last.parts[j] += d.Parts[j]
		}
	}
	for i, every := 0, (len(cols)+9)/10; i < len(cols); i++ {
		if i%every != 0 {
			cols[i].mark = ""
		}
	}
	return cols, each
}

// running draws what a month has booked by each day, what is expected by its end, and the budget.
func running(c *chart, m *Month) {
	days := m.At.AddDate(0, 1, 0).Sub(m.At).Hours() / 24
	total := sum(m.Spent)
	most := total
	if m.Forecast != nil {
		most = max(most, m.Forecast.High)
	}
	if m.Budget != nil {
		most = max(most, *m.Budget+*m.Budget/20)
	}
	s := newScale(most)
	c.Rows = s.rows()
	x := func(d float64) float64 { return c.Left + (c.Right-c.Left)*d/days }
	point := func(d float64, n winnow.NanoUSD) string { return px(x(d)) + "," + px(s.y(n)) }
	line := []string{point(0, 0)}
	var so winnow.NanoUSD
	for i, n := range m.Spent {
		so += n
		line = append(line, point(float64(i+1), so))
	}
	c.Line = strings.Join(line, " ")
	now := float64(len(m.Spent))
	c.Dot = &tick{px(x(now)), px(s.y(total))}
	if f := m.Forecast; f != nil && now < days {
		c.Dash = point(now, total) + " " + point(days, f.Middle)
		c.Band = strings.Join([]string{point(now, total), point(days, f.High), point(days, f.Low)}, " ")
	}
	if m.Budget != nil {
		c.Limit = &tick{px(s.y(*m.Budget)), "budget " + usd(*m.Budget)}
	}
	for d := 1; d <= int(days); d += 5 {
		c.Columns = append(c.Columns, tick{px(x(float64(d) - 0.5)), m.At.AddDate(0, 0, d-1).Format("2 Jan")})
	}
}
