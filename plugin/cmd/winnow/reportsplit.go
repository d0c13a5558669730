package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/state"
)

// reportSplit prints what was booked, split.
func (g *globals) reportSplit(ctx context.Context, s ledger.Span, what string) error {
	by, err := report.ParseBy(what)
	if err != nil {
		return usage(err)
	}
	return g.readLedger(ctx, func(_ *state.Deployment, t *ledger.Tx) error {
		p, err := report.NewSplit(t, s, by)
		if err != nil {
			return err
		}
		return g.printSplit(p)
	})
}

func (g *globals) printSplit(p *report.Split) error {
	switch g.format {
	case formatJSON:
		return g.json(p)
	case formatCSV:
		t := &grid{head: []string{string(p.By), "alerts", "asked", "attempts", "input_tokens", "cached_tokens", "output_tokens", "unpriced", "unsettled_nanousd", "paid_nanousd"}}
		for _, l := range p.Lines {
			t.add(l.Name, strconv.Itoa(l.Alerts), strconv.Itoa(l.Asked), strconv.Itoa(l.Attempts), fmt.Sprint(l.Input), fmt.Sprint(l.Cached),
				fmt.Sprint(l.Output), strconv.Itoa(l.Unpriced), strconv.FormatInt(int64(l.Uncertain), 10), strconv.FormatInt(int64(l.Paid), 10))
		}
		return g.csv(t)
	}
	if len(p.Lines) == 0 {
		g.note("nothing was booked, and no alert was received")
		return nil
	}
	t := &grid{
		head: []string{strings.ToUpper(string(p.By)), "PAID", "SHARE", "ALERTS", "ASKED", "CALLS", "TOKENS IN", "CACHED", "OUT", "NOTE"},
		num:  map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true},
	}
	for i := range p.Lines {
		l := &p.Lines[i]
		t.add(oneLine(l.Name, 40), l.Paid.String(), percentOf(l.Paid, p.Total), countOr(p.By, l.Alerts), countOr(p.By, l.Asked),
			strconv.Itoa(l.Attempts), fmt.Sprint(l.Input), fmt.Sprint(l.Cached), fmt.Sprint(l.Output), splitNote(l))
	}
	t.add("all", p.Total.String(), "", "", "", "", "", "", "", "")
	g.text(t)
	return nil
}

// countOr is a number of alerts, or - where calls are split that know of none.
func countOr(by report.By, n int) string {
	switch by {
	case report.ByStage, report.ByAgent, report.ByModel, report.ByTier:
		return "-"
	case report.BySearch, report.ByRule, report.ByTeam, report.BySeverity, report.ByDay:
	}
	return strconv.Itoa(n)
}

func percentOf(part, all winnow.NanoUSD) string {
	if all <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(all))
}

func splitNote(l *report.SplitLine) string {
	var notes []string
	if l.Uncertain > 0 {
		notes = append(notes, l.Uncertain.String()+" of it unsettled")
	}
	if l.Unpriced > 0 {
		notes = append(notes, fmt.Sprintf("%d without a price", l.Unpriced))
	}
	return strings.Join(notes, "; ")
}
