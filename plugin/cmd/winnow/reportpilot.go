package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/state"
)

const reportPilotHelp = `Say of every search that is in shadow or assist what winnow would have closed, what people said of those
alerts, and whether the search can be enforced now:

  green   enough of what it would close is labelled, and none of that is an attack
  yellow  too few labels: so many more are needed
  red     it would close what a person called a true positive: such alerts are named, and by what
  off     it would close nothing, so enforcing it changes nothing

A label is a person's disposition, read from Splunk or given with winnow review; weak labels, of more than
ten changes that a person made within a minute, are none. UP TO is the upper bound of the exact 95 % interval
(Clopper and Pearson) for the share of attacks among what it would close; green wants it at or below
--max-missed. HOURS are alerts that nobody would have looked at, times --minutes, which is an assumption.
SAVED is what asking a language model about them would have cost, as measured on the search, or estimated (~).
Both are for a month. Where nothing is in shadow or assist, the same is told of what is enforced.`

// lookBack are the flags of reports over the last days.
type lookBack struct {
	days, minutes int
}

func (b *lookBack) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&b.days, "days", 30, "look at alerts received in the last `N` days")
	cmd.Flags().IntVar(&b.minutes, "minutes", 10, "a person spends `N` minutes on one alert: an assumption of yours")
}

// span returns the time that is looked at.
func (b *lookBack) span(now time.Time) (since, until time.Time, err error) {
	switch {
	case b.days < 1 || b.days > 3650:
		return since, until, usage(fmt.Errorf("--days is %d, want 1 to 3650", b.days))
	case b.minutes < 0 || b.minutes > 24*60:
		return since, until, usage(fmt.Errorf("--minutes is %d, want 0 to 1440", b.minutes))
	}
	return now.AddDate(0, 0, -b.days), now.Add(time.Microsecond), nil
}

// parseShare reads 2 % or 0.02.
func parseShare(flag, text string) (float64, error) {
	digits, percents := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if percents {
		n /= 100
	}
	if err != nil || !(n >= 0 && n <= 1) {
		return 0, usage(fmt.Errorf("%s is %q, want a share: 0%% to 100%%, or 0 to 1", flag, text))
	}
	return n, nil
}

// parseMiss reads the most that may be missed: no number of labels shows that it is nothing.
func parseMiss(text string) (float64, error) {
	share, err := parseShare("--max-missed", text)
	if err == nil && share < 0.0001 {
		err = usage(fmt.Errorf("--max-missed is %q: no number of labels proves less than 0.01%%", text))
	}
	return share, err
}

func reportPilotCommand(g *globals) *cobra.Command {
	var back lookBack
	var miss string
	var list int
	cmd := withCSV(&cobra.Command{
		Use: "pilot", Short: "which searches can be enforced now", Args: cobra.NoArgs, Long: reportPilotHelp,
		Example: `  winnow report pilot
  winnow report pilot --days 90 --max-missed 1%
  winnow report pilot --format csv > pilot.csv`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.reportPilot(cmd.Context(), &back, miss, list) },
	})
	back.add(cmd)
	cmd.Flags().StringVar(&miss, "max-missed", "2%", "at most this `SHARE` of what a search closes may be attacks")
	cmd.Flags().IntVar(&list, "list", 5, "name at most `N` attacks of a search; the rest is counted")
	return cmd
}

func (g *globals) reportPilot(ctx context.Context, back *lookBack, miss string, list int) error {
	since, until, err := back.span(g.now())
	if err != nil {
		return err
	}
	share, err := parseMiss(miss)
	if err != nil {
		return err
	}
	if list < 0 || list > 100_000 {
		return usage(fmt.Errorf("--list is %d, want 0 to 100000", list))
	}
	return g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		units, err := report.NewUnits(t, since, until, g.unitPrice(d))
		if err != nil {
			return err
		}
		p, err := report.NewPilot(t, report.PilotOptions{
			Since: since, Until: until, Minutes: back.minutes, MaxMiss: share, List: list, Units: units,
		})
		if err != nil {
			return err
		}
		return g.printPilot(p, back.days)
	})
}

func (g *globals) printPilot(p *report.Pilot, days int) error {
	switch g.format {
	case formatJSON:
		return g.json(p)
	case formatCSV:
		return g.csv(pilotCSV(p))
	}
	if len(p.Searches) == 0 {
		g.note("winnow has decided on no alert that was received in the last %s", things(days, "day", "days"))
		return nil
	}
	w := g.styled()
	printPilotAnswer(w, p)
	g.text(pilotTable(p))
	printAlarms(w, p)
	printPilotConf(w, p)
	fmt.Fprintf(w, "\n%s\n", dim.Render(fmt.Sprintf("HOURS and SAVED are for 30 days, scaled from %s, at %d minutes an alert (--minutes).",
		daysText(p.Days), p.Minutes)))
	fmt.Fprintln(w, dim.Render(fmt.Sprintf("Green: at most %s of what is closed are attacks, which takes %d labels without one (--max-missed).",
		shortPercent(p.MaxMiss), p.Needed)))
	return nil
}

// printPilotAnswer says first what is asked first: what can be enforced now, and what to do for the rest.
func printPilotAnswer(w io.Writer, p *report.Pilot) {
	can := "can be enforced now"
	if p.Enforced {
		fmt.Fprintln(w, "No alert was in shadow or assist. What is enforced already, held against what people said:")
		can = "have enough labels, and no attack among them"
	}
	green := p.Names(report.Green)
	answer := fmt.Sprintf("%d of %s %s", len(green), things(len(p.Searches), "search", "searches"), can)
	if len(green) > 0 {
		answer += ": " + oneLine(strings.Join(green, ", "), 2000)
	}
	fmt.Fprintln(w, bold.Render(wrapped(answer+".", 96, "  ")))
	lights := p.Lights()
	if y := lights[report.Yellow]; y > 0 {
		fmt.Fprintf(w, "%s more labels: set dispositions in Splunk, or use `winnow review correct ID --as ...`.\n",
			things(y, "search needs", "searches need"))
	}
	if r := lights[report.Red]; r > 0 {
		fmt.Fprintln(w, red.Render(things(r, "search would", "searches would")+" close attacks: see below, and mend what would close them."))
	}
	fmt.Fprintln(w)
}

// printPilotConf prints what enforces the green searches and holds the others back: the most cautious of [gate]
// and [search:NAME] wins, so one search cannot be enforced by itself.
func printPilotConf(w io.Writer, p *report.Pilot) {
	if p.Enforced || len(p.Names(report.Green)) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", bold.Render("For local/winnow.conf; a search that is not in this report needs run = shadow too"))
	fmt.Fprint(w, "[gate]\nrun = enforce\n")
	for i := range p.Searches {
		if s := &p.Searches[i]; s.Light != report.Green {
			fmt.Fprintf(w, "[search:%s]\nrun = %s\n", oneLine(s.Search, 1000), s.Run)
		}
	}
}

var pilotNumbers = map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true}

func pilotTable(p *report.Pilot) *grid {
	t := &grid{
		head: []string{"LIGHT", "SEARCH", "ALERTS", "DROP", "CLOSE", "LABELS", "MISSED", "UP TO", "HOURS", "SAVED"},
		num:  pilotNumbers,
	}
	for i := range p.Searches {
		s := &p.Searches[i]
		labels, upTo := strconv.Itoa(s.Labelled), "-"
		if s.Light == report.Yellow {
			labels += " of " + strconv.Itoa(s.Labelled+s.More)
		}
		if s.Labelled > 0 {
			upTo = shortPercent(s.High)
		}
		t.rows = append(t.rows, []string{
			lightStyle(s.Light).Render(string(s.Light)), oneLine(s.Search, 30), strconv.Itoa(s.Alerts), strconv.Itoa(s.Drops),
			strconv.Itoa(s.Closes() - s.Drops), labels, strconv.Itoa(s.Missed), upTo, fmt.Sprintf("%.0f", s.Hours), savedText(s.Saved, s.Basis),
		})
	}
	return t
}

func lightStyle(l report.Light) lipgloss.Style {
	switch l {
	case report.Green:
		return green
	case report.Yellow:
		return yellow
	case report.Red:
		return red
	case report.Dark:
	}
	return dim
}

// savedText marks what was not measured on the search itself.
func savedText(micro *int64, basis report.Basis) string {
	switch {
	case micro == nil:
		return "no price"
	case basis == report.BasisMeasured || *micro == 0:
		return usd(micro)
	}
	return "~" + usd(micro)
}

func shortPercent(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }

func daysText(days float64) string {
	switch {
	case days < 1:
		return "a day (there is less)"
	case days < 10:
		return fmt.Sprintf("%.1f days", days)
	}
	return fmt.Sprintf("%.0f days", days)
}

// printAlarms names the attacks that would have been closed, and by what.
func printAlarms(w io.Writer, p *report.Pilot) {
	for i := range p.Searches {
		s := &p.Searches[i]
		if s.Missed == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s\n", red.Render(fmt.Sprintf("%s: %s would have been closed", oneLine(s.Search, 60),
			things(s.Missed, "alert that a person called a true positive", "alerts that people called true positives"))))
		for _, m := range s.Alarms {
			by := map[report.Closer]string{
				report.CloserRule: "rule " + plain(m.Rule), report.CloserCache: "the verdict cache",
				report.CloserAnalysts: "the offline analysts", report.CloserModel: "a language model",
			}[m.Closer]
			fmt.Fprintf(w, "  %s  %s  %-13s by %s\n", plain(m.ID), m.Time.UTC().Format(time.DateTime), m.Severity, by)
		}
		if s.AlarmsMore > 0 {
			fmt.Fprintf(w, "  and %d more (--list N names more)\n", s.AlarmsMore)
		}
	}
}

func pilotCSV(p *report.Pilot) *grid {
	t := &grid{head: []string{
		"search_name", "run", "light", "alerts", "would_drop", "would_close_cache", "would_close_analysts", "would_close_model", "would_go_to_people",
		"labelled", "missed", "weak", "labels_missing", "miss_rate", "miss_rate_low", "miss_rate_high", "hours_per_month", "saved_microusd_per_month", "saved_basis",
	}, num: map[int]bool{}}
	for i := 3; i < len(t.head)-1; i++ {
		t.num[i] = true
	}
	for i := range p.Searches {
		s := &p.Searches[i]
		rate, saved := "", ""
		if s.MissRate != nil {
			rate = fmt.Sprintf("%.6f", *s.MissRate)
		}
		if s.Saved != nil {
			saved = strconv.FormatInt(*s.Saved, 10)
		}
		row := []string{s.Search, s.Run.String(), string(s.Light)}
		for _, n := range []int{s.Alerts, s.Drops, s.Cached, s.Analysts, s.Model, s.People, s.Labelled, s.Missed, s.Weak, s.More} {
			row = append(row, strconv.Itoa(n))
		}
		t.add(append(row, rate, fmt.Sprintf("%.6f", s.Low), fmt.Sprintf("%.6f", s.High), fmt.Sprintf("%.2f", s.Hours), saved, string(s.Basis))...)
	}
	return t
}
