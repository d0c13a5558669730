package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/report"
)

func (g *globals) printWhatIf(w *report.WhatIf, f *whatIfFlags) error {
	switch g.format {
	case formatJSON:
		return g.json(w)
	case formatCSV:
		return g.csv(whatIfCSV(w))
	}
	out := g.styled()
	if w.Alerts == 0 {
		g.note("winnow has decided on no alert that was received in the last %s", things(f.days, "day", "days"))
		return nil
	}
	fmt.Fprintf(out, "%s, %s\n\n", bold.Render(things(w.Alerts, "alert", "alerts")+" decided again"), whatIfSpan(w, f))
	if f.sweep == "" {
		g.text(besideTable(w))
		fmt.Fprintln(out)
		fmt.Fprintln(out, wrapped(whatIfAnswer(w), 96, "  "))
	} else {
		g.text(sweepTable(w, f))
		fmt.Fprintln(out)
	}
	printNewMisses(out, w)
	for _, note := range whatIfNotes(w, f) {
		for line := range strings.SplitSeq(wrapped(note, 96, "  "), "\n") {
			fmt.Fprintln(out, dim.Render(line))
		}
	}
	return nil
}

// whatIfSpan says what time the alerts are from: a young ledger has fewer days than were asked for.
func whatIfSpan(w *report.WhatIf, f *whatIfFlags) string {
	text := "all that were received in the last " + things(f.days, "day", "days")
	if float64(f.days)-w.Days > 1 {
		text += ", the first at " + w.Since.UTC().Format("2006-01-02 15:04")
	}
	return text
}

// wayNames are the rows of a comparison.
var wayNames = map[report.Way]string{
	report.WayRule: "closed by an allow-list rule", report.WayCache: "closed from the verdict cache",
	report.WayAnalysts: "closed by offline analysts", report.WayModel: "closed by a model",
	report.WayRepeats: "repeats of an open case", report.WayReview: "to review", report.WayEscalated: "escalated",
	report.WayUnknown: "cannot be told",
}

// besideTable puts one setting beside what was.
func besideTable(w *report.WhatIf) *grid {
	was, would := &w.Rows[0], &w.Rows[1]
	t := &grid{head: []string{"", "AS IT WAS", "WOULD BE", "CHANGE"}, num: map[int]bool{1: true, 2: true, 3: true}}
	for _, way := range report.Ways {
		if a, b := was.Ending(way), would.Ending(way); a+b > 0 {
			t.add(wayNames[way], strconv.Itoa(a), strconv.Itoa(b), signed(b-a))
		}
	}
	t.add("hours of people", hoursText(was), hoursText(would), signedHours(was, would))
	t.add("dollars for models", rowMoney(was), rowMoney(would), signedMoney(would.MicroUSD()-was.MicroUSD()))
	if w.Attacks == 0 {
		t.add("missed attacks", "no label", "no label", "")
		return t
	}
	t.add("missed attacks", missText(w, was), missText(w, would), signed(would.Missed-was.Missed))
	t.add("  at 95 %, at most", upperText(was), upperText(would), "")
	return t
}

func signed(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%+d", n)
}

// hoursText says between what hours lie where not all of them can be told.
func hoursText(r *report.WhatIfRow) string {
	if r.Most-r.Hours < 0.05 {
		return fmt.Sprintf("%.1f", r.Hours)
	}
	return fmt.Sprintf("%.1f to %.1f", r.Hours, r.Most)
}

// signedHours is "" where nothing can be said.
func signedHours(was, would *report.WhatIfRow) string {
	if h := would.Hours - was.Hours; math.Abs(h) >= 0.05 && was.Unknown+would.Unknown == 0 {
		return fmt.Sprintf("%+.1f", h)
	}
	return ""
}

func signedMoney(micro int64) string {
	switch {
	case micro > 0:
		return "+" + usd(&micro)
	case micro < 0:
		micro = -micro
		return "-" + usd(&micro)
	}
	return ""
}

// rowMoney marks what is not measured, and what is more than that.
func rowMoney(r *report.WhatIfRow) string {
	sum := r.MicroUSD()
	text := usd(&sum)
	if r.Estimated > 0 {
		text = "~" + text
	}
	if r.Unpriced > 0 {
		text = ">" + text
	}
	return text
}

func missText(w *report.WhatIf, r *report.WhatIfRow) string {
	return fmt.Sprintf("%d of %d", r.Missed, w.Attacks-r.Untold)
}

// upperText is what the share of missed attacks is at most: nothing is known of none.
func upperText(r *report.WhatIfRow) string {
	if r.MissRate == nil {
		return "no label"
	}
	return shortPercent(r.High)
}

// sweepTable has a row for each value, under the name of the key.
func sweepTable(w *report.WhatIf, f *whatIfFlags) *grid {
	stanza, short, _ := splitSet(f.sweep)
	t := &grid{head: []string{oneLine(short, 24), "RULES", "CACHE", "ANALYSTS", "MODEL", "PEOPLE", "UNTOLD", "HOURS", "DOLLARS", "MISSED", "UP TO"}, num: map[int]bool{}}
	for i := 1; i < len(t.head); i++ {
		t.num[i] = true
	}
	for i := range w.Rows {
		r := &w.Rows[i]
		t.add(oneLine(strings.TrimPrefix(r.Setting, stanza+"."+short+"="), 28), strconv.Itoa(r.Rule), strconv.Itoa(r.Cache), strconv.Itoa(r.Analysts), strconv.Itoa(r.Model),
			strconv.Itoa(r.Review+r.Escalated+r.Repeats), strconv.Itoa(r.Unknown), hoursText(r), rowMoney(r), missText(w, r), upperText(r))
	}
	return t
}

// whatIfAnswer says in a sentence what a setting is worth.
func whatIfAnswer(w *report.WhatIf) string {
	was, would := &w.Rows[0], &w.Rows[1]
	name := oneLine(would.Setting, 200)
	if would.Changed == 0 && would.MicroUSD() == was.MicroUSD() {
		return name + ": changes nothing."
	}
	var parts []string
	switch n := would.Closed() - was.Closed(); {
	case n > 0:
		parts = append(parts, "closes "+things(n, "more alert", "more alerts"))
	case n < 0:
		parts = append(parts, "closes "+things(-n, "alert less", "fewer alerts"))
	default:
		parts = append(parts, "closes as many alerts")
	}
	if n := would.Unknown - was.Unknown; n > 0 {
		parts = append(parts, "leaves open what comes of "+things(n, "alert", "alerts"))
	}
	if text := signedHours(was, would); text != "" {
		parts = append(parts, saves(text[0] == '-')+text[1:]+" hours of people")
	}
	if text := signedMoney(would.MicroUSD() - was.MicroUSD()); text != "" {
		parts = append(parts, saves(text[0] == '-')+text[1:])
	}
	switch n := would.Missed - was.Missed; {
	case n > 0:
		parts = append(parts, red.Render("misses "+things(n, "more attack", "more attacks")))
	case n < 0:
		parts = append(parts, "misses "+things(-n, "attack less", "fewer attacks"))
	case w.Attacks > 0:
		parts = append(parts, "misses no other labelled attack")
	}
	return name + ": " + strings.Join(parts, ", ") + "."
}

func saves(less bool) string {
	if less {
		return "saves "
	}
	return "costs "
}

// printNewMisses names the attacks that would be closed and were not.
func printNewMisses(w io.Writer, r *report.WhatIf) {
	if len(r.Missed)+r.More == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", red.Render("Attacks, by word of a person, that would be closed"))
	for _, m := range r.Missed {
		fmt.Fprintf(w, "  %s  %s  %-13s %s, %s (%s)\n", plain(m.ID), m.Time.UTC().Format(time.DateTime), m.Severity, oneLine(m.Search, 40),
			wayNames[m.By], oneLine(m.Setting, 60))
	}
	if r.More > 0 {
		fmt.Fprintf(w, "  and %d more (--list N names more)\n", r.More)
	}
	fmt.Fprintln(w)
}

// whatIfNotes say what the numbers rest on.
func whatIfNotes(w *report.WhatIf, f *whatIfFlags) []string {
	var out []string
	note := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if w.Attacks == 0 {
		note("Nobody has called any of these alerts a true positive, so nothing is known of what is missed. "+
			"Label some: `winnow review correct ID --as TruePositive`, or a disposition in Splunk.%s", weakText(w.Weak))
	} else {
		note("Missed attacks rest on %s; %d benign ones%s.", things(w.Attacks, "alert that people called a true positive", "alerts that people called true positives"),
			w.Benign, weakText(w.Weak))
	}
	last := &w.Rows[len(w.Rows)-1]
	for _, why := range slices.Sorted(maps.Keys(last.Why)) {
		note("Cannot be told of %d: %s.", last.Why[why], why)
	}
	if text := whyPeople(last); text != "" && f.sweep == "" {
		note("Why alerts go to people, as records say it: %s.", text)
	}
	if w.Rows[0].MicroUSD() == 0 && !slices.ContainsFunc(w.Rows, func(r report.WhatIfRow) bool { return r.MicroUSD() > 0 }) {
		note("No language model was paid in these days, so closing more saves hours and no dollars; --model NAME shows what one would cost.")
	}
	if slices.ContainsFunc(w.Rows, func(r report.WhatIfRow) bool { return r.Estimated > 0 }) {
		note("~ has an estimated part: calls that were not made, or not at these prices. Measured is what was booked.")
	}
	if f.model != "" {
		note("What %s would answer is not known: measure it with `winnow eval --model` or `winnow replay --model`.", plain(f.model))
	}
	if w.Drifted > 0 {
		note("%s otherwise today even as things are, for lists, facts or rules have changed since; what was recorded stands for them.",
			things(w.Drifted, "alert would be decided", "alerts would be decided"))
	}
	if w.Skipped > 0 {
		note("Left out: %s that winnow has not decided (waiting, its own, or a person's before).", things(w.Skipped, "alert", "alerts"))
	}
	note("Hours are %d minutes (--minutes) for each alert to review or escalated; repeats of an open case take none.", w.Minutes)
	return out
}

// whyPeople lists the reasons for which most alerts go to people.
func whyPeople(r *report.WhatIfRow) string {
	reasons := slices.SortedFunc(maps.Keys(r.ToPeople), func(a, b winnow.Reason) int {
		return cmp.Or(cmp.Compare(r.ToPeople[b], r.ToPeople[a]), cmp.Compare(a, b))
	})
	var out []string
	for _, reason := range reasons[:min(len(reasons), 5)] {
		out = append(out, fmt.Sprintf("%s %d", reason, r.ToPeople[reason]))
	}
	return plain(strings.Join(out, ", "))
}

func weakText(n int) string { return ifAny(n, "; %d have weak labels alone, which count for nothing") }

func whatIfCSV(w *report.WhatIf) *grid {
	t := &grid{head: []string{
		"setting", "alerts", "closed_by_rule", "closed_by_cache", "closed_by_analysts", "closed_by_model", "repeats", "to_review", "escalated", "unknown",
		"changed", "hours", "measured_microusd", "estimated_microusd", "unpriced", "attacks", "attacks_unknown", "missed", "miss_rate", "miss_rate_low",
		"miss_rate_high", "benign", "closed_benign",
	}, num: map[int]bool{}}
	for i := 1; i < len(t.head); i++ {
		t.num[i] = true
	}
	for i := range w.Rows {
		r := &w.Rows[i]
		row := []string{r.Setting}
		for _, n := range []int{w.Alerts, r.Rule, r.Cache, r.Analysts, r.Model, r.Repeats, r.Review, r.Escalated, r.Unknown, r.Changed} {
			row = append(row, strconv.Itoa(n))
		}
		rate := ""
		if r.MissRate != nil {
			rate = fmt.Sprintf("%.6f", *r.MissRate)
		}
		row = append(row, fmt.Sprintf("%.2f", r.Hours), strconv.FormatInt(r.Measured, 10), strconv.FormatInt(r.Estimated, 10), strconv.Itoa(r.Unpriced),
			strconv.Itoa(w.Attacks), strconv.Itoa(r.Untold), strconv.Itoa(r.Missed), rate, fmt.Sprintf("%.6f", r.Low), fmt.Sprintf("%.6f", r.High),
			strconv.Itoa(w.Benign), strconv.Itoa(r.ClosedBenign))
		t.add(row...)
	}
	return t
}
