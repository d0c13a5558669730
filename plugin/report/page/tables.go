package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
)

// split is where the money went by one thing.
func split(s *Split, paid winnow.NanoUSD) table {
	lines := top(s.Lines, maxLines, func(rest []Line) Line {
		out := Line{Name: things(len(rest), "other", "others")}
		for _, l := range rest {
			out.Alerts, out.Paid = out.Alerts+l.Alerts, out.Paid+l.Paid
		}
		return out
	})
	t := table{
		ID: "by-" + strings.ReplaceAll(s.Name, " ", "-"), Caption: "By " + s.Name, Note: s.Note,
		Head: []head{{Name: strings.ToUpper(s.Name[:1]) + s.Name[1:]}, {Name: "Share"}, {"Paid", true}},
	}
	var most winnow.NanoUSD
	for _, l := range lines {
		most = max(most, l.Paid)
	}
	for i, l := range lines {
		class := "s1"
		if i == maxLines {
			class = "rest"
		}
		share := 0.0
		if paid > 0 {
			share = float64(l.Paid) / float64(paid)
		}
		note := ""
		if l.Alerts > 0 {
			note = things(l.Alerts, "alert", "alerts")
		}
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Text: name(l.Name), Note: note, Head: true},
			{Bar: bar(l.Paid, most), Class: class, Text: percent(share)},
			{Text: usd(l.Paid), Number: true},
		}})
	}
	return t
}

// rules is what allow-list rules and the cache saved.
func rules(all []Saving) *table {
	if len(all) == 0 {
		return nil
	}
	all = slices.Clone(all)
	amount := func(n *winnow.NanoUSD) winnow.NanoUSD {
		if n == nil {
			return 0
		}
		return *n
	}
	slices.SortStableFunc(all, func(a, b Saving) int { return cmp.Compare(amount(b.Net), amount(a.Net)) })
	all = top(all, maxRules, func(rest []Saving) Saving {
		out := Saving{Name: things(len(rest), "other", "others"), Saved: new(winnow.NanoUSD), Net: new(winnow.NanoUSD)}
		for _, s := range rest {
			out.Drops, out.Samples = out.Drops+s.Drops, out.Samples+s.Samples
			*out.Saved, *out.Net = *out.Saved+amount(s.Saved), *out.Net+amount(s.Net)
		}
		return out
	})
	t := &table{
		ID: "rules-table", Caption: "What each rule and the cache kept from the models",
		Head: []head{{Name: "Rule"}, {"Drops", true}, {Name: "Saved, net"}, {"Saved", true}, {"Samples cost", true}, {"Net", true}},
	}
	var most winnow.NanoUSD
	for _, s := range all {
		most = max(most, amount(s.Net))
	}
	for _, s := range all {
		saved, net := "not known", "not known"
		if s.Saved != nil {
			saved = usd(*s.Saved)
		}
		if s.Net != nil {
			net = usd(*s.Net)
		}
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Text: name(s.Name), Head: true}, {Text: count(s.Drops), Number: true}, {Bar: bar(amount(s.Net), most), Class: "s3"},
			{Text: saved, Number: true}, {Text: usd(s.Samples), Number: true}, {Text: net, Number: true},
		}})
	}
	return t
}

// detections is the bill of each search, the one to be fixed first on top.
func detections(all []Detection) (t *table, first string) {
	if len(all) == 0 {
		return nil, ""
	}
	if d := all[0]; d.Noise > 0 {
		first = fmt.Sprintf("%s. %s of what it cost went into alerts that were no attack", name(d.Name), usd(d.Noise))
		if d.Judged > 0 {
			first += fmt.Sprintf("; of %s that people judged %s none", things(d.Judged, "alert", "alerts"), isWere(d.False))
		}
		first += "."
	}
	shown := all[:min(len(all), maxRules)]
	t = &table{
		ID: "detections-table", Caption: "The bill of each detection",
		Head: []head{
			{Name: "Detection"}, {"Alerts", true}, {"Calls", true}, {"People", true}, {"Spent on noise", true}, {Name: "False positives"},
			{"True", true}, {"Per true positive", true},
		},
	}
	if len(all) > len(shown) {
		t.Note = fmt.Sprintf("%s more have a smaller bill: `winnow report bill` lists them all.", count(len(all)-len(shown)))
	}
	for i := range shown {
		d := &shown[i]
		per := "none yet"
		if d.PerTrue != nil {
			per = usd(*d.PerTrue)
		}
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Text: name(d.Name), Head: true}, {Text: count(d.Alerts), Number: true}, {Text: usd(d.Paid), Number: true}, {Text: usd(d.People), Number: true},
			{Text: usd(d.Noise), Number: true}, falseShare(d), {Text: count(d.True), Number: true}, {Text: per, Number: true},
		}})
	}
	return t, first
}

// falseShare draws how much of a detection is noise: by what people said with its interval, else by what winnow
// believes.
func falseShare(d *Detection) cell {
	switch {
	case d.Judged > 0 && !d.Believed:
		c := interval(float64(d.False)/float64(d.Judged), d.Low, d.High, 1, "s2")
		c.Text += fmt.Sprintf(", %s judged", count(d.Judged))
		return c
	case d.Known:
		return cell{Bar: px(100 * d.Share), Class: "rest", Text: percent(d.Share) + ", believed: " + things(d.Judged, "alert", "alerts") + " judged"}
	}
	return cell{Text: "nobody knows yet"}
}

func isWere(n int) string {
	if n == 1 {
		return "1 was"
	}
	return count(n) + " were"
}

// interval draws a share within its bounds, of a column that is most wide.
func interval(share, low, high, most float64, class string) cell {
	at := func(v float64) float64 { return 100 * min(max(v/most, 0), 1) }
	text := fmt.Sprintf("%s (%s to %s)", percent(share), percent(low), percent(high))
	return cell{Text: text, Class: class, Range: &whisker{px(at(low)), px(max(at(high)-at(low), 0.8)), px(at(share)), text}}
}

// steps is a funnel.
func steps(id, caption string, all []Step) *table {
	if len(all) == 0 {
		return nil
	}
	t := &table{ID: id + "-table", Caption: caption, Head: []head{{Name: "Where"}, {Name: "Share"}, {"Alerts", true}}}
	most := 0.0
	for _, s := range all {
		most = max(most, s.Share)
	}
	for _, s := range all {
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Text: name(s.Name), Head: true},
			{Bar: px(100 * s.Share / max(most, 1e-9)), Class: stepClass(s.Name), Text: percent(s.Share)},
			{Text: count(s.Alerts), Number: true},
		}})
	}
	return t
}

// stepClass sets apart what nobody paid for, what analysts closed, and what waits for a person.
func stepClass(step string) string {
	switch {
	case strings.HasPrefix(step, "closed by an allow-list"), strings.HasPrefix(step, "closed from"), strings.HasPrefix(step, "joined"):
		return "s3"
	case strings.HasPrefix(step, "closed"):
		return "s1"
	case strings.HasPrefix(step, "waits"), strings.HasPrefix(step, "escalated"):
		return "s2"
	}
	return "rest"
}

// quality is what is known to have been missed.
func quality(all []Closer) *table {
	if len(all) == 0 {
		return nil
	}
	shown := top(all, maxRules, func(rest []Closer) Closer {
		return Closer{Name: things(len(rest), "other", "others"), High: 1, Closed: closedBy(rest)}
	})
	t := &table{
		ID: "quality-table", Caption: "Attacks among the samples of what was closed",
		Head: []head{{Name: "Closer"}, {"Closed", true}, {"Samples judged", true}, {"Missed", true}, {Name: "Miss rate, 95 % interval"}},
	}
	widest := 0.0
	for _, c := range shown {
		if c.Judged > 0 {
			widest = max(widest, c.High)
		}
	}
	for _, c := range shown {
		missed, rate := count(c.Misses), cell{Text: "no sample was judged"}
		if c.Outside > 0 {
			missed += fmt.Sprintf(" and %s found otherwise", count(c.Outside))
		}
		class := "s3"
		if c.Misses+c.Outside > 0 {
			class = "s6"
		}
		if c.Judged > 0 {
			rate = interval(float64(c.Misses)/float64(c.Judged), c.Low, c.High, max(widest, 1e-9), class)
		}
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Text: name(c.Name), Head: true}, {Text: count(c.Closed), Number: true}, {Text: count(c.Judged), Number: true}, {Text: missed, Number: true}, rate,
		}})
	}
	return t
}

func closedBy(all []Closer) (n int) {
	for _, c := range all {
		n += c.Closed
	}
	return n
}

// teams is the showback. Its lines add up to what was paid.
func teams(all []Team, paid winnow.NanoUSD) *table {
	if len(all) == 0 {
		return nil
	}
	t := &table{
		ID: "teams-table", Caption: "Who it was for", Foot: []string{"In all", "", "", usd(paid)},
		Head: []head{{Name: "Team"}, {Name: "Cost centre"}, {"Alerts", true}, {"Paid", true}},
	}
	for _, l := range all {
		alerts, class, centre := count(l.Alerts), "", ""
		if l.CostCentre != "" {
			centre = name(l.CostCentre)
		}
		if l.Shared {
			alerts, class = "", "shared"
		}
		t.Rows = append(t.Rows, row{Class: class, Cells: []cell{
			{Text: name(l.Name), Head: true}, {Text: centre}, {Text: alerts, Number: true}, {Text: usd(l.Paid), Number: true},
		}})
	}
	return t
}
